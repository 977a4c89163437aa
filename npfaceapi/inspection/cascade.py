"""MTCNN traced: the pyramid of the photo, and the candidates that each of the three networks keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.faces.boxes import non_max_suppression
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.results import FaceDetection
from npfaceapi.inspection.detectors import NEAR
from npfaceapi.networks.mtcnn import as_bytes
from npfaceapi.networks.mtcnn_stages import patches, pyramid_image
from npfaceapi.photos.net_input import Pixels
from npfaceapi.taps import Values

if TYPE_CHECKING:
    from npfaceapi.networks.mtcnn import Mtcnn
    from npfaceapi.networks.options import MtcnnOptions

__all__ = ["CascadeTrace", "Level", "Patch", "Stage", "trace_mtcnn"]


@dataclass(frozen=True)
class Level:
    """The photo at one scale (upright RGB [h,w,3]), P-Net's scores [rows, columns], and the number of its candidates."""

    scale: float
    image: NDArray[np.uint8]
    scores: Values
    candidates: int


@dataclass(frozen=True)
class Patch:
    """A square crop of the photo for R-Net or O-Net, upright RGB [s,s,3], with its score."""

    image: NDArray[np.uint8]
    score: float


@dataclass(frozen=True)
class Stage:
    """The result of a stage: the boxes kept, in pixels of the photo, with scores, best first; and the patches scored.

    `near_misses` are boxes given to the stage, with their scores: at most the threshold but more than a fifth of it, and none
    overlaps a better one; best first.
    """

    title: str
    threshold: float
    boxes: tuple[Rect, ...]
    scores: tuple[float, ...]
    patches: tuple[Patch, ...] = ()
    judged: int = 0
    points: NDArray[np.float64] | None = None
    near_misses: tuple[tuple[Rect, float], ...] = ()


@dataclass(frozen=True)
class CascadeTrace:
    """A trace of MTCNN on one photo.

    Attributes
    ----------
    levels : tuple of Level
        Largest scale first; empty if the photo is smaller than the smallest face.
    stages : tuple of Stage
        After P-Net (all scales together), R-Net and O-Net.
    batches : dict
        One input batch of each network, for its feature maps; a network that did not run is absent.
    """

    photo_size: tuple[int, int]
    levels: tuple[Level, ...]
    stages: tuple[Stage, ...]
    batches: dict[str, NDArray[np.float32]]


MOST_PATCHES = 24
LARGEST_SHOWN = 400  # pixels of the level whose feature maps are shown
OVERLAP = 0.5  # above which a near miss is the same face as a better box


def _upright(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """MTCNN's transposed BGR [n,x,y,3] as RGB [n,y,x,3]."""
    return np.ascontiguousarray(batch.transpose(0, 2, 1, 3)[..., ::-1])


def _rects(boxes: NDArray[np.float64]) -> tuple[Rect, ...]:
    return tuple(Rect(*box) for box in boxes.tolist())


def _near_misses(boxes: NDArray[np.float64], scores: NDArray[np.float64], threshold: float) -> tuple[tuple[Rect, float], ...]:
    """Boxes [n,4] with a score of at most the threshold but more than a fifth of it, none of which overlaps a better one."""
    near = np.flatnonzero(scores > threshold * NEAR)
    kept = near[non_max_suppression(boxes[near], scores[near], OVERLAP)]
    kept = kept[scores[kept] <= threshold]
    return tuple(zip(_rects(boxes[kept]), scores[kept].tolist(), strict=True))


def _joined(tiles: list[tuple[tuple[int, int], Values]]) -> Values:
    """Join tiles of scores [x,y], given in order with the position of their first cell, into one array."""
    (x, y), last = tiles[-1]
    whole = np.empty((x + last.shape[0], y + last.shape[1]), last.dtype)
    for (x, y), scores in tiles:
        whole[x : x + scores.shape[0], y : y + scores.shape[1]] = scores
    return whole


def trace_mtcnn(net: Mtcnn, image: Pixels, options: MtcnnOptions) -> tuple[CascadeTrace, list[FaceDetection]]:
    """Trace MTCNN on a photo [H,W,3]; also gives the faces found."""
    photo = as_bytes(image)
    levels: list[Level] = []
    stages: list[Stage] = []
    batches: dict[str, NDArray[np.float32]] = {}
    tiles: list[tuple[tuple[int, int], Values]] = []  # of the current scale
    titles = {"stage1": "P-Net", "stage2": "R-Net", "stage3": "O-Net"}
    judges = {"stage2": net.rnet, "stage3": net.onet}

    def see(stage: str, **values: Any) -> None:
        if stage == "tile":
            tiles.append((values["first"], values["prob"][0, ..., 1]))
            return
        boxes, scores = values["boxes"], values["scores"]
        if stage == "scale":
            batch = pyramid_image(photo, values["scale"])[None]
            (upright,) = _upright(batch)
            levels.append(Level(values["scale"], upright.astype(np.uint8), _joined(tiles).T, len(boxes)))
            tiles.clear()
            if "pnet" not in batches or max(batches["pnet"].shape[1:3]) > LARGEST_SHOWN:
                batches["pnet"] = batch
            return
        shown: tuple[Patch, ...] = ()
        near: tuple[tuple[Rect, float], ...] = ()
        judged = 0
        threshold = options.score_thresholds[int(stage[-1]) - 1]
        if stage in judges:
            given = values["prob"][:, 1].astype(np.float64)
            best = np.argsort(-given, kind="stable")[:MOST_PATCHES]
            batch, _ = patches(photo, values["judged"][best], judges[stage].input_size)
            shown = tuple(Patch(p.astype(np.uint8), s) for p, s in zip(_upright(batch), given[best].tolist(), strict=True))
            judged = len(given)
            near = _near_misses(values["judged"], given, threshold)
            if judged:
                batches[judges[stage].root] = batch[:1]
        order = np.argsort(-scores, kind="stable")
        points = values.get("points")
        points = None if points is None else points[order]
        kept = _rects(boxes[order]), tuple(scores[order].tolist())
        stages.append(Stage(titles[stage], threshold, *kept, shown, judged, points, near))

    faces = net.locate_faces(photo, options, see=see)
    return CascadeTrace((image.shape[1], image.shape[0]), tuple(levels), tuple(stages), batches), faces
