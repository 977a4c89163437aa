"""How long each network takes, on one of our backends and on a peer."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from npfaceapi.benchmark.entries import Entry, noise
from npfaceapi.benchmark.peers import ours, peer
from npfaceapi.benchmark.section import Section
from npfaceapi.benchmark.timing import geometric_mean, time_blocks
from npfaceapi.engines.thread_count import use_num_threads
from npfaceapi.errors import NpFaceApiError

__all__ = ["WrongAnswer", "measure_networks", "medians_of_runs", "networks_section", "relative_error"]

Array = np.ndarray[Any, Any]
Record = dict[str, Any]

LARGEST_ERROR = 1e-5  # of the largest output, as for golden raw outputs


class WrongAnswer(NpFaceApiError):
    """A timed engine computes something else."""


def relative_error(found: Sequence[Array], truth: Sequence[Array]) -> float:
    """The largest error of all outputs, each in units of its largest value."""
    errors = [np.abs(a.reshape(b.shape) - b).max() / max(np.abs(b).max(), 1e-30) for a, b in zip(found, truth, strict=True)]
    worst = max(errors)
    return float(worst) if np.isfinite(worst) else float("inf")


def measure_networks(
    entries: Iterable[Entry], *, backend: str, peers: Sequence[str], threads: int, batch: int = 1, seconds: float = 1.5
) -> list[Record]:
    """One record per network, with the fastest of the peers; all engines are checked on an input other than the timed one.

    Raises
    ------
    WrongAnswer
        An engine is further from the float64 reference than `LARGEST_ERROR`.
    """
    with use_num_threads(threads):
        return [_measure(entry, backend, peers, threads, batch, seconds) for entry in entries]


def _measure(entry: Entry, backend: str, peers: Sequence[str], threads: int, batch: int, seconds: float) -> Record:
    net, graph = entry.net, entry.net.graph(entry.height, entry.width)
    runners = {"ours": ours(net, backend), **{name: peer(name, net, graph, threads) for name in peers}}
    timed, unseen = noise(entry, batch, 1), noise(entry, batch, 2)
    fed = {name: runner.feed(timed) for name, runner in runners.items()}
    times = time_blocks({name: _call(runner.call, fed[name]) for name, runner in runners.items()}, seconds)
    truth = list(net.run_net(unseen, backend="reference64").values())
    errors = {}
    for name, runner in runners.items():
        errors[name] = relative_error(runner.outputs(runner.call(runner.feed(unseen))), truth)
        if not errors[name] <= LARGEST_ERROR:
            engine = backend if name == "ours" else name
            raise WrongAnswer(f"{entry.name} on {engine}: expected an error of at most {LARGEST_ERROR}, got {errors[name]:.2g}")
    mine = times["ours"]
    record = {
        "net": entry.name,
        "input": entry.shape(batch),
        "threads": threads,
        "ours_ms_min": mine.min,
        "ours_ms_median": mine.median,
        "peers": {name: {"ms_min": times[name].min, "ms_median": times[name].median} for name in peers},
        "max_rel_error": errors["ours"],
        "macs": graph.macs * batch,
    }
    return _with_fastest_peer(record)


def _with_fastest_peer(record: Record) -> Record:
    peers = record["peers"]
    fastest = min(peers, key=lambda name: peers[name]["ms_median"], default=None)
    return {
        **record,
        "peer": fastest,
        "peer_ms_min": peers[fastest]["ms_min"] if fastest else None,
        "peer_ms_median": peers[fastest]["ms_median"] if fastest else None,
        "gflops": 2 * record["macs"] / record["ours_ms_median"] / 1e6,
    }


def medians_of_runs(runs: Sequence[list[Record]]) -> list[Record]:
    """The records of several runs as one list: times are medians over the runs, errors the largest."""
    merged = []
    for group in zip(*runs, strict=True):
        record = dict(group[0])
        for field in ("ours_ms_min", "ours_ms_median"):
            record[field] = statistics.median(r[field] for r in group)
        record["peers"] = {
            name: {field: statistics.median(r["peers"][name][field] for r in group) for field in times}
            for name, times in record["peers"].items()
        }
        record["max_rel_error"] = max(r["max_rel_error"] for r in group)
        merged.append(_with_fastest_peer(record))
    return merged


def _call(function: Any, argument: Any) -> Any:
    return lambda: function(argument)


def networks_section(records: list[Record], backend: str, batch: int = 1) -> Section:
    """The records as a table; the ratio is the peer's time divided by ours, so above 1 is faster than the peer."""
    peers, threads = list(records[0]["peers"]), records[0]["threads"]
    several = len(peers) > 1
    against = "the fastest peer" if several else "".join(peers)
    title = f"{batch} images at once" if batch > 1 else "One image"
    title += f", {threads} thread{'s' if threads > 1 else ''}" + (f", against {against}" if against else "")
    of_peers = [*(["fastest peer"] if several else []), "ms" if several else f"{against} ms", "ratio min", "ratio median"]
    section = Section(
        title,
        "Milliseconds a call, smallest / median, in alternating hot blocks of calls (see `npfaceapi/benchmark/timing.py`). "
        + (f"The peers are {', '.join(peers)}. " if several else "")
        + "The ratio is the peer's time by ours. The error is ours, on an input not seen before, from the float64 reference, by "
        "the largest output.",
        ["network", "input", f"{backend} ms", *(of_peers if against else []), "error", "GFLOP/s"],
        records=records,
    )
    ratios = []
    for r in records:
        row = [r["net"], r["input"], f"{r['ours_ms_min']:.3f} / {r['ours_ms_median']:.3f}"]
        if against:
            ratios.append(r["peer_ms_median"] / r["ours_ms_median"])
            row += [*([r["peer"]] if several else []), f"{r['peer_ms_min']:.3f} / {r['peer_ms_median']:.3f}"]
            row += [f"{r['peer_ms_min'] / r['ours_ms_min']:.2f}", f"{ratios[-1]:.2f}"]
        section.rows.append([*row, f"{r['max_rel_error']:.1e}", f"{r['gflops']:.0f}"])
    if against and len(records) > 1:
        section.summary.append(f"geometric mean of the median ratios: {geometric_mean(ratios):.3f}")
    if against and batch > 1:
        mine, other = (sum(r[f"{engine}_ms_median"] for r in records) for engine in ("ours", "peer"))
        section.summary.append(
            f"all on {batch} images: {mine:.1f} ms, {against} {other:.1f} ms, throughput {other / mine:.2f} times"
        )
    return section
