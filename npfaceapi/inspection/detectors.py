"""SSD and the YOLO detectors traced: input, score heat maps, candidates before and after suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.results import FaceDetection
from npfaceapi.networks import ssd_mobilenetv1
from npfaceapi.photos.net_input import Pixels

if TYPE_CHECKING:
    from npfaceapi.networks.options import SsdMobilenetv1Options, TinyYolov2Options
    from npfaceapi.networks.ssd_mobilenetv1 import SsdMobilenetv1
    from npfaceapi.networks.tiny_yolov2 import YoloDetector

__all__ = ["NEAR", "Candidate", "DetectorTrace", "Heat", "trace_ssd", "trace_yolo"]

NEAR = 0.2  # of the threshold: boxes that score at least this much are near misses


@dataclass(frozen=True)
class Heat:
    """The best score in each cell of one of the detector's grids: [rows, columns], covering the whole input."""

    title: str
    note: str
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A box with a score above the threshold, in pixels of the network's input.

    A dropped candidate overlaps the kept candidate number `beaten_by` (from 0, best first) by `overlap`; None if it is kept.
    """

    box: Rect
    score: float
    is_kept: bool
    beaten_by: int | None = None
    overlap: float = 0.0


@dataclass(frozen=True)
class DetectorTrace:
    """A trace of a detector on one photo.

    Attributes
    ----------
    batch : float32 array [1,S,S,3]
        The photo as the network takes it, padded and resized.
    photo_size, inner_size : (width, height)
        Size of the photo, and of its part of the network's input, in pixels.
    heats : tuple of Heat
    candidates : tuple of Candidate
        Best first.
    threshold, iou_threshold : float
        A box needs a score above the first; it is dropped if it overlaps a better one by more than the second.
    near_misses : tuple of Candidate
        Boxes that scored at most the threshold but more than a fifth of it, and that suppression would keep; best first.
    best : float
        The highest score of all anchors.
    anchors : int
        How many boxes the network scores in all.
    """

    batch: NDArray[np.float32]
    photo_size: tuple[int, int]
    inner_size: tuple[int, int]
    heats: tuple[Heat, ...]
    candidates: tuple[Candidate, ...]
    threshold: float
    iou_threshold: float
    near_misses: tuple[Candidate, ...]
    best: float
    anchors: int


def trace_ssd(net: SsdMobilenetv1, image: Pixels, options: SsdMobilenetv1Options) -> tuple[DetectorTrace, list[FaceDetection]]:
    """Trace SSD on a photo [H,W,3]; also gives the faces found.

    It runs with a lower threshold, for the near misses: suppression takes the best first, so boxes below the threshold change
    nothing for those above it.
    """
    seen: dict[str, Any] = {}  # the intermediate values
    threshold = options.min_confidence
    lower = options.with_least_score(threshold * NEAR)
    found = net.locate_faces(image, lower, see=lambda stage, **values: seen.update(values))
    boxes, scores = seen["boxes"].astype(np.float64), seen["scores"].astype(np.float64)
    edges = np.clip(boxes, 0, 1) * ssd_mobilenetv1.SIZE
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > lower.min_confidence]
    rects = [Rect(x0, y0, max(x1 - x0, 0.0), max(y1 - y0, 0.0)) for y0, x0, y1, x1 in edges[order].tolist()]
    candidates, near_misses = _judged(rects, scores[order].tolist(), np.isin(order, seen["kept"]).tolist(), threshold)
    trace = DetectorTrace(
        batch=seen["batch"],
        photo_size=seen["image_size"],
        inner_size=seen["reshaped_size"],
        heats=tuple(_ssd_heats(net, scores)),
        candidates=candidates,
        threshold=threshold,
        iou_threshold=ssd_mobilenetv1.IOU_THRESHOLD,
        near_misses=near_misses,
        best=float(scores.max()),
        anchors=len(scores),
    )
    return trace, [face for face in found if face.score > threshold]


def _ssd_heats(net: SsdMobilenetv1, scores: NDArray[np.float64]) -> list[Heat]:
    """The best score of each cell, for each of the six grids of anchors."""
    graph, priors = net.graph(), net.priors
    heats, start = [], 0
    for level in range(6):
        H, W, numbers = graph.find(f"Prediction/BoxPredictor_{level}/ClassPredictor").shape
        anchors = numbers // 3
        stop = start + H * W * anchors
        sides = np.sqrt(np.prod(priors[start:stop, 2:] - priors[start:stop, :2], axis=1)) * ssd_mobilenetv1.SIZE
        note = f"{anchors} anchors per cell, {sides.min():.0f} to {sides.max():.0f} pixels large (square root of the area)"
        heats.append(Heat(f"{W} x {H} cells", note, scores[start:stop].reshape(H, W, anchors).max(axis=2)))
        start = stop
    return heats


def trace_yolo(net: YoloDetector, image: Pixels, options: TinyYolov2Options) -> tuple[DetectorTrace, list[FaceDetection]]:
    """Trace a YOLO detector on a photo [H,W,3]; also gives the faces found.  The threshold is lowered as for SSD."""
    seen: dict[str, Any] = {}  # the intermediate values
    threshold = options.score_threshold
    lower = options.with_least_score(threshold * NEAR)
    found = net.locate_faces(image, lower, see=lambda stage, **values: seen.update(values))
    grid, boxes, scores, inner = seen["grid"], seen["boxes"], seen["scores"], seen["reshaped_size"]
    order = np.argsort(scores, kind="stable")[::-1]  # the later of equal scores first, as in suppression
    rects = [Rect(*box) for box in (boxes[order] * (*inner, *inner)).tolist()]
    candidates, near_misses = _judged(rects, scores[order].tolist(), np.isin(order, seen["kept"]).tolist(), threshold)
    cells = len(grid)
    pixels = options.input_size // cells
    heats = [
        Heat(f"anchor {k}", f"{cells} x {cells} cells; {w * pixels:.0f} x {h * pixels:.0f} pixels", grid[..., k])
        for k, (w, h) in enumerate(net.anchors)
    ]
    trace = DetectorTrace(
        batch=seen["batch"],
        photo_size=seen["image_size"],
        inner_size=inner,
        heats=tuple(heats),
        candidates=candidates,
        threshold=threshold,
        iou_threshold=net.config.iou_threshold,
        near_misses=near_misses,
        best=float(grid.max()),
        anchors=grid.size,
    )
    return trace, [face for face in found if face.score > threshold]


def _judged(
    boxes: Sequence[Rect], scores: Sequence[float], kept: Sequence[bool], threshold: float
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """The candidates and the near misses; each candidate dropped names the better kept one that it overlaps most."""
    judged: list[Candidate] = []
    near: list[Candidate] = []
    for box, score, is_kept in zip(boxes, scores, kept, strict=True):
        if score <= threshold:
            near += [Candidate(box, score, True)] if is_kept else []
            continue
        overlaps = [(iou(box, other.box), -i) for i, other in enumerate(judged) if other.is_kept]
        overlap, number = max(overlaps, default=(0.0, 0))
        beaten = None if is_kept or not overlap > 0 else -number
        judged.append(Candidate(box, score, is_kept, beaten, 0.0 if is_kept else overlap))
    return tuple(judged), tuple(near)
