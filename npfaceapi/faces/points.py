"""Points and sizes, and the checks of numbers, points, sizes and vectors.

Source: face-api.js 0.22.2, `classes/Point`, `classes/Dimensions`.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, SupportsFloat, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown

__all__ = [
    "Dimensions",
    "DimensionsLike",
    "HasSize",
    "HasXY",
    "Point",
    "PointLike",
    "as_descriptor",
    "as_dimensions",
    "as_flag",
    "as_number",
    "as_point",
    "as_points",
    "as_score",
    "as_vector",
    "field_of",
    "is_number",
    "numbers_of",
    "round_half_up",
]


class HasSize(Protocol):
    """An object with width and height, such as a PIL image."""

    @property
    def width(self) -> SupportsFloat: ...
    @property
    def height(self) -> SupportsFloat: ...


class HasXY(Protocol):
    """An object with x and y."""

    @property
    def x(self) -> SupportsFloat: ...
    @property
    def y(self) -> SupportsFloat: ...


Number = TypeVar("Number", bound=np.floating[Any])
Pair: TypeAlias = "Sequence[SupportsFloat] | NDArray[np.number]"
#: A `Dimensions`, a pair (width, height), or a mapping or an object with width and height.
DimensionsLike: TypeAlias = "HasSize | Pair | Mapping[str, SupportsFloat]"
#: A `Point`, a pair (x, y), or a mapping or an object with x and y.
PointLike: TypeAlias = "HasXY | Pair | Mapping[str, SupportsFloat]"


def is_number(value: object) -> bool:
    """Whether a value is a finite real number; True and False are not."""
    if type(value) is float:  # the usual kinds first: the checks below take ten times as long
        return math.isfinite(value)
    if type(value) is not int and (isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def as_number(value: object, where: str) -> float:
    """A finite number as a float; an error's message starts with `where`."""
    if not is_number(value):
        raise InvalidArgument(f"{where}: expected a finite number, got {shown(value)}")
    return float(value)  # type: ignore[arg-type]


def as_flag(value: object, where: str) -> bool:
    """True or False; an error's message starts with `where`."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidType(f"{where}: expected True or False, got {shown(value)}")
    return bool(value)


def as_score(value: object, where: str) -> float:
    """A number in [0, 1] as a float; an error's message starts with `where`."""
    if not is_number(value) or not 0 <= value <= 1:  # type: ignore[operator]
        raise InvalidArgument(f"{where}: expected a number in [0, 1], got {shown(value)}")
    return float(value)  # type: ignore[arg-type]


def round_half_up(value: float) -> float:
    """The nearest integer, halves upwards, as in JavaScript: -1.5 gives -1, 2.5 gives 3."""
    floor = math.floor(value)
    return float(floor + (value - floor >= 0.5))


def field_of(thing: object, name: str) -> Any:
    """An item of a mapping, or an attribute of an object; None if it is missing."""
    if type(thing) is dict or isinstance(thing, Mapping):
        return thing.get(name)
    return getattr(thing, name, None)


def numbers_of(thing: object, *names: str) -> list[float] | None:
    """The named fields as floats, or None if one of them is not a finite number."""
    values = [field_of(thing, name) for name in names]
    return [float(value) for value in values] if all(is_number(value) for value in values) else None


def _pair(value: object) -> list[float] | None:
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)):
        return None
    if (isinstance(value, np.ndarray) and value.ndim != 1) or len(value) != 2:
        return None
    return [float(v) for v in value] if all(is_number(v) for v in value) else None


@dataclass(frozen=True, slots=True)
class Point:
    """A point (x, y); the methods accept a `Point`, a pair, or anything with x and y, and return a new point.

    Examples
    --------
    >>> Point(3, 4).magnitude(), Point(3, 4).add((1, 1))
    (5.0, Point(x=4.0, y=5.0))
    """

    x: float
    y: float

    def __post_init__(self) -> None:
        for name in ("x", "y"):
            value = getattr(self, name)
            if not is_number(value):
                raise InvalidArgument(f"Point: expected {name} to be a finite number, got {shown(value)}")
            object.__setattr__(self, name, float(value))

    def __iter__(self) -> Iterator[float]:
        return iter((self.x, self.y))

    def add(self, pt: PointLike) -> Point:
        """The componentwise sum."""
        other = as_point(pt, "Point.add")
        return Point(self.x + other.x, self.y + other.y)

    def sub(self, pt: PointLike) -> Point:
        """The componentwise difference."""
        other = as_point(pt, "Point.sub")
        return Point(self.x - other.x, self.y - other.y)

    def mul(self, pt: PointLike) -> Point:
        """The componentwise product."""
        other = as_point(pt, "Point.mul")
        return Point(self.x * other.x, self.y * other.y)

    def div(self, pt: PointLike) -> Point:
        """The componentwise quotient; raises InvalidArgument on a zero."""
        other = as_point(pt, "Point.div")
        if not other.x or not other.y:
            raise InvalidArgument(f"Point.div: expected a divisor without zeros, got {other}")
        return Point(self.x / other.x, self.y / other.y)

    def abs(self) -> Point:
        """The absolute values."""
        return Point(abs(self.x), abs(self.y))

    def magnitude(self) -> float:
        """The distance from (0, 0)."""
        return math.sqrt(self.x * self.x + self.y * self.y)

    def floor(self) -> Point:
        """x and y rounded down."""
        return Point(math.floor(self.x), math.floor(self.y))

    def to_dict(self) -> dict[str, float]:
        """The fields in plain JSON types."""
        return {"x": self.x, "y": self.y}


@dataclass(frozen=True, slots=True)
class Dimensions:
    """A size (width, height); values given as `int` stay `int`.

    Examples
    --------
    >>> Dimensions(640, 480).reverse()
    Dimensions(width=0.0015625, height=0.0020833333333333333)
    """

    width: float
    height: float

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if not is_number(value):
                raise InvalidArgument(f"Dimensions: expected {name} to be a finite number, got {shown(value)}")
            object.__setattr__(self, name, int(value) if isinstance(value, numbers.Integral) else float(value))

    def __iter__(self) -> Iterator[float]:
        return iter((self.width, self.height))

    def reverse(self) -> Dimensions:
        """The size (1 / width, 1 / height), which scales pixels to relative coordinates; raises on a zero."""
        if not self.width or not self.height:
            raise InvalidArgument(f"Dimensions.reverse: expected width and height other than 0, got {self.width} x {self.height}")
        return Dimensions(1 / self.width, 1 / self.height)

    def to_dict(self) -> dict[str, float]:
        """The fields in plain JSON types."""
        return {"width": self.width, "height": self.height}


def as_point(value: PointLike, where: str = "as_point") -> Point:
    """A `Point` from a point, a pair (x, y), or a mapping or an object with x and y."""
    if isinstance(value, Point):
        return value
    xy = _pair(value) or numbers_of(value, "x", "y")
    if xy is None:
        raise InvalidArgument(f"{where}: expected a point (x, y) of finite numbers, got {shown(value)}")
    return Point(*xy)


def as_dimensions(value: DimensionsLike, where: str = "as_dimensions") -> Dimensions:
    """A `Dimensions` from a size, a pair (width, height), or a mapping or an object with width and height."""
    if isinstance(value, Dimensions):
        return value
    if isinstance(value, (str, bytes)) or value is None:
        raise InvalidType(f"{where}: expected a size (width, height), got {shown(value)}")
    given: Any = value
    pair = list(given) if _pair(given) else [field_of(given, "width"), field_of(given, "height")]
    if not all(is_number(v) for v in pair):
        raise InvalidArgument(f"{where}: expected a size (width, height) of finite numbers, got {shown(value)}")
    return Dimensions(*pair)


def as_points(points: ArrayLike | Sequence[PointLike], where: str = "as_points") -> NDArray[np.float64]:
    """A new float64 array [n,2] from an array [n,2] or a sequence of points; raises InvalidArgument on anything else."""
    if isinstance(points, (str, bytes)) or not isinstance(points, (Sequence, np.ndarray)):
        raise InvalidType(f"{where}: expected an array [n,2] or a sequence of points, got {type(points).__name__}")
    if isinstance(points, np.ndarray):
        if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "fiu":
            raise InvalidArgument(f"{where}: expected an array [n,2] of numbers, got {points.dtype} {list(points.shape)}")
        array = points.astype(np.float64)
    else:
        each: Sequence[Any] = points
        array = np.array([tuple(as_point(p, where)) for p in each], np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise InvalidArgument(f"{where}: expected finite numbers, got NaN or infinity")
    return array


def as_vector(value: ArrayLike, where: str) -> NDArray[np.float64]:
    """A float64 copy of a vector of finite numbers; raises InvalidArgument on anything else."""
    return _vector(value, np.float64, where)


def as_descriptor(value: ArrayLike, where: str) -> NDArray[np.float32]:
    """A read-only float32 copy of a vector of numbers that are finite in float32; raises InvalidArgument on anything else."""
    descriptor = _vector(value, np.float32, where)
    descriptor.setflags(write=False)
    return descriptor


def _vector(value: ArrayLike, dtype: type[Number], where: str) -> NDArray[Number]:
    try:
        given = np.asarray(value)
    except ValueError:  # ragged rows, or nested too deeply
        given = np.zeros((0, 0))
    if given.ndim != 1 or (given.dtype.kind not in "fiu" and given.size):
        raise InvalidArgument(f"{where}: expected a vector of numbers, got {_in_words(value, given)}")
    with np.errstate(over="ignore"):  # values too large for the dtype become infinity
        vector = given.astype(dtype)
    if not np.isfinite(vector).all():
        raise InvalidArgument(f"{where}: expected finite numbers of {vector.dtype}, got NaN or infinity")
    return vector


def _in_words(value: object, array: NDArray[Any]) -> str:
    if isinstance(value, (np.ndarray, list, tuple)):
        return f"{array.dtype} {list(array.shape)}"
    descriptor = field_of(value, "descriptor")
    if descriptor is not None:
        return f"{type(value).__name__}: pass its descriptor"
    without = value is None or hasattr(value, "descriptor")
    return f"{shown(value)}{': a face has a descriptor after .with_face_descriptors()' if without else ''}"
