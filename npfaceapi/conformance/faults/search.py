"""Faults that cannot be listed: which layers were exchanged, in which layer alone something is wrong, whose answers came."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from npfaceapi.conformance.faults.fault import Answers, Fault, network_fault
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.questions import Question

__all__ = ["answers_of_others", "exchanged_layers", "in_each_block"]

#: What goes wrong in one layer of many.
_IN_ONE = (
    "bias_missing", "bias_twice", "relu_missing", "relu_as_relu6", "relu6_as_relu", "residual_missing", "no_dense_sums",
    "symmetric_padding", "symmetric_pool_padding", "pool_floor", "filters_oihw", "filters_wh", "filters_flipped", "depthwise_chw",
    "dense_transposed", "leaky_slope", "leaky_as_relu", "batch_norm_epsilon", "batch_norm_exchanged", "batch_norm_order",
)  # fmt: skip


def answers_of_others(golden: GoldenCases, case: Case) -> Iterator[tuple[Fault, Answers]]:
    """The answers to other cases of the same level and network, as far as they are stored whole."""
    for other in golden.all_cases:
        if (
            (other.level, other.net) != (case.level, case.net)
            or other.name == case.name
            or case.level not in ("raw", "taps", "chain")
        ):
            continue
        stored = {entry["name"]: entry.get("tensor", "") for entry in other.expected if "samples" not in entry}
        if len(stored) == len(other.expected) and all(golden.has(tensor) for tensor in stored.values()):
            fault = Fault("answer_of_another_case", f"the answers of another case, {other.name}", lambda *given: None)
            yield fault, {name: golden.tensor(tensor) for name, tensor in stored.items()}


def exchanged_layers(case: Case, question: Question, block: str = "") -> Iterator[tuple[Fault, Answers]]:
    """The weights of two layers of one shape exchanged, of every two, or of every two of which one lies in a block."""
    network = network_of(case)
    graph, tensors = network.graph(*question.inputs["batch"].shape[1:3]), network.tensors
    layers = [node for node in graph if "filters" in node.params or "weights" in node.params]
    for first, second in itertools.combinations(layers, 2):
        shapes = [{key: tensors[one.params[key].name].shape for key in one.params} for one in (first, second)]
        if first.op != second.op or shapes[0] != shapes[1] or not {first.block, second.block} & {block or first.block}:
            continue
        for keys in {tuple(first.params), tuple(first.params)[:1]}:  # with the bias, and without it
            swapped = dict(tensors)
            for key in keys:
                a, b = first.params[key].name, second.params[key].name
                swapped[a], swapped[b] = tensors[b], tensors[a]
            title = f"the weights of {first.block} and {second.block} exchanged"
            fault = network_fault("weights_exchanged", title, weights=lambda graph, given, swapped=swapped: swapped)  # type: ignore[misc]
            answers = fault.run(case, question, np.float32)
            if answers is not None:
                yield fault, answers


def in_each_block(case: Case, question: Question, faults: Iterable[Fault]) -> Iterator[tuple[Fault, Answers]]:
    """What goes wrong in one layer, in each layer alone."""
    graph = network_of(case).graph(*question.inputs["batch"].shape[1:3])
    likely = sorted((fault for fault in faults if fault.name in _IN_ONE), key=lambda fault: _IN_ONE.index(fault.name))
    blocks = dict.fromkeys(node.block for node in graph if node.block)
    for fault, block in itertools.product(likely, blocks):
        assert fault.in_block is not None
        answers = fault.in_block(case, question, np.float32, block)
        if answers is not None:
            yield Fault(fault.name, f"{fault.title}, in {block} alone", fault.run), answers
