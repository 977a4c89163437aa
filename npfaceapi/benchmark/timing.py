"""Timing engines against each other in alternating hot blocks.

Each engine runs a block of many calls, then the other one its block, and so on.  Not call by call: that would evict both
engines' weights from the caches and wake their threads each time, which is not how an engine is used.  Before a block there is a
pause in which the other engine's threads stop spinning, and some calls that do not count.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["Times", "geometric_mean", "time_blocks"]

ROUNDS = 12
PAUSE = 0.03  # seconds; ONNX Runtime's and OpenMP's threads spin for a few milliseconds after a call
UNCOUNTED = 3  # calls
LEAST = 3  # counted calls per block


class Times(NamedTuple):
    """Milliseconds per call."""

    min: float
    median: float


def time_blocks(calls: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, Times]:
    """Time each of the calls for about `seconds` seconds, in alternating blocks."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    counts = {name: max(LEAST, round(seconds / ROUNDS / _about(call))) for name, call in calls.items()}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for name, call in calls.items():
                time.sleep(PAUSE)
                for _ in range(UNCOUNTED):
                    call()
                for _ in range(counts[name]):
                    start = time.perf_counter()
                    call()
                    took[name].append((time.perf_counter() - start) * 1e3)
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return {name: Times(min(times), statistics.median(times)) for name, times in took.items()}


def _about(call: Callable[[], object]) -> float:
    """Seconds of a call after warming up."""
    call()
    call()
    start = time.perf_counter()
    call()
    return max(time.perf_counter() - start, 1e-6)


def geometric_mean(values: list[float]) -> float:
    return statistics.geometric_mean(values)
