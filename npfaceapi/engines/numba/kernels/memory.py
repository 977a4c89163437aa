"""Views of memory by address, and the halo."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from npfaceapi.engines.numba.jit import carray, intrinsic, jitted, kernel

__all__ = ["HALO", "chunk_range", "floats", "zero_halo"]


@intrinsic
def _float_pointer(context: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), codegen


@jitted()
def floats(address: int, count: int) -> Any:
    """A float32 array [count] on the memory at that address."""
    return carray(_float_pointer(address), (count,))


@jitted()
def chunk_range(total: int, chunk: int, chunks: int) -> Any:
    """Share number `chunk` of 0..total."""
    return total * chunk // chunks, total * (chunk + 1) // chunks


#: The image at `offset` (its corner, halo included): H x W pixels of C floats inside of the halo.
HALO = np.dtype([(name, np.int64) for name in ("offset", "H", "W", "C", "top", "bottom", "left", "right")])


@kernel(HALO)
def zero_halo(params: Any, memory: int, scratch: int, chunk: int, chunks: int) -> None:
    """Buffers are recycled: before an image is written, its halo holds what another one left there."""
    p = carray(params, 1)[0]
    if chunk:
        return
    row = (p.left + p.W + p.right) * p.C
    image = floats(memory + p.offset, (p.top + p.H + p.bottom) * row)
    image[: p.top * row + p.left * p.C] = 0
    for h in range(p.H - 1):  # right of one row and left of the next
        start = (p.top + h) * row + (p.left + p.W) * p.C
        image[start : start + (p.right + p.left) * p.C] = 0
    image[(p.top + p.H - 1) * row + (p.left + p.W) * p.C :] = 0
