"""Tensors from a small integer hash that takes ten lines in any language (see golden/README.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["hash_u32", "sample_indices", "synthetic"]

Array = np.ndarray[Any, Any]


def hash_u32(i: Array, seed: int) -> Array:
    """A uint32 hash of each number of `i`."""
    x = i.astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    return np.asarray(x ^ x >> np.uint32(16))


def synthetic(seed: int, shape: Sequence[int], low: float, high: float) -> Array:
    """float32 numbers in [low, high)."""
    u = (hash_u32(np.arange(math.prod(shape)), seed) >> np.uint32(8)) / 2.0**24
    return np.asarray(low + (high - low) * u).astype(np.float32).reshape(tuple(shape))


def sample_indices(size: int, samples: int, seed: int) -> Array:
    """The flat indices at which a tensor of `size` numbers is sampled when it is not stored whole."""
    return np.asarray(hash_u32(np.arange(samples), seed).astype(np.int64) % size)
