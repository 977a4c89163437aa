"""A network layer by layer for one input: shapes, costs, shares of the time, and sheets of feature maps.

The network runs on the reference engine, operation by operation in NumPy, where every layer has its own value and its own
time; in a fast engine fused layers have neither.  So the shares are those of NumPy.  The steps of the numba engine are a
separate list, timed by that engine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from npfaceapi.display.feature_maps import Sheet, sheet
from npfaceapi.engines.dispatch import current_backend
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import Layer, Node, shape_text

if TYPE_CHECKING:
    from npfaceapi.networks.neural_network import NeuralNetwork

__all__ = ["LayerReport", "NetworkReport", "StepReport", "report_network"]

ROUNDS = 5  # of the numba engine, for the times of its steps
ENOUGH = 0.3  # seconds after which no further run starts; a layer's time is its shortest of at most eight runs


@dataclass(frozen=True)
class LayerReport:
    """One layer: its names, costs, seconds for one image, and its feature maps."""

    layer: Layer
    seconds: float
    sheet: Sheet


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
    steps : tuple of StepReport
        Steps of the numba engine; empty if another backend is in use.
    """

    title: str
    key: str
    name: str
    batch: NDArray[np.float32]
    outputs: dict[str, NDArray[np.float32]]
    layers: tuple[LayerReport, ...]
    parameters: int
    macs: int
    steps: tuple[StepReport, ...] = ()

    @property
    def seconds(self) -> float:
        """The time of all layers together, on the reference engine."""
        return sum(layer.seconds for layer in self.layers)

    @property
    def step_seconds(self) -> float:
        """The time of all steps together, on the numba engine."""
        return sum(step.seconds for step in self.steps)


def report_network(net: NeuralNetwork, batch: NDArray[np.float32], title: str, key: str) -> NetworkReport:
    """Run a network on one image [1,H,W,3], keeping each layer's output as pictures."""
    graph = net.graph(*batch.shape[1:3])
    program = ReferenceProgram(graph, net.tensors, list(graph.outputs.values()))
    layers = [layer for layer in graph.layers() if layer.output.op != "input"]
    shown = {layer.output for layer in layers}
    sheets: dict[Node, Sheet] = {}
    outputs: dict[str, NDArray[np.float32]] = {}
    seconds: dict[Node, float] = {}
    names = {node: name for name, node in graph.outputs.items()}
    run, begun = 0, time.perf_counter()
    while run < 1 or (run < 8 and time.perf_counter() - begun < ENOUGH):
        started = time.perf_counter()
        for node, value in program.walk(batch):
            took = time.perf_counter() - started
            seconds[node] = min(took, seconds.get(node, took))
            if run == 0 and node in shown:
                sheets[node] = sheet(value[0])
            if run == 0 and node in names:
                outputs[names[node]] = np.array(value[0])
            started = time.perf_counter()
        run += 1
    reports = [
        LayerReport(layer, sum(seconds[node] for node in layer.nodes if node.op != "input"), sheets[layer.output])
        for layer in layers
        if layer.output in sheets
    ]
    steps = _steps(net, *batch.shape[1:3]) if current_backend() == "numba" else ()
    return NetworkReport(title, key, graph.name, batch, outputs, tuple(reports), graph.parameters, graph.macs, steps)


def _steps(net: NeuralNetwork, height: int, width: int) -> tuple[StepReport, ...]:
    plan = net.plan(height, width, backend="numba")
    reports = []
    for step, microseconds in zip(plan.steps, plan.measure(ROUNDS), strict=True):
        operations = ", ".join(node.summary for node in step.nodes) + (f" ({step.method})" if step.method else "")
        reports.append(StepReport(step.name, operations, shape_text(step.shape), step.macs, microseconds / 1e6))
    return tuple(reports)
