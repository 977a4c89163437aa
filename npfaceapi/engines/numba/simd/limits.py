"""What a core can do at most: multiply-adds on registers, and reading or writing a buffer, with nothing else beside them."""

from __future__ import annotations

from typing import Any

from npfaceapi.engines.numba.simd import plain
from npfaceapi.engines.numba.simd.emit import FLOATS, INT, Emitter, address_intrinsic
from npfaceapi.engines.numba.simd.target import LANES, PANELS

__all__ = ["SUMS", "UNROLLED", "multiply_adds", "read_buffer", "write_buffer"]

SUMS = 6 * PANELS[0]  # vectors; as many as the widest tile of a matrix product has, more than enough to hide the latency
UNROLLED = 8 * LANES  # floats read or written in one iteration


def _store_total(e: Emitter, sums: list[Any], out: Any) -> None:
    """Without a use of the sums, the compiler would leave them out."""
    total = sums[0]
    for vector in sums[1:]:
        total = e.builder.fadd(total, vector)
    e.store(total, out)


def _multiply_adds(e: Emitter) -> None:
    out, times = e.function.args
    x = e.load(out)
    _store_total(e, e.repeat(times, [e.zero] * SUMS, lambda _, sums: [e.fma(x, x, s) for s in sums]), out)


def _read_buffer(e: Emitter) -> None:
    x, n, times, out = e.function.args

    def some(i: Any, sums: list[Any]) -> list[Any]:
        return [e.builder.fadd(s, e.load(e.at(e.at(x, i), k * LANES))) for k, s in enumerate(sums)]

    sums = [e.zero] * (UNROLLED // LANES)
    _store_total(e, e.repeat(times, sums, lambda _, sums: e.loop(e.const(0), n, UNROLLED, sums, some)), out)


def _write_buffer(e: Emitter) -> None:
    value, n, times, out = e.function.args
    vector = e.load(value)

    def some(i: Any, _: list[Any]) -> list[Any]:
        for k in range(0, UNROLLED, LANES):
            e.store(vector, e.at(e.at(out, i), k))
        return []

    e.repeat(times, [], lambda *_: e.loop(e.const(0), n, UNROLLED, [], some))


#: (out, times): SUMS sums of `times` products x * x, with x the vector at `out`; their total goes there.
multiply_adds = address_intrinsic("multiply_adds", [FLOATS, INT], _multiply_adds, plain.multiply_adds)
#: (x, n, times, out): add up n floats, a multiple of UNROLLED, again and again; a vector with the total of each lane.
read_buffer = address_intrinsic("read_buffer", [FLOATS, INT, INT, FLOATS], _read_buffer, plain.read_buffer)
#: (value, n, times, out): n floats, a multiple of UNROLLED, again and again, each vector a copy of that at `value`.
write_buffer = address_intrinsic("write_buffer", [FLOATS, INT, INT, FLOATS], _write_buffer, plain.write_buffer)
