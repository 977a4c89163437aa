"""From pixels to a network's input: padding to a square, bilinear resizing, batches.

Quirk: resizing samples at `i * in / out`, without half-pixel centres and without smoothing, as tfjs 1.7 does; Pillow, OpenCV
and PyTorch give other values.  Arithmetic is float64 with one rounding to float32, so the bits are those of face-api.js.
Quirk: a photo is padded to a square at its own resolution, with zeros, before it is resized and before any mean is subtracted.

The NumPy code here is the definition; a backend that has a kernel for resizing (numba) gives the same bits faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.engines.dispatch import resizing_kernel
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.geometry import Dimensions
from npfaceapi.faces.points import as_descriptor, as_flag

__all__ = [
    "compute_reshaped_dimensions",
    "normalize",
    "pad_to_square",
    "resize_bilinear",
    "resize_half_pixel",
    "resize_window",
    "to_batch_tensor",
]

Scalar = TypeVar("Scalar", bound=np.generic)

_MAX_PIXELS = 2**32  # of an output
_ROWS_AT_ONCE = 32  # of the output: keeps the float64 temporaries in the cache


class _Axis(NamedTuple):
    """For every output position of one axis: the two input positions around it, and the distance from the first (0..1)."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    fraction: NDArray[np.float64]

    def part(self, where: slice) -> _Axis:
        return _Axis(self.low[where], self.high[where], self.fraction[where])

    def shift(self, offset: int) -> _Axis:
        return _Axis(self.low - offset, self.high - offset, self.fraction)


def pad_to_square(img_tensor: NDArray[Scalar], is_center_image: bool = False) -> NDArray[Scalar]:
    """Pad the shorter side of an image with zeros.

    Parameters
    ----------
    img_tensor : ndarray
        `[H,W,C]` or `[N,H,W,C]`.
    is_center_image : bool
        False: zeros to the right or below.  True: on both sides; the larger half of an odd number comes after.

    Returns
    -------
    ndarray
        `[S,S,C]` or `[N,S,S,C]` with S = max(H, W), same dtype; `img_tensor` itself when it is square.

    Examples
    --------
    >>> pad_to_square(np.ones((1, 4, 3), np.uint8), is_center_image=True)[:, 0, 0].tolist()
    [0, 1, 0, 0]
    """
    if not isinstance(img_tensor, np.ndarray):
        raise InvalidType(f"pad_to_square: expected an array, got {type(img_tensor).__name__}")
    if img_tensor.ndim not in (3, 4):
        raise InvalidArgument(f"pad_to_square: expected an array [H,W,C] or [N,H,W,C], got shape {list(img_tensor.shape)}")
    is_center_image = as_flag(is_center_image, "pad_to_square: is_center_image")
    height, width = img_tensor.shape[-3:-1]
    if height == width:
        return img_tensor
    side = max(height, width)
    top, left = _offsets(height, width, is_center_image)
    out = np.zeros((*img_tensor.shape[:-3], side, side, img_tensor.shape[-1]), img_tensor.dtype)
    out[..., top : top + height, left : left + width, :] = img_tensor
    return out


def resize_bilinear(image: NDArray[np.uint8 | np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize an image with the rule of tfjs' `resizeBilinear` (no half-pixel centres), bit for bit.

    Parameters
    ----------
    image : ndarray
        `[H,W,C]`, uint8 or float32.
    size : tuple of int
        (height, width) of the output.

    Returns
    -------
    ndarray
        float32 `[height,width,C]`.

    Examples
    --------
    >>> row = np.array([0, 10, 20, 30], np.uint8).reshape(1, 4, 1)
    >>> resize_bilinear(row, (1, 2)).ravel().tolist()
    [0.0, 20.0]
    """
    _check_image("resize_bilinear", image)
    height, width = _check_size("resize_bilinear", size)
    return resize_window(image, (height, width), (0, 0), (height, width))


def resize_window(
    image: NDArray[np.uint8 | np.float32], size: tuple[int, int], start: tuple[int, int], stop: tuple[int, int]
) -> NDArray[np.float32]:
    """`resize_bilinear(image, size)[start[0] : stop[0], start[1] : stop[1]]`, without computing the rest."""
    (top, left), (bottom, right) = start, stop
    out = np.zeros((bottom - top, right - left, image.shape[2]), np.float32)
    kernel = _kernel_for(image)
    if kernel is not None:
        kernel([image], [(0, 0, *image.shape[:2])], [out], window=(top, left, *size))
    else:
        rows, columns = (_tfjs_axis(*lengths) for lengths in zip(image.shape[:2], size, strict=True))
        _interpolate(image, rows.part(slice(top, bottom)), columns.part(slice(left, right)), out)
    return out


def resize_half_pixel(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize with half-pixel centres and clamped edges, rounded half up to uint8, as for MTCNN's patches.

    Parameters
    ----------
    image : ndarray
        `[H,W,C]` uint8.
    size : tuple of int
        (height, width) of the output.

    Returns
    -------
    ndarray
        uint8 `[height,width,C]`.

    Examples
    --------
    >>> row = np.array([0, 10, 20, 30], np.uint8).reshape(1, 4, 1)
    >>> resize_half_pixel(row, (1, 2)).ravel().tolist()
    [5, 25]
    """
    _check_image("resize_half_pixel", image)
    if image.dtype != np.uint8:
        raise InvalidType(f"resize_half_pixel: expected dtype uint8, got {image.dtype}")
    height, width = _check_size("resize_half_pixel", size)
    kernel = _kernel_for(image)
    if kernel is not None:
        rounded = np.zeros((height, width, 3), np.float32)
        kernel([image], [(0, 0, *image.shape[:2])], [rounded], half_pixel=True)
        return rounded.astype(np.uint8)
    out = np.zeros((height, width, image.shape[2]), np.float64)
    _interpolate(image, _half_pixel_axis(image.shape[0], height), _half_pixel_axis(image.shape[1], width), out)
    return np.floor(out + 0.5).astype(np.uint8)


def normalize(x: NDArray[np.number], mean_rgb: ArrayLike) -> NDArray[np.float32]:
    """Subtract a mean from each channel.

    Parameters
    ----------
    x : ndarray
        `[...,3]`, values in 0..255.
    mean_rgb : sequence of float
        The means of red, green and blue.

    Returns
    -------
    ndarray
        float32, the shape of `x`; nothing is divided.

    Examples
    --------
    >>> normalize(np.full((1, 1, 3), 200, np.uint8), (100, 50, 0)).ravel().tolist()
    [100.0, 150.0, 200.0]
    """
    mean = as_descriptor(mean_rgb, "normalize: mean_rgb")
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu":
        raise InvalidType(f"normalize: expected an array of numbers, got {shown(x)}")
    if x.shape[-1:] != mean.shape:
        raise InvalidArgument(f"normalize: expected one mean for each channel of {list(x.shape)}, got {len(mean)}")
    with np.errstate(over="ignore"):
        difference: NDArray[np.float32] = x.astype(np.float32) - mean
    return difference


def compute_reshaped_dimensions(width: int, height: int, input_size: int) -> Dimensions:
    """The size of a photo scaled to fit into a square of `input_size`: rounded half up, at least 1.

    face-api.js gives 0 for a photo more than twice `input_size` times longer than wide, and then divides by it.
    """
    scale = input_size / max(width, height)
    return Dimensions(max(1, math.floor(width * scale + 0.5)), max(1, math.floor(height * scale + 0.5)))


def to_batch_tensor(
    images: Sequence[NDArray[np.uint8 | np.float32]], size: int, is_center_inputs: bool = True
) -> NDArray[np.float32]:
    """Pad each image to a square, resize and stack them: the input of a network before any mean or scale.

    The bits are those of `resize_bilinear(pad_to_square(image), (size, size))`, but the padded image, which can be
    large, is never made.

    Parameters
    ----------
    images : sequence of ndarray
        Each `[H,W,3]`, uint8 or float32 in 0..255, of any size.
    size : int
        Side of the network's input, in pixels.
    is_center_inputs : bool
        Where the padding goes, as in `pad_to_square`.

    Returns
    -------
    ndarray
        float32 `[N,size,size,3]`, 0..255.

    Examples
    --------
    >>> to_batch_tensor([np.full((2, 4, 3), 9, np.uint8)], 4, is_center_inputs=True)[0, :, 0, 0].tolist()
    [0.0, 9.0, 9.0, 0.0]
    """
    size, _ = _check_size("to_batch_tensor", (size, size))
    is_center_inputs = as_flag(is_center_inputs, "to_batch_tensor: is_center_inputs")
    out = np.empty((len(images), size, size, 3), np.float32)
    kernel = resizing_kernel()
    for_kernel: list[tuple[NDArray[Any], tuple[int, int, int, int], NDArray[np.float32]]] = []
    for image, square in zip(images, out, strict=True):
        _check_image("to_batch_tensor", image)
        height, width, channels = image.shape
        if channels != 3:
            raise InvalidArgument(f"to_batch_tensor: expected images [H,W,3], got shape {list(image.shape)}")
        top, left = _offsets(height, width, is_center_inputs)
        side = max(height, width)
        if side != size and kernel is not None and _suits_kernel(image):
            for_kernel.append((image, (top, left, side, side), square))
            continue
        square[:] = 0
        if side == size:
            square[top : top + height, left : left + width] = image
        else:
            axis = _tfjs_axis(side, size)
            _interpolate(image, axis.shift(top), axis.shift(left), square)
    if kernel is not None and for_kernel:
        kernel(*zip(*for_kernel, strict=True))
    return out


def _kernel_for(image: NDArray[Any]) -> Callable[..., None] | None:
    """The kernel of the current backend that resizes such an image; None: use the code below."""
    return resizing_kernel() if _suits_kernel(image) else None


def _suits_kernel(image: NDArray[Any]) -> bool:
    return image.shape[2] == 3 and image.dtype in (np.uint8, np.float32)


def _offsets(height: int, width: int, is_center_image: bool) -> tuple[int, int]:
    """Rows of padding above and columns of padding to the left."""
    difference = abs(height - width)
    before = difference - math.floor(difference * 0.5 + 0.5) if is_center_image else 0
    return (before, 0) if width > height else (0, before)


def _tfjs_axis(length: int, out_length: int) -> _Axis:
    source = np.arange(out_length, dtype=np.float64) * (length / out_length)
    low = np.floor(source)
    high = np.minimum(length - 1, np.ceil(source))
    return _Axis(low.astype(np.intp), high.astype(np.intp), source - low)


def _half_pixel_axis(length: int, out_length: int) -> _Axis:
    source = np.clip((np.arange(out_length) + 0.5) * length / out_length - 0.5, 0, length - 1)
    low = np.floor(source)
    return _Axis(low.astype(np.intp), np.minimum(length - 1, low + 1).astype(np.intp), source - low)


def _interpolate(image: NDArray[Any], rows: _Axis, columns: _Axis, out: NDArray[np.floating[Any]]) -> None:
    """Fill `out` (zeros) from `image`; positions of `rows` and `columns` outside the image are padding and count as 0."""
    height, width, channels = image.shape
    # Outputs whose inputs are all padding stay 0 and are not computed.
    seen_rows, seen_columns = _seen(rows, height), _seen(columns, width)
    columns = columns.part(seen_columns)
    index = [_flat(columns.low, width, channels), _flat(columns.high, width, channels)]
    padding = [np.repeat((position < 0) | (position >= width), channels) for position in (columns.low, columns.high)]
    fraction = np.repeat(columns.fraction, channels)

    def blend_columns(positions: NDArray[np.intp]) -> NDArray[np.float64]:
        strip = image[np.clip(positions, 0, height - 1)].reshape(len(positions), width * channels)
        left, right = (strip.take(i, axis=1).astype(np.float64) for i in index)
        for side, outside in zip((left, right), padding, strict=True):
            side[:, outside] = 0
            side[(positions < 0) | (positions >= height)] = 0
        right -= left
        right *= fraction
        right += left
        return right

    for start in range(seen_rows.start, seen_rows.stop, _ROWS_AT_ONCE):
        part = slice(start, min(start + _ROWS_AT_ONCE, seen_rows.stop))
        band = rows.part(part)
        top, value = blend_columns(band.low), blend_columns(band.high)
        value -= top
        value *= band.fraction[:, np.newaxis]
        value += top
        out[part, seen_columns] = value.reshape(len(band.low), len(columns.low), channels)


def _seen(axis: _Axis, length: int) -> slice:
    """The outputs with at least one input position in 0..length-1, which are contiguous."""
    inside = np.flatnonzero((axis.high >= 0) & (axis.low < length))
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)


def _flat(positions: NDArray[np.intp], width: int, channels: int) -> NDArray[np.intp]:
    """Indices into a flat row of `width` pixels: taking single values is twice as fast as taking pixels of 3 bytes."""
    clipped = np.clip(positions, 0, width - 1)
    return (clipped[:, np.newaxis] * channels + np.arange(channels)).ravel()


def _check_image(where: str, image: NDArray[Any]) -> None:
    if not isinstance(image, np.ndarray):
        raise InvalidType(f"{where}: expected an array, got {type(image).__name__}")
    if image.ndim != 3 or 0 in image.shape:
        raise InvalidArgument(f"{where}: expected an array [H,W,C] without a zero dimension, got shape {list(image.shape)}")


def _check_size(where: str, size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = (int(n) for n in size)
        whole = all(n == m for n, m in zip((height, width), size, strict=True))
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise InvalidArgument(
            f"{where}: expected a size of at least 1 pixel per side, at most {_MAX_PIXELS} in all, got {shown(size)}"
        )
    return height, width
