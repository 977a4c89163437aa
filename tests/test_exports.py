"""Holds the package to tests/exports.json: every export of face-api.js 0.22.2, its members and defaults."""

from __future__ import annotations

import enum
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import npfaceapi as faceapi

EXPORTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("exports.json").read_text())

# Object.keys(require("face-api.js")) of the npm package 0.22.2
NAMES = """
    AgeGenderNet allFaces allFacesMtcnn allFacesSsdMobilenetv1 allFacesTinyYolov2 awaitMediaLoaded BoundingBox Box
    bufferToImage ComposableTask ComputeAllFaceDescriptorsTask computeFaceDescriptor ComputeFaceDescriptorsTaskBase
    ComputeSingleFaceDescriptorTask createCanvas createCanvasFromMedia createFaceDetectionNet createFaceRecognitionNet
    createMtcnn createSsdMobilenetv1 createTinyFaceDetector createTinyYolov2 DetectAllFaceLandmarksTask detectAllFaces
    DetectAllFacesTask detectFaceLandmarks DetectFaceLandmarksTaskBase detectFaceLandmarksTiny DetectFacesTaskBase
    detectLandmarks detectSingleFace DetectSingleFaceLandmarksTask DetectSingleFaceTask Dimensions draw env
    euclideanDistance extendWithAge extendWithFaceDescriptor extendWithFaceDetection extendWithFaceExpressions
    extendWithFaceLandmarks extendWithGender extractFaces extractFaceTensors FACE_EXPRESSION_LABELS FaceDetection
    FaceDetectionNet FaceExpressionNet FaceExpressions FaceLandmark68Net FaceLandmark68TinyNet FaceLandmarkNet
    FaceLandmarks FaceLandmarks5 FaceLandmarks68 FaceMatch FaceMatcher FaceRecognitionNet fetchImage fetchJson
    fetchNetWeights fetchOrThrow Gender getContext2dOrThrow getMediaDimensions imageTensorToCanvas imageToSquare
    inverseSigmoid iou isMediaElement isMediaLoaded isWithAge isWithFaceDetection isWithFaceExpressions
    isWithFaceLandmarks isWithGender LabeledBox LabeledFaceDescriptors loadAgeGenderModel loadFaceDetectionModel
    loadFaceExpressionModel loadFaceLandmarkModel loadFaceLandmarkTinyModel loadFaceRecognitionModel loadMtcnnModel
    loadSsdMobilenetv1Model loadTinyFaceDetectorModel loadTinyYolov2Model loadWeightMap locateFaces matchDimensions
    minBbox mtcnn Mtcnn MtcnnOptions NetInput nets NeuralNetwork nonMaxSuppression normalize ObjectDetection padToSquare
    Point predictAgeAndGender PredictedBox recognizeFaceExpressions Rect resizeResults resolveInput shuffleArray sigmoid
    ssdMobilenetv1 SsdMobilenetv1 SsdMobilenetv1Options tf tinyFaceDetector TinyFaceDetector TinyFaceDetectorOptions
    tinyYolov2 TinyYolov2 TinyYolov2Options TinyYolov2SizeType toNetInput utils validateConfig
"""
RUNTIME_NAMES = NAMES.split()

# The only names that may be absent: what API.md calls TensorFlow, env, utils, and the DOM and canvas helpers.
ABSENT_RUNTIME_NAMES = {
    *("tf", "env", "utils"),
    *("awaitMediaLoaded", "isMediaElement", "isMediaLoaded", "resolveInput", "getMediaDimensions", "matchDimensions"),
    *("createCanvas", "createCanvasFromMedia", "getContext2dOrThrow", "imageTensorToCanvas", "imageToSquare"),
}


def present(table: dict[str, Any], *kinds: str) -> list[Any]:
    rows = [(old, row) for old, row in table.items() if "absent" not in row and row["kind"] in kinds]
    return [pytest.param(row, id=old) for old, row in rows]


def members_of(row: dict[str, Any], group: str = "members") -> Iterator[tuple[str, dict[str, Any]]]:
    for old, member in row.get(group, {}).items():
        yield old, {"python": member} if isinstance(member, str) else member


def has_member(cls: type, name: str) -> bool:
    fields: dict[str, Any] = getattr(cls, "__dataclass_fields__", {})
    if hasattr(cls, name) or name in fields or name in getattr(cls, "_fields", ()):
        return True
    # an attribute that __init__ sets; a network reads no weights until it is used
    return issubclass(cls, faceapi.NeuralNetwork) and hasattr(cls(), name)


def check_signature(function: Any, row: dict[str, Any]) -> None:
    parameters = inspect.signature(function).parameters
    names = [name for name in parameters if name not in ("self", "cls")]
    wanted = list(row.get("parameters", {}).values())
    assert names[: len(wanted)] == wanted
    for name, default in row.get("defaults", {}).items():
        have = parameters[name].default
        have = have.value if isinstance(have, enum.Enum) else list(have) if isinstance(have, tuple) else have
        assert have == default
        assert type(have) is type(default) or (isinstance(have, (int, float)) and not isinstance(have, bool))
    for name in set(wanted) - set(row.get("defaults", {})):
        required = parameters[name].default is inspect.Parameter.empty
        assert required or name == "shift", name  # JSON has no Point for its default


def check_class(cls: Any, row: dict[str, Any]) -> None:
    assert inspect.isclass(cls)
    for group in ("members", "static_members"):
        for old, member in members_of(row, group):
            if "absent" in member:
                assert len(member["absent"]) > 10
                continue
            assert has_member(cls, member["python"]), f"{cls.__name__}.{member['python']} (was {old})"
            if "parameters" in member:
                check_signature(getattr(cls, member["python"]), member)
    if "parameters" in row:
        check_signature(cls, row)


def test_mapping_names_every_runtime_export() -> None:
    assert len(RUNTIME_NAMES) == 126
    assert set(RUNTIME_NAMES) <= set(EXPORTS)


def test_only_the_agreed_kinds_are_absent() -> None:
    absent = {old for old in RUNTIME_NAMES if "absent" in EXPORTS[old]}
    assert absent == ABSENT_RUNTIME_NAMES
    others = {old for old in EXPORTS if old not in RUNTIME_NAMES and "absent" in EXPORTS[old]}
    assert all(EXPORTS[old]["absent"].startswith("TypeScript type") for old in others)
    for old in absent | others:
        assert not hasattr(faceapi, old), old


@pytest.mark.parametrize("row", present(EXPORTS, "function"))
def test_function(row: dict[str, Any]) -> None:
    function = getattr(faceapi, row["python"])
    assert callable(function)
    check_signature(function, row)


@pytest.mark.parametrize("row", present(EXPORTS, "class", "type"))
def test_class(row: dict[str, Any]) -> None:
    check_class(getattr(faceapi, row["python"]), row)


@pytest.mark.parametrize("row", present(EXPORTS, "enum"))
def test_enum(row: dict[str, Any]) -> None:
    assert {member.name: member.value for member in getattr(faceapi, row["python"])} == row["values"]


@pytest.mark.parametrize("row", present(EXPORTS, "constant"))
def test_constant(row: dict[str, Any]) -> None:
    assert list(getattr(faceapi, row["python"])) == row["value"]


@pytest.mark.parametrize("row", present(EXPORTS["draw"]["exports"], "function", "class", "enum"))
def test_draw(row: dict[str, Any]) -> None:
    thing = getattr(faceapi.draw, row["python"])
    if row["kind"] == "class":
        check_class(thing, row)
    elif row["kind"] == "enum":
        assert {member.name: member.value for member in thing} == row["values"]
    else:
        check_signature(thing, row)


def test_nets() -> None:
    for old, member in members_of(EXPORTS["nets"]):
        assert hasattr(faceapi.nets, member["python"]), old


def test_the_checks_notice_a_missing_member_and_a_wrong_default() -> None:
    class Sample:
        def __init__(self, size: int = 3) -> None: ...

    row = {"python": "Sample", "parameters": {"size": "size"}, "defaults": {"size": 3}, "members": {}}
    check_class(Sample, row)
    with pytest.raises(AssertionError):
        check_class(Sample, {**row, "members": {"pointCount": "point_count"}})
    with pytest.raises(AssertionError):
        check_class(Sample, {**row, "defaults": {"size": 4}})
    with pytest.raises(AssertionError):
        check_class(Sample, {**row, "parameters": {"inputSize": "input_size"}, "defaults": {}})
