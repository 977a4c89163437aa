"""The `json` level: JSON of the public classes, compared with `JSON.stringify` of those of face-api.js."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.golden import Case
from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Box, Rect
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.matcher import FaceMatch, FaceMatcher, LabeledFaceDescriptors, euclidean_distance
from npfaceapi.faces.results import FaceDetection, FaceExpressions, FaceResult, extend_with_face_landmarks, resize_results

__all__ = ["run_json_case"]

Array = np.ndarray[Any, Any]


def run_json_case(case: Case, inputs: Sequence[Array]) -> dict[str, Any]:
    """The values of a case of the `json` level, by name."""
    a, op = case.attributes, case.attributes["op"]
    if op == "anchor":
        black, white = (nets.face_recognition_net.forward(image)[0] for image in inputs)
        return {"norm_of_black": np.linalg.norm(black.astype(np.float64)), "distance_of_white": euclidean_distance(black, white)}
    if op == "face_matcher":
        return _face_matcher(a, inputs)
    if op == "labeled_face_descriptors":
        return {"labeled": LabeledFaceDescriptors(a["label"], [inputs[0]]).to_dict()}
    if op == "euclidean_distance":
        return {"distances": [[euclidean_distance(x, y) for y in inputs] for x in inputs]}
    if op == "face_match":
        made = [FaceMatch(label, distance) for label, distance in a["pairs"]]
        return {
            "texts": [str(match) for match in made],
            "texts_without_distance": [match.to_string(False) for match in made],
            "objects": [{"_label": match.label, "_distance": match.distance} for match in made],
        }
    if op == "expressions":
        expressions = FaceExpressions(a["probabilities"])
        return {"expressions": dict(expressions), "sorted": [pair._asdict() for pair in expressions.as_sorted_array()]}
    return _boxes(a) if op == "box" else _results(a, inputs)


def _face_matcher(a: dict[str, Any], inputs: Sequence[Array]) -> dict[str, Any]:
    known: list[Any] = []
    for person in a["labeled"]:
        descriptors = [inputs[i] for i in person["descriptors"]]
        known.append(descriptors[0] if person["label"] is None else LabeledFaceDescriptors(person["label"], descriptors))
    matcher = FaceMatcher(known, a["distance_threshold"])

    def matches(by: FaceMatcher) -> list[dict[str, Any]]:
        found = [by.find_best_match(inputs[i]) for i in a["queries"]]
        return [
            {"label": m.label, "distance": m.distance, "text": str(m), "text_without_distance": m.to_string(False)} for m in found
        ]

    again = FaceMatcher.from_json(matcher.to_json())
    return {"matches": matches(matcher), "matches_after_json": matches(again), "matcher": matcher.to_dict()}


def _results(a: dict[str, Any], inputs: Sequence[Array]) -> dict[str, Any]:
    detection = FaceDetection(a["score"], Rect(*a["relative_box"]), (a["image_width"], a["image_height"]))
    landmarks = FaceLandmarks68(inputs[0].astype(np.float64), (a["crop_width"], a["crop_height"]))
    result = extend_with_face_landmarks(FaceResult(detection), landmarks)
    if a["op"] == "result":
        return {"result": _js_result(result), "detection": _js_detection(detection), "landmarks": _js_landmarks(landmarks)}
    if a["op"] == "resize_results":
        size = (a["width"], a["height"])
        return {
            "result": _js_result(resize_results(result, size)),
            "detection": _js_detection(resize_results(detection, size)),
        }
    assert result.landmarks is not None
    return {
        "align": _rect(result.landmarks.align()),
        "align_padding_0": _rect(result.landmarks.align(min_box_padding=0)),
        "align_dlib": _rect(result.landmarks.align(use_dlib_alignment=True)),
        "align_to_detection": _rect(landmarks.align(detection)),
    }


def _boxes(a: dict[str, Any]) -> dict[str, Any]:
    boxes = [Box(dict(zip(("x", "y", "width", "height"), box, strict=True))) for box in a["boxes"]]
    region = Box(dict(zip(("left", "top", "right", "bottom"), a["region"], strict=True)))
    return {
        "round": [_rect(box.round()) for box in boxes],
        "floor": [_rect(box.floor()) for box in boxes],
        "to_square": [_rect(box.to_square()) for box in boxes],
        "rescale": [_rect(box.rescale(a["rescale"])) for box in boxes],
        "pad": [_rect(box.pad(*a["pad"])) for box in boxes],
        "shift": [_rect(box.shift(*a["shift"])) for box in boxes],
        "clip_at_image_borders": [_rect(box.clip_at_image_borders(*a["clip"])) for box in boxes],
        "calibrate": [_rect(box.calibrate(region)) for box in boxes],
        "iou": [[iou(x, y) for y in boxes] for x in boxes],
        "iou_of_min": [[iou(x, y, False) for y in boxes] for x in boxes],
    }


def _rect(box: Box) -> list[float]:
    return [box.x, box.y, box.width, box.height]


def _js_box(box: Box) -> dict[str, float]:
    return {"_x": box.x, "_y": box.y, "_width": box.width, "_height": box.height}


def _js_detection(detection: FaceDetection) -> dict[str, Any]:
    return {
        "_imageDims": {"_width": detection.image_width, "_height": detection.image_height},
        "_score": detection.score,
        "_classScore": detection.class_score,
        "_className": detection.class_name,
        "_box": _js_box(detection.box),
    }


def _js_landmarks(landmarks: Any) -> dict[str, Any]:
    return {
        "_imgDims": {"_width": landmarks.image_width, "_height": landmarks.image_height},
        "_shift": {"_x": landmarks.shift.x, "_y": landmarks.shift.y},
        "_positions": [{"_x": x, "_y": y} for x, y in landmarks.positions.tolist()],
    }


def _js_result(result: Any) -> dict[str, Any]:
    return {
        "detection": _js_detection(result.detection),
        "landmarks": _js_landmarks(result.landmarks),
        "unshiftedLandmarks": _js_landmarks(result.unshifted_landmarks),
        "alignedRect": _js_detection(result.aligned_rect),
    }
