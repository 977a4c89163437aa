"""Convolution, perhaps after a depthwise convolution and before a max-pool, over bands of rows that stay in the L2 cache.

    for each band of output rows:
        if there is a depthwise part: compute its rows into a small buffer of this thread
        run the matrix product on that buffer, or on the image itself
        if there is a pool: the product went to a second buffer, and its largest values go to the result

A depthwise layer does 9 multiply-adds for each number that it reads, a pool of 2 x 2 does 3 comparisons for 4 numbers: by
themselves they are memory-bound.  In a band the numbers between the parts never leave the cache, and a feature map four times
as large as the pool's result is never written.  Windows of a pool that overlap find the last rows of the band before still there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import int64, jitted, kernel, uintp
from npfaceapi.engines.numba.kernels.gemm import WIDE, Product, call_gemm
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, floats
from npfaceapi.engines.numba.kernels.pool import max_pool_row
from npfaceapi.engines.numba.simd.strip import make_depthwise_strip

__all__ = ["CONVOLVE", "DEPTHWISE", "NO_DEPTHWISE", "NO_POOL", "convolve", "depthwise"]

one_1, four_1, one_2, four_2 = (make_depthwise_strip(pixels, stride) for stride in (1, 2) for pixels in (1, 4))
two_rows = make_depthwise_strip(4, 1, ROWS=2)

_DEPTHWISE = [
    ("x", np.int64),  # offset of the first window's corner
    ("row", np.int64),
    ("C", np.int64),
    ("stride", np.int64),
    ("dw", np.int64),  # address of weights [9,C]
    ("dw_constants", np.int64),  # address of [4,C]: before, scale, after, alpha
    ("dw_epilogue", np.int64),  # see simd/emit.py
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
        ("partials", np.int64),
        ("runs", np.int64),
        ("R", np.int64),
        ("w", np.int64),
        ("constants", np.int64),  # address of [4,N]
        ("epilogue", np.int64),
        ("highest", np.float32),
        ("N", np.int64),  # output channels, padded
        ("out", np.int64),  # offset of the image, or of its first pixel if there is a pool
        ("out_pixel", np.int64),
        ("residual", np.int64),  # offset, or -1 for none
        ("residual_pixel", np.int64),
        ("band", np.int64),  # rows of a band
        ("pool", np.int64),  # side of the pool's windows, 0: none
        ("pool_stride", np.int64),
        ("pool_top", np.int64),
        ("pool_left", np.int64),
        ("out_H", np.int64),  # rows and columns of the result, as H and W where there is no pool
        ("out_W", np.int64),
        ("out_row", np.int64),
        ("buffer", np.int64),  # where in the scratch the product goes if there is a pool
        ("block", np.int64),
        ("by_channels", np.int64),  # whether chunks divide the channels, for few pixels and many weights
    ]
)
#: The values of a convolution without a depthwise part before it, and without a pool after it; only the first of each counts.
NO_DEPTHWISE = {
    "dw": 0, "row": 0, "C": 0, "stride": 1, "dw_constants": 0, "dw_epilogue": 0, "dw_highest": np.inf, "dw_lowest": -np.inf,
}  # fmt: skip
NO_POOL = {"pool": 0, "pool_stride": 0, "pool_top": 0, "pool_left": 0, "out_row": 0, "buffer": 0}


@jitted()
def _depthwise_rows(p: Any, x: int, rows: int, out: int, out_row: int) -> None:
    """Rows of p.W outputs; two at a time share the inputs between them."""
    wide, r = p.W >= 4, 0
    while r < rows:
        pair = wide and p.stride == 1 and r + 2 <= rows
        v = 0
        while v < p.W:
            at = min(v, p.W - 4) if wide else v
            args = (
                uintp(x + (r * p.row + at * p.C) * p.stride * 4), p.row, p.C, uintp(p.dw), uintp(p.dw_constants), p.dw_epilogue,
                p.dw_highest, p.dw_lowest, uintp(out + (r * out_row + at * p.C) * 4), out_row,
            )  # fmt: skip
            if pair:
                two_rows(*args)
            elif p.stride == 1:
                if wide:
                    four_1(*args)
                else:
                    one_1(*args)
            elif wide:
                four_2(*args)
            else:
                one_2(*args)
            v += 4 if wide else 1
        r += 2 if pair else 1


@kernel(DEPTHWISE)
def depthwise(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    start, stop = chunk_range(p.H, chunk, chunks)
    x, out = memory + p.x + start * p.stride * p.row * 4, memory + p.out + start * p.out_row * 4
    _depthwise_rows(p, x, stop - start, out, p.out_row)


@jitted()
def _keep_rows(buffer: int, rows: int, last: int, row: int) -> None:
    """Move the `rows` rows that end before row number `last` of the buffer to its start."""
    to, source = floats(buffer, rows * row), floats(buffer + (last - rows) * row * 4, rows * row)
    for i in range(rows * row):
        to[i] = source[i]


@kernel(CONVOLVE)
def convolve(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    h0, h1, n0, n1 = 0, p.out_H, 0, p.N
    if p.by_channels:
        whole = (p.N + WIDE - 1) // WIDE
        a, b = chunk_range(whole, chunk, chunks)
        n0, n1 = a * WIDE, min(b * WIDE, p.N)
    else:
        h0, h1 = chunk_range(p.out_H, chunk, chunks)
    residual = uintp(memory + p.residual) if p.residual >= 0 else uintp(0)
    buffer, top, bottom = scratch + p.buffer, 0, 0  # rows top..bottom of the convolution lie in the buffer
    h = h0
    while h < h1 and n0 < n1:
        stop = min(h1, h + p.band)
        first, last, kept = h, stop, 0
        out, out_pixel = memory + p.out, uintp(p.out_pixel + first * p.W * 8)
        if p.pool != 0:
            first, last = max(0, h * p.pool_stride - p.pool_top), min(p.H, (stop - 1) * p.pool_stride - p.pool_top + p.pool)
            kept = max(0, bottom - first)
            _keep_rows(buffer, kept, bottom - top, p.W * p.N)
            top, bottom, first = first, last, first + kept
            out, out_pixel = buffer + kept * p.W * p.N * 4, uintp(p.out_pixel)
        x, pixel, prefetch, prefetch_floats = uintp(memory + p.x), uintp(p.pixel + first * p.W * 8), int64(0), int64(0)
        if p.dw != 0:
            _depthwise_rows(p, memory + p.x + first * p.stride * p.row * 4, last - first, scratch, p.W * p.C)
            x, pixel = uintp(scratch), uintp(p.pixel)
            prefetch = memory + p.x + (last * p.stride + 3 - p.stride) * p.row * 4  # what only the next band reads
            prefetch_floats = min(last - first, p.H - last) * p.stride * p.row
        product = Product(
            x=x, pixel=pixel, run=uintp(p.run), partials=p.partials, runs=p.runs, R=p.R, w=uintp(p.w),
            constants=uintp(p.constants), N=p.N, epilogue=p.epilogue, highest=p.highest, out=uintp(out), out_pixel=out_pixel,
            residual=residual, residual_pixel=uintp(p.residual_pixel + first * p.W * 8), m0=int64(0), m1=(last - first) * p.W,
            n0=n0, n1=n1, block=p.block, prefetch=uintp(prefetch), prefetch_floats=prefetch_floats,
        )  # fmt: skip
        call_gemm(uintp(p.gemm), product)
        if p.pool != 0:
            image = buffer - top * p.W * p.N * 4
            for r in range(h, stop):
                max_pool_row(
                    image, p.W * p.N, p.H, p.W, p.N, p.pool, p.pool, p.pool_stride, p.pool_top, p.pool_left, r, p.out_W,
                    memory + p.out + r * p.out_row * 4,
                )  # fmt: skip
        h = stop
