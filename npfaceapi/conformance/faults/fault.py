"""What a fault is: one well-known way to get these networks wrong, and how to do it on purpose."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.levels import network_of, operation_graph
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.rewrite import Change, rewrite
from npfaceapi.engines import dispatch
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import Graph, Node

__all__ = ["Answers", "Fault", "backend_of", "inside", "network_fault"]

Array = np.ndarray[Any, Any]
Answers = dict[str, Any]
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Fault:
    """One way to be wrong.

    Attributes
    ----------
    name : str
        An identifier.
    title : str
        What was done, as a report says it: "resize with half-pixel centres".
    run : callable
        (case, question, dtype of the arithmetic) to the answers that a port with this fault gives; None where the fault makes no
        difference or no sense.
    levels : tuple of str
        Where it can show.
    in_block : callable, optional
        As `run`, with the name of a block as the fourth argument: the fault in that block alone.
    narrow : callable, optional
        How all numbers are rounded.  Another order of sums moves some of them by a whole step, so that not all can agree.
    """

    name: str
    title: str
    run: Callable[[Case, Question, Any], Answers | None]
    levels: tuple[str, ...] = ("taps", "raw")
    in_block: Callable[[Case, Question, Any, str], Answers | None] | None = None
    narrow: Callable[[Array], Array] | None = None


def network_fault(
    name: str,
    title: str,
    *,
    graph: Change | None = None,
    weights: Callable[[Graph, Weights], Weights] | None = None,
    batch: Callable[[Case, Question], Array | None] | None = None,
    outputs: Callable[[Case, Answers], Answers] | None = None,
) -> Fault:
    """A fault of a whole network: one rewrite of its graph, weights, batch or outputs; the reference runs the rest."""

    def run(case: Case, question: Question, dtype: Any, block: str = "") -> Answers | None:
        if outputs is not None and case.level != "raw":
            return None
        parts = _recorded(case, question, batch)
        if parts is None:
            return None
        recorded, tensors, given = parts
        if weights is not None:
            changed = {**tensors, **{key: w for key, w in weights(recorded, tensors).items() if inside(key, block)}}
            if all(changed[key] is value for key, value in tensors.items()):
                return None
            tensors = changed
        nodes = [recorded.find(one) for one in question.answers]
        if graph is not None:
            rewritten = rewrite(recorded, lambda node, new: graph(node, new) if inside(node.block, block) else None)
            if rewritten is None:
                return None
            recorded, new = rewritten
            nodes = [new[node] for node in nodes]
        try:
            values = _program(recorded, tensors, nodes, dtype, given)(given)
        except (ValueError, IndexError):  # weights of another shape that do not fit
            return None
        answers: Answers = dict(zip(question.answers, (value.astype(np.float32) for value in values), strict=True))
        if outputs is None:
            return answers
        otherwise = outputs(case, answers)
        return None if all(otherwise[one] is answers[one] for one in answers) else otherwise

    if batch is None and outputs is None:
        return Fault(name, title, run, ("operations", "taps", "raw"), run)
    return Fault(name, title, run)


@functools.cache
def backend_of(dtype: Any) -> str:
    """The backend that computes in a dtype; the faster one for float32."""
    if dtype == np.float64:
        return "reference64"
    return "numba" if dispatch.available_backends()["numba"] else "reference"


#: How many pixels a batch has for the faster backend to win back the time that it takes to prepare.
_WORTH = 300 * 300


def _program(graph: Graph, tensors: Weights, nodes: list[Node], dtype: Any, batch: Array) -> dispatch.Program:
    fits = all(tensors[p.name].shape == p.shape for node in graph for p in node.params.values())
    if fits and math.prod(batch.shape[:-1]) >= _WORTH:
        return dispatch.prepare(graph, tensors, nodes, backend_of(dtype))
    return ReferenceProgram(graph, tensors, nodes, dtype)  # which complains where shapes do not fit


def inside(path: str, block: str) -> bool:
    """Whether a block, or a weight by its path, belongs to a block; everything does to the block of no name."""
    return not block or path == block or path.startswith(f"{block}/")


def _recorded(case: Case, question: Question, batch: Any) -> tuple[Graph, Weights, Array] | None:
    """The graph, weights and batch of a case; None if another batch was wanted and there is none."""
    if case.level == "operations":
        if case.attributes["op"] == "resize_bilinear":
            return None
        return operation_graph(case, list(question.inputs.values()))
    network, right = network_of(case), question.inputs["batch"]
    given = right if batch is None else batch(case, question)
    if given is None or (batch is not None and np.array_equal(given, right)):
        return None
    return network.graph(*given.shape[1:3]), network.tensors, given
