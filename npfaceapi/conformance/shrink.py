"""Shrinks a failing example: while it still fails, cut axes, then make values neutral, then round them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from npfaceapi.conformance.drawing import Example

__all__ = ["shrunk"]

Array = np.ndarray[Any, Any]
#: Largest number of smaller examples that are tried.
MOST = 400


def shrunk(example: Example, fails: Callable[[Example], bool], most: int = MOST) -> Example:
    """The smallest example that a greedy search finds; each change is kept if `fails` still holds.

    Examples
    --------
    >>> example = Example({}, (np.arange(12, dtype=np.float32).reshape(3, 4),), ("NC",))
    >>> shrunk(example, lambda e: bool((e.inputs[0] == 6).any())).inputs
    (array([[6.]], dtype=float32),)
    """
    left = most
    progress = True
    while progress:
        progress = False
        for step in (_cuts, _more_neutral, _rounded):
            candidates = step(example)
            smaller = next(candidates, None)
            while smaller is not None and left:
                left -= 1
                if fails(smaller):
                    example, progress = smaller, True
                    candidates = step(example)
                smaller = next(candidates, None)
    return example


def _cuts(example: Example) -> Iterator[Example]:
    """Either half of an axis, or the axis without its first or last element."""
    letters = {
        letter: n for axes, x in zip(example.axes, example.inputs, strict=True) for letter, n in zip(axes, x.shape, strict=True)
    }
    letters.update({letter: len(example.attributes[name]) for name, letter in example.lists.items()})
    letters.pop(".", None)
    for letter, n in letters.items():
        if n > 1:
            half = n // 2
            for start, stop in dict.fromkeys(((0, half), (n - half, n), (0, n - 1), (1, n))):
                yield _cut(example, letter, slice(start, stop))


def _cut(example: Example, letter: str, part: slice) -> Example:
    inputs = tuple(
        np.ascontiguousarray(x[tuple(part if one == letter else slice(None) for one in axes)])
        for x, axes in zip(example.inputs, example.axes, strict=True)
    )
    lists = {name: example.attributes[name][part] for name, one in example.lists.items() if one == letter}
    return replace(example, inputs=inputs, attributes={**example.attributes, **lists})


def _more_neutral(example: Example) -> Iterator[Example]:
    """Replace values by the neutral one: all of an input, halves of them, quarters, …, single ones."""
    for i, x in enumerate(example.inputs):
        others = np.flatnonzero(x != np.asarray(example.neutral, x.dtype if x.dtype.kind == "f" else np.float64))
        parts = 1
        while len(others) and parts < 2 * len(others):
            for chosen in np.array_split(others, min(parts, len(others))):
                yield _changed(example, i, chosen, example.neutral)
            parts *= 2


def _rounded(example: Example) -> Iterator[Example]:
    """Round the values of an input to integers: all, then one at a time if they are few; then reduce a few values."""
    for i, x in enumerate(example.inputs):
        with np.errstate(invalid="ignore"):
            whole = np.where(np.isfinite(x), np.round(x), x).astype(x.dtype)
        places = np.flatnonzero(x != whole)
        if len(places):
            yield _changed(example, i, places, whole.reshape(-1)[places])
        if 1 < len(places) <= 16:
            for place in places:
                yield _changed(example, i, place, whole.reshape(-1)[place])
        odd = np.flatnonzero((x != 1) & (x != example.neutral))
        if len(odd) <= 16:
            for place in odd:
                value = x.reshape(-1)[place]
                for simpler in (1, value // 2, value - 1):
                    if 0 < simpler < value < np.inf:
                        yield _changed(example, i, place, simpler)


def _changed(example: Example, i: int, places: Any, values: Any) -> Example:
    changed = example.inputs[i].copy()
    changed.reshape(-1)[places] = values
    return replace(example, inputs=(*example.inputs[:i], changed, *example.inputs[i + 1 :]))
