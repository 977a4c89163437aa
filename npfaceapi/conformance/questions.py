"""The questions to a port: a golden case as named input tensors and names of answers, the same for every kind of port.

A golden case has a list of inputs, pictures for whole networks.  A port gets them by name, and for the levels `raw` and `taps`
also the batch, so that it can be judged on its network alone: a port that uses the pictures is judged on its resizing too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.golden import Case, GoldenCases, synthetic_weights
from npfaceapi.conformance.levels import network_batch, network_of, unbundled_network
from npfaceapi.errors import GoldenError
from npfaceapi.networks.tiny_yolov2 import ALPHA

__all__ = ["ORDER", "Question", "answerable", "question_of", "stated_weights"]

Array = np.ndarray[Any, Any]

#: The levels from the lowest to the highest; fix the lowest one that fails first.
ORDER = ("weights", "operations", "taps", "raw", "decode", "prepare", "chain", "json")

_OPERANDS = {
    "conv2d": ("x", "filters"),
    "depthwise_conv2d": ("x", "filters"),
    "dense": ("x", "weights"),
    "prelu": ("x", "alpha"),
    "batch_norm": ("x", "mean", "variance", "offset", "scale"),
}
_DECODED = {
    "ssd_mobilenetv1": ("box_encodings", "class_logits"),
    "tiny_face_detector": ("grid",),
    "tiny_yolov2": ("grid",),
    "tiny_yolov2_full": ("grid",),
    "face_landmark_68_net": ("points",),
    "face_landmark_68_tiny_net": ("points",),
    "face_expression_net": ("logits",),
    "age_gender_net": ("gender_logits",),
    "": ("boxes", "scores"),
}
_STAGES = {2: ("boxes", "prob", "regions"), 3: ("boxes", "prob", "regions", "points")}


@dataclass(frozen=True)
class Question:
    """One golden case as a port gets it.

    Attributes
    ----------
    name, level, net : str
        As in `cases.json`; `net` is empty for cases without a network.
    attributes : dict
        Sizes, thresholds, the name of the operation, …; JSON values.
    inputs : dict of str to ndarray
        By the names that docs/conformance.md lists for each level.
    answers : list of str
        Names of the tensors (or, for some, JSON values) to return.
    """

    name: str
    level: str
    net: str
    attributes: dict[str, Any]
    inputs: dict[str, Array]
    answers: list[str]


def answerable(golden: GoldenCases, case: Case) -> bool:
    """Whether inputs, weights and expected answers (or what computes them) are present."""
    stored = all(golden.has(source) for source in case.inputs if isinstance(source, str))
    return case.has_weights and stored and (case.set in golden.sets or case.level in ("operations", "taps", "raw"))


def question_of(golden: GoldenCases, case: Case) -> Question:
    """The question of a golden case; raises GoldenError if its attributes are invalid."""
    try:
        return _question_of(golden, case)
    except GoldenError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise GoldenError(f"{case.name}: expected a valid golden case, got {error!r}: damaged?") from None


def _question_of(golden: GoldenCases, case: Case) -> Question:
    inputs = golden.inputs(case)
    names = _input_names(case, len(inputs))
    named = dict(zip(names, inputs, strict=True))
    if case.level in ("raw", "taps"):
        named = {"batch": network_batch(case, inputs), **named}
    elif case.level == "decode" and case.net == "ssd_mobilenetv1":
        named["priors"] = nets.ssd_mobilenetv1.priors
    attributes = dict(case.attributes)
    if case.weights:
        attributes["weights_folder"] = case.weights_folder
    if attributes.get("op") == "leaky_relu":
        attributes["alpha"] = ALPHA
    answers = [entry["name"] for entry in case.expected]
    if case.level == "taps":
        graph = network_of(case).graph(*named["batch"].shape[1:3])
        place = {node.name: i for i, node in enumerate(graph.nodes)}
        answers.sort(key=lambda name: place[graph.find(name).name])
    return Question(case.name, case.level, case.net, attributes, named, answers)


def _input_names(case: Case, count: int) -> Sequence[str]:
    a = case.attributes
    if case.level in ("raw", "taps"):
        stem = "patches" if case.net in ("mtcnn_rnet", "mtcnn_onet") else "picture"
        return [f"{stem}_{i}" for i in range(count)]
    if case.level == "operations":
        if a["op"] == "concat":
            return [f"x{i}" for i in range(count)]
        return _OPERANDS.get(a["op"], ("x", "y"))[:count]
    if case.level == "decode":
        if a.get("stage") == 1:
            return [f"{stem}_{i}" for i in range(count // 2) for stem in ("prob", "regions")]
        return _STAGES.get(a["stage"], ()) if "stage" in a else _DECODED[case.net]
    if case.level == "prepare" and a["op"] == "mtcnn_patches":
        return ("picture_0", "boxes")
    if case.level in ("prepare", "chain"):
        return [f"picture_{i}" for i in range(count)]
    return [f"input_{i}" for i in range(count)]


def stated_weights(question: Question) -> dict[str, dict[str, Array]]:
    """The tensors of each network whose weights the case names: by rule, or as files that are not bundled."""
    if "synthetic_weights" in question.attributes:
        return {question.net: synthetic_weights(question.attributes["synthetic_weights"])}
    if "weights_folder" in question.attributes:
        folder = question.attributes["weights_folder"]
        stated = question.attributes["weights"].items()
        return {name: unbundled_network(name, files, folder).tensors for name, files in stated}
    return {}
