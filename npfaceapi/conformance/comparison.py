"""Comparing tensors with golden ones, within the tolerance of their kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from npfaceapi.conformance.synthetic import sample_indices

__all__ = ["Mismatch", "check", "check_json", "deviation", "overlap"]

Array = np.ndarray[Any, Any]


class Mismatch(AssertionError):
    """A value differs from the golden one by more than the tolerance of its kind."""


def deviation(actual: Array, expected: Array, bound: Mapping[str, float], largest: float | None = None) -> Array:
    """The error of each row (first dimension) in units of its bound; above 1 is too much.  NaN counts as infinite.

    `largest` is the largest golden value that a relative bound refers to; by default that of `expected`.
    """
    a, b = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    rows = (len(b), -1) if b.ndim else (1, 1)
    if b.size == 0:
        return np.zeros(len(b) if b.ndim else 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        if "euclidean" in bound:
            error = np.linalg.norm((a - b).reshape(rows), axis=1) / bound["euclidean"]
        elif "iou" in bound:
            error = np.where(overlap(a, b) >= bound["iou"], 0.0, np.inf)
        else:
            allowed = (
                bound["absolute"]
                if "absolute" in bound
                else bound["relative"] * (np.abs(b).max() if largest is None else largest)
            )
            difference = np.abs(a - b).reshape(rows).max(axis=1)
            error = np.where(difference == 0, 0.0, difference / allowed)
    return np.where(np.isnan(error), np.inf, error)


def overlap(a: Array, b: Array) -> Array:
    """Intersection over union of boxes [n,4] of x, y, width, height, row by row."""
    left, right = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    common = np.maximum(right - left, 0).prod(axis=1)
    return np.asarray(common / (a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - common))


def check(actual: Any, entry: Mapping[str, Any], expected: Array | None, bound: Mapping[str, float]) -> Array:
    """Compare one tensor with one entry of a case; gives the errors of `deviation`.

    Parameters
    ----------
    actual : array
    entry : mapping
        The entry of `expected` in `cases.json`: a whole tensor, a sampled one (`samples`, `seed`, `norms`) or a hash.
    expected : ndarray or None
        The stored tensor; None for a hash.
    bound : mapping
        `{"absolute": …}`, `{"relative": …}` (of the largest golden value), `{"euclidean": …}` of a row, or `{"iou": …}`.

    Raises
    ------
    Mismatch
        The shape is wrong, a hash or a norm differs.  Values are judged by the caller, who may let an ambiguous face off.
    """
    actual, name = np.asarray(actual), entry["name"]
    if expected is None:
        found = hashlib.sha256(np.ascontiguousarray(actual, "<f4").tobytes()).hexdigest()
        if list(actual.shape) != entry["shape"] or found != entry["sha256"]:
            raise Mismatch(
                f"{name}: expected {entry['shape']} with SHA-256 {entry['sha256']}, got {list(actual.shape)} with {found}"
            )
        return np.zeros(1)
    shape = list(entry.get("of_shape", expected.shape))
    if list(actual.shape) != shape:
        raise Mismatch(f"{name}: expected shape {shape}, got {list(actual.shape)}")
    if "samples" not in entry:
        return deviation(actual, expected, bound)
    flat = actual.astype(np.float64).reshape(-1)
    for norm, golden, order in zip(("L1", "L2", "largest value"), entry["norms"], (1, 2, np.inf), strict=True):
        found_norm = float(np.linalg.norm(flat, order))
        if not abs(found_norm - golden) <= 1e-5 * abs(golden):
            raise Mismatch(f"{name}: expected {norm} norm {golden:.9g}, got {found_norm:.9g}")
    picked = flat if flat.size <= entry["samples"] else flat[sample_indices(flat.size, entry["samples"], entry["seed"])]
    return deviation(picked, expected.reshape(-1), bound, largest=entry["norms"][2])


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
