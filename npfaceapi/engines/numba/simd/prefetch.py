"""Asking for memory before it is needed, so that reading it later does not wait for the third-level cache.

The processor itself foresees a row of addresses only once somebody walks along it.  While a matrix product computes from what
lies in the near caches, the memory ports are idle: the time to fetch what the next band of rows will read.
"""

from __future__ import annotations

from typing import Any

from npfaceapi.engines.numba.simd.emit import FLOATS, INT, Emitter, address_intrinsic

__all__ = ["prefetch_lines"]

_LINE_FLOATS = 16


def _build(e: Emitter) -> None:
    pointer, floats = e.function.args

    def one(i: Any, _: list[Any]) -> list[Any]:
        e.prefetch(e.at(pointer, i))
        return []

    e.loop(e.const(0), floats, _LINE_FLOATS, [], one)


#: Intrinsic (address, floats): every cache line of so many floats into the second-level cache.
prefetch_lines = address_intrinsic("prefetch_lines", [FLOATS, INT], _build)
