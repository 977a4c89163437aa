"""Pairs a port's faces with golden ones, and finds ambiguous faces: those within the error band of a threshold.

A score within its error of the detector's threshold may fall on either side.  Scores closer to each other than their error may
come in either order.  An edge within its error of a whole pixel may be floored to either side, which visibly changes the crop
and the network's result.  None of these is a fault; such faces are reported as ambiguous.  An additional, missing or displaced
face is a fault.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npfaceapi.conformance.comparison import overlap
from npfaceapi.conformance.expected import Expected
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.questions import Question
from npfaceapi.faces.landmarks import DLIB_CENTRE_X, DLIB_CENTRE_Y, DLIB_EYE_TO_MOUTH, EYES_AND_MOUTH

__all__ = ["PER_FACE", "Pairing", "pair_faces"]

Array = np.ndarray[Any, Any]

#: The answers computed from each crop.
_FROM_CROP = {
    "detection_crops": ("landmarks", "unshifted_landmarks", "aligned_boxes", "aligned_crops", "dlib_crops", "expressions", "ages",
                        "gender_probability_male", "descriptors"),
    "aligned_crops": ("expressions", "ages", "gender_probability_male"),
    "dlib_crops": ("descriptors",),
}  # fmt: skip
#: Tensors with one row for each face.
PER_FACE = frozenset(("boxes", "scores", "landmarks_of_face_api", *_FROM_CROP, *_FROM_CROP["detection_crops"]))
#: Error of an edge of dlib's square per error of a landmark: twice, for a distance, divided by 0.45.
_DLIB_GROWTH = 5.0
_LEAST_BAND = 1e-3  # pixels


@dataclass
class Pairing:
    """Matching rows of the golden tensors and the port's, and faces that are excused.

    Attributes
    ----------
    golden, actual : list of int, or None
        Row `actual[k]` answers row `golden[k]`; None if rows are compared in order.
    excused : dict of tensor to dict of golden row to reason
    moved : dict of golden row to reason
        Faces that are missing, additional (negative numbers) or in another position, and excused.
    problem : str
        Why the faces cannot be the expected ones; empty if they can.
    """

    golden: list[int] | None = None
    actual: list[int] | None = None
    excused: dict[str, dict[int, str]] = field(default_factory=dict)
    moved: dict[int, str] = field(default_factory=dict)
    problem: str = ""

    def excuse(self, names: Any, face: int, reason: str) -> None:
        for name in names:
            self.excused.setdefault(name, {})[face] = reason

    @property
    def ambiguous(self) -> dict[int, str]:
        """Every excused face, with its reason."""
        found = {face: reason for faces in self.excused.values() for face, reason in faces.items()}
        return {**found, **self.moved}


def pair_faces(case: Case, question: Question, expected: Mapping[str, Expected], answers: Mapping[str, Any]) -> Pairing:
    """Pair the faces of a chain or of decoded detections."""
    boxes, scores = expected.get("boxes"), expected.get("scores")
    if boxes is None or scores is None or boxes.whole:
        return Pairing()
    found, found_scores = (_rows(answers.get(name), width) for name, width in (("boxes", 4), ("scores", 0)))
    if found is None or found_scores is None or len(found) != len(found_scores):
        return Pairing()
    pairing = _match(case, boxes, scores, found, found_scores)
    if pairing.problem:
        return pairing
    for ambiguity in case.ambiguous:
        if ambiguity["face"] is not None:
            pairing.excuse(expected, ambiguity["face"], ambiguity["reason"])
    if case.level == "chain":
        _excuse_crops(question.inputs["picture_0"].shape, expected, answers, pairing)
    return pairing


def _rows(value: Any, width: int) -> Array | None:
    """A port's rows; None if the value is no such array, which is judged elsewhere."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        return None
    return value if value.ndim == (2 if width else 1) and (not width or value.shape[1] == width) else None


def _threshold(case: Case) -> float:
    a = case.attributes
    for name in ("min_confidence", "score_threshold"):
        if name in a:
            return float(a[name])
    return float(a.get("score_thresholds", (0.6, 0.7, 0.7))[2])


def _match(case: Case, boxes: Expected, scores: Expected, found: Array, found_scores: Array) -> Pairing:
    golden, golden_scores = np.asarray(boxes.value, np.float64), np.asarray(scores.value, np.float64)
    band, threshold = float(scores.bound.get("absolute", 0.0)), _threshold(case)
    near = [a for a in case.ambiguous if "score" in a["reason"]]
    may_move = {a["face"] for a in near if a["face"] is not None}
    may_miss = {a["face"] for a in near if "threshold" in a["reason"]} | {
        i for i, score in enumerate(golden_scores) if score - threshold <= band
    }
    pairs, free = _by_overlap(golden, found)
    pairing = Pairing([i for i, _ in pairs], [j for _, j in pairs])
    count = f"expected {len(golden)} faces, got {len(found)}"
    missing = sorted(set(range(len(golden))) - set(pairing.golden or ()))
    for i in missing:
        if i not in may_miss:
            pairing.problem = f"{count}: none at number {i}, {np.round(golden[i], 1).tolist()}"
            return pairing
        pairing.moved[i] = f"its score {golden_scores[i]:.6g} is at the threshold {threshold:g}"
    unstored = sum(a["face"] is None for a in near)  # candidates just below the threshold
    for k, j in enumerate(free):
        gap = abs(found_scores[j] - threshold)
        met = gap == 0 and case.level == "decode"  # with given raw outputs, a score equal to its threshold is intended
        if k >= unstored and (met or not gap <= band):
            pairing.problem = f"{count}: number {j}, {np.round(found[j], 1).tolist()}, is one too many"
            return pairing
        pairing.moved[-1 - k] = f"an additional face's score {found_scores[j]:.6g} is at the threshold {threshold:g}"
    for (i, j), (i2, j2) in itertools.combinations(pairs, 2):
        if j < j2:
            continue
        close = abs(golden_scores[i] - golden_scores[i2]) <= 2 * band
        if not close and not {i, i2} <= may_move:
            pairing.problem = f"expected the faces in golden order, got number {i2} before number {i}"
            return pairing
        pairing.moved[i] = pairing.moved[i2] = f"scores {golden_scores[i]:.6g} and {golden_scores[i2]:.6g} are close"
    return pairing


def _by_overlap(golden: Array, found: Array) -> tuple[list[tuple[int, int]], list[int]]:
    """Match each golden box with the unmatched found box of largest overlap; ties go to the first."""
    pairs, free = [], list(range(len(found)))
    for i, box in enumerate(golden):
        measured = [(float(overlap(found[j : j + 1].astype(np.float64), box[None])[0]), -j) for j in free]
        best = max(measured, default=(0.0, 0))
        if best[0] >= 0.5:
            pairs.append((i, -best[1]))
            free.remove(-best[1])
    return pairs, free


def _excuse_crops(
    picture: tuple[int, ...], expected: Mapping[str, Expected], answers: Mapping[str, Any], pairing: Pairing
) -> None:
    """Excuse a crop, and all that depends on it, if an edge within its error of a whole pixel is floored differently."""
    assert pairing.golden is not None
    assert pairing.actual is not None
    for name, source in (("detection_crops", "boxes"), ("aligned_crops", "aligned_boxes"), ("dlib_crops", "landmarks")):
        given, edges = _array(answers.get(name)), _array(answers.get(source))
        if name not in expected or given is None or edges is None or given.shape[1:] != (4,):
            continue
        golden_edges = np.asarray(expected[source].value, np.float64)
        limit = float(expected[source].bound.get("absolute", 1.0))
        for i, j in zip(pairing.golden, pairing.actual, strict=True):
            if j >= min(len(given), len(edges)) or edges[j].shape != golden_edges[i].shape:
                continue
            rect, right = tuple(int(v) for v in given[j]), tuple(int(v) for v in expected[name].value[i])
            if rect == right:
                continue
            error = min(float(np.abs(edges[j] - golden_edges[i]).max()), limit)
            band = max(_LEAST_BAND, (_DLIB_GROWTH if name == "dlib_crops" else 2.0) * error)
            near = _near_dlib if name == "dlib_crops" else _near
            if near(golden_edges[i], rect, right, band, picture):
                reason = f"an edge of {name} is within {band:.2g} px of a whole pixel: {list(right)} or {list(rect)}"
                pairing.excuse((name, *_FROM_CROP[name]), i, reason)


def _array(value: Any) -> Array | None:
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and np.isfinite(value).all() else None


def _near(box: Array, rect: tuple[int, ...], right: tuple[int, ...], band: float, picture: tuple[int, ...]) -> bool:
    """Whether each number of `rect` that differs from `right` can come from flooring within the band."""
    (x, y, w, h), (H, W, _) = box, picture
    left, top = max(x, 0.0), max(y, 0.0)
    edges = (left, top, min(x + w, W) - left, min(y + h, H) - top)
    return all(a == b or a in _floors(e, band) for a, b, e in zip(rect, right, edges, strict=True))


def _floors(value: float, band: float) -> set[int]:
    return set(range(math.floor(max(0.0, value - band)), math.floor(max(0.0, value + band)) + 1))


def _near_dlib(points: Array, rect: tuple[int, ...], right: tuple[int, ...], band: float, picture: tuple[int, ...]) -> bool:
    """Whether `rect` is a square given by landmarks within the band, clipped to the picture."""
    left_eye, right_eye, mouth = parts = [points[part].mean(axis=0) for part in EYES_AND_MOUTH]
    distance = float(np.linalg.norm(mouth - left_eye) + np.linalg.norm(mouth - right_eye)) / 2
    for side in _floors(distance / DLIB_EYE_TO_MOUTH, band):
        corner = np.mean(parts, axis=0) - (DLIB_CENTRE_X * side, DLIB_CENTRE_Y * side)
        for x, y in itertools.product(*(_floors(float(edge), band) for edge in corner)):
            if rect == (x, y, min(side, picture[1] - x), min(side, picture[0] - y)):
                return True
    return False
