"""Bilinear resizing of a photo of three channels, bit for bit as `npfaceapi/photos/resampling.py` does it in NumPy.

    for each row of the output: between which two rows of the photo does it lie, and how far from the first
        blend the pixels of those two rows that lie beside each output column (kept: the next row often needs them again)
        blend the two

What lies outside the photo counts as 0, so a photo can be resized within a padded square that is never made.
Arithmetic is float64 without fused multiply-adds: one rounding less would give another number.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
from llvmlite import ir

from npfaceapi.engines.numba.jit import intrinsic, jitted, kernel, types
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, doubles, floats, integers
from npfaceapi.engines.numba.simd.pixels import blend_bytes, blend_floats

__all__ = ["RESIZE", "byte_at", "float_at", "resize", "scratch_bytes"]

OUTSIDE = -1


def _load(kind: Any, widen: str) -> Any:
    """A function that reads the number at an address as a float64."""

    @intrinsic
    def load(context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            number = builder.load(builder.inttoptr(values[0], kind.as_pointer()))
            return getattr(builder, widen)(number, ir.DoubleType())

        return types.float64(types.int64), codegen

    return load


byte_at, float_at = _load(ir.IntType(8), "uitofp"), _load(ir.FloatType(), "fpext")
byte_at.plain = lambda address: float(ctypes.c_uint8.from_address(int(address)).value)
float_at.plain = lambda address: float(ctypes.c_float.from_address(int(address)).value)


@jitted(exact=True)
def _source(i: int, length: int, out_length: int, half_pixel: int) -> float:
    """Where output `i` lies in the input."""
    if half_pixel:
        source = (i + 0.5) * length / out_length - 0.5
        return 0.0 if source < 0 else length - 1.0 if source > length - 1 else source
    return i * (length / out_length)


@jitted()
def _inside(position: int, offset: int, length: int) -> int:
    """The position in the photo, which starts at `offset`, or OUTSIDE."""
    return position - offset if offset <= position < offset + length else OUTSIDE


@jitted(exact=True)
def _blend_columns(
    x: int, is_float: int, low: Any, high: Any, fractions: Any, first_inside: int, stop_inside: int, row: int
) -> None:
    """A row of the photo, at address `x`, into 3 numbers per column at address `row`."""
    left_of, right_of = low[first_inside:stop_inside], high[first_inside:stop_inside]
    fraction_of, inside = fractions[first_inside:stop_inside], row + 24 * first_inside
    if is_float:
        for j in range(len(left_of)):
            blend_floats(x + 4 * left_of[j], x + 4 * right_of[j], fraction_of[j], inside + 24 * j)
    else:
        for j in range(len(left_of)):
            blend_bytes(x + left_of[j], x + right_of[j], fraction_of[j], inside + 24 * j)
    for start, stop in ((0, first_inside), (stop_inside, len(low))):
        for j in range(start, stop):
            left, right, fraction = low[j], high[j], fractions[j]
            out = doubles(row + 24 * j, 3)
            for c in range(3):
                if is_float:
                    a = float_at(x + 4 * (left + c)) if left >= 0 else 0.0
                    b = float_at(x + 4 * (right + c)) if right >= 0 else 0.0
                else:
                    a = byte_at(x + left + c) if left >= 0 else 0.0
                    b = byte_at(x + right + c) if right >= 0 else 0.0
                out[c] = a + (b - a) * fraction


@jitted(exact=True)
def _blend_rows(a: Any, b: Any, fraction: float, rounded: int, out: Any) -> None:
    if rounded:
        for k in range(len(out)):
            out[k] = math.floor(a[k] + (b[k] - a[k]) * fraction + 0.5)
    else:
        for k in range(len(out)):
            out[k] = a[k] + (b[k] - a[k]) * fraction


#: A photo of H x W pixels at address `image`, uint8 or (`is_float`) float32, with `row` bytes from one row to the next, stands at
#: (top, left) of padded_H x padded_W pixels of zeros.  `out` is the address of float32 rows of out_W pixels, what begins at
#: (first_row, first_column) of the result of full_H x full_W.  Its rows `start` to `stop` are computed.
#: `half_pixel`: sampled by half-pixel centres, and rounded half up.
RESIZE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "image", "is_float", "row", "H", "W", "top", "left", "padded_H", "padded_W",
            "out", "out_W", "first_row", "first_column", "full_H", "full_W", "half_pixel", "start", "stop",
        )
    ]
)  # fmt: skip


def scratch_bytes(out_W: int) -> int:
    """Which numbers of a row lie before and after each output column, how far it is from the first, and two blended rows."""
    return 9 * out_W * 8


@kernel(RESIZE, exact=True)
def resize(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    image, is_float, row, H, W, top, left = p.image, p.is_float, p.row, p.H, p.W, p.top, p.left
    padded_H, padded_W, out, out_W, half_pixel = p.padded_H, p.padded_W, p.out, p.out_W, p.half_pixel
    first_row, first_column, full_H, full_W = p.first_row, p.first_column, p.full_H, p.full_W
    start, stop = chunk_range(p.stop - p.start, chunk, chunks)
    low, high, fractions = integers(scratch, out_W), integers(scratch + 8 * out_W, out_W), doubles(scratch + 16 * out_W, out_W)
    rows, width = scratch + 24 * out_W, 3 * out_W
    for j in range(out_W):
        source = _source(first_column + j, padded_W, full_W, half_pixel)
        at = math.floor(source)
        fractions[j] = source - at
        low[j] = 3 * _inside(at, left, W)  # outside: below 0
        high[j] = 3 * _inside(at + (at < source and at < padded_W - 1), left, W)
    first_inside = 0  # the columns between two pixels of the photo of which a number more can be read, and written after them
    while first_inside < out_W and low[first_inside] < 0:
        first_inside += 1
    stop_inside = max(out_W - 1, first_inside)
    while stop_inside > first_inside and not 0 <= high[stop_inside - 1] < 3 * (W - 1):
        stop_inside -= 1
    first = second = -2  # which rows of the photo are in `rows`
    for i in range(p.start + start, p.start + stop):
        source = _source(first_row + i, padded_H, full_H, half_pixel)
        at = math.floor(source)
        above = _inside(at, top, H)
        below = _inside(at + (at < source and at < padded_H - 1), top, H)
        target = floats(out + 12 * i * out_W, width)
        if above < 0 and below < 0:
            target[:] = 0
            continue
        # each stays where it is if it is there already
        a = 0 if first == above or (second != above and second == below) else 1
        b = a if above == below else 1 - a
        for place, wanted in ((a, above), (b, below)):
            if wanted == (second if place else first):
                continue
            if place:
                second = wanted
            else:
                first = wanted
            blended = rows + 8 * width * place
            if wanted < 0:
                doubles(blended, width)[:] = 0
            else:
                _blend_columns(image + wanted * row, is_float, low, high, fractions, first_inside, stop_inside, blended)
        upper, lower = doubles(rows + 8 * width * a, width), doubles(rows + 8 * width * b, width)
        _blend_rows(upper, lower, source - at, half_pixel, target)
