"""The errors of a network layer by layer: their distribution, and what each layer adds by itself.

A layer's own error is the difference between the port's output and the float64 reference's output for the port's inputs to
that layer.  Errors of earlier layers are in both, so only the layer's own rounding and faults remain.  Its bound grows with
the size of the values computed from those inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npfaceapi.conformance.expected import Expected
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.judge import ratios
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.report import Layer
from npfaceapi.engines.reference import ReferenceProgram

__all__ = ["layers_of"]

Array = np.ndarray[Any, Any]


def layers_of(
    case: Case, question: Question, expected: list[Expected], answers: Mapping[str, Any], with_own: bool
) -> list[Layer]:
    """The layers of a case of the level `taps`, in the order of execution; those without a usable answer are left out.

    Their own errors cost a run of the network in float64.
    """
    usable = [one for one in expected if _usable(one, answers.get(one.name))]
    own = _own_errors(case, question, usable, answers) if with_own else {}
    layers = []
    for one in usable:
        ratio = ratios(answers[one.name], np.asarray(one.value), one.bound)[0]
        median, high, largest = np.quantile(ratio, (0.5, 0.95, 1.0)).tolist() if ratio.size else (0.0, 0.0, 0.0)
        layers.append(Layer(one.name, largest, high, median, own.get(one.name)))
    return layers


def _own_errors(case: Case, question: Question, usable: list[Expected], answers: Mapping[str, Any]) -> dict[str, float]:
    network, batch = network_of(case), question.inputs["batch"]
    graph = network.graph(*batch.shape[1:3])
    by_node = {graph.find(one.name): one for one in usable}
    own = {}
    for node, value in ReferenceProgram(graph, network.tensors, list(by_node), np.float64).walk(batch):
        if node in by_node:
            one = by_node[node]
            grown = max(1.0, float(np.abs(value).max(initial=0)) / (float(np.abs(one.value).max(initial=0)) or 1.0))
            own[one.name] = float(ratios(answers[one.name], value, one.bound)[0].max(initial=0)) / grown
            value[...] = answers[one.name]  # later layers get the port's value
    return own


def _usable(one: Expected, answer: Any) -> bool:
    """Whether an answer has the right shape and kind, only finite numbers, and unsampled expected values."""
    good = isinstance(answer, np.ndarray) and answer.dtype.kind == "f" and answer.shape == one.shape
    return good and one.samples is None and not one.norms and bool(np.isfinite(answer).all())
