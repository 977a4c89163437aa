"""Photos on the kernels of `kernels/resize.py` and `kernels/resample.py`: a step for each photo, run like those of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import Kernel
from npfaceapi.engines.numba.kernels import resample, resize
from npfaceapi.engines.numba.run import Table, WorkItem, run_steps
from npfaceapi.engines.numba.threads import run_together
from npfaceapi.engines.numba.workspace import ALIGNMENT, address_of, round_up, workspaces
from npfaceapi.engines.thread_count import get_num_threads

__all__ = ["resample_squares", "resize_in_squares"]

Array = np.ndarray[Any, Any]

WORTH_SHARING = 20_000  # pixels of the output, some 100 microseconds


def resize_in_squares(
    images: Sequence[Array],
    places: Sequence[tuple[int, int, int, int]],
    outs: Sequence[Array],
    half_pixel: bool = False,
    window: tuple[int, int, int, int] | None = None,
) -> None:
    """Resize each image [H,W,3], uint8 or float32, from its place in a padded one, into its own array.

    Parameters
    ----------
    places : sequence of (top, left, height, width)
        Where the image begins, and the size of the padded one.
    outs : sequence of ndarray
        float32, C-contiguous [h,w,3].
    half_pixel : bool
        By half-pixel centres, rounded half up to integers.
    window : (top, left, height, width), optional
        Each of `outs` is what begins there of a result of that size; default: all of it.
    """
    images = [_whole_pixels(image) for image in images]
    params = np.zeros(len(images), resize.RESIZE)
    for k, (image, (top, left, height, width), out) in enumerate(zip(images, places, outs, strict=True)):
        (H, W, _), (h, w, _) = image.shape, out.shape
        first_row, first_column, full_H, full_W = window or (0, 0, h, w)
        start = max(0, (top - 2) * full_H // height - first_row)  # to stop: all rows that meet the image
        stop = min(h, (top + H + 2) * full_H // height + 1 - first_row)
        out[:start] = out[max(start, stop) :] = 0
        params[k] = (
            image.ctypes.data, image.dtype == np.float32, image.strides[0], H, W, top, left, height, width,
            address_of(out), w, first_row, first_column, full_H, full_W, half_pixel, start, stop,
        )  # fmt: skip
    _run(resize.resize, images, params, outs, max(resize.scratch_bytes(out.shape[1]) for out in outs))


def resample_squares(
    images: Sequence[Array], places: Sequence[tuple[complex, complex]], samples: Sequence[int], outs: Sequence[Array]
) -> None:
    """Cut a square out of each image [H,W,3], uint8 or float32, turned and scaled, into its own array.

    Parameters
    ----------
    places : sequence of (turn, shift)
        As `Similarity` has them.
    samples : sequence of int
        How many points per side a pixel is the mean of.
    outs : sequence of ndarray
        float32, C-contiguous [size,size,3].
    """
    images = [_whole_pixels(image) for image in images]
    params = np.zeros(len(images), resample.RESAMPLE)
    for k, (image, (turn, shift), n, out) in enumerate(zip(images, places, samples, outs, strict=True)):
        params[k] = (
            image.ctypes.data, image.dtype == np.float32, image.strides[0], *image.shape[:2], address_of(out), len(out), n,
            turn.real, turn.imag, shift.real, shift.imag,
        )  # fmt: skip
    _run(resample.resample, images, params, outs, resample.scratch_bytes(max(samples)))


def _run(kernel: Kernel, images: Sequence[Array], params: Array, outs: Sequence[Array], scratch: int) -> None:
    first, threads = address_of(params), get_num_threads()
    rows = [(kernel.address, first + k * params.itemsize, out.shape[0]) for k, out in enumerate(outs)]
    table, scratch = Table(np.array(rows, np.int64)), round_up(scratch, ALIGNMENT)
    if sum(out.shape[0] * out.shape[1] for out in outs) < WORTH_SHARING:
        threads = 1
    block = workspaces.take(threads * scratch)
    if threads == 1:
        run_steps(table, [0], block.address)
    else:
        run_together(WorkItem(table, 0, block.address, scratch, threads, (images, outs, params, block)))
    workspaces.give_back(block)


def _whole_pixels(image: Array) -> Array:
    """The image itself if each row is contiguous, as in a crop, else a copy."""
    size = image.itemsize
    return image if image.strides[1:] == (3 * size, size) else np.ascontiguousarray(image)
