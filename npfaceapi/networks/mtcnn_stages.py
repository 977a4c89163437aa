"""The arithmetic of MTCNN's three stages, around its networks: from scores and regions to boxes.

    photo -> pyramid -> P-Net at every scale -> stage 1: boxes that may be faces
             (large levels in tiles)
          -> a patch of 24x24 of each -> R-Net -> stage 2: fewer boxes, corrected
          -> a patch of 48x48 of each -> O-Net -> stage 3: fewer still, with 5 points

Source: Zhang et al., MTCNN (arXiv:1604.02878); face-api.js 0.22.2, `mtcnn/`.

Boxes are float64 arrays [n,4] of x, y, width and height in pixels of the photo.  Regions [n,4] are corrections of the left,
top, right and bottom edges in units of the box's size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.faces.boxes import non_max_suppression
from npfaceapi.photos.net_input import resize_half_pixel, resize_window
from npfaceapi.taps import Values

__all__ = [
    "Cells",
    "calibrate",
    "cells_above",
    "patches",
    "pyramid_image",
    "pyramid_scales",
    "pyramid_tiles",
    "stage1_all",
    "stage1_candidates",
    "stage1_scale",
    "stage2",
    "stage3",
    "usable_scales",
]

Float64 = NDArray[np.float64]
Cells: TypeAlias = tuple[NDArray[np.intp], Float64, Values]  # positions [n,2] of cells, their scores [n] and regions [n,4]

CELL_SIZE = 12  # pixels that one cell of P-Net's output covers
CELL_STRIDE = 2  # pixels from one cell to the next
OVERLAP_OF_A_SCALE, OVERLAP = 0.5, 0.7  # above which boxes are suppressed
SHARED = CELL_SIZE - CELL_STRIDE  # pixels of a tile that the next one shares
TILE = 512  # pixels from one tile to the next, a multiple of the stride; P-Net needs 75 bytes per pixel of a tile


def _round(x: Float64) -> Float64:
    return np.floor(x + 0.5)


def pyramid_scales(width: int, height: int, min_face_size: float, scale_factor: float, most: float = math.inf) -> list[float]:
    """The first `most` scales, largest first, at which a 12-pixel window fits faces of `min_face_size` pixels or more."""
    first = CELL_SIZE / min_face_size
    shorter = min(width, height) * first
    scales: list[float] = []
    while shorter >= CELL_SIZE and len(scales) < most:
        scales.append(first * scale_factor ** len(scales))
        shorter *= scale_factor
    return scales


def usable_scales(scales: list[float], width: int, height: int, max_num_scales: int) -> list[float]:
    """The first `max_num_scales` of the scales at which both sides of the photo exceed 12 pixels."""
    return [s for s in scales if min(int(height * s), int(width * s)) > CELL_SIZE][:max_num_scales]


def pyramid_image(image: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """The photo [H,W,3] at one scale, as the input of P-Net.

    Quirk: all three networks see BGR, and the image transposed, [x, y, 3].
    """
    size = _level_size(image, scale)
    return _window_of_level(image, size, (0, 0), size)


def pyramid_tiles(image: NDArray[np.uint8], scale: float) -> Iterator[tuple[tuple[int, int], NDArray[np.float32]]]:
    """The result of `pyramid_image` in tiles: for each, the position of its first cell and its pixels [x,y,3].

    P-Net's memory grows with the image; tiles bound it, and each cell covers the same pixels as in the whole image.
    """
    size = height, width = _level_size(image, scale)
    for left, top in itertools.product(range(0, width - SHARED, TILE), range(0, height - SHARED, TILE)):
        stop = (min(top + TILE + SHARED, height), min(left + TILE + SHARED, width))
        yield (left // CELL_STRIDE, top // CELL_STRIDE), _window_of_level(image, size, (top, left), stop)


def _level_size(image: NDArray[np.uint8], scale: float) -> tuple[int, int]:
    return int(image.shape[0] * scale), int(image.shape[1] * scale)


def _window_of_level(
    image: NDArray[np.uint8], size: tuple[int, int], start: tuple[int, int], stop: tuple[int, int]
) -> NDArray[np.float32]:
    return np.ascontiguousarray(resize_window(image, size, start, stop)[..., ::-1].transpose(1, 0, 2))


def stage1_scale(prob: Values, regions: Values, scale: float, threshold: float) -> tuple[Float64, Float64, Float64]:
    """P-Net's output at one scale, prob [nx,ny,2] and regions [nx,ny,4], to candidates (boxes, scores, regions)."""
    return stage1_candidates([cells_above(prob, regions, threshold)], scale)


def cells_above(prob: Values, regions: Values, threshold: float, first: tuple[int, int] = (0, 0)) -> Cells:
    """The cells of a tile, whose first cell is at `first`, that P-Net takes for a face.

    Quirk: a score equal to the threshold passes here, but not in stages 2 and 3.
    """
    scores = prob[..., 1].astype(np.float64)
    cells = np.argwhere(scores >= threshold)
    at = tuple(cells.T)
    return cells + first, scores[at], regions[at]


def stage1_candidates(tiles: Sequence[Cells], scale: float) -> tuple[Float64, Float64, Float64]:
    """Candidates (boxes, scores, regions) from the cells of all tiles of one scale."""
    cells, scores, regions = (np.concatenate(part) for part in zip(*tiles, strict=True))
    order = np.lexsort((cells[:, 1], cells[:, 0]))  # the order of one tile: among equal scores the later is kept
    cells, scores, regions = cells[order], scores[order], regions[order]
    edges = _round((np.concatenate([cells * CELL_STRIDE + 1, cells * CELL_STRIDE + CELL_SIZE], axis=1)) / scale)
    boxes = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)
    kept = non_max_suppression(boxes, scores, OVERLAP_OF_A_SCALE)
    return boxes[kept], scores[kept], regions[kept].astype(np.float64)


def stage1_all(candidates: list[tuple[Float64, Float64, Float64]]) -> tuple[Float64, Float64]:
    """(boxes, scores) from the candidates of all scales: suppressed once more, corrected and made square."""
    if not candidates:
        return np.zeros((0, 4)), np.zeros(0)
    boxes, scores, regions = (np.concatenate(part) for part in zip(*candidates, strict=True))
    kept = non_max_suppression(boxes, scores, OVERLAP)
    return calibrate(boxes[kept], regions[kept]), scores[kept]


def calibrate(boxes: Float64, regions: Values) -> Float64:
    """Boxes with their edges moved by `regions`, extended to squares; x, y, width and height are rounded."""
    regions = regions.astype(np.float64)
    start, size = boxes[:, :2], boxes[:, 2:]
    corner = start + regions[:, :2] * size
    size = (start + size) + regions[:, 2:] * size - corner
    side = size.max(axis=1, keepdims=True) if len(size) else size[:, :1]
    return _round(np.concatenate([corner - (side - size) / 2, np.broadcast_to(side, size.shape)], axis=1))


def patches(image: NDArray[np.uint8], boxes: Float64, size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cut the boxes out of a photo uint8 [H,W,3] and resize them for R-Net (24) or O-Net (48).

    Returns the patches, float32 [n,size,size,3] BGR transposed, and which boxes have a pixel inside the photo.
    Quirk: a patch starts one pixel before its box, and is clipped at the photo's border, not padded, so it gets stretched.
    """
    H, W = image.shape[:2]
    out, inside = [], np.zeros(len(boxes), bool)
    for i, (x, y, w, h) in enumerate(boxes):
        left, top = int(max(1, x)) - 1, int(max(1, y)) - 1
        right, bottom = int(min(x + w, W)), int(min(y + h, H))
        if left < right and top < bottom:
            inside[i] = True
            out.append(resize_half_pixel(image[top:bottom, left:right], (size, size)))
    batch = np.stack(out) if out else np.zeros((0, size, size, 3), np.uint8)
    return np.ascontiguousarray(batch[..., ::-1].transpose(0, 2, 1, 3), np.float32), inside


def stage2(boxes: Float64, prob: Values, regions: Values, threshold: float) -> tuple[Float64, Float64]:
    """(boxes, scores) from boxes and R-Net's prob [n,2] and regions [n,4]."""
    scores = prob[:, 1].astype(np.float64)
    passed = np.flatnonzero(scores > threshold)
    kept = passed[non_max_suppression(boxes[passed], scores[passed], OVERLAP)]
    return calibrate(boxes[kept], regions[kept]), scores[kept]


def stage3(
    boxes: Float64, prob: Values, regions: Values, points: Values, threshold: float
) -> tuple[Float64, Float64, Float64, Float64]:
    """(boxes, scores, landmarks, face-api.js's landmarks) from boxes and O-Net's prob [n,2], regions [n,4] and points [n,10].

    Landmarks are [n,5,2] in pixels of the photo.  Quirk: boxes are corrected before the suppression, which measures the
    overlap by the smaller box.  If an earlier candidate was filtered out by its score, face-api.js takes the
    points of the wrong candidate; the last array holds those.
    """
    scores = prob[:, 1].astype(np.float64)
    passed = np.flatnonzero(scores > threshold)
    boxes, scores = calibrate(boxes[passed], regions[passed]), scores[passed]
    kept = np.array(non_max_suppression(boxes, scores, OVERLAP, False), int)
    boxes, scores = boxes[kept], scores[kept]

    def in_photo(relative: Values) -> Float64:
        xy = relative.astype(np.float64).reshape(-1, 2, 5).transpose(0, 2, 1)
        return np.asarray(xy * (boxes[:, None, 2:] + 1) + boxes[:, None, :2])

    return boxes, scores, in_photo(points[passed[kept]]), in_photo(points[kept])
