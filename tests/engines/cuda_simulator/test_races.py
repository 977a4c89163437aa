"""Races in shared memory: no thread reads what was never written, or what another writes between the same two barriers.

The simulator runs the threads of a block in turns, so a missing barrier rarely changes its results; here every access to shared
memory is recorded with its thread and the number of barriers that the thread has passed.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict

import numpy as np
import pytest
from numba import cuda, float32
from numba.cuda.simulator import kernel as simulator
from numba.cuda.simulator.kernelapi import FakeCUDAShared

from helpers.cuda_kernels import TINY, check, use_tile
from npfaceapi import ops
from npfaceapi.engines.cuda import launches
from npfaceapi.engines.cuda.kernels import product


class Watched:
    """A shared array that records which thread reads and writes which number in which phase (between two barriers)."""

    found: list[str] = []  # noqa: RUF012 - of all arrays of a test
    accesses = 0

    def __init__(self, shape, dtype):
        self.values = np.full(shape, np.nan if dtype == np.float32 else 0, dtype)
        self.written: set[int] = set()
        self.writers = defaultdict(set)
        self.readers = defaultdict(set)

    @staticmethod
    def here():
        thread = threading.current_thread()
        return thread.thread_id, getattr(thread, "phase", 0)

    def __getitem__(self, i):
        thread, phase = self.here()
        Watched.accesses += 1
        if i not in self.written:
            self.found.append(f"[{i}] is read and was never written")
        if self.writers[i, phase] - {thread}:
            self.found.append(f"[{i}] is read while another thread writes it")
        self.readers[i, phase].add(thread)
        return self.values[i]

    def __setitem__(self, i, value):
        thread, phase = self.here()
        Watched.accesses += 1
        if (self.readers[i, phase] | self.writers[i, phase]) - {thread}:
            self.found.append(f"[{i}] is written while another thread reads or writes it")
        self.writers[i, phase].add(thread)
        self.written.add(i)
        self.values[i] = value


@pytest.fixture
def watched(monkeypatch):
    wait, lock = simulator.BlockThread.syncthreads, threading.Lock()

    def array(self, shape, dtype, alignment=None):
        with lock:
            size = self._allocations.setdefault("count", {})
            mine = threading.current_thread()
            mine.arrays = getattr(mine, "arrays", 0) + 1  # every thread allocates the same arrays in the same order
            if mine.arrays not in size:
                size[mine.arrays] = Watched(shape, np.dtype(str(dtype)))
            return size[mine.arrays]

    def syncthreads(self):
        wait(self)
        self.phase = getattr(self, "phase", 0) + 1

    monkeypatch.setattr(FakeCUDAShared, "array", array)
    monkeypatch.setattr(simulator.BlockThread, "syncthreads", syncthreads)
    monkeypatch.setattr(Watched, "found", [])
    monkeypatch.setattr(Watched, "accesses", 0)
    return Watched


def convolve():
    shapes = {"filters": (3, 3, 9, 18), "bias": (18,)}  # 6 slices of two partial sums, tiles with edges on all sides
    check(lambda x, p: ops.conv2d(x, p["filters"], p["bias"]), (5, 4, 9), shapes)


@pytest.mark.parametrize("tile", ["tiny", "small", "tall"])
def test_no_races_in_the_product(monkeypatch, watched, tile):
    use_tile(monkeypatch, tile)
    convolve()
    assert watched.accesses > 10_000
    assert watched.found == []


def test_no_races_in_a_narrow_convolution(monkeypatch, watched):
    monkeypatch.setattr(launches, "ENOUGH_THREADS", 0)
    check(lambda x, p: ops.conv2d(x, p["filters"], p["bias"]), (5, 4, 7), {"filters": (3, 3, 7, 18), "bias": (18,)})
    assert watched.accesses > 10_000
    assert watched.found == []


def test_no_races_in_shared_partial_sums(monkeypatch, watched):
    use_tile(monkeypatch, "tiny")
    monkeypatch.setattr(launches, "choose_tile", lambda *_: ("small", 1))
    convolve()
    assert watched.found == []


def test_a_missing_barrier_is_found(monkeypatch, watched):
    """The same kernel with a barrier that does not wait."""
    use_tile(monkeypatch, "tiny")
    monkeypatch.setattr(simulator.BlockThread, "syncthreads", lambda self: None)
    with contextlib.suppress(AssertionError):  # the result may be wrong too
        convolve()
    assert any("while another thread" in text or "never written" in text for text in watched.found)


def test_numbers_that_were_never_written_are_found(watched):
    @cuda.jit
    def careless(out):
        shared = cuda.shared.array(4, float32)
        if cuda.threadIdx.x > 0:
            shared[cuda.threadIdx.x] = 1
        cuda.syncthreads()
        out[cuda.threadIdx.x] = shared[3 - cuda.threadIdx.x]

    careless[1, 4](np.zeros(4, np.float32))
    assert watched.found == ["[0] is read and was never written"]


def test_the_watched_kernel_is_the_real_one():
    assert product.make_product(TINY).arguments == launches.PRODUCTS["square"].arguments
    assert product.make_product(TINY, POINTWISE=True).arguments == launches.POINTWISE["wide"].arguments
