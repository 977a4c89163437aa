"""Landmarks and their alignment against answers of the npm package face-api.js 0.22.2."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from helpers.landmarks import LANDMARKS, POINTS
from npfaceapi.errors import InvalidArgument
from npfaceapi.faces.geometry import Box, Point, Rect
from npfaceapi.faces.landmarks import FaceLandmarks, FaceLandmarks5, FaceLandmarks68
from npfaceapi.faces.results import FaceDetection

DETECTION = FaceDetection(0.9, Rect(0.1, 0.2, 0.3, 0.4), (107, 203.5))


def values(box: Box) -> list[float]:
    return [box.x, box.y, box.width, box.height]


def test_positions_equal_face_api_to_the_last_bit() -> None:
    assert LANDMARKS.positions[[0, 67]].tolist() == [
        [9.560669660568237, -1.8765326738357544],
        [106.21835768222809, 60.69112116098404],
    ]
    assert LANDMARKS.relative_positions[67].tolist() == [0.9774094820022583, 0.7703749537467957]
    assert LANDMARKS.positions.dtype == np.float64
    assert (LANDMARKS.image_width, LANDMARKS.image_height, LANDMARKS.shift) == (101, 83, Point(7.5, -3.25))


def test_a_new_size_loses_the_shift_and_a_new_shift_replaces_the_old() -> None:
    resized = LANDMARKS.for_size(53, 20)
    assert resized.positions[5].tolist() == [2.1122772693634033, 14.876023530960083]
    assert resized.shift == Point(0, 0)
    shifted = LANDMARKS.shift_by(1, 2)
    assert shifted.positions[5].tolist() == [5.025283098220825, 63.735497653484344]
    assert shifted == LANDMARKS.shift_by_point({"x": 1, "y": 2})
    assert type(shifted) is type(resized) is FaceLandmarks68


@pytest.mark.parametrize(
    ("aligned", "expected"),
    [
        (LANDMARKS.align(), [-0.8810481250286113, -10.899324887990952, 119.31661655902863, 95.47450439929962]),
        (LANDMARKS.align(min_box_padding=0), [9.062003254890442, -2.9431161880493164, 99.43051379919052, 79.56208699941635]),
        (LANDMARKS.align(use_dlib_alignment=True), [60, 34, 17, 17]),
        (
            LANDMARKS.align({"x": 10.7, "y": 20.7, "width": 5, "height": 6}),
            [2.318951874971388, 13.050675112009047, 119.31661655902863, 95.47450439929962],
        ),
        (LANDMARKS.align(DETECTION), [1.6189518749713887, 32.35067511200905, 119.31661655902863, 95.47450439929962]),
        (LANDMARKS.align(DETECTION, use_dlib_alignment=True), [63, 78, 17, 17]),
        (
            LANDMARKS.shift_by(-300, -300).align(),
            [-328.2817964196205, -329.6624278068542, 358.1255960941315, 359.6317394256592],
        ),
        (LANDMARKS.shift_by(-300, -300).align(use_dlib_alignment=True), [0, 0, 17, 17]),
        (FaceLandmarks5(POINTS[:5], (640, 480)).align(use_dlib_alignment=True), [0, 0, 526, 480]),
    ],
)
def test_alignment_equals_face_api_to_the_last_bit(aligned: Box, expected: list[float]) -> None:
    assert values(aligned) == expected


def test_point_groups_divide_the_68_points() -> None:
    names = ("jaw_outline", "left_eye_brow", "right_eye_brow", "nose", "left_eye", "right_eye", "mouth")
    groups = [getattr(LANDMARKS, f"get_{name}")() for name in names]
    assert [len(group) for group in groups] == [17, 5, 5, 9, 6, 6, 20]
    assert np.array_equal(np.concatenate(groups), LANDMARKS.positions)


def test_landmarks_are_immutable_values() -> None:
    with pytest.raises(ValueError, match="read-only"):
        LANDMARKS.positions[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        LANDMARKS.get_mouth()[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        LANDMARKS.shift = Point(0, 0)  # type: ignore[misc]
    source = POINTS.copy()
    mine = FaceLandmarks68(source, (101, 83), (7.5, -3.25))
    source[:] = 0
    assert mine == LANDMARKS == pickle.loads(pickle.dumps(LANDMARKS))
    assert hash(mine) == hash(LANDMARKS)
    assert mine != LANDMARKS.shift_by(0, 0)
    assert FaceLandmarks(POINTS, (101, 83)) != FaceLandmarks68(POINTS, (101, 83))
    assert repr(LANDMARKS) == "<FaceLandmarks68: 68 points on a face of 101 x 83 px at (7.5, -3.25)>"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FaceLandmarks68(POINTS[:67], (1, 1)), "^FaceLandmarks68: expected 68 points, got 67$"),
        (lambda: FaceLandmarks5(POINTS, (1, 1)), "^FaceLandmarks5: expected 5 points, got 68$"),
        (lambda: FaceLandmarks(POINTS * np.nan, (1, 1)), "^FaceLandmarks: expected finite numbers"),
        (lambda: FaceLandmarks(POINTS, (1, 1)).align(use_dlib_alignment=True), "^align: expected FaceLandmarks68 or F"),
        (lambda: LANDMARKS.align(min_box_padding=float("nan")), "^align: expected min_box_padding"),
        (lambda: FaceLandmarks(POINTS, (0, 1)).for_size(5, 5), "^FaceLandmarks: expected a face image with an area"),
        (lambda: LANDMARKS.align("box"), "^Box: expected"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        make()


def test_points_may_be_a_sequence() -> None:
    assert FaceLandmarks([Point(0.5, 0.25), (1, 1), {"x": 0, "y": 1}], (4, 8)).positions.tolist() == [[2, 2], [4, 8], [0, 8]]
