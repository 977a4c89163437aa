"""Depthwise convolution: every channel with its own filter,

    y[h,w,c] = act((sum over i,j of x[..., c] * w[i,j,c] + before[c]) * scale[c] + after[c]).

All loops over channels are contiguous.  As in `convolution.py` the sums are kept in the output and padding is never stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.convolution import activate
from npfaceapi.engines.numba.jit import kernel

__all__ = ["depthwise_conv2d"]

Array = np.ndarray[Any, Any]


@kernel
def depthwise_conv2d(
    x: Array,
    w: Array,
    before: Array,
    scale: Array,
    after: Array,
    alpha: Array,
    highest: float,
    stride: int,
    top: int,
    left: int,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Rows start..stop of out [N,Ho,Wo,C], counted over all images; w is [KH,KW,C]."""
    _, H, W, C = x.shape
    KH, KW = w.shape[:2]
    _, Ho, Wo, _ = out.shape
    for row in range(start, stop):
        n, h = row // Ho, row % Ho
        i0, i1 = max(0, top - h * stride), min(KH, H + top - h * stride)
        for v in range(Wo):
            j0, j1 = max(0, left - v * stride), min(KW, W + left - v * stride)
            y = out[n, h, v]
            y[:] = 0
            for i in range(i0, i1):
                for j in range(j0, j1):
                    a, b = x[n, h * stride + i - top, v * stride + j - left], w[i, j]
                    for c in range(C):
                        y[c] += a[c] * b[c]
            for c in range(C):
                y[c] = (y[c] + before[c]) * scale[c] + after[c]
            activate(y, alpha, highest)
