"""How near each network is to what one core can do: the roofline model (Williams, Waterman, Patterson, CACM 52(4), 2009).

Measured are the peak of multiply-adds on registers, and how fast buffers are read and written that fit in each cache, or in
none.  A step of a network then takes at least the larger of

    compute   its multiply-adds at the peak
    memory    the bytes that it reads and writes, each at the bandwidth of the level where they lie

and a network at least the sum over its steps.  What counts, for one image:

* Multiply-adds that are done and useful: Winograd's method (`simd/winograd.py`) does fewer products, and each addition of its
  transformations counts as one multiply-add; padded channels, activations and pools do not count.
* Feature maps: written once, and read once by each step that reads them; without halo and padded channels.  What stays inside
  of a step (the depthwise part of a separable convolution, an image before its pool) does not count, nor do the copies of the
  caller's image and of the results.  The tiles of Winograd's method are written and read once.
* Weights: read once, as the engine stores them (those of Winograd's method transformed), padding left out.

Where they lie is a simple model too: a feature map in the smallest level that holds all that the step which writes it and the
step which reads it read and write; weights in the smallest that holds all weights and the workspace of the network, as all the
others are used before they are used again.

That a step overlaps with its neighbours is left out: where the step before has prefetched its weights, a step alone can take
less than its limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npfaceapi.benchmark.entries import Entry, noise
from npfaceapi.benchmark.peers import ours
from npfaceapi.benchmark.section import Section
from npfaceapi.benchmark.timing import Times, time_blocks
from npfaceapi.engines.numba.kernels import limits
from npfaceapi.engines.numba.planner import MemoryPlan, PlannedStep
from npfaceapi.engines.numba.simd.limits import SUMS, UNROLLED
from npfaceapi.engines.numba.simd.target import LANES
from npfaceapi.engines.numba.simd.winograd import operations
from npfaceapi.engines.numba.workspace import Block, round_up
from npfaceapi.engines.thread_count import use_num_threads
from npfaceapi.graph import Node

__all__ = ["Access", "Level", "Limit", "Machine", "StepWork", "cache_sizes", "limit_of", "roofline_section", "work_of"]

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")  # on Linux
_USUAL_CACHES = [32 * 1024, 512 * 1024, 8 * 2**20]
_LARGEST_BUFFER = 256 * 2**20
_BYTES_A_CALL = 16 * 2**20  # read or written at least, 0.1 to 2 ms
_PEAK_TIMES = 40_000


class Level(NamedTuple):
    """A cache, or the memory behind them."""

    name: str
    size: float  # bytes; infinity for memory
    buffer: int  # bytes of the buffer that it was measured with
    read: float  # bytes a second
    write: float


class Machine(NamedTuple):
    """What one core can do: multiply-adds a second, and the levels, the smallest first."""

    peak: float
    levels: Sequence[Level]

    def seconds(self, access: Access) -> float:
        """How long reading or writing takes at the bandwidth of the smallest level that holds what is in use."""
        level = next(level for level in self.levels if access.in_use <= level.size)
        return access.size / (level.write if access.writes else level.read)


class Access(NamedTuple):
    """Bytes read or written, and how many bytes are in use from then until they are next used."""

    size: int
    in_use: int
    writes: bool = False


class StepWork(NamedTuple):
    """What a step has to do for one image."""

    name: str
    multiply_adds: int
    accesses: tuple[Access, ...]


class Limit(NamedTuple):
    """Seconds that a network takes at least: at the peak alone, at the bandwidths alone, by the larger of both in each step."""

    compute: float
    memory: float
    both: float


def limit_of(work: Iterable[StepWork], machine: Machine) -> Limit:
    """The limit of a network."""
    steps = [(step.multiply_adds / machine.peak, sum(map(machine.seconds, step.accesses))) for step in work]
    return Limit(sum(compute for compute, _ in steps), sum(memory for _, memory in steps), sum(map(max, steps)))


# ------------------------------------------------------------------ what the steps do


def work_of(plan: MemoryPlan) -> list[StepWork]:
    """The work of each step of a planned network, as the module's docstring counts it."""
    writers = {step.node: step for step in plan.steps}
    readers: dict[Node, PlannedStep] = {}
    for step in reversed(plan.steps):
        readers.update(dict.fromkeys(step.inputs, step))  # the first to read each
    everything = plan.scratch + sum(map(_weight_bytes, plan.steps))
    works = []
    for step in plan.steps:
        accesses = [Access(_weight_bytes(step), everything)]
        accesses += [Access(_bytes(x), _in_use(writers.get(x), step)) for x in dict.fromkeys(step.inputs)]
        accesses.append(Access(_bytes(step.node), _in_use(step, readers.get(step.node)), writes=True))
        for size in _tile_bytes(step):
            accesses += [Access(size, _in_use(step), writes=True), Access(size, _in_use(step))]
        works.append(StepWork(step.node.name, _multiply_adds(step), tuple(accesses)))
    return works


def _bytes(node: Node) -> int:
    return 4 * math.prod(node.shape)


def _weight_bytes(step: PlannedStep) -> int:
    """Filters and biases; filters have (m+2)^2 numbers instead of 9 where Winograd's method is used."""
    parts = [step] if step.depthwise is None else [step, step.depthwise]
    numbers = sum(array.size for part in parts for array in part.params.values())
    if step.tile:
        numbers += ((step.tile + 2) ** 2 - 9) * math.prod(step.params["filters"].shape[2:])
    return 4 * int(numbers)


def _tile_bytes(step: PlannedStep) -> list[int]:
    """Of the transformed inputs and outputs, where Winograd's method is used."""
    if not step.tile:
        return []
    return [4 * (step.tile + 2) ** 2 * math.prod(step.tiles) * channels for channels in step.params["filters"].shape[2:]]


def _in_use(*steps: PlannedStep | None) -> int:
    """Bytes that the steps read and write, each once."""
    given = {step.node: step for step in steps if step is not None}.values()
    nodes = {node for step in given for node in (step.node, *step.inputs)}
    return sum(map(_bytes, nodes)) + sum(_weight_bytes(step) + sum(_tile_bytes(step)) for step in given)


def _multiply_adds(step: PlannedStep) -> int:
    if not step.tile:
        return sum(node.macs for node in step.nodes)
    Ci, Co = map(int, step.params["filters"].shape[2:])
    into, out_of = operations(step.tile)
    return math.prod(step.tiles) * ((step.tile + 2) ** 2 * Ci * Co + into * Ci + out_of * Co)


# ------------------------------------------------------------------ what the machine can do


def cache_sizes(folder: Path = _CACHES) -> list[int]:
    """Bytes of the data caches of a processor, the smallest first; usual ones where the system does not tell."""
    sizes = {}
    try:
        for cache in folder.glob("index*"):
            level, kind, size = ((cache / name).read_text("ascii").strip() for name in ("level", "type", "size"))
            if kind != "Instruction":
                sizes[int(level)] = int(size.removesuffix("K")) * 1024
    except (OSError, ValueError):
        return _USUAL_CACHES
    return [sizes[level] for level in sorted(sizes)] or _USUAL_CACHES


class _Probe:
    """A level with its buffer, not measured yet.

    The buffer of a cache is half as large as the cache, and at most four times the cache before it: a shared cache seldom is
    ours alone.  That of memory is four times the last cache, and at most _LARGEST_BUFFER.
    """

    def __init__(self, name: str, size: float, buffer: int) -> None:
        self.name, self.size, self.bytes = name, size, round_up(buffer, 4 * UNROLLED)
        self._times = -(-_BYTES_A_CALL // self.bytes)
        self._block, self._vector = Block(self.bytes), Block(4 * LANES)
        for block in (self._block, self._vector):
            block.array[:] = 0  # memory that was never written is one page of zeros

    def read(self) -> None:
        limits.read(self._block.address, self.bytes // 4, self._times, self._vector.address)

    def write(self) -> None:
        limits.write(self._vector.address, self.bytes // 4, self._times, self._block.address)

    def level(self, read: Times, write: Times) -> Level:
        moved = self._times * self.bytes
        return Level(self.name, self.size, self.bytes, moved / read.min * 1e3, moved / write.min * 1e3)


def _probes(sizes: Sequence[int]) -> list[_Probe]:
    buffers = [min(size // 2, 4 * before) for size, before in zip(sizes, [sizes[0], *sizes], strict=False)]
    probes = [_Probe(f"L{i}", size, buffer) for i, (size, buffer) in enumerate(zip(sizes, buffers, strict=True), 1)]
    return [*probes, _Probe("memory", math.inf, min(4 * sizes[-1], _LARGEST_BUFFER))]


def _peak() -> Callable[[], None]:
    vector = Block(4 * LANES)
    vector.array[:] = 0
    return lambda: limits.peak(vector.address, _PEAK_TIMES)


# ------------------------------------------------------------------ both together


def roofline_section(entries: Sequence[Entry], seconds: float = 1.5) -> Section:
    """Each network on the numba backend with one thread, and its limit; peak, bandwidths and networks take turns."""
    probes = _probes(cache_sizes())
    calls: dict[str, Callable[[], object]] = {"peak": _peak()}
    for probe in probes:
        calls |= {f"read {probe.name}": probe.read, f"write {probe.name}": probe.write}
    for entry in entries:
        calls[f"{entry.name} {entry.shape()}"] = _network(entry)
    with use_num_threads(1):
        times = time_blocks(calls, seconds)
    levels = [probe.level(times[f"read {probe.name}"], times[f"write {probe.name}"]) for probe in probes]
    machine = Machine(SUMS * LANES * _PEAK_TIMES / times["peak"].min * 1e3, levels)
    records = [_record(entry, times[f"{entry.name} {entry.shape()}"], machine) for entry in entries]
    return _table(machine, records)


def _network(entry: Entry) -> Callable[[], object]:
    runner = ours(entry.net, "numba")
    batch = runner.feed(noise(entry, 1, 1))
    return lambda: runner.call(batch)


def _record(entry: Entry, times: Times, machine: Machine) -> dict[str, Any]:
    graph = entry.net.graph(entry.height, entry.width)
    work = work_of(MemoryPlan(graph, entry.net.tensors, tuple(graph.outputs.values())))
    limit = limit_of(work, machine)
    return {
        "net": entry.name,
        "input": entry.shape(),
        "backend": "numba",
        "threads": 1,
        "ms_min": times.min,
        "ms_median": times.median,
        "ms_at_peak": limit.compute * 1e3,
        "ms_at_bandwidth": limit.memory * 1e3,
        "ms_limit": limit.both * 1e3,
        "share_min": limit.both * 1e3 / times.min,
        "share_median": limit.both * 1e3 / times.median,
        "multiply_adds": sum(step.multiply_adds for step in work),
    }


def _table(machine: Machine, records: list[dict[str, Any]]) -> Section:
    section = Section(
        "How near the networks are to the machine's limits, 1 thread",
        "Milliseconds a call, smallest / median, in alternating hot blocks of calls. Each step of a network takes at least as "
        "long as its multiply-adds at the measured peak, and as its reading and writing at the measured bandwidth of the caches; "
        "the limit of a network is the sum of the larger one of each step. The share is the limit by the measured time. Peak and "
        "bandwidths are the largest that were measured. `npfaceapi/benchmark/roofline.py` says what counts.",
        ["network", "input", "numba ms", "ms at the peak", "ms at the bandwidths", "limit ms", "share min", "share median"],
    )
    for r in records:
        figures = [f"{r[field]:.3f}" for field in ("ms_at_peak", "ms_at_bandwidth", "ms_limit")]
        shares = [f"{100 * r[field]:.0f} %" for field in ("share_min", "share_median")]
        section.rows.append([r["net"], r["input"], f"{r['ms_min']:.3f} / {r['ms_median']:.3f}", *figures, *shares])
    section.summary.append(f"peak of multiply-adds on registers: {2 * machine.peak / 1e9:.0f} GFLOP/s")
    for level in machine.levels:
        size = f" of {_readable(level.size)}" if math.isfinite(level.size) else ""
        rates = f"{level.read / 1e9:.0f} GB/s read, {level.write / 1e9:.0f} written"
        section.summary.append(f"{level.name}{size}: {rates}, with a buffer of {_readable(level.buffer)}")
    measured = [
        {"level": lv.name, "bytes": lv.size if math.isfinite(lv.size) else None, "buffer_bytes": lv.buffer}
        | {"read_gb_s": lv.read / 1e9, "write_gb_s": lv.write / 1e9}
        for lv in machine.levels
    ]
    section.records += [{"peak_gflops": 2 * machine.peak / 1e9, "levels": measured}, *records]
    return section


def _readable(size: float) -> str:
    return f"{size / 2**20:.0f} MB" if size >= 2**20 else f"{size / 1024:.0f} KB"
