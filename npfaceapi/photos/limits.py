"""The limit on the size of photos: a small file can decode to any number of pixels."""

from __future__ import annotations

import math
import numbers
import os
from typing import Any

from npfaceapi.errors import ImageError, InvalidArgument

__all__ = ["TooManyPixels", "check_size", "max_pixels", "own_pillow", "set_max_megapixels"]

_VARIABLE = "NPFACEAPI_MAX_MEGAPIXELS"

_of_the_process: float | None = None
_owns_pillow = False


class TooManyPixels(ImageError):
    """A photo with more pixels than the limit."""


def set_max_megapixels(megapixels: float | None) -> None:
    """Limit the size of photos, in millions of pixels, for the whole process; a larger photo is refused before it is decoded.

    Arrays, and PIL images whose pixels are already in memory, are not checked.

    Parameters
    ----------
    megapixels : float or None
        More than 0; `math.inf` for no limit.  None, the initial value: the environment variable `NPFACEAPI_MAX_MEGAPIXELS`,
        or else `PIL.Image.MAX_IMAGE_PIXELS`, which is 89 million unless the program has changed it.

    Raises
    ------
    InvalidArgument
        If `megapixels` is not a number above 0.

    Examples
    --------
    >>> set_max_megapixels(200)
    >>> set_max_megapixels(None)
    """
    global _of_the_process
    if megapixels is None:
        _of_the_process = None
        return
    number: Any = megapixels  # a caller may pass anything
    if isinstance(number, bool) or not isinstance(number, numbers.Real) or not number > 0:  # type: ignore[operator]
        raise InvalidArgument(f"set_max_megapixels: expected a number above 0, or None, got {number!r}")
    _of_the_process = float(number)


def own_pillow() -> None:
    """Declare the process one of our commands: if a limit is set, Pillow's own, which some formats check, is disabled."""
    global _owns_pillow
    _owns_pillow = True


def max_pixels() -> float:
    """The current limit on the pixels of a photo."""
    from PIL import Image

    megapixels = _of_the_process
    if megapixels is None and (text := os.environ.get(_VARIABLE)):
        try:
            megapixels = float(text)
        except ValueError:
            megapixels = math.nan
        if not megapixels > 0:
            raise InvalidArgument(f"{_VARIABLE}: expected a number above 0, got {text!r}")
    if megapixels is None:
        return math.inf if Image.MAX_IMAGE_PIXELS is None else Image.MAX_IMAGE_PIXELS
    if _owns_pillow:
        Image.MAX_IMAGE_PIXELS = None
    return megapixels * 1e6


def check_size(name: str, size: tuple[int, int]) -> None:
    """Refuse a photo with no pixels or with too many; `size` is width and height."""
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: expected an image of at least 1x1 pixels, got {width}x{height}")
    pixels, most = width * height, max_pixels()
    if pixels > most:
        enough = math.ceil(pixels / 1e6)
        raise TooManyPixels(
            f"{name}: expected a photo of at most {most / 1e6:.3g} megapixels, got {width}x{height}, {pixels} pixels, perhaps a"
            f" decompression bomb; if you trust it, set {_VARIABLE}={enough}, or call npfaceapi.set_max_megapixels({enough}),"
            f" or say --max-megapixels {enough}"
        )
