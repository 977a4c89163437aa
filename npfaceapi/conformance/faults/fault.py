"""A fault: one well-known mistake in ports of these networks, and how to reproduce it."""

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
    """One mistake.

    Attributes
    ----------
    name : str
        An identifier.
    title : str
        Description for reports, such as "resize with half-pixel centres".
    run : callable
        (case, question, dtype of the arithmetic) to the answers of a port with this fault; None if the fault has no effect
        or does not apply.
    levels : tuple of str
        Levels at which it can show.
    in_block : callable, optional
        As `run`, with the name of a block as the fourth argument: the fault in that block only.
    narrow : callable, optional
        Rounding of all numbers.  Another order of summation moves some of them to a neighbouring number of the format, so
        that not all can agree.
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
        except (ValueError, IndexError):  # shapes of the changed weights do not fit
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
    """The backend that computes in a dtype; for float32 the faster one."""
    if dtype == np.float64:
        return "reference64"
    return "numba" if dispatch.available_backends()["numba"] else "reference"


#: Pixels of a batch from which the faster backend makes up for its preparation time.
_WORTH = 300 * 300


def _program(graph: Graph, tensors: Weights, nodes: list[Node], dtype: Any, batch: Array) -> dispatch.Program:
    fits = all(tensors[p.name].shape == p.shape for node in graph for p in node.params.values())
    if fits and math.prod(batch.shape[:-1]) >= _WORTH:
        return dispatch.prepare(graph, tensors, nodes, backend_of(dtype))
    return ReferenceProgram(graph, tensors, nodes, dtype)  # raises if shapes do not fit


def inside(path: str, block: str) -> bool:
    """Whether a block, or a weight by its path, is inside a block; everything is inside the unnamed block."""
    return not block or path == block or path.startswith(f"{block}/")


def _recorded(case: Case, question: Question, batch: Any) -> tuple[Graph, Weights, Array] | None:
    """The graph, weights and batch of a case; None if another batch is wanted and there is none."""
    if case.level == "operations":
        if case.attributes["op"] == "resize_bilinear":
            return None
        return operation_graph(case, list(question.inputs.values()))
    network, right = network_of(case), question.inputs["batch"]
    given = right if batch is None else batch(case, question)
    if given is None or (batch is not None and np.array_equal(given, right)):
        return None
    return network.graph(*given.shape[1:3]), network.tensors, given
