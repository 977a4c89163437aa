"""Everything else, over whole rows of a feature map: constants, sums, softmax, copies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import float64, jitted, kernel, uintp
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, floats, integers
from npfaceapi.engines.numba.simd.strip import affine_strip, copy_strip, make_pair_strip
from npfaceapi.engines.numba.simd.target import LANES

__all__ = ["AFFINE", "COPY", "PAD", "PAIR", "PIXELWISE", "affine", "copy", "pad", "pair", "sigmoid", "softmax"]

_int = np.int64

add_strip, subtract_strip, multiply_strip, divide_strip = (make_pair_strip(f) for f in ("fadd", "fsub", "fmul", "fdiv"))

#: y = act((x + before) * scale + after); the four constants are addresses of [W*C], one number for each float of a row, so
#: that a row is one loop over contiguous numbers.  `slot` says that `x` is the offset of an address (that of the caller's own
#: array), not of the feature map itself.
AFFINE = np.dtype(
    [(n, _int) for n in ("x", "row", "x_C", "slot", "out", "out_row", "H", "W", "C", "before", "scale", "after", "alpha")]
    + [("highest", np.float32)]
)


@jitted()
def _activate(y: Any, alpha: Any, highest: float) -> Any:
    v = y if y > 0 else alpha * y
    return highest if v > highest else v


@kernel(AFFINE)
def affine(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    source = integers(memory + p.x, 1)[0] if p.slot else memory + p.x
    n, highest = p.W * p.C, p.highest
    before, scale, after, alpha = floats(p.before, n), floats(p.scale, n), floats(p.after, n), floats(p.alpha, n)
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        x, y = floats(source + h * p.row * 4, p.W * p.x_C), floats(memory + p.out + h * p.out_row * 4, n)
        if p.x_C == p.C and n >= LANES:
            tables = (uintp(p.before), uintp(p.scale), uintp(p.after), uintp(p.alpha))
            affine_strip(uintp(source + h * p.row * 4), n, *tables, highest, uintp(memory + p.out + h * p.out_row * 4))
            continue
        for v in range(p.W):
            for c in range(p.x_C):
                y[v * p.C + c] = _activate((x[v * p.x_C + c] + before[c]) * scale[c] + after[c], alpha[c], highest)
            for c in range(p.x_C, p.C):
                y[v * p.C + c] = 0


#: out = act(x operation y), operation 0..3 = add, subtract, multiply, divide; `alpha` as in AFFINE; `real_C` channels are real,
#: the others padding.
PAIR = np.dtype(
    [(n, _int) for n in ("x", "row", "y", "y_row", "out", "out_row", "H", "W", "C", "real_C", "operation", "alpha")]
    + [("highest", np.float32)]
)


@kernel(PAIR)
def pair(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    n, highest = p.W * p.C, p.highest
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        x, y = uintp(memory + p.x + h * p.row * 4), uintp(memory + p.y + h * p.y_row * 4)
        out = memory + p.out + h * p.out_row * 4
        if p.operation == 0:
            add_strip(x, y, n, uintp(p.alpha), highest, uintp(out))
        elif p.operation == 1:
            subtract_strip(x, y, n, uintp(p.alpha), highest, uintp(out))
        elif p.operation == 2:
            multiply_strip(x, y, n, uintp(p.alpha), highest, uintp(out))
        else:
            divide_strip(x, y, n, uintp(p.alpha), highest, uintp(out))
            for v in range(p.W if p.real_C < p.C else 0):  # the padding is zero, which 0 / 0 is not
                floats(out + v * p.C * 4, p.C)[p.real_C :] = 0


#: The numbers of a feature map of H x W pixels, C of x_C floats each, in order, into another whose pixels hold out_C of out_cp
#: floats, out_W pixels a row, from number `skip` on.  `slot` as in AFFINE, for `out`.
COPY = np.dtype(
    [(n, _int) for n in ("x", "row", "x_C", "H", "W", "C", "out", "slot", "out_row", "out_cp", "out_W", "out_C", "skip")]
)


@kernel(COPY)
def copy(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    target = integers(memory + p.out, 1)[0] if p.slot else memory + p.out
    start, stop = chunk_range(p.H, chunk, chunks)
    in_row = p.out_W * p.out_C
    for h in range(start, stop):
        x = floats(memory + p.x + h * p.row * 4, p.W * p.x_C)
        at = p.skip + h * p.W * p.C
        r, rest = at // in_row, at % in_row
        v, k = rest // p.out_C, rest % p.out_C
        y = floats(target + (r * p.out_row + v * p.out_cp) * 4, p.out_cp)
        for w in range(p.W):
            for c in range(p.C):
                y[k] = x[w * p.x_C + c]
                k += 1
                if k == p.out_C:
                    for z in range(k, p.out_cp):
                        y[z] = 0
                    k, v = 0, v + 1
                    if v == p.out_W:
                        v, r = 0, r + 1
                    y = floats(target + (r * p.out_row + v * p.out_cp) * 4, p.out_cp)


#: The feature map x set into zeros: row `top`, column `left`, channel `first` of one of H x W pixels of C floats.
PAD = np.dtype(
    [(n, _int) for n in ("x", "row", "x_C", "x_H", "x_W", "real_C", "top", "left", "first", "out", "out_row", "H", "W", "C")]
)


@kernel(PAD)
def pad(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        y = floats(memory + p.out + h * p.out_row * 4, p.W * p.C)
        y[:] = 0
        if p.top <= h < p.top + p.x_H:
            for v in range(p.x_W):
                x, at = memory + p.x + ((h - p.top) * p.row + v * p.x_C) * 4, (p.left + v) * p.C + p.first
                if p.real_C >= LANES:
                    copy_strip(uintp(x), p.real_C, uintp(memory + p.out + (h * p.out_row + at) * 4))
                    continue
                pixel = floats(x, p.real_C)
                for c in range(p.real_C):
                    y[at + c] = pixel[c]


#: A function of each pixel's `real_C` numbers; pixels of x are `x_C` floats apart, those of the result C.
PIXELWISE = np.dtype([(n, _int) for n in ("x", "row", "x_C", "out", "out_row", "H", "W", "C", "real_C")])


@kernel(PIXELWISE)
def sigmoid(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    """Evaluated in float64, as face-api.js does."""
    p = dereference(params)
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        for v in range(p.W):
            x = floats(memory + p.x + (h * p.row + v * p.x_C) * 4, p.real_C)
            y = floats(memory + p.out + (h * p.out_row + v * p.C) * 4, p.C)
            y[:] = 0
            for c in range(p.real_C):
                y[c] = 1 / (1 + math.exp(-float64(x[c])))


@kernel(PIXELWISE)
def softmax(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    p = dereference(params)
    start, stop = chunk_range(p.H, chunk, chunks)
    for h in range(start, stop):
        for v in range(p.W):
            x = floats(memory + p.x + (h * p.row + v * p.x_C) * 4, p.real_C)
            y = floats(memory + p.out + (h * p.out_row + v * p.C) * 4, p.C)
            y[:] = 0
            highest = x[0]
            for c in range(p.real_C):
                highest = max(highest, x[c])
            total = float64(0)
            for c in range(p.real_C):
                below = x[c] - highest
                y[c] = 1  # of the highest; an exponential function takes long
                if below != 0:
                    y[c] = math.exp(below)
                total += y[c]
            for c in range(p.real_C):
                y[c] /= total
