"""Options: defaults, accepted values, and the errors of refused ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from npfaceapi import nets
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.networks.options import (
    MtcnnOptions,
    SsdMobilenetv1Options,
    TinyFaceDetectorOptions,
    TinyYolov2Options,
    TinyYolov2SizeType,
    check_enlargement,
    validate_config,
)

NAN = float("nan")
CONFIG = {"with_separable_convs": True, "iou_threshold": 0.4, "classes": ["face"], "anchors": [(1.6, 2.1)]}


def test_defaults() -> None:
    # reference experiments "new …Options({})"
    assert dataclasses.asdict(SsdMobilenetv1Options()) == {"min_confidence": 0.5, "max_results": 100}
    for cls in (TinyYolov2Options, TinyFaceDetectorOptions):
        assert dataclasses.asdict(cls()) == {"input_size": 416, "score_threshold": 0.5}
    assert dataclasses.asdict(MtcnnOptions()) == {
        "min_face_size": 20,
        "scale_factor": 0.709,
        "max_num_scales": 10,
        "score_thresholds": (0.6, 0.7, 0.7),
        "scale_steps": None,
    }
    assert issubclass(TinyFaceDetectorOptions, TinyYolov2Options)


def test_limits_are_accepted_and_zero_is_a_value() -> None:
    assert SsdMobilenetv1Options(0, 0) == SsdMobilenetv1Options(min_confidence=0.0, max_results=0)
    assert SsdMobilenetv1Options(1).min_confidence == 1.0
    assert TinyFaceDetectorOptions(32, 0).score_threshold == 0.0
    options = MtcnnOptions(1, 0.5, 1, [0, 1, np.float32(0.5)], np.array([0.5, 0.25]))  # type: ignore[arg-type]
    assert options.score_thresholds == (0.0, 1.0, 0.5)
    assert options.scale_steps == (0.5, 0.25)
    assert TinyYolov2Options(TinyYolov2SizeType.XS) == TinyYolov2Options(np.int64(224))  # type: ignore[arg-type]
    assert type(TinyYolov2Options(TinyYolov2SizeType.XS).input_size) is int


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, "0.5", None, True, [0.5]])
def test_thresholds_refused(value: Any) -> None:
    for cls, name in ((SsdMobilenetv1Options, "min_confidence"), (TinyFaceDetectorOptions, "score_threshold")):
        with pytest.raises(InvalidArgument) as caught:
            cls(**{name: value})  # type: ignore[operator]
        assert str(caught.value) == f"{cls.__name__}.{name}: expected a number in [0, 1], got {value!r}"


@pytest.mark.parametrize("value", [-1, 1.5, NAN, "x", None, True])
def test_max_results_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^SsdMobilenetv1Options.max_results: expected an integer >= 0, got "):
        SsdMobilenetv1Options(max_results=value)


@pytest.mark.parametrize("value", [0, -32, 100, 416.0, "416", None, True, 8224, 10**6, 2**63])
def test_input_size_refused(value: Any) -> None:
    for cls in (TinyYolov2Options, TinyFaceDetectorOptions):
        with pytest.raises(InvalidArgument) as caught:
            cls(input_size=value)
        assert str(caught.value) == f"{cls.__name__}.input_size: expected a multiple of 32 from 32 to 8192, got {value!r}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("min_face_size", v) for v in (0, -1, "a", NAN, None, True)),
        *(("scale_factor", v) for v in (0, 1, -0.5, "a", NAN, None)),
        *(("max_num_scales", v) for v in (0, -1, 2.5, "a", None, True)),
        *(("score_thresholds", v) for v in ([1, 0.2], [1, 0, "a"], [0, 0, 2], [0, 0, NAN], "abc", None, 0.5)),
        *(("scale_steps", v) for v in ("a", [1, "b"], [0], [-1], [NAN], 0.5)),
    ],
)
def test_mtcnn_options_refused(name: str, value: Any) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=rf"^MtcnnOptions.{name}: expected .*, got "):
        MtcnnOptions(**{name: value})


def test_numbers_of_thousands_of_digits() -> None:
    many: Any = 10**5000
    with pytest.raises(InvalidArgument, match=r"input_size: expected .*, got an integer of "):
        TinyFaceDetectorOptions(many)
    with pytest.raises(InvalidArgument, match=r"min_face_size: expected a number >= 1, got an integer of "):
        MtcnnOptions(min_face_size=many)
    with pytest.raises(InvalidArgument, match=r"max_results: expected .*, got an integer of "):
        SsdMobilenetv1Options(max_results=-many)
    assert SsdMobilenetv1Options(max_results=many).max_results == many  # all


@pytest.mark.parametrize(
    ("options", "size", "message"),
    [
        (MtcnnOptions(1), (512, 512), "min_face_size: expected at least 1.07 for a photo of 512x512, got 1"),
        (MtcnnOptions(7), (4000, 3000), "min_face_size: expected at least 7.18 for a photo of 4000x3000, got 7"),
        (MtcnnOptions(11.9), (9000, 9000), "min_face_size: expected at least 12 for a photo of 9000x9000, got 11.9"),
        (MtcnnOptions(scale_steps=(0.5, 20)), (512, 512), "scale_steps: expected at most 11.31 for a photo of 512x512, got 20"),
        (MtcnnOptions(scale_steps=(1e308,)), (1, 1), "scale_steps: expected at most 5792.61 for a photo of 1x1, got 1e+308"),
        (MtcnnOptions(1.07), (512, 512), None),
        (MtcnnOptions(7.18), (4000, 3000), None),
        (MtcnnOptions(), (100_000, 100_000), None),  # the default never enlarges
        (MtcnnOptions(12), (100_000, 100_000), None),
        (MtcnnOptions(1), (24, 24), None),
        (MtcnnOptions(scale_steps=(0.5, 1)), (100_000, 100_000), None),
        (MtcnnOptions(scale_steps=()), (512, 512), None),
    ],
)
def test_how_far_a_photo_is_enlarged(options: MtcnnOptions, size: tuple[int, int], message: str | None) -> None:
    if message is None:
        check_enlargement(options, *size)
        return
    with pytest.raises(InvalidArgument) as caught:
        check_enlargement(options, *size)
    assert str(caught.value) == f"MtcnnOptions.{message}"


def test_a_detector_refuses_to_enlarge_a_photo_too_much() -> None:
    for call in (nets.mtcnn.locate_faces, nets.mtcnn.forward):
        with pytest.raises(InvalidArgument, match=r"MtcnnOptions\.min_face_size: expected at least "):
            call(np.zeros((1000, 1000, 3), np.uint8), MtcnnOptions(1))


def test_options_are_immutable_and_unknown_ones_refused() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SsdMobilenetv1Options().min_confidence = 0.1  # type: ignore[misc]
    with pytest.raises(TypeError, match="minConfidence"):
        SsdMobilenetv1Options(minConfidence=0.1)  # type: ignore[call-arg]


def test_valid_configs() -> None:
    validate_config(CONFIG)
    validate_config({**CONFIG, "anchors": [{"x": 1, "y": 2}], "mean_rgb": (117, 115, 97)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("with_separable_convs", v) for v in (None, 1, "yes")),
        *(("iou_threshold", v) for v in (None, -0.1, 1.1, "0.4", NAN)),
        *(("classes", v) for v in (None, [], "face", [1])),
        *(("anchors", v) for v in (None, [], [1], [(1,)], [(1, "a")], [None])),
        *(("mean_rgb", v) for v in ([], [1, 2], "abc", [1, 2, "3"])),
    ],
)
def test_invalid_configs(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgument, match=rf"^validate_config.{name}: expected .*, got "):
        validate_config({**CONFIG, name: value})


def test_no_config() -> None:
    with pytest.raises(InvalidArgument, match=r"^validate_config: expected a configuration, got None$"):
        validate_config(None)
