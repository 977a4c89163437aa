"""Deviations of float32 evaluations of whole networks from float64, measured per golden case and stored in a file.

Measuring takes minutes for all cases (a plain loop over SSD's three billion products, in NumPy), so the numbers for the
golden cases are stored in `deviations.json`; `python -m npfaceapi.conformance.deviations` writes that file.  A case that is
missing there, or has changed since, is measured when it is judged.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.orders import EVALUATIONS, evaluate
from npfaceapi.conformance.questions import Question, answerable, question_of
from npfaceapi.engines.reference import ReferenceProgram

__all__ = ["deviations_of", "truth_of"]

Array = np.ndarray[Any, Any]
Deviations = dict[str, dict[str, float]]


def truth_of(case: Case, question: Question) -> dict[str, Array]:
    """The float64 reference's answers to a case of the level `raw` or `taps`."""
    network, batch = network_of(case), question.inputs["batch"]
    values: dict[str, Array] = network.taps(batch, question.answers, backend="reference64")
    return values


def measure(case: Case, question: Question, evaluations: Sequence[str] = tuple(EVALUATIONS)) -> Deviations:
    """For each answer: its largest absolute value, and each evaluation's largest deviation from float64."""
    network, batch = network_of(case), question.inputs["batch"]
    graph = network.graph(*batch.shape[1:3])
    nodes = [graph.find(name) for name in question.answers]
    truth = ReferenceProgram(graph, network.tensors, nodes, np.float64)(batch)
    out: Deviations = {
        name: {"largest": float(np.abs(value).max(initial=0))} for name, value in zip(question.answers, truth, strict=True)
    }
    for evaluation, values in evaluate(graph, network.tensors, nodes, batch, evaluations):
        for name, value, exact in zip(question.answers, values, truth, strict=True):
            out[name][evaluation] = float(np.abs(value.astype(np.float64) - exact).max(initial=0))
    return out


def deviations_of(case: Case, question: Question, evaluations: Sequence[str] = tuple(EVALUATIONS)) -> Deviations:
    """The stored measurements of a golden case, or new ones for these evaluations if none are stored."""
    kept = _stored().get(case.name)
    if kept is not None and kept["digest"] == digest(case) and set(kept["answers"]) == set(question.answers):
        return {name: dict(zip(("largest", *EVALUATIONS), numbers, strict=True)) for name, numbers in kept["answers"].items()}
    return measure(case, question, evaluations)


@functools.cache
def _stored() -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(resources.files(__package__).joinpath("deviations.json").read_text("utf-8"))
    return kept


def digest(case: Case) -> str:
    """A short hash of the inputs and attributes of a case."""
    text = json.dumps([case.net, case.inputs, case.attributes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def main() -> None:
    golden = GoldenCases()
    lines = []
    for case in golden.all_cases:
        if case.level not in ("raw", "taps"):
            continue
        kept = _stored().get(case.name)
        if answerable(golden, case):
            question = question_of(golden, case)
            answers = {name: [float(f"{v:.4g}") for v in numbers.values()] for name, numbers in measure(case, question).items()}
            kept = {"digest": digest(case), "answers": answers}
        if kept is not None:
            lines.append(f"{json.dumps(case.name)}: {json.dumps(kept)}")
        print(case.name, file=sys.stderr)
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
