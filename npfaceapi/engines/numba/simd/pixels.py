"""Pixels of three channels as vectors of four float64: blends with a rounding after each operation, as NumPy does.

The fourth number is whatever lies behind the pixel in memory: it must be there to be read, and to be written.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir

from npfaceapi.engines.numba.jit import intrinsic, types
from npfaceapi.engines.numba.simd.plain import doubles

__all__ = ["blend_bytes", "blend_floats", "blend_square_of_bytes", "blend_square_of_floats"]

_DOUBLE, _LANES, _INT32 = ir.DoubleType(), 4, ir.IntType(32)
_PIXEL = ir.VectorType(_DOUBLE, _LANES)
_BYTE, _FLOAT = (ir.IntType(8), "uitofp", ctypes.c_uint8), (ir.FloatType(), "fpext", ctypes.c_float)


def _pixel(builder: Any, address: Any, number: Any) -> Any:
    """The numbers at an address."""
    kind, widen, _ = number
    pointer = builder.inttoptr(address, ir.VectorType(kind, _LANES).as_pointer())
    return getattr(builder, widen)(builder.load(pointer, align=1), _PIXEL)


def _pair_of_bytes(builder: Any, left: Any, right: Any) -> tuple[Any, Any]:
    """As float64: the bytes at `left`, and those at `right` minus them.

    A byte written into the last bits of 2^52 is the number 2^52 + byte.  That takes half the time of a conversion, and the
    difference of two such numbers is exact.
    """
    integers = ir.VectorType(ir.IntType(64), _LANES)
    exponent = ir.Constant(integers, [0x4330000000000000] * _LANES)

    def raised(address: Any) -> Any:
        loaded = builder.load(builder.inttoptr(address, ir.VectorType(ir.IntType(8), _LANES).as_pointer()), align=1)
        return builder.bitcast(builder.or_(builder.zext(loaded, integers), exponent), _PIXEL)

    a, b = raised(left), raised(right)
    return builder.fsub(a, ir.Constant(_PIXEL, [2.0**52] * _LANES)), builder.fsub(b, a)


def _pair_of_floats(builder: Any, left: Any, right: Any) -> tuple[Any, Any]:
    a, b = _pixel(builder, left, _FLOAT), _pixel(builder, right, _FLOAT)
    return a, builder.fsub(b, a)


def _splat(builder: Any, scalar: Any) -> Any:
    undefined = ir.Constant(_PIXEL, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT32, _LANES), None))


def _plain_pixel(address: int, number: Any) -> Any:
    return np.ctypeslib.as_array((number[2] * 3).from_address(int(address))).astype(np.float64)


def _blend(pair: Any, number: Any) -> Any:
    """Intrinsic (left, right, fraction, out): out = left + (right - left) * fraction, for the pixels at these addresses."""

    @intrinsic
    def blend(context: Any, left: Any, right: Any, fraction: Any, out: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            a, difference = pair(builder, values[0], values[1])
            y = builder.fadd(a, builder.fmul(difference, _splat(builder, values[2])))
            builder.store(y, builder.inttoptr(values[3], _PIXEL.as_pointer()), align=8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.float64, types.int64), codegen

    def plain(left: int, right: int, fraction: float, out: int) -> None:
        a, b = _plain_pixel(left, number), _plain_pixel(right, number)
        doubles(out, 3)[:] = a + (b - a) * fraction

    blend.plain = plain
    return blend


def _blend_square(number: Any) -> Any:
    """Intrinsic (corner, row, right, down, sums): add to `sums` the blend of a pixel, its right neighbour and the two below.

    `row` is the distance of rows in bytes, `right` and `down` say how far the point is from the corner, 0 to 1.
    """
    size = 3 * ctypes.sizeof(number[2])

    @intrinsic
    def blend(context: Any, corner: Any, row: Any, right: Any, down: Any, sums: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            corner, row, right, down, sums = values
            one, next_pixel = ir.Constant(_DOUBLE, 1.0), ir.Constant(corner.type, size)
            left, right = _splat(builder, builder.fsub(one, right)), _splat(builder, right)
            up, down = _splat(builder, builder.fsub(one, down)), _splat(builder, down)

            def blended(address: Any) -> Any:
                a, b = _pixel(builder, address, number), _pixel(builder, builder.add(address, next_pixel), number)
                return builder.fadd(builder.fmul(left, a), builder.fmul(right, b))

            upper, lower = blended(corner), blended(builder.add(corner, row))
            value = builder.fadd(builder.fmul(up, upper), builder.fmul(down, lower))
            pointer = builder.inttoptr(sums, _PIXEL.as_pointer())
            builder.store(builder.fadd(builder.load(pointer, align=8), value), pointer, align=8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.float64, types.float64, types.int64), codegen

    def plain(corner: int, row: int, right: float, down: float, sums: int) -> None:
        a, b = _plain_pixel(corner, number), _plain_pixel(corner + size, number)
        d, e = _plain_pixel(corner + row, number), _plain_pixel(corner + row + size, number)
        upper, lower = (1 - right) * a + right * b, (1 - right) * d + right * e
        doubles(sums, 3)[:] += (1 - down) * upper + down * lower

    blend.plain = plain
    return blend


blend_bytes, blend_floats = _blend(_pair_of_bytes, _BYTE), _blend(_pair_of_floats, _FLOAT)
blend_square_of_bytes, blend_square_of_floats = _blend_square(_BYTE), _blend_square(_FLOAT)
