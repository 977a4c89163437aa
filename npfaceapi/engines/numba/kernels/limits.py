"""The intrinsics of simd/limits.py as kernels that Python calls, with their arguments: no step of a network uses them."""

from __future__ import annotations

from npfaceapi.engines.numba.jit import INT64, compiled, uintp
from npfaceapi.engines.numba.simd.limits import multiply_adds, read_buffer, write_buffer

__all__ = ["peak", "read", "write"]


@compiled(INT64, INT64)
def peak(out: int, times: int) -> None:
    multiply_adds(uintp(out), times)


@compiled(INT64, INT64, INT64, INT64)
def read(x: int, n: int, times: int, out: int) -> None:
    read_buffer(uintp(x), n, times, uintp(out))


@compiled(INT64, INT64, INT64, INT64)
def write(value: int, n: int, times: int, out: int) -> None:
    write_buffer(uintp(value), n, times, uintp(out))
