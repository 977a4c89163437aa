"""Faults outside the networks: in decoding the weight files, and in the labels and distances of matches."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npfaceapi.conformance.faults.fault import Answers, Fault, Weights, network_fault
from npfaceapi.conformance.faults.pictures import align_corners, half_pixel, nearest
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.questions import Question
from npfaceapi.faces.js_numbers import js_number
from npfaceapi.faces.matcher import euclidean_distance
from npfaceapi.graph import Graph
from npfaceapi.weights import data_folder

__all__ = ["NUMBER_FAULTS", "quantizations", "stored_numbers"]

Array = np.ndarray[Any, Any]


# ------------------------------------------------------------------ weight files


@functools.cache
def quantizations(model: str) -> dict[str, Mapping[str, Any]]:
    """The `quantization` of each quantized tensor of a model."""
    text = data_folder("weights").joinpath(f"{model}-weights_manifest.json").read_text("utf-8")
    entries = [entry for group in json.loads(text) for entry in group["weights"]]
    return {entry["name"]: entry["quantization"] for entry in entries if "quantization" in entry}


def _redequantized(name: str, title: str, change: Callable[[Array, float, float], Array]) -> Fault:
    """A network whose weights are decoded differently."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        stated = case.weights or "synthetic_weights" in case.attributes  # other weights than the bundled ones
        how = {} if stated else quantizations(network_of(case).model_name)

        def decoded(graph: Graph, tensors: Weights) -> Weights:
            made = {
                key: change(stored_numbers(w, how[key]["scale"], how[key]["min"]), how[key]["scale"], how[key]["min"])
                for key, w in tensors.items()
                if key in how
            }
            return {**tensors, **{key: np.asarray(w, np.float32) for key, w in made.items()}}

        return network_fault(name, title, weights=decoded).run(case, question, dtype) if how else None

    return Fault(name, title, run)


def stored_numbers(w: Array, scale: float, least: float) -> Array:
    """The integers that a tensor was decoded from."""
    return np.asarray(np.round((w.astype(np.float64) - least) / scale))


def _dequantized(change: Callable[[Array, float, float], Array]) -> Any:
    """Integers q that stand for q · scale + min, decoded differently."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        network = network_of(case)
        how, tensors = {} if case.weights else quantizations(network.model_name), network.tensors
        if not how:
            return None
        out: Answers = {name: tensors[name] for name in question.answers}
        for name in question.answers:
            if name in how:
                q = stored_numbers(tensors[name], how[name]["scale"], how[name]["min"])
                out[name] = np.asarray(change(q, how[name]["scale"], how[name]["min"]), np.float32)
        return out

    return run


def _in_float32(q: Array, scale: float, least: float) -> Array:
    return np.asarray(q.astype(np.float32) * np.float32(scale) + np.float32(least))


def _whole_zero_point(q: Array, scale: float, least: float) -> Array:
    return np.asarray((q - np.round(-least / scale)) * scale)


def _as_oihw(case: Case, question: Question, dtype: Any) -> Answers | None:
    tensors = network_of(case).tensors
    return {name: tensors[name].transpose(3, 2, 0, 1) if tensors[name].ndim == 4 else tensors[name] for name in question.answers}


# ------------------------------------------------------------------ single operations


def _resized(resize: Any) -> Any:
    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        a = question.attributes
        if a["op"] != "resize_bilinear":
            return None
        return {"output": np.stack([resize(image, (a["height"], a["width"])) for image in question.inputs["x"]])}

    return run


# ------------------------------------------------------------------ matches


def _rounded_texts(case: Case, question: Question, dtype: Any) -> Answers | None:
    a = question.attributes
    if a["op"] != "face_match":
        return None

    def text(label: str, distance: float) -> str:
        return f"{label} ({js_number(math.floor(distance * 100 + 0.5) / 100)})"

    return {
        "texts": [text(*pair) for pair in a["pairs"]],
        "texts_without_distance": [label for label, _ in a["pairs"]],
        "objects": [{"_label": label, "_distance": distance} for label, distance in a["pairs"]],
    }


def _matched(
    distance_of: Callable[[list[float]], float] = lambda distances: sum(distances) / len(distances),
    distance: Callable[[Array, Array], float] = euclidean_distance,
    is_known: Callable[[float, float], bool] = lambda distance, threshold: distance < threshold,
) -> Any:
    """A face matcher with another distance, another mean over a person's descriptors, or another threshold."""

    def run(case: Case, question: Question, dtype: Any) -> Answers | None:
        a, vectors = question.attributes, list(question.inputs.values())
        if a["op"] == "euclidean_distance" and distance is not euclidean_distance:
            return {"distances": [[distance(x, y) for y in vectors] for x in vectors]}
        if a["op"] != "face_matcher":
            return None
        number, known = 0, []
        for person in a["labeled"]:
            number += person["label"] is None
            known.append((person["label"] or f"person {number}", [vectors[i] for i in person["descriptors"]]))
        matches = []
        for i in a["queries"]:
            of = [(distance_of([distance(vectors[i], v) for v in described]), label) for label, described in known]
            nearest, label = min(of, key=lambda pair: pair[0])
            label = label if is_known(nearest, a["distance_threshold"]) else "unknown"
            text = f"{label} ({js_number(math.floor(nearest * 100) / 100)})"
            matches.append({"label": label, "distance": nearest, "text": text, "text_without_distance": label})
        out: Answers = {"matches": matches, "matches_after_json": matches}
        if "matcher" in question.answers:
            described = [{"label": label, "descriptors": [v.tolist() for v in vs]} for label, vs in known]
            out["matcher"] = {"distanceThreshold": a["distance_threshold"], "labeledDescriptors": described}
        return out

    return run


def _squared(x: Array, y: Array) -> float:
    return float(np.square(x.astype(np.float64) - y).sum())


def _cosine(x: Array, y: Array) -> float:
    a, b = x.astype(np.float64), y.astype(np.float64)
    return 1 - float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) or 1.0))


def _alignment(case: Case, question: Question, dtype: Any) -> Answers | None:
    """The box of landmarks padded by 20 % on each side."""
    from npfaceapi.conformance.json_level import run_json_case
    from npfaceapi.faces.geometry import Box

    if question.attributes["op"] != "alignment":
        return None
    answers = run_json_case(case, list(question.inputs.values()))
    tight = Box(dict(zip(("x", "y", "width", "height"), answers["align_padding_0"], strict=True)))
    wide = tight.pad(tight.width * 0.4, tight.height * 0.4)
    return {**answers, "align": [wide.x, wide.y, wide.width, wide.height]}


NUMBER_FAULTS = (
    Fault("min_missing", "weights decoded as q · scale, min left out",
          _dequantized(lambda q, scale, least: q * scale), ("weights",)),
    Fault("not_decoded", "quantized weights not decoded", _dequantized(lambda q, scale, least: q), ("weights",)),
    Fault("decoded_in_float32", "weights decoded in float32 instead of float64", _dequantized(_in_float32), ("weights",)),
    Fault("zero_point_rounded", "weights decoded as (q - zero point) · scale, with a whole zero point",
          _dequantized(_whole_zero_point), ("weights",)),
    _redequantized("zero_point_rounded", "weights decoded as (q - zero point) · scale, with a whole zero point",
                   _whole_zero_point),
    Fault("weights_oihw", "filters given as [Co,Ci,KH,KW] instead of [KH,KW,Ci,Co]", _as_oihw, ("weights",)),
    Fault("resize_half_pixel", "resize with half-pixel centres", _resized(half_pixel), ("operations",)),
    Fault("resize_align_corners", "resize with aligned corners", _resized(align_corners), ("operations",)),
    Fault("resize_nearest", "resize to the nearest pixel", _resized(nearest), ("operations",)),
    Fault("label_rounded", "distances in labels rounded to the nearest instead of down", _rounded_texts, ("json",)),
    Fault("nearest_descriptor", "a person's nearest descriptor instead of the mean distance", _matched(min), ("json",)),
    Fault("distance_at_threshold", "a distance equal to the threshold is known",
          _matched(is_known=lambda distance, threshold: distance <= threshold), ("json",)),
    Fault("distance_squared", "the squared distance (without the root)", _matched(distance=_squared), ("json",)),
    Fault("distance_manhattan", "the sum of absolute differences instead of the euclidean distance",
          _matched(distance=lambda x, y: float(np.abs(x.astype(np.float64) - y).sum())), ("json",)),
    Fault("distance_cosine", "the cosine instead of the euclidean distance", _matched(distance=_cosine), ("json",)),
    Fault("align_padding_per_side", "the aligned box padded by 20 % on each side instead of in total", _alignment, ("json",)),
)  # fmt: skip
