"""What SSD and the YOLO detectors see and say: their input, scores as heat, candidates before and after the suppression."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.faces.boxes import iou, ssd_non_max_suppression
from npfaceapi.faces.geometry import Rect
from npfaceapi.networks import ssd_mobilenetv1, tiny_yolov2
from npfaceapi.networks.neural_network import reshaped_sizes_of
from npfaceapi.photos.net_input import to_net_input

__all__ = ["Candidate", "DetectorTrace", "Heat", "trace_ssd", "trace_yolo"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Heat:
    """The scores of one grid of the detector, the best of each cell: [rows, columns] over the whole input."""

    title: str
    note: str
    values: Array


@dataclass(frozen=True)
class Candidate:
    """A box with a score above the threshold, in pixels of the network's input.

    `beaten_by` is the number (from 0, best first) of the kept candidate that it overlaps, by `overlap`; None if it is kept.
    """

    box: Rect
    score: float
    is_kept: bool
    beaten_by: int | None = None
    overlap: float = 0.0


@dataclass(frozen=True)
class DetectorTrace:
    """A detector at work on one photo.

    Attributes
    ----------
    batch : float32 array [1,S,S,3]
        The photo as the network takes it, padded and resized.
    photo_size, inner_size : (width, height)
        Of the photo, and of the photo inside of the input.
    heats : tuple of Heat
    candidates : tuple of Candidate
        Best first.
    threshold, iou_threshold : float
        Boxes need a score above the first; of two that overlap by more than the second the better one stays.
    best : float
        The highest score of all anchors.
    anchors : int
        How many boxes the network scores in all.
    """

    batch: Array
    photo_size: tuple[int, int]
    inner_size: tuple[int, int]
    heats: tuple[Heat, ...]
    candidates: tuple[Candidate, ...]
    threshold: float
    iou_threshold: float
    best: float
    anchors: int


def trace_ssd(net: Any, image: Array, options: Any) -> DetectorTrace:
    """SSD at work on a photo [H,W,3]."""
    net_input = to_net_input(image)
    batch = net_input.to_batch_tensor(ssd_mobilenetv1.SIZE, False)
    raw = net.run_net(batch)
    boxes = ssd_mobilenetv1.decode_boxes(raw["box_encodings"][0], net.priors).astype(np.float64)
    scores = ssd_mobilenetv1.decode_scores(raw["class_logits"][0]).astype(np.float64)
    threshold = ssd_mobilenetv1.IOU_THRESHOLD
    kept = ssd_non_max_suppression(boxes, scores, options.max_results, threshold, options.min_confidence)
    above = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > options.min_confidence]
    edges = np.clip(boxes, 0, 1) * ssd_mobilenetv1.SIZE
    rects = [Rect(x0, y0, max(x1 - x0, 0.0), max(y1 - y0, 0.0)) for y0, x0, y1, x1 in edges[above].tolist()]
    candidates = _judged(rects, scores[above].tolist(), [i in set(kept) for i in above])
    return DetectorTrace(
        batch=batch,
        photo_size=(image.shape[1], image.shape[0]),
        inner_size=reshaped_sizes_of(net_input, ssd_mobilenetv1.SIZE)[0],
        heats=tuple(_ssd_heats(net, scores)),
        candidates=candidates,
        threshold=options.min_confidence,
        iou_threshold=threshold,
        best=float(scores.max()),
        anchors=len(scores),
    )


def _ssd_heats(net: Any, scores: Array) -> list[Heat]:
    """The anchors belong to six grids; of each cell the best one counts."""
    graph, priors = net.graph(), net.priors
    heats, start = [], 0
    for level in range(6):
        H, W, numbers = graph.find(f"Prediction/BoxPredictor_{level}/ClassPredictor").shape
        anchors = numbers // 3
        stop = start + H * W * anchors
        sides = np.sqrt(np.prod(priors[start:stop, 2:] - priors[start:stop, :2], axis=1)) * ssd_mobilenetv1.SIZE
        note = f"{anchors} anchors a cell, {sides.min():.0f} to {sides.max():.0f} pixels large (square root of the area)"
        heats.append(Heat(f"{W} x {H} cells", note, scores[start:stop].reshape(H, W, anchors).max(axis=2)))
        start = stop
    return heats


def trace_yolo(net: Any, image: Array, options: Any) -> DetectorTrace:
    """A YOLO detector at work on a photo [H,W,3]."""
    net_input = to_net_input(image)
    size = options.input_size
    batch = net_input.to_batch_tensor(size, False)
    (grid,) = net.run_net(batch)["grid"]
    photo_size, inner = (image.shape[1], image.shape[0]), reshaped_sizes_of(net_input, size)[0]
    everything = dataclasses.replace(net.config, iou_threshold=math.inf)
    rest = photo_size, inner, size, options.score_threshold
    above = tiny_yolov2.decode(grid, everything, *rest)
    kept = {(face.score, face.box) for face in tiny_yolov2.decode(grid, net.config, *rest)}
    scale_x, scale_y = inner[0] / photo_size[0], inner[1] / photo_size[1]
    rects = [Rect(f.box.x * scale_x, f.box.y * scale_y, f.box.width * scale_x, f.box.height * scale_y) for f in above]
    cells = grid.shape[0]
    with np.errstate(over="ignore"):
        scores = 1 / (1 + np.exp(-grid.reshape(cells, cells, len(net.anchors), -1)[..., 4].astype(np.float64)))
    pixels = size // cells
    heats = [
        Heat(f"anchor {k + 1}", f"{cells} x {cells} cells; {w * pixels:.0f} x {h * pixels:.0f} pixels", scores[..., k])
        for k, (w, h) in enumerate(net.anchors)
    ]
    return DetectorTrace(
        batch=batch,
        photo_size=photo_size,
        inner_size=inner,
        heats=tuple(heats),
        candidates=_judged(rects, [face.score for face in above], [(face.score, face.box) in kept for face in above]),
        threshold=options.score_threshold,
        iou_threshold=net.config.iou_threshold,
        best=float(scores.max()),
        anchors=scores.size,
    )


def _judged(boxes: Sequence[Rect], scores: Sequence[float], kept: Sequence[bool]) -> tuple[Candidate, ...]:
    """Candidates with what beat each that is not kept: the better kept one that it overlaps most."""
    judged: list[Candidate] = []
    for box, score, is_kept in zip(boxes, scores, kept, strict=True):
        overlaps = [(iou(box, other.box), -i) for i, other in enumerate(judged) if other.is_kept]
        overlap, number = max(overlaps, default=(0.0, 0))
        beaten = None if is_kept or not overlap > 0 else -number
        judged.append(Candidate(box, score, is_kept, beaten, 0.0 if is_kept else overlap))
    return tuple(judged)
