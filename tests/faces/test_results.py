"""Results, their extension and their resizing against answers of the npm package face-api.js 0.22.2."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import npfaceapi.faces.results as r
from helpers.landmarks import LANDMARKS, POINTS
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.geometry import Box, Rect
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.results import FaceDetection, FaceExpressions, FaceResult, Gender, ObjectDetection, resize_results

DETECTION = FaceDetection(0.9, Rect(0.1, 0.2, 0.3, 0.4), (107, 203.5))
WITH_LANDMARKS = r.extend_with_face_landmarks(DETECTION, FaceLandmarks68(POINTS, (31, 80)))
EXPRESSIONS = FaceExpressions([0.1, 0.3, 0.3, 0.3, 0.05, 0, 0.1])


def values(box: Box) -> list[float]:
    return [box.x, box.y, box.width, box.height]


def full_result() -> FaceResult:
    result = r.extend_with_face_expressions(WITH_LANDMARKS, EXPRESSIONS)
    result = r.extend_with_gender(r.extend_with_age(result, 25.5), "female", 0.75)
    return r.extend_with_face_descriptor(result, np.linspace(-0.1, 0.1, 128))


def test_detection_equals_face_api_to_the_last_bit() -> None:
    assert values(DETECTION.box) == [10.700000000000001, 40.7, 32.1, 81.4]
    assert values(DETECTION.relative_box) == [0.1, 0.2, 0.3, 0.4]
    assert values(DETECTION.for_size(37, 91).box) == [3.7, 18.2, 11.1, 36.4]
    assert values(DETECTION.for_size(37, 91).relative_box) == [0.1, 0.2, 0.3, 0.4]
    assert (DETECTION.score, DETECTION.class_score, DETECTION.class_name) == (0.9, 0.9, "")
    assert (DETECTION.image_width, DETECTION.image_height, tuple(DETECTION.image_dims)) == (107, 203.5, (107, 203.5))
    assert type(DETECTION.for_size(1, 1)) is FaceDetection


def test_face_detection_goes_twice_through_relative_coordinates() -> None:
    # both computed with the package; they differ in the last bit of the height
    args = (Rect(0.1234567, 0.456789, 0.0771, 0.3117), (641, 479))
    twice = FaceDetection(0.5, *args).for_size(333, 197)
    assert values(twice.box) == [41.11108110000001, 89.987433, 25.674300000000002, 61.40489999999998]
    once = ObjectDetection(0.5, 0.5, "", *args).for_size(333, 197)
    assert values(once.box) == [41.11108110000001, 89.987433, 25.674300000000002, 61.404899999999984]


def test_detection_refuses() -> None:
    with pytest.raises(InvalidArgument, match=r"^FaceDetection: expected image_dims > 0, got 0 x 10$"):
        FaceDetection(0.5, Rect(0, 0, 1, 1), (0, 10))
    with pytest.raises(InvalidArgument, match=r"^FaceDetection.score: expected a finite number, got nan$"):
        FaceDetection(float("nan"), Rect(0, 0, 1, 1), (10, 10))
    with pytest.raises(InvalidArgument, match=r"^Box: "):
        FaceDetection(0.5, None, (10, 10))


def test_expressions_are_a_mapping_with_attributes() -> None:
    assert isinstance(EXPRESSIONS, Mapping)
    attributes = {label: getattr(EXPRESSIONS, label) for label in r.FACE_EXPRESSION_LABELS}
    assert dict(EXPRESSIONS) == EXPRESSIONS.to_dict() == attributes
    assert EXPRESSIONS["happy"] == EXPRESSIONS.happy == 0.3
    assert "as_sorted_array" not in EXPRESSIONS
    with pytest.raises(KeyError):
        EXPRESSIONS["as_sorted_array"]
    assert FaceExpressions(dict(EXPRESSIONS)) == EXPRESSIONS
    assert hash(FaceExpressions(dict(EXPRESSIONS))) == hash(EXPRESSIONS)
    assert pickle.loads(pickle.dumps(EXPRESSIONS)) == EXPRESSIONS
    assert FaceExpressions(np.eye(7, dtype=np.float32)[3]).angry == 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXPRESSIONS.happy = 1.0  # type: ignore[misc]


def test_sorted_expressions_keep_the_order_of_equal_ones() -> None:
    # asSortedArray() of the package on the same numbers
    ordered = EXPRESSIONS.as_sorted_array()
    assert [pair.expression for pair in ordered] == ["happy", "sad", "angry", "neutral", "surprised", "fearful", "disgusted"]
    assert [pair.probability for pair in ordered] == [0.3, 0.3, 0.3, 0.1, 0.1, 0.05, 0.0]


@pytest.mark.parametrize("wrong", [[0.5], [0] * 8, [float("nan")] * 7, {"happy": 1}, "abcdefg", 7, ["0"] * 7])
def test_expressions_refuse(wrong: Any) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=r"^FaceExpressions"):
        FaceExpressions(wrong)


def test_gender_is_its_string() -> None:
    assert Gender.MALE == "male"
    assert f"{Gender.FEMALE} {Gender.MALE!s:>6}" == "female   male"
    assert json.dumps(Gender.MALE) == '"male"'
    prediction = r.AgeAndGenderPrediction(30, "male", np.float32(0.5))  # type: ignore[arg-type]
    assert prediction.to_dict() == {"age": 30.0, "gender": "male", "gender_probability": 0.5}
    with pytest.raises(InvalidArgument, match='expected "male" or "female", got \'x\''):
        r.AgeAndGenderPrediction(30, "x", 0.5)  # type: ignore[arg-type]


def test_landmarks_are_shifted_to_the_exact_corner_of_the_box() -> None:
    assert WITH_LANDMARKS.landmarks is not None
    assert WITH_LANDMARKS.aligned_rect is not None
    assert WITH_LANDMARKS.landmarks.positions[3].tolist() == [26.072570335865024, 84.56790752410889]
    aligned = WITH_LANDMARKS.aligned_rect
    assert values(aligned.box) == [8.127599090337753, 33.32715673446655, 36.6219318151474, 92.02361869812012]
    assert values(aligned.relative_box) == [0.07595887000315657, 0.16376981196298057, 0.34226104500137755, 0.4522045144870767]
    assert aligned.score == 0.9


def test_resizing_a_face_with_landmarks() -> None:
    resized = resize_results(WITH_LANDMARKS, {"width": 300, "height": 150})
    assert resized.landmarks is not None
    assert resized.unshifted_landmarks is not None
    assert resized.aligned_rect is not None
    assert resized.landmarks.positions[3].tolist() == [74.63004291057587, 62.900930643081665]
    assert tuple(resized.unshifted_landmarks.image_dims) == (90.00000000000001, 60)
    assert values(resized.detection.box) == [30, 30, 90.00000000000001, 60]
    assert values(resized.aligned_rect.box) == [22.531739294528965, 24.470367550849918, 106.32173752784732, 69.01771402359009]


def test_resizing_to_the_same_size_moves_landmarks() -> None:
    resized = resize_results(WITH_LANDMARKS, (107, 203.5))
    assert resized.landmarks is not None
    assert resized.landmarks.positions[3].tolist() == [26.618048638105392, 85.33559590578079]


def test_resizing_other_things() -> None:
    # reference experiment "resizeResults det"
    det = FaceDetection(0.9, Rect(0.1, 0.2, 0.3, 0.4), (100, 100))
    assert resize_results(det, (50, 50)).to_dict() == {
        "score": 0.9,
        "box": {"x": 5.0, "y": 10.0, "width": 15.0, "height": 20.0},
        "relative_box": {"x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4},
        "image_width": 50,
        "image_height": 50,
    }
    assert resize_results(LANDMARKS, (10, 20)).positions[3].tolist() == [4.958893656730652, 10.966976881027222]
    only_age = r.extend_with_age(det, 30)
    assert resize_results(only_age, (50, 50)) == r.extend_with_age(det.for_size(50, 50), 30)
    assert resize_results([[det], []], (50, 50)) == [[det.for_size(50, 50)], []]
    assert resize_results(None, (50, 50)) is None
    assert resize_results(EXPRESSIONS, (50, 50)) is EXPRESSIONS
    full = full_result()
    kept = resize_results(full, (50, 50))
    assert (kept.expressions, kept.age, kept.gender) == (full.expressions, full.age, full.gender)
    assert np.array_equal(kept.descriptor, full.descriptor)  # type: ignore[arg-type]


def test_resizing_refuses() -> None:
    with pytest.raises(InvalidArgument, match=r"^resize_results: expected width and height > 0, got 0 x 10$"):
        resize_results(DETECTION, (0, 10))
    with pytest.raises(InvalidArgument, match=r"^resize_results: "):
        resize_results(DETECTION, {"width": float("nan"), "height": 3})
    with pytest.raises(InvalidType, match=r"^resize_results: expected the results of a task, got str$"):
        resize_results("face", (5, 5))


def test_extending_makes_new_results() -> None:
    start = FaceResult(DETECTION)
    assert start == r.extend_with_face_detection(None, DETECTION) == r.extend_with_face_detection({}, DETECTION)
    aged = r.extend_with_age(start, 30)
    assert start.age is None
    assert aged.age == 30.0
    other = DETECTION.for_size(5, 5)
    assert r.extend_with_face_detection(aged, other) == dataclasses.replace(aged, detection=other)
    for extend in (r.extend_with_age, r.extend_with_face_descriptor):
        with pytest.raises(InvalidType, match=rf"^{extend.__name__}: expected a FaceResult or a FaceDetection, got dict"):
            extend({}, 3)  # type: ignore[operator]
    with pytest.raises(InvalidType, match=r"^extend_with_face_landmarks: expected FaceLandmarks"):
        r.extend_with_face_landmarks(start, POINTS)  # type: ignore[arg-type]
    with pytest.raises(InvalidType, match=r"^FaceResult.expressions: expected FaceExpressions, got list"):
        r.extend_with_face_expressions(start, [0.5] * 7)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match=r"^extend_with_gender: "):
        r.extend_with_gender(start, "neither", 0.5)
    with pytest.raises(InvalidArgument, match=r"^FaceResult.descriptor: "):
        r.extend_with_face_descriptor(start, [[1.0]])


def test_what_a_result_is_with() -> None:
    checks = (r.is_with_face_detection, r.is_with_face_landmarks, r.is_with_face_expressions, r.is_with_age, r.is_with_gender)
    assert [check(full_result()) for check in checks] == [True] * 5
    assert [check(FaceResult(DETECTION)) for check in checks] == [True, False, False, False, False]
    assert [check({"age": 3}) for check in checks] == [False] * 5
    # reference experiment "isWithGender": a probability above 1 does not count
    assert not r.is_with_gender(r.extend_with_gender(DETECTION, Gender.MALE, 1.5))


def test_result_to_json() -> None:
    result = full_result()
    data = json.loads(result.to_json())
    assert data == result.to_dict()
    assert list(data) == [field.name for field in dataclasses.fields(FaceResult)]
    assert data["detection"]["box"] == DETECTION.box.to_dict()
    assert data["landmarks"][3] == [26.072570335865024, 84.56790752410889]
    assert len(data["descriptor"]) == 128
    assert data["descriptor"][0] == float(np.float32(-0.1))
    assert data["gender"] == "female"
    assert data["expressions"]["happy"] == 0.3
    assert FaceResult(DETECTION).to_dict()["landmarks"] is None


def test_results_are_immutable_values() -> None:
    result = full_result()
    assert result == full_result() == copy.deepcopy(result) == pickle.loads(pickle.dumps(result))
    assert hash(result) == hash(full_result())
    assert result != r.extend_with_face_descriptor(result, np.zeros(128))
    assert result != dataclasses.replace(result, descriptor=None)
    assert result != r.extend_with_age(result, 3)
    assert result.descriptor is not None
    assert result.descriptor.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        result.descriptor[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.age = 3  # type: ignore[misc]
    assert repr(result) == (
        "<FaceResult: box 10.7, 40.7, 32.1 x 81.4, score 0.900, 68 landmarks, happy 0.30, age 25.5, female 0.75, "
        "descriptor [128]>"
    )


def test_swapped_sides_give_a_warning():
    face = FaceDetection(0.9, {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, (600, 800))
    for results in (face, [face], [[None], [FaceResult(face)]]):
        with pytest.warns(UserWarning, match="^resize_results: expected the sides of a photo of 600x800, .* got 401x300, which"):
            resize_results(results, (401, 300))
        for size in ((300, 400), (75, 101), (600, 600), (800, 500)):
            resize_results(results, size)
