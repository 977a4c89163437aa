"""Resizing on the kernel of `kernels/resize.py`: photos of a batch, and rows of large photos, are shared among threads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from npfaceapi.engines import dispatch
from npfaceapi.engines.numba.kernels.resize import resize_rows
from npfaceapi.engines.numba.threads import claim_all

__all__ = ["resize_in_squares"]

Array = np.ndarray[Any, Any]

PIECE_PIXELS = 1 << 15  # of the output: some 100 microseconds, less is not worth another thread


def resize_in_squares(
    images: Sequence[Array], places: Sequence[tuple[int, int, int, int]], outs: Sequence[Array], half_pixel: bool = False
) -> None:
    """Resize each image [H,W,3], uint8 or float32, from its place in a padded one, into its own array of zeros.

    Parameters
    ----------
    places : sequence of (top, left, height, width)
        Where the image begins, and the size of the padded one.
    outs : sequence of ndarray
        float32, C-contiguous [h,w,3].
    half_pixel : bool
        By half-pixel centres, rounded half up to whole numbers.
    """
    images = [_whole_pixels(image) for image in images]
    pieces = []
    for number, out in enumerate(outs):
        count = max(1, out.shape[0] * out.shape[1] // PIECE_PIXELS)
        edges = [out.shape[0] * k // count for k in range(count + 1)]
        pieces += [(number, start, stop) for start, stop in itertools.pairwise(edges)]

    def resize(piece: int) -> None:
        number, start, stop = pieces[piece]
        image, out, (top, left, height, width) = images[number], outs[number], places[number]
        H, W, _ = image.shape
        n = out.shape[1]
        memory = np.empty(9 * n)
        resize_rows(
            image.ctypes.data, image.dtype == np.float32, image.strides[0], H, W, top, left, height, width,
            out.ctypes.data, len(out), n, half_pixel, start, stop, memory.ctypes.data,
        )  # fmt: skip

    threads = dispatch.get_num_threads()
    if threads > 1 and sum(out.size for out in outs) > 6 * PIECE_PIXELS:
        claim_all(resize, len(pieces), threads)
    else:
        for piece in range(len(pieces)):
            resize(piece)


def _whole_pixels(image: Array) -> Array:
    """The image itself if the numbers of a row follow each other, as in a crop, else a copy."""
    size = image.itemsize
    return image if image.strides[1:] == (3 * size, size) else np.ascontiguousarray(image)
