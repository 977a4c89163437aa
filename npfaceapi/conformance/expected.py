"""What the right answers of a case are, and how far each number of them may be off.

Operations, taps and raw outputs are compared with the float64 reference, whole, and their bounds come from it; what
face-api.js gave (stored, for big tensors at some places only) must agree with it too, else the golden cases are damaged.
All else is compared with what face-api.js gave.  So is everything at the grade `exact`, and by `STORED`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npfaceapi.conformance.deviations import deviations_of, truth_of
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import network_of, run_case
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.synthetic import sample_indices
from npfaceapi.conformance.tolerance import FACTOR, GRADES, Grade, bound_of
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.errors import GoldenError

__all__ = ["Expected", "expected_of"]

Array = np.ndarray[Any, Any]

#: The smallest normal float32: what is smaller may come out as 0.
LEAST = 2.0**-126
_SELECTS = ("max_pool", "relu", "relu6", "concat", "pad")
_LINEAR = ("conv2d", "depthwise_conv2d", "dense", "avg_pool", "mean", "resize_bilinear")
_ROUNDED = ("multiply", "divide", "leaky_relu", "prelu")  # once, or twice


@dataclass(frozen=True)
class Expected:
    """One right answer.

    Attributes
    ----------
    value : ndarray or JSON value
    bound : dict
        `absolute` (a number, or one for each value), `relative` (to the largest value), `euclidean` (of a row), `iou`; for
        JSON `relative` of each number.
    shape : tuple of int
        Of the answer; that of `value` unless `samples` is set.
    samples, norms
        Where big stored tensors are looked at, and the three norms of the whole.
    whole : bool
        Whether whole numbers are asked for.
    """

    name: str
    kind: str
    value: Any
    bound: dict[str, Any]
    shape: tuple[int, ...] = ()
    samples: Array | None = None
    norms: list[float] = field(default_factory=list)
    whole: bool = False

    @property
    def is_json(self) -> bool:
        return self.kind == "json"


def expected_of(golden: GoldenCases, case: Case, question: Question, grade: Grade) -> list[Expected]:
    """The right answers of a case, in the order of the question.

    Raises
    ------
    GoldenError
        What is stored is damaged: it lies further from the float64 reference than any float32 evaluation.
    """
    entries = {entry["name"]: entry for entry in case.expected}
    if case.level == "weights":
        tensors = network_of(case).tensors
        return [_stored_weights(case, entries[name], tensors.get(name)) for name in question.answers]
    if grade.is_stored or case.level not in ("operations", "taps", "raw"):
        return [_stored(golden, case, entries[name], grade) for name in question.answers]
    allowed: dict[str, Any]
    allowed32: dict[str, Any]
    if case.level == "operations":
        with use_backend("reference64"):
            truth = run_case(case, golden.inputs(case))
        allowed = {name: _operation_bound(golden, case, question, grade, value) for name, value in truth.items()}
        allowed32 = {name: _operation_bound(golden, case, question, GRADES["float32"], value) for name, value in truth.items()}
    else:
        truth, measured = truth_of(case, question), deviations_of(case, question)
        allowed, allowed32 = (  # one number for each answer
            {name: _measured_bound(numbers, g) for name, numbers in measured.items()} for g in (grade, GRADES["float32"])
        )
    out = []
    for name in question.answers:
        _check_stored(golden, case, entries[name], truth[name], allowed32[name])
        kind = entries[name]["kind"] if case.level == "operations" else "stage" if case.level == "taps" else "raw"
        out.append(Expected(name, kind, truth[name], {"absolute": allowed[name]}, truth[name].shape))
    return out


def _measured_bound(numbers: dict[str, float], grade: Grade) -> float:
    return max(grade.factor * max(numbers[name] for name in grade.evaluations), grade.floor * numbers["largest"])


def _operation_bound(golden: GoldenCases, case: Case, question: Question, grade: Grade, value: Array) -> Array:
    """FACTOR · √n · u · Σ|x·w| for each element; narrow grades also round the inputs and the result."""
    op, inputs = question.attributes["op"], [np.abs(x.astype(np.float64)) for x in question.inputs.values()]
    size, y = np.abs(value), question.inputs
    if op in _SELECTS:
        n, scale = 0.0, size
    elif op in _LINEAR:
        # all of them are linear in x (and w): the same operation on absolute values is Σ|x·w|
        with use_backend("reference64"):
            scale = run_case(case, [x.astype(np.float32) for x in inputs])["output"]
        parameters = inputs[1] if len(inputs) > 1 else None
        pixels = float(np.prod(inputs[0].shape[1:3])) if op == "mean" else question.attributes.get("size", 2) ** 2
        n = float(pixels if parameters is None else np.prod(parameters.shape[:3] if op == "conv2d" else parameters.shape[:-1]))
        n = n if op != "depthwise_conv2d" else float(np.prod(y["filters"].shape[:2]))
    elif op in ("add", "subtract"):
        n, scale = 1.0, inputs[0] + inputs[1]
    elif op == "batch_norm":
        factor = inputs[4] / np.sqrt(inputs[2] + question.attributes["epsilon"])
        n, scale = 4.0, inputs[3] + (inputs[0] + inputs[1]) * factor
    elif op in ("softmax", "sigmoid"):
        # exp turns the absolute error of its argument, u · |x|, into a relative one
        x = question.inputs["x"].astype(np.float64)
        distance = x.max(axis=-1, keepdims=True) - x if op == "softmax" else np.abs(x)
        n, scale = float(x.shape[-1] if op == "softmax" else 1), size * (1 + distance)
    elif op in _ROUNDED:
        n, scale = 1.0, size
    else:
        raise GoldenError(f"{case.name}: expected a bound for {op} in conformance/expected.py, got none")
    rounding = 2 * grade.unit * np.maximum(scale, size) if grade.mixed else 0.0
    if grade.name == "mixed:quantized":
        rounding = rounding + 2 * grade.unit * max(float(scale.max(initial=0)), *(float(x.max(initial=0)) for x in inputs))
    least = 0.0 if n == 0 else LEAST
    return np.asarray(FACTOR * np.sqrt(n) * grade.unit * scale + rounding + least)


def _check_stored(golden: GoldenCases, case: Case, entry: dict[str, Any], truth: Array, allowed: Any) -> None:
    """What face-api.js gave lies within the float32 bound of the truth."""
    if "tensor" not in entry or not golden.has(entry["tensor"]):
        return
    stored, bound = golden.tensor(entry["tensor"]).astype(np.float64), np.broadcast_to(np.asarray(allowed), truth.shape)
    shape = tuple(entry.get("of_shape") or stored.shape)
    if shape != truth.shape:
        where = f"{case.name}: expected {entry['name']} of shape {list(truth.shape)} in the golden cases"
        raise GoldenError(f"{where}, got {list(shape)}: damaged?")
    if "samples" in entry and truth.size > entry["samples"]:
        picked = sample_indices(truth.size, entry["samples"], entry["seed"])
        truth, bound = truth.reshape(-1)[picked], bound.reshape(-1)[picked]
    error = np.abs(stored.reshape(truth.shape) - truth)
    if not (error <= bound).all():
        worst = int(np.argmax(np.where(np.isnan(error), np.inf, error - bound)))
        raise GoldenError(
            f"{case.name}: expected golden {entry['name']} near {truth.reshape(-1)[worst]:.9g}, as the float64 reference has it, "
            f"got {stored.reshape(-1)[worst]:.9g}: the golden cases are damaged"
        )


def _stored(golden: GoldenCases, case: Case, entry: dict[str, Any], grade: Grade) -> Expected:
    name, kind = entry["name"], entry["kind"]
    bound = dict(bound_of(kind, grade, golden.tolerances))
    if "value" in entry:
        return Expected(name, "json", entry["value"], {"relative": 0.0 if grade.exact else golden.tolerances["json"]["relative"]})
    stored = golden.tensor(entry["tensor"])
    whole = stored.dtype.kind in "iu"
    if "samples" not in entry:
        return Expected(name, kind, stored, bound, stored.shape, whole=whole)
    shape = tuple(entry["of_shape"])
    if len(entry["norms"]) != 3:
        raise GoldenError(f"{case.name}: expected three norms of {name}, got {len(entry['norms'])}: damaged?")
    size = int(np.prod(shape))
    picked = None if size <= entry["samples"] else sample_indices(size, entry["samples"], entry["seed"])
    return Expected(name, kind, stored, bound, shape, picked, entry["norms"], whole)


def _stored_weights(case: Case, entry: dict[str, Any], tensor: Array | None) -> Expected:
    if tensor is None or list(tensor.shape) != entry["shape"]:
        raise GoldenError(f"{case.name}: expected {entry['name']} among the weights, got none of shape {entry['shape']}")
    if hashlib.sha256(np.ascontiguousarray(tensor, "<f4").tobytes()).hexdigest() != entry["sha256"]:
        raise GoldenError(f"{case.name}: expected {entry['name']} with the SHA-256 of the weights here, got {entry['sha256']}")
    return Expected(entry["name"], "exact", tensor, {"absolute": 0.0}, tensor.shape)
