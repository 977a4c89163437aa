"""Arrays and PIL images of any mode, as pixels `[H,W,3]`.

ICC profiles are ignored, alpha is composited on black, gray copied to three channels, 16-bit samples become round(v/257).
The work is done in blocks: besides the photo and the result it needs a few megabytes, whatever the mode.  The result takes
3 bytes per pixel, or 12 for a photo of floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import ImageError, InvalidType

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Pixels", "array_pixels", "pixels_of"]

#: A decoded photo [H,W,3]: uint8, or float32 in 0..255.
Pixels: TypeAlias = NDArray[np.uint8 | np.float32]

_Block: TypeAlias = Callable[[slice, slice], NDArray[Any]]

_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
_BLOCK_SIDE = 512  # square blocks, so that rotating a photo stays in cache
_FIRST_BYTES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"II*\0", b"MM\0*")  # of image files


def array_pixels(array: NDArray[np.generic], name: str, remarks: list[str]) -> Pixels:
    """An image array as C-contiguous `[H,W,3]`: uint8 for integers, float32 for floats.

    Accepts `[H,W,3]`, `[H,W,4]`, `[H,W,1]`, `[H,W]` and `[1,H,W,3]`; uint8; uint16 (round(v/257)); other integers and
    floats with values in 0..255; bool (0 and 255).  A contiguous uint8 array `[H,W,3]` is returned unchanged.  Likely
    mistakes are appended to `remarks`.
    """
    array = np.asarray(array)  # a np.matrix has no third axis
    if _is_a_file(array):
        raise ImageError(f"{name}: expected an array of pixels, got {array.size} bytes as of an image file; pass array.tobytes()")
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    elif array.ndim == 4:
        raise ImageError(f"{name}: expected one image [H,W,3], got a 4-D array of shape {_shape(array)}; pass list(array)")
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; channels come last: array.transpose(1, 2, 0)"
        raise ImageError(f"{name}: expected an array of shape [H,W,3], [H,W], [H,W,1] or [H,W,4], got {_shape(array)}{hint}")
    if 0 in array.shape:
        raise ImageError(f"{name}: expected an image of at least 1x1 pixels, got an array of shape {_shape(array)}")
    if array.dtype == np.uint8 and array.shape[2] == 3:
        return np.ascontiguousarray(array)
    _check_dtype(array, name)
    dtype = np.float32 if array.dtype.kind == "f" else np.uint8
    height, width, channels = array.shape
    if not (array.dtype == np.uint8 or array.dtype.kind == "b"):
        low, high = array.min(), array.max()
        _check_range(array.dtype, low, high, name)
        _remark(array.dtype, array[:, :, :3].max() if channels == 4 else high, name, remarks)
    return _in_blocks((height, width), dtype, 1, lambda rows, columns: array[rows, columns])


def pixels_of(image: Image.Image, name: str, orientation: int, remarks: list[str]) -> Pixels:
    """The pixels of a loaded PIL image, rotated upright by an EXIF orientation of 1 to 8."""
    mode, transparent = image.mode, "transparency" in image.info

    def block(rows: slice, columns: slice) -> NDArray[Any]:
        part = image.crop((columns.start, rows.start, columns.stop, rows.stop))
        if mode in _SIXTEEN_BIT_MODES:
            return np.asarray(part).astype(np.uint16)
        if mode == "F":
            return np.asarray(part)
        if mode == "La":
            part = part.convert("LA")
        if mode in _ALPHA_MODES or transparent:
            return np.asarray(part.convert("RGBA"))
        return np.asarray(part if mode == "RGB" else part.convert("RGB"))

    size = image.height, image.width
    if mode in _SIXTEEN_BIT_MODES or mode == "F":
        extremes = [(part.min(), part.max()) for part in map(np.asarray, _parts(image))]
        low, high = np.min([low for low, _ in extremes]), np.max([high for _, high in extremes])
        if mode == "I" and (low < 0 or high > 65535):
            raise ImageError(f"{name}: expected 16-bit samples in 0..65535, got {low}..{high} (mode I)")
        dtype = np.dtype(np.float32 if mode == "F" else np.uint16)
        _check_range(dtype, low, high, name)
        _remark(dtype, high, name, remarks)
    return _in_blocks(size, np.float32 if mode == "F" else np.uint8, orientation, block)


def _is_a_file(array: NDArray[Any]) -> bool:
    """Whether an array holds an encoded image, as from `np.fromfile` (`[n]`) or OpenCV's `imencode` (`[n]` or `[n,1]`)."""
    if array.dtype.kind not in "iu" or array.itemsize != 1 or array.size < 16:
        return False
    flat = array.ndim == 1 or (array.ndim == 2 and 1 in array.shape)
    return flat and (array.ndim == 1 or array.ravel()[:4].tobytes().startswith(_FIRST_BYTES))


def _parts(image: Image.Image) -> Iterator[Image.Image]:
    for rows, columns in _blocks(image.height, image.width):
        yield image.crop((columns.start, rows.start, columns.stop, rows.stop))


def _blocks(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of blocks that cover an image: squares, or longer blocks if the image is narrow."""
    rows = min(height, _BLOCK_SIDE)
    columns = min(width, _BLOCK_SIDE**2 // rows)
    rows = min(height, _BLOCK_SIDE**2 // columns)
    for y in range(0, height, rows):
        for x in range(0, width, columns):
            yield slice(y, min(y + rows, height)), slice(x, min(x + columns, width))


def _in_blocks(size: tuple[int, int], dtype: type[np.uint8 | np.float32], orientation: int, block: _Block) -> Pixels:
    """Fill `[H,W,3]` block by block, each directly in its upright position."""
    height, width = size
    turned = orientation in (5, 6, 7, 8)
    upright: Pixels = np.empty((width, height, 3) if turned else (height, width, 3), dtype)
    stored = upright
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    if turned:
        stored = stored.swapaxes(0, 1)
    for rows, columns in _blocks(height, width):
        stored[rows, columns] = _three_channels(_to_8_bit_range(block(rows, columns)))
    return upright


def _check_dtype(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind not in "biuf":
        raise InvalidType(f"{name}: expected an array of uint8, uint16 or floats in 0..255, got dtype {array.dtype}")


def _check_range(dtype: np.dtype[Any], low: Any, high: Any, name: str) -> None:
    if dtype.kind == "f" and not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{name}: expected finite values in 0..255, got NaN or infinity in a {dtype} array")
    if not _is_16_bit(dtype) and (low < 0 or high > 255):
        raise ImageError(f"{name}: expected values in 0..255, got {low}..{high} in a {dtype} array")


def _remark(dtype: np.dtype[Any], highest: Any, name: str, remarks: list[str]) -> None:
    """Add a remark if the values are so dark that another range must have been meant."""
    if not highest > 0:  # black
        return
    if dtype.kind == "f" and highest <= 1:
        remarks.append(f"{name}: expected floats in 0..255, got none above 1, nearly black; multiply by 255")
    elif _is_16_bit(dtype) and highest <= 255:
        remarks.append(f"{name}: expected 16 bits, 0..65535, got none above 255, nearly black; make 8-bit values uint8")
    elif _is_16_bit(dtype) and highest <= 4095:
        remarks.append(f"{name}: expected 16 bits, 0..65535, got none above 4095, nearly black; multiply 12-bit values by 16")


def _is_16_bit(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "u" and dtype.itemsize == 2


def _to_8_bit_range(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        black_or_white: NDArray[np.uint8] = np.where(array, np.uint8(255), np.uint8(0))
        return black_or_white
    if _is_16_bit(array.dtype):
        # + 128 makes the division by 257 round to nearest; 257 is odd, so there are no ties.
        rounded: NDArray[np.uint32] = (array.astype(np.uint32) + 128) // 257
        return rounded.astype(np.uint8)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.uint8)


def _three_channels(array: NDArray[Any]) -> NDArray[Any]:
    """`[H,W,3]` from `[H,W]`, `[H,W,1]`, `[H,W,3]` or `[H,W,4]`; a single channel is left to broadcasting."""
    if array.ndim == 2:
        return array[:, :, np.newaxis]
    return _on_black(array) if array.shape[2] == 4 else array


def _on_black(rgba: NDArray[Any]) -> NDArray[Any]:
    color, alpha = rgba[:, :, :3], rgba[:, :, 3:]
    if rgba.dtype == np.uint8:
        # round(color * alpha / 255); 255 is odd, so there are no ties.
        rounded: NDArray[np.uint32] = (color.astype(np.uint32) * alpha + 127) // 255
        return rounded.astype(np.uint8)
    exact: NDArray[np.float64] = color.astype(np.float64) * alpha / 255
    return exact.astype(np.float32)


def _shape(array: NDArray[Any]) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"
