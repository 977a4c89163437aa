"""The recorded graph: the operations of a network, as data.

A network is written once, as a function that calls the operations of `ops.py`.  Calling that function on a
symbolic input records the operations as `Node`s.  Every backend executes this graph, and every tool
(taps, cost table, picture) reads it.

Shapes are those of ONE image (`(H, W, C)` or `(C,)`): no operation mixes the images of a batch, so the
leading dimension N is left to the backend that runs the graph.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeVar

from npfaceapi.errors import InvalidArgument, shown

__all__ = ["Graph", "Layer", "Node", "Param", "ParamTree", "Recorder", "block", "record"]

Shape = tuple[int, ...]


class Param(NamedTuple):
    """A parameter tensor: its name in the manifest and its shape; the values are kept elsewhere."""

    name: str
    shape: Shape


class ParamTree(dict[str, Any]):
    """Parameters as a nested dict, `p["dense0"]["conv1"]["bias"]`; `path` is the name of this level."""

    def __init__(self, shapes: Mapping[str, Shape] | None = None, path: str = "") -> None:
        super().__init__()
        self.path = path
        for name, shape in (shapes or {}).items():
            level = self
            *folders, leaf = name.split("/")
            for depth in range(len(folders)):
                level = level.setdefault(folders[depth], ParamTree(path="/".join(folders[: depth + 1])))
            level[leaf] = Param(name, tuple(shape))

    def __missing__(self, key: str) -> NoReturn:
        raise KeyError(f"{self.path}/{key}" if self.path else key)


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """One operation: its name, inputs, parameters, attributes and the shape of its result for one image."""

    name: str
    op: str
    inputs: tuple[Node, ...]
    params: Mapping[str, Param]
    attributes: Mapping[str, Any]
    shape: Shape
    macs: int
    block: str
    recorder: Recorder

    @property
    def parameters(self) -> int:
        """The number of scalar parameters of this node."""
        return sum(math.prod(p.shape) for p in self.params.values())

    @property
    def bytes(self) -> int:
        """Bytes read and written for one image, in float32: inputs, parameters and result."""
        return 4 * (sum(math.prod(x.shape) for x in self.inputs) + self.parameters + math.prod(self.shape))

    @property
    def summary(self) -> str:
        """The operation with its window and stride: `conv2d 3x3 /2`."""
        filters, size = self.params.get("filters"), self.attributes.get("size")
        window = f" {filters.shape[0]}x{filters.shape[1]}" if filters else f" {size}x{size}" if size else ""
        stride = self.attributes.get("stride", 1)
        return f"{self.op}{window}{f' /{stride}' if stride > 1 else ''}"

    def __repr__(self) -> str:
        return f"<Node {self.name}: {self.op} -> {self.shape}>"


class Layer(NamedTuple):
    """Nodes that belong together, as `Graph.layers` groups them; the last node's value is the layer's."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def output(self) -> Node:
        """The node whose value is the layer's."""
        return self.nodes[-1]

    @property
    def summary(self) -> str:
        """The operations in a line: `conv2d 3x3, multiply, add, relu`; if more than six, the count of each kind."""
        if len(self.nodes) <= 6:
            return ", ".join(node.summary for node in self.nodes)
        return ", ".join(f"{count} {op}" for op, count in Counter(node.op for node in self.nodes).items())

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(node.macs for node in self.nodes)

    @property
    def parameters(self) -> int:
        """The number of scalar parameters."""
        return sum(node.parameters for node in self.nodes)

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """Name, operations, shape, parameters and MACs, for tables."""
        return self.name, self.summary, shape_text(self.output.shape), f"{self.parameters:,}", f"{self.macs:,}"


#: The headings of `Layer.row`, and which of its columns hold numbers.
LAYER_HEADER, LAYER_NUMBERS = ("layer", "operations", "output", "parameters", "MACs"), (3, 4)


def shape_text(shape: Shape) -> str:
    """A shape as text: `56x56x32`; `1` for a single number."""
    return "x".join(map(str, shape)) or "1"


class Recorder:
    """Collects nodes in the order in which the network's function calls the operations."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.blocks: dict[str, Node] = {}
        self._names: set[str] = set()
        self._path: list[str] = [""]

    @contextmanager
    def inside(self, path: str) -> Iterator[None]:
        self._path.append(path)
        try:
            yield
        finally:
            self._path.pop()

    def add(
        self,
        op: str,
        inputs: Sequence[Node],
        shape: Shape,
        *,
        params: Mapping[str, Param | None] | None = None,
        attributes: Mapping[str, object] | None = None,
        macs: int = 0,
    ) -> Node:
        given = {k: v for k, v in (params or {}).items() if v is not None}
        path = self._path[-1]
        if not path and given:  # outside blocks, an operation is named after its first tensor
            first = next(iter(given.values())).name
            path = first.rpartition("/")[0] or first
        stem = f"{path}/{op}" if path else op
        name, again = stem, 1
        while name in self._names:
            name, again = f"{stem}_{again}", again + 1
        self._names.add(name)
        node = Node(name, op, tuple(inputs), given, dict(attributes or {}), tuple(shape), macs, path, self)
        self.nodes.append(node)
        return node


Forward = TypeVar("Forward", bound=Callable[..., Node])


def block(function: Forward) -> Forward:
    """Mark `function(x, p, …)` as a block: its nodes are named under `p`'s path, and its result has that name."""

    @functools.wraps(function)
    def recorded(x: Node, p: ParamTree, *args: Any, **kwargs: Any) -> Node:
        with x.recorder.inside(p.path):
            y = function(x, p, *args, **kwargs)
        x.recorder.blocks[p.path] = y
        return y

    return recorded  # type: ignore[return-value]


class Graph:
    """A network recorded for one input shape.

    Attributes
    ----------
    input : Node
        The placeholder; `input.shape` is `(H, W, C)`.
    nodes : tuple of Node
        All operations in the order of execution, the input first.
    outputs : dict of str to Node
        The network's raw outputs by name.
    blocks : dict of str to Node
        The result of each block, by the block's path in the weights (`dense0`, `conv32_1/conv1`).
    """

    def __init__(self, name: str, nodes: Sequence[Node], outputs: Mapping[str, Node], blocks: Mapping[str, Node]) -> None:
        self.name = name
        self.nodes = tuple(nodes)
        self.input = self.nodes[0]
        self.outputs = dict(outputs)
        self.blocks = dict(blocks)
        self._by_name = {node.name: node for node in self.nodes}
        self._by_path = {node.block: node for node in self.nodes}

    def find(self, name: str) -> Node:
        """The node of that name, or the result of the block, output or layer of that name (`fc` for `fc/dense`)."""
        for known in (self._by_name, self.blocks, self.outputs, self._by_path):
            if name in known:
                return known[name]
        raise InvalidArgument(f"{self.name}: expected the name of a node, block or output, got {shown(name)}; see net.graph()")

    @property
    def params(self) -> dict[str, Param]:
        """Every parameter that the graph reads, by name, in the order of first use."""
        return {p.name: p for node in self.nodes for p in node.params.values()}

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and dense layers for one image."""
        return sum(node.macs for node in self.nodes)

    @property
    def parameters(self) -> int:
        """The number of scalar parameters; a shared tensor counts once."""
        return sum(math.prod(p.shape) for p in self.params.values())

    def ancestors(self, wanted: Sequence[Node]) -> list[Node]:
        """The nodes needed for `wanted`, in the order of execution."""
        needed: set[Node] = set()
        stack = list(wanted)
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(node.inputs)
        return [node for node in self.nodes if node in needed]

    def layers(self, whole_blocks: bool = False) -> list[Layer]:
        """The nodes grouped into layers: consecutive nodes of one block form a layer, as does each node outside blocks.

        Parameters
        ----------
        whole_blocks : bool
            Group by the outermost blocks (`dense0`) instead of the innermost (`dense0/conv1`).

        Examples
        --------
        >>> from npfaceapi import nets
        >>> [layer.name for layer in nets.face_landmark_68_net.graph().layers(whole_blocks=True)[3:8]]
        ['dense0', 'dense1', 'dense2', 'dense3', 'avg_pool']
        """
        groups: list[tuple[str, list[Node]]] = []
        for node in self.nodes:
            path = self._outermost(node.block) if whole_blocks else node.block
            if path and groups and groups[-1][0] == path:
                groups[-1][1].append(node)
            else:
                groups.append((path, [node]))
        paths = [path for path, _ in groups]
        return [Layer(path if paths.count(path) == 1 and path else nodes[-1].name, tuple(nodes)) for path, nodes in groups]

    def _outermost(self, path: str) -> str:
        parts = path.split("/")
        prefixes = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return next((prefix for prefix in prefixes if prefix in self.blocks), path)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        from npfaceapi.display.plain_table import format_table, shortened

        first = f"<Graph {self.name}: input {self.input.shape}, {len(self.nodes)} nodes, {self.macs / 1e6:.1f} MMACs>"
        rows = shortened([layer.row for layer in self.layers(whole_blocks=True)])
        return f"{first}\n{format_table(LAYER_HEADER, rows, right=LAYER_NUMBERS, indent='  ')}"

    def _repr_html_(self) -> str:
        """The table of layers, for a notebook."""
        from npfaceapi.display.markup import element, table

        caption = (
            f"{self.name}: input {shape_text(self.input.shape)}, {len(self.nodes)} operations, {self.parameters:,} parameters, "
            f"{self.macs / 1e6:,.1f} million multiply-accumulates (MACs) an image"
        )
        rows = [layer.row for layer in self.layers()]
        scrolled = table(LAYER_HEADER, rows, right=LAYER_NUMBERS, caption=caption)
        return element("div", scrolled, style="max-height:32em;overflow:auto", tabindex=0, role="region", aria_label=self.name)


def record(
    name: str,
    forward: Callable[..., Mapping[str, Node]],
    shapes: Mapping[str, Shape],
    input_shape: Shape,
    root: str = "",
) -> Graph:
    """Record `forward(x, p)` for an input of `input_shape` (`(H, W, C)`) and parameters of the given shapes.

    `root` is the prefix of the parameters that `forward` gets as `p` (MTCNN keeps three networks in one manifest).
    """
    recorder = Recorder()
    p: ParamTree = ParamTree(shapes)
    if root:
        p = p[root]
    outputs = forward(recorder.add("input", (), input_shape), p)
    return Graph(name, recorder.nodes, outputs, recorder.blocks)
