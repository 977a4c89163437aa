"""Views of memory by address, and the halo."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import cgutils, intrinsic, jitted, kernel, types
from npfaceapi.engines.numba.simd import plain

__all__ = ["HALO", "chunk_range", "dereference", "doubles", "floats", "integers", "zero_halo"]


@intrinsic
def dereference(context: Any, params: Any) -> Any:
    """The parameters that a kernel's first argument points to."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], context.get_value_type(signature.return_type))

    return params.dtype(params), codegen


dereference.plain = lambda params: params.view(np.recarray)[0]


def _view(dtype: str) -> Any:
    """An intrinsic (address, count): an array [count] on the memory at that address."""

    def typed(context: Any, address: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            array = context.make_array(signature.return_type)(context, builder)
            size = context.get_constant(types.intp, array_type.dtype.bitwidth // 8)
            array.data = builder.inttoptr(values[0], context.get_data_type(array_type.dtype).as_pointer())
            array.shape = cgutils.pack_array(builder, [values[1]])
            array.strides = cgutils.pack_array(builder, [size])
            array.itemsize, array.nitems = size, values[1]
            array.meminfo = array.parent = context.get_constant_null(types.voidptr)
            return array._getvalue()

        array_type = types.Array(getattr(types, dtype), 1, "C")
        return array_type(types.int64, types.int64), codegen

    return intrinsic(typed)


floats, doubles, integers = map(_view, ("float32", "float64", "int64"))
floats.plain, doubles.plain, integers.plain = plain.floats, plain.doubles, plain.integers


@jitted()
def chunk_range(total: int, chunk: int, chunks: int) -> Any:
    """Range number `chunk` of 0..total cut into `chunks`."""
    return total * chunk // chunks, total * (chunk + 1) // chunks


#: The feature map at `offset` (its corner, halo included): H x W pixels of C floats inside the halo.
HALO = np.dtype([(name, np.int64) for name in ("offset", "H", "W", "C", "top", "bottom", "left", "right")])


@kernel(HALO)
def zero_halo(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    """Memory is reused: before a feature map is written, its halo holds what another one left there."""
    p = dereference(params)
    if chunk:
        return
    row = (p.left + p.W + p.right) * p.C
    image = floats(memory + p.offset, (p.top + p.H + p.bottom) * row)
    image[: p.top * row + p.left * p.C] = 0
    for h in range(p.H - 1):  # right of one row and left of the next
        start = (p.top + h) * row + (p.left + p.W) * p.C
        image[start : start + (p.right + p.left) * p.C] = 0
    image[(p.top + p.H - 1) * row + (p.left + p.W) * p.C :] = 0
