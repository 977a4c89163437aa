"""A planned network on the GPU: from a batch to the raw outputs, which stay on the GPU until the end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.cuda.capture import CapturedGraph
from npfaceapi.engines.cuda.device import Device, OutOfMemory, device, lock, translated_errors
from npfaceapi.engines.cuda.launches import Launches
from npfaceapi.engines.cuda.memory_plan import MemoryPlan
from npfaceapi.engines.cuda.toolchain import cuda
from npfaceapi.engines.steps import Step, table_of_steps
from npfaceapi.graph import Graph, Node

__all__ = ["CudaProgram", "plan"]

Array = np.ndarray[Any, Any]

MOST_ADDRESSED = (1 << 31) - 1  # numbers of a call: the kernels divide 32-bit numbers and keep some offsets in them
MOST_SEQUENCES = 8  # batch sizes whose launches a program keeps


class _Sequence:
    """The launches for one batch size, and the float32 numbers of memory that they need; the second run captures them."""

    def __init__(self, launches: list[Callable[[Any], None]], needed: int) -> None:
        self.launches, self.needed = launches, needed
        self.runs = 0
        self.captured: CapturedGraph | None = None
        self.generation = 0  # of the memory whose addresses the graph holds

    def run(self, gpu: Device) -> None:
        if self.generation != gpu.generation:
            self.captured, self.generation, self.runs = None, gpu.generation, min(self.runs, 1)
        if self.runs == 1:  # the first run has compiled and loaded every kernel, which a capture must not
            self.captured = gpu.capture(lambda: self.launch_all(gpu))
        self.runs += 1
        if self.captured is not None:
            self.captured.replay()
        else:
            self.launch_all(gpu)

    def launch_all(self, gpu: Device) -> None:
        for launch in self.launches:
            launch(gpu.memory)


class CudaProgram:
    """A graph with its weights, ready to run: `program(batch)` gives the wanted nodes' values.

    Planning does not touch the GPU; the first call uploads the weights.

    Attributes
    ----------
    steps : tuple of Step
        In the order of execution.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> None:
        self.outputs = tuple(outputs)
        self._memory_plan = memory_plan = MemoryPlan(graph, weights, self.outputs)
        steps = memory_plan.steps
        self.steps = tuple(Step(s.node.name, tuple(s.nodes), s.node.shape, sum(n.macs for n in s.nodes)) for s in steps)
        launches = Launches(memory_plan)
        self._makes = [launches.of(step) for step in steps]
        self._scratch = launches.scratch
        self._constants = np.concatenate([*launches.weights, np.zeros(1, np.float32)])
        self._table = np.concatenate([*launches.table, np.zeros(1, np.int32)])
        self._uploaded: dict[str, Any] | None = None
        self._sequences: OrderedDict[int, _Sequence] = OrderedDict()

    def __call__(self, batch: Array) -> list[Array]:
        """Values [N, …] of the outputs for a batch float32 [N,H,W,C]."""
        batch = np.ascontiguousarray(batch, np.float32)
        results = [np.empty((len(batch), *node.shape), np.float32) for node in self.outputs]
        if len(batch) == 0:
            return results
        gpu = device()
        with lock:
            most, start = self.images_at_once(gpu, len(batch)), 0
            while start < len(batch):
                rest = len(batch) - start
                part = -(-rest // -(-rest // most))  # as few parts as fit, of one size
                try:
                    self._run(gpu, batch[start : start + part], [y[start : start + part] for y in results])
                    start += part
                except OutOfMemory:
                    if part == 1:
                        raise
                    most = part // 2
        return results

    def milliseconds(self, batch: Array, runs: int) -> list[float]:
        """Milliseconds of GPU time between two events, for a batch that is already uploaded, of each of `runs` runs."""
        gpu, took = device(), []
        batch = np.ascontiguousarray(batch, np.float32)
        with lock, translated_errors():
            most = self.images_at_once(gpu, len(batch))
            for _ in range(runs):
                total = 0.0
                for first in range(0, len(batch), most):
                    sequence = self._loaded(gpu, batch[first : first + most])
                    start, end = cuda.event(), cuda.event()
                    start.record(gpu.stream)
                    sequence.run(gpu)
                    end.record(gpu.stream)
                    end.synchronize()
                    total += float(start.elapsed_time(end))
                took.append(total)
        return took

    @property
    def is_recorded(self) -> bool:
        """Whether the launches of the batch size used last are replayed as one CUDA graph."""
        return bool(self._sequences) and next(reversed(self._sequences.values())).captured is not None

    def images_at_once(self, gpu: Device, N: int) -> int:
        """How many of N images the GPU's memory holds at once; larger batches go in parts."""
        if N * self._memory_plan.size <= gpu.numbers:  # asking the driver what is free costs more than a small network
            return N
        return max(1, gpu.most_numbers() // self._memory_plan.size)

    def launches(self, N: int, processors: int) -> list[Any]:
        """What is launched for N images."""
        return [launch for make in self._makes for launch in make(N, processors)]

    def _run(self, gpu: Device, batch: Array, results: Sequence[Array]) -> None:
        with translated_errors():
            self._loaded(gpu, batch).run(gpu)
            for node, result in zip(self.outputs, results, strict=True):
                gpu.read(self._memory_plan.places[node].offset * len(batch), result)
            gpu.stream.synchronize()

    def _loaded(self, gpu: Device, batch: Array) -> _Sequence:
        """The launches for a batch, which is uploaded."""
        sequence = self.ready(gpu, len(batch))
        gpu.write(self._memory_plan.places[self._memory_plan.input].offset * len(batch), batch)
        return sequence

    def ready(self, gpu: Device, N: int) -> _Sequence:
        """The launches for N images, with memory and weights in place."""
        sequence = self._sequences.get(N)
        if sequence is None:
            scratch = max((numbers(N, gpu.processors) for numbers in self._scratch), default=0)
            needed = N * self._memory_plan.size + scratch
            if needed > MOST_ADDRESSED:
                raise OutOfMemory(f"cuda: expected at most {MOST_ADDRESSED} numbers for a call, got {needed}; use smaller images")
            gpu.reserve(needed)
            if self._uploaded is None:
                self._uploaded = {"weights": gpu.upload(self._constants), "table": gpu.upload(self._table)}
            launches = [launch.kernel.bound(launch, gpu.stream, self._uploaded) for launch in self.launches(N, gpu.processors)]
            sequence = self._sequences[N] = _Sequence(launches, needed)
        gpu.reserve(sequence.needed)
        self._sequences.move_to_end(N)
        while len(self._sequences) > MOST_SEQUENCES:
            self._sequences.popitem(last=False)
        return sequence

    def describe(self) -> str:
        """A table of the steps: what is computed together, the shape of the result, multiply-accumulates for one image."""
        return table_of_steps(self.steps)


def plan(graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node]) -> CudaProgram:
    """Make a graph and its weights, float32 by name, ready to run on the CUDA kernels; nothing is fused past the outputs."""
    return CudaProgram(graph, weights, outputs)
