"""Which package compiles the kernels; importing this imports none of them."""

from __future__ import annotations

import importlib.util
import os

from npfaceapi.errors import BackendUnavailable

__all__ = ["CHOICE", "INSTALL", "chosen_package"]

PACKAGES = {"numba-cuda": "numba_cuda", "numba-cuda-mlir": "numba_cuda_mlir"}  # by preference, with their import names
INSTALL = {"numba-cuda": 'pip install "npfaceapi[cuda]"', "numba-cuda-mlir": 'pip install "numba-cuda-mlir[cu13]"'}
CHOICE = "NPFACEAPI_CUDA_PACKAGE"


def chosen_package() -> str | None:
    """The package that compiles the kernels, out of `PACKAGES`: what NPFACEAPI_CUDA_PACKAGE names, else the first installed."""
    wanted = os.environ.get(CHOICE) or None
    if wanted is not None and wanted not in PACKAGES:
        raise BackendUnavailable(f"cuda: expected {CHOICE} to be one of {', '.join(PACKAGES)}, got {wanted!r}")
    names = PACKAGES if wanted is None else [wanted]
    return next((name for name in names if importlib.util.find_spec(PACKAGES[name])), None)
