"""Overlap of boxes, the two non-max suppressions, and face-api.js's other small operations on numbers.

Source: face-api.js 0.22.2, `ops/`, `ssdMobilenetv1/nonMaxSuppression`.

Quirk: the two treat equal scores differently: the general one (YOLO nets, MTCNN) takes the later box first, that of SSD
the earlier.  Both keep a box whose overlap equals the threshold.
"""

from __future__ import annotations

import math
import numbers
import random
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.geometry import BoxLike, as_box
from npfaceapi.faces.points import as_flag, as_number

__all__ = ["inverse_sigmoid", "iou", "non_max_suppression", "shuffle_array", "sigmoid", "ssd_non_max_suppression"]

Float64 = NDArray[np.float64]
Item = TypeVar("Item")


def iou(box1: BoxLike, box2: BoxLike, is_iou: bool = True) -> float:
    """Intersection over union of two boxes; with `is_iou=False`, intersection over the smaller area.

    Returns
    -------
    float
        In [0, 1] for boxes of positive size; NaN where both areas are 0.

    Examples
    --------
    >>> from npfaceapi.faces.geometry import Rect
    >>> iou(Rect(0, 0, 2, 1), Rect(1, 0, 2, 1))
    0.3333333333333333
    """
    first, second, is_iou = as_box(box1), as_box(box2), as_flag(is_iou, "iou: is_iou")
    edges = np.array([[b.left, b.top, b.right, b.bottom] for b in (first, second)])
    areas = np.array([first.area, second.area])
    return float(_overlaps(edges[0], areas[0], edges[1:], areas[1:], is_iou)[0])


def non_max_suppression(
    boxes: Sequence[BoxLike] | ArrayLike, scores: ArrayLike, iou_threshold: float, is_iou: bool = True
) -> list[int]:
    """Keep the best of the boxes that overlap by more than a threshold.

    Parameters
    ----------
    boxes : sequence of boxes, or array [N,4]
        x, y, width, height.
    scores : array [N]
        Not NaN.
    iou_threshold : float
        A box overlapping a better one by more than this is dropped.
    is_iou : bool
        True: the overlap is intersection over union; False: intersection over the smaller area.

    Returns
    -------
    list of int
        Indices of the kept boxes, highest score first.

    Notes
    -----
    Quirk: among equal scores the later box comes first, and an overlap of 0/0 (two boxes without area) drops a box.

    Examples
    --------
    >>> non_max_suppression([[0, 0, 9, 9], [1, 0, 9, 9], [50, 50, 9, 9]], [0.8, 0.9, 0.7], 0.5)
    [1, 2]
    """
    xywh, is_iou = _as_xywh(boxes), as_flag(is_iou, "non_max_suppression: is_iou")
    iou_threshold = as_number(iou_threshold, "non_max_suppression: iou_threshold")
    edges = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    areas = xywh[:, 2] * xywh[:, 3]
    waiting = np.argsort(_as_scores("non_max_suppression", scores, len(xywh)), kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[-1], waiting[:-1]
        kept.append(int(best))
        overlaps = _overlaps(edges[best], areas[best], edges[waiting], areas[waiting], is_iou)
        waiting = waiting[overlaps <= iou_threshold]
    return kept


def ssd_non_max_suppression(
    boxes: ArrayLike, scores: ArrayLike, max_output_size: int, iou_threshold: float, score_threshold: float
) -> list[int]:
    """The non-max suppression of SSD, which follows TensorFlow's.

    Parameters
    ----------
    boxes : array [N,4]
        ymin, xmin, ymax, xmax; the corners may be swapped.
    scores : array [N]
        In [0, 1]; a box takes part if its score exceeds `score_threshold`.
    max_output_size : int
        The most boxes to keep.

    Returns
    -------
    list of int
        Indices of the kept boxes, highest score first; the earlier box first among equal scores.

    Examples
    --------
    >>> ssd_non_max_suppression([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]], [0.9, 0.9, 0.6], 100, 0.5, 0.5)
    [0, 2]
    """
    corners = _floats(boxes, "ssd_non_max_suppression", "boxes")
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise InvalidArgument(f"ssd_non_max_suppression: expected boxes [N,4], got {list(corners.shape)}")
    values = _as_scores("ssd_non_max_suppression", scores, len(corners))
    candidates = np.flatnonzero(values > score_threshold)  # a few out of thousands
    candidates = candidates[np.argsort(-values[candidates], kind="stable")]
    corners = corners[candidates]
    edges = np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], axis=1)
    areas = (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])
    waiting: NDArray[np.intp] = np.arange(len(candidates))
    kept: list[int] = []
    while len(waiting) and len(kept) < max_output_size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(candidates[best]))
        overlaps = _overlaps(edges[best], areas[best], edges[waiting], areas[waiting], True)
        overlaps[(areas[waiting] <= 0) | (areas[best] <= 0)] = 0.0
        waiting = waiting[overlaps <= iou_threshold]
    return kept


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)): a number in [0, 1].

    Examples
    --------
    >>> sigmoid(0)
    0.5
    """
    value = _real(x, "sigmoid")
    return 1 / (1 + math.exp(-value)) if value > -709 else 0.0


def inverse_sigmoid(x: float) -> float:
    """log(x / (1 - x)), the number whose sigmoid is x; raises InvalidArgument unless 0 < x < 1.

    Examples
    --------
    >>> inverse_sigmoid(0.5)
    0.0
    """
    value = _real(x, "inverse_sigmoid")
    if not 0 < value < 1:
        raise InvalidArgument(f"inverse_sigmoid: expected a number between 0 and 1, got {shown(x)}")
    return math.log(value / (1 - value))


def shuffle_array(input_array: Iterable[Item]) -> list[Item]:
    """A new list of the items in random order, shuffled with Python's `random`.

    Examples
    --------
    >>> sorted(shuffle_array("cab"))
    ['a', 'b', 'c']
    """
    if not isinstance(input_array, Iterable) or (isinstance(input_array, np.ndarray) and not input_array.ndim):
        raise InvalidType(f"shuffle_array: expected items, got {shown(input_array)}")
    items = list(input_array)
    random.shuffle(items)
    return items


def _real(x: object, where: str) -> float:
    """A real number as a float; infinity and NaN are allowed."""
    refusal = InvalidType(f"{where}: expected a number, got {shown(x)}")
    if isinstance(x, (bool, np.bool_)) or not isinstance(x, numbers.Real):
        raise refusal
    try:
        return float(x)
    except OverflowError:
        raise refusal from None


def _floats(values: object, where: str, what: str) -> Float64:
    """An array of float64 of any shape."""
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths, or nested too deeply
        array = np.empty((), object)
    if array.dtype.kind not in "fiub" and array.size:
        raise InvalidArgument(f"{where}: expected {what} of numbers, got {shown(values)}")
    return array.astype(np.float64)


def _overlaps(edges: Float64, area: np.float64, others: Float64, other_areas: Float64, is_iou: bool) -> Float64:
    """Overlap of one box with many; edges are the two minima, then the two maxima."""
    sizes = np.minimum(edges[2:], others[:, 2:]) - np.maximum(edges[:2], others[:, :2])
    common = np.maximum(sizes[:, 0], 0.0) * np.maximum(sizes[:, 1], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        overlaps: Float64 = common / ((area + other_areas - common) if is_iou else np.minimum(area, other_areas))
    return overlaps


def _as_xywh(boxes: Sequence[BoxLike] | ArrayLike) -> Float64:
    if isinstance(boxes, Sequence) and len(boxes) and not isinstance(boxes[0], (Sequence, np.ndarray)):
        each = [as_box(box) for box in cast("Sequence[BoxLike]", boxes)]
        return np.array([[box.x, box.y, box.width, box.height] for box in each], np.float64)
    array = _floats(boxes, "non_max_suppression", "boxes")
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise InvalidArgument(f"non_max_suppression: expected boxes [N,4] of x, y, width, height, got {list(array.shape)}")
    return array


def _as_scores(where: str, scores: ArrayLike, count: int) -> Float64:
    values = _floats(scores, where, "scores")
    if values.shape != (count,):
        raise InvalidArgument(f"{where}: expected one score for each of {count} boxes, got shape {list(values.shape)}")
    if np.isnan(values).any():
        raise InvalidArgument(f"{where}: expected scores that are numbers, got NaN")
    return values
