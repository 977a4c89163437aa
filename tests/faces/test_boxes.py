"""The non-max suppressions against the npm package face-api.js 0.22.2 and against naive implementations."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.special import expit, logit

from npfaceapi.errors import InvalidArgument
from npfaceapi.faces.boxes import inverse_sigmoid, iou, non_max_suppression, shuffle_array, sigmoid, ssd_non_max_suppression
from npfaceapi.faces.geometry import Box, Rect


def pseudo_random_bytes() -> Iterator[int]:
    state = 12345
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state >> 24


def many_boxes() -> tuple[np.ndarray, np.ndarray]:
    """200 boxes, a few of them without area, and scores with many ties; the same as in the reference experiment."""
    source = pseudo_random_bytes()
    rows = [(next(source), next(source), next(source) % 64, next(source) % 64, next(source) % 32 / 32) for _ in range(200)]
    array = np.array(rows)
    return array[:, :4], array[:, 4]


# nonMaxSuppression(boxes, scores, 0.3) of the package
GENERAL = [
    *(176, 162, 134, 54, 31, 15, 11, 8, 185, 179, 170, 153, 160, 159, 146, 105, 61, 28, 27, 141, 95, 24, 168, 114, 68, 38),
    *(180, 152, 33, 26, 5, 193, 188, 173, 136, 127, 43, 9, 109, 17, 158, 130, 119, 102, 97, 96, 94, 76, 39, 183, 181, 90),
    *(56, 45, 41, 165, 118, 49, 44, 199, 89, 59, 195, 144, 104, 100, 65, 30, 3, 2, 194, 182, 111, 101, 47, 7, 6, 184, 171),
    *(157, 64, 10, 175, 106, 91, 62, 156, 145, 88, 52, 21, 189, 116, 103, 57, 115, 75, 46, 22, 13, 192, 154, 82, 70, 69),
    *(161, 121, 87, 78, 177, 107, 178, 172, 124, 71, 14, 120, 74, 72, 0, 131, 112, 187, 98, 85, 48, 198, 196, 151, 149, 37),
    *(34, 147, 53, 42, 29, 167, 150, 140, 139, 138, 18, 191, 163, 155, 132, 110, 35, 16, 169, 166, 126, 73, 19),
]
# nonMaxSuppression(boxes 8 px wider and higher, scores, 0.25, false)
SMALLER_AREA = [
    *(176, 162, 134, 54, 31, 15, 8, 190, 185, 170, 61, 28, 141, 95, 24, 168, 114, 68, 26, 193, 188, 173, 137, 136),
    *(127, 9, 109, 158, 130, 119, 181, 90, 56, 49, 59, 195, 65, 101, 47, 6, 106, 91, 189, 82, 69, 172, 120, 112),
    *(198, 147),
]
# ssdMobilenetv1/nonMaxSuppression(boxes / 256 as ymin, xmin, ymax, xmax, scores, 30, 0.2, 0.4)
SSD = [
    *(8, 11, 15, 31, 54, 134, 162, 176, 153, 170, 185, 190, 27, 28, 61, 105, 146, 159, 160, 24, 95, 141, 38, 114, 168, 5),
    *(26, 33, 152, 180),
]


def test_general_suppression_equals_face_api() -> None:
    boxes, scores = many_boxes()
    assert non_max_suppression(boxes, scores, 0.3) == GENERAL
    as_objects = [Rect(*row) for row in boxes.tolist()]
    assert non_max_suppression(as_objects, list(scores), 0.3) == GENERAL
    assert non_max_suppression(boxes + np.array([0, 0, 8, 8]), scores, 0.25, is_iou=False) == SMALLER_AREA


def test_ssd_suppression_equals_face_api() -> None:
    boxes, scores = many_boxes()
    x, y, w, h = boxes.T
    corners = np.stack([y, x, y + h, x + w], axis=1) / 256
    assert ssd_non_max_suppression(corners, scores, 30, 0.2, 0.4) == SSD
    swapped = corners[:, [2, 3, 0, 1]]
    assert ssd_non_max_suppression(swapped, scores, 30, 0.2, 0.4) == SSD


def naive_overlap(a: tuple[float, ...], b: tuple[float, ...], is_iou: bool) -> float:
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    first, second = a[2] * a[3], b[2] * b[3]
    divisor = first + second - width * height if is_iou else min(first, second)
    return width * height / divisor if divisor else math.nan


@pytest.mark.parametrize("is_iou", [True, False])
def test_general_suppression_equals_a_naive_twin(is_iou: bool) -> None:
    rng = np.random.default_rng(7)
    for _ in range(30):
        boxes = np.round(rng.uniform(0, 20, (40, 4)), 1)
        scores = np.round(rng.uniform(0, 1, 40), 1)
        order = sorted(range(40), key=lambda i: (scores[i], i), reverse=True)
        kept: list[int] = []
        for i in order:
            if all(naive_overlap(tuple(boxes[k]), tuple(boxes[i]), is_iou) <= 0.35 for k in kept):
                kept.append(i)
        assert non_max_suppression(boxes, scores, 0.35, is_iou) == kept


def test_an_overlap_of_zero_areas_drops_a_box() -> None:
    # computed with the package: three times the box (1, 1, 0, 0), scores .1, .2, .2
    assert non_max_suppression([Rect(1, 1, 0, 0)] * 3, [0.1, 0.2, 0.2], 0.5) == [2]
    assert math.isnan(iou(Rect(1, 1, 0, 0), Rect(1, 1, 0, 0)))


def test_ssd_keeps_boxes_without_area() -> None:
    assert ssd_non_max_suppression([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1]], [0.6, 0.6, 0.7], 10, 0.5, 0.5) == [2, 0, 1]


def test_an_overlap_equal_to_the_threshold_survives() -> None:
    boxes = [Rect(0, 0, 2, 1), Rect(0, 0, 1, 1)]
    assert iou(*boxes) == 0.5
    assert non_max_suppression(boxes, [0.9, 0.8], 0.5) == [0, 1]
    corners = [[0, 0, 1, 2], [0, 0, 1, 1]]
    assert ssd_non_max_suppression(corners, [0.9, 0.8], 5, 0.5, 0.0) == [0, 1]
    assert ssd_non_max_suppression(corners, [0.9, 0.8], 5, 0.499, 0.0) == [0]


def test_ssd_score_threshold_is_strict_and_the_number_limited() -> None:
    corners = [[0, i, 1, i + 1] for i in range(4)]
    assert ssd_non_max_suppression(corners, [0.5, 0.6, 0.9, 0.7], 10, 0.5, 0.5) == [2, 3, 1]
    assert ssd_non_max_suppression(corners, [0.5, 0.6, 0.9, 0.7], 2, 0.5, 0.5) == [2, 3]
    assert ssd_non_max_suppression(corners, [0.5, 0.6, 0.9, 0.7], 0, 0.5, 0.5) == []


def test_iou() -> None:
    # reference experiment "iou": [0.680672268907563, 0.81]
    a, b = Rect(0, 0, 10, 10), Rect(1, 1, 10, 10)
    assert iou(a, b) == 0.680672268907563
    assert iou(a, b, is_iou=False) == 0.81
    assert iou(a, {"left": 20, "top": 0, "right": 30, "bottom": 10}) == 0.0


def test_no_boxes() -> None:
    assert non_max_suppression([], [], 0.5) == []
    assert non_max_suppression(np.zeros((0, 4)), np.zeros(0), 0.5) == []
    assert ssd_non_max_suppression(np.zeros((0, 4)), np.zeros(0), 5, 0.5, 0.5) == []


def test_bad_arguments() -> None:
    with pytest.raises(InvalidArgument, match="one score for each of 1 boxes"):
        non_max_suppression([Rect(0, 0, 1, 1)], [0.5, 0.4], 0.5)
    with pytest.raises(InvalidArgument, match="NaN"):
        non_max_suppression([Rect(0, 0, 1, 1)], [math.nan], 0.5)
    with pytest.raises(InvalidArgument, match=r"\[N,4\]"):
        non_max_suppression(np.zeros((3, 5)), np.zeros(3), 0.5)
    with pytest.raises(InvalidArgument, match=r"\[N,4\]"):
        ssd_non_max_suppression(np.zeros(4), np.zeros(1), 5, 0.5, 0.5)
    with pytest.raises(InvalidArgument):
        iou(Box({"x": 0, "y": 0, "width": 1, "height": 1}), "box")


def test_sigmoid_and_its_inverse() -> None:
    for x in (-1000.0, -709.5, -40.0, -1.5, 0.0, 0.1, 3.0, 40.0, 1000.0):
        assert sigmoid(x) == pytest.approx(expit(x), rel=1e-14, abs=1e-300)
    for x in (1e-9, 0.2, 0.5, 0.999):
        assert inverse_sigmoid(x) == pytest.approx(logit(x), rel=1e-13)
    for x in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(InvalidArgument, match=r"^inverse_sigmoid: "):
            inverse_sigmoid(x)


def test_shuffling_gives_a_new_list_of_the_same_items() -> None:
    items = list(range(100))
    shuffled = shuffle_array(items)
    assert items == list(range(100)) == sorted(shuffled)
    assert shuffled != items
