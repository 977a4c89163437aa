"""Convolution, alone or behind a depthwise convolution, over bands of rows that stay in the second-level cache.

    for each band of output rows:
        if there is a depthwise part: compute its rows into a small buffer of this thread
        run the matrix product on the buffer, or on the image itself

A depthwise layer does 9 multiply-adds for each number it reads and writes, so by itself it waits for memory; in a band its
result never leaves the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uintp

from npfaceapi.engines.numba.jit import carray, jitted, kernel
from npfaceapi.engines.numba.kernels.gemm import WIDE, call_gemm
from npfaceapi.engines.numba.kernels.memory import chunk_range
from npfaceapi.engines.numba.simd.strip import make_depthwise_strip

__all__ = ["CONVOLVE", "DEPTHWISE", "convolve", "depthwise"]

one_1, four_1, one_2, four_2 = (make_depthwise_strip(pixels, stride) for stride in (1, 2) for pixels in (1, 4))

_DEPTHWISE = [
    ("x", np.int64),  # offset of the first window's corner
    ("row", np.int64),
    ("C", np.int64),
    ("stride", np.int64),
    ("dw", np.int64),  # address of weights [9,C]
    ("dw_constants", np.int64),  # address of [4,C]: before, scale, after, alpha
    ("dw_highest", np.float32),
    ("dw_lowest", np.float32),  # inputs are clamped to this from below
    ("H", np.int64),  # output rows and columns
    ("W", np.int64),
]
#: A depthwise 3x3 convolution alone; `out` is the offset of the first output, `out_row` as `row`.
DEPTHWISE = np.dtype([*_DEPTHWISE, ("out", np.int64), ("out_row", np.int64)])
#: A convolution; `dw` 0 means that there is no depthwise part, and then `x` is the offset of the image that `pixel` counts from.
CONVOLVE = np.dtype(
    [
        *_DEPTHWISE,
        ("gemm", np.int64),  # address of that kernel
        ("pixel", np.int64),  # address of the table of each output pixel's place in the image, or in the band
        ("run", np.int64),
        ("chains", np.int64),
        ("runs", np.int64),
        ("R", np.int64),
        ("w", np.int64),
        ("constants", np.int64),  # address of [4,N]
        ("highest", np.float32),
        ("N", np.int64),  # output channels, padded
        ("out", np.int64),  # offset
        ("out_pixel", np.int64),
        ("residual", np.int64),  # offset, or -1 for none
        ("residual_pixel", np.int64),
        ("band", np.int64),  # rows of a band
        ("block", np.int64),
        ("by_channels", np.int64),  # whether chunks are shares of the channels, for few pixels and many weights
    ]
)


@jitted()
def _depthwise_row(p: Any, x: int, out: int) -> None:
    """One row of p.W outputs."""
    v = 0
    wide = p.W >= 4
    while v < p.W:
        at = min(v, p.W - 4) if wide else v
        args = (
            uintp(x + at * p.stride * p.C * 4), p.row, p.C, uintp(p.dw), uintp(p.dw_constants),
            p.dw_highest, p.dw_lowest, uintp(out + at * p.C * 4),
        )  # fmt: skip
        if p.stride == 1:
            if wide:
                four_1(*args)
            else:
                one_1(*args)
        elif wide:
            four_2(*args)
        else:
            one_2(*args)
        v += 4 if wide else 1


@kernel(DEPTHWISE)
def depthwise(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = carray(params, 1)[0]
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        _depthwise_row(p, memory + p.x + h * p.stride * p.row * 4, memory + p.out + h * p.out_row * 4)


@kernel(CONVOLVE)
def convolve(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = carray(params, 1)[0]
    h0, h1, n0, n1 = int64(0), p.H, int64(0), p.N
    if p.by_channels:
        whole = (p.N + WIDE - 1) // WIDE
        a, b = chunk_range(whole, chunk, chunks)
        n0, n1 = a * WIDE, min(b * WIDE, p.N)
    else:
        h0, h1 = chunk_range(p.H, chunk, chunks)
    residual = uintp(memory + p.residual) if p.residual >= 0 else uintp(0)
    h = h0
    while h < h1 and n0 < n1:
        stop = min(h1, h + p.band)
        first = h * p.W
        x, pixel = uintp(memory + p.x), uintp(p.pixel + first * 8)
        if p.dw != 0:
            for r in range(h, stop):
                _depthwise_row(p, memory + p.x + r * p.stride * p.row * 4, scratch + (r - h) * p.W * p.C * 4)
            x, pixel = uintp(scratch), uintp(p.pixel)
        args = (
            x, pixel, uintp(p.run), p.chains, p.runs, p.R, uintp(p.w), uintp(p.constants), p.N, p.highest,
            uintp(memory + p.out), uintp(p.out_pixel + first * 8), residual, uintp(p.residual_pixel + first * 8),
            int64(0), (stop - h) * p.W, n0, n1, p.block,
        )  # fmt: skip
        call_gemm(uintp(p.gemm), args)
        h = stop
