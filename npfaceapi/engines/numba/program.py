"""A planned network, ready to run, and how a batch is shared among threads."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from npfaceapi.engines import dispatch
from npfaceapi.engines.numba.planner import Call, Layout
from npfaceapi.engines.numba.records import Records
from npfaceapi.engines.numba.run import CHUNKS, COUNTER_BYTES, KERNEL, PARAMS, run_steps
from npfaceapi.engines.numba.threads import claim_all, offer
from npfaceapi.engines.numba.workspace import ALIGNMENT, Workspaces, round_up
from npfaceapi.graph import Graph, Node

__all__ = ["NumbaProgram", "Step", "plan"]

Array = np.ndarray[Any, Any]


class Step(NamedTuple):
    """What one step of a program does: `name` is that of the node whose value it stores, `nodes` are all that it computes."""

    name: str
    nodes: tuple[Node, ...]
    shape: tuple[int, ...]
    macs: int


class NumbaProgram:
    """A graph with its weights, ready to run: `program(batch)` gives the wanted nodes' values.

    Attributes
    ----------
    steps : tuple of Step
        In the order of execution.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> None:
        self.outputs = tuple(outputs)
        layout = Layout(graph, weights, self.outputs)
        self.steps = tuple(Step(s.node.name, tuple(s.nodes), s.node.shape, sum(n.macs for n in s.nodes)) for s in layout.steps)
        records = Records(layout)
        calls = records.load()
        for step in layout.steps:
            calls += records.of(step)
        calls += [records.store(k, node) for k, node in enumerate(self.outputs)]
        self._kept: list[Array] = [*records.kept]
        self._table = np.array([self._row(call) for call in calls], np.int64).reshape(-1, 3)
        self._scratch, self._scratch_bytes = layout.scratch, round_up(records.scratch_bytes, ALIGNMENT)
        self._workspaces: dict[int, Workspaces] = {}

    def _row(self, call: Call) -> list[int]:
        record = np.zeros(1, call.dtype)
        for name, value in call.values.items():
            record[name] = value
        self._kept.append(record)
        row = [0, 0, 0]
        row[KERNEL], row[PARAMS], row[CHUNKS] = call.kernel.address, record.ctypes.data, call.chunks
        return row

    def __call__(self, batch: Array) -> list[Array]:
        """Values [N, …] of the outputs for a batch float32 [N,H,W,C]."""
        batch = np.ascontiguousarray(batch, np.float32)
        N, threads = len(batch), dispatch.get_num_threads()
        results = [np.empty((N, *node.shape), np.float32) for node in self.outputs]
        whole = N - N % threads  # images that the threads take whole, each its own; the rest they share step by step
        if threads > 1 and whole:
            claim_all(lambda n: self._image(n, batch, results, 1), whole, threads)
        for n in range(whole if threads > 1 else 0, N):
            self._image(n, batch, results, threads)
        return results

    def _image(self, n: int, batch: Array, results: Sequence[Array], threads: int) -> None:
        pool = self._workspaces.setdefault(threads, Workspaces(self._scratch + threads * self._scratch_bytes))
        workspace = pool.take()
        sizes = [math.prod(node.shape) * 4 for node in self.outputs]
        slots = workspace[: 8 * (1 + len(results))].view(np.int64)
        slots[0] = batch.ctypes.data + n * batch[0].nbytes
        slots[1:] = [r.ctypes.data + n * size for r, size in zip(results, sizes, strict=True)]
        if threads == 1:
            run_steps(self._table, workspace.ctypes.data, workspace.ctypes.data + self._scratch, 0)
        else:
            self._together(workspace, threads, (batch, results))
        pool.give_back(workspace)

    def _together(self, workspace: Array, threads: int, keep: tuple[Any, ...]) -> None:
        """Step by step with helpers.  One that starts after all is done finds nothing to claim and touches nothing."""
        counters = np.zeros(len(self._table) * COUNTER_BYTES // 8, np.int64)
        held = (self, workspace, counters, keep)  # a helper may outlive this call, if it is interrupted

        def member(k: int) -> None:
            program, memory, counts, _ = held
            own = memory.ctypes.data + program._scratch + k * program._scratch_bytes
            run_steps(program._table, memory.ctypes.data, own, counts.ctypes.data)

        offer([functools.partial(member, k) for k in range(1, threads)])
        member(0)

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
