"""The workspace: feature maps with halo and padded channels, which reuse one block of memory.

A workspace holds what one image needs on its way through the network:

    slots          addresses of the caller's arrays: the image, then one for each output
    feature maps   each at a fixed offset; two share memory if the last reader of one runs before the other is written
    scratch        one part per thread
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.engines import placing
from npfaceapi.engines.numba.simd.target import LANES
from npfaceapi.engines.placing import ALIGNMENT, round_up
from npfaceapi.locks import ForkSafeLock

__all__ = ["ALIGNMENT", "Block", "FeatureMap", "Workspaces", "address_of", "place", "round_up", "workspaces"]

Array = np.ndarray[Any, Any]


@dataclass
class FeatureMap:
    """H x W pixels of C channels, stored as `cp` floats each, inside a halo of zeros (top, bottom, left, right)."""

    H: int
    W: int
    C: int
    halo: tuple[int, int, int, int] = (0, 0, 0, 0)
    cp: int = 0
    offset: int = 0  # bytes from the start of the workspace to the corner of the halo
    born: int = 0  # the step that writes it
    dies: int = 0  # the last step that reads it

    def __post_init__(self) -> None:
        self.cp = self.cp or round_up(self.C, LANES)

    @property
    def row(self) -> int:
        """Floats from one row to the next."""
        return (self.W + self.halo[2] + self.halo[3]) * self.cp

    @property
    def bytes(self) -> int:
        """With room for one vector more: the last pixels of unpadded channels are read in whole vectors."""
        return ((self.H + self.halo[0] + self.halo[1]) * self.row + LANES) * 4

    def at(self, h: int = 0, w: int = 0) -> int:
        """Offset in bytes of a pixel; (0, 0) is the first inside the halo."""
        return self.offset + 4 * ((h + self.halo[0]) * self.row + (w + self.halo[2]) * self.cp)

    def pixels(self, H: int, W: int) -> Array:
        """Offsets in floats of the first H x W pixels from the corner of the halo."""
        rows = (np.arange(H)[:, None] + self.halo[0]) * self.row
        return (rows + (np.arange(W) + self.halo[2]) * self.cp).reshape(-1).astype(np.int64)


def place(feature_maps: Sequence[FeatureMap], start: int) -> int:
    """Give every feature map its offset in bytes, from `start` on; return where free memory begins."""
    return placing.place(feature_maps, [feature_map.bytes for feature_map in feature_maps], start)


def address_of(array: Array) -> int:
    """The address of a contiguous array that is not empty; in a third of the microsecond that `array.ctypes.data` takes."""
    buffer: Any = array  # which mypy does not know it to be
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer)) if array.flags.writeable else int(array.ctypes.data)


class Block:
    """Aligned memory for a call."""

    __slots__ = ("address", "array", "nbytes")

    def __init__(self, size: int) -> None:
        array = np.empty(size + ALIGNMENT, np.uint8)
        start = -array.ctypes.data % ALIGNMENT
        self.array = array[start : start + size]
        self.address = address_of(self.array)
        self.nbytes = size


class Workspaces:
    """Memory for calls, shared by all programs: a call takes a block of its own, and gives it back.

    No step relies on what it finds there, so a block serves any program that fits in.  Keeps the most recently returned blocks,
    up to `kept_bytes`.
    """

    def __init__(self, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self._free: list[Block] = []  # the most recently used last
        self._lock = ForkSafeLock()

    def take(self, size: int) -> Block:
        """A block of at least `size` bytes: the smallest free one that is large enough, of equal ones the most recently used."""
        with self._lock:
            best: Block | None = None
            for block in self._free:
                if block.nbytes >= size and (best is None or block.nbytes <= best.nbytes):
                    best = block
            if best is not None:
                with contextlib.suppress(ValueError):  # a signal handler has taken it meanwhile
                    self._free.remove(best)
                    return best
        return Block(size)

    def give_back(self, block: Block) -> None:
        with self._lock:
            self._free.append(block)
            while sum(free.nbytes for free in self._free) > self._kept_bytes:
                del self._free[:1]

    @property
    def free_bytes(self) -> int:
        """How much is kept for the next calls."""
        with self._lock:
            return sum(block.nbytes for block in self._free)


workspaces = Workspaces(128 * 2**20)
