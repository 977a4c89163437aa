"""A chip of a photo of three channels, turned and scaled, bit for bit as `npfaceapi/photos/chips.py` cuts it out in NumPy.

    for each pixel of the chip: for each of its samples x samples points, row by row
        where does the point lie in the photo?  blend the four pixels around it, of which those outside the photo are 0
    their mean

Arithmetic is float64 without fused multiply-adds: one rounding less would give another number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import jitted, kernel
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, doubles, floats
from npfaceapi.engines.numba.kernels.resize import byte_at, float_at
from npfaceapi.engines.numba.simd.pixels import blend_square_of_bytes, blend_square_of_floats

__all__ = ["RESAMPLE", "resample", "scratch_bytes"]

#: A photo of H x W pixels at address `image`, uint8 or (`is_float`) float32, with `row` bytes from one row to the next.  `out` is
#: the address of float32 [side,side,3].  Column x, row y of the chip lies at column turn_x * x - turn_y * y + shift_x and row
#: turn_y * x + turn_x * y + shift_y of the photo.
RESAMPLE = np.dtype(
    [(name, np.int64) for name in ("image", "is_float", "row", "H", "W", "out", "side", "samples")]
    + [(name, np.float64) for name in ("turn_x", "turn_y", "shift_x", "shift_y")]
)


def scratch_bytes(samples: int) -> int:
    """The sums of a pixel, and how far samples lie from its middle."""
    return 32 + 8 * samples


@jitted(exact=True)
def _value(image: int, is_float: int, row: int, H: int, W: int, y: int, x: int, c: int) -> float:
    """A number of the photo; 0 outside it."""
    if not (0 <= y < H and 0 <= x < W):
        return 0.0
    value: float = float_at(image + y * row + 4 * (3 * x + c)) if is_float else byte_at(image + y * row + 3 * x + c)
    return value


@kernel(RESAMPLE, exact=True)
def resample(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    image, is_float, row, H, W, side, samples = p.image, p.is_float, p.row, p.H, p.W, p.side, p.samples
    turn_x, turn_y, shift_x, shift_y = p.turn_x, p.turn_y, p.shift_x, p.shift_y
    sums, offsets, count = doubles(scratch, 4), doubles(scratch + 32, samples), samples * samples
    for u in range(samples):
        offsets[u] = (u + 0.5) / samples - 0.5
    start, stop = chunk_range(side, chunk, chunks)
    for i in range(start, stop):
        out = floats(p.out + 12 * i * side, 3 * side)
        for j in range(side):
            sums[:] = 0
            for v in range(samples):
                row_of_chip = i + offsets[v]
                for u in range(samples):
                    column_of_chip = j + offsets[u]
                    x = turn_x * column_of_chip - turn_y * row_of_chip + shift_x
                    y = turn_y * column_of_chip + turn_x * row_of_chip + shift_y
                    if not (-1 < x < W and -1 < y < H):
                        continue
                    left, top = math.floor(x), math.floor(y)
                    right, down = x - left, y - top
                    if 0 <= left < W - 2 and 0 <= top < H - 1:  # behind the right neighbour another number can be read
                        if is_float:
                            blend_square_of_floats(image + top * row + 12 * left, row, right, down, scratch)
                        else:
                            blend_square_of_bytes(image + top * row + 3 * left, row, right, down, scratch)
                        continue
                    for c in range(3):
                        a = _value(image, is_float, row, H, W, top, left, c)
                        b = _value(image, is_float, row, H, W, top, left + 1, c)
                        upper = (1 - right) * a + right * b
                        a = _value(image, is_float, row, H, W, top + 1, left, c)
                        b = _value(image, is_float, row, H, W, top + 1, left + 1, c)
                        sums[c] += (1 - down) * upper + down * ((1 - right) * a + right * b)
            for c in range(3):
                out[3 * j + c] = sums[c] / count
