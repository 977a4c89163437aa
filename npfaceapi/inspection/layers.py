"""A network layer by layer for one input: shapes, costs, the share of the time, and sheets of feature maps.

The network runs on the reference engine, operation by operation in NumPy, for there every layer has a value of its own and a
time of its own; a fast engine fuses layers, and what is fused has neither.  So the shares say where the arithmetic of the
definition is spent in NumPy, not what a layer costs on another engine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.feature_maps import Sheet, sheet
from npfaceapi.graph import Layer, Node

__all__ = ["LayerReport", "NetworkReport", "report_network"]

Array = np.ndarray[Any, Any]

ENOUGH = 0.3  # seconds of running, after which no further run is made; a layer's time is the shortest of at most eight


@dataclass(frozen=True)
class LayerReport:
    """One layer: its names, costs, seconds for one image, and its feature maps."""

    layer: Layer
    seconds: float
    sheet: Sheet


@dataclass(frozen=True)
class NetworkReport:
    """A network at work on one input.

    Attributes
    ----------
    title : str
        What the network does here.
    key : str
        A short name that no other network of the report has.
    batch : float32 array [1,H,W,3]
        What it was given, in 0..255.
    outputs : dict of str to array
        Its raw outputs for the image.
    layers : tuple of LayerReport
        In the order of execution, without the input.
    """

    title: str
    key: str
    name: str
    batch: Array
    outputs: dict[str, Array]
    layers: tuple[LayerReport, ...]
    parameters: int
    macs: int

    @property
    def seconds(self) -> float:
        """The time of all layers together."""
        return sum(layer.seconds for layer in self.layers)


def report_network(net: Any, batch: Array, title: str, key: str) -> NetworkReport:
    """Run a network on one image [1,H,W,3] and keep what each layer gave, as pictures."""
    graph = net.graph(*batch.shape[1:3])
    program = ReferenceProgram(graph, net.tensors, list(graph.outputs.values()))
    layers = [layer for layer in graph.layers() if layer.output.op != "input"]
    shown = {layer.output for layer in layers}
    sheets: dict[Node, Sheet] = {}
    outputs: dict[str, Array] = {}
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
    return NetworkReport(title, key, graph.name, batch, outputs, tuple(reports), graph.parameters, graph.macs)
