"""Faults of the whole chain: in the crop of a network, the position of landmarks, or the processing of an answer.

The chain is implemented here a second time, in small steps that can each be replaced; a test checks that it agrees with
`tasks.py` if none is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.faults.decoding import BOXES, ORDERS
from npfaceapi.conformance.faults.fault import Answers, Fault, backend_of
from npfaceapi.conformance.faults.pictures import (
    MOVED_CROPS,
    OPENCV_BYTES,
    PILLOW_BYTES,
    Rect,
    align_corners,
    crop_edges_floored,
    crop_floored_first,
    crop_moved,
    crop_rounded,
    half_pixel,
    opencv_bytes,
    padded_after_resizing,
    pillow_bytes,
    smoothed,
    stretched,
)
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.levels import detector_options, networks_of
from npfaceapi.conformance.questions import Question
from npfaceapi.engines.dispatch import current_backend, use_backend
from npfaceapi.faces.geometry import Box, Rect as BoxRect, min_bbox
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.results import FaceDetection
from npfaceapi.networks.face_landmark_68_net import unpad_points
from npfaceapi.networks.neural_network import softmax
from npfaceapi.photos.net_input import crop_rect, pad_to_square, resize_bilinear, to_batch_tensor, to_net_input

__all__ = ["CHAIN_FAULTS", "Steps", "run_chain"]

Array = np.ndarray[Any, Any]


def _cut(box: Rect, W: int, H: int) -> tuple[int, ...]:
    return crop_rect(BoxRect(*box), W, H)


def _aligned(landmarks: FaceLandmarks68, detection: Box) -> Box:
    return landmarks.align()


def _for_descriptor(landmarks: FaceLandmarks68, detection: Box) -> Box:
    return landmarks.align(use_dlib_alignment=True)


@dataclass(frozen=True)
class Steps:
    """The correct steps of the chain."""

    picture: Callable[[Array], Array] = lambda image: image
    batch: Callable[[list[Array], int, bool], Array] = to_batch_tensor
    crop: Callable[[Rect, int, int], tuple[int, ...]] = _cut
    shift: Callable[[Box, tuple[int, ...]], tuple[float, float]] = lambda box, rect: (box.x, box.y)
    aligned: Callable[[FaceLandmarks68, Box], Box] = _aligned
    seen: Callable[[FaceLandmarks68, Box], Box] = _aligned  # the input of the networks for expression, age and gender
    square: Callable[[FaceLandmarks68, Box], Box] = _for_descriptor
    descriptor: Callable[[Array], Array] = lambda descriptors: descriptors
    probabilities: Callable[[Array], Array] = softmax
    male: int = 0


def run_chain(case: Case, question: Question, steps: Steps) -> Answers | None:
    """The chain on one picture."""
    if question.attributes.get("only") == "mtcnn":
        return None
    picture = question.inputs["picture_0"]
    image = steps.picture(picture)
    untouched = image is picture and steps.batch is to_batch_tensor
    detections = _detected(case, question, steps) if untouched else _detect(case, image, steps)
    out: Answers = {
        "boxes": np.array([[d.box.x, d.box.y, d.box.width, d.box.height] for d in detections]).reshape(-1, 4),
        "scores": np.array([d.score for d in detections]),
    }
    if not detections:
        return out
    H, W = image.shape[:2]

    def rects_of(boxes: list[Box]) -> Array:
        return np.array([steps.crop((b.x, b.y, b.width, b.height), W, H) for b in boxes])

    def answers_of(net: Any, rects: Array) -> dict[str, Array]:
        crops = [image[y : y + h, x : x + w] for x, y, w, h in rects]
        raw: dict[str, Array] = net.run_net(steps.batch(crops, net.input_size, True))
        return raw

    boxes = [detection.box for detection in detections]
    crops = rects_of(boxes)
    tiny = question.attributes["use_tiny_landmark_net"]
    points = answers_of(nets.face_landmark_68_tiny_net if tiny else nets.face_landmark_68_net, crops)["points"]
    sizes = [(int(w), int(h)) for _, _, w, h in crops]
    unshifted = [FaceLandmarks68(unpad_points(p, *s).astype(np.float64), s) for p, s in zip(points, sizes, strict=True)]
    placed = [lm.shift_by(*steps.shift(box, tuple(rect))) for lm, box, rect in zip(unshifted, boxes, crops, strict=True)]
    aligned, seen, squares = (
        [step(lm, box) for lm, box in zip(placed, boxes, strict=True)] for step in (steps.aligned, steps.seen, steps.square)
    )
    out["landmarks"] = np.stack([lm.positions for lm in placed])
    out["unshifted_landmarks"] = np.stack([lm.positions for lm in unshifted])
    out["aligned_boxes"] = np.array([[b.x, b.y, b.width, b.height] for b in aligned])
    out["detection_crops"], out["aligned_crops"], out["dlib_crops"] = crops, rects_of(seen), rects_of(squares)
    out["descriptors"] = steps.descriptor(answers_of(nets.face_recognition_net, out["dlib_crops"])["descriptor"])
    out["expressions"] = steps.probabilities(answers_of(nets.face_expression_net, out["aligned_crops"])["logits"])
    person = answers_of(nets.age_gender_net, out["aligned_crops"])
    out["ages"], out["gender_probability_male"] = person["age"], steps.probabilities(person["gender_logits"])[:, steps.male]
    return out


#: Cache of the faces found last in an unchanged picture: most faults come after the detector.
_kept: tuple[Question, str, list[FaceDetection]] | None = None


def _detected(case: Case, question: Question, steps: Steps) -> list[FaceDetection]:
    global _kept
    kept = _kept
    if kept is None or kept[0] is not question or kept[1] != current_backend():
        kept = _kept = question, current_backend(), _detect(case, question.inputs["picture_0"], steps)
    return kept[2]


def _detect(case: Case, image: Array, steps: Steps) -> list[FaceDetection]:
    net, options = getattr(nets, case.net.removesuffix("_full")), detector_options(case)
    if steps.batch is to_batch_tensor or case.net == "mtcnn":
        found: list[FaceDetection] = net.locate_faces(image, options)
        return found
    from npfaceapi.networks import ssd_mobilenetv1, tiny_yolov2
    from npfaceapi.networks.neural_network import reshaped_sizes_of, sizes_of

    size = net.input_size if case.net == "ssd_mobilenetv1" else options.input_size
    raw = net.run_net(steps.batch([image], size, False))
    photo, inner = sizes_of(to_net_input(image))[0], reshaped_sizes_of(to_net_input(image), size)[0]
    if case.net != "ssd_mobilenetv1":
        return tiny_yolov2.decode(raw["grid"][0], net.config, photo, inner, size, options.score_threshold)
    boxes = ssd_mobilenetv1.decode_boxes(raw["box_encodings"][0], net.priors)
    return ssd_mobilenetv1.decode(boxes, ssd_mobilenetv1.decode_scores(raw["class_logits"][0]), photo, inner, options)


def _fault(name: str, title: str, **steps: Any) -> Fault:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        with use_backend(backend_of(dtype)), networks_of(case):
            return run_chain(case, question, Steps(**steps))

    return Fault(name, title, run, ("chain",))


def _resized(resize: Any) -> Any:
    def batch(pictures: list[Array], size: int, center: bool) -> Array:
        squares = [pad_to_square(picture, center) for picture in pictures]
        return np.stack([x.astype(np.float32) if len(x) == size else resize(x, (size, size)) for x in squares])

    return batch


def _padding_elsewhere(pictures: list[Array], size: int, center: bool) -> Array:
    return np.stack([resize_bilinear(pad_to_square(picture, not center), (size, size)) for picture in pictures])


def _padded_twice(landmarks: FaceLandmarks68, detection: Box) -> Box:
    return landmarks.align(min_box_padding=0.4)


def _tight(landmarks: FaceLandmarks68, detection: Box) -> Box:
    return min_bbox(landmarks.positions)


def _whole(box: Box, rect: tuple[int, ...]) -> tuple[float, float]:
    return math.floor(box.x), math.floor(box.y)


def _normalized(descriptors: Array) -> Array:
    return np.asarray(descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True))


def _at_crop(box: Box, rect: tuple[int, ...]) -> tuple[float, float]:
    return rect[0], rect[1]


def _answered(name: str, title: str, change: Callable[[Answers, Array], Answers]) -> Fault:
    """The correct answers to a picture, changed afterwards."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        right = _right(case, question, dtype)
        picture = question.inputs["picture_0"]
        return None if right is None or not len(right["boxes"]) else {**right, **change(right, np.array(picture.shape[1::-1]))}

    return Fault(name, title, run, ("chain",))


#: Cache of the correct answers to the last question.
_last: tuple[Question, Any, Answers | None] | None = None


def _right(case: Case, question: Question, dtype: Any) -> Answers | None:
    global _last
    last = _last
    if last is None or last[0] is not question or last[1] is not dtype:
        last = _last = question, dtype, _fault("", "").run(case, question, dtype)
    return last[2]


def _only(key: str, change: Callable[[Array, Answers, Array], Array]) -> Any:
    return lambda right, size: {key: change(right[key], right, size)}


def _boxes(change: Callable[[Array, Array], Array]) -> Any:
    return lambda right, size: {"boxes": change(right["boxes"], size)}


def _in_order(order: Callable[[Array], Array]) -> Any:
    def change(right: Answers, size: Array) -> Answers:
        picked = order(right["boxes"])
        return {key: value[picked] for key, value in right.items()}

    return change


def _in_crop(points: Array, right: Answers, size: Array) -> Array:
    crops = right["detection_crops"][:, None].astype(np.float64)
    return np.asarray(right["unshifted_landmarks"] / crops[..., 2:])


CHAIN_FAULTS = (
    _fault("bgr", "channels in the wrong order (BGR for RGB)", picture=lambda image: np.ascontiguousarray(image[..., ::-1])),
    _fault("resize_half_pixel", "resize with half-pixel centres", batch=_resized(half_pixel)),
    _fault("resize_align_corners", "resize with aligned corners", batch=_resized(align_corners)),
    _fault("resize_smoothed", "resize with smoothing, as Pillow does", batch=_resized(smoothed)),
    _fault("resize_pillow_bytes", PILLOW_BYTES, batch=_resized(pillow_bytes)),
    _fault("resize_opencv_bytes", OPENCV_BYTES, batch=_resized(opencv_bytes)),
    _fault("padding_other_side", "padded in the centre instead of at the right and bottom, or the other way round",
           batch=_padding_elsewhere),
    _fault("padding_after_resizing", "padded after resizing instead of before", batch=padded_after_resizing),
    _fault("padding_missing", "stretched to a square instead of padded", batch=stretched),
    _fault("crop_floored_first", "the box floored before it is clipped instead of after", crop=crop_floored_first),
    _fault("crop_rounded", "the crop rounded instead of floored", crop=crop_rounded),
    _fault("crop_edges_floored", "edges of the crop floored instead of its corner and size", crop=crop_edges_floored),
    _fault("shift_floored", "landmarks placed at the floored box (face-api.js takes the box as it is)", shift=_whole),
    _fault("descriptor_from_aligned", "the descriptor's crop from the aligned box instead of dlib's square (align crop)",
           square=_aligned),
    _fault("seen_as_descriptor", "expression, age and gender from dlib's square instead of the aligned box",
           seen=_for_descriptor),
    _fault("seen_as_detection", "expression, age and gender from the detection instead of the aligned box",
           seen=lambda landmarks, detection: detection),
    _fault("descriptor_from_detection", "the descriptor's crop from the detection instead of dlib's square",
           square=lambda landmarks, detection: detection),
    *(_fault("crop_off_by_one", f"crops one pixel off ({', '.join(f'{d:+d}' for d in by)} of x, y, width, height)",
             crop=crop_moved(*by)) for by in MOVED_CROPS),
    _fault("shift_at_crop", "landmarks placed at the crop's whole pixels (face-api.js takes the box as it is)", shift=_at_crop),
    _fault("landmarks_unshifted", "landmarks not moved to where the crop was taken from", shift=lambda box, rect: (0.0, 0.0)),
    _answered("landmarks_unshifted", "landmarks not moved to where the crop was taken from",
              _only("landmarks", lambda v, right, size: right["unshifted_landmarks"])),
    _answered("landmarks_relative", "landmarks relative to the crop instead of in pixels of the picture",
              _only("landmarks", _in_crop)),
    _answered("landmarks_relative", "landmarks relative to the picture instead of in pixels",
              _only("landmarks", lambda v, right, size: v / size)),
    _answered("age_rounded", "the age rounded to whole years", _only("ages", lambda v, right, size: np.floor(v + 0.5))),
    _answered("argmax_for_softmax", "1 for the likeliest expression and 0 for the others",
              _only("expressions", lambda v, right, size: np.eye(v.shape[1])[v.argmax(axis=1)])),
    *(_answered(name, title, _boxes(change)) for name, (title, change) in BOXES.items()),
    *(_answered(name, title, _in_order(order)) for name, (title, order) in ORDERS.items()),
    _fault("align_padding_per_side", "the aligned box padded by 20 % on each side instead of in total",
           aligned=_padded_twice, seen=_padded_twice),
    _fault("align_padding_missing", "the aligned box not padded", aligned=_tight, seen=_tight),
    _fault("descriptor_normalized", "the descriptor normalized to length 1", descriptor=_normalized),
    _fault("softmax_twice", "softmax applied twice", probabilities=lambda v: softmax(softmax(v))),
    _fault("classes_exchanged", "the probability of female for that of male", male=1),
)  # fmt: skip
