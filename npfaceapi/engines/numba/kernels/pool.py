"""Pooling: the largest value or the mean of every window."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import float32, jitted, kernel, uintp
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, floats
from npfaceapi.engines.numba.simd.strip import make_max_pool_strip, sum_window

__all__ = ["POOL", "avg_pool", "max_pool", "max_pool_row"]

pool_2, pool_3 = make_max_pool_strip(2), make_max_pool_strip(3)

#: Windows of `size` pixels; a feature map of IH x IW pixels of C floats at `x`, the corner of its first real pixel.
POOL = np.dtype(
    [
        (name, np.int64)
        for name in ("x", "row", "IH", "IW", "size_h", "size_w", "stride", "top", "left", "out", "out_row", "H", "W", "C")
    ]
)


@jitted()
def max_pool_row(
    x: int,
    row: int,
    IH: int,
    IW: int,
    C: int,
    size_h: int,
    size_w: int,
    stride: int,
    top: int,
    left: int,
    h: int,
    W: int,
    out: int,
) -> None:
    """Row h of W outputs at address `out`, from the image at address `x`.

    Whole windows go in strips; those that reach out of the image one by one.
    """
    i0, i1 = max(0, h * stride - top), min(IH, h * stride - top + size_h)
    v = 0
    while v < W:
        j0, j1 = max(0, v * stride - left), min(IW, v * stride - left + size_w)
        corner, target = x + (i0 * row + j0 * C) * 4, out + v * C * 4
        if i1 - i0 == size_h and j1 - j0 == size_w and size_h == size_w and (size_h == 2 or size_h == 3):
            whole = min(W - v, (IW - j0 - size_w) // stride + 1)
            if size_h == 2:
                pool_2(uintp(corner), row, C, stride * C, whole, uintp(target), C)
            else:
                pool_3(uintp(corner), row, C, stride * C, whole, uintp(target), C)
            v += whole
            continue
        y = floats(target, C)
        first = floats(corner, C)
        for c in range(C):
            y[c] = first[c]
        for i in range(i1 - i0):
            for j in range(j1 - j0):
                a = floats(corner + (i * row + j * C) * 4, C)
                for c in range(C):
                    y[c] = a[c] if a[c] > y[c] or a[c] != a[c] else y[c]
        v += 1


@kernel(POOL)
def max_pool(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        out = memory + p.out + h * p.out_row * 4
        max_pool_row(memory + p.x, p.row, p.IH, p.IW, p.C, p.size_h, p.size_w, p.stride, p.top, p.left, h, p.W, out)


@kernel(POOL)
def avg_pool(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    """Also the mean over an image: one window."""
    p = dereference(params)
    start, stop = chunk_range(p.H, chunk, chunks)
    scale = float32(1 / (p.size_h * p.size_w))
    for h in range(start, stop):
        for v in range(p.W):
            x = memory + p.x + (h * p.row + v * p.C) * p.stride * 4
            sum_window(uintp(x), p.row, p.C, p.size_h, p.size_w, scale, uintp(memory + p.out + (h * p.out_row + v * p.C) * 4))
