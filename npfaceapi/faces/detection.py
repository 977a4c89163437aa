"""A face or another object that a detector found: its box in a photo, and its score.

Source: face-api.js 0.22.2, `classes/ObjectDetection`, `classes/FaceDetection`.
"""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument
from npfaceapi.faces.geometry import Box, BoxLike, as_box
from npfaceapi.faces.points import Dimensions, DimensionsLike, as_dimensions, as_number

__all__ = ["FaceDetection", "ObjectDetection", "Source", "seen_in", "warn_of_other_sides", "warn_of_other_size"]

AnyDetection = TypeVar("AnyDetection", bound="ObjectDetection")


class Source(Protocol):
    """The interface of `PhotoSource` in `photos/source.py`, which finds the photo of a result again."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo in pixels."""

    def read(self) -> NDArray[np.uint8 | np.float32] | None:
        """The pixels [H,W,3], uint8 or float32, or None if the photo is no longer available."""


@dataclass(frozen=True, slots=True, init=False)
class ObjectDetection:
    """An object found in an image.

    Parameters
    ----------
    score, class_score : float
        The confidence of the detection and of its class, in [0, 1].
    class_name : str
    relative_box : box
        In units of the image.
    image_dims : Dimensions or (width, height)
        In pixels.

    Attributes
    ----------
    source : PhotoSource or None
        Where to find the photo again, to show the detection on it; ignored by comparisons.

    Examples
    --------
    >>> ObjectDetection(0.9, 0.8, "cat", {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100)).box
    Box(x=50.0, y=50.0, width=50.0, height=25.0)
    """

    score: float
    class_score: float
    class_name: str
    box: Box
    image_dims: Dimensions
    source: Source | None = field(compare=False, repr=False)

    def __init__(
        self, score: float, class_score: float, class_name: str, relative_box: BoxLike, image_dims: DimensionsLike
    ) -> None:
        where = type(self).__name__
        dims = as_dimensions(image_dims, where)
        if dims.width <= 0 or dims.height <= 0:
            raise InvalidArgument(f"{where}: expected image_dims > 0, got {dims.width} x {dims.height}")
        object.__setattr__(self, "score", as_number(score, f"{where}.score"))
        object.__setattr__(self, "class_score", as_number(class_score, f"{where}.class_score"))
        object.__setattr__(self, "class_name", class_name)
        object.__setattr__(self, "box", as_box(relative_box).rescale(dims))
        object.__setattr__(self, "image_dims", dims)
        object.__setattr__(self, "source", None)

    @property
    def image_width(self) -> float:
        """The width of the image in pixels."""
        return self.image_dims.width

    @property
    def image_height(self) -> float:
        """The height of the image in pixels."""
        return self.image_dims.height

    @property
    def relative_box(self) -> Box:
        """The box as fractions of the image's width and height."""
        return self.box.rescale(self.image_dims.reverse())

    def for_size(self, width: float, height: float) -> ObjectDetection:
        """The detection in the image resized to width x height pixels."""
        return ObjectDetection(self.score, self.class_score, self.class_name, self.relative_box, Dimensions(width, height))

    def read_photo(self) -> NDArray[np.uint8 | np.float32] | None:
        """The pixels [H,W,3] of the photo, uint8 or float32; None if it is unknown or no longer available."""
        return None if self.source is None else self.source.read()

    def _repr_html_(self) -> str:
        """The detection on its photo, for a notebook."""
        from npfaceapi.display.face_markup import face_list

        return face_list([self], (self.image_width, self.image_height), self.read_photo())

    def to_dict(self) -> dict[str, Any]:
        """The detection in plain JSON types: score, box (pixels), relative_box, image_width, image_height."""
        return {
            "score": self.score,
            "box": self.box.to_dict(),
            "relative_box": self.relative_box.to_dict(),
            "image_width": self.image_width,
            "image_height": self.image_height,
        }

    def to_json(self) -> str:
        """`to_dict()` as JSON."""
        return json.dumps(self.to_dict())


@dataclass(frozen=True, slots=True, init=False)
class FaceDetection(ObjectDetection):
    """A face found in a photo.

    Parameters
    ----------
    score : float
        In [0, 1].
    relative_box : box
        In units of the photo; may extend beyond it.
    image_dims : Dimensions or (width, height)
        The size of the photo in pixels.

    Examples
    --------
    >>> FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100)).box
    Box(x=50.0, y=50.0, width=50.0, height=25.0)
    """

    def __init__(self, score: float, relative_box: BoxLike, image_dims: DimensionsLike) -> None:
        ObjectDetection.__init__(self, score, score, "", relative_box, image_dims)

    def for_size(self, width: float, height: float) -> FaceDetection:
        """The detection in the photo at another size."""
        # converts to relative coordinates twice, as face-api.js does: the last bits depend on it
        resized = ObjectDetection.for_size(self, width, height)
        detection = FaceDetection(resized.score, resized.relative_box, resized.image_dims)
        object.__setattr__(detection, "source", self.source)
        return detection


def seen_in(source: Source | None, detection: AnyDetection) -> AnyDetection:
    """A copy of the detection with the `PhotoSource` of its photo."""
    known = copy.copy(detection)
    object.__setattr__(known, "source", source)
    return known


def warn_of_other_size(where: str, photo: Dimensions, picture: tuple[float, float]) -> None:
    """Warn if results in pixels of a photo do not fit a picture (width, height) of another size."""
    (W, H), (w, h) = photo, picture
    if max(abs(W - w), abs(H - h)) >= 1:
        warnings.warn(
            f"{where}: expected a picture of {W:g}x{H:g}, in which the faces were found, got {w:g}x{h:g}: call "
            "resize_results(faces, picture) first; PIL.ImageOps.exif_transpose turns a picture that lies on its side",
            UserWarning,
            stacklevel=4,
        )


def warn_of_other_sides(where: str, photo: Dimensions, picture: tuple[float, float], stacklevel: int = 3) -> None:
    """Warn that a picture (width, height), to which results are scaled, has width and height swapped."""
    (W, H), (w, h) = photo, picture
    if not _proportional(W, H, w, h) and _proportional(H, W, w, h):
        warnings.warn(
            f"{where}: expected the sides of a photo of {W:g}x{H:g}, in which the faces were found, got {w:g}x{h:g}, "
            "which is on its side: PIL.ImageOps.exif_transpose turns a picture as its EXIF says",
            UserWarning,
            stacklevel=stacklevel,
        )


def _proportional(width: float, height: float, w: float, h: float) -> bool:
    """Whether two sizes have the same aspect ratio, up to a pixel of rounding."""
    return min(abs(h - w * height / width), abs(w - h * width / height)) <= 1
