"""Operations that move numbers and change none."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import kernel

__all__ = ["copy_rows", "pad"]

Array = np.ndarray[Any, Any]


@kernel
def pad(x: Array, top: int, left: int, first: int, out: Array, start: int, stop: int) -> None:
    """Images start..stop: x [N,H,W,C] set into zeros out [N,Ho,Wo,Co] at row `top`, column `left` and channel `first`."""
    _, H, W, C = x.shape
    for n in range(start, stop):
        out[n] = 0
        for h in range(H):
            for v in range(W):
                for c in range(C):
                    out[n, top + h, left + v, first + c] = x[n, h, v, c]


@kernel
def copy_rows(x: Array, at: int, out: Array, start: int, stop: int) -> None:
    """Images start..stop: the numbers of x [N,size] set into out [N,total] from position `at` on."""
    for n in range(start, stop):
        for i in range(x.shape[1]):
            out[n, at + i] = x[n, i]
