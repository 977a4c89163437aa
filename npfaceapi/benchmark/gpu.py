"""How long each network takes on a GPU: our kernels against PyTorch with cuDNN, on the same weights in the same run.

Two times each.  On the GPU: from the first kernel to the last, between two events on the stream, with the batch uploaded.
The call: from the batch in host memory to the outputs in it, as a user sees it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npfaceapi.benchmark.entries import Entry, noise
from npfaceapi.benchmark.networks import LARGEST_ERROR, WrongAnswer, relative_error
from npfaceapi.benchmark.section import Section
from npfaceapi.engines import dispatch
from npfaceapi.errors import BackendUnavailable

__all__ = ["BATCHES", "GpuEngine", "measure_on_gpu"]

Array = np.ndarray[Any, Any]
Record = dict[str, Any]

BATCHES = (1, 8, 64)
BLOCKS = 6  # per engine, alternating
LEAST = 5  # calls per block
JUDGED = 2  # images of a batch that are compared with the float64 reference


class GpuEngine(NamedTuple):
    """A network on the GPU."""

    call: Callable[[Array], list[Array]]
    milliseconds: Callable[[Array, int], list[float]]  # of each of a number of runs, on the GPU alone
    kind: Callable[[], str]  # what it turned out to be: "CUDA graph", "eager", ...


def _ours(entry: Entry) -> GpuEngine:
    graph = entry.net.graph(entry.height, entry.width)
    program: Any = dispatch.prepare(graph, entry.net.tensors, list(graph.outputs.values()), "cuda")
    return GpuEngine(program, program.milliseconds, lambda: "CUDA graph" if program.is_recorded else "launches")


def _torch(entry: Entry) -> GpuEngine:
    try:
        import torch
    except ImportError:
        raise BackendUnavailable('expected the package torch, got none installed; pip install "npfaceapi[bench]"') from None
    if not torch.cuda.is_available():
        raise BackendUnavailable("expected a PyTorch that sees the GPU, got one without CUDA; or use --against none")
    from npfaceapi.benchmark.torch_gpu import torch_on_gpu

    return GpuEngine(*torch_on_gpu(entry.net.graph(entry.height, entry.width), entry.net.tensors))


def measure_on_gpu(entries: Iterable[Entry], batches: Sequence[int], against: str | None, seconds: float) -> list[Section]:
    """A section for each size of the batch."""
    sections = {batch: _section(batch, against) for batch in batches}
    for entry in entries:
        engines = {"ours": _ours(entry)}
        if against == "torch":
            engines["peer"] = _torch(entry)
        for batch, section in sections.items():
            record = _measure(entry, engines, batch, against, seconds)
            section.records.append(record)
            section.rows.append(_row(record))
    return list(sections.values())


def _measure(entry: Entry, engines: dict[str, GpuEngine], batch: int, against: str | None, seconds: float) -> Record:
    timed, unseen = noise(entry, batch, 1), noise(entry, batch, 2)
    on_gpu: dict[str, list[float]] = {name: [] for name in engines}
    whole: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(3):  # compiles, loads and captures
        for engine in engines.values():
            engine.call(timed)
    for _ in range(BLOCKS):
        for name, engine in engines.items():
            end = time.perf_counter() + seconds / BLOCKS / 2
            on_gpu[name] += engine.milliseconds(timed, LEAST)
            while time.perf_counter() < end:
                on_gpu[name] += engine.milliseconds(timed, LEAST)
            whole[name] += [_milliseconds(engine, timed) for _ in range(LEAST)]
    truth = list(entry.net.run_net(unseen[:JUDGED], backend="reference64").values())
    errors = {name: relative_error([y[:JUDGED] for y in engine.call(unseen)], truth) for name, engine in engines.items()}
    for name, error in errors.items():
        if not error <= LARGEST_ERROR:
            engine_name = "cuda" if name == "ours" else against
            raise WrongAnswer(f"{entry.name} on {engine_name}: expected an error of at most {LARGEST_ERROR}, got {error:.2g}")
    macs = entry.net.graph(entry.height, entry.width).macs * batch
    record: Record = {"net": entry.name, "input": entry.shape(batch), "peer": against}
    for name in ("ours", "peer"):
        times = on_gpu.get(name)
        record[f"{name}_kind"] = engines[name].kind() if times else None
        record[f"{name}_gpu_ms_min"] = min(times) if times else None
        record[f"{name}_gpu_ms_median"] = statistics.median(times) if times else None
        record[f"{name}_call_ms_median"] = statistics.median(whole[name]) if times else None
    gflops = 2 * macs / record["ours_gpu_ms_median"] / 1e6
    return {**record, "max_rel_error": errors["ours"], "macs": macs, "gflops": gflops}


def _milliseconds(engine: GpuEngine, batch: Array) -> float:
    start = time.perf_counter()
    engine.call(batch)
    return (time.perf_counter() - start) * 1e3


def _section(batch: int, against: str | None) -> Section:
    status = dispatch.available_backends()["cuda"].detail
    header = ["network", "input", "GPU ms", "call ms"]
    if against:
        header += [f"{against} GPU ms", f"{against} call ms", "GPU ratio", f"{against} as"]
    return Section(
        f"{batch} image{'s' if batch > 1 else ''} on {status}",
        "Milliseconds, median. GPU: between events around the network's kernels, the batch being there; call: from memory to "
        "memory. The ratio is the peer's time by ours. The error is ours, on an input not seen before, from the float64 "
        "reference, by the largest output.",
        [*header, "as", "error", "GFLOP/s"],
    )


def _row(r: Record) -> list[str]:
    row = [r["net"], r["input"], f"{r['ours_gpu_ms_median']:.3f}", f"{r['ours_call_ms_median']:.3f}"]
    if r["peer"]:
        row += [f"{r['peer_gpu_ms_median']:.3f}", f"{r['peer_call_ms_median']:.3f}"]
        row += [f"{r['peer_gpu_ms_median'] / r['ours_gpu_ms_median']:.2f}", r["peer_kind"]]
    return [*row, r["ours_kind"], f"{r['max_rel_error']:.1e}", f"{r['gflops']:.0f}"]
