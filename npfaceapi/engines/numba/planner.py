"""Planning the memory: every node that is stored gets a feature map, with the halo that its readers need.

Padding is stored as zeros, so kernels need no border checks.  A feature map has its place in the workspace until its last
reader, counted in steps: loading the caller's image is step 0, storing the outputs the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from npfaceapi.engines.fusion import Activation, Constants, Fused, fuse
from npfaceapi.engines.numba.jit import Kernel
from npfaceapi.engines.numba.simd.target import LANES, PANELS
from npfaceapi.engines.numba.workspace import ALIGNMENT, FeatureMap, place, round_up
from npfaceapi.graph import Graph, Node
from npfaceapi.ops import window_padding

__all__ = ["Call", "MemoryPlan", "PlannedStep", "Window", "pixels_of", "window_of"]

Array = np.ndarray[Any, Any]


class Call(NamedTuple):
    """A kernel, the values of its params, and into how many chunks it may be cut."""

    kernel: Kernel
    dtype: np.dtype[Any]
    values: Mapping[str, Any]
    chunks: int = 1

    def params(self) -> Array:
        """The values as the kernel reads them, [1] of its dtype; every field must be given, and no other."""
        fields = set(self.dtype.names or ())
        if wrong := fields ^ set(self.values):
            missing, unknown = (", ".join(sorted(names)) or "none" for names in (wrong & fields, wrong - fields))
            raise TypeError(
                f"record of kernel {self.kernel.name}: fields not given: {missing}; fields that it has not: {unknown}"
            )
        params = np.zeros(1, self.dtype)
        for name, value in self.values.items():
            params[name] = value
        return params


class Window(NamedTuple):
    """How a filter moves over its input, and the halo that it needs."""

    KH: int
    KW: int
    stride: int
    halo: tuple[int, int, int, int]


def window_of(node: Node, KH: int, KW: int) -> Window:
    """The window of a convolution or depthwise convolution."""
    stride, padding = node.attributes["stride"], node.attributes["padding"]
    sides = []
    for size, kernel, outputs in zip(node.inputs[0].shape, (KH, KW), node.shape, strict=False):
        before = window_padding(size, kernel, stride, padding)[0]
        sides += [before, max(0, (outputs - 1) * stride + kernel - before - size)]
    return Window(KH, KW, stride, (sides[0], sides[1], sides[2], sides[3]))


def pixels_of(shape: Sequence[int]) -> tuple[int, int, int]:
    """[H,W,C], [R,C], [C] and [] as rows, columns and channels."""
    H, W, C = (1, 1, 1, *shape)[-3:]
    return H, W, C


def _winograd_tile(step: Fused) -> int:
    """Side m of the tiles if a step is to be computed by Winograd's method (see simd/winograd.py), else 0.

    It pays for 3x3 filters between many channels, if the image is large enough: transformed, the weights are 36/9 times as many
    at m = 4 and 16/9 at m = 2, and the saved products must outweigh reading them.  Measured on the recognition
    net: 8x8 pixels of 128 channels take 0.21 ms at m = 2 and 0.22 at m = 4; 4x4 of 256 take 0.36 without and 0.41 at m = 2.
    """
    if step.kind != "conv2d" or step.depthwise or step.pool or step.first.attributes["stride"] != 1:
        return 0
    KH, KW, Ci, Co = step.params["filters"].shape
    same = window_of(step.first, KH, KW).halo == (1, 1, 1, 1)
    if (KH, KW) != (3, 3) or not same or min(Ci, Co) < 32 or Ci % LANES or Co % LANES:
        return 0
    side = min(step.first.shape[:2])
    return 4 if side >= 12 else 2 if side >= 8 else 0


@dataclass
class PlannedStep(Fused):
    """A fused step, and how it is to be computed."""

    tile: int = 0  # side m of the tiles if it is computed by Winograd's method, else 0

    @classmethod
    def of(cls, fused: Fused) -> PlannedStep:
        return cls(**vars(fused), tile=_winograd_tile(fused))

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles that cover the result."""
        H, W, _ = self.first.shape
        return -(-H // self.tile), -(-W // self.tile)

    def window_on_input(self) -> Window | None:
        """How the first filter moves over the step's first input, if there is one."""
        first = self if self.depthwise is None else self.depthwise
        if first.kind not in ("conv2d", "depthwise_conv2d"):
            return None
        window = window_of(first.first, *first.params["filters"].shape[:2])
        if self.tile:  # whole tiles are read
            rows, columns = self.tiles
            H, W, _ = self.first.shape
            window = window._replace(halo=(1, rows * self.tile + 1 - H, 1, columns * self.tile + 1 - W))
        return window


_COPIES = ("concat", "reshape", "sigmoid", "softmax")  # steps that read pixels of any distance, and no padding


def _beside(steps: Sequence[PlannedStep]) -> dict[Node, Node]:
    """Which small convolutions are computed by the product of an earlier one: those of the same pixels, such as two heads.

    Their weights stand side by side, and so do their results, in the pixels of one feature map.
    """
    found: dict[Node, Node] = {}
    free: list[PlannedStep] = []
    for step in steps:
        if step.kind != "conv2d" or step.depthwise or step.pool or step.residual or step.tile:
            continue
        if any(step.node in reader.inputs and reader.kind not in _COPIES for reader in steps):
            continue
        for other in free:
            same = (
                other.inputs == step.inputs
                and other.first.attributes == step.first.attributes
                and other.params["filters"].shape[:3] == step.params["filters"].shape[:3]
                and other.activation.highest == step.activation.highest
            )
            if same and other.params["filters"].shape[3] + step.params["filters"].shape[3] <= PANELS[0] * LANES:
                found[step.node] = other.node
                free.remove(other)
                break
        else:
            free.append(step)
    return found


def _side_by_side(a: PlannedStep, b: PlannedStep) -> PlannedStep:
    """One step that computes the channels of both."""
    Co = [step.params["filters"].shape[3] for step in (a, b)]

    def both(*values: Array) -> Array:
        return np.concatenate([np.broadcast_to(value, (C,)) for value, C in zip(values, Co, strict=True)])

    x, y = a.constants, b.constants
    return replace(
        a,
        nodes=[*b.nodes, *a.nodes],
        constants=Constants(both(x.before, y.before), both(x.scale, y.scale), both(x.after, y.after)),
        activation=Activation(both(a.activation.alpha, b.activation.alpha), a.activation.highest),
        params={
            "filters": np.concatenate([a.params["filters"], b.params["filters"]], axis=3),
            "bias": both(*(step.params.get("bias", np.zeros(1, np.float32)) for step in (a, b))),
        },
    )


class MemoryPlan:
    """The steps, and the feature map of every node that is stored in the workspace.

    Attributes
    ----------
    steps : list of PlannedStep
    feature_maps : dict of Node to FeatureMap
    loads_input : bool
        Whether the caller's image itself must be copied into the workspace.
    beside : dict of Node to Node
        Convolutions that have no step of their own: the one whose step computes them too.
    direct : set of Node
        Outputs that are written to the caller's arrays at once: those that are only copied together, and that no step reads.
    slots : int
        Offset of the addresses of the caller's arrays: the image, then the outputs.
    tiles : dict of Node to (FeatureMap, FeatureMap)
        Transformed inputs and outputs of the steps that Winograd's method computes.
    scratch : int
        Offset of the free memory after the feature maps.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> None:
        self.input, self.outputs = graph.input, tuple(outputs)
        self.steps = [PlannedStep.of(fused) for fused in fuse(graph, weights, outputs, pools=True)]
        self.beside = _beside(self.steps)
        by_node = {step.node: step for step in self.steps}
        for other, node in self.beside.items():
            by_node[node] = _side_by_side(by_node[node], by_node.pop(other))
        self.steps = list(by_node.values())
        readers = [step for step in self.steps if graph.input in step.inputs]
        read = {node for step in self.steps for node in step.inputs}
        self.direct = {
            step.node for step in self.steps if step.kind == "concat" and step.node in outputs and step.node not in read
        }
        self.loads_input = graph.input in outputs or any(step.kind != "affine" for step in readers)
        self.feature_maps: dict[Node, FeatureMap] = {}
        self.tiles: dict[Node, tuple[FeatureMap, FeatureMap]] = {}
        self.slots = 0
        if self.loads_input:
            self._add(graph.input, 0, True)
        for i, step in enumerate(self.steps):
            if step.node not in self.direct:
                self._add(step.node, i + 1, step.kind == "affine" and step.inputs[0] is graph.input)
            if step.tile:
                rows, columns = step.tiles
                V, U = (
                    FeatureMap((step.tile + 2) ** 2, rows * columns, C, born=i + 1, dies=i + 1)
                    for C in step.params["filters"].shape[2:]
                )
                self.tiles[step.node] = V, U
            for x in (self.beside.get(x, x) for x in step.inputs):
                if x in self.feature_maps:
                    self.feature_maps[x].dies = i + 1
        for node in {*self.outputs} - self.direct:
            self.feature_maps[self.beside.get(node, node)].dies = len(self.steps) + 1
        everything = [*self.feature_maps.values(), *(feature_map for pair in self.tiles.values() for feature_map in pair)]
        self.scratch = place(everything, round_up(8 * (1 + len(self.outputs)), ALIGNMENT))
        for other, node in self.beside.items():
            joint = self.feature_maps[node]
            C = pixels_of(node.shape)[2]
            self.feature_maps[node] = replace(joint, C=C)
            self.feature_maps[other] = replace(joint, C=pixels_of(other.shape)[2], offset=joint.offset + 4 * C)

    def _add(self, node: Node, born: int, is_photo: bool) -> None:
        H, W, C = pixels_of(node.shape)
        readers = [step for step in self.steps if node in step.inputs]
        windows = [w for w in (step.window_on_input() for step in readers if step.inputs[0] is node) if w is not None]
        halo = tuple(max([0, *(w.halo[side] for w in windows)]) for side in range(4))
        # a photo's three channels stay three: the convolution that reads them takes a row of its filter as one run
        C += sum(pixels_of(other.shape)[2] for other, beside in self.beside.items() if beside is node)
        unpadded = is_photo and C < LANES and all(step.kind == "conv2d" and step.depthwise is None for step in readers)
        self.feature_maps[node] = FeatureMap(
            H, W, C, (halo[0], halo[1], halo[2], halo[3]), C if unpadded else 0, born=born, dies=born
        )
