"""The options of the detectors, checked when they are made.

Source: face-api.js 0.22.2, `*/…Options`, `tinyYolov2/config`.  Unlike there, 0 is a value and does not mean "unset".
"""

from __future__ import annotations

import enum
import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.points import as_score, field_of, is_number

__all__ = [
    "FaceDetectionOptions",
    "MtcnnOptions",
    "SsdMobilenetv1Options",
    "TinyFaceDetectorOptions",
    "TinyYolov2Options",
    "TinyYolov2SizeType",
    "check_enlargement",
    "validate_config",
]

MOST_INPUT = 8192  # TinyFaceDetector then needs about 4 GB of memory
MOST_ENLARGED = 1 << 25  # pixels; P-Net takes a few seconds for them
WINDOW = 12  # side of P-Net's window in pixels, the size of the smallest faces

Yolo = TypeVar("Yolo", bound="TinyYolov2Options")


class TinyYolov2SizeType(enum.IntEnum):
    """Usual input sizes of TinyYolov2 and TinyFaceDetector: smaller is faster, larger finds smaller faces.

    Examples
    --------
    >>> TinyFaceDetectorOptions(input_size=TinyYolov2SizeType.XS).input_size
    224
    """

    XS = 224
    SM = 320
    MD = 416
    LG = 608


@dataclass(frozen=True, slots=True)
class SsdMobilenetv1Options:
    """Options of SsdMobilenetv1.

    Parameters
    ----------
    min_confidence : float
        Faces have a score above this; in [0, 1].
    max_results : int
        The most faces to return; >= 0.

    Raises
    ------
    InvalidArgument
        On values out of range.

    Examples
    --------
    >>> SsdMobilenetv1Options(min_confidence=0.8)
    SsdMobilenetv1Options(min_confidence=0.8, max_results=100)
    """

    min_confidence: float = 0.5
    max_results: int = 100

    def __post_init__(self) -> None:
        where = type(self).__name__
        object.__setattr__(self, "min_confidence", as_score(self.min_confidence, f"{where}.min_confidence"))
        object.__setattr__(self, "max_results", _whole(self.max_results, 0, f"{where}.max_results"))

    def with_least_score(self, score: float) -> SsdMobilenetv1Options:
        """A copy with `min_confidence` replaced by `score`, in [0, 1]."""
        return replace(self, min_confidence=score)


@dataclass(frozen=True, slots=True)
class TinyYolov2Options:
    """Options of TinyYolov2.

    Parameters
    ----------
    input_size : int
        The photo is resized to a square of this many pixels; a multiple of 32 from 32 to 8192, see `TinyYolov2SizeType`.
    score_threshold : float
        Faces have a score above this; in [0, 1].

    Raises
    ------
    InvalidArgument
        On values out of range.

    Examples
    --------
    >>> TinyYolov2Options(score_threshold=0.8)
    TinyYolov2Options(input_size=416, score_threshold=0.8)
    """

    input_size: int = 416
    score_threshold: float = 0.5

    def __post_init__(self) -> None:
        where = type(self).__name__
        size: object = self.input_size
        if isinstance(size, bool) or not isinstance(size, numbers.Integral) or int(size) not in range(32, MOST_INPUT + 1, 32):
            raise InvalidArgument(f"{where}.input_size: expected a multiple of 32 from 32 to {MOST_INPUT}, got {shown(size)}")
        object.__setattr__(self, "input_size", int(size))
        object.__setattr__(self, "score_threshold", as_score(self.score_threshold, f"{where}.score_threshold"))

    def with_least_score(self: Yolo, score: float) -> Yolo:
        """A copy with `score_threshold` replaced by `score`, in [0, 1]."""
        return replace(self, score_threshold=score)


@dataclass(frozen=True, slots=True)
class TinyFaceDetectorOptions(TinyYolov2Options):
    """Options of TinyFaceDetector: `input_size` (a multiple of 32) and `score_threshold` (in [0, 1]).

    Examples
    --------
    >>> TinyFaceDetectorOptions(input_size=608)
    TinyFaceDetectorOptions(input_size=608, score_threshold=0.5)
    """


@dataclass(frozen=True, slots=True)
class MtcnnOptions:
    """Options of Mtcnn.

    Parameters
    ----------
    min_face_size : float
        The smallest face to look for, in pixels; >= 1.  Below 12 the photo is enlarged, to at most 33 million pixels: for a photo
        of 12 million pixels `min_face_size` is at least 7.2, for one of 1 million at least 2.1.
    scale_factor : float
        The ratio of one size of the photo to the next larger one; in (0, 1).
    max_num_scales : int
        The most sizes to search; >= 1.
    score_thresholds : sequence of 3 floats
        The thresholds of the three stages; in [0, 1].
    scale_steps : sequence of floats, optional
        The sizes to search, relative to the photo, > 0, instead of those computed from the other options.  Sizes above 1
        enlarge the photo, to at most 33 million pixels.

    Raises
    ------
    InvalidArgument, InvalidType
        On values out of range or that are not sequences; during detection, on a photo that would be enlarged too much.

    Examples
    --------
    >>> MtcnnOptions(min_face_size=80).scale_factor
    0.709
    """

    min_face_size: float = 20
    scale_factor: float = 0.709
    max_num_scales: int = 10
    score_thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    scale_steps: tuple[float, ...] | None = None

    if TYPE_CHECKING:  # any sequence is accepted, and stored as a tuple

        def __init__(
            self,
            min_face_size: float = 20,
            scale_factor: float = 0.709,
            max_num_scales: int = 10,
            score_thresholds: Sequence[float] = (0.6, 0.7, 0.7),
            scale_steps: Sequence[float] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        where = type(self).__name__
        if not is_number(self.min_face_size) or self.min_face_size < 1:
            raise InvalidArgument(f"{where}.min_face_size: expected a number >= 1, got {shown(self.min_face_size)}")
        if not is_number(self.scale_factor) or not 0 < self.scale_factor < 1:
            raise InvalidArgument(f"{where}.scale_factor: expected a number between 0 and 1, got {shown(self.scale_factor)}")
        object.__setattr__(self, "max_num_scales", _whole(self.max_num_scales, 1, f"{where}.max_num_scales"))
        thresholds = _sequence(self.score_thresholds, f"{where}.score_thresholds")
        if len(thresholds) != 3:
            raise InvalidArgument(f"{where}.score_thresholds: expected 3 numbers in [0, 1], got {shown(self.score_thresholds)}")
        thresholds = tuple(as_score(value, f"{where}.score_thresholds") for value in thresholds)
        object.__setattr__(self, "score_thresholds", thresholds)
        if self.scale_steps is not None:
            steps = _sequence(self.scale_steps, f"{where}.scale_steps")
            if not all(is_number(step) and step > 0 for step in steps):
                raise InvalidArgument(f"{where}.scale_steps: expected numbers > 0, got {shown(self.scale_steps)}")
            object.__setattr__(self, "scale_steps", tuple(float(step) for step in steps))

    def with_least_score(self, score: float) -> MtcnnOptions:
        """A copy with the threshold of the last stage replaced by `score`, in [0, 1]."""
        return replace(self, score_thresholds=(*self.score_thresholds[:2], score))


def check_enlargement(options: MtcnnOptions, width: int, height: int) -> None:
    """Raise InvalidArgument if MTCNN would enlarge a photo of this size too much."""
    most = max(1.0, math.sqrt(MOST_ENLARGED / (width * height)))  # largest enlargement, per side
    if options.scale_steps is None:
        name, value, is_too_much = "min_face_size", options.min_face_size, options.min_face_size * most < WINDOW
        expected = f"at least {math.ceil(100 * WINDOW / most) / 100:g}"
    else:
        name, value = "scale_steps", max(options.scale_steps, default=0)
        expected, is_too_much = f"at most {math.floor(100 * most) / 100:g}", value > most
    if is_too_much:
        raise InvalidArgument(f"MtcnnOptions.{name}: expected {expected} for a photo of {width}x{height}, got {float(value):g}")


FaceDetectionOptions: TypeAlias = SsdMobilenetv1Options | TinyYolov2Options | MtcnnOptions


def _whole(value: object, smallest: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < smallest:
        raise InvalidArgument(f"{where}: expected an integer >= {smallest}, got {shown(value)}")
    return int(value)


def _sequence(value: object, where: str) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray)):
        raise InvalidType(f"{where}: expected a sequence of numbers, got {shown(value)}")
    return tuple(value)


def validate_config(config: object) -> None:
    """Check the configuration of a TinyYolov2 network.

    Parameters
    ----------
    config : mapping or object
        with_separable_convs (bool), iou_threshold (in [0, 1]), classes (names), anchors (points or pairs), and optionally
        mean_rgb (3 numbers).

    Raises
    ------
    InvalidArgument
        Its message names the wrong field.

    Examples
    --------
    >>> validate_config({"with_separable_convs": True, "iou_threshold": 0.4, "classes": ["face"], "anchors": [(1.6, 2.1)]})
    """
    if config is None:
        raise InvalidArgument("validate_config: expected a configuration, got None")

    def check(name: str, is_valid: Callable[[Any], bool], expected: str) -> None:
        value = field_of(config, name)
        if not is_valid(value):
            raise InvalidArgument(f"validate_config.{name}: expected {expected}, got {shown(value)}")

    def is_list(value: Any) -> bool:
        return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes)) and len(value) > 0

    def is_anchor(value: Any) -> bool:
        pair = list(value) if is_list(value) else [field_of(value, "x"), field_of(value, "y")]
        return len(pair) == 2 and all(map(is_number, pair))

    check("with_separable_convs", lambda v: isinstance(v, bool), "True or False")
    check("iou_threshold", lambda v: is_number(v) and 0 <= v <= 1, "a number in [0, 1]")
    check("classes", lambda v: is_list(v) and all(isinstance(name, str) for name in v), "a list of class names")
    check("anchors", lambda v: is_list(v) and all(map(is_anchor, v)), "a list of points (x, y)")
    check("mean_rgb", lambda v: v is None or (is_list(v) and len(v) == 3 and all(map(is_number, v))), "3 numbers or None")
