"""numba-cuda or its successor numba-cuda-mlir: the one module that imports either of them.

numba-cuda is used where both are installed, because only it has a simulator; NPFACEAPI_CUDA_PACKAGE can name the other.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from npfaceapi.engines.cuda.chosen import chosen_package

__all__ = [
    "PACKAGE", "SIMULATED", "config", "cuda", "float32", "float64", "int32", "int64", "nvvm", "types", "uint8",
    "uint32", "uint64",
]  # fmt: skip

PACKAGE = chosen_package() or "numba-cuda"
_numpy: Any = np
_IS_MLIR = PACKAGE == "numba-cuda-mlir"
_WHERE = "numba_cuda_mlir.numba_cuda" if _IS_MLIR else "numba.cuda"

config: Any = importlib.import_module(f"{_WHERE}.core.config")
SIMULATED = bool(getattr(config, "ENABLE_CUDASIM", False))
cuda: Any = importlib.import_module("numba_cuda_mlir.cuda" if _IS_MLIR else "numba.cuda")
types: Any = importlib.import_module(f"{_WHERE}.types" if _IS_MLIR else "numba.types")
float32, float64, int32, int64 = types.float32, types.float64, types.int32, types.int64
uint8, uint32, uint64 = types.uint8, types.uint32, types.uint64
nvvm: Any = None if SIMULATED else importlib.import_module(f"{_WHERE}.cudadrv.nvvm")


def _import_overloads_of_numpy() -> None:
    """numba-cuda 0.30 names `numpy.row_stack` when it is first used, which NumPy 2.5 no longer has: define it meanwhile."""
    if SIMULATED or hasattr(np, "row_stack"):
        return
    _numpy.row_stack = np.vstack
    try:
        importlib.import_module(f"{_WHERE}.np.arrayobj")
    finally:
        del _numpy.row_stack


_import_overloads_of_numpy()
