"""Face landmarks: points on a face, their positions in the photo, and the aligned box for the next network.

Source: face-api.js 0.22.2, `classes/FaceLandmarks*`; the box of `use_dlib_alignment` follows dlib's face chips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.geometry import Box, BoxLike, Rect, as_box, min_bbox
from npfaceapi.faces.points import (
    Dimensions,
    DimensionsLike,
    Point,
    PointLike,
    as_dimensions,
    as_flag,
    as_point,
    as_points,
    field_of,
    is_number,
)

if TYPE_CHECKING:
    from npfaceapi.faces.detection import FaceDetection

__all__ = ["FaceLandmarks", "FaceLandmarks5", "FaceLandmarks68"]

Points = NDArray[np.float64]
AnyLandmarks = TypeVar("AnyLandmarks", bound="FaceLandmarks")

ORIGIN = Point(0, 0)

# dlib's face chip: the position of the centre of eyes and mouth in the box, and the distance from eyes to mouth in its side.
DLIB_CENTRE_X = 0.5
DLIB_CENTRE_Y = 0.43
DLIB_EYE_TO_MOUTH = 0.45

MIN_BOX_PADDING = 0.2


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class FaceLandmarks:
    """Points on a face.

    Parameters
    ----------
    relative_positions : array [n,2] or sequence of points
        x, y in units of `img_dims`.
    img_dims : Dimensions or (width, height)
        The size in pixels of the face image that the relative positions refer to.
    shift : Point or (x, y)
        The position of that face image's upper left corner in the photo.

    Attributes
    ----------
    positions : float64 array [n,2], read-only
        x, y in pixels: relative position * size + shift.

    Examples
    --------
    >>> FaceLandmarks([(0.25, 0.5)], (100, 80), (7, 3)).positions.tolist()
    [[32.0, 43.0]]
    """

    POINT_COUNT: ClassVar[int | None] = None
    #: The points of each part of the face, by its name.
    PARTS: ClassVar[Mapping[str, slice]] = {}

    positions: Points
    image_dims: Dimensions
    shift: Point

    def __init__(
        self,
        relative_positions: ArrayLike | Sequence[PointLike],
        img_dims: DimensionsLike,
        shift: PointLike = ORIGIN,
    ) -> None:
        where = type(self).__name__
        relative = as_points(relative_positions, where)
        if self.POINT_COUNT not in (None, len(relative)):
            raise InvalidArgument(f"{where}: expected {self.POINT_COUNT} points, got {len(relative)}")
        dims, origin = as_dimensions(img_dims, where), as_point(shift, where)
        positions = relative * tuple(dims) + tuple(origin)
        positions.setflags(write=False)
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "image_dims", dims)
        object.__setattr__(self, "shift", origin)

    @property
    def image_width(self) -> float:
        """The width of the face image in pixels."""
        return self.image_dims.width

    @property
    def image_height(self) -> float:
        """The height of the face image in pixels."""
        return self.image_dims.height

    @property
    def relative_positions(self) -> Points:
        """The points as fractions of the face image, float64 [n,2]; raises InvalidArgument if the image has no area."""
        if not self.image_width or not self.image_height:
            raise InvalidArgument(f"{type(self).__name__}: expected a face image with an area, got {self.image_dims}")
        return (self.positions - tuple(self.shift)) / tuple(self.image_dims)

    def for_size(self: AnyLandmarks, width: float, height: float) -> AnyLandmarks:
        """The landmarks on the face image resized to width x height pixels.

        Quirk: the shift becomes (0, 0).
        """
        return type(self)(self.relative_positions, Dimensions(width, height))

    def shift_by(self: AnyLandmarks, x: float, y: float) -> AnyLandmarks:
        """The landmarks with the shift (x, y).

        Quirk: it replaces the old shift instead of adding to it.
        """
        return type(self)(self.relative_positions, self.image_dims, Point(x, y))

    def shift_by_point(self: AnyLandmarks, pt: PointLike) -> AnyLandmarks:
        """Like `shift_by`, with a point."""
        x, y = as_point(pt, "shift_by_point")
        return self.shift_by(x, y)

    def align(
        self,
        detection: FaceDetection | BoxLike | None = None,
        *,
        use_dlib_alignment: bool = False,
        min_box_padding: float = MIN_BOX_PADDING,
    ) -> Box:
        """The box of the aligned face.

        Parameters
        ----------
        detection : FaceDetection or box, optional
            Shift the landmarks to its upper left corner first.
        use_dlib_alignment : bool
            Return the square from which face descriptors are computed, in whole pixels, instead of the padded bounding box
            from which expressions, age and gender are computed.
        min_box_padding : float
            How much wider and higher than the points the bounding box is, in units of its size.

        Notes
        -----
        Quirk: the corner of a detection is rounded down, that of a plain box is not.  The padding is the total of both
        sides.  The square is not clipped to the photo, except that its corner is never below 0.

        Examples
        --------
        >>> FaceLandmarks([(0.25, 0.25), (0.75, 0.5)], (40, 40)).align(min_box_padding=0.5)
        Box(x=5.0, y=7.5, width=30.0, height=15.0)
        """
        if not is_number(min_box_padding):
            raise InvalidArgument(f"align: expected min_box_padding to be a finite number, got {shown(min_box_padding)}")
        if detection is not None:
            box = field_of(detection, "box")
            box = box.floor() if isinstance(box, Box) else as_box(cast("BoxLike", detection))
            shifted = self.shift_by(box.x, box.y)
            return shifted.align(use_dlib_alignment=use_dlib_alignment, min_box_padding=min_box_padding)
        if as_flag(use_dlib_alignment, "align: use_dlib_alignment"):
            return self._align_dlib()
        box = min_bbox(self.positions)
        return box.pad(box.width * min_box_padding, box.height * min_box_padding)

    def _align_dlib(self) -> Rect:
        left_eye, right_eye, mouth = centres = self._eyes_and_mouth()
        eye_to_mouth = (mouth.sub(left_eye).magnitude() + mouth.sub(right_eye).magnitude()) / 2
        size = math.floor(eye_to_mouth / DLIB_EYE_TO_MOUTH)
        centre = _centre([tuple(point) for point in centres])
        x = math.floor(max(0.0, centre.x - DLIB_CENTRE_X * size))
        y = math.floor(max(0.0, centre.y - DLIB_CENTRE_Y * size))
        return Rect(x, y, min(size, self.image_width + x), min(size, self.image_height + y))

    def _eyes_and_mouth(self) -> tuple[Point, Point, Point]:
        raise InvalidArgument(f"align: expected FaceLandmarks68 or FaceLandmarks5 for use_dlib_alignment, got {shown(self)}")

    def __len__(self) -> int:
        return len(self.positions)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, FaceLandmarks):
            return NotImplemented
        same = self.image_dims == other.image_dims and self.shift == other.shift
        return same and bool(np.array_equal(self.positions, other.positions))

    def __hash__(self) -> int:
        return hash((type(self), self.image_dims, self.shift, self.positions.tobytes()))

    def __repr__(self) -> str:
        dims, (x, y) = self.image_dims, self.shift
        return f"<{type(self).__name__}: {len(self)} points on a face of {dims.width:g} x {dims.height:g} px at ({x:g}, {y:g})>"


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class FaceLandmarks5(FaceLandmarks):
    """Five points, as MTCNN finds them: the two eyes, the nose, the two corners of the mouth.

    Examples
    --------
    >>> landmarks = FaceLandmarks5([(0.25, 0.25), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0.75, 0.75)], (100, 80))
    >>> landmarks.positions[2].tolist()
    [50.0, 40.0]
    """

    POINT_COUNT = 5
    PARTS = {"eyes": slice(0, 2), "nose": slice(2, 3), "corners of the mouth": slice(3, 5)}  # noqa: RUF012

    def _eyes_and_mouth(self) -> tuple[Point, Point, Point]:
        left_eye, right_eye = (Point(*p) for p in self.positions[self.PARTS["eyes"]].tolist())
        return left_eye, right_eye, _centre(self.positions[self.PARTS["corners of the mouth"]])


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class FaceLandmarks68(FaceLandmarks):
    """The 68 points of the iBUG scheme; left and right are those of the photo.

    Examples
    --------
    >>> landmarks = FaceLandmarks68(np.linspace(0, 1, 136).reshape(68, 2), (100, 100))
    >>> landmarks.get_left_eye().shape
    (6, 2)
    """

    POINT_COUNT = 68
    PARTS = {  # noqa: RUF012
        "jaw": slice(0, 17),
        "left brow": slice(17, 22),
        "right brow": slice(22, 27),
        "nose": slice(27, 36),
        "left eye": slice(36, 42),
        "right eye": slice(42, 48),
        "mouth, outer": slice(48, 60),
        "mouth, inner": slice(60, 68),
    }

    def get_jaw_outline(self) -> Points:
        """The outline of the jaw from left to right, [17,2]."""
        return self.positions[self.PARTS["jaw"]]

    def get_left_eye_brow(self) -> Points:
        """The left brow, [5,2]."""
        return self.positions[self.PARTS["left brow"]]

    def get_right_eye_brow(self) -> Points:
        """The right brow, [5,2]."""
        return self.positions[self.PARTS["right brow"]]

    def get_nose(self) -> Points:
        """The bridge of the nose downwards, then its base, [9,2]."""
        return self.positions[self.PARTS["nose"]]

    def get_left_eye(self) -> Points:
        """The left eye, [6,2]."""
        return self.positions[self.PARTS["left eye"]]

    def get_right_eye(self) -> Points:
        """The right eye, [6,2]."""
        return self.positions[self.PARTS["right eye"]]

    def get_mouth(self) -> Points:
        """The outer outline of the lips, then the inner one, [20,2]."""
        return self.positions[EYES_AND_MOUTH[2]]

    def _eyes_and_mouth(self) -> tuple[Point, Point, Point]:
        return _centre(self.get_left_eye()), _centre(self.get_right_eye()), _centre(self.get_mouth())


#: The points that `use_dlib_alignment` averages.
EYES_AND_MOUTH = (
    FaceLandmarks68.PARTS["left eye"],
    FaceLandmarks68.PARTS["right eye"],
    slice(FaceLandmarks68.PARTS["mouth, outer"].start, FaceLandmarks68.PARTS["mouth, inner"].stop),
)


def _centre(points: Points | list[tuple[float, ...]]) -> Point:
    # cumsum adds in order, as face-api.js does: the box is then rounded down, so the last bits matter
    return Point(*(np.cumsum(points, axis=0)[-1] / len(points)).tolist())
