"""The expected answers of a case, and the error bound of each of their numbers.

Operations, taps and raw outputs are compared in full with the float64 reference, and their bounds come from it; the stored
results of face-api.js (samples only, for big tensors) must agree with it too, else the golden cases are damaged.  All other
answers are compared with those of face-api.js, and at the grades `exact` and `STORED` so is everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from npfaceapi.conformance.deviations import deviations_of, truth_of
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import network_of, run_case
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.resizing import coordinate_bound, float32_batches
from npfaceapi.conformance.synthetic import sample_indices
from npfaceapi.conformance.tolerance import FACTOR, GRADES, Grade, bound_of
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.errors import GoldenError

__all__ = ["COMPUTED", "Expected", "expected_of", "expected_of_resized", "truth_for"]

Array = np.ndarray[Any, Any]

#: The levels whose expected answers are computed by the float64 reference.
COMPUTED = ("operations", "taps", "raw")
#: The smallest normal float32; smaller numbers may be flushed to 0.
LEAST = 2.0**-126
_SELECTS = ("max_pool", "relu", "relu6", "concat", "pad")
_LINEAR = ("conv2d", "depthwise_conv2d", "dense", "avg_pool", "mean", "resize_bilinear")
_ROUNDED = ("multiply", "divide", "leaky_relu", "prelu")  # rounded once or twice


@dataclass(frozen=True)
class Expected:
    """One expected answer.

    Attributes
    ----------
    value : ndarray or JSON value
    bound : dict
        `absolute` (one number, or one per value), `relative` (to the largest value), `euclidean` (per row), `iou`; for JSON
        `relative` to each number.
    shape : tuple of int
        Shape of the answer; that of `value` unless `samples` is set.
    samples, norms
        For big stored tensors: the flat indices of the stored samples, and the three norms of the whole tensor.
    whole : bool
        Whether the answer must be integers.
    rooms : list of float
        Tolerance of each norm beyond rounding.
    """

    name: str
    kind: str
    value: Any
    bound: dict[str, Any]
    shape: tuple[int, ...] = ()
    samples: Array | None = None
    norms: list[float] = field(default_factory=list)
    whole: bool = False
    rooms: list[float] = field(default_factory=list)

    @property
    def is_json(self) -> bool:
        return self.kind == "json"


def expected_of(
    golden: GoldenCases, case: Case, question: Question, grade: Grade, truth: Mapping[str, Array] | None = None
) -> list[Expected]:
    """The expected answers of a case, in the order of the question.

    `truth`, if given, is the result of `truth_for`, which saves a second run of the float64 reference.

    Raises
    ------
    GoldenError
        The stored results are damaged: they are further from the float64 reference than any float32 evaluation.
    """
    entries = {entry["name"]: entry for entry in case.expected}
    if case.level == "weights":
        tensors = network_of(case).tensors
        return [_stored_weights(case, entries[name], tensors.get(name)) for name in question.answers]
    if grade.is_stored or case.level not in COMPUTED:
        return [_stored(golden, case, question, entries[name], grade) for name in question.answers]
    right = truth_for(golden, case, question) if truth is None else truth
    allowed: dict[str, Any]
    allowed32: dict[str, Any]
    if case.level == "operations":
        allowed, allowed32 = (
            {name: _operation_bound(golden, case, question, g, value) for name, value in right.items()}
            for g in (grade, GRADES["float32"])
        )
    else:
        evaluations = tuple(dict.fromkeys(grade.evaluations + GRADES["float32"].evaluations))
        measured = deviations_of(case, question, evaluations)
        allowed, allowed32 = (  # one number for each answer
            {name: _measured_bound(numbers, g) for name, numbers in measured.items()} for g in (grade, GRADES["float32"])
        )
    out = []
    for name in question.answers:
        _check_stored(golden, case, entries[name], right[name], allowed32[name])
        kind = entries[name]["kind"] if case.level == "operations" else "stage" if case.level == "taps" else "raw"
        out.append(Expected(name, kind, right[name], {"absolute": allowed[name]}, right[name].shape))
    return out


def truth_for(golden: GoldenCases, case: Case, question: Question) -> dict[str, Array]:
    """The float64 reference's answers to a case of the levels `COMPUTED`; empty for others."""
    if case.level == "operations":
        with use_backend("reference64"):
            return run_case(case, golden.inputs(case))
    return truth_of(case, question) if case.level in COMPUTED else {}


def expected_of_resized(case: Case, question: Question, expected: list[Expected]) -> Iterator[list[Expected]]:
    """The expected answers for a port that takes the pictures and resizes them with float32 source coordinates.

    The bounds are those for a port that takes the batch.
    """
    for batch in float32_batches(question):
        moved = replace(question, inputs={**question.inputs, "batch": batch})
        truth = truth_of(case, moved)
        yield [replace(one, value=truth[one.name]) for one in expected]


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
        distance = np.minimum(distance, 128)  # beyond this, float32 gives 0 or 1
        n, scale = float(x.shape[-1] if op == "softmax" else 1), size * (1 + distance)
    elif op in _ROUNDED:
        n, scale = 1.0, size
    else:
        raise GoldenError(f"{case.name}: expected a bound for {op} in conformance/expected.py, got none")
    rounding = 2 * grade.unit * np.maximum(scale, size) if grade.mixed else 0.0
    if grade.name == "mixed:quantized":
        rounding = rounding + 2 * grade.unit * max(float(scale.max(initial=0)), *(float(x.max(initial=0)) for x in inputs))
    # operations that only move numbers are exact, but may flush denormal numbers
    least = LEAST if n else np.where((size > 0) & (size < LEAST), LEAST, 0.0)
    coordinates = coordinate_bound(question) if op == "resize_bilinear" else 0.0
    return np.asarray(FACTOR * np.sqrt(n) * grade.unit * scale + rounding + least + coordinates)


def _check_stored(golden: GoldenCases, case: Case, entry: dict[str, Any], truth: Array, allowed: Any) -> None:
    """Check that the stored result of face-api.js is within the float32 bound of the truth."""
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


def _stored(golden: GoldenCases, case: Case, question: Question, entry: dict[str, Any], grade: Grade) -> Expected:
    name, kind = entry["name"], entry["kind"]
    bound: dict[str, Any] = dict(bound_of(kind, grade, golden.tolerances))
    if "value" in entry:
        return Expected(name, "json", entry["value"], {"relative": 0.0 if grade.exact else golden.tolerances["json"]["relative"]})
    stored = golden.tensor(entry["tensor"])
    whole = stored.dtype.kind in "iu"
    samples, norms, shape, rooms = None, [], stored.shape, []
    if "samples" in entry:
        shape, norms = tuple(entry["of_shape"]), entry["norms"]
        if len(norms) != 3:
            raise GoldenError(f"{case.name}: expected three norms of {name}, got {len(norms)}: damaged?")
        size = int(np.prod(shape))
        samples = None if size <= entry["samples"] else sample_indices(size, entry["samples"], entry["seed"])
    if kind == "resize" and not grade.is_stored:
        largest = norms[2] if norms else float(np.abs(stored).max(initial=0))
        coordinates = coordinate_bound(question).reshape(shape)
        rooms = [float(np.linalg.norm(coordinates.reshape(-1), order)) for order in (1, 2, np.inf)] if norms else []
        at = coordinates if samples is None else coordinates.reshape(-1)[samples]
        narrow = grade.unit * largest if grade.mixed else 0.0  # the pixels are stored in the narrower format
        bound = {"absolute": bound["relative"] * largest + narrow + at.reshape(stored.shape)}
    return Expected(name, kind, stored, bound, shape, samples, norms, whole, rooms)


def _stored_weights(case: Case, entry: dict[str, Any], tensor: Array | None) -> Expected:
    if tensor is None or list(tensor.shape) != entry["shape"]:
        raise GoldenError(f"{case.name}: expected {entry['name']} among the weights, got none of shape {entry['shape']}")
    if hashlib.sha256(np.ascontiguousarray(tensor, "<f4").tobytes()).hexdigest() != entry["sha256"]:
        raise GoldenError(f"{case.name}: expected {entry['name']} with the SHA-256 of the weights here, got {entry['sha256']}")
    return Expected(entry["name"], "exact", tensor, {"absolute": 0.0}, tensor.shape)
