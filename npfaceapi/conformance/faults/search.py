"""Faults that must be searched: exchanged layers, a mistake in a single layer, the answers of another case."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from npfaceapi.conformance.faults.fault import Answers, Fault, inside, network_fault
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import network_of
from npfaceapi.conformance.questions import Question

__all__ = ["answers_of_others", "exchanged_layers", "in_each_block"]

_CONVOLUTIONS = ("conv2d", "depthwise_conv2d")
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "prelu")
#: Faults that occur in a single layer, with the operations concerned.
_IN_ONE: dict[str, tuple[str, ...]] = {
    "bias_missing": ("conv2d", "dense"), "relu_missing": _ACTIVATIONS, "residual_missing": ("add",),
    "bias_twice": ("conv2d", "dense"),
    "symmetric_padding": _CONVOLUTIONS, "filters_oihw": ("conv2d",), "filters_wh": _CONVOLUTIONS,
    "filters_flipped": _CONVOLUTIONS,
    "depthwise_chw": ("depthwise_conv2d",), "dense_transposed": ("dense",), "leaky_slope": ("leaky_relu",),
    "leaky_as_relu": ("leaky_relu",), "relu_as_relu6": ("relu",), "relu6_as_relu": ("relu6",), "no_dense_sums": ("add",),
    "symmetric_pool_padding": ("max_pool",), "batch_norm_epsilon": ("batch_norm",), "batch_norm_exchanged": ("batch_norm",),
}  # fmt: skip


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
    """The weights of two layers of the same shape exchanged, for all pairs, or those with one layer in a block."""
    network = network_of(case)
    graph, tensors = network.graph(*question.inputs["batch"].shape[1:3]), network.tensors
    layers = [node for node in graph if "filters" in node.params or "weights" in node.params]
    for first, second in itertools.combinations(layers, 2):
        shapes = [{key: tensors[one.params[key].name].shape for key in one.params} for one in (first, second)]
        if first.op != second.op or shapes[0] != shapes[1] or not (inside(first.block, block) or inside(second.block, block)):
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


def in_each_block(case: Case, question: Question, faults: Sequence[Fault], within: str = "") -> Iterator[tuple[Fault, Answers]]:
    """Each fault in every layer separately, or in every layer of a block."""
    graph = network_of(case).graph(*question.inputs["batch"].shape[1:3])
    ops_of: dict[str, set[str]] = {}
    for node in graph:
        ops_of.setdefault(node.block, set()).add(node.op)
    by_name = {name: [fault for fault in faults if fault.name == name] for name in _IN_ONE}
    for name, ops in _IN_ONE.items():
        for fault, block in itertools.product(by_name[name], ops_of):
            if block and inside(block, within) and fault.in_block is not None and not ops_of[block].isdisjoint(ops):
                answers = fault.in_block(case, question, np.float32, block)
                if answers is not None:
                    yield Fault(name, f"{fault.title}, in {block} alone", fault.run), answers
