"""A recorded graph as an ONNX model: every operation of `ops.py` becomes the ONNX operator of the same meaning.

The model's input and outputs have the layout of the recorded graph (NHWC), so the input is what `net.to_batch` gives.  Inside,
images are NCHW, as ONNX requires: the name of such a tensor ends in `:nchw`, and there is a Transpose only where an operation
needs the other layout.  Nodes have the names of the graph's nodes, initializers those of the weights; filters are transposed
from HWIO to ONNX's OIHW.  Batch norms, scales and activations stay separate operators, which a runtime may fold.

A model of dynamic height and width has `auto_pad` where the padding depends on the size, else explicit padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi._version import __version__
from npfaceapi.errors import BackendUnavailable, InvalidArgument, InvalidType, shown
from npfaceapi.graph import Graph, Node
from npfaceapi.ops import window_padding

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["to_onnx"]

Array = np.ndarray[Any, Any]

OPSET, IR_VERSION = 13, 7  # supported by runtimes since 2021
TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def to_onnx(
    graph: Graph,
    weights: Mapping[str, NDArray[np.float32]],
    outputs: Mapping[str, Node] | None = None,
    *,
    layout: str = "NHWC",
    dynamic: bool = False,
) -> ModelProto:
    """The graph as an `onnx.ModelProto` in float32, for any batch size.

    Parameters
    ----------
    graph : Graph
        `net.graph()`, recorded for the size of the input.
    weights : mapping of name to array
        `net.tensors`.
    outputs : dict of str to Node, optional
        The model's outputs by name; default: the network's raw outputs.
    layout : {"NHWC", "NCHW"}
        Order of the axes of the model's input; outputs are always NHWC.
    dynamic : bool
        Whether the model takes inputs of any height and width, not only the size that `graph` was recorded for.

    Raises
    ------
    BackendUnavailable
        The package `onnx` is not installed.
    InvalidArgument
        `dynamic` for a network that takes one size only: its outputs are not images, or its padding depends on the size.

    Examples
    --------
    >>> from npfaceapi import nets
    >>> net = nets.face_landmark_68_tiny_net
    >>> [output.name for output in to_onnx(net.graph(), net.tensors).graph.output]
    ['points']
    """
    given: tuple[Any, Any, Any] = graph, weights, outputs
    if not isinstance(given[0], Graph) or not all(isinstance(each, (Mapping, type(None))) for each in given[1:]):
        raise InvalidType(f"to_onnx: expected a graph, its weights and its outputs by name, got {shown(given)}")
    if not isinstance(layout, str) or layout not in ("NHWC", "NCHW"):
        raise InvalidArgument(f"to_onnx: expected the layout NHWC or NCHW, got {shown(layout)}")
    try:
        import onnx
    except ImportError:
        raise BackendUnavailable(
            'to_onnx: expected the package onnx, got none installed; pip install "npfaceapi[onnx]"'
        ) from None
    if not isinstance(dynamic, bool):
        raise InvalidType(f"to_onnx: expected dynamic to be True or False, got {shown(dynamic)}")
    wanted = graph.outputs if outputs is None else dict(outputs)
    if layout == "NCHW" and len(graph.input.shape) != 3:
        raise InvalidArgument(f"to_onnx: expected an input [H,W,C] for the layout NCHW, got {list(graph.input.shape)}")
    if graph.input in wanted.values() or "input" in wanted:
        raise InvalidArgument("to_onnx: expected outputs that are computed, got the input")
    needed = graph.ancestors(list(wanted.values()))
    fixed = [node for node in needed if len(node.shape) != 3 or node.op == "pad"]
    if dynamic and fixed:
        raise InvalidArgument(
            f"to_onnx: expected a network that takes any height and width for dynamic, got {graph.name}, "
            f"whose {fixed[0].name} needs them fixed"
        )
    builder = _Builder(onnx, graph, weights, wanted, dynamic)
    builder.input(layout)
    for node in needed:
        if node.op != "input":
            _EMIT[node.op](builder, node)
    return builder.model(layout)


class _Builder:
    """Collects ONNX nodes and initializers, and the tensors of each value in one layout or both."""

    def __init__(self, onnx: Any, graph: Graph, weights: Mapping[str, Array], outputs: Mapping[str, Node], dynamic: bool) -> None:
        self._onnx, self._graph, self._weights, self._outputs, self.dynamic = onnx, graph, weights, outputs, dynamic
        self._nodes: list[Any] = []
        self._initializers: dict[str, Array] = {}
        self._nchw: dict[Node, str] = {}
        self._plain: dict[Node, str] = {}
        self._first_name = {node: name for name, node in reversed(list(outputs.items()))}

    def add(self, op: str, inputs: Sequence[str], output: str, name: str, **attributes: Any) -> str:
        self._nodes.append(self._onnx.helper.make_node(op, list(inputs), [output], name=name, **attributes))
        return output

    def initializer(self, name: str, value: Array) -> str:
        """Add a constant; a number is appended if another value or an output has its name."""
        unique, again = name, 1
        known = self._initializers
        while unique in self._outputs or (unique in known and not np.array_equal(known[unique], value)):
            unique, again = f"{name}:{again}", again + 1
        self._initializers[unique] = np.array(value, order="C")  # unlike ascontiguousarray, keeps a scalar 0-dimensional
        return unique

    def weight(self, node: Node, key: str) -> Array:
        return np.asarray(self._weights[node.params[key].name], np.float32)

    def input(self, layout: str) -> None:
        (self._plain if layout == "NHWC" else self._nchw)[self._graph.input] = "input"

    def nchw(self, node: Node) -> str:
        """The tensor [N,C,H,W] of an image."""
        if node not in self._nchw:
            name = f"{node.name}:nchw"
            self._nchw[node] = self.add("Transpose", [self._plain[node]], name, f"{node.name}:to_nchw", perm=TO_NCHW)
        return self._nchw[node]

    def plain(self, node: Node) -> str:
        """The tensor in the graph's own layout."""
        if node not in self._plain:
            name = self._first_name.get(node, node.name)
            self._plain[node] = self.add("Transpose", [self._nchw[node]], name, f"{node.name}:to_nhwc", perm=TO_NHWC)
        return self._plain[node]

    def value(self, node: Node) -> str:
        """The tensor in the layout of elementwise operations: images as NCHW."""
        return self.nchw(node) if len(node.shape) == 3 else self.plain(node)

    def emit_nchw(self, node: Node, op: str, inputs: Sequence[str], **attributes: Any) -> None:
        self._nchw[node] = self.add(op, inputs, f"{node.name}:nchw", node.name, **attributes)

    def emit_plain(self, node: Node, op: str, inputs: Sequence[str], **attributes: Any) -> None:
        self._plain[node] = self.add(op, inputs, self._first_name.get(node, node.name), node.name, **attributes)

    def emit(self, node: Node, op: str, inputs: Sequence[str], **attributes: Any) -> None:
        (self.emit_nchw if len(node.shape) == 3 else self.emit_plain)(node, op, inputs, **attributes)

    def model(self, layout: str) -> ModelProto:
        helper, float32 = self._onnx.helper, self._onnx.TensorProto.FLOAT
        for name, node in self._outputs.items():
            if self.plain(node) != name:  # a second name of one value, or the input itself
                self.add("Identity", [self.plain(node)], name, f"{name}:again")
        shape: list[int | str | None] = [*self._graph.input.shape]
        shapes: dict[str, list[int | None]] = {name: [*node.shape] for name, node in self._outputs.items()}
        if self.dynamic:
            shape[:2] = "H", "W"
            shapes = {name: [None, None, sizes[2]] for name, sizes in shapes.items()}
        if layout == "NCHW":
            shape = [shape[2], *shape[:2]]
        graph = helper.make_graph(
            self._nodes,
            self._graph.name,
            [helper.make_tensor_value_info("input", float32, ["N", *shape])],
            [helper.make_tensor_value_info(name, float32, ["N", *sizes]) for name, sizes in shapes.items()],
            [self._onnx.numpy_helper.from_array(value, name) for name, value in self._initializers.items()],
            doc_string=f"{self._graph.name} of face-api.js. Input: {layout}, RGB in 0..255 (BGR for MTCNN), padded and resized.",
        )
        model: ModelProto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="npfaceapi",
            producer_version=__version__,
        )
        self._onnx.checker.check_model(model, full_check=True)
        return model


def _padding(b: _Builder, node: Node, KH: int, KW: int) -> dict[str, Any]:
    """The padding attribute: rows and columns before, then after; or the rule for them."""
    stride, padding = node.attributes["stride"], node.attributes.get("padding", "valid")
    if b.dynamic and padding == "same" and stride > 1:
        return {"auto_pad": "SAME_UPPER"}
    rows, columns = (window_padding(n, k, stride, padding) for n, k in zip(node.inputs[0].shape, (KH, KW), strict=False))
    return {"pads": [rows[0], columns[0], rows[1], columns[1]]}


def _convolution(b: _Builder, node: Node) -> None:
    filters = b.weight(node, "filters")
    KH, KW, _, _ = filters.shape
    depthwise = node.op == "depthwise_conv2d"
    turned = filters.transpose(2, 3, 0, 1) if depthwise else filters.transpose(3, 2, 0, 1)
    inputs = [b.nchw(node.inputs[0]), b.initializer(node.params["filters"].name, turned)]
    if "bias" in node.params:
        inputs.append(b.initializer(node.params["bias"].name, b.weight(node, "bias")))
    stride = node.attributes["stride"]
    b.emit_nchw(
        node, "Conv", inputs, kernel_shape=[KH, KW], strides=[stride, stride], group=node.shape[2] if depthwise else 1,
        **_padding(b, node, KH, KW),
    )  # fmt: skip


def _pool(op: str) -> Callable[[_Builder, Node], None]:
    def emit(b: _Builder, node: Node) -> None:
        size, stride = node.attributes["size"], node.attributes["stride"]
        padding = _padding(b, node, size, size)
        b.emit_nchw(node, op, [b.nchw(node.inputs[0])], kernel_shape=[size, size], strides=[stride, stride], **padding)

    return emit


def _dense(b: _Builder, node: Node) -> None:
    inputs = [b.plain(node.inputs[0]), b.initializer(node.params["weights"].name, b.weight(node, "weights"))]
    if "bias" in node.params:
        inputs.append(b.initializer(node.params["bias"].name, b.weight(node, "bias")))
    b.emit_plain(node, "Gemm", inputs)


def _channels(node: Node, values: Array) -> Array:
    """One number per channel, in a shape that broadcasts over the node's value."""
    return values.reshape(-1, 1, 1) if len(node.shape) == 3 and values.ndim else values


def _batch_norm(b: _Builder, node: Node) -> None:
    if len(node.shape) == 2:
        raise InvalidArgument(f"to_onnx: {node.name}: expected a batch norm of [H,W,C] or [C], got {list(node.shape)}")
    inputs = [b.initializer(node.params[key].name, b.weight(node, key)) for key in ("scale", "offset", "mean", "variance")]
    b.emit(node, "BatchNormalization", [b.value(node.inputs[0]), *inputs], epsilon=float(node.attributes["epsilon"]))


def _arithmetic(op: str) -> Callable[[_Builder, Node], None]:
    def emit(b: _Builder, node: Node) -> None:
        inputs = [b.value(x) for x in node.inputs]
        if "y" in node.params:
            inputs.append(b.initializer(node.params["y"].name, _channels(node, b.weight(node, "y"))))
        elif "y" in node.attributes:
            inputs.append(b.initializer(f"{node.name}/y", _channels(node, np.asarray(node.attributes["y"], np.float32))))
        b.emit(node, op, inputs)

    return emit


def _activation(op: str) -> Callable[[_Builder, Node], None]:
    def emit(b: _Builder, node: Node) -> None:
        b.emit(node, op, [b.value(node.inputs[0])], **{key: float(value) for key, value in node.attributes.items()})

    return emit


def _relu6(b: _Builder, node: Node) -> None:
    limits = [b.initializer(name, np.array(value, np.float32)) for name, value in (("relu6/low", 0), ("relu6/high", 6))]
    b.emit(node, "Clip", [b.value(node.inputs[0]), *limits])


def _prelu(b: _Builder, node: Node) -> None:
    alpha = b.initializer(node.params["alpha"].name, _channels(node, b.weight(node, "alpha")))
    b.emit(node, "PRelu", [b.value(node.inputs[0]), alpha])


def _softmax(b: _Builder, node: Node) -> None:
    b.emit_plain(node, "Softmax", [b.plain(node.inputs[0])], axis=-1)


def _mean(b: _Builder, node: Node) -> None:
    pooled = b.add("GlobalAveragePool", [b.nchw(node.inputs[0])], f"{node.name}:pooled", f"{node.name}:pool")
    b.emit_plain(node, "Flatten", [pooled])


def _pad(b: _Builder, node: Node) -> None:
    amounts = [node.attributes[key] for key in ("channels", "rows", "columns")]
    pads = [0, *(before for before, _ in amounts), 0, *(after for _, after in amounts)]
    b.emit_nchw(node, "Pad", [b.nchw(node.inputs[0]), b.initializer(f"{node.name}/pads", np.array(pads, np.int64))])


def _reshape(b: _Builder, node: Node) -> None:
    x = node.inputs[0]
    one_pixel = len(x.shape) == 3 and x.shape[:2] == (1, 1)  # its order is the same in both layouts
    shape = [0, *node.shape] if node.shape else [-1]  # 0: as it is, the batch
    b.emit_plain(
        node,
        "Reshape",
        [b.nchw(x) if one_pixel else b.plain(x), b.initializer(f"{node.name}/shape", np.array(shape, np.int64))],
    )


def _concat(b: _Builder, node: Node) -> None:
    b.emit(node, "Concat", [b.value(x) for x in node.inputs], axis=2 if len(node.shape) == 3 else 1)  # rows


_EMIT: dict[str, Callable[[_Builder, Node], None]] = {
    "conv2d": _convolution,
    "depthwise_conv2d": _convolution,
    "max_pool": _pool("MaxPool"),
    "avg_pool": _pool("AveragePool"),
    "dense": _dense,
    "batch_norm": _batch_norm,
    "add": _arithmetic("Add"),
    "subtract": _arithmetic("Sub"),
    "multiply": _arithmetic("Mul"),
    "divide": _arithmetic("Div"),
    "relu": _activation("Relu"),
    "relu6": _relu6,
    "leaky_relu": _activation("LeakyRelu"),
    "prelu": _prelu,
    "sigmoid": _activation("Sigmoid"),
    "softmax": _softmax,
    "mean": _mean,
    "pad": _pad,
    "reshape": _reshape,
    "concat": _concat,
}
