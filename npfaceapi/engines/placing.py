"""Laying out memory: things that are alive at different times may lie at the same place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["ALIGNMENT", "place", "round_up"]

ALIGNMENT = 64  # of every offset


class _Thing(Protocol):
    """Alive from the step that writes it to the last that reads it."""

    born: int
    dies: int
    offset: int


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def place(things: Sequence[_Thing], sizes: Sequence[int], start: int = 0) -> int:
    """Give every thing its offset, from `start` on, as low as those alive with it allow; return where free memory begins."""
    placed: list[tuple[_Thing, int]] = []  # with where each ends
    for thing, size in sorted(zip(things, sizes, strict=True), key=lambda pair: pair[0].born):
        offset = start
        for other, end in sorted((pair for pair in placed if pair[0].dies >= thing.born), key=lambda pair: pair[0].offset):
            if offset + size <= other.offset:
                break
            offset = max(offset, round_up(end, ALIGNMENT))
        thing.offset = offset
        placed.append((thing, offset + size))
    return max([start, *(round_up(end, ALIGNMENT) for _, end in placed)])
