"""These tests need the CUDA simulator, chosen before numba is imported: tests/engines/test_cuda_simulator.py does that."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
if not SIMULATED:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True, scope="session")
def one_shared_array_a_block():
    """Serialize allocations of shared arrays: in the simulator, two threads allocating at the same moment can get one each.

    The arrays start as NaN, which exposes numbers that were never written.
    """
    if not SIMULATED:
        yield
        return
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    array, lock = FakeCUDAShared.array, threading.Lock()

    def one_by_one(self, shape, dtype, alignment=None):
        caller = sys._getframe(1)
        place = caller.f_code.co_filename, caller.f_lineno  # which is how the simulator tells arrays apart
        with lock:
            kind = np.dtype(str(dtype))
            return self._allocations.setdefault(place, np.full(shape, np.nan if kind == np.float32 else 1 << 30, kind))

    FakeCUDAShared.array = one_by_one
    yield
    FakeCUDAShared.array = array
