"""Convolution: y[h,w,o] = act((s + before[o]) * scale[o] + after[o] + residual[h,w,o]), where s is the

    sum over i,j,c of x[h*stride+i-top, w*stride+j-left, c] * w[i,j,c,o].

`before`, `scale` and `after` stand for the bias and for a batch norm or scale layer behind the convolution; the bias comes
after the sum, because a sum that starts at a large bias loses the digits of its small products.

For each output pixel the Co sums are kept in the output itself, and input channels are taken eight at a time:

    y[:] += (x0 * w0[:] + x1 * w1[:]) + (x2 * w2[:] + x3 * w3[:])

The loop over Co is contiguous in both arrays, so that it becomes vector code; four channels at a time mean five loads
and one store for four multiply-adds instead of eight and four; and the chain of roundings is a quarter as long.
Padding is never stored: the ranges of i and j are cut to those that hit the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import kernel

__all__ = ["activate", "conv2d"]

Array = np.ndarray[Any, Any]


@kernel
def activate(y: Array, alpha: Array, highest: float) -> None:
    """In place y if y > 0 else alpha * y, at most `highest`; written so that NaN stays NaN."""
    for o in range(y.size):
        v = y[o] if y[o] > 0 else alpha[o] * y[o]
        y[o] = highest if v > highest else v


@kernel
def accumulate(y: Array, x: Array, w: Array) -> None:
    """y [Co] += x [Ci] times w [Ci,Co]."""
    Ci, Co = w.shape
    c = 0
    while c + 8 <= Ci:
        x0, x1, x2, x3 = x[c], x[c + 1], x[c + 2], x[c + 3]
        x4, x5, x6, x7 = x[c + 4], x[c + 5], x[c + 6], x[c + 7]
        for o in range(Co):
            low = (x0 * w[c, o] + x1 * w[c + 1, o]) + (x2 * w[c + 2, o] + x3 * w[c + 3, o])
            high = (x4 * w[c + 4, o] + x5 * w[c + 5, o]) + (x6 * w[c + 6, o] + x7 * w[c + 7, o])
            y[o] += low + high
        c += 8
    while c < Ci:
        x0 = x[c]
        for o in range(Co):
            y[o] += x0 * w[c, o]
        c += 1


@kernel
def conv2d(
    x: Array,
    w: Array,
    before: Array,
    scale: Array,
    after: Array,
    residual: Array,
    alpha: Array,
    highest: float,
    stride: int,
    top: int,
    left: int,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Rows start..stop of out [N,Ho,Wo,Co], counted over all images; `residual` is like `out`, or empty for none."""
    _, H, W, _ = x.shape
    KH, KW = w.shape[:2]
    _, Ho, Wo, Co = out.shape
    for row in range(start, stop):
        n, h = row // Ho, row % Ho
        i0, i1 = max(0, top - h * stride), min(KH, H + top - h * stride)
        for v in range(Wo):
            j0, j1 = max(0, left - v * stride), min(KW, W + left - v * stride)
            y = out[n, h, v]
            y[:] = 0
            for i in range(i0, i1):
                for j in range(j0, j1):
                    accumulate(y, x[n, h * stride + i - top, v * stride + j - left], w[i, j])
            for o in range(Co):
                y[o] = (y[o] + before[o]) * scale[o] + after[o]
            if residual.size:
                for o in range(Co):
                    y[o] += residual[n, h, v, o]
            activate(y, alpha, highest)
