"""Reading a photo from any supported source: a path, a URL, a data URI, bytes, a file object, a PIL image, an array."""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import ImageError, ImageNotFoundError, InvalidType, NpFaceApiError, shown
from npfaceapi.photos.decoding import decode_array, decode_file, decode_pil, is_base64, is_pil_image
from npfaceapi.photos.exclusive import exclusive
from npfaceapi.photos.fetch import fetch_or_throw, is_url
from npfaceapi.photos.pixels import Pixels

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Photo", "is_data_uri", "load_image"]

#: The types accepted as a photo; see `load_image`.
Photo: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Image.Image | NDArray[np.generic]"

_DATA_URI = re.compile(r"\s*data(:|%3a)", re.IGNORECASE)


def load_image(photo: Photo, name: str = "photo") -> Pixels:
    """Read a photo into pixels.

    Parameters
    ----------
    photo : str, os.PathLike, bytes, binary file object, PIL.Image.Image or ndarray
        A path, a `http(s)://` or `file:` URL, a `data:` URI, the bytes of an image file, an open file (read from its start), a
        PIL image, or an array: `[H,W,3]`, `[H,W,4]` (composited on black), `[H,W]`, `[H,W,1]`, `[1,H,W,3]`; uint8, uint16
        (round(v/257)), bool, other integers and floats in 0..255.  RGB, upright by EXIF, first frame, colour profiles ignored.
    name : str
        The name in error messages of a photo that has none.

    Returns
    -------
    ndarray
        `[H,W,3]`, C-contiguous, uint8, or float32 in 0..255 for floats.  Do not write to it: it can be the caller's array.
        Besides it and the decoder's own memory, reading needs a few megabytes, whatever the size.

    Raises
    ------
    ImageError, InvalidType, FetchError
        Not an image, damaged, larger than `set_max_megapixels` allows, empty, wrong shape or values; an unsupported type; a
        URL that cannot be fetched.  Exceptions raised by the caller's own object are passed on unchanged.

    Warns
    -----
    PhotoWarning
        The photo was read, but perhaps not as intended: floats in 0..1, a thumbnail, a warning of Pillow.

    Examples
    --------
    >>> load_image(np.zeros((4, 6), np.uint8)).shape
    (4, 6, 3)
    """
    if not isinstance(name, str):
        raise InvalidType(f"load_image: expected name to be a string, got {shown(name)}")
    if isinstance(photo, np.ndarray):
        return decode_array(photo, name)
    if isinstance(photo, str):
        if is_data_uri(photo):
            return _load_bytes(_data_of(photo, name), name)
        if is_url(photo):
            return decode_file(io.BytesIO(fetch_or_throw(photo)), photo)
    if isinstance(photo, (str, os.PathLike)):
        return _load_path(photo, name)
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return _load_bytes(photo, name)
    if is_pil_image(photo):
        filename = getattr(photo, "filename", "")
        return decode_pil(photo, os.fsdecode(filename) if filename and isinstance(filename, (str, bytes)) else name)  # type: ignore[arg-type]
    if callable(getattr(photo, "read", None)) and not isinstance(photo, type):
        return _load_file(photo, name)
    raise InvalidType(
        f"{name}: expected a path, URL, bytes, binary file, PIL image or array, got {type(photo).__name__}{_hint(photo)}"
    )


def is_data_uri(text: str) -> bool:
    """Whether a string is a `data:` URI, percent-encoded or not."""
    return _DATA_URI.match(text) is not None


def _data_of(uri: str, name: str) -> bytes:
    """The content of a `data:` URI, such as one made by `canvas.toDataURL()`."""
    from urllib.parse import unquote, unquote_to_bytes

    if "," not in uri:
        uri = unquote(uri)
    header, _, text = uri.partition(",")
    data = unquote_to_bytes(text)
    if not "".join(unquote(header).split()).lower().endswith(";base64"):
        return data
    data = b"".join(data.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error as error:
        raise ImageError(f"{name}: expected base64 in a data URI, got {len(data)} characters outside base64 ({error})") from None


def _load_bytes(data: bytes | bytearray | memoryview, name: str) -> Pixels:
    if isinstance(data, memoryview):
        try:
            data = data.tobytes()  # it may have strides, and items larger than a byte
        except ValueError as error:
            raise ImageError(f"{name}: expected bytes, got: {error}") from None
    return decode_file(io.BytesIO(data), f"{name} ({len(data)} bytes)")


def _load_path(photo: str | os.PathLike[str], name: str) -> Pixels:
    path = photo if isinstance(photo, str) else photo.__fspath__()
    if not isinstance(path, (str, bytes)):
        raise InvalidType(f"{name}: expected a path, got {type(photo).__name__} whose __fspath__ gives {type(path).__name__}")
    own_name = os.fsdecode(path)
    try:
        with open(path, "rb") as file:
            # Pillow reads only what it needs of a file that can be rewound; a pipe cannot.
            return decode_file(file if file.seekable() else io.BytesIO(file.read()), own_name)
    except NpFaceApiError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        if is_base64(own_name):
            raise ImageError(f"{name}: expected a path, got base64 text; pass base64.b64decode(text)") from None
        if isinstance(error, FileNotFoundError):
            raise ImageNotFoundError(f"{own_name}: expected an image file, got no such file") from None
        if isinstance(error, IsADirectoryError):
            raise ImageError(f"{own_name}: expected an image file, got a folder") from None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageError(f"{own_name}: expected a file that can be read, got: {reason}") from None


def _load_file(file: Any, name: str) -> Pixels:
    own_name = getattr(file, "name", None)
    name = own_name if isinstance(own_name, str) else name
    if isinstance(file, io.TextIOBase):
        raise InvalidType(f'{name}: expected a binary file, got one opened as text; open it with mode "rb"')
    with exclusive(file):
        try:
            seekable = getattr(file, "seekable", None)
            if _answer(file, seekable, name) if callable(seekable) else hasattr(file, "seek"):
                _answer(file, file.seek, name, 0)
            data = _answer(file, file.read, name)
        except (OSError, ValueError) as error:  # ValueError: a closed file
            if isinstance(error, NpFaceApiError):
                raise
            raise ImageError(f"{name}: expected a file that can be read, got: {error}") from None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidType(f"{name}: expected a binary file, got one that reads {type(data).__name__}")
    return decode_file(io.BytesIO(data), name)


def _answer(file: Any, method: Any, name: str, *arguments: Any) -> Any:
    """The result of a method of a file; refuses an asynchronous file, whose methods return awaitables."""
    import inspect

    answer = None if inspect.iscoroutinefunction(method) else method(*arguments)
    if inspect.iscoroutinefunction(method) or inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()  # otherwise Python warns that it was never awaited
        raise InvalidType(
            f"{name}: expected a binary file, got an asynchronous one ({type(file).__name__}); pass await file.read()"
        )
    return answer


def _hint(photo: object) -> str:
    import inspect

    if inspect.iscoroutine(photo):
        photo.close()
        return "; await it first"
    return "; pass numpy.asarray(photo)" if hasattr(photo, "__array__") else ""
