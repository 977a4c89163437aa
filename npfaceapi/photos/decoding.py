"""Decoding: what is inside a photo file, a PIL image or an array, as pixels `[H,W,3]`.

Decoding happens in one fixed way: the first frame, EXIF orientation applied, ICC profiles ignored, alpha
composited on black, gray copied to three channels, 16-bit samples as round(v/257).
"""

from __future__ import annotations

import math
import sys
import warnings
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import ImageError, InvalidType
from npfaceapi.locks import ForkSafeLock

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Pixels", "buffer_to_image", "decode_array", "decode_file", "decode_pil", "is_pil_image", "to_pil"]

#: A decoded photo [H,W,3]: uint8, or float32 in 0..255.
Pixels: TypeAlias = NDArray[np.uint8 | np.float32]

_EXIF_ORIENTATION = 0x0112
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")

# Pillow reports a decompression bomb by a warning, and the filters that turn it into an error belong to the whole process.
_open_lock = ForkSafeLock()


def buffer_to_image(buf: bytes | bytearray | memoryview) -> Image.Image:
    """Decode the bytes of an image file.

    Parameters
    ----------
    buf : bytes, bytearray or memoryview
        A whole JPEG, PNG, WebP, … file.

    Returns
    -------
    PIL.Image.Image
        Mode RGB; orientation, alpha, palette and 16 bits handled as everywhere in this package.

    Raises
    ------
    ImageError
        If the bytes are no image, or a damaged one.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (4, 3), 200).save(file, "PNG")
    >>> buffer_to_image(file.getvalue()).getpixel((0, 0))
    (200, 200, 200)
    """
    import io

    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise InvalidType(f"buffer_to_image: expected bytes, got {type(buf).__name__}")
    return to_pil(decode_file(io.BytesIO(buf), f"{len(buf)} bytes"))


def to_pil(pixels: Pixels) -> Image.Image:
    """Pixels `[H,W,3]` uint8, or float in 0..255 (rounded half up), as an RGB image."""
    from PIL import Image

    if pixels.dtype != np.uint8:
        pixels = np.floor(pixels.astype(np.float64) + 0.5).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


def is_pil_image(photo: object) -> bool:
    """Whether `photo` is a PIL image, without importing Pillow: who has one has imported it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(photo, module.Image)


def decode_file(file: IO[bytes], name: str) -> Pixels:
    """Pixels `[H,W,3]` (uint8, or float32 for a float image) of an open image file; `name` stands in the errors."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _open_lock, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name, error) from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: expected an image file (JPEG, PNG, WebP, GIF, TIFF, BMP, ...), got something else") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged header may raise anything: struct.error, SyntaxError, zlib.error, ...
        raise _damaged(name, error) from error
    with image:
        if image.format == "EPS":  # Pillow would run Ghostscript on it
            raise ImageError(f"{name}: expected an image file of pixels, got PostScript; convert it to PNG first")
        return decode_pil(image, name)


def decode_pil(image: Image.Image, name: str) -> Pixels:
    """Pixels `[H,W,3]` (uint8, or float32 for mode F) of a PIL image; the image itself is not changed."""
    from PIL import Image

    if 0 in image.size:
        raise ImageError(f"{name}: expected an image of at least 1x1 pixels, got {image.width}x{image.height}")
    try:
        image.load()
        # Only now: loading a TIFF already turns it upright and takes the tag away.
        return _upright(_pixels(image, name), _orientation(image))
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name, error) from None
    except Exception as error:
        raise _damaged(name, error) from error


def decode_array(array: NDArray[np.generic], name: str) -> Pixels:
    """An array that is an image, as C-contiguous `[H,W,3]`: uint8 for integers, float32 for floats.

    Accepts `[H,W,3]`, `[H,W,4]`, `[H,W,1]`, `[H,W]` and `[1,H,W,3]`; uint8; uint16 (round(v/257)); other integers and
    floats with values in 0..255; bool (0 and 255).  A uint8 array that is already right is returned as it is.
    """
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
    return np.ascontiguousarray(_three_channels(_to_8_bit_range(array, name)))


def _to_8_bit_range(array: NDArray[Any], name: str) -> NDArray[Any]:
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind == "b":
        black_or_white: NDArray[np.uint8] = np.where(array, np.uint8(255), np.uint8(0))
        return black_or_white
    if kind == "u" and array.dtype.itemsize == 2:
        # + 128 makes the division by 257 round half up, and 257 is odd, so that no value lies on a half.
        rounded: NDArray[np.uint32] = (array.astype(np.uint32) + 128) // 257
        return rounded.astype(np.uint8)
    if kind not in "iuf":
        raise InvalidType(f"{name}: expected an array of uint8, uint16 or floats in 0..255, got dtype {array.dtype}")
    low, high = array.min(), array.max()
    if kind == "f" and not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{name}: expected finite values in 0..255, got NaN or infinity in a {array.dtype} array")
    if low < 0 or high > 255:
        raise ImageError(f"{name}: expected values in 0..255, got {low}..{high} in a {array.dtype} array")
    return array.astype(np.float32 if kind == "f" else np.uint8)


def _three_channels(array: NDArray[Any]) -> NDArray[Any]:
    channels = array.shape[2]
    if channels == 1:
        return np.repeat(array, 3, axis=2)
    return _on_black(array) if channels == 4 else array


def _on_black(rgba: NDArray[Any]) -> NDArray[Any]:
    color, alpha = rgba[:, :, :3], rgba[:, :, 3:]
    if rgba.dtype == np.uint8:
        # round(color * alpha / 255); 255 is odd, so that no value lies on a half.
        rounded: NDArray[np.uint32] = (color.astype(np.uint32) * alpha + 127) // 255
        return rounded.astype(np.uint8)
    exact: NDArray[np.float64] = color.astype(np.float64) * alpha / 255
    return exact.astype(np.float32)


def _pixels(image: Image.Image, name: str) -> NDArray[Any]:
    mode = image.mode
    if mode in _SIXTEEN_BIT_MODES:
        samples = np.asarray(image)
        if mode == "I" and (samples.min() < 0 or samples.max() > 65535):
            raise ImageError(f"{name}: expected 16-bit samples in 0..65535, got {samples.min()}..{samples.max()} (mode I)")
        return decode_array(samples.astype(np.uint16), name)
    if mode == "F":
        return decode_array(np.asarray(image), name)
    if mode in _ALPHA_MODES or "transparency" in image.info:
        return decode_array(np.asarray(image.convert("RGBA")), name)
    return np.asarray(image if mode == "RGB" else image.convert("RGB"))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged EXIF data does not make the pixels wrong
        return 1


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """EXIF orientation 1..8 applied; other values mean nothing and change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _shape(array: NDArray[Any]) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _bomb(name: str, error: Warning | Exception) -> ImageError:
    text = " ".join(str(error).split()).rstrip(".")
    return ImageError(
        f"{name}: expected a photo of a usual size, got a possible decompression bomb ({text});"
        " if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS"
    )


def _damaged(name: str, error: Exception) -> ImageError:
    text = " ".join(str(error).split()) or type(error).__name__
    return ImageError(f"{name}: expected a whole image, got a damaged or unsupported one ({text})")


def photo_suffixes() -> frozenset[str]:
    """Endings of the names of photos, in lower case with the dot."""
    return frozenset(
        {".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".jp2", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
    )
