"""The results of the networks for one face, gathered in `FaceResult`, and the functions that extend and resize them.

Source: face-api.js 0.22.2, `classes/`, `factories/`, `resizeResults`.  The many `With…` types of face-api.js are one
frozen `FaceResult` here.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.detection import FaceDetection, ObjectDetection, Source, seen_in, warn_of_other_sides
from npfaceapi.faces.landmarks import FaceLandmarks
from npfaceapi.faces.points import DimensionsLike, as_descriptor, as_dimensions, as_number
from npfaceapi.faces.predictions import (
    FACE_EXPRESSION_LABELS,
    AgeAndGenderPrediction,
    ExpressionProbability,
    FaceExpressions,
    Gender,
    as_gender,
)

__all__ = [
    "FACE_EXPRESSION_LABELS",
    "AgeAndGenderPrediction",
    "ExpressionProbability",
    "FaceDetection",
    "FaceExpressions",
    "FaceResult",
    "Faces",
    "Gender",
    "ObjectDetection",
    "extend_with_age",
    "extend_with_face_descriptor",
    "extend_with_face_detection",
    "extend_with_face_expressions",
    "extend_with_face_landmarks",
    "extend_with_gender",
    "is_with_age",
    "is_with_face_detection",
    "is_with_face_expressions",
    "is_with_face_landmarks",
    "is_with_gender",
    "resize_results",
]

Face = TypeVar("Face", bound="FaceDetection | FaceResult")
AnyResult = TypeVar(
    "AnyResult", bound="FaceResult | ObjectDetection | FaceLandmarks | FaceExpressions | AgeAndGenderPrediction | None"
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FaceResult:
    """Everything found about one face; a field that was not computed is None.

    Attributes
    ----------
    detection : FaceDetection
    landmarks : FaceLandmarks
        In pixels of the photo.
    unshifted_landmarks : FaceLandmarks
        In pixels of the crop of the detection.
    aligned_rect : FaceDetection
        The box around the landmarks, from which expressions, age and gender are computed.
    descriptor : float32 array [128], read-only
    expressions : FaceExpressions
    age : float
        In years.
    gender : Gender
        "male" or "female".
    gender_probability : float

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> FaceResult(detection, age=32)
    <FaceResult: box 50.0, 50.0, 50.0 x 25.0, score 0.900, age 32.0>
    """

    detection: FaceDetection
    landmarks: FaceLandmarks | None = None
    unshifted_landmarks: FaceLandmarks | None = None
    aligned_rect: FaceDetection | None = None
    descriptor: NDArray[np.float32] | None = None
    expressions: FaceExpressions | None = None
    age: float | None = None
    gender: Gender | None = None
    gender_probability: float | None = None

    def __post_init__(self) -> None:
        for name, kind in _FIELD_TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kind) and (value is not None or name == "detection"):
                raise InvalidType(f"FaceResult.{name}: expected {kind.__name__}, got {type(value).__name__}")
        if self.descriptor is not None:
            object.__setattr__(self, "descriptor", as_descriptor(self.descriptor, "FaceResult.descriptor"))
        if self.gender is not None:
            object.__setattr__(self, "gender", as_gender(self.gender, "FaceResult.gender"))
        for name in ("age", "gender_probability"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_number(getattr(self, name), f"FaceResult.{name}"))

    def to_dict(self) -> dict[str, Any]:
        """All fields in plain JSON types: landmarks as [[x, y], ...], boxes and detections as dicts, None if not computed."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in fields.items()}

    def to_json(self) -> str:
        """`to_dict()` as JSON."""
        return json.dumps(self.to_dict())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FaceResult):
            return NotImplemented
        names = [field.name for field in dataclasses.fields(self) if field.name != "descriptor"]
        mine, theirs = self.descriptor, other.descriptor
        same = mine is theirs or (mine is not None and theirs is not None and bool(np.array_equal(mine, theirs)))
        return same and all(getattr(self, name) == getattr(other, name) for name in names)

    def __hash__(self) -> int:
        return hash((self.detection, self.landmarks, self.age))

    def __repr__(self) -> str:
        box = self.detection.box
        parts = [f"box {box.x:.1f}, {box.y:.1f}, {box.width:.1f} x {box.height:.1f}", f"score {self.detection.score:.3f}"]
        if self.landmarks is not None:
            parts.append(f"{len(self.landmarks)} landmarks")
        if self.expressions is not None:
            parts.append("{} {:.2f}".format(*self.expressions.as_sorted_array()[0]))
        if self.age is not None:
            parts.append(f"age {self.age:.1f}")
        if self.gender is not None:
            parts.append(str(self.gender) if self.gender_probability is None else f"{self.gender} {self.gender_probability:.2f}")
        if self.descriptor is not None:
            parts.append(f"descriptor [{len(self.descriptor)}]")
        return f"<FaceResult: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """The face on its photo, for a notebook."""
        from npfaceapi.display.face_markup import expression_bars, face_list
        from npfaceapi.display.markup import element

        detection = self.detection
        bars = None if self.expressions is None else expression_bars(self.expressions)
        return element("div", face_list([self], (detection.image_width, detection.image_height), detection.read_photo()), bars)


class Faces(list[Face]):
    """The faces of one photo, as `detect_all_faces(photo).run()` returns them: a list that a notebook shows on their photo.

    Attributes
    ----------
    source : PhotoSource or None
        Where to find the photo again.
    rotation : 0, 90, 180 or 270
        The angle in degrees, counterclockwise as for `PIL.Image.rotate`, by which the photo was rotated for the networks.
    """

    def __init__(self, faces: Iterable[Face] = (), source: Source | None = None, rotation: int = 0) -> None:
        super().__init__(faces)
        self.source = source
        self.rotation = rotation

    def _repr_html_(self) -> str:
        """The photo with its faces, for a notebook."""
        from npfaceapi.display.face_markup import face_list

        first = _detection(self[0]) if self else None
        photo = self.source.read() if self.source is not None else None
        size: tuple[float, float] | None = None if self.source is None else self.source.size
        if first is not None:
            size = first.image_width, first.image_height
        return face_list(self, size, photo)


def _detection(face: FaceDetection | FaceResult) -> FaceDetection:
    return face.detection if isinstance(face, FaceResult) else face


_FIELD_TYPES: dict[str, type] = {
    "detection": FaceDetection,
    "landmarks": FaceLandmarks,
    "unshifted_landmarks": FaceLandmarks,
    "aligned_rect": FaceDetection,
    "expressions": FaceExpressions,
}


def _plain(value: Any) -> Any:
    if isinstance(value, FaceLandmarks):
        return value.positions.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Gender):
        return value.value
    return value.to_dict() if hasattr(value, "to_dict") else value


def _result(source_obj: object, where: str) -> FaceResult:
    if isinstance(source_obj, FaceResult):
        return source_obj
    if isinstance(source_obj, FaceDetection):
        return FaceResult(source_obj)
    raise InvalidType(f"{where}: expected a FaceResult or a FaceDetection, got {type(source_obj).__name__}")


def extend_with_face_detection(
    source_obj: FaceResult | FaceDetection | Mapping[str, object] | None, detection: FaceDetection
) -> FaceResult:
    """A new result with this detection, from a result, None or an empty mapping.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> extend_with_face_detection(None, detection)
    <FaceResult: box 50.0, 50.0, 50.0 x 25.0, score 0.900>
    """
    if source_obj is None or (isinstance(source_obj, Mapping) and not source_obj):
        return FaceResult(detection)
    return dataclasses.replace(_result(source_obj, "extend_with_face_detection"), detection=detection)


def extend_with_face_landmarks(source_obj: FaceResult | FaceDetection, unshifted_landmarks: FaceLandmarks) -> FaceResult:
    """A new result with landmarks, unshifted landmarks, and the aligned rectangle derived from them.

    Parameters
    ----------
    unshifted_landmarks : FaceLandmarks
        In pixels of the crop of the detection.

    Notes
    -----
    Quirk: the landmarks are shifted by the exact corner of the detection's box, although the crop starts at whole
    pixels inside the photo.  So they are off by less than a pixel, or by how far the box extends beyond the left or top.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> extend_with_face_landmarks(detection, FaceLandmarks([(0.5, 0.5)], (50, 25))).landmarks.positions.tolist()
    [[75.0, 62.5]]
    """
    result = _result(source_obj, "extend_with_face_landmarks")
    if not isinstance(unshifted_landmarks, FaceLandmarks):
        raise InvalidType(f"extend_with_face_landmarks: expected FaceLandmarks, got {type(unshifted_landmarks).__name__}")
    detection = result.detection
    landmarks = unshifted_landmarks.shift_by(detection.box.x, detection.box.y)
    relative = landmarks.align().rescale(detection.image_dims.reverse())
    aligned = seen_in(detection.source, FaceDetection(detection.score, relative, detection.image_dims))
    return dataclasses.replace(result, landmarks=landmarks, unshifted_landmarks=unshifted_landmarks, aligned_rect=aligned)


def extend_with_face_descriptor(source_obj: FaceResult | FaceDetection, descriptor: ArrayLike) -> FaceResult:
    """A new result with a descriptor, kept as float32.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> extend_with_face_descriptor(detection, np.zeros(128))
    <FaceResult: box 50.0, 50.0, 50.0 x 25.0, score 0.900, descriptor [128]>
    """
    result = _result(source_obj, "extend_with_face_descriptor")
    return dataclasses.replace(result, descriptor=as_descriptor(descriptor, "FaceResult.descriptor"))


def extend_with_face_expressions(source_obj: FaceResult | FaceDetection, expressions: FaceExpressions) -> FaceResult:
    """A new result with expressions.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> extend_with_face_expressions(detection, FaceExpressions([0, 1, 0, 0, 0, 0, 0]))
    <FaceResult: box 50.0, 50.0, 50.0 x 25.0, score 0.900, happy 1.00>
    """
    return dataclasses.replace(_result(source_obj, "extend_with_face_expressions"), expressions=expressions)


def extend_with_age(source_obj: FaceResult | FaceDetection, age: float) -> FaceResult:
    """A new result with an age in years.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> extend_with_age(detection, 32)
    <FaceResult: box 50.0, 50.0, 50.0 x 25.0, score 0.900, age 32.0>
    """
    return dataclasses.replace(_result(source_obj, "extend_with_age"), age=age)


def extend_with_gender(source_obj: FaceResult | FaceDetection, gender: Gender | str, gender_probability: float) -> FaceResult:
    """A new result with a gender and its probability.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> extend_with_gender(detection, "female", 0.87)
    <FaceResult: box 50.0, 50.0, 50.0 x 25.0, score 0.900, female 0.87>
    """
    where = "extend_with_gender"
    changed = as_gender(gender, where)
    return dataclasses.replace(_result(source_obj, where), gender=changed, gender_probability=gender_probability)


def is_with_face_detection(obj: object) -> TypeGuard[FaceResult]:
    """Whether an object is a result; every result has a detection.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> is_with_face_detection(detection), is_with_face_detection(FaceResult(detection))
    (False, True)
    """
    return isinstance(obj, FaceResult)


def is_with_face_landmarks(obj: object) -> TypeGuard[FaceResult]:
    """Whether an object is a result with landmarks, unshifted landmarks and the aligned rectangle.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> is_with_face_landmarks(FaceResult(detection))
    False
    """
    return isinstance(obj, FaceResult) and None not in (obj.landmarks, obj.unshifted_landmarks, obj.aligned_rect)


def is_with_face_expressions(obj: object) -> TypeGuard[FaceResult]:
    """Whether an object is a result with expressions.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> is_with_face_expressions(FaceResult(detection))
    False
    """
    return isinstance(obj, FaceResult) and obj.expressions is not None


def is_with_age(obj: object) -> TypeGuard[FaceResult]:
    """Whether an object is a result with an age.

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> is_with_age(FaceResult(detection, age=32))
    True
    """
    return isinstance(obj, FaceResult) and obj.age is not None


def is_with_gender(obj: object) -> TypeGuard[FaceResult]:
    """Whether an object is a result with a gender and its probability in [0, 1].

    Examples
    --------
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> is_with_gender(FaceResult(detection, gender="female", gender_probability=0.87))
    True
    """
    if not isinstance(obj, FaceResult) or obj.gender is None or obj.gender_probability is None:
        return False
    return 0 <= obj.gender_probability <= 1


@overload
def resize_results(results: AnyResult, dimensions: DimensionsLike) -> AnyResult: ...
@overload
def resize_results(results: Sequence[AnyResult], dimensions: DimensionsLike) -> list[AnyResult]: ...
@overload
def resize_results(results: Sequence[Sequence[AnyResult]], dimensions: DimensionsLike) -> list[list[AnyResult]]: ...
def resize_results(results: object, dimensions: DimensionsLike) -> object:
    """Scale results to another size of the photo.

    Parameters
    ----------
    results : FaceResult, FaceDetection, FaceLandmarks, None, or a list of these (also nested)
    dimensions : Dimensions, (width, height), or an object with width and height, such as a PIL image
        The new size of the photo in pixels, > 0.

    Raises
    ------
    InvalidArgument, InvalidType
        If a size is not above 0, or the results are of another type.

    Notes
    -----
    Quirk: landmarks are stretched from the crop, which has whole pixels, to the exact box.  So they move by up to a
    pixel even if the size stays the same.  Bare landmarks lose their shift.

    Examples
    --------
    >>> face = FaceDetection(0.9, {"x": 0.1, "y": 0.2, "width": 0.5, "height": 0.5}, (100, 100))
    >>> resize_results([face], (50, 200))[0].box
    Box(x=5.0, y=40.0, width=25.0, height=100.0)
    """
    width, height = as_dimensions(dimensions, "resize_results")
    if width <= 0 or height <= 0:
        raise InvalidArgument(f"resize_results: expected width and height > 0, got {width} x {height}")
    first = _first_detection(results)
    if first is not None:
        warn_of_other_sides("resize_results", first.image_dims, (width, height))
    return _resized(results, width, height)


def _first_detection(results: object) -> ObjectDetection | None:
    if isinstance(results, (list, tuple)):
        return next((first for each in results if (first := _first_detection(each)) is not None), None)
    found = results.detection if isinstance(results, FaceResult) else results
    return found if isinstance(found, ObjectDetection) else None


def _resized(result: object, width: float, height: float) -> object:
    if isinstance(result, (list, tuple)):
        return [_resized(each, width, height) for each in result]
    if isinstance(result, FaceResult):
        moved = dataclasses.replace(result, detection=result.detection.for_size(width, height))
        if not is_with_face_landmarks(result) or result.unshifted_landmarks is None:
            return moved
        box = moved.detection.box
        return extend_with_face_landmarks(moved, result.unshifted_landmarks.for_size(box.width, box.height))
    if isinstance(result, (ObjectDetection, FaceLandmarks)):
        return result.for_size(width, height)
    if result is None or isinstance(result, (FaceExpressions, AgeAndGenderPrediction)):
        return result
    raise InvalidType(f"resize_results: expected the results of a task, got {type(result).__name__}")
