"""Launches a network's kernels once with the profiler on, after a first call that compiles and loads them.

M=gpu__time_duration.sum,smsp__issue_active.avg.pct_of_peak_sustained_active
M=$M,sm__inst_executed_pipe_fma.avg.pct_of_peak_sustained_active,dram__throughput.avg.pct_of_peak_sustained_elapsed
ncu --clock-control none --profile-from-start off --csv --page raw --metrics $M python3 .ci/profile_cuda.py NET BATCH
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from npfaceapi.benchmark.entries import chosen_entries, noise
from npfaceapi.engines import dispatch
from npfaceapi.engines.cuda.device import device, lock
from npfaceapi.engines.cuda.toolchain import cuda

(entry, *_), N = chosen_entries([sys.argv[1]]), int(sys.argv[2])
graph = entry.net.graph(entry.height, entry.width)
program = dispatch.prepare(graph, entry.net.tensors, list(graph.outputs.values()), "cuda")
batch = np.ascontiguousarray(noise(entry, N, 1))
program(batch)
gpu = device()
with lock:
    sequence = program._loaded(gpu, batch)
    cuda.profile_start()
    sequence.launch_all(gpu)
    gpu.stream.synchronize()
    cuda.profile_stop()
for launch in program.launches(N, gpu.processors):
    values = launch.values
    shape = " ".join(f"{k}={values[k]}" for k in ("H", "W", "C", "Co", "M", "stride", "slices", "share", "size") if k in values)
    print(f"launch {launch.kernel.function.__name__} grid={launch.grid} {shape}")
