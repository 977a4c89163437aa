"""Fusion: which nodes of the graph one kernel call computes together.

A convolution that is followed by constants, a sum with another node and an activation costs one pass over its result
instead of four.  For every convolution and dense layer the nodes after it are absorbed, one by one, as long as each is the
only reader of the one before:

    conv2d, depthwise_conv2d, dense
      -> any of batch_norm, and add, subtract, multiply, divide with constants   (as (y + before) * scale + after)
      -> at most one add with another node                                       (the residual; conv2d only)
      -> at most one of relu, relu6, leaky_relu, prelu

Chains of constants and activations that follow something else (the input, a pool, a sum) become one `affine`:
y = act((x + before) * scale + after).  What somebody asked for as an output has a reader outside of the graph, so fusion
stops there by the same rule, and the value has its exact meaning.
"""

from __future__ import annotations

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
    """min(y if y > 0 else alpha * y, highest), alpha one number a channel; by default y itself."""

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
    """One step to be: `first` and all nodes absorbed after it; `node` is the last, whose value the step stores."""

    kind: str
    first: Node
    nodes: list[Node]
    inputs: list[Node]
    constants: Constants
    activation: Activation
    residual: Node | None = None
    params: dict[str, Array] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        return self.nodes[-1]


def _readers(nodes: Sequence[Node], outputs: Sequence[Node]) -> dict[Node, list[Node | None]]:
    readers: dict[Node, list[Node | None]] = {node: [] for node in nodes}
    for node in nodes:
        for x in node.inputs:
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
    """Grows one step: takes over the only reader of its last node, again and again."""

    def __init__(self, readers: Mapping[Node, list[Node | None]], weights: Mapping[str, Array], taken: set[Node]) -> None:
        self.readers, self.weights, self.taken = readers, weights, taken

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
            elif following.op == "add" and len(set(following.inputs)) == 2 and step.kind == "conv2d" and step.residual is None:
                step.residual = next(x for x in following.inputs if x is not step.node)
                step.inputs.append(step.residual)
            elif activation is not None:
                step.activation, activated = activation, True
            else:
                return
            step.nodes.append(following)
            self.taken.add(following)

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


def fuse(graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> list[Fused]:
    """The steps that compute `outputs`, in an order in which every input comes before its reader."""
    nodes = graph.ancestors(outputs)
    readers = _readers(nodes, outputs)
    taken: set[Node] = {graph.input}
    absorber = _Absorber(readers, weights, taken)
    steps: list[Fused] = []
    for node in reversed(nodes):  # the LAST convolution before a sum absorbs it: the other summand then exists already
        if node.op in _TAKES_CONSTANTS:
            taken.add(node)
            steps.append(_grown(node, absorber, weights))
    for node in nodes:
        if node not in taken:
            taken.add(node)
            steps.append(_grown(node, absorber, weights))
    order = {node: i for i, node in enumerate(nodes)}
    return sorted(steps, key=lambda step: order[step.node])


def _grown(node: Node, absorber: _Absorber, weights: Mapping[str, Array]) -> Fused:
    C = node.shape[-1] if node.shape else 1
    step = Fused(node.op, node, [node], list(node.inputs), Constants.none(C), Activation(np.ones(C)))
    absorber.grow(step)
    step.params = {key: np.asarray(weights[p.name], np.float32) for key, p in node.params.items()}
    return step


def constants_with_bias(step: Fused) -> tuple[Array, Array, Array]:
    """before, scale and after of the step, its bias included in `before`; float32 [Co] each.

    They are not folded into the weights: x @ (w * scale) would round every weight once more, and on a blank photo, where
    all pixels are alike, those roundings add up (the descriptor of a black one was four times further from face-api.js).
    """
    constants = step.constants
    before = constants.before + step.params.get("bias", np.float32(0))
    return before.astype(np.float32), constants.scale.astype(np.float32), constants.after.astype(np.float32)
