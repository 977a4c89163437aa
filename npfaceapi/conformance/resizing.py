"""Error bounds of a resized picture in float32.

Pixel i of a picture resized from H to h rows lies at i · H/h.  In float32 that takes up to three roundings (h/H, its reciprocal,
the product with i), so a correct port may be off by 3 · 2⁻²⁴ of the coordinate: near row 500 by 9e-5.  The resized value changes
by that times the slope of the picture there, however large or small the value is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npfaceapi.conformance.questions import Question
from npfaceapi.photos.net_input import pad_to_square

__all__ = ["COORDINATE_ERROR", "coordinate_bound", "float32_batches"]

Array = np.ndarray[Any, Any]
Size = tuple[int, int]  # height, width

#: Largest relative error of a float32 coordinate.
COORDINATE_ERROR = 3 * 2.0**-24

_ONE = np.float32(1)
#: The ways in which libraries compute i · H/h in float32: functions of i, H, h.
_COORDINATES: tuple[Callable[[Array, Any, Any], Array], ...] = (
    lambda i, H, h: i * (H / h),
    lambda i, H, h: i / (h / H),
    lambda i, H, h: i * (_ONE / (h / H)),
    lambda i, H, h: i * H / h,
)


def coordinate_bound(question: Question) -> Array:
    """Error bound of each number of a resized tensor due to its source coordinate; float64, in the unit of the pixels."""
    return np.stack([_bound(image, size) for image, size in _resized_by(question)])


def float32_batches(question: Question) -> Iterator[Array]:
    """Batches resized with float32 source coordinates, as far as they differ from the question's batch."""
    parts, seen = _resized_by(question), [question.inputs["batch"]]
    for coordinates in _COORDINATES:
        made = [_interpolated(image.astype(np.float32), size, coordinates) for image, size in parts]
        if not made:
            return
        batch = np.stack(made)
        if question.net == "mtcnn_pnet":
            batch = np.ascontiguousarray(batch[..., ::-1].transpose(0, 2, 1, 3))
        if not any(np.array_equal(batch, other) for other in seen):
            seen.append(batch)
            yield batch


def _resized_by(question: Question) -> list[tuple[Array, Size]]:
    """The arrays [H,W,C] that a question resizes, each with the new size."""
    a, inputs = question.attributes, question.inputs
    if a.get("op") == "resize_bilinear":
        return [(image, (a["height"], a["width"])) for image in inputs["x"]]
    pictures = [value for name, value in inputs.items() if name.startswith("picture_")]
    if "height" in a:
        return [(image, (a["height"], a["width"])) for image in pictures]
    return [(pad_to_square(image, a["center"]), (a["size"], a["size"])) for image in pictures]


def _interpolated(image: Array, size: Size, coordinates: Callable[[Array, Any, Any], Array]) -> Array:
    if image.shape[:2] == size:
        return image
    for axis in (0, 1):
        at = coordinates(np.arange(size[axis], dtype=np.float32), np.float32(image.shape[axis]), np.float32(size[axis]))
        image = _between(image, axis, at)
    return image


def _between(value: Array, axis: int, at: Array) -> Array:
    """Linear interpolation along one axis, at coordinates of the same dtype."""
    last = value.shape[axis] - 1
    low = np.minimum(np.floor(at).astype(int), last)
    part = np.clip(at - low.astype(at.dtype), 0, 1).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    a, b = value.take(low, axis), value.take(np.minimum(low + 1, last), axis)
    return np.asarray(a + (b - a) * part)


def _bound(image: Array, size: Size) -> Array:
    """The sum over both axes of (error of the coordinate) · (steepest slope within that error)."""
    total = np.zeros((*size, image.shape[2]))
    if image.shape[:2] == size:
        return total
    value = image.astype(np.float64)
    at = [np.arange(m) * (n / m) for n, m in zip(image.shape[:2], size, strict=True)]
    for axis in (0, 1):
        last = image.shape[axis] - 1
        slope = np.abs(np.diff(value, axis=axis, append=value.take([last], axis)))  # no slope after the last pixel
        near = [np.minimum(np.floor(at[axis] * (1 + e)).astype(int), last) for e in (-COORDINATE_ERROR, COORDINATE_ERROR)]
        steepest = _between(np.maximum(*(slope.take(i, axis) for i in near)), 1 - axis, at[1 - axis])
        total += COORDINATE_ERROR * at[axis].reshape((-1, 1, 1) if axis == 0 else (1, -1, 1)) * steepest
    return total
