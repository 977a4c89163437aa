"""Decoding: from a photo file, a PIL image or an array to pixels `[H,W,3]`.

Decoding happens in one fixed way: the first frame, EXIF orientation applied, ICC profiles ignored, alpha
composited on black, gray copied to three channels, 16-bit samples as round(v/257).
"""

from __future__ import annotations

import base64
import binascii
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import ImageError, InvalidType, NpFaceApiError
from npfaceapi.photos.containers import pixels_alone
from npfaceapi.photos.exclusive import exclusive
from npfaceapi.photos.limits import check_size, set_max_megapixels
from npfaceapi.photos.messages import tell, telling
from npfaceapi.photos.pixels import Pixels, array_pixels, pixels_of
from npfaceapi.photos.tiff import exif_size

if TYPE_CHECKING:
    from PIL import Image, ImageFile

__all__ = [
    "Pixels",
    "buffer_to_image",
    "decode_array",
    "decode_file",
    "decode_pil",
    "is_base64",
    "is_pil_image",
    "photo_suffixes",
    "set_max_megapixels",
    "to_pil",
]

#: The formats that are opened, by Pillow's names: formats of photos that are decoded in this process.  Not those that
#: Pillow passes to a program (EPS, WMF) or a handler (BUFR, GRIB, HDF5), or that contain other files (ICNS, IPTC).
FORMATS = (
    "JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "HEIF", "JXL", "JPEG2000", "MPO", "DIB", "PSD", "QOI", "SGI",
    "SUN", "PCX", "PCD", "TGA",
)  # fmt: skip

_OTHER_FILES = {".bw", ".icb", ".pcd", ".ras", ".rgb", ".rgba", ".vda", ".vst"}  # point clouds, plugins, raw pixels, ...
_EXIF_ORIENTATION = 0x0112
_NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)  # Pillow takes these to mean "not this format"

#: The first bytes of files that need a plugin or are not images.
_FIRST_BYTES = (
    (b"\xff\x0a", "JPEG XL; pip install pillow-jxl-plugin, and import pillow_jxl"),
    (b"\0\0\0\x0cJXL ", "JPEG XL; pip install pillow-jxl-plugin, and import pillow_jxl"),
    (b"%PDF", "PDF; convert it to PNG first"),
    (b"<", "HTML, XML or SVG"),
    (b"data:", "a data URI as bytes; pass it as str"),
)
#: The first bytes of JPEG and PNG: Pillow's decoders of these write nothing to standard error.
_DECODED_QUIETLY = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")


def buffer_to_image(buf: bytes | bytearray | memoryview) -> Image.Image:
    """Decode the bytes of an image file.

    Parameters
    ----------
    buf : bytes, bytearray or memoryview
        A whole JPEG, PNG, WebP, … file.

    Returns
    -------
    PIL.Image.Image
        Mode RGB; orientation, alpha, palette and 16 bits are handled as in `load_image`.

    Raises
    ------
    ImageError
        If the bytes are not an image, or a damaged one.

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
    """Whether `photo` is a PIL image, without importing Pillow: a caller that has one has imported it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(photo, module.Image)


def photo_suffixes() -> frozenset[str]:
    """The file name suffixes, such as ".jpg", of readable photos, including those of Pillow's plugins.

    Suffixes that are more common for other kinds of files are left out; such a file can still be read by its path.
    """
    from PIL import Image

    Image.init()
    _register_heif()
    known = Image.EXTENSION.items()
    photos = {suffix for suffix, kind in known if kind in FORMATS and (kind in Image.OPEN or kind == "MPO")}
    return frozenset(photos - _OTHER_FILES)


def decode_array(array: NDArray[np.generic], name: str) -> Pixels:
    """An image array as C-contiguous `[H,W,3]`: uint8 for integers, float32 for floats; see `load_image`."""
    remarks: list[str] = []
    pixels = array_pixels(array, name, remarks)
    tell(remarks)
    return pixels


def decode_file(file: IO[bytes], name: str) -> Pixels:
    """Pixels `[H,W,3]` (uint8, or float32 for a float image) of an open image file; `name` is used in error messages."""
    file.seek(0)
    quiet = file.read(8).startswith(_DECODED_QUIETLY)
    with telling(name, standard_error=not quiet) as remarks:
        return _decode_file(file, name, remarks)


def decode_pil(image: Image.Image, name: str) -> Pixels:
    """Pixels `[H,W,3]` (uint8, or float32 for mode F) of a PIL image, which is loaded if necessary and otherwise not changed."""
    file = getattr(image, "fp", None)
    with exclusive(image), exclusive(image if file is None else file), telling(name) as remarks:
        _check_pil(image, name)
        with _pillow_at_work(name):
            try:
                image.load()
            except MemoryError:
                raise
            except Exception as error:
                if "closed" in str(error):
                    raise _closed(name) from None
                again = _decode_again(image, name, remarks)  # perhaps only the metadata is damaged
                if again is None:
                    raise
                return again
            return pixels_of(image, name, _orientation(image, name, remarks), remarks)


def is_base64(text: str | bytes) -> bool:
    """Whether a text looks like an image file in base64, by its first characters."""
    start = text[:64].encode("ascii", "replace") if isinstance(text, str) else bytes(text[:64])
    start = b"".join(start.split()).translate(bytes.maketrans(b"-_", b"+/"))[:16]
    try:
        data = base64.b64decode(start, validate=True)
    except binascii.Error:
        return False
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")) or data[4:8] == b"ftyp"


def _decode_file(file: IO[bytes], name: str, remarks: list[str]) -> Pixels:
    alone, orientation = pixels_alone(file, name, remarks)
    with _open(alone, name) as image:
        check_size(name, image.size)
        with _pillow_at_work(name):
            image.load()
            check_size(name, image.size)  # some formats report the size only now
            if orientation is None:
                orientation = _orientation(image, name, remarks)
            return pixels_of(image, name, orientation, remarks)


def _open(file: IO[bytes], name: str) -> ImageFile.ImageFile:
    """`Image.open` for our formats and with our own limit: Pillow warns at one size and raises at another."""
    from PIL import Image

    Image.preinit()
    file.seek(0)
    start = file.read(64)
    if _is_heif(start):
        _register_heif()
    reason: Exception | None = None
    for kind in FORMATS:
        if kind not in Image.OPEN:
            Image.init()
        factory, accept = Image.OPEN.get(kind, (None, None))
        if factory is None or (accept is None and _other_kind(start) not in (None, "CUR")):  # a TGA file can begin like a cursor
            continue
        accepted: bool | str = False
        try:
            with _pillow_at_work(name, *_NOT_THIS_FORMAT):
                accepted = accept is None or accept(start[:16])
                if accepted and not isinstance(accepted, str):  # a string: the decoder is not installed
                    file.seek(0)
                    return factory(file, "")
        except _NOT_THIS_FORMAT as error:
            if accept is not None and accepted:
                reason = error
    if reason is not None:
        raise _refusal(name, reason) from None
    raise ImageError(f"{name}: expected an image file (JPEG, PNG, WebP, GIF, TIFF, BMP, ...), got {_what_it_is(start)}")


def _is_heif(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def _register_heif() -> None:
    """Let Pillow read HEIC, if the extra `heif` is installed."""
    from PIL import Image

    if "HEIF" not in Image.OPEN:
        with suppress(ImportError):
            import pillow_heif

            pillow_heif.register_heif_opener()


def _other_kind(start: bytes) -> str | None:
    """The format of a file according to Pillow, if it is not one of `FORMATS`."""
    from PIL import Image

    for kind, (_, accept) in Image.OPEN.items():
        with suppress(*_NOT_THIS_FORMAT):
            if kind not in FORMATS and accept is not None and accept(start[:16]) is True:
                return "PostScript" if kind == "EPS" else kind
    return None


def _what_it_is(start: bytes) -> str:
    if not start:
        return "no bytes at all"
    for first, what in _FIRST_BYTES:
        if start.lstrip().lower().startswith(first.lower()):
            return what
    if _is_heif(start):
        return "HEIF (HEIC); pip install pillow-heif"
    if start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis"):
        return "AVIF; pip install --upgrade pillow"
    if is_base64(start):
        return "base64 text; pass base64.b64decode(text)"
    if kind := _other_kind(start):
        return f"{kind}, which is not read here; convert it to PNG, or pass a PIL image that is loaded"
    return "something else"


def _check_pil(image: Image.Image, name: str) -> None:
    """Refuse an image without pixels, and one that is not loaded yet if its file would be refused."""
    from PIL import ImageFile

    if 0 in image.size:
        raise ImageError(f"{name}: expected an image of at least 1x1 pixels, got {image.width}x{image.height}")
    in_memory = image.__dict__.get("_im", image.__dict__.get("im"))  # the latter before Pillow 11
    if not isinstance(image, ImageFile.ImageFile) or in_memory is not None:
        return
    if image.format not in FORMATS:
        raise ImageError(f"{name}: expected a format of photos, got {image.format}; if you trust it, call image.load() first")
    check_size(name, image.size)
    if image.tile and (image.fp is None or getattr(image.fp, "closed", False)):
        raise _closed(name)


def _decode_again(image: Image.Image, name: str, remarks: list[str]) -> Pixels | None:
    """The pixels of a PIL image that could not be loaded, decoded from its file; None if that is impossible."""
    file = getattr(image, "fp", None)
    if image.format not in ("PNG", "TIFF") or file is None or image.tell() != 0:
        return None
    again = _decode_file(file, name, remarks)
    return again if sorted(again.shape[:2]) == sorted(image.size) else None


@contextmanager
def _pillow_at_work(name: str, *passes: type[Exception]) -> Iterator[None]:
    """Turn what Pillow raises on a damaged file (struct.error, zlib.error, ...) into an ImageError."""
    unchanged: tuple[type[Exception], ...] = (NpFaceApiError, MemoryError, *passes)
    try:
        yield
    except unchanged:
        raise
    except Exception as error:
        raise _refusal(name, error) from error


def _orientation(image: Image.Image, name: str, remarks: list[str]) -> int:
    """The EXIF orientation, except for an image that has been rotated: Pillow then keeps the tag."""
    from PIL import ImageFile

    try:
        orientation = int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged EXIF data does not affect the pixels
        return 1
    if orientation not in (5, 6, 7, 8) or isinstance(image, ImageFile.ImageFile):
        return orientation
    exif = image.info.get("exif")
    taken = exif_size(exif) if isinstance(exif, bytes) else None
    if taken is not None and taken[0] != taken[1] and image.size == taken[::-1]:
        return 1
    if taken is None and image.height > image.width:
        remarks.append(
            f"{name}: EXIF says to turn this upright image of {image.width}x{image.height} pixels, and it was turned; if it had"
            " been turned before, turn it by ImageOps.exif_transpose: after rotate() and transpose() Pillow keeps the EXIF tag"
        )
    return orientation


def _refusal(name: str, error: Exception) -> ImageError:
    from PIL import Image

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return ImageError(
            f"{name}: expected a photo of a usual size, got a possible decompression bomb ({text.rstrip('.')});"
            " if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    return ImageError(f"{name}: expected a whole image, got a damaged or unsupported one ({text})")


def _closed(name: str) -> ImageError:
    return ImageError(f"{name}: expected an open PIL image, got one that is closed; call image.load() before it is")
