"""Every error and warning of npfaceapi's own.  Messages are one line: `where: expected X, got Y`, and what to do."""

from __future__ import annotations

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
    """A text as one line that a terminal can show: white space folded, control characters escaped.

    A very long one loses its middle: messages begin with a name and end with what is wrong.
    """
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]}...{shown[-LONGEST // 2 :]}"


class NpFaceApiError(Exception):
    """The root of all errors of this package."""

    def __str__(self) -> str:
        return one_line(" ".join(map(str, self.args)))


class InvalidArgument(NpFaceApiError, ValueError):
    """An argument of the right type with a value that makes no sense."""


class InvalidType(NpFaceApiError, TypeError):
    """An argument of a type that is not accepted."""


class ImageError(InvalidArgument):
    """A photo that cannot be read or decoded, or an array that is no image."""


class ImageNotFoundError(ImageError, FileNotFoundError):
    """The path of a photo does not exist."""


class FetchError(NpFaceApiError, OSError):
    """A URL or a file behind one could not be fetched."""


class WeightsError(NpFaceApiError, ValueError):
    """Model weights that are missing, damaged or of the wrong shape; names file and tensor."""


class GoldenError(NpFaceApiError, ValueError):
    """Golden cases that are missing or damaged."""


class BackendUnavailable(NpFaceApiError, RuntimeError):
    """A backend that cannot run here; says what to install."""


class DeviceError(NpFaceApiError, RuntimeError):
    """A GPU that failed during a call: out of memory, or lost."""


class PhotoWarning(UserWarning):
    """A photo that was read, though perhaps not as it was meant; names the photo and the remedy."""

    def __str__(self) -> str:
        return one_line(" ".join(map(str, self.args)))
