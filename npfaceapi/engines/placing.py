"""Planning memory: buffers with disjoint lifetimes may share an address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["ALIGNMENT", "place", "round_up"]

ALIGNMENT = 64  # of every offset


class _Buffer(Protocol):
    """Alive from the step that writes it to the last one that reads it."""

    born: int
    dies: int
    offset: int


def round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def place(buffers: Sequence[_Buffer], sizes: Sequence[int], start: int = 0) -> int:
    """Give every buffer its offset, from `start` on, as low as those alive with it allow; return where free memory begins."""
    placed: list[tuple[_Buffer, int]] = []  # with where each ends
    for buffer, size in sorted(zip(buffers, sizes, strict=True), key=lambda pair: pair[0].born):
        offset = start
        for other, end in sorted((pair for pair in placed if pair[0].dies >= buffer.born), key=lambda pair: pair[0].offset):
            if offset + size <= other.offset:
                break
            offset = max(offset, round_up(end, ALIGNMENT))
        buffer.offset = offset
        placed.append((buffer, offset + size))
    return max([start, *(round_up(end, ALIGNMENT) for _, end in placed)])
