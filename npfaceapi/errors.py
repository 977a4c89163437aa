"""All errors and warnings of npfaceapi.  A message is one line: `where: expected X, got Y`, and what to do."""

from __future__ import annotations

import errno
import re
import reprlib

__all__ = [
    "BackendUnavailable",
    "DeviceError",
    "FetchError",
    "GoldenError",
    "ImageError",
    "ImageNotFoundError",
    "InvalidArgument",
    "InvalidType",
    "NpFaceApiError",
    "PhotoWarning",
    "WeightsError",
]


LONGEST = 1000


def one_line(text: str) -> str:
    """A text as one line that a terminal can show: white space collapsed, control characters escaped.

    A very long text loses its middle: messages begin with a name and end with what is wrong.  The user and password of a URL
    are left out.
    """
    line = printable(re.sub(r"(?<=://)[^/?#\s]*@", "***@", " ".join(text.split())))
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]}...{line[-LONGEST // 2 :]}"


def printable(text: str) -> str:
    """A text in which characters that a terminal does not show, or that control it, are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Short(reprlib.Repr):
    """A short `repr` of any value, even of deeply nested lists and of integers too long for `repr`."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 120

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"an integer of {x.bit_length()} bits"


#: A value, for a message: its `repr`, shortened in the middle.
shown = _Short().repr


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; Python, the system and the dynamic loader each report this in their own way."""
    text, cause = str(error).lower(), error.__cause__ or error.__context__
    return (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or "failed to map segment" in text
        or ("cannot allocate memory" in text and "static tls" not in text)
        or (cause is not None and is_out_of_memory(cause))
    )


def reason_of(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class NpFaceApiError(Exception):
    """The base class of all errors of this package.

    Examples
    --------
    >>> try:
    ...     raise InvalidArgument("iou: expected boxes, got 3")
    ... except NpFaceApiError as error:
    ...     print(error)
    iou: expected boxes, got 3
    """

    def __str__(self) -> str:
        return one_line(" ".join(map(str, self.args)))


class InvalidArgument(NpFaceApiError, ValueError):
    """An argument of the right type with an invalid value.

    Examples
    --------
    >>> from npfaceapi import Rect
    >>> Rect(0, 0, -1, 5)
    Traceback (most recent call last):
        ...
    npfaceapi.errors.InvalidArgument: Rect: expected width and height >= 0, got -1.0 x 5.0
    """


class InvalidType(NpFaceApiError, TypeError):
    """An argument of a type that is not accepted.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> load_image(3)
    Traceback (most recent call last):
        ...
    npfaceapi.errors.InvalidType: photo: expected a path, URL, bytes, binary file, PIL image or array, got int
    """


class ImageError(InvalidArgument):
    """A photo that cannot be read or decoded, or an array that is not an image.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> load_image(b"no photo")
    Traceback (most recent call last):
        ...
    npfaceapi.errors.ImageError: photo (8 bytes): expected an image file (JPEG, PNG, WebP, GIF, TIFF, BMP, ...), got
    something else
    """


class ImageNotFoundError(ImageError, FileNotFoundError):
    """The path of a photo does not exist.

    Examples
    --------
    >>> from npfaceapi import load_image
    >>> load_image("nowhere.png")
    Traceback (most recent call last):
        ...
    npfaceapi.errors.ImageNotFoundError: nowhere.png: expected an image file, got no such file
    """


class FetchError(NpFaceApiError, OSError):
    """A URL or a file behind one could not be fetched.

    Examples
    --------
    >>> from npfaceapi import fetch_json
    >>> fetch_json("nowhere.json")
    Traceback (most recent call last):
        ...
    npfaceapi.errors.FetchError: nowhere.json: expected a file that can be read, got: No such file or directory
    """


class WeightsError(NpFaceApiError, ValueError):
    """Model weights that are missing, damaged or of the wrong shape; names file and tensor.

    Examples
    --------
    >>> from npfaceapi import FaceRecognitionNet
    >>> FaceRecognitionNet().serialize_params()
    Traceback (most recent call last):
        ...
    npfaceapi.errors.WeightsError: FaceRecognitionNet: expected weights before use, got none: call net.load() for the
    bundled ones
    """


class GoldenError(NpFaceApiError, ValueError):
    """Golden cases that are missing or damaged.

    Examples
    --------
    >>> from npfaceapi.conformance.golden import GoldenCases
    >>> GoldenCases("nowhere")
    Traceback (most recent call last):
        ...
    npfaceapi.errors.GoldenError: nowhere/cases.json: expected a file of golden cases, got No such file or directory
    """


class BackendUnavailable(NpFaceApiError, RuntimeError):
    """A backend that cannot run here; says what to install.

    Examples
    --------
    >>> issubclass(BackendUnavailable, NpFaceApiError), issubclass(BackendUnavailable, RuntimeError)
    (True, True)
    """


class DeviceError(NpFaceApiError, RuntimeError):
    """A GPU that failed during a call: out of memory, or lost.

    Examples
    --------
    >>> issubclass(DeviceError, NpFaceApiError), issubclass(DeviceError, RuntimeError)
    (True, True)
    """


class PhotoWarning(UserWarning):
    """A photo that was read, but perhaps not as intended; names the photo and the remedy.

    Examples
    --------
    >>> import warnings
    >>> from npfaceapi import load_image
    >>> with warnings.catch_warnings(action="ignore", category=PhotoWarning):
    ...     load_image("golden/images/astronaut.png").shape
    (512, 512, 3)
    """

    def __str__(self) -> str:
        return one_line(" ".join(map(str, self.args)))
