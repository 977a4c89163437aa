"""Boxes.  All coordinates are float64, in pixels unless a name says relative; y grows downwards.

Source: face-api.js 0.22.2, `classes/` and `ops/minBbox`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, SupportsFloat, TypeAlias, cast

from numpy.typing import ArrayLike

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.points import (
    Dimensions,
    DimensionsLike,
    Point,
    PointLike,
    as_dimensions,
    as_flag,
    as_number,
    as_points,
    as_score,
    field_of,
    is_number,
    numbers_of,
    round_half_up,
)

__all__ = [
    "BorderPadding",
    "BoundingBox",
    "Box",
    "BoxLike",
    "Dimensions",
    "DimensionsLike",
    "HasEdges",
    "HasRect",
    "LabeledBox",
    "Point",
    "PointLike",
    "PredictedBox",
    "Rect",
    "as_box",
    "min_bbox",
]


class HasRect(Protocol):
    """An object with x, y, width and height."""

    @property
    def x(self) -> SupportsFloat: ...
    @property
    def y(self) -> SupportsFloat: ...
    @property
    def width(self) -> SupportsFloat: ...
    @property
    def height(self) -> SupportsFloat: ...


class HasEdges(Protocol):
    """An object with left, top, right and bottom."""

    @property
    def left(self) -> SupportsFloat: ...
    @property
    def top(self) -> SupportsFloat: ...
    @property
    def right(self) -> SupportsFloat: ...
    @property
    def bottom(self) -> SupportsFloat: ...


#: A mapping or an object with x, y, width, height or with left, top, right, bottom.
BoxLike: TypeAlias = "HasRect | HasEdges | Mapping[str, SupportsFloat]"


class BorderPadding(NamedTuple):
    """The result of `Box.pad_at_borders`: the pixels x..ex, y..ey go to dx..edx, dy..edy of a patch of size w x h."""

    dy: float
    edy: float
    dx: float
    edx: float
    y: float
    ey: float
    x: float
    ex: float
    w: float
    h: float


@dataclass(frozen=True, slots=True, init=False)
class Box:
    """A rectangle with its upper left corner at (x, y).

    Parameters
    ----------
    box : Box, mapping or object
        With finite numbers x, y, width, height (preferred) or left, top, right, bottom.
    allow_negative_dimensions : bool
        Whether width and height may be negative.

    Raises
    ------
    InvalidArgument
        If a number is missing or not finite, or a size is negative and that is not allowed.

    Notes
    -----
    Quirk: `right` is x + width, so a box made from edges may change the last bits of `right` and `bottom`.

    Examples
    --------
    >>> Box({"left": 10, "top": 20, "right": 40, "bottom": 60}).to_square()
    Box(x=5.0, y=20.0, width=40.0, height=40.0)
    """

    x: float
    y: float
    width: float
    height: float

    def __init__(self, box: BoxLike, allow_negative_dimensions: bool = True) -> None:
        values = box._values() if isinstance(box, Box) else numbers_of(box, "x", "y", "width", "height")
        if values is None:
            edges = numbers_of(box, "left", "top", "right", "bottom")
            if edges is None:
                raise InvalidArgument(
                    f"{type(self).__name__}: expected finite numbers x, y, width, height or left, top, right, bottom, "
                    f"got {shown(box)}"
                )
            left, top, right, bottom = edges
            values = [left, top, right - left, bottom - top]
        self._set(values, allow_negative_dimensions)

    def _set(self, values: Sequence[float], allow_negative_dimensions: bool) -> None:
        where = type(self).__name__
        for name, value in zip(("x", "y", "width", "height"), values, strict=True):
            if not is_number(value):
                raise InvalidArgument(f"{where}: expected {name} to be a finite number, got {shown(value)}")
            object.__setattr__(self, name, float(value))
        if not as_flag(allow_negative_dimensions, where):
            _check_not_negative(self, where)

    @staticmethod
    def is_rect(rect: object) -> bool:
        """Whether a mapping or an object has finite numbers x, y, width and height."""
        return numbers_of(rect, "x", "y", "width", "height") is not None

    @staticmethod
    def assert_is_valid_box(box: object, callee: str, allow_negative_dimensions: bool = False) -> None:
        """Raise InvalidArgument unless `box` has x, y, width, height; the message starts with `callee`."""
        callee = callee if isinstance(callee, str) else shown(callee)
        if not Box.is_rect(box):
            raise InvalidArgument(f"{callee}: expected a box with finite numbers x, y, width, height, got {shown(box)}")
        if not as_flag(allow_negative_dimensions, "assert_is_valid_box"):
            _check_not_negative(box, callee)

    @property
    def left(self) -> float:
        """x."""
        return self.x

    @property
    def top(self) -> float:
        """y."""
        return self.y

    @property
    def right(self) -> float:
        """x + width."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """y + height."""
        return self.y + self.height

    @property
    def area(self) -> float:
        """width * height."""
        return self.width * self.height

    @property
    def top_left(self) -> Point:
        """The corner (left, top)."""
        return Point(self.left, self.top)

    @property
    def top_right(self) -> Point:
        """The corner (right, top)."""
        return Point(self.right, self.top)

    @property
    def bottom_left(self) -> Point:
        """The corner (left, bottom)."""
        return Point(self.left, self.bottom)

    @property
    def bottom_right(self) -> Point:
        """The corner (right, bottom)."""
        return Point(self.right, self.bottom)

    def round(self) -> Box:
        """x, y, width and height, each rounded, halves upwards."""
        return _plain_box(*(round_half_up(value) for value in self._values()))

    def floor(self) -> Box:
        """x, y, width and height, each rounded down.

        Quirk: this may cut a pixel off at the right and bottom edges.
        """
        return _plain_box(*(math.floor(value) for value in self._values()))

    def to_square(self) -> Box:
        """The square with the same centre and the longer side of the box."""
        x, y, width, height = self._values()
        difference = abs(width - height)
        if width < height:
            x -= difference / 2
            width += difference
        elif height < width:
            y -= difference / 2
            height += difference
        return _plain_box(x, y, width, height)

    def rescale(self, s: float | DimensionsLike) -> Box:
        """The box multiplied by a number, or by (width, height), neither of them 0."""
        if is_number(s):
            sx = sy = float(cast("float", s))
        else:
            sx, sy = as_dimensions(cast("DimensionsLike", s), "Box.rescale")
            if not sx or not sy:
                raise InvalidArgument(f"Box.rescale: expected width and height other than 0, got {sx} x {sy}")
        return _plain_box(self.x * sx, self.y * sy, self.width * sx, self.height * sy)

    def pad(self, pad_x: float, pad_y: float) -> Box:
        """The box made wider by `pad_x` and higher by `pad_y` in total, half of it on each side."""
        x, y = as_number(pad_x, "Box.pad.pad_x"), as_number(pad_y, "Box.pad.pad_y")
        return _plain_box(self.x - x / 2, self.y - y / 2, self.width + x, self.height + y)

    def clip_at_image_borders(self, img_width: float, img_height: float) -> Box:
        """The part of the box inside an image, rounded down.

        Quirk: x, y, width and height are each rounded down, so a pixel at the right or bottom edge may be
        lost: (55.5, 35.5, 10, 10) in 60 x 40 gives (55, 35, 4, 4).  A box outside the image gets a negative size.
        """
        image_width, image_height = as_dimensions((img_width, img_height), "Box.clip_at_image_borders")
        x, y = max(self.x, 0.0), max(self.y, 0.0)
        width, height = min(self.right - x, image_width - x), min(self.bottom - y, image_height - y)
        return _plain_box(x, y, width, height).floor()

    def shift(self, sx: float, sy: float) -> Box:
        """The box moved by (sx, sy)."""
        return _plain_box(self.x + as_number(sx, "Box.shift.sx"), self.y + as_number(sy, "Box.shift.sy"), self.width, self.height)

    def pad_at_borders(self, image_height: float, image_width: float) -> BorderPadding:
        """Where the pixels of a box that extends beyond an image go in a patch; coordinates count from 1.

        Quirk: the height comes first, and x < 1 changes `edy`, not `edx`.
        """
        image_width, image_height = as_dimensions((image_width, image_height), "Box.pad_at_borders")
        w, h = self.width + 1, self.height + 1
        edx, edy, x, y, ex, ey = w, h, self.left, self.top, self.right, self.bottom
        if ex > image_width:
            edx, ex = -ex + image_width + w, float(image_width)
        if ey > image_height:
            edy, ey = -ey + image_height + h, float(image_height)
        if x < 1:
            edy, x = 2 - x, 1.0
        if y < 1:
            edy, y = 2 - y, 1.0
        return BorderPadding(1.0, edy, 1.0, edx, y, ey, x, ex, w, h)

    def calibrate(self, region: BoxLike) -> Box:
        """The box with its edges moved by `region` (left, top, right, bottom in units of its size), made square and rounded."""
        edges = numbers_of(region, "left", "top", "right", "bottom")
        if edges is None:
            raise InvalidArgument(f"Box.calibrate: expected a region with left, top, right, bottom, got {shown(region)}")
        left, top = self.left + edges[0] * self.width, self.top + edges[1] * self.height
        right, bottom = self.right + edges[2] * self.width, self.bottom + edges[3] * self.height
        return BoundingBox(left, top, right, bottom, True).to_square().round()

    def to_dict(self) -> dict[str, float]:
        """x, y, width and height in plain JSON types."""
        return dict(zip(("x", "y", "width", "height"), self._values(), strict=True))

    def _values(self) -> tuple[float, float, float, float]:
        return self.x, self.y, self.width, self.height


@dataclass(frozen=True, slots=True, init=False)
class Rect(Box):
    """A box from x, y, width and height; negative sizes raise InvalidArgument unless allowed.

    Examples
    --------
    >>> Rect(10, 20, 30, 40).bottom_right
    Point(x=40.0, y=60.0)
    """

    def __init__(self, x: float, y: float, width: float, height: float, allow_negative_dimensions: bool = False) -> None:
        self._set((x, y, width, height), allow_negative_dimensions)


@dataclass(frozen=True, slots=True, init=False)
class BoundingBox(Box):
    """A box from its edges; negative sizes raise InvalidArgument unless allowed.

    Examples
    --------
    >>> BoundingBox(10, 20, 40, 60)
    BoundingBox(x=10.0, y=20.0, width=30.0, height=40.0)
    """

    def __init__(self, left: float, top: float, right: float, bottom: float, allow_negative_dimensions: bool = False) -> None:
        Box.__init__(self, {"left": left, "top": top, "right": right, "bottom": bottom}, allow_negative_dimensions)


@dataclass(frozen=True, slots=True, init=False)
class LabeledBox(Box):
    """A box with a class number.

    Examples
    --------
    >>> LabeledBox(Rect(10, 20, 30, 40), 1).label
    1
    """

    label: float

    def __init__(self, box: BoxLike, label: float) -> None:
        Box.__init__(self, box)
        _check_label(label, "LabeledBox")
        object.__setattr__(self, "label", label)

    @staticmethod
    def assert_is_valid_labeled_box(box: object, callee: str) -> None:
        """Raise InvalidArgument unless `box` is a box of non-negative size with a numeric label."""
        Box.assert_is_valid_box(box, callee)
        _check_label(field_of(box, "label"), callee)


@dataclass(frozen=True, slots=True, init=False)
class PredictedBox(LabeledBox):
    """A labeled box with its score and the score of its class, both in [0, 1].

    Examples
    --------
    >>> PredictedBox(Rect(10, 20, 30, 40), label=1, score=0.9, class_score=0.8).score
    0.9
    """

    score: float
    class_score: float

    def __init__(self, box: BoxLike, label: float, score: float, class_score: float) -> None:
        LabeledBox.__init__(self, box, label)
        object.__setattr__(self, "score", as_score(score, "PredictedBox.score"))
        object.__setattr__(self, "class_score", as_score(class_score, "PredictedBox.class_score"))

    @staticmethod
    def assert_is_valid_predicted_box(box: object, callee: str) -> None:
        """Raise InvalidArgument unless `box` is a valid labeled box whose scores are in [0, 1]."""
        LabeledBox.assert_is_valid_labeled_box(box, callee)
        for name in ("score", "class_score"):
            as_score(field_of(box, name), f"{callee}.{name}")


def _plain_box(x: float, y: float, width: float, height: float) -> Box:
    box = object.__new__(Box)
    box._set((x, y, width, height), True)
    return box


def _check_not_negative(box: object, where: str) -> None:
    width, height = field_of(box, "width"), field_of(box, "height")
    if width < 0 or height < 0:
        raise InvalidArgument(f"{where}: expected width and height >= 0, got {width} x {height}")


def _check_label(label: object, where: str) -> None:
    if not is_number(label):
        raise InvalidArgument(f"{where}: expected label to be a finite number, got {shown(label)}")


def as_box(value: BoxLike) -> Box:
    """A `Box` unchanged; a mapping or an object is converted."""
    return value if isinstance(value, Box) else Box(value)


def min_bbox(pts: ArrayLike | Sequence[PointLike]) -> BoundingBox:
    """The smallest box around points [n,2], n > 0.

    Quirk: its right and bottom edges are never below 0, even if all points are.

    Examples
    --------
    >>> min_bbox([(-5, -6), (-1, -2)])
    BoundingBox(x=-5.0, y=-6.0, width=5.0, height=6.0)
    """
    points = as_points(pts, "min_bbox")
    if not len(points):
        raise InvalidArgument("min_bbox: expected at least one point, got none")
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0, initial=0.0).tolist()
    return BoundingBox(left, top, right, bottom)
