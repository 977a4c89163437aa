"""Faults in decoding raw outputs to boxes, scores, points and probabilities, and in non-max suppression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npfaceapi.conformance.faults.fault import Answers, Fault
from npfaceapi.conformance.faults.network import alphabetical
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.questions import Question
from npfaceapi.faces.boxes import non_max_suppression, ssd_non_max_suppression
from npfaceapi.faces.predictions import FACE_EXPRESSION_LABELS
from npfaceapi.networks import mtcnn_stages, tiny_yolov2
from npfaceapi.networks.face_landmark_68_net import SIZE as LANDMARK_SIZE
from npfaceapi.networks.neural_network import sigmoid, softmax
from npfaceapi.networks.ssd_mobilenetv1 import IOU_THRESHOLD, SIZE, decode_boxes
from npfaceapi.photos.net_input import compute_reshaped_dimensions

__all__ = ["DECODE_FAULTS"]

Array = np.ndarray[Any, Any]
Kept = Sequence[int]


def _sigmoid(x: Array) -> Array:
    return sigmoid(x.astype(np.float64))


# ------------------------------------------------------------------ suppression


def overlapping(
    boxes: Array, scores: Array, threshold: float, is_iou: bool = True, *, earlier: bool = False, common_too: bool = True
) -> Kept:
    """Suppression with sizes of right - left + 1, as if edges were pixels, in the areas and in the intersection."""
    edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float64)
    areas = (boxes[:, 2] + 1.0) * (boxes[:, 3] + 1.0)
    order = np.lexsort((np.arange(len(scores)) * (1 if earlier else -1), -np.asarray(scores, np.float64)))
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        sizes = np.minimum(edges[best, 2:], edges[order, 2:]) - np.maximum(edges[best, :2], edges[order, :2]) + common_too
        common = np.maximum(sizes[:, 0], 0) * np.maximum(sizes[:, 1], 0)
        whole = areas[best] + areas[order] - common if is_iou else np.minimum(areas[best], areas[order])
        order = order[common / whole <= threshold]
    return kept


def _areas_alone(boxes: Array, scores: Array, threshold: float, is_iou: bool = True) -> Kept:
    return overlapping(boxes, scores, threshold, is_iou, common_too=False)


def _ssd_overlapping(common_too: bool) -> Callable[..., Kept]:
    def suppress(boxes: Array, scores: Array, most: int, threshold: float, iou: float = IOU_THRESHOLD) -> Kept:
        passed = np.flatnonzero(scores.astype(np.float64) > threshold)
        start, end = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
        found = np.concatenate([start, end - start], axis=1)[passed].astype(np.float64)
        kept = overlapping(found, scores[passed], iou, earlier=True, common_too=common_too)
        return [int(i) for i in passed[list(kept)[:most]]]

    return suppress


#: Overlap thresholds of other programs.
OVERLAPS = (0.3, 0.4, 0.45, 0.5, 0.6, 0.7)


#: Other orders of the anchors.
ANCHORS: dict[str, Callable[[Array], Array]] = {
    "in reverse order": lambda anchors: anchors[::-1],
    "sorted by size": lambda anchors: anchors[np.argsort(anchors.prod(axis=1))],
    "one number too early": lambda anchors: np.roll(anchors, -1, axis=0),
    "one number too late": lambda anchors: np.roll(anchors, 1, axis=0),
}


def at_least(threshold: float) -> float:
    """A number such that `x > at_least(threshold)` is `x >= threshold`."""
    return float(np.nextafter(threshold, -np.inf))


# ------------------------------------------------------------------ detections as they are answered

#: Other representations of boxes, from boxes [n,4] of x, y, width, height in pixels and [W, H].
BOXES: dict[str, tuple[str, Callable[[Array, Array], Array]]] = {
    "boxes_as_corners": ("boxes as (left, top, right, bottom) instead of (x, y, width, height)",
                         lambda b, size: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1)),
    "boxes_relative": ("boxes relative to the picture instead of in pixels", lambda b, size: b / np.tile(size, 2)),
    "boxes_rounded": ("boxes rounded to whole pixels", lambda b, size: np.floor(b + 0.5)),
    "boxes_floored": ("boxes rounded down to whole pixels", lambda b, size: np.floor(b)),
    "boxes_yx": ("boxes as (y, x, height, width) instead of (x, y, width, height)", lambda b, size: b[:, [1, 0, 3, 2]]),
    "boxes_yx_corners": ("boxes as (top, left, bottom, right) instead of (x, y, width, height)",
                         lambda b, size: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1)[:, [1, 0, 3, 2]]),
    "boxes_by_centre": ("boxes by their centre instead of their corner",
                        lambda b, size: np.concatenate([b[:, :2] + b[:, 2:] / 2, b[:, 2:]], axis=1)),
}  # fmt: skip

#: Orders of the detections other than by score.
ORDERS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "faces_left_to_right": ("faces sorted from left to right instead of by score", lambda b: np.argsort(b[:, 0], kind="stable")),
    "faces_by_size": ("faces sorted by size, the largest first, instead of by score",
                      lambda b: np.argsort(-b[:, 2] * b[:, 3], kind="stable")),
    "faces_reversed": ("faces in ascending instead of descending order of their scores", lambda b: np.arange(len(b))[::-1]),
}  # fmt: skip


def _answered(change: Callable[[Array, Array], Array] | None = None, order: Callable[[Array], Array] | None = None) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        right = _ssd()(case, question, dtype) or _yolo()(case, question, dtype)
        if right is None or not len(right["boxes"]):
            return None
        boxes, size = right["boxes"], np.array([question.attributes["image_width"], question.attributes["image_height"]])
        if change is not None:
            return {**right, "boxes": change(boxes, size)}
        assert order is not None
        picked = order(boxes)
        return {**right, "boxes": boxes[picked], "scores": right["scores"][picked]}

    return run


# ------------------------------------------------------------------ SSD


def _suppress(boxes: Array, scores: Array, most: int, threshold: float, iou: float = IOU_THRESHOLD) -> Kept:
    return ssd_non_max_suppression(boxes.astype(np.float64), scores.astype(np.float64), most, iou, threshold)


def later_first(boxes: Array, scores: Array, most: int, threshold: float, iou: float = IOU_THRESHOLD) -> Kept:
    kept = _suppress(boxes[::-1], scores[::-1], most, threshold, iou)
    return [len(boxes) - 1 - i for i in kept]


def _ssd(
    *,
    boxes: Callable[[Array, Array], Array] = decode_boxes,
    scores: Callable[[Array], Array] = lambda logits: _sigmoid(logits[:, 1]),
    suppress: Callable[..., Kept] = _suppress,
    clip: str = "square",
    unpad: bool = True,
) -> Any:
    """Decode SSD with one step changed."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if case.net != "ssd_mobilenetv1":
            return None
        a, given = question.attributes, question.inputs
        found = boxes(given["box_encodings"].reshape(5118, 4), given["priors"]).astype(np.float32)
        probable = scores(given["class_logits"].reshape(5118, 3)).astype(np.float32)
        kept = suppress(found, probable, a["max_results"], a["min_confidence"])
        W, H = a["image_width"], a["image_height"]
        inner = compute_reshaped_dimensions(W, H, SIZE)
        pad_x, pad_y = (SIZE / inner.width, SIZE / inner.height) if unpad else (1.0, 1.0)
        rows, values = [], []
        for i in kept:
            top, left, bottom, right = (float(v) for v in found[i])
            if clip != "none":
                most_x, most_y = (1.0, 1.0) if clip == "square" else (1 / pad_x, 1 / pad_y)
                if clip == "all edges":
                    top, left, bottom, right = min(most_y, top), min(most_x, left), max(0.0, bottom), max(0.0, right)
                top, left, bottom, right = max(0.0, top), max(0.0, left), min(most_y, bottom), min(most_x, right)
            if right < left or bottom < top:
                continue
            rows.append([left * pad_x * W, top * pad_y * H, (right - left) * pad_x * W, (bottom - top) * pad_y * H])
            values.append(float(probable[i]))
        return {
            "relative_boxes": found, "all_scores": probable,
            "boxes": np.array(rows).reshape(-1, 4), "scores": np.array(values),
        }  # fmt: skip

    return run


def _scaled(*by: float) -> Callable[[Array, Array], Array]:
    return lambda encodings, priors: decode_boxes(encodings * np.array(by, np.float32), priors)


def _x_first(encodings: Array, priors: Array) -> Array:
    return decode_boxes(encodings[:, [1, 0, 3, 2]], priors)


# ------------------------------------------------------------------ YOLO


def _yolo(
    *,
    anchors: Callable[[Array], Array] = lambda anchors: anchors,
    center: Callable[[Array], Array] = _sigmoid,
    unpad: bool = True,
    exchanged: bool = False,
    suppress: Callable[..., Kept] = non_max_suppression,
    iou: float = tiny_yolov2.IOU_THRESHOLD,
    score: Callable[[Array], Array] = _sigmoid,
    threshold: Callable[[float], float] = lambda threshold: threshold,
) -> Any:
    """Decode a grid with one step changed."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if "grid" not in question.inputs:
            return None
        config = tiny_yolov2.FULL if case.net == "tiny_yolov2_full" else tiny_yolov2.SEPARABLE
        a, raw = question.attributes, question.inputs["grid"][0].astype(np.float64)
        cells = raw.shape[0]
        grid = raw.reshape(cells, cells, 5, config.box_encoding_size)
        scores, least = score(grid[..., 4]), threshold(a["score_threshold"])
        row, column, anchor = np.argwhere(scores > least).T
        tx, ty, tw, th = grid[row, column, anchor, :4].T
        sizes = anchors(np.array(config.anchors))[anchor].T
        W, H = a["image_width"], a["image_height"]
        inner = compute_reshaped_dimensions(W, H, a["input_size"])
        side = max(inner.width, inner.height)
        fx, fy = (side / inner.width, side / inner.height) if unpad else (1.0, 1.0)
        if exchanged:
            row, column = column, row
        x, y = (column + center(tx)) / cells * fx, (row + center(ty)) / cells * fy
        w, h = np.exp(tw) * sizes[0] / cells * fx, np.exp(th) * sizes[1] / cells * fy
        boxes = np.stack([x - w / 2, y - h / 2, w, h], axis=-1)
        found = scores[scores > least]
        kept = list(suppress(boxes * a["input_size"], found, iou))
        return {"boxes": boxes[kept].reshape(-1, 4) * (W, H, W, H), "scores": found[kept]}

    return run


def earlier_first(boxes: Array, scores: Array, threshold: float, is_iou: bool = True) -> Kept:
    kept = non_max_suppression(np.asarray(boxes)[::-1], np.asarray(scores)[::-1], threshold, is_iou)
    return [len(boxes) - 1 - i for i in kept]


# ------------------------------------------------------------------ the other networks


def _landmarks(change: Callable[[Array, int, int], Array]) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if not case.net.startswith("face_landmark"):
            return None
        dims, points = question.attributes["image_dims"], question.inputs["points"]
        made = [change(p.astype(np.float64), width, height) for p, (height, width) in zip(points, dims, strict=True)]
        return {"relative_points": np.stack([m.reshape(-1) for m in made]).astype(np.float32)}

    return run


def _unpadded(points: Array, width: int, height: int, before: Callable[[float], float] = lambda pad: pad / 2) -> Array:
    scale = LANDMARK_SIZE / max(width, height)
    size = np.array([width * scale, height * scale])
    padding = np.array([before(max(0.0, p)) for p in size[::-1] - size])
    return np.asarray((points.reshape(68, 2) * LANDMARK_SIZE - padding) / size)


def _exact_half(points: Array, width: int, height: int) -> Array:
    """Undo the padding as pad_to_square splits it: in whole pixels, the larger half after."""
    scale = LANDMARK_SIZE / max(width, height)
    return _unpadded(points, width, height, lambda pad: round(pad / scale) // 2 * scale)


def _probabilities(change: Callable[[Array], Array], male: int = 0) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        if case.net == "face_expression_net":
            return {"probabilities": change(question.inputs["logits"]).astype(np.float32)}
        if case.net == "age_gender_net":
            both = change(question.inputs["gender_logits"]).astype(np.float32)
            return {"gender_probabilities": both, "gender_probability_male": both[:, male]}
        return None

    return run


def _alphabetical(v: Array) -> Array:
    return alphabetical(softmax(v)) if v.shape[-1] == len(FACE_EXPRESSION_LABELS) else softmax(v)


def _one_hot(v: Array) -> Array:
    return np.asarray(np.eye(v.shape[-1])[v.argmax(axis=-1)])


def _suppression(general: Any = None, ssd: Any = None) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        a, given = question.attributes, question.inputs
        if a.get("op") == "non_max_suppression" and general is not None:
            return {"indices": np.array(general(given["boxes"], given["scores"], a["iou_threshold"], a["is_iou"]), int)}
        if a.get("op") == "ssd_non_max_suppression" and ssd is not None:
            most = a["max_output_size"]
            return {
                "indices": np.array(ssd(given["boxes"], given["scores"], most, a["score_threshold"], a["iou_threshold"]), int)
            }
        return None

    return run


# ------------------------------------------------------------------ MTCNN's stages


def _stage(
    *,
    regions: Callable[[Array], Array] = lambda regions: regions,
    finish: Callable[[Array], Array] = lambda boxes: boxes,
    points: Callable[[Array], Array] = lambda points: points,
    suppress: Callable[..., Kept] = non_max_suppression,
    iou: float = 0.7,
    at_threshold: bool = False,
) -> Any:
    """Stages 1 to 3 with one step changed; `at_threshold` inverts the decision on a score that equals the threshold."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        a, given = question.attributes, question.inputs
        stage = a.get("stage", 0)
        if stage == 0:
            return None
        threshold = a["score_threshold"]
        if stage == 1:
            least = float(np.nextafter(threshold, np.inf)) if at_threshold else threshold
            candidates = [
                _scale(given[f"prob_{i}"][0], regions(given[f"regions_{i}"][0]), scale, least, suppress)
                for i, scale in enumerate(a["scales"])
            ]
            boxes, scores, moves = (
                np.concatenate(part) for part in zip(*candidates, (np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4))), strict=True)
            )
            kept = list(suppress(boxes, scores, iou))
            return {"boxes": finish(mtcnn_stages.calibrate(boxes[kept], moves[kept])).astype(int), "scores": scores[kept]}
        scores = given["prob"][:, 1].astype(np.float64)
        passed = np.flatnonzero(scores > (at_least(threshold) if at_threshold else threshold))
        start, moves = given["boxes"].astype(np.float64)[passed], regions(given["regions"])[passed]
        if stage == 2:
            kept = list(suppress(start, scores[passed], iou))
            boxes = mtcnn_stages.calibrate(start[kept], moves[kept])
            return {"boxes": finish(boxes).astype(int), "scores": scores[passed][kept]}
        moved = mtcnn_stages.calibrate(start, moves)
        chosen = np.array(suppress(moved, scores[passed], iou, False), int)
        boxes = moved[chosen]

        def placed(relative: Array) -> Array:
            xy = points(relative.astype(np.float64)).reshape(-1, 2, 5).transpose(0, 2, 1)
            return np.asarray(xy * (boxes[:, None, 2:] + 1) + boxes[:, None, :2])

        return {
            "boxes": finish(boxes).astype(int), "scores": scores[passed][chosen],
            "landmarks": placed(given["points"][passed[chosen]]), "landmarks_of_face_api": placed(given["points"][chosen]),
        }  # fmt: skip

    return run


def _scale(prob: Array, regions: Array, scale: float, threshold: float, suppress: Callable[..., Kept]) -> tuple[Array, ...]:
    """One scale of stage 1."""
    boxes, scores, moves = mtcnn_stages.stage1_scale(prob, regions, scale, threshold)
    if suppress is non_max_suppression:
        return boxes, scores, moves
    cells = np.argwhere(prob[..., 1] >= threshold)
    edges = np.floor(np.concatenate([cells * 2 + 1, cells * 2 + 12], axis=1) / scale + 0.5)
    boxes = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)
    scores, moves = prob[tuple(cells.T)][:, 1].astype(np.float64), regions[tuple(cells.T)]
    kept = list(suppress(boxes, scores, 0.5))
    return boxes[kept], scores[kept], moves[kept]


def _y_first(regions: Array) -> Array:
    return np.asarray(regions[..., [1, 0, 3, 2]])


def _interleaved(points: Array) -> Array:
    """Read points as x0, y0, x1, … although the network gives x0, …, x4, y0, …, y4."""
    return np.asarray(points.reshape(-1, 5, 2).transpose(0, 2, 1).reshape(-1, 10))


_LEVEL = ("decode",)

DECODE_FAULTS = tuple(
    Fault(name, title, run, _LEVEL)
    for name, title, run in (
        ("class_column_0", "scores from class column 0 (the background)", _ssd(scores=lambda v: _sigmoid(v[:, 0]))),
        ("class_column_2", "scores from class column 2", _ssd(scores=lambda v: _sigmoid(v[:, 2]))),
        ("softmax_for_sigmoid", "softmax over the classes instead of sigmoid", _ssd(scores=lambda v: softmax(v)[:, 1])),
        ("sigmoid_missing", "the sigmoid of the scores left out", _ssd(scores=lambda v: v[:, 1])),
        ("sigmoid_twice", "sigmoid of the scores applied twice", _ssd(scores=lambda v: _sigmoid(_sigmoid(v[:, 1])))),
        ("variances_missing", "box encodings not divided by 10 and 5", _ssd(boxes=_scaled(10, 10, 5, 5))),
        ("variances_partial", "box encodings of the size not divided by 5", _ssd(boxes=_scaled(1, 1, 5, 5))),
        ("variances_partial", "box encodings of the centre not divided by 10", _ssd(boxes=_scaled(10, 10, 1, 1))),
        ("variances_partial", "box encodings all divided by 10", _ssd(boxes=_scaled(1, 1, 0.5, 0.5))),
        ("score_at_threshold", "a score equal to the threshold passes",
         _ssd(suppress=lambda b, s, most, threshold: _suppress(b, s, most, at_least(threshold)))),
        ("score_at_threshold", "a score equal to the threshold passes", _yolo(threshold=at_least)),
        ("score_at_threshold", "a score equal to the threshold passes where it must not, or the other way round",
         _stage(at_threshold=True)),
        *((name, title, _answered(change)) for name, (title, change) in BOXES.items()),
        *((name, title, _answered(order=order)) for name, (title, order) in ORDERS.items()),
        *(("nms_threshold", f"boxes suppressed above an overlap of {iou} instead of 0.5",
           _ssd(suppress=lambda b, s, most, threshold, iou=iou: _suppress(b, s, most, threshold, iou)))
          for iou in OVERLAPS if iou != 0.5),
        *(("nms_threshold", f"boxes suppressed above an overlap of {iou} instead of 0.4", _yolo(iou=iou))
          for iou in OVERLAPS if iou != 0.4),
        *(("nms_threshold", f"boxes suppressed above an overlap of {iou} instead of 0.7", _stage(iou=iou))
          for iou in OVERLAPS if iou != 0.7),
        *(("nms_missing", "no box suppressed", run)
          for run in (_ssd(suppress=lambda b, s, most, threshold: _suppress(b, s, most, threshold, 1.0)), _yolo(iou=1.0))),
        *(("nms_plus_one", f"sizes of right - left + 1 in the overlap{where}", run)
          for where, general, common_too in (("", overlapping, True), (", of the areas alone", _areas_alone, False))
          for run in (_yolo(suppress=general), _stage(suppress=general), _ssd(suppress=_ssd_overlapping(common_too)),
                      _suppression(general, _ssd_overlapping(common_too)))),
        ("x_before_y", "box encodings as (x, y, w, h) instead of (y, x, h, w)", _ssd(boxes=_x_first)),
        ("nms_ties", "boxes with equal scores: the later first instead of the earlier", _ssd(suppress=later_first)),
        ("not_clipped", "boxes not clipped", _ssd(clip="none")),
        *(("clipped_to_picture", "boxes clipped to the picture instead of the padded square", _ssd(clip=clip))
          for clip in ("picture", "all edges")),
        ("padding_not_undone", "the padding to a square not undone", _ssd(unpad=False)),
        ("padding_not_undone", "the padding to a square not undone", _yolo(unpad=False)),
        ("sigmoid_missing", "the sigmoid of box centres left out", _yolo(center=lambda t: t)),
        ("sigmoid_missing", "the sigmoid of the scores left out", _yolo(score=lambda v: v)),
        ("sigmoid_twice", "sigmoid of the scores applied twice", _yolo(score=lambda v: _sigmoid(_sigmoid(v)))),
        ("rows_for_columns", "rows and columns of the grid exchanged", _yolo(exchanged=True)),
        ("anchors_exchanged", "width and height of anchors exchanged", _yolo(anchors=lambda v: v[:, ::-1])),
        *(("anchors_order", f"anchors {what}", _yolo(anchors=change)) for what, change in ANCHORS.items()),
        ("anchors_missing", "anchors left out", _yolo(anchors=np.ones_like)),
        ("nms_ties", "boxes with equal scores: the earlier first instead of the later", _yolo(suppress=earlier_first)),
        ("padding_not_undone", "the padding to a square not undone", _landmarks(lambda p, w, h: p.reshape(68, 2))),
        ("padding_split", "the padding undone as whole pixels (face-api.js takes exactly half)", _landmarks(_exact_half)),
        ("points_planar", "points as x0…x67, y0…y67 instead of x0, y0, x1, …",
         _landmarks(lambda p, w, h: _unpadded(p.reshape(2, 68).T.copy(), w, h))),
        ("softmax_missing", "the softmax left out", _probabilities(lambda v: v)),
        ("softmax_twice", "softmax applied twice", _probabilities(lambda v: softmax(softmax(v)))),
        ("softmax_axis", "softmax over another axis than the last", _probabilities(lambda v: softmax(v.T).T)),
        ("argmax_for_softmax", "1 for the largest and 0 for the others instead of the softmax", _probabilities(_one_hot)),
        ("softmax_for_sigmoid", "sigmoid instead of softmax", _probabilities(_sigmoid)),
        ("classes_exchanged", "the probability of female for that of male", _probabilities(softmax, male=1)),
        ("classes_alphabetical", "the expressions in alphabetical order", _probabilities(_alphabetical)),
        ("classes_exchanged", "the classes in reverse order", _probabilities(lambda v: softmax(v)[:, ::-1])),
        ("nms_ties", "boxes with equal scores in the other order", _suppression(earlier_first, later_first)),
        ("nms_threshold_drops", "an overlap equal to the threshold suppresses", _suppression(
            lambda b, s, t, i: non_max_suppression(b, s, np.nextafter(t, 0), i),
            lambda b, s, m, c, t: _suppress(b, s, m, c, np.nextafter(t, 0)))),
        ("nms_other_area", "overlap measured by the union instead of the smaller box, or the other way round",
         _suppression(lambda b, s, t, i: non_max_suppression(b, s, t, not i))),
        ("regions_y_first", "regions as (top, left, bottom, right)", _stage(regions=_y_first)),
        ("regions_missing", "boxes not corrected by the regions", _stage(regions=np.zeros_like)),
        ("points_interleaved", "points as x0, y0, x1, … instead of x0…x4, y0…y4", _stage(points=_interleaved)),
        ("off_by_one", "boxes one pixel larger", _stage(finish=lambda boxes: boxes + np.array([0, 0, 1, 1]))),
    )
)  # fmt: skip
