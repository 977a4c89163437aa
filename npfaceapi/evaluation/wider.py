"""WIDER FACE, the validation part: average precision of a detector on easy, medium and hard faces.

    FOLDER/WIDER_val/images/EVENT/*.jpg
    FOLDER/**/wider_face_val.mat, wider_easy_val.mat, wider_medium_val.mat, wider_hard_val.mat

The protocol is that of the data set's own code: boxes, in the order of their scores, are matched to the labelled face that they
overlap most.  A face outside the evaluated subset counts neither as hit nor as miss, and neither does a box on it; a second box
on a face is a false positive.  That code computes precision at 1,000 thresholds, this module at every score.

Source: Yang, Luo, Loy, Tang, WIDER FACE: A Face Detection Benchmark (2016).
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import BackendUnavailable, ImageError, InvalidArgument, reason_of
from npfaceapi.evaluation.kept_results import Progress, kept_results
from npfaceapi.networks.options import FaceDetectionOptions, SsdMobilenetv1Options
from npfaceapi.photos.loading import load_image
from npfaceapi.tasks import detect_all_faces

__all__ = ["LabelledPhoto", "all_boxes", "average_precision", "evaluate_wider", "matched", "overlaps", "read_labels"]

Floats = NDArray[np.float64]
PARTS = ("easy", "medium", "hard")
IOUS = (0.5, 0.3)
LEAST_SCORE, MOST_BOXES = 0.02, 400  # per photo: the curve needs low scores too
HEIGHTS = (0, 10, 20, 30, 40, 60, 80, 120, 200, 400, 100_000)  # edges of the height bands in pixels


class LabelledPhoto(NamedTuple):
    """A photo, its faces' boxes [n,4] as x, y, width, height, and which of them each subset evaluates."""

    path: str
    boxes: Floats
    judged: dict[str, NDArray[np.bool_]]


@dataclasses.dataclass(frozen=True)
class Detect:
    """Finds all boxes of a photo with their scores; pickled for the workers."""

    options: FaceDetectionOptions

    def __call__(self, path: str) -> dict[str, Any]:
        try:
            faces = detect_all_faces(load_image(path), self.options).run()
        except ImageError as error:
            return {"error": str(error)}
        return {
            "boxes": [[round(float(v), 3) for v in (f.box.x, f.box.y, f.box.width, f.box.height)] for f in faces],
            "scores": [float(face.score) for face in faces],
        }


def all_boxes(options: FaceDetectionOptions) -> FaceDetectionOptions:
    """The same options with a low score threshold, and up to 400 boxes per photo if the detector has a limit."""
    options = options.with_least_score(LEAST_SCORE)
    return dataclasses.replace(options, max_results=MOST_BOXES) if isinstance(options, SsdMobilenetv1Options) else options


def read_labels(folder: Path) -> list[LabelledPhoto]:
    """Read the labels in a folder.

    Raises
    ------
    InvalidArgument
        If a file of labels or a photo is missing.
    BackendUnavailable
        If SciPy, which reads the labels, is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise BackendUnavailable(
            'labels of WIDER FACE: expected the package scipy, got none installed; pip install "npfaceapi[evaluate]"'
        )
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    files = {}
    for name in ("face", *PARTS):
        found = sorted(folder.rglob(f"wider_{name}_val.mat"))
        if not found:
            raise InvalidArgument(f"{folder}: expected the labels wider_{name}_val.mat below it, got none")
        try:
            files[name] = loadmat(found[0])  # raises NotImplementedError on a file of MATLAB's version 7.3
        except (OSError, LookupError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
            raise InvalidArgument(f"{found[0]}: expected a file of MATLAB, got: {error}") from None
    images = next((path for path in (folder / "WIDER_val" / "images", folder / "images") if path.is_dir()), None)
    if images is None:
        raise InvalidArgument(f"{folder}: expected the photos in WIDER_val/images, got no such folder")
    photos = []
    try:
        for event, name, boxes, judged in _rows(files):
            photos.append(LabelledPhoto(str(images / event / f"{name}.jpg"), boxes, judged))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InvalidArgument(f"{folder}: expected the labels of WIDER FACE, got something else: {reason_of(error)}") from None
    for photo in photos:
        if not os.path.isfile(photo.path):
            raise InvalidArgument(f"{folder}: expected a photo that the labels name, got no {photo.path}")
    return photos


def _rows(files: dict[str, Any]) -> Iterator[tuple[str, str, Floats, dict[str, NDArray[np.bool_]]]]:
    """Event, name, boxes, and which of them each subset evaluates, for every photo."""
    face = files["face"]
    for e, event in enumerate(face["event_list"][:, 0]):
        for i, name in enumerate(face["file_list"][e, 0][:, 0]):
            boxes = face["face_bbx_list"][e, 0][i, 0].astype(np.float64).reshape(-1, 4)
            kept = {part: files[part]["gt_list"][e, 0][i, 0].astype(np.int64).ravel() - 1 for part in PARTS}
            yield str(event[0]), str(name[0]), boxes, {part: np.isin(np.arange(len(boxes)), kept[part]) for part in PARTS}


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """Intersection over union [n,m] of boxes [n,4] and [m,4] (x, y, width, height), made one pixel larger as in the protocol."""
    low = np.maximum(boxes[:, np.newaxis, :2], others[:, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, np.newaxis], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(high - low + 1, 0), axis=2)
    areas = (np.prod(b[:, 2:] + 1, axis=1) for b in (boxes, others))
    union = next(areas)[:, np.newaxis] + next(areas) - shared
    return np.asarray(shared / union)


def matched(
    boxes: Floats, faces: Floats, judged: NDArray[np.bool_], iou: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """For boxes in order of score: which are the first hit of a face, and which are ignored; and which faces are hit."""
    hit, ignored = np.zeros(len(boxes), bool), np.zeros(len(boxes), bool)
    found = np.zeros(len(faces), bool)
    if len(faces) and len(boxes):
        shared = overlaps(boxes, faces)
        best, amount = shared.argmax(axis=1), shared.max(axis=1)
        for k in np.flatnonzero(amount >= iou):
            if not judged[best[k]]:
                ignored[k] = True
            elif not found[best[k]]:
                hit[k] = found[best[k]] = True
    return hit, ignored, found


def average_precision(scores: Floats, hit: NDArray[np.bool_], faces: int) -> tuple[float, Floats, Floats]:
    """Average precision, and the precision-recall curve, of boxes that are not ignored."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1) if len(order) else np.zeros(0, int)
    hits = hit[order].cumsum()[last]
    recall, precision = hits / max(1, faces), hits / (last + 1)
    envelope = np.maximum.accumulate(np.append(precision, 0)[::-1])[::-1][:-1]
    return float((np.diff(recall, prepend=0) * envelope).sum()), recall, precision


def evaluate_wider(
    folder: Path, options: FaceDetectionOptions, cache: Path | None = None, progress: Progress = lambda *_: None
) -> tuple[dict[str, Any], dict[str, tuple[Floats, Floats]]]:
    """The figures of a detector, and its precision-recall curves by subset."""
    photos = read_labels(folder)
    results = kept_results([photo.path for photo in photos], Detect(options), repr(options), cache, progress)
    return figures_of_boxes(photos, results)


def figures_of_boxes(
    photos: Sequence[LabelledPhoto], results: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, tuple[Floats, Floats]]]:
    """Average precision by subset and overlap, and the recall by height of the face."""
    unreadable = [results[photo.path]["error"] for photo in photos if "error" in results[photo.path]]
    figures: dict[str, Any] = {"photos": len(photos), "photos_unreadable": len(unreadable), "unreadable": unreadable}
    curves = {}
    boxes_of = []
    for photo in photos:
        result = results[photo.path]
        scores = np.array(result.get("scores", []), np.float64)
        order = np.argsort(-scores, kind="stable")
        boxes_of.append((np.array(result.get("boxes", []), np.float64).reshape(-1, 4)[order], scores[order]))
    for iou in IOUS:
        for part in PARTS:
            kept, hits, faces = [], [], 0
            for photo, (boxes, score) in zip(photos, boxes_of, strict=True):
                if len(photo.boxes):  # false positives count even on a photo whose faces are all outside the subset
                    judged = photo.judged[part]
                    faces += int(judged.sum())
                    hit, ignored, _ = matched(boxes, photo.boxes, judged, iou)
                    kept.append(score[~ignored])
                    hits.append(hit[~ignored])
            ap, recall, precision = average_precision(np.concatenate(kept), np.concatenate(hits), faces)
            figures[f"ap_{part}" if iou == IOUS[0] else f"ap_{part}_iou_{iou}"] = ap
            if iou == IOUS[0]:
                curves[part] = recall, precision
                figures[f"faces_{part}"] = faces
    figures["recall_by_height"] = _recall_by_height(photos, boxes_of)
    return figures, curves


def _recall_by_height(photos: Sequence[LabelledPhoto], boxes_of: Sequence[tuple[Floats, Floats]]) -> list[dict[str, Any]]:
    """Recall over all labelled faces, with all boxes and with boxes scored 0.5 or more."""
    heights, found = [], []
    for photo, (boxes, scores) in zip(photos, boxes_of, strict=True):
        everything = np.ones(len(photo.boxes), bool)
        heights.append(photo.boxes[:, 3])
        found.append(np.stack([matched(b, photo.boxes, everything, IOUS[0])[2] for b in (boxes, boxes[scores > 0.5])], axis=1))
    height, hit = np.concatenate(heights), np.concatenate(found)
    rows = []
    for low, high in itertools.pairwise(HEIGHTS):
        here = (height >= low) & (height < high)
        if here.any():
            shares = hit[here].mean(axis=0)
            rows.append(
                {
                    "from": low,
                    "below": high,
                    "mean_height": float(height[here].mean()),
                    "faces": int(here.sum()),
                    "recall": float(shares[0]),
                    "recall_at_0.5": float(shares[1]),
                }
            )
    return rows
