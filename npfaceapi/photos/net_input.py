"""Photos: from any supported source to pixels, batches and crops.

    photo (path, URL, bytes, file, PIL image, array) ─▶ load_image ─▶ [H,W,3] ─▶ NetInput ─▶ batch [N,S,S,3]

`loading.py` reads the source, `decoding.py` decodes, `fetch.py` fetches, `resampling.py` pads and resizes; this module combines
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.detection import ObjectDetection, warn_of_other_sides
from npfaceapi.faces.geometry import Dimensions, Rect
from npfaceapi.photos.decoding import Pixels, buffer_to_image, to_pil
from npfaceapi.photos.loading import Photo, load_image
from npfaceapi.photos.resampling import (
    compute_reshaped_dimensions,
    normalize,
    pad_to_square,
    resize_bilinear,
    resize_half_pixel,
    resize_window,
    to_batch_tensor,
)

if TYPE_CHECKING:
    from PIL import Image

    from npfaceapi.faces.geometry import HasRect
    from npfaceapi.faces.results import FaceResult

__all__ = [
    "Found",
    "NetInput",
    "Photo",
    "Photos",
    "Pixels",
    "buffer_to_image",
    "compute_reshaped_dimensions",
    "crop_rect",
    "extract_face_tensors",
    "extract_faces",
    "load_image",
    "normalize",
    "pad_to_square",
    "pixel_rect",
    "resize_bilinear",
    "resize_half_pixel",
    "resize_window",
    "to_batch_tensor",
    "to_net_input",
]

#: The argument of functions that take one photo or several; a sequence is a list or a tuple.
Photos: TypeAlias = "Photo | Sequence[Photo] | NetInput"
#: What can be cropped from a photo: a detection or a result is scaled to the photo, an object with x, y, width, height is not.
Found: TypeAlias = "FaceResult | ObjectDetection | HasRect"


class NetInput:
    """One decoded photo or a batch of them, of any sizes: the input of networks.

    Parameters
    ----------
    inputs : sequence
        At least one photo; see `load_image`.
    treat_as_batch_input : bool
        Whether a single photo counts as a batch, so that the result is a list.

    Examples
    --------
    >>> NetInput([np.zeros((40, 60, 3), np.uint8)]).input_dimensions
    [(40, 60, 3)]
    """

    _kept: tuple[tuple[int, bool], NDArray[np.float32]] | None = None

    def __init__(self, inputs: Sequence[Photo], treat_as_batch_input: bool = False) -> None:
        if not isinstance(inputs, (list, tuple)):
            raise InvalidType(f"NetInput: expected a list of photos, got {type(inputs).__name__}")
        if not inputs:
            raise InvalidArgument("NetInput: expected at least one photo, got an empty list")
        if not isinstance(treat_as_batch_input, bool):
            raise InvalidType(f"NetInput: expected treat_as_batch_input to be True or False, got {shown(treat_as_batch_input)}")
        single = len(inputs) == 1 and not treat_as_batch_input
        self._images = [load_image(photo, "photo" if single else f"photos[{index}]") for index, photo in enumerate(inputs)]
        self._treat_as_batch_input = treat_as_batch_input
        self._input_size: int | None = None
        self._keeps_batch = False

    @classmethod
    def of_pixels(cls, images: Sequence[Pixels], *, keep_batch: bool = False) -> NetInput:
        """A batch of decoded images or of crops of them; nothing is copied.

        Parameters
        ----------
        images : sequence of ndarray
            At least one, each [H,W,3], uint8 or float32, as `load_image` returns them; views are accepted.
        keep_batch : bool
            Whether `to_batch_tensor` keeps its result, read-only, for the next network that needs the same.
        """
        if not isinstance(images, (list, tuple)) or not all(_is_pixels(image) for image in images) or not images:
            raise InvalidType(f"NetInput.of_pixels: expected a list of arrays [H,W,3], uint8 or float32, got {shown(images)}")
        net_input = cls.__new__(cls)
        net_input._images, net_input._treat_as_batch_input, net_input._input_size = list(images), True, None
        net_input._keeps_batch = keep_batch
        return net_input

    def __repr__(self) -> str:
        return f"NetInput(batch_size={self.batch_size}, input_dimensions={self.input_dimensions})"

    @property
    def image_tensors(self) -> list[Pixels]:
        """The pixels `[H,W,3]` of each photo, uint8 or float32."""
        return list(self._images)

    @property
    def is_batch_input(self) -> bool:
        """Whether the input was a list, so that the result is one."""
        return self._treat_as_batch_input or self.batch_size > 1

    @property
    def batch_size(self) -> int:
        """The number of photos."""
        return len(self._images)

    @property
    def input_size(self) -> int | None:
        """The input size of the last call of `to_batch_tensor`."""
        return self._input_size

    @property
    def input_dimensions(self) -> list[tuple[int, int, int]]:
        """(height, width, 3) of each photo."""
        return [self.get_input_dimensions(index) for index in range(self.batch_size)]

    @property
    def reshaped_input_dimensions(self) -> list[Dimensions]:
        """Width and height of each photo inside the square of the last call of `to_batch_tensor`."""
        return [self.get_reshaped_input_dimensions(index) for index in range(self.batch_size)]

    def get_input(self, batch_idx: int) -> Pixels:
        """The pixels `[H,W,3]` of one photo."""
        count = len(self._images)
        if isinstance(batch_idx, bool) or not isinstance(batch_idx, (int, np.integer)) or not -count <= batch_idx < count:
            raise InvalidArgument(f"NetInput: expected the index of one of {count} photos, got {shown(batch_idx)}")
        return self._images[batch_idx]

    def get_input_dimensions(self, batch_idx: int) -> tuple[int, int, int]:
        """(height, width, 3) of one photo."""
        height, width, channels = self.get_input(batch_idx).shape
        return height, width, channels

    def get_input_height(self, batch_idx: int) -> int:
        """Height of one photo in pixels."""
        return self.get_input_dimensions(batch_idx)[0]

    def get_input_width(self, batch_idx: int) -> int:
        """Width of one photo in pixels."""
        return self.get_input_dimensions(batch_idx)[1]

    def get_reshaped_input_dimensions(self, batch_idx: int) -> Dimensions:
        """Width and height of one photo inside the square of the last call of `to_batch_tensor`."""
        if self._input_size is None:
            raise InvalidArgument("get_reshaped_input_dimensions: expected a call of to_batch_tensor before, got none")
        height, width, _ = self.get_input_dimensions(batch_idx)
        return compute_reshaped_dimensions(width, height, self._input_size)

    def to_batch_tensor(self, input_size: int, is_center_inputs: bool = True) -> NDArray[np.float32]:
        """All photos padded to squares and resized: float32 `[N,input_size,input_size,3]` in 0..255."""
        asked, kept = (input_size, is_center_inputs), self._kept
        if kept is not None and kept[0] == asked:
            return kept[1]
        batch = to_batch_tensor(self._images, input_size, is_center_inputs)
        if self._keeps_batch:
            batch.flags.writeable = False
            self._kept = asked, batch
        self._input_size = input_size
        return batch


def _is_pixels(image: object) -> bool:
    return isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype in (np.uint8, np.float32)


def to_net_input(inputs: Photos) -> NetInput:
    """Decode one photo or several.

    Parameters
    ----------
    inputs : photo, list or tuple of photos, or NetInput
        A photo is what `load_image` takes; a list is a batch, even with one element; a NetInput is returned unchanged.

    Raises
    ------
    InvalidArgument
        If the list is empty.
    ImageError, InvalidType, FetchError
        As `load_image`; the message names the photo.

    Examples
    --------
    >>> photo = np.zeros((40, 60, 3), np.uint8)
    >>> to_net_input(photo).is_batch_input, to_net_input([photo]).is_batch_input
    (False, True)
    """
    if isinstance(inputs, NetInput):
        return inputs
    if isinstance(inputs, (list, tuple)):
        if not inputs:
            raise InvalidArgument("to_net_input: expected at least one photo, got an empty list")
        return NetInput(inputs, True)
    return NetInput([inputs])  # type: ignore[list-item]


def crop_rect(box: HasRect, image_width: int, image_height: int) -> tuple[int, int, int, int]:
    """The part of a box inside the image, as integers (x, y, width, height).

    Quirk: x, y, width and height are each floored after clipping, so the last row or column can be lost.

    Raises
    ------
    InvalidArgument
        If no pixel is left; face-api.js takes a size of -1 as "to the end" and passes empty crops to the networks.

    Examples
    --------
    >>> from npfaceapi.faces.geometry import Rect
    >>> crop_rect(Rect(55.5, 35.5, 10, 10), 60, 40)
    (55, 35, 4, 4)
    """
    try:
        x, y, width, height = float(box.x), float(box.y), float(box.width), float(box.height)
    except AttributeError:
        raise InvalidType(f"crop_rect: expected a box with x, y, width and height, got {type(box).__name__}") from None
    if math.isfinite(x) and math.isfinite(y) and math.isfinite(width) and math.isfinite(height):
        clipped = Rect(x, y, width, height, allow_negative_dimensions=True).clip_at_image_borders(image_width, image_height)
        if clipped.width > 0 and clipped.height > 0:
            return int(clipped.x), int(clipped.y), int(clipped.width), int(clipped.height)
    raise InvalidArgument(
        f"crop_rect: expected a box with at least one pixel inside the {image_width}x{image_height} image,"
        f" got x={x:g}, y={y:g}, width={width:g}, height={height:g}"
    )


def pixel_rect(box: Any, image_width: int, image_height: int, *, floor_detections: bool = False) -> tuple[int, int, int, int]:
    """`crop_rect` for a box in pixels, or for a detection scaled to the size of the image."""
    if hasattr(box, "for_size") and hasattr(box, "box"):
        box = box.for_size(image_width, image_height).box
        box = box.floor() if floor_detections else box
    return crop_rect(box, image_width, image_height)


def extract_face_tensors(image_tensor: Photo | NetInput, detections: Iterable[Found]) -> list[Pixels]:
    """Crop faces from a photo, as arrays.

    Parameters
    ----------
    image_tensor : photo
        See `load_image`.
    detections : iterable of FaceDetection, FaceResult, Box or Rect
        A detection is scaled to the size of the photo; a box counts in its pixels.

    Returns
    -------
    list of ndarray
        Copies `[h,w,3]`, uint8 or float32.

    Raises
    ------
    InvalidArgument
        If a box has no pixel inside the photo.

    Examples
    --------
    >>> from npfaceapi.faces.geometry import Rect
    >>> extract_face_tensors(np.zeros((40, 60, 3), np.uint8), [Rect(10, 5, 20, 30)])[0].shape
    (30, 20, 3)
    """
    return _crops("extract_face_tensors", image_tensor, detections, floor_detections=False)


def extract_faces(photo: Photo | NetInput, detections: Iterable[Found]) -> list[Image.Image]:
    """Crop faces from a photo, as PIL images.

    Quirk: the box of a detection is floored before it is clipped; in `extract_face_tensors` it is not.  The two can
    differ by one pixel.

    Parameters
    ----------
    photo : photo
        See `load_image`.
    detections : iterable of FaceDetection, FaceResult, Box or Rect
        A detection is scaled to the size of the photo; a box counts in its pixels.

    Raises
    ------
    InvalidArgument
        If a box has no pixel inside the photo.

    Examples
    --------
    >>> from npfaceapi.faces.geometry import Rect
    >>> extract_faces(np.zeros((40, 60, 3), np.uint8), [Rect(10, 5, 20, 30)])[0].size
    (20, 30)
    """
    return [to_pil(crop) for crop in _crops("extract_faces", photo, detections, floor_detections=True)]


def _crops(where: str, photo: Photo | NetInput, detections: Iterable[Any], floor_detections: bool) -> list[Pixels]:
    if isinstance(photo, NetInput):
        if photo.batch_size != 1:
            raise InvalidArgument(f"{where}: expected one photo, got a batch of {photo.batch_size}")
        photo = photo.get_input(0)
    image = load_image(photo)
    height, width, _ = image.shape
    if not isinstance(detections, Iterable):
        raise InvalidType(f"{where}: expected a list of detections or boxes, got {type(detections).__name__}")
    crops: list[Pixels] = []
    for item in detections:
        found = getattr(item, "detection", item)
        if not crops and isinstance(found, ObjectDetection):
            warn_of_other_sides(where, found.image_dims, (width, height), stacklevel=4)
        x, y, w, h = pixel_rect(found, width, height, floor_detections=floor_detections)
        crops.append(image[y : y + h, x : x + w].copy())
    return crops
