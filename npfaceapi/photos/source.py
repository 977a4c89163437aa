"""Finding the photo of a result again.

Results do not keep their photo: a list of thousands of them would hold gigabytes.  A `PhotoSource` keeps only the path of a
file, or a weak reference to the caller's array or image, which is valid as long as the caller keeps it.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

import numpy as np

from npfaceapi.errors import NpFaceApiError
from npfaceapi.photos.decoding import Pixels, is_pil_image
from npfaceapi.photos.fetch import is_url
from npfaceapi.photos.loading import Photo, is_data_uri, load_image

__all__ = ["PhotoSource"]


class PhotoSource:
    """A reference to a photo; `read()` returns its pixels, or None.

    Examples
    --------
    >>> photo = np.zeros((4, 6, 3), np.uint8)
    >>> PhotoSource(photo, (6, 4)).read().shape
    (4, 6, 3)
    >>> print(PhotoSource(np.zeros((4, 6, 3), np.uint8), (6, 4)).read())
    None
    """

    __slots__ = ("_object", "_path", "size")

    def __init__(self, photo: Photo | None, size: tuple[int, int]) -> None:
        self.size = size  # width, height
        self._path: str | None = None
        self._object: weakref.ref[Any] | None = None
        if isinstance(photo, np.ndarray) or is_pil_image(photo):
            self._object = weakref.ref(photo)
        elif isinstance(photo, (str, os.PathLike)) and not (isinstance(photo, str) and (is_url(photo) or is_data_uri(photo))):
            self._path = os.path.abspath(os.fsdecode(photo))

    def read(self) -> Pixels | None:
        """The pixels [H,W,3], or None if the photo is gone, was never known, or has another size now."""
        photo = self._path if self._object is None else self._object()
        if photo is None:
            return None
        try:
            pixels = load_image(photo)
        except (NpFaceApiError, OSError):
            return None
        return pixels if (pixels.shape[1], pixels.shape[0]) == self.size else None

    def __reduce__(self) -> tuple[object, ...]:
        return PhotoSource, (self._path, self.size)
