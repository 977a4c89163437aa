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
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, floats
from npfaceapi.engines.numba.kernels.resize import byte_at, float_at

__all__ = ["RESAMPLE", "resample"]

#: A photo of H x W pixels at address `image`, uint8 or (`is_float`) float32, with `row` bytes from one row to the next.  `out` is
#: the address of float32 [side,side,3].  Column x, row y of the chip lies at column turn_x * x - turn_y * y + shift_x and row
#: turn_y * x + turn_x * y + shift_y of the photo.
RESAMPLE = np.dtype(
    [(name, np.int64) for name in ("image", "is_float", "row", "H", "W", "out", "side", "samples")]
    + [(name, np.float64) for name in ("turn_x", "turn_y", "shift_x", "shift_y")]
)


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
    pixel = 12 if is_float else 3
    start, stop = chunk_range(side, chunk, chunks)
    for i in range(start, stop):
        out = floats(p.out + 12 * i * side, 3 * side)
        for j in range(side):
            red = green = blue = 0.0
            for v in range(samples):
                row_of_chip = i + ((v + 0.5) / samples - 0.5)
                for u in range(samples):
                    column_of_chip = j + ((u + 0.5) / samples - 0.5)
                    x = turn_x * column_of_chip - turn_y * row_of_chip + shift_x
                    y = turn_y * column_of_chip + turn_x * row_of_chip + shift_y
                    if not (-1 < x < W and -1 < y < H):
                        continue
                    left, top = math.floor(x), math.floor(y)
                    right, down = x - left, y - top
                    here = image + top * row + pixel * left
                    inside = 0 <= left < W - 1 and 0 <= top < H - 1
                    for c in range(3):
                        if not inside:
                            a = _value(image, is_float, row, H, W, top, left, c)
                            b = _value(image, is_float, row, H, W, top, left + 1, c)
                            d = _value(image, is_float, row, H, W, top + 1, left, c)
                            e = _value(image, is_float, row, H, W, top + 1, left + 1, c)
                        elif is_float:
                            a, b = float_at(here + 4 * c), float_at(here + 12 + 4 * c)
                            d, e = float_at(here + row + 4 * c), float_at(here + row + 12 + 4 * c)
                        else:
                            a, b = byte_at(here + c), byte_at(here + 3 + c)
                            d, e = byte_at(here + row + c), byte_at(here + row + 3 + c)
                        upper = (1 - right) * a + right * b
                        value = (1 - down) * upper + down * ((1 - right) * d + right * e)
                        if c == 0:
                            red += value
                        elif c == 1:
                            green += value
                        else:
                            blue += value
            count = samples * samples
            out[3 * j], out[3 * j + 1], out[3 * j + 2] = red / count, green / count, blue / count
