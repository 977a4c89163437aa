"""Comparisons that the judge uses: of JSON values, and of boxes by their overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Mismatch", "check_json", "overlap"]

Array = np.ndarray[Any, Any]


class Mismatch(AssertionError):
    """A value differs from the golden one by more than the tolerance of its kind."""


def overlap(a: Array, b: Array) -> Array:
    """Intersection over union of boxes [n,4] of x, y, width, height, row by row."""
    left, right = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    common = np.maximum(right - left, 0).prod(axis=1)
    return np.asarray(common / (a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - common))


def check_json(actual: Any, expected: Any, relative: float, where: str = "$") -> None:
    """Compare two JSON values: the same keys, strings and lengths; numbers within `relative`."""
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        same = actual == expected and type(actual) is type(expected)
    elif isinstance(expected, (int, float)):
        same = isinstance(actual, (int, float)) and abs(actual - expected) <= relative * max(abs(expected), 1e-300)
    elif isinstance(expected, list):
        same = isinstance(actual, list) and len(actual) == len(expected)
        for i, (a, b) in enumerate(zip(actual, expected, strict=True) if same else ()):
            check_json(a, b, relative, f"{where}[{i}]")
    else:
        same = isinstance(actual, dict) and list(actual) == list(expected)
        for key in expected if same else ():
            check_json(actual[key], expected[key], relative, f"{where}.{key}")
    if not same:
        raise Mismatch(f"{where}: expected {str(expected)[:80]}, got {str(actual)[:80]}")
