"""Winograd's convolution over a whole image: tiles in, one matrix product per element, tiles out (see simd/winograd.py).

Between them lie V [(m+2)^2, tiles, C] and U [(m+2)^2, tiles, N] in the workspace.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import float32, int64, kernel, uintp
from npfaceapi.engines.numba.kernels.gemm import Product, call_gemm
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference
from npfaceapi.engines.numba.simd.winograd import make_input_transform, make_output_transform

__all__ = ["WINOGRAD", "products", "tiles_in", "tiles_out"]

input_2, input_4 = make_input_transform(2), make_input_transform(4)
output_2, output_4 = make_output_transform(2), make_output_transform(4)

_NAMES = (
    "x", "row", "C", "m", "tiles_h", "tiles_w", "v", "u", "gemm", "w", "pixel", "run", "partials", "runs", "R",
    "identity", "out_pixel", "N", "constants", "epilogue", "out", "out_row", "H", "W", "residual", "residual_row",
)  # fmt: skip
#: `x` is the offset of the first tile's corner, `v` and `u` are offsets; `identity` is the address of constants [4,N] of
#: which only the first, zero, is read.
WINOGRAD = np.dtype([*((name, np.int64) for name in _NAMES), ("highest", np.float32)])


@kernel(WINOGRAD)
def tiles_in(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    tiles = p.tiles_h * p.tiles_w
    start, stop = chunk_range(tiles, chunk, chunks)
    for t in range(start, stop):
        x = uintp(memory + p.x + (t // p.tiles_w * p.row + t % p.tiles_w * p.C) * p.m * 4)
        if p.m == 4:
            input_4(x, p.row, p.C, uintp(memory + p.v + t * p.C * 4), tiles * p.C)
        else:
            input_2(x, p.row, p.C, uintp(memory + p.v + t * p.C * 4), tiles * p.C)


@kernel(WINOGRAD)
def products(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    tiles = p.tiles_h * p.tiles_w
    start, stop = chunk_range((p.m + 2) ** 2, chunk, chunks)
    for k in range(start, stop):
        product = Product(
            x=uintp(memory + p.v + k * tiles * p.C * 4), pixel=uintp(p.pixel), run=uintp(p.run), partials=p.partials, runs=p.runs,
            R=p.R, w=uintp(p.w + k * p.C * p.N * 4), constants=uintp(p.identity), N=p.N, epilogue=int64(0),
            highest=float32(np.inf), out=uintp(memory + p.u + k * tiles * p.N * 4), out_pixel=uintp(p.out_pixel),
            residual=uintp(0), residual_pixel=uintp(p.out_pixel), m0=int64(0), m1=tiles, n0=int64(0), n1=p.N, block=tiles,
            prefetch=uintp(0), prefetch_floats=int64(0),
        )  # fmt: skip
        call_gemm(uintp(p.gemm), product)


@kernel(WINOGRAD)
def tiles_out(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    tiles = p.tiles_h * p.tiles_w
    start, stop = chunk_range(tiles, chunk, chunks)
    for t in range(start, stop):
        h, w = t // p.tiles_w * p.m, t % p.tiles_w * p.m
        out = uintp(memory + p.out + (h * p.out_row + w * p.N) * 4)
        residual = uintp(memory + p.residual + (h * p.residual_row + w * p.N) * 4) if p.residual >= 0 else uintp(0)
        u, rows, columns = uintp(memory + p.u + t * p.N * 4), min(p.m, p.H - h), min(p.m, p.W - w)
        args = (
            u, tiles * p.N, p.N, uintp(p.constants), p.epilogue, p.highest, out, p.out_row, rows, columns, residual,
            p.residual_row,
        )  # fmt: skip
        if p.m == 4:
            output_4(*args)
        else:
            output_2(*args)
