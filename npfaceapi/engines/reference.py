"""The reference backend: what every operation means, in NumPy, one function per operation.

It runs a recorded graph node by node in float32 or float64.  It is the executable definition that the
fast backends are tested against; in float64 it is the truth from which errors are measured.  Arrays carry
the batch dimension N in front of the shapes that the graph states; filters are [KH,KW,Ci,Co], of a depthwise
convolution [KH,KW,C,1], dense weights [Ci,Co], everything that belongs to a channel [C].  Shapes that do not
fit are refused when a graph is recorded (`ops.py`), so nothing is checked here.

Source: the kernels of TensorFlow.js 1.7.0 (CPU), as face-api.js 0.22.2 calls them.
Quirk: those add up in another order, and some in float64, so results agree to some 1e-6 of the largest, not in every bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npfaceapi.graph import Graph, Node
from npfaceapi.ops import window_padding

__all__ = ["ReferenceProgram"]

Array = np.ndarray[Any, Any]


def _windows(x: Array, KH: int, KW: int, stride: int, padding: str | int, fill: float) -> Array:
    """A view [N,Ho,Wo,C,KH,KW] of x [N,H,W,C], padded with `fill`: windows[n,h,w,c] is what the window at h, w sees.

    Quirk: `window_padding` puts an odd pixel of "same" padding after the image, as TensorFlow does and PyTorch does not.
    """
    rows = window_padding(x.shape[1], KH, stride, padding)
    columns = window_padding(x.shape[2], KW, stride, padding)
    padded = np.pad(x, ((0, 0), rows[:2], columns[:2], (0, 0)), constant_values=fill) if any(rows[:2] + columns[:2]) else x
    view: Any = sliding_window_view  # which older NumPys type for one axis alone
    return np.asarray(view(padded, (KH, KW), axis=(1, 2))[:, ::stride, ::stride])


def _filter_elements(
    x: Array, KH: int, KW: int, stride: int, padding: str | int, fill: float = 0
) -> Iterator[tuple[int, int, Array]]:
    """i, j and the image [N,Ho,Wo,C] that element i, j of a filter is multiplied with: what the windows have at i, j."""
    windows = _windows(x, KH, KW, stride, padding, fill)
    for i in range(KH):
        for j in range(KW):
            yield i, j, windows[..., i, j]


def _plus_bias(y: Array, bias: Array | None) -> Array:
    """y, which no one else holds, with the bias added."""
    if bias is not None:
        y += bias
    return y


def conv2d(x: Array, filters: Array, bias: Array | None = None, *, stride: int = 1, padding: str | int = "same") -> Array:
    """[N,H,W,Ci] -> [N,Ho,Wo,Co].

    y[h,w,o] = bias[o] + sum over i,j,c of x[h*stride+i-before, w*stride+j-before, c] * filters[i,j,c,o]
    """
    KH, KW, Ci, Co = filters.shape
    windows = np.moveaxis(_windows(x, KH, KW, stride, padding, 0), 3, -1)  # [N,Ho,Wo,KH,KW,Ci]
    N, Ho, Wo = windows.shape[:3]
    y = np.empty((N, Ho * Wo, Co), np.result_type(x, filters))
    for n in range(N):  # one product of matrices for an image: a row for each window
        np.matmul(windows[n].reshape(Ho * Wo, KH * KW * Ci), filters.reshape(KH * KW * Ci, Co), out=y[n])
    return _plus_bias(y.reshape(N, Ho, Wo, Co), bias)


def depthwise_conv2d(
    x: Array, filters: Array, bias: Array | None = None, *, stride: int = 1, padding: str | int = "same"
) -> Array:
    """[N,H,W,C] -> [N,Ho,Wo,C].

    y[h,w,c] = bias[c] + sum over i,j of x[h*stride+i-before, w*stride+j-before, c] * filters[i,j,c,0]
    """
    KH, KW = filters.shape[:2]
    return _plus_bias(np.einsum("nhwcij,ijc->nhwc", _windows(x, KH, KW, stride, padding, 0), filters[..., 0]), bias)


def max_pool(x: Array, *, size: int, stride: int, padding: str | int = "same") -> Array:
    """[N,H,W,C] -> [N,Ho,Wo,C]: the largest of each window; padding is -inf, so it never wins."""
    return functools.reduce(np.maximum, (element for _, _, element in _filter_elements(x, size, size, stride, padding, -np.inf)))


def avg_pool(x: Array, *, size: int, stride: int) -> Array:
    """[N,H,W,C] -> [N,Ho,Wo,C]: the mean of each window that lies inside the image."""
    return np.asarray(_windows(x, size, size, stride, "valid", 0).mean(axis=(-2, -1)))


def dense(x: Array, weights: Array, bias: Array | None = None) -> Array:
    """[N,Ci] -> [N,Co]: y[o] = bias[o] + sum over c of x[c] * weights[c,o]."""
    return _plus_bias(x @ weights, bias)


def batch_norm(x: Array, mean: Array, variance: Array, offset: Array, scale: Array, *, epsilon: float) -> Array:
    """[N,H,W,C] -> [N,H,W,C]: offset + (x - mean) * scale / sqrt(variance + epsilon), per channel."""
    y = np.asarray(x - mean)
    y *= scale / np.sqrt(variance + x.dtype.type(epsilon))
    y += offset
    return y


# add, subtract, multiply, divide: y is an array like x, or [C], or one number; NumPy repeats those over all pixels.


def add(x: Array, y: Array) -> Array:
    return np.asarray(x + y)


def subtract(x: Array, y: Array) -> Array:
    return np.asarray(x - y)


def multiply(x: Array, y: Array) -> Array:
    return np.asarray(x * y)


def divide(x: Array, y: Array) -> Array:
    return np.asarray(x / y)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, *, alpha: float) -> Array:
    """x where positive, else alpha * x.

    Quirk: computed as relu(x - m) + m with m = alpha * x, so that even a positive x is rounded twice.
    """
    m = x * x.dtype.type(alpha)
    return np.asarray(np.maximum(x - m, 0) + m)


def prelu(x: Array, alpha: Array) -> Array:
    """x where positive, else alpha * x, alpha being [C]."""
    return np.asarray(np.maximum(x, 0) + alpha * -np.maximum(-x, 0))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)).

    Quirk: evaluated in float64 whatever the input, then rounded.
    """
    with np.errstate(over="ignore"):  # exp(710) is inf, and 1 / inf the right 0
        return np.asarray(1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def softmax(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the last dimension; the largest x is subtracted first, so that no exp overflows."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def mean(x: Array) -> Array:
    """[N,H,W,C] -> [N,C]: the mean over all pixels."""
    return np.asarray(x.mean(axis=(1, 2)))


def pad(x: Array, *, rows: tuple[int, int], columns: tuple[int, int], channels: tuple[int, int]) -> Array:
    """[N,H,W,C] -> [N,H2,W2,C2]: (before, after) zeros added to each dimension except the batch's."""
    return np.pad(x, ((0, 0), rows, columns, channels))


def reshape(x: Array, *, shape: Sequence[int]) -> Array:
    """The same numbers in their order, each image in another shape."""
    return x.reshape(len(x), *shape)


def concat(*inputs: Array) -> Array:
    """[N,R1,...], [N,R2,...] -> [N,R1+R2,...]: one after the other."""
    return np.concatenate(inputs, axis=1)


OPERATIONS: dict[str, Callable[..., Array]] = {
    f.__name__: f
    for f in (
        conv2d, depthwise_conv2d, max_pool, avg_pool, dense, batch_norm, add, subtract, multiply, divide, relu, relu6,
        leaky_relu, prelu, sigmoid, softmax, mean, pad, reshape, concat,
    )
}  # fmt: skip


class ReferenceProgram:
    """A graph with its weights, ready to run: `program(batch)` gives the wanted nodes' values.

    Parameters
    ----------
    graph : Graph
    weights : mapping of name to array
        The values of the graph's parameters.
    outputs : sequence of Node
        What `program(batch)` returns, in this order.
    dtype : float32 or float64
        The precision of all arithmetic.
    operations : mapping of name to function, optional
        Other evaluations of the operations than those of this module, which are used for the rest.
    """

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        outputs: Sequence[Node],
        dtype: Any = np.float32,
        operations: Mapping[str, Callable[..., Array]] | None = None,
    ) -> None:
        self.outputs = tuple(outputs)
        self.dtype = np.dtype(dtype)
        self._operations = {**OPERATIONS, **(operations or {})}
        self._steps = [(node, self._arguments(node, weights)) for node in graph.ancestors(self.outputs) if node.op != "input"]
        self._input = graph.input
        self._last_use = {x: node for node, _ in self._steps for x in node.inputs}

    def _arguments(self, node: Node, weights: Mapping[str, Array]) -> dict[str, Any]:
        arguments = {key: np.asarray(weights[p.name], self.dtype) for key, p in node.params.items()}
        for key, value in node.attributes.items():
            # face-api.js holds its constants as float32 tensors, so they are rounded to float32 first, in float64 too
            arguments[key] = np.asarray(np.float32(value), self.dtype) if key == "y" else value
        return arguments

    def walk(self, batch: Array) -> Iterator[tuple[Node, Array]]:
        """Run node by node: each with its value, which is forgotten after its last use."""
        values: dict[Node, Array] = {self._input: np.asarray(batch, self.dtype)}
        yield self._input, values[self._input]
        for node, arguments in self._steps:
            values[node] = self._operations[node.op](*(values[x] for x in node.inputs), **arguments)
            yield node, values[node]
            for x in set(node.inputs):
                if self._last_use[x] is node:
                    del values[x]

    def __call__(self, batch: Array) -> list[Array]:
        values = {node: value for node, value in self.walk(batch) if node in self.outputs}
        return [np.array(values[node]) for node in self.outputs]  # copies: reshape and the like give views
