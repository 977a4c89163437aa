"""The fields of a request."""

from __future__ import annotations

import pytest

from npfaceapi import InvalidArgument, MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions
from npfaceapi.networks.registry import DETECTORS
from npfaceapi.service.limits import Limits
from npfaceapi.service.questions import FLAGS, OPTIONS, PARTS, Question, options_of, question

LIMITS = Limits(input_size=608)


def test_without_fields_everything_is_computed_as_by_default():
    assert question({}, LIMITS) == Question(SsdMobilenetv1Options(), frozenset(PARTS))


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"min_confidence": "0.3", "max_results": "7"}, SsdMobilenetv1Options(0.3, 7)),
        ({"detector": "tiny", "input_size": "320", "score_threshold": "0.25"}, TinyFaceDetectorOptions(320, 0.25)),
        (
            {"detector": "mtcnn", "min_face_size": "40", "scale_factor": "0.8", "score_thresholds": "0.5,0.6,0.7"},
            MtcnnOptions(40, 0.8, score_thresholds=(0.5, 0.6, 0.7)),
        ),
        (
            {"detector": "mtcnn", "scale_steps": "1,0.5", "max_num_scales": "3"},
            MtcnnOptions(max_num_scales=3, scale_steps=(1, 0.5)),
        ),
    ],
)
def test_options(fields, options):
    assert question(fields, LIMITS).options == options


def test_parts_and_flags():
    asked = question({"parts": "landmarks, age-gender", **dict.fromkeys(FLAGS, "true"), "alignment": "dlib"}, LIMITS)
    assert asked.parts == {"landmarks", "age-gender"}
    assert (asked.tiny_landmarks, asked.any_rotation, asked.average_mirror, asked.alignment) == (True, True, True, "dlib")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"parts": ""}, "parts: expected some of detection,landmarks,expressions,age-gender,descriptors, got ''"),
        ({"any_rotation": "1"}, "any_rotation: expected one of true, false, got '1'"),
        ({"alignment": "none"}, "alignment: expected one of face-api, dlib, got 'none'"),
        ({"min_confidence": "nan"}, "min_confidence: expected a number, got 'nan'"),
        ({"max_results": "1e3"}, "max_results: expected a whole number, got '1e3'"),
        ({"max_results": "9" * 5000}, "max_results: expected a whole number, got '999"),
        (
            {"input_size": "320"},
            "expected fields out of parts, detector, min_confidence, max_results, tiny_landmarks, any_rotation, ",
        ),
        ({"detector": "tiny", "input_size": "640"}, "input_size: expected at most 608 here, got 640"),
        ({"detector": "mtcnn", "scale_steps": "1,,2"}, "scale_steps: expected a number, got ''"),
        ({"detector": "mtcnn", "max_num_scales": "101"}, "max_num_scales: expected at most 100 here, got 101"),
        (
            {"detector": "mtcnn", "score_thresholds": "0.04,0.7,0.7"},
            "score_thresholds: expected the first at least 0.05 here, got 0.04",
        ),
        ({"detector": "mtcnn", "scale_steps": "1," * 9999}, "'scale_steps': expected at most 10,000 characters, got 19,998"),
    ],
)
def test_what_is_wrong_is_said(fields, expected):
    with pytest.raises(InvalidArgument) as raised:
        question(fields, LIMITS)
    assert str(raised.value).startswith(expected)


def test_every_option_of_a_detector_is_a_field():
    for name, net in DETECTORS.items():
        assert set(options_of(name)) == set(net.options.__dataclass_fields__)
    assert {option for name in DETECTORS for option in options_of(name)} == set(OPTIONS)
