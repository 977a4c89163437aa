"""What a request asks for: the parts to compute, the detector, and its options, from text fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.networks.options import FaceDetectionOptions, MtcnnOptions, SsdMobilenetv1Options, TinyYolov2Options
from npfaceapi.networks.registry import DETECTORS, detector_called
from npfaceapi.service.limits import Limits

__all__ = ["FLAGS", "OPTIONS", "PARTS", "Question", "options_of", "question"]

PARTS = ("detection", "landmarks", "expressions", "age-gender", "descriptors")
FLAGS = ("tiny_landmarks", "any_rotation", "average_mirror")


@dataclass(frozen=True)
class Question:
    """What to compute for a photo.

    Attributes
    ----------
    options : options of a detector
    parts : set of str
        Out of `PARTS`; descriptors include landmarks.
    tiny_landmarks : bool
        Landmarks by the tiny network.
    any_rotation : bool
        As in `detect_all_faces`.
    alignment : str
    average_mirror : bool
        As in `DetectAllFacesTask.with_face_descriptors`.
    """

    options: FaceDetectionOptions = field(default_factory=SsdMobilenetv1Options)
    parts: frozenset[str] = frozenset(PARTS)
    tiny_landmarks: bool = False
    any_rotation: bool = False
    alignment: str = "face-api"
    average_mirror: bool = False


def question(fields: Mapping[str, str], limits: Limits) -> Question:
    """The question that the fields of a request ask; those left out have the defaults of `Question`.

    Raises
    ------
    InvalidArgument
        For unknown names, wrong values, or values beyond the limits.
    """
    rest = dict(fields)
    for name, text in rest.items():
        if len(text) > limits.field:
            raise InvalidArgument(f"{shown(name)}: expected at most {limits.field:,} characters, got {len(text):,}")
    asked: dict[str, Any] = {name: _flag(name, rest.pop(name)) for name in FLAGS if name in rest}
    if "parts" in rest:
        asked["parts"] = _parts(rest.pop("parts"))
    if "alignment" in rest:
        asked["alignment"] = _one_of(ALIGNMENTS, "alignment", rest.pop("alignment"))
    try:
        detector = detector_called(rest.pop("detector", next(iter(DETECTORS))))
    except InvalidArgument as error:
        raise InvalidArgument(f"detector: {error}") from None
    named = options_of(detector.name)
    for name in rest:
        if name not in named:
            known = ", ".join(("parts", "detector", *named, *FLAGS, "alignment"))
            raise InvalidArgument(f"expected fields out of {known} with the detector {detector.name}, got {shown(name)}")
    options: Any = detector.options(**{name: named[name](name, text) for name, text in rest.items()})
    _check_limits(options, limits)
    return Question(options, **asked)


def _check_limits(options: FaceDetectionOptions, limits: Limits) -> None:
    if isinstance(options, TinyYolov2Options) and options.input_size > limits.input_size:
        raise InvalidArgument(f"input_size: expected at most {limits.input_size} here, got {options.input_size}")
    if isinstance(options, MtcnnOptions):
        if options.max_num_scales > limits.mtcnn_scales:
            raise InvalidArgument(f"max_num_scales: expected at most {limits.mtcnn_scales} here, got {options.max_num_scales}")
        if (first := options.score_thresholds[0]) < limits.mtcnn_score:
            raise InvalidArgument(f"score_thresholds: expected the first at least {limits.mtcnn_score:g} here, got {first:g}")


def options_of(detector: str) -> dict[str, Callable[[str, str], Any]]:
    """The names of a detector's options, each with the function that reads it from text."""
    return {name: read for name, read in OPTIONS.items() if name in DETECTORS[detector].options.__dataclass_fields__}


def _parts(text: str) -> frozenset[str]:
    parts = {part.strip() for part in text.split(",")}
    if not parts <= set(PARTS):
        raise InvalidArgument(f"parts: expected some of {','.join(PARTS)}, got {shown(text)}")
    return frozenset(parts)


def _one_of(values: tuple[str, ...], name: str, text: str) -> str:
    if text not in values:
        raise InvalidArgument(f"{name}: expected one of {', '.join(values)}, got {shown(text)}")
    return text


def _flag(name: str, text: str) -> bool:
    return _one_of(("true", "false"), name, text) == "true"


def _whole(name: str, text: str) -> int:
    if len(text) > 9 or not text.isascii() or not text.isdecimal():
        raise InvalidArgument(f"{name}: expected a whole number, got {shown(text)}")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidArgument(f"{name}: expected a number, got {shown(text)}")
    return value


def _numbers(name: str, text: str) -> tuple[float, ...]:
    return tuple(_number(name, each) for each in text.split(","))


#: The options of all detectors, each with the function that reads it.
OPTIONS: dict[str, Callable[[str, str], Any]] = {
    "min_confidence": _number,
    "max_results": _whole,
    "input_size": _whole,
    "score_threshold": _number,
    "min_face_size": _number,
    "scale_factor": _number,
    "max_num_scales": _whole,
    "score_thresholds": _numbers,
    "scale_steps": _numbers,
}
