"""Fusion: which nodes of the graph one kernel call computes together.

Constants, a sum with another node and an activation after a convolution are its epilogue: one pass over its result instead
of four.  For every convolution and dense layer the nodes after it are absorbed, one by one, as long as each is the
only reader of the one before:

    conv2d, depthwise_conv2d, dense
      -> any of batch_norm, and add, subtract, multiply, divide with constants   (as (y + before) * scale + after)
      -> at most one add with another node                                       (the residual; conv2d only)
      -> at most one of relu, relu6, leaky_relu, prelu

Constants and activations in a row that follow something else (the input, a pool, a sum) become one `affine`:
y = act((x + before) * scale + after).  Then steps are joined:

    depthwise_conv2d 3x3 -> conv2d 1x1     one step, the depthwise result stays in the cache (`Fused.depthwise`)
    relu -> depthwise_conv2d               the relu is applied as the inputs are loaded (`Fused.clamp`)
    conv2d -> max_pool                     one step, if the backend can (`Fused.pool`): the full image is never stored
    reshape -> dense or concat             what follows reads the image as it is

And sums that share summands share work: o1 + (o2 + (o3 + o4)) becomes (o1 + (o2 + o3)) + o4 where the former sum is needed
anyway, which differs in the last bit only.

A requested output has a reader outside the graph, so fusion stops there by the same rule, and the value has its exact
meaning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npfaceapi.graph import Graph, Node

__all__ = ["Activation", "Constants", "Fused", "fuse"]

Array = np.ndarray[Any, Any]

_CONSTANT_OPS = ("add", "subtract", "multiply", "divide")
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "prelu")
_TAKES_CONSTANTS = ("conv2d", "depthwise_conv2d", "dense")


@dataclass
class Activation:
    """min(y if y > 0 else alpha * y, highest), alpha one number per channel; by default y itself."""

    alpha: Array
    highest: float = np.inf


@dataclass
class Constants:
    """(x + before) * scale + after, each [C] in float64."""

    before: Array
    scale: Array
    after: Array

    @classmethod
    def none(cls, C: int) -> Constants:
        return cls(np.zeros(C), np.ones(C), np.zeros(C))

    def then(self, scale: Array, shift: Array) -> None:
        """Append y * scale + shift; a pure sum that comes first is kept as a sum."""
        if np.all(scale == 1) and np.all(self.scale == 1) and not self.after.any():
            self.before = self.before + shift
        else:
            self.scale, self.after = self.scale * scale, self.after * scale + shift


@dataclass
class Fused:
    """A step: `first` and all nodes absorbed after it; `node` is the last, whose value the step stores."""

    kind: str
    first: Node
    nodes: list[Node]
    inputs: list[Node]
    constants: Constants
    activation: Activation
    residual: Node | None = None
    params: dict[str, Array] = field(default_factory=dict)
    depthwise: Fused | None = None  # computed in the same step, right before
    clamp: bool = False  # of a depthwise convolution: negative inputs count as 0
    pool: Node | None = None  # the max_pool that shrinks the step's result

    @property
    def node(self) -> Node:
        return self.nodes[-1]


Inputs = dict[Node, tuple[Node, ...]]


def _shared_sums(nodes: Sequence[Node]) -> Inputs:
    """The inputs of every node, with each sum written as an earlier sum plus one more summand where possible."""
    inputs: Inputs = {}
    summands: dict[Node, Counter[Node]] = {}
    for node in nodes:
        inputs[node] = node.inputs
        if node.op != "add" or len(node.inputs) != 2:
            continue
        mine: Counter[Node] = Counter()
        for x in node.inputs:
            mine.update(summands.get(x, {x: 1}))
        for earlier, theirs in reversed(summands.items()):
            if earlier in node.inputs:  # as it is now
                continue
            rest = mine - theirs
            if sum(rest.values()) == 1 and not theirs - mine:
                inputs[node] = (earlier, *rest)
                break
        summands[node] = mine
    return inputs


def _needed(nodes: Sequence[Node], inputs: Inputs, outputs: Sequence[Node]) -> list[Node]:
    wanted = set(outputs)
    for node in reversed(nodes):
        if node in wanted:
            wanted.update(inputs[node])
    return [node for node in nodes if node in wanted]


def _readers(nodes: Sequence[Node], inputs: Inputs, outputs: Sequence[Node]) -> dict[Node, list[Node | None]]:
    readers: dict[Node, list[Node | None]] = {node: [] for node in nodes}
    for node in nodes:
        for x in inputs[node]:
            readers[x].append(node)
    for node in outputs:
        readers[node].append(None)
    return readers


def constant_of(node: Node, weights: Mapping[str, Array]) -> Array:
    """The constant operand of an add, subtract, multiply or divide: float32 as face-api.js holds it, as float64 [C]."""
    value = weights[node.params["y"].name] if "y" in node.params else node.attributes["y"]
    C = node.shape[-1] if node.shape else 1
    return np.array(np.broadcast_to(np.asarray(value, np.float32), (C,)), np.float64)


def scale_and_shift(node: Node, weights: Mapping[str, Array]) -> tuple[Array, Array] | None:
    """The node as y * scale + shift in float64, if it is an operation with constants."""
    if node.op == "batch_norm":
        mean, variance, offset, scale = (
            weights[node.params[k].name].astype(np.float64) for k in ("mean", "variance", "offset", "scale")
        )
        scale = scale / np.sqrt(variance + node.attributes["epsilon"])
        return scale, offset - mean * scale
    if node.op not in _CONSTANT_OPS or len(node.inputs) != 1:
        return None
    y = constant_of(node, weights)
    if node.op in ("multiply", "divide"):
        return (y if node.op == "multiply" else 1 / y), np.zeros_like(y)
    return np.ones_like(y), y if node.op == "add" else -y


def activation_of(node: Node, weights: Mapping[str, Array]) -> Activation | None:
    """The node as an activation, if it is one."""
    C = node.shape[-1] if node.shape else 1
    if node.op == "prelu":
        return Activation(np.array(weights[node.params["alpha"].name], np.float64))
    if node.op == "leaky_relu":
        return Activation(np.full(C, float(node.attributes["alpha"])))
    if node.op in ("relu", "relu6"):
        return Activation(np.zeros(C), 6.0 if node.op == "relu6" else np.inf)
    return None


class _Absorber:
    """Grows one step: absorbs the only reader of its last node, repeatedly."""

    def __init__(
        self, inputs: Inputs, readers: Mapping[Node, list[Node | None]], weights: Mapping[str, Array], taken: set[Node]
    ) -> None:
        self.inputs, self.readers, self.weights, self.taken = inputs, readers, weights, taken

    def grow(self, step: Fused) -> None:
        activated = not self._start(step)
        while not activated:
            readers = self.readers[step.node]
            if len(readers) != 1 or readers[0] is None or readers[0] in self.taken:
                return
            following = readers[0]
            folded, activation = scale_and_shift(following, self.weights), activation_of(following, self.weights)
            if folded is not None and step.residual is None and step.kind in (*_TAKES_CONSTANTS, "affine"):
                step.constants.then(*folded)
            elif step.kind == "conv2d" and step.residual is None and self._is_sum_of_two(following):
                step.residual = next(x for x in self.inputs[following] if x is not step.node)
                step.inputs.append(step.residual)
            elif activation is not None:
                step.activation, activated = activation, True
            else:
                return
            step.nodes.append(following)
            self.taken.add(following)

    def _is_sum_of_two(self, node: Node) -> bool:
        return node.op == "add" and len(set(self.inputs[node])) == 2

    def _start(self, step: Fused) -> bool:
        """Take in the first node itself; whether more may follow."""
        folded, activation = scale_and_shift(step.first, self.weights), activation_of(step.first, self.weights)
        if folded is not None:
            step.kind = "affine"
            step.constants.then(*folded)
        elif activation is not None:
            step.kind, step.activation = "affine", activation
            return False
        return step.kind in (*_TAKES_CONSTANTS, "affine") or (step.kind in _CONSTANT_OPS and len(step.inputs) == 2)


def _grown(node: Node, absorber: _Absorber) -> Fused:
    C = node.shape[-1] if node.shape else 1
    step = Fused(node.op, node, [node], list(absorber.inputs[node]), Constants.none(C), Activation(np.ones(C)))
    absorber.grow(step)
    step.params = {key: np.asarray(absorber.weights[p.name], np.float32) for key, p in node.params.items()}
    return step


def _is_pointwise(step: Fused) -> bool:
    shape = (*step.params["filters"].shape[:2], step.first.attributes["stride"])
    return shape == (1, 1, 1) and step.first.attributes["padding"] in ("same", "valid", 0)


def _join_separable(by_node: Mapping[Node, Fused], readers: Mapping[Node, list[Node | None]]) -> None:
    """Let each 1x1 convolution compute the 3x3 depthwise convolution before it, if it is the only reader."""
    for step in by_node.values():
        before = by_node.get(step.inputs[0]) if step.kind == "conv2d" and _is_pointwise(step) else None
        if before is None or before.kind != "depthwise_conv2d" or len(readers[before.node]) != 1:
            continue
        if before.params["filters"].shape[:2] == (3, 3) and before.first.attributes["stride"] <= 2:
            step.depthwise, step.inputs[0] = before, before.inputs[0]
            step.nodes = before.nodes + step.nodes


def _clamp_inputs(by_node: Mapping[Node, Fused], readers: Mapping[Node, list[Node | None]]) -> None:
    """Let the depthwise part of a step apply a relu to its inputs, where nothing else reads that relu."""
    joined: dict[Node | None, tuple[Fused, Fused]] = {
        step.depthwise.first: (step, step.depthwise) for step in by_node.values() if step.depthwise is not None
    }
    for relu in by_node.values():
        if relu.first.op != "relu" or len(relu.nodes) != 1:
            continue
        users = [joined[reader] for reader in readers[relu.node] if reader in joined]
        if len(users) == len(readers[relu.node]):
            for step, depthwise in users:
                depthwise.clamp, step.inputs[0] = True, relu.inputs[0]


def _join_pools(steps: Sequence[Fused], by_node: Mapping[Node, Fused], readers: Mapping[Node, list[Node | None]]) -> None:
    """Let each convolution compute the pool after it, if that is the only reader and its windows hardly overlap."""
    for step in steps:
        before = by_node.get(step.inputs[0]) if step.kind == "max_pool" else None
        if before is None or before.kind != "conv2d" or before.residual is not None or len(readers[before.node]) != 1:
            continue
        size, stride = step.first.attributes["size"], step.first.attributes["stride"]
        if stride <= size <= 3 and stride > 1:
            before.pool = step.first
            before.nodes.append(step.first)


def _read_flat(by_node: Mapping[Node, Fused]) -> None:
    """Let a dense layer, or a concat, read through a reshape: both take numbers in order."""
    for step in by_node.values():
        if step.kind in ("dense", "concat"):
            before = [by_node.get(x) for x in step.inputs]
            step.inputs = [
                x if each is None or each.kind != "reshape" else each.inputs[0]
                for x, each in zip(step.inputs, before, strict=True)
            ]


def fuse(graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node], *, pools: bool = False) -> list[Fused]:
    """The steps that compute `outputs`, in an order in which every input comes before its reader.

    `pools` says that the backend computes a max_pool in the step of the convolution before it.
    """
    nodes = graph.ancestors(outputs)
    inputs = _shared_sums(nodes)
    nodes = _needed(nodes, inputs, outputs)
    readers = _readers(nodes, inputs, outputs)
    taken: set[Node] = {graph.input}
    absorber = _Absorber(inputs, readers, weights, taken)
    steps: list[Fused] = []
    for node in reversed(nodes):  # the LAST convolution before a sum absorbs it: the other summand then exists already
        if node.op in _TAKES_CONSTANTS:
            taken.add(node)
            steps.append(_grown(node, absorber))
    for node in nodes:
        if node not in taken:
            taken.add(node)
            steps.append(_grown(node, absorber))
    order = {node: i for i, node in enumerate(nodes)}
    steps.sort(key=lambda step: order[step.node])
    by_node = {step.node: step for step in steps}
    _join_separable(by_node, readers)
    _clamp_inputs(by_node, readers)
    _read_flat(by_node)
    if pools:
        _join_pools(steps, by_node, readers)
        steps = [step for step in steps if step.kind != "max_pool" or by_node.get(step.inputs[0], step).pool is not step.first]
    return _still_read(steps, outputs)


def _still_read(steps: Sequence[Fused], outputs: Sequence[Node]) -> list[Fused]:
    """Without the steps that others have taken over."""
    read, kept = set(outputs), []
    for step in reversed(steps):
        if step.node in read:
            read.update(step.inputs)
            kept.append(step)
    return kept[::-1]
