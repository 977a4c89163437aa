"""PyTorch on the CPU, as a peer: the recorded graph as a module, traced and frozen.

Whether images are better channels_last or not, and whether `optimize_for_inference` helps, differs from network to network:
all are tried, and the fastest is the peer.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from npfaceapi.graph import Graph, Node
from npfaceapi.ops import window_padding

__all__ = ["make_module", "torch_runner"]

Array = np.ndarray[Any, Any]
_torch: Any = torch  # whose annotations differ from version to version


def _padded(x: Any, node: Node, size: tuple[int, int], fill: float) -> tuple[Any, Any]:
    """The input, and what a convolution or pool can pad by itself: the same before and after."""
    stride, padding = node.attributes["stride"], node.attributes.get("padding", "valid")
    (top, bottom, _), (left, right, _) = (
        window_padding(n, k, stride, padding) for n, k in zip(node.inputs[0].shape, size, strict=False)
    )
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=fill), (0, 0)


class _Module(_torch.nn.Module):  # type: ignore[misc]
    """Runs a recorded graph; images are [N,C,H,W]."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array], device: str = "cpu") -> None:
        super().__init__()
        self._graph = graph
        self._weights: dict[tuple[Node, str], Any] = {}
        for node in graph:
            given = {key: weights[param.name] for key, param in node.params.items()}
            if isinstance(node.attributes.get("y"), tuple):
                given["y"] = node.attributes["y"]
            for key, value in given.items():
                self._weights[node, key] = self._weight(node, key, np.array(value, np.float32)).to(device)

    def _weight(self, node: Node, key: str, value: Array) -> Any:
        if node.op == "conv2d" and key == "filters":
            return _torch.from_numpy(value.transpose(3, 2, 0, 1).copy()).contiguous(memory_format=_torch.channels_last)
        if node.op == "depthwise_conv2d" and key == "filters":
            return _torch.from_numpy(value.transpose(2, 3, 0, 1).copy()).contiguous(memory_format=_torch.channels_last)
        if node.op == "dense" and key == "weights":
            return _torch.from_numpy(value.T.copy())
        return _torch.from_numpy(_channels(node, value) if key == "y" else value)

    def forward(self, x: Any) -> Any:
        values = {self._graph.input: x}
        for node in self._graph.nodes[1:]:
            weights = {key: self._weights[node, key] for key in (*node.params, "y") if (node, key) in self._weights}
            values[node] = _OPERATIONS[node.op](node, weights, *(values[i] for i in node.inputs))
        outputs = ((values[node], node) for node in self._graph.outputs.values())
        return tuple(v.permute(0, 2, 3, 1) if len(node.shape) == 3 else v for v, node in outputs)


def _channels(node: Node, values: Array) -> Array:
    return values.reshape(-1, 1, 1) if len(node.shape) == 3 and values.ndim else values


def _convolve(node: Node, w: Mapping[str, Any], x: Any) -> Any:
    filters = w["filters"]
    x, padding = _padded(x, node, tuple(filters.shape[2:]), 0.0)
    groups = node.shape[2] if node.op == "depthwise_conv2d" else 1
    return F.conv2d(x, filters, w.get("bias"), node.attributes["stride"], padding, 1, groups)


def _max_pool(node: Node, w: Mapping[str, Any], x: Any) -> Any:
    size = node.attributes["size"]
    x, padding = _padded(x, node, (size, size), -np.inf)
    return F.max_pool2d(x, size, node.attributes["stride"], padding)


def _batch_norm(node: Node, w: Mapping[str, Any], x: Any) -> Any:
    return F.batch_norm(x, w["mean"], w["variance"], w["scale"], w["offset"], False, 0.0, node.attributes["epsilon"])


def _arithmetic(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def run(node: Node, w: Mapping[str, Any], x: Any, *more: Any) -> Any:
        other = w["y"] if "y" in w else node.attributes["y"] if "y" in node.attributes else more[0]
        return function(x, other)

    return run


def _pad(node: Node, w: Mapping[str, Any], x: Any) -> Any:
    return F.pad(x, [n for key in ("columns", "rows", "channels") for n in node.attributes[key]])


def _reshape(node: Node, w: Mapping[str, Any], x: Any) -> Any:
    rows = x.permute(0, 2, 3, 1) if len(node.inputs[0].shape) == 3 else x
    return rows.reshape(x.shape[0], *node.shape)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "conv2d": _convolve,
    "depthwise_conv2d": _convolve,
    "max_pool": _max_pool,
    "avg_pool": lambda node, w, x: F.avg_pool2d(x, node.attributes["size"], node.attributes["stride"]),
    "dense": lambda node, w, x: F.linear(x, w["weights"], w.get("bias")),
    "batch_norm": _batch_norm,
    "add": _arithmetic(lambda x, y: x + y),
    "subtract": _arithmetic(lambda x, y: x - y),
    "multiply": _arithmetic(lambda x, y: x * y),
    "divide": _arithmetic(lambda x, y: x / y),
    "relu": lambda node, w, x: F.relu(x),
    "relu6": lambda node, w, x: F.relu6(x),
    "leaky_relu": lambda node, w, x: F.leaky_relu(x, node.attributes["alpha"]),
    "prelu": lambda node, w, x: F.prelu(x, w["alpha"]),
    "sigmoid": lambda node, w, x: _torch.sigmoid(x),
    "softmax": lambda node, w, x: F.softmax(x, 1 if len(node.shape) == 3 else -1),
    "mean": lambda node, w, x: x.mean((2, 3)),
    "pad": _pad,
    "reshape": _reshape,
    "concat": lambda node, w, *inputs: _torch.cat(inputs, 2 if len(node.shape) == 3 else 1),
}


def make_module(graph: Graph, weights: Mapping[str, Array], device: str) -> Any:
    """The recorded graph as a module whose weights lie on that device."""
    return _Module(graph, weights, device).eval()


def torch_runner(graph: Graph, weights: Mapping[str, Array], threads: int) -> tuple[Any, Any, Any]:
    """(feed, call, outputs) of a `Runner`."""
    _torch.set_num_threads(threads)
    module = _Module(graph, weights).eval()
    chosen: dict[tuple[int, ...], tuple[Any, Any]] = {}

    def feed(batch: Array) -> Any:
        x = _torch.from_numpy(np.array(batch, np.float32)).permute(0, 3, 1, 2)  # which is channels_last
        if tuple(x.shape) not in chosen:
            with _torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns of what is constant here
                chosen[tuple(x.shape)] = min(_variants(module, x), key=lambda variant: _seconds(variant[0], variant[1](x)))
        function, layout = chosen[tuple(x.shape)]
        return function, layout(x)

    def call(fed: Any) -> Any:
        function, x = fed
        with _torch.inference_mode():
            return function(x)

    return feed, call, lambda out: [value.contiguous().numpy() for value in out]


def _variants(module: Any, x: Any) -> Iterator[tuple[Any, Any]]:
    """(compiled module, the layout that it takes)."""
    layouts: list[Any] = [lambda x: x, lambda x: x.contiguous()]
    for layout in layouts:
        frozen = _torch.jit.freeze(_torch.jit.trace(module, layout(x), check_trace=False))
        yield frozen, layout
        yield _torch.jit.optimize_for_inference(frozen), layout


def _seconds(function: Any, x: Any) -> float:
    """The shortest of some calls."""
    times = []
    for _ in range(8):
        start = time.perf_counter()
        function(x)
        times.append(time.perf_counter() - start)
    return min(times[3:])
