"""A planned network, ready to run, and how a batch is shared among threads."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import Kernel
from npfaceapi.engines.numba.lowering.context import LoweringContext
from npfaceapi.engines.numba.lowering.steps import calls_of, load_input, store_outputs
from npfaceapi.engines.numba.planner import Call, MemoryPlan, PlannedStep
from npfaceapi.engines.numba.run import CHUNKS, COLUMNS, KERNEL, PARAMS, Table, WorkItem, make_ready, run_steps
from npfaceapi.engines.numba.threads import claim_all, run_together
from npfaceapi.engines.numba.workspace import ALIGNMENT, Block, address_of, round_up, workspaces
from npfaceapi.engines.steps import Step, table_of_steps
from npfaceapi.engines.thread_count import get_num_threads
from npfaceapi.graph import Graph, Node

__all__ = ["NumbaProgram", "plan"]

Array = np.ndarray[Any, Any]

#: Images per pass over the steps, as long as their workspaces are at most a quarter of the weights: these, 22 MB for the
#: recognition net, are then read from DRAM once per group.
MOST_IN_GROUP = 4

WORTH_SHARING = 3_000_000  # multiply-adds of an image, 0.1 ms: below this, waking a helper costs more than it saves


def _step(planned: PlannedStep) -> Step:
    m = planned.tile
    method = f"Winograd F({m}x{m}, 3x3)" if m else ""
    return Step(planned.node.name, tuple(planned.nodes), planned.node.shape, sum(n.macs for n in planned.nodes), method)


class NumbaProgram:
    """A graph with its weights, ready to run: `program(batch)` gives the wanted nodes' values.

    Attributes
    ----------
    steps : tuple of Step
        In the order of execution.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> None:
        self.outputs = tuple(outputs)
        memory_plan = MemoryPlan(graph, weights, self.outputs)
        self.steps = tuple(_step(planned) for planned in memory_plan.steps)
        context = LoweringContext(memory_plan)
        calls, ends = load_input(context), [0]
        for step in memory_plan.steps:
            calls += calls_of(context, step)
            ends.append(len(calls))
        calls += store_outputs(context, self.outputs)
        calls = context.place_weights(calls)
        self._ends = [*ends[:-1], len(calls)]  # the rows of step number i lie between numbers i and i + 1
        make_ready()
        self._input = graph.input
        self._image_bytes = [4 * math.prod(node.shape) for node in (graph.input, *self.outputs)]
        self._slots = ctypes.c_int64 * len(self._image_bytes)
        self._small = sum(step.macs for step in self.steps) < WORTH_SHARING
        self._kept: list[Array] = [*context.kept]
        self._params: list[tuple[Kernel, Array]] = []
        self._table = Table(np.array([self._row(call) for call in calls], np.int64).reshape(-1, COLUMNS))
        self._scratch, self._scratch_bytes = memory_plan.scratch, round_up(context.scratch_bytes, ALIGNMENT)
        weights_bytes = sum(array.nbytes for array in context.kept)
        self._group = max(1, min(MOST_IN_GROUP, weights_bytes // (4 * self._scratch)))

    def _row(self, call: Call) -> list[int]:
        params = call.params()
        self._params.append((call.kernel, params))
        row = [0] * COLUMNS
        row[KERNEL], row[PARAMS], row[CHUNKS] = call.kernel.address, params.ctypes.data, call.chunks
        return row

    def __call__(self, batch: Array) -> list[Array]:
        """Values [N, …] of the outputs for a batch float32 [N,H,W,C]."""
        batch = np.ascontiguousarray(batch, np.float32)
        N, threads = len(batch), get_num_threads()
        arrays = [batch, *[np.empty((N, *node.shape), np.float32) for node in self.outputs]]
        if N == 0:
            return arrays[1:]
        addresses = [address_of(array) for array in arrays]
        if self._small and threads > N:
            threads = 1
        whole = N - N % threads  # images that each thread takes whole; the rest is shared step by step
        if threads == 1 and whole <= self._group:
            self._alone(range(whole), addresses, arrays)
        elif whole:
            groups = min(whole, threads * -(-whole // (threads * self._group)))
            bounds = [k * whole // groups for k in range(groups + 1)]
            claim_all(lambda k: self._alone(range(bounds[k], bounds[k + 1]), addresses, arrays), groups, threads)
        for n in range(whole, N):
            self._together(n, addresses, arrays, threads)
        return arrays[1:]

    def _alone(self, numbers: Sequence[int], addresses: Sequence[int], arrays: Sequence[Array]) -> None:
        """A few images on this thread; `arrays` lie at the addresses, and live until it is done, whatever the caller does."""
        taken = [self._workspace(1) for _ in numbers]
        for n, workspace in zip(numbers, taken, strict=True):
            self._set_slots(workspace, n, addresses)
        run_steps(self._table, [workspace.address for workspace in taken], taken[0].address + self._scratch)
        for workspace in taken:
            workspaces.give_back(workspace)

    def _workspace(self, threads: int) -> Block:
        return workspaces.take(self._scratch + threads * self._scratch_bytes)

    def _set_slots(self, workspace: Block, n: int, addresses: Sequence[int]) -> None:
        """Store the addresses of image number n and of its results, for the first and the last calls."""
        slots = [start + n * size for start, size in zip(addresses, self._image_bytes, strict=True)]
        self._slots.from_address(workspace.address)[:] = slots  # type: ignore[assignment]

    def _together(self, n: int, addresses: Sequence[int], arrays: Sequence[Array], threads: int) -> None:
        """One image with helpers.  A helper that starts after all is done finds nothing to claim and touches nothing."""
        workspace = self._workspace(threads)
        self._set_slots(workspace, n, addresses)
        memory, held = workspace.address, (self, workspace, arrays)
        run_together(WorkItem(self._table, memory, memory + self._scratch, self._scratch_bytes, threads, held))
        workspaces.give_back(workspace)

    def in_python(self, image: Array) -> list[Array]:
        """The outputs for one image [H,W,C], by the kernels as Python functions.

        Slow, for small networks: for stepping through in a debugger what the machine code does.
        """
        arrays = [np.ascontiguousarray(image[None], np.float32), *(np.empty((1, *n.shape), np.float32) for n in self.outputs)]
        workspace = self._workspace(1)
        self._set_slots(workspace, 0, [array.ctypes.data for array in arrays])
        with np.errstate(all="ignore"):  # padding may hold anything before it is set to zero
            for kernel, params in self._params:
                kernel.plain(params, workspace.address, workspace.address + self._scratch, 0, 1)
        workspaces.give_back(workspace)
        return [array[0] for array in arrays[1:]]

    def describe(self, *, timed: bool = True) -> str:
        """A table of the steps: what is computed together, the shape of the result, cost, and time on one thread here."""
        return table_of_steps(self.steps, self.measure() if timed else None)

    def measure(self, rounds: int = 15) -> list[float]:
        """Microseconds of each step on one thread, for one image of noise: the medians of `rounds` rounds.

        The whole network runs in every round, step by step, so that each finds the caches as it does in a real call.  The call
        of an empty table is subtracted.  Copying the image in counts to the first step, copying results out to the last.
        """
        batch = np.random.default_rng(0).uniform(0, 255, (1, *self._input.shape)).astype(np.float32)
        arrays = [batch, *(np.empty((1, *node.shape), np.float32) for node in self.outputs)]
        workspace = self._workspace(1)
        self._set_slots(workspace, 0, [array.ctypes.data for array in arrays])
        memory = workspace.address

        def time(start: int, stop: int) -> float:
            table = self._table.part(start, stop)
            before = perf_counter()
            run_steps(table, [memory], memory + self._scratch)
            return perf_counter() - before

        rows = [*zip(self._ends, self._ends[1:], strict=False)]
        times = [[time(0, 0), *(time(*row) for row in rows)] for _ in range(rounds + 1)][1:]
        workspaces.give_back(workspace)
        call, *medians = np.median(times, axis=0)
        return [max(0.0, float(median - call)) * 1e6 for median in medians]


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
