"""From a graph to a program: fused steps, each with its kernel and its packed constants, and the loop that runs them.

A step is prepared once: weights folded, constants in the form the kernel takes.  A call of the program keeps all its values
in its own local dict, so that any number of threads may call the same program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from npfaceapi.engines import dispatch
from npfaceapi.engines.numba import convolution, dense, depthwise, elementwise, layout, pooling
from npfaceapi.engines.numba.fusion import Fused, constants_with_bias, fuse
from npfaceapi.engines.numba.threads import run_in_ranges
from npfaceapi.graph import Graph, Node
from npfaceapi.ops import window_padding

__all__ = ["NumbaProgram", "Step", "plan"]

Array = np.ndarray[Any, Any]

#: A thread is worth waking for about this many multiply-adds (some 10 microseconds).
WORTH_A_THREAD = 500_000


class Call(NamedTuple):
    """One kernel call of a step: `kernel(*arguments, start, stop)` over ranges of 0..total."""

    kernel: Callable[..., None]
    arguments: tuple[Any, ...]
    total: int


Prepared = Callable[[list[Array], Array], list[Call]]


class Step(NamedTuple):
    """What one step of a program does.

    `name` is that of the node whose value it stores, `nodes` are all nodes it computes, `shape` that of one image's
    result; `calls(inputs, out)` says what to run.
    """

    name: str
    kind: str
    nodes: tuple[Node, ...]
    inputs: tuple[Node, ...]
    shape: tuple[int, ...]
    macs: int
    calls: Prepared


def _rows(x: Array) -> Array:
    """[rows, C]: one row a pixel, or an image."""
    return x.reshape(-1, x.shape[-1] if x.ndim > 1 else 1)


def _activation(step: Fused) -> tuple[Array, np.float32]:
    return step.activation.alpha.astype(np.float32), np.float32(step.activation.highest)


def _window(step: Fused, KH: int, KW: int) -> tuple[int, int, int]:
    """Stride, padding above, padding to the left."""
    H, W, _ = step.first.inputs[0].shape
    stride, padding = step.first.attributes["stride"], step.first.attributes.get("padding", "valid")
    return stride, window_padding(H, KH, stride, padding)[0], window_padding(W, KW, stride, padding)[0]


def _conv2d(step: Fused) -> Prepared:
    w, constants = step.params["filters"], constants_with_bias(step)
    window, activation = _window(step, *w.shape[:2]), _activation(step)
    nothing = np.empty((0, 0, 0, 0), np.float32)

    def calls(inputs: list[Array], out: Array) -> list[Call]:
        residual = inputs[1] if step.residual is not None else nothing
        return [
            Call(convolution.conv2d, (inputs[0], w, *constants, residual, *activation, *window, out), out.shape[0] * out.shape[1])
        ]

    return calls


def _depthwise_conv2d(step: Fused) -> Prepared:
    w, constants = np.ascontiguousarray(step.params["filters"][..., 0]), constants_with_bias(step)
    window, activation = _window(step, *w.shape[:2]), _activation(step)

    def calls(inputs: list[Array], out: Array) -> list[Call]:
        return [
            Call(depthwise.depthwise_conv2d, (inputs[0], w, *constants, *activation, *window, out), out.shape[0] * out.shape[1])
        ]

    return calls


def _dense(step: Fused) -> Prepared:
    w, constants = step.params["weights"], constants_with_bias(step)
    activation = _activation(step)
    return lambda inputs, out: [Call(dense.dense, (inputs[0], w, *constants, *activation, out), len(out))]


def _affine(step: Fused) -> Prepared:
    constants = [a.astype(np.float32) for a in (step.constants.before, step.constants.scale, step.constants.after)]
    activation = _activation(step)

    def calls(inputs: list[Array], out: Array) -> list[Call]:
        x, y = _rows(inputs[0]), _rows(out)
        return [Call(elementwise.affine, (x, *constants, *activation, y), len(y))]

    return calls


def _pairwise(step: Fused) -> Prepared:
    kernel, activation = getattr(elementwise, step.kind), _activation(step)

    def calls(inputs: list[Array], out: Array) -> list[Call]:
        x, y = (_rows(inputs[0]), _rows(inputs[-1]))
        return [Call(kernel, (x, y, *activation, _rows(out)), len(_rows(out)))]

    return calls


def _rowwise(step: Fused) -> Prepared:
    kernel = getattr(elementwise, step.kind)
    return lambda inputs, out: [Call(kernel, (_rows(inputs[0]), _rows(out)), len(_rows(out)))]


def _max_pool(step: Fused) -> Prepared:
    size = step.first.attributes["size"]
    window = _window(step, size, size)
    return lambda inputs, out: [Call(pooling.max_pool, (inputs[0], size, *window, out), out.shape[0] * out.shape[1])]


def _avg_pool(step: Fused) -> Prepared:
    size, stride = step.first.attributes["size"], step.first.attributes["stride"]
    return lambda inputs, out: [Call(pooling.avg_pool, (inputs[0], size, stride, out), out.shape[0] * out.shape[1])]


def _mean(step: Fused) -> Prepared:
    return lambda inputs, out: [Call(pooling.mean, (inputs[0], out), len(out))]


def _pad(step: Fused) -> Prepared:
    before = [step.first.attributes[k][0] for k in ("rows", "columns", "channels")]
    return lambda inputs, out: [Call(layout.pad, (inputs[0], *before, out), len(out))]


def _concat(step: Fused) -> Prepared:
    sizes = [math.prod(x.shape) for x in step.inputs]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]

    def calls(inputs: list[Array], out: Array) -> list[Call]:
        y = out.reshape(len(out), -1)
        return [Call(layout.copy_rows, (x.reshape(len(x), -1), at, y), len(y)) for x, at in zip(inputs, starts, strict=True)]

    return calls


_KINDS: dict[str, Callable[[Fused], Prepared]] = {
    "conv2d": _conv2d,
    "depthwise_conv2d": _depthwise_conv2d,
    "dense": _dense,
    "affine": _affine,
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), _pairwise),
    **dict.fromkeys(("sigmoid", "softmax"), _rowwise),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "mean": _mean,
    "pad": _pad,
    "concat": _concat,
}


class NumbaProgram:
    """A graph with its weights, ready to run: `program(batch)` gives the wanted nodes' values.

    Attributes
    ----------
    steps : tuple of Step
        In the order of execution.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> None:
        self.outputs = tuple(outputs)
        self._input = graph.input
        fused = fuse(graph, weights, self.outputs)
        self._alias = {f.node: f.inputs[0] for f in fused if f.kind == "reshape"}
        self.steps = tuple(self._step(f) for f in fused if f.kind != "reshape")
        self._last_use = {x: i for i, step in enumerate(self.steps) for x in step.inputs}

    def _step(self, fused: Fused) -> Step:
        macs = sum(node.macs for node in fused.nodes)
        prepared = _KINDS[fused.kind](fused)
        inputs = tuple(self._source(x) for x in fused.inputs)
        shapes = [x.shape for x in fused.inputs]

        def calls(values: list[Array], out: Array) -> list[Call]:
            return prepared([v.reshape(-1, *shape) for v, shape in zip(values, shapes, strict=True)], out)

        return Step(fused.node.name, fused.kind, tuple(fused.nodes), inputs, fused.node.shape, macs, calls)

    def _source(self, node: Node) -> Node:
        """The node that holds these numbers: a reshape computes nothing."""
        while node in self._alias:
            node = self._alias[node]
        return node

    def __call__(self, batch: Array) -> list[Array]:
        """Values [N, …] of the outputs for a batch float32 [N,H,W,C]; the caller's own arrays, never views of each other."""
        if not (batch.flags.c_contiguous and batch.flags.writeable and batch.dtype == np.float32):
            batch = np.array(batch, np.float32, order="C")  # a kernel is compiled for one kind of array
        N, threads = len(batch), dispatch.get_num_threads()
        kept = {self._source(node) for node in self.outputs}
        values = {self._input: batch}
        for i, step in enumerate(self.steps):
            out = np.empty((N, *step.shape), np.float32)
            if N:
                self._run(step, [values[x] for x in step.inputs], out, threads)
            values[self.steps[i].nodes[-1]] = out
            for x in set(step.inputs):
                if self._last_use[x] == i and x not in kept:
                    del values[x]
        return self._results(values, N)

    @staticmethod
    def _run(step: Step, inputs: list[Array], out: Array, threads: int) -> None:
        for kernel, arguments, total in step.calls(inputs, out):
            work = len(out) * step.macs + out.size

            def part(start: int, stop: int, kernel: Any = kernel, arguments: Any = arguments) -> None:
                kernel(*arguments, start, stop)

            run_in_ranges(part, total, max(1, min(threads, work // WORTH_A_THREAD)))

    def _results(self, values: Mapping[Node, Array], N: int) -> list[Array]:
        results, seen = [], {self._input}
        for node in self.outputs:
            source = self._source(node)
            value = values[source].copy() if source in seen else values[source]
            seen.add(source)
            results.append(value.reshape(N, *node.shape))
        return results

    def describe(self) -> str:
        """A table of the steps: what is computed together, the shape of the result, multiply-accumulates for one image."""
        rows = [("step", "computes", "shape", "MACs")]
        rows += [
            (step.name, " + ".join(n.op for n in step.nodes), "x".join(map(str, step.shape)), f"{step.macs:,}")
            for step in self.steps
        ]
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def plan(graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> NumbaProgram:
    """Make a graph and its weights ready to run on the Numba kernels.

    Parameters
    ----------
    graph : Graph
    weights : mapping of name to array
        float32 values of the graph's parameters.
    outputs : sequence of Node
        What the program returns, in this order; nothing is fused past them.

    Returns
    -------
    NumbaProgram
        `program(batch)`, with a batch float32 [N,H,W,C].
    """
    return NumbaProgram(graph, weights, outputs)
