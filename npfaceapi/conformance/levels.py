"""Runs a golden case on the current backend: one function per level, from case and inputs to named tensors."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi import nets, ops
from npfaceapi.conformance.golden import Case, synthetic_weights
from npfaceapi.conformance.json_level import run_json_case
from npfaceapi.engines import dispatch
from npfaceapi.errors import FetchError, GoldenError
from npfaceapi.faces.boxes import non_max_suppression, ssd_non_max_suppression
from npfaceapi.faces.geometry import Box, Rect
from npfaceapi.faces.results import FaceDetection, FaceResult
from npfaceapi.graph import Graph, Node, ParamTree, record
from npfaceapi.networks import mtcnn_stages as stages, ssd_mobilenetv1, tiny_yolov2
from npfaceapi.networks.face_landmark_68_net import unpad_points
from npfaceapi.networks.neural_network import NeuralNetwork, softmax
from npfaceapi.networks.registry import Net, all_names, split
from npfaceapi.photos.fetch import fetch_or_throw
from npfaceapi.photos.net_input import (
    compute_reshaped_dimensions,
    extract_face_tensors,
    pixel_rect,
    resize_bilinear,
    to_batch_tensor,
)
from npfaceapi.tasks import FaceInProgress, detect_all_faces

__all__ = [
    "LEVELS", "detector_options", "network_batch", "network_of", "networks_of", "operation_graph", "run_case",
    "unbundled_network",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Outputs = dict[str, Any]


def network_of(case: Case) -> NeuralNetwork:
    """The network of a case, with the weights that the case names: by rule, or as files that are not bundled."""
    if case.net not in all_names():
        raise GoldenError(f"{case.name}: expected a network out of {', '.join(all_names())}, got {case.net!r}")
    net: NeuralNetwork
    if case.net in case.weights:
        net = unbundled_network(case.net, case.weights[case.net], case.weights_folder)
    elif case.net.startswith("tiny_yolov2"):
        net = _yolo(case.net == "tiny_yolov2", json.dumps(case.attributes.get("synthetic_weights", [])))
    else:
        net = nets.network_named(case.net)
    return net


@functools.lru_cache(maxsize=2)
def _yolo(separable: bool, rules: str) -> NeuralNetwork:
    """A TinyYolov2 with weights made by rule; cached, since making the 16 million numbers takes seconds."""
    net = tiny_yolov2.TinyYolov2(separable)
    made = synthetic_weights(json.loads(rules))
    if made:
        net.load_from_weight_map(made)
    return net


def unbundled_network(name: str, files: Mapping[str, str], folder: str) -> Any:
    """A network with weights from a folder; `files` gives the SHA-256 of each.

    Raises
    ------
    GoldenError
        A file is missing, or has another SHA-256.
    """
    return _unbundled_network(name, tuple(files.items()), folder)


@functools.lru_cache(maxsize=8)
def _unbundled_network(name: str, files: tuple[tuple[str, str], ...], folder: str) -> Any:
    for file, expected in files:
        path = Path(folder, file)
        try:
            found = hashlib.sha256(fetch_or_throw(path)).hexdigest()
        except FetchError as error:
            raise GoldenError(str(error)) from None
        if found != expected:
            raise GoldenError(f"{path}: expected the file of SHA-256 {expected}, got {found}")
    net, variant = _split(name)
    made = net.cls(False) if variant else net.cls()
    made.load(os.path.join(folder, files[0][0]))  # a flat file, or a manifest
    return made


def _split(name: str) -> tuple[Net, str]:
    found = split(name)
    if found is None:
        raise GoldenError(f"expected weights for a network out of {', '.join(all_names())}, got {name!r}")
    return found


@contextlib.contextmanager
def networks_of(case: Case) -> Iterator[None]:
    """Within the context, `npfaceapi.nets` holds networks with the weights that the case names."""
    own = {_split(name)[0].name: unbundled_network(name, files, case.weights_folder) for name, files in case.weights.items()}
    before = {name: getattr(nets, name) for name in own}
    vars(nets).update(own)
    try:
        yield
    finally:
        vars(nets).update(before)


def network_batch(case: Case, inputs: Sequence[Array]) -> Array:
    a = case.attributes
    if case.net == "mtcnn_pnet":
        resized = resize_bilinear(inputs[0], (a["height"], a["width"]))
        return np.ascontiguousarray(resized[None, ..., ::-1].transpose(0, 2, 1, 3))
    if case.net.startswith("mtcnn_"):
        return np.ascontiguousarray(inputs[0][..., ::-1].transpose(0, 2, 1, 3), np.float32)
    return to_batch_tensor(list(inputs), a["size"], a["center"])


def weights(case: Case, inputs: Sequence[Array]) -> Outputs:
    return dict(network_of(case).tensors)


def operations(case: Case, inputs: Sequence[Array]) -> Outputs:
    """One operation as a graph, so that it runs on the backend under test."""
    op = case.attributes["op"]
    if op == "resize_bilinear":
        size = case.attributes["height"], case.attributes["width"]
        return {"output": np.stack([resize_bilinear(image, size) for image in inputs[0]])}
    graph, tensors, batch = operation_graph(case, inputs)
    program = dispatch.prepare(graph, tensors, list(graph.outputs.values()), dispatch.current_backend())
    return {"output": program(batch)[0]}


def operation_graph(case: Case, inputs: Sequence[Array]) -> tuple[Graph, dict[str, Array], Array]:
    """The graph of a case's operation, its parameters, and its batch."""
    attributes = {k: v for k, v in case.attributes.items() if k != "op"}
    op = case.attributes["op"]
    if op == "concat" or (op in ("add", "subtract", "multiply", "divide") and inputs[1].shape == inputs[0].shape):
        return _several_inputs(op, inputs)
    batch, parameters = inputs[0], dict(enumerate(inputs[1:]))
    names = {
        "conv2d": ("filters",), "depthwise_conv2d": ("filters",), "dense": ("weights",), "prelu": ("alpha",),
        "batch_norm": ("mean", "variance", "offset", "scale"),
    }.get(op, ("y",) if parameters else ())  # fmt: skip
    tensors = {name: parameters[i] for i, name in enumerate(names)}
    scalar = "y" in tensors and tensors["y"].ndim == 0
    if scalar:
        attributes["y"] = float(tensors.pop("y"))
    if op == "pad":
        rows, columns, channels = (tuple(amount) for amount in attributes.pop("paddings")[1:])
        attributes.update(rows=rows, columns=columns, channels=channels)
    elif op == "leaky_relu":
        attributes["alpha"] = tiny_yolov2.ALPHA
    elif op == "mean" or op == "avg_pool":
        attributes = {k: v for k, v in attributes.items() if k not in ("axes", "padding")}

    def forward(x: Node, p: ParamTree) -> dict[str, Node]:
        return {"output": getattr(ops, op)(x, **p, **attributes)}

    return record("operation", forward, {name: t.shape for name, t in tensors.items()}, batch.shape[1:]), tensors, batch


def _several_inputs(op: str, inputs: Sequence[Array]) -> tuple[Graph, dict[str, Array], Array]:
    """Concatenate several inputs into the graph's one; dense layers of zeros and ones select each exactly."""
    batch = np.concatenate([x.reshape(len(x), -1) for x in inputs], axis=1)
    ends = np.cumsum([x[0].size for x in inputs])
    pick = {
        f"pick{i}": np.eye(batch.shape[1], dtype=np.float32)[:, end - x[0].size : end]
        for i, (x, end) in enumerate(zip(inputs, ends, strict=True))
    }

    def forward(x: Node, p: ParamTree) -> dict[str, Node]:
        parts = [ops.reshape(ops.dense(x, p[f"pick{i}"]), part.shape[1:]) for i, part in enumerate(inputs)]
        return {"output": ops.concat(parts) if op == "concat" else getattr(ops, op)(*parts)}

    return record("operation", forward, {name: t.shape for name, t in pick.items()}, batch.shape[1:]), pick, batch


def taps(case: Case, inputs: Sequence[Array]) -> Outputs:
    return dict(network_of(case).taps(network_batch(case, inputs), [entry["name"] for entry in case.expected]))


def raw(case: Case, inputs: Sequence[Array]) -> Outputs:
    return dict(network_of(case).run_net(network_batch(case, inputs)))


def _detections(faces: Sequence[FaceDetection]) -> Outputs:
    return {
        "boxes": np.array([[f.box.x, f.box.y, f.box.width, f.box.height] for f in faces]).reshape(-1, 4),
        "scores": np.array([f.score for f in faces]),
    }


def decode(case: Case, inputs: Sequence[Array]) -> Outputs:
    a = case.attributes
    if "stage" in a:
        return _mtcnn_stage(case, inputs)
    if a.get("op") == "non_max_suppression":
        return {"indices": np.array(non_max_suppression(inputs[0], inputs[1], a["iou_threshold"], a["is_iou"]), int)}
    if a.get("op") == "ssd_non_max_suppression":
        boxes, scores = (x.astype(np.float64) for x in inputs)
        kept = ssd_non_max_suppression(boxes, scores, a["max_output_size"], a["iou_threshold"], a["score_threshold"])
        return {"indices": np.array(kept, int)}
    if case.net == "face_expression_net":
        return {"probabilities": softmax(inputs[0])}
    if case.net == "age_gender_net":
        probabilities = softmax(inputs[0])
        return {"gender_probabilities": probabilities, "gender_probability_male": probabilities[:, 0]}
    if case.net.startswith("face_landmark"):
        sizes = [(width, height) for height, width in a["image_dims"]]
        return {
            "relative_points": np.stack([unpad_points(p, *size).reshape(-1) for p, size in zip(inputs[0], sizes, strict=True)])
        }
    width, height = a["image_width"], a["image_height"]
    reshaped = compute_reshaped_dimensions(width, height, a.get("input_size", ssd_mobilenetv1.SIZE))
    sizes_of_photo = (width, height), (int(reshaped.width), int(reshaped.height))
    if case.net == "ssd_mobilenetv1":
        encodings, logits = (x.reshape(5118, -1) for x in inputs)
        relative = ssd_mobilenetv1.decode_boxes(encodings, nets.ssd_mobilenetv1.priors)
        all_scores = ssd_mobilenetv1.decode_scores(logits)
        found = ssd_mobilenetv1.decode(relative, all_scores, *sizes_of_photo, detector_options(case))
        return {"relative_boxes": relative, "all_scores": all_scores, **_detections(found)}
    config = tiny_yolov2.FULL if case.net == "tiny_yolov2_full" else tiny_yolov2.SEPARABLE
    return _detections(tiny_yolov2.decode(inputs[0][0], config, *sizes_of_photo, a["input_size"], a["score_threshold"]))


def _mtcnn_stage(case: Case, inputs: Sequence[Array]) -> Outputs:
    a = case.attributes
    if a["stage"] == 0:
        scales = stages.pyramid_scales(a["width"], a["height"], a["min_face_size"], a["scale_factor"])
        scales = stages.usable_scales(scales, a["width"], a["height"], a["max_num_scales"])
        return {"scales": scales, "sizes": np.array([(int(a["height"] * s), int(a["width"] * s)) for s in scales])}
    threshold = a["score_threshold"]
    if a["stage"] == 1:
        pairs = zip(inputs[::2], inputs[1::2], a["scales"], strict=True)
        boxes, scores = stages.stage1_all([stages.stage1_scale(p.squeeze(0), r.squeeze(0), s, threshold) for p, r, s in pairs])
        return {"boxes": boxes.astype(int), "scores": scores}
    given = inputs[0].astype(np.float64)
    if a["stage"] == 2:
        boxes, scores = stages.stage2(given, inputs[1], inputs[2], threshold)
        return {"boxes": boxes.astype(int), "scores": scores}
    boxes, scores, points, of_face_api = stages.stage3(given, inputs[1], inputs[2], inputs[3], threshold)
    return {"boxes": boxes.astype(int), "scores": scores, "landmarks": points, "landmarks_of_face_api": of_face_api}


def prepare(case: Case, inputs: Sequence[Array]) -> Outputs:
    a = case.attributes
    if a["op"] == "to_batch":
        reshaped = [compute_reshaped_dimensions(x.shape[1], x.shape[0], a["size"]) for x in inputs]
        dims = np.array([(size.height, size.width) for size in reshaped])
        return {"batch": to_batch_tensor(list(inputs), a["size"], a["center"]), "reshaped_dims": dims}
    if a["op"] == "resize":
        return {"image": resize_bilinear(inputs[0], (a["height"], a["width"]))[None]}
    if a["op"] == "mtcnn_patches":
        batch, _ = stages.patches(inputs[0], inputs[1].astype(np.float64), a["size"])
        return {"patches": batch.transpose(0, 2, 1, 3)[..., ::-1].astype(np.uint8)}
    H, W = inputs[0].shape[:2]
    boxes: list[Any] = [Box({"x": x, "y": y, "width": w, "height": h}) for x, y, w, h in a.get("boxes", ())]
    boxes += [FaceDetection(0.9, Rect(*box), (W, H)) for box in a.get("relative_boxes", ())]
    crops = extract_face_tensors(inputs[0], boxes)
    rects = [pixel_rect(box, W, H) for box in boxes]
    return {"rects": np.array(rects), **{f"crop_{i}": crop for i, crop in enumerate(crops)}}


def detector_options(case: Case) -> Any:
    """The case's options for its detector."""
    a = case.attributes
    options = _split(case.net)[0].options
    return options(**{field.name: a[field.name] for field in dataclasses.fields(options) if field.name in a})


def chain(case: Case, inputs: Sequence[Array]) -> Outputs:
    with networks_of(case):
        return _chain(case, inputs[0])


def _chain(case: Case, image: Array) -> Outputs:
    a = case.attributes
    if a.get("only") == "mtcnn":
        boxes, scores, points, of_face_api, _ = nets.mtcnn.detect_arrays(image, detector_options(case))
        found = {"boxes": boxes, "scores": scores}
        return {**found, "landmarks": points, "landmarks_of_face_api": of_face_api} if len(boxes) else found
    task = detect_all_faces(image, detector_options(case)).with_face_landmarks(a["use_tiny_landmark_net"])
    faces: list[FaceResult] = task.with_face_expressions().with_age_and_gender().with_face_descriptors().run()
    outputs = _detections([face.detection for face in faces])
    if faces:
        outputs.update(_answers(faces))
        cut = [FaceInProgress(image, face) for face in faces]
        outputs["detection_crops"] = np.array([face.detection_rect() for face in cut])
        outputs["aligned_crops"] = np.array([face.aligned_rect() for face in cut])
        outputs["dlib_crops"] = np.array([face.descriptor_rect() for face in cut])
    return outputs


def _answers(faces: Sequence[Any]) -> Outputs:
    aligned = _detections([face.aligned_rect for face in faces])["boxes"]
    return {
        "landmarks": np.stack([face.landmarks.positions for face in faces]),
        "unshifted_landmarks": np.stack([face.unshifted_landmarks.positions for face in faces]),
        "aligned_boxes": aligned,
        "descriptors": np.stack([face.descriptor for face in faces]),
        "expressions": np.array([list(face.expressions.values()) for face in faces]),
        "ages": np.array([face.age for face in faces]),
        "gender_probability_male": np.array(
            [face.gender_probability if face.gender == "male" else 1 - face.gender_probability for face in faces]
        ),
    }


LEVELS: dict[str, Callable[[Case, Sequence[Array]], Outputs]] = {
    "weights": weights,
    "operations": operations,
    "taps": taps,
    "raw": raw,
    "decode": decode,
    "prepare": prepare,
    "chain": chain,
    "json": run_json_case,
}


def run_case(case: Case, inputs: Sequence[Array]) -> Outputs:
    """The tensors of a case from the current backend, by name."""
    if case.level not in LEVELS:
        raise GoldenError(f"{case.name}: expected a level out of {', '.join(LEVELS)}, got {case.level}")
    return LEVELS[case.level](case, inputs)
