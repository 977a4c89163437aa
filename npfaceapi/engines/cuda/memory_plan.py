"""Planning the memory: every node that is stored gets a place, until its last reader.

All images of a batch lie one after the other, each dense: [N,H,W,C] without padding or halo, because the kernels check borders
themselves.  Places are planned in numbers for ONE image; for N images everything is N times as far from the start, so one plan
serves every batch.  Time is counted in steps: the caller's batch is there at step 0, outputs are read after the last.
A reshape has no step: its node has the place of what it reshapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from npfaceapi.engines.fusion import Fused, fuse
from npfaceapi.engines.placing import place
from npfaceapi.errors import BackendUnavailable
from npfaceapi.graph import Graph, Node

__all__ = ["MemoryPlan", "Place"]

Array = np.ndarray[Any, Any]

#: What a fused step may be made of; `_check_fusion` refuses a step with parts that the kernels do not know.
#: `pool` is listed because `fuse` is not asked for it: a pool is a step of its own here.
_KNOWN = {"kind", "first", "nodes", "inputs", "constants", "activation", "residual", "params", "depthwise", "clamp", "pool"}


@dataclass
class Place:
    """Where the values of a node lie: `size` numbers per image, `offset` from the start for one image."""

    size: int
    born: int
    dies: int
    offset: int = 0


def _check_fusion() -> None:
    unknown = {field.name for field in fields(Fused)} - _KNOWN
    if unknown:
        raise BackendUnavailable(f"cuda: expected steps fused of parts that its kernels know, got {', '.join(sorted(unknown))}")


class MemoryPlan:
    """The fused steps, and the place of every node that is stored.

    Attributes
    ----------
    steps : list of Fused
    places : dict of Node to Place
    between : dict of Node to Place
        By the node of a step: its depthwise result, which the pointwise convolution of the same step reads.
    size : int
        Numbers for one image.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> None:
        _check_fusion()
        self.input, self.outputs = graph.input, tuple(outputs)
        fused = fuse(graph, weights, outputs)
        self.places: dict[Node, Place] = {graph.input: Place(math.prod(graph.input.shape), 0, 0)}
        self.between: dict[Node, Place] = {}
        self.steps: list[Fused] = []
        for step in fused:
            assert step.pool is None
            if step.kind == "reshape":
                self.places[step.node] = self.places[step.inputs[0]]
                continue
            self.steps.append(step)
            now = len(self.steps)
            for x in step.inputs:
                self.places[x].dies = now
            self.places[step.node] = Place(math.prod(step.node.shape), now, now)
            if step.depthwise is not None:
                self.between[step.node] = Place(math.prod(step.depthwise.first.shape), now, now)
        for node in self.outputs:
            self.places[node].dies = len(self.steps) + 1
        every = {id(place): place for place in (*self.places.values(), *self.between.values())}
        self.size = place(list(every.values()), [one.size for one in every.values()])
