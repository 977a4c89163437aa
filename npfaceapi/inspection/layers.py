"""A network layer by layer for one input: shapes, costs, receptive fields, and sheets of feature maps.

The values are those of the reference engine, operation by operation in NumPy: in a fast engine fused layers have none of their
own.  Its times are not shown: they are mostly those of the BLAS library below NumPy, whose threads cannot be bound once NumPy is
imported, and on a busy machine one run takes many times as long as the next.  A layer's share of the multiply-accumulates is
always the same.  The times are those of the numba engine's steps, which that engine measures itself, on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.display.feature_maps import Sheet, most_varied, sheet, spread
from npfaceapi.engines.dispatch import current_backend
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import Graph, Layer, Node, shape_text
from npfaceapi.inspection.receptive_field import seen

if TYPE_CHECKING:
    from npfaceapi.networks.neural_network import NeuralNetwork

__all__ = ["ROUNDS", "LayerReport", "NetworkReport", "StepReport", "report_network"]

ROUNDS = 5  # of the numba engine, after one that does not count; a step's time is their median
NOT_SHOWN = ("reshape", "concat")  # the numbers of the layers before them in another order
MIXING = ("conv2d", "dense", "softmax")  # each channel depends on all channels of the input


@dataclass(frozen=True)
class LayerReport:
    """One layer: its names and costs, its largest receptive field ("" if it has none), and its feature maps.

    `sheet` is None for a reshape or concatenation, which computes no new values.
    """

    layer: Layer
    sees: str
    sheet: Sheet | None


@dataclass(frozen=True)
class StepReport:
    """One step of the numba engine: the node whose value it stores, all nodes that it computes, and its time."""

    name: str
    operations: str
    shape: str
    macs: int
    seconds: float


@dataclass(frozen=True)
class NetworkReport:
    """A network's run on one input.

    Attributes
    ----------
    title : str
        What the network does here.
    key : str
        A short name that no other network of the report has.
    batch : float32 array [1,H,W,3]
        Its input, in 0..255.
    outputs : dict of str to array
        Its raw outputs for the image.
    layers : tuple of LayerReport
        In the order of execution, without the input.
    filters : float32 array [KH,KW,3,Co]
        Those of the first convolution.
    steps : tuple of StepReport
        Steps of the numba engine; empty if another backend is in use.
    """

    title: str
    key: str
    name: str
    batch: NDArray[np.float32]
    outputs: dict[str, NDArray[np.float32]]
    layers: tuple[LayerReport, ...]
    filters: NDArray[np.float32]
    parameters: int
    macs: int
    steps: tuple[StepReport, ...] = ()

    @property
    def step_seconds(self) -> float:
        """The time of all steps together, on the numba engine."""
        return sum(step.seconds for step in self.steps)


def report_network(net: NeuralNetwork, batch: NDArray[np.float32], title: str, key: str) -> NetworkReport:
    """Run a network on one image [1,H,W,3], keeping each layer's output as pictures."""
    graph = net.graph(*batch.shape[1:3])
    program = ReferenceProgram(graph, net.tensors, list(graph.outputs.values()))
    layers = [layer for layer in graph.layers() if layer.output.op != "input"]
    pictured = {layer.output for layer in layers if layer.output.op not in NOT_SHOWN}
    spreads, signed = {}, set()
    for node, value in program.walk(batch):
        if node in pictured and value.ndim == 4:
            spreads[node] = spread(value[0])
            signed |= {node} if value.min() < 0 else set()
    choices = _choices(graph, spreads, signed)
    sheets: dict[Node, Sheet] = {}
    outputs: dict[str, NDArray[np.float32]] = {}
    names = {node: name for name, node in graph.outputs.items()}
    for node, value in program.walk(batch):
        if node in pictured:
            sheets[node] = sheet(value[0], *choices.get(node, ()))
        if node in names:
            outputs[names[node]] = np.array(value[0])
    fields = seen(graph)
    reports = tuple(LayerReport(layer, fields.get(layer.output, ""), sheets.get(layer.output)) for layer in layers)
    first = next(node.params["filters"].name for node in graph if node.op == "conv2d")
    steps = _steps(net, *batch.shape[1:3]) if current_backend() == "numba" else ()
    return NetworkReport(
        title, key, graph.name, batch, outputs, reports, net.tensors[first], graph.parameters, graph.macs, steps
    )  # fmt: skip


def _choices(
    graph: Graph, spreads: Mapping[Node, NDArray[Any]], signed: set[Node]
) -> dict[Node, tuple[tuple[int, ...], str, bool]]:
    """The channels to show of each node in `spreads`, why, and whether in signed colours: one choice for all that share channels.

    The input x of a residual block, f(x) and x + f(x) have the same channels, as do the inputs and results of all operations
    that compute channel by channel.
    """
    alike: dict[Node, set[Node]] = {}
    for node in graph:
        before = [x for x in node.inputs if node.op not in MIXING and x.shape[-1:] == node.shape[-1:]]
        joined = {node}.union(*(alike[x] for x in before))
        alike.update(dict.fromkeys(joined, joined))
    chosen = {}
    for node in spreads:
        group = [other for other in spreads if other in alike[node]]
        why = "those that vary most" + (f" over the {len(group)} layers that share these channels" if len(group) > 1 else "")
        chosen[node] = most_varied([spreads[other] for other in group]), why, not signed.isdisjoint(group)
    return chosen


def _steps(net: NeuralNetwork, height: int, width: int) -> tuple[StepReport, ...]:
    plan = net.plan(height, width, backend="numba")
    reports = []
    for step, microseconds in zip(plan.steps, plan.measure(ROUNDS), strict=True):
        operations = ", ".join(node.summary for node in step.nodes) + (f" ({step.method})" if step.method else "")
        reports.append(StepReport(step.name, operations, shape_text(step.shape), step.macs, microseconds / 1e6))
    return tuple(reports)
