"""These tests need the CUDA simulator, which is chosen before numba is imported: tests/test_cuda_simulator.py runs them so."""

from __future__ import annotations

import os

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    collect_ignore_glob = ["test_*.py"]
