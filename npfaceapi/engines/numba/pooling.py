"""Pooling: the largest value or the mean of each window, and the mean over a whole image.

Means are summed in float64: a window has few numbers, and one rounding is better than many.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import kernel

__all__ = ["avg_pool", "max_pool", "mean"]

Array = np.ndarray[Any, Any]


@kernel
def max_pool(x: Array, size: int, stride: int, top: int, left: int, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [N,Ho,Wo,C], counted over all images; padding never wins, NaN always does."""
    _, H, W, C = x.shape
    _, Ho, Wo, _ = out.shape
    for row in range(start, stop):
        n, h = row // Ho, row % Ho
        h0, h1 = max(0, h * stride - top), min(H, h * stride - top + size)
        for v in range(Wo):
            v0, v1 = max(0, v * stride - left), min(W, v * stride - left + size)
            y = out[n, h, v]
            y[:] = x[n, h0, v0]
            for i in range(h0, h1):
                for j in range(v0, v1):
                    a = x[n, i, j]
                    for c in range(C):
                        y[c] = a[c] if a[c] > y[c] or a[c] != a[c] else y[c]


@kernel
def avg_pool(x: Array, size: int, stride: int, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [N,Ho,Wo,C], counted over all images; windows lie inside of the image."""
    _, Ho, Wo, C = out.shape
    for row in range(start, stop):
        n, h = row // Ho, row % Ho
        for v in range(Wo):
            for c in range(C):
                total = np.float64(0)
                for i in range(h * stride, h * stride + size):
                    for j in range(v * stride, v * stride + size):
                        total += x[n, i, j, c]
                out[n, h, v, c] = total / (size * size)


@kernel
def mean(x: Array, out: Array, start: int, stop: int) -> None:
    """Images start..stop of x [N,H,W,C] to out [N,C]."""
    _, H, W, C = x.shape
    for n in range(start, stop):
        for c in range(C):
            total = np.float64(0)
            for i in range(H):
                for j in range(W):
                    total += x[n, i, j, c]
            out[n, c] = total / (H * W)
