"""What only a fresh process shows: how long a first answer takes, and how much memory the chain needs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from npfaceapi.benchmark.entries import astronaut
from npfaceapi.benchmark.section import Section
from npfaceapi.errors import NpFaceApiError

__all__ = ["FreshProcessFailed", "cold_start_section", "memory_section", "peak_memory"]

_DESCRIPTOR = """
import time
start = time.perf_counter()
import npfaceapi, numpy
npfaceapi.compute_face_descriptor(numpy.zeros((150, 150, 3), numpy.uint8))
print(time.perf_counter() - start)
"""
_CHAIN = """
import sys
from npfaceapi import load_image
from npfaceapi.benchmark.chain import run_chain
from npfaceapi.benchmark.processes import peak_memory
print(len(run_chain(load_image(sys.argv[1]))), peak_memory())
"""


class FreshProcessFailed(NpFaceApiError):
    """A process that was started for a measurement ended with an error."""


def _python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode:
        raise FreshProcessFailed(f"expected a fresh process to succeed, got status {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


def cold_start_section(backend: str, runs: int = 7) -> Section:
    """Seconds to the first descriptor, to a whole `analyze`, and of compiling everything for the first time."""
    from PIL import Image

    chosen = {"NPFACEAPI_BACKEND": backend}
    with tempfile.TemporaryDirectory() as folder:
        photo = str(Path(folder) / "astronaut.png")
        Image.fromarray(astronaut()).save(photo)
        analyze = ["-m", "npfaceapi", "analyze", photo]
        _python("-m", "npfaceapi", "warmup", **chosen)
        _python(*analyze, **chosen)
        first = [float(_python("-c", _DESCRIPTOR, **chosen)) for _ in range(runs)]
        whole = [_seconds(*analyze, **chosen) for _ in range(runs)]
        compiling = _seconds("-m", "npfaceapi", "warmup", NUMBA_CACHE_DIR=folder, **chosen)
    section = Section(
        "Cold start",
        f"Fresh processes, {runs} of each; kernels are cached except in the last line.",
        ["", "min s", "median s"],
    )
    for key, what, times in (
        ("first_descriptor", "`import npfaceapi` to the first descriptor of a crop", first),
        ("analyze", "`npfaceapi analyze` of a photo of 512x512, whole process", whole),
        ("first_warmup", "`npfaceapi warmup` with nothing cached: compiling for all networks", [compiling]),
    ):
        section.rows.append([what, f"{min(times):.2f}", f"{statistics.median(times):.2f}"])
        section.records.append(
            {"cold_start": key, "backend": backend, "s_min": min(times), "s_median": statistics.median(times), "runs": len(times)}
        )
    return section


def _seconds(*arguments: str, **environment: str) -> float:
    start = time.perf_counter()
    _python(*arguments, **environment)
    return time.perf_counter() - start


def peak_memory() -> int:
    """The most bytes that this process has had resident.

    Linux keeps it by address space in /proc; getrusage would count in what the parent held when it forked.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def memory_section(backend: str, threads: int) -> Section:
    """Peak resident memory of the chain on a photo file of 1920x1280, in a fresh process with cached kernels."""
    from PIL import Image

    from npfaceapi.benchmark.chain import photo_of_three

    chosen: dict[str, Any] = {"NPFACEAPI_BACKEND": backend, "NPFACEAPI_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        photo = str(Path(folder) / "three.png")
        Image.fromarray(photo_of_three()).save(photo)
        _python("-c", _CHAIN, photo, **chosen)
        faces, peak = (int(text) for text in _python("-c", _CHAIN, photo, **chosen).split())
    return Section(
        "Memory",
        "Peak resident memory of the chain on a photo of 1920x1280, in a fresh process with cached kernels.",
        ["", "MB"],
        [[f"the chain, {faces} faces, {threads} thread{'s' if threads > 1 else ''}", f"{peak / 1e6:.0f}"]],
        records=[{"memory": "chain 1920x1280", "backend": backend, "threads": threads, "faces": faces, "peak_bytes": peak}],
    )
