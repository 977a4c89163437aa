"""Face chips: upright crops of one size, resampled from the photo by a similarity transform.

Each pixel of a chip is the mean of n x n samples of the photo, spread evenly over it, with n the number of pixels of the
photo that one of the chip covers, rounded up, so that no pixel is skipped when a face is shrunk.  Samples are
interpolated bilinearly between four pixels; outside the photo is black.

The NumPy code here is the definition; a backend that has a kernel for it (numba) gives the same bits faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from npfaceapi.engines.dispatch import resampling_kernel
from npfaceapi.faces.alignment import CHIP_PADDING, CHIP_SIZE, Similarity, chip_similarity
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.photos.decoding import Pixels
from npfaceapi.photos.loading import Photo, load_image

__all__ = ["extract_face_chip", "resample"]

MOST_SAMPLES = 32  # per side, for one pixel of a chip: a face of 4,800 pixels


def extract_face_chip(
    photo: Photo, landmarks: FaceLandmarks68, size: int = CHIP_SIZE, padding: float = CHIP_PADDING
) -> NDArray[np.float32]:
    """Crop a face as in the training of dlib's recognition network: upright, with the eyes and the nose at fixed positions.

    Parameters
    ----------
    photo : photo
        See `load_image`.
    landmarks : FaceLandmarks68
        The 68 points of the face, in pixels of the photo.
    size : int
        The side of the chip in pixels, 1 to 4096.
    padding : float
        The margin on each side, in units of the mean face, from 0 up.

    Returns
    -------
    ndarray
        float32 `[size,size,3]` in 0..255.

    Raises
    ------
    ImageError, InvalidArgument, InvalidType
        If the photo cannot be read, or an argument is invalid.

    Notes
    -----
    Source: dlib, `get_face_chip`, which halves a photo until the face is at most twice as large as the chip and then
    interpolates, so its pixels differ by a few gray levels.

    Examples
    --------
    >>> from npfaceapi.faces.landmarks import FaceLandmarks68
    >>> points = FaceLandmarks68(np.random.default_rng(0).random((68, 2)), (40, 60))
    >>> extract_face_chip(np.full((60, 40, 3), 9, np.uint8), points, size=20).shape
    (20, 20, 3)
    """
    similarity = chip_similarity(landmarks, size, padding)
    chip: NDArray[np.float32] = resample([load_image(photo)], [similarity], size)[0]
    return chip


def resample(images: Sequence[Pixels], similarities: Sequence[Similarity], size: int) -> NDArray[np.float32]:
    """Resample one square chip from each image `[H,W,3]` by its similarity: float32 `[N,size,size,3]`."""
    samples = [min(MOST_SAMPLES, max(1, math.ceil(similarity.scale))) for similarity in similarities]
    chips = np.zeros((len(images), size, size, 3), np.float32)
    kernel = resampling_kernel()
    if kernel is not None and len(images):
        kernel(images, similarities, samples, chips)
    else:
        for image, similarity, n, chip in zip(images, similarities, samples, chips, strict=True):
            chip[:] = _resample(image, similarity, n, size)
    return chips


def _resample(image: Pixels, similarity: Similarity, n: int, size: int) -> NDArray[np.float64]:
    """The mean of n x n samples per pixel."""
    offsets = (np.arange(n) + 0.5) / n - 0.5
    a, b = similarity.turn.real, similarity.turn.imag
    total = np.zeros((size, size, 3))
    for down in offsets:
        for right in offsets:
            columns, rows = np.arange(size) + right, np.arange(size)[:, np.newaxis] + down
            x = a * columns - b * rows + similarity.shift.real
            y = b * columns + a * rows + similarity.shift.imag
            total += _bilinear(image, x, y)
    return total / (n * n)


def _bilinear(image: Pixels, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pixels [h,w,3] at the columns x and rows y [h,w] of an image."""
    left, top = np.floor(x), np.floor(y)
    right, down = (x - left)[..., np.newaxis], (y - top)[..., np.newaxis]
    height, width, _ = image.shape

    def at(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        index = np.where(inside, rows, 0).astype(np.intp), np.where(inside, columns, 0).astype(np.intp)
        return np.where(inside[..., np.newaxis], image[index], 0).astype(np.float64)

    upper, lower = ((1 - right) * at(row, left) + right * at(row, left + 1) for row in (top, top + 1))
    blended: NDArray[np.float64] = (1 - down) * upper + down * lower
    return blended
