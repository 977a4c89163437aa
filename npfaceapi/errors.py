"""Every error that npfaceapi raises on purpose.  Messages are one line: `where: expected X, got Y`, and what to do."""

from __future__ import annotations

__all__ = [
    "BackendUnavailable",
    "FetchError",
    "GoldenError",
    "ImageError",
    "ImageNotFoundError",
    "InvalidArgument",
    "InvalidType",
    "NpFaceApiError",
    "WeightsError",
]


class NpFaceApiError(Exception):
    """The root of all errors of this package."""


class InvalidArgument(NpFaceApiError, ValueError):
    """An argument of the right type with a value that makes no sense."""


class InvalidType(NpFaceApiError, TypeError):
    """An argument of a type that is not accepted."""


class ImageError(InvalidArgument):
    """A photo that cannot be read or decoded, or an array that is no image."""


class ImageNotFoundError(ImageError, FileNotFoundError):
    """The path of a photo does not exist."""

    def __str__(self) -> str:  # OSError's own __str__ would print an errno
        return str(self.args[0]) if self.args else ""


class FetchError(NpFaceApiError, OSError):
    """A URL or a file behind one could not be fetched."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class WeightsError(NpFaceApiError, ValueError):
    """Model weights that are missing, damaged or of the wrong shape; names file and tensor."""


class GoldenError(NpFaceApiError, ValueError):
    """Golden cases that are missing or damaged."""


class BackendUnavailable(NpFaceApiError, RuntimeError):
    """A backend that cannot run here; says what to install."""
