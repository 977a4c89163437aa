"""Launches every kernel of the cuda backend on small inputs, for compute-sanitizer; fails if one was not launched.

compute-sanitizer --tool memcheck python3 .ci/every_cuda_kernel.py
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import npfaceapi as faceapi
from npfaceapi import ops
from npfaceapi.cli import main
from npfaceapi.engines.cuda.launches import every_kernel
from npfaceapi.engines.cuda.program import plan
from npfaceapi.engines.cuda.resizing import resize_bilinear
from npfaceapi.graph import record

KERNELS = every_kernel()


def rest(x, p):
    y = ops.depthwise_conv2d(x, p["filters"])
    return {"y": ops.divide(y, x), "z": ops.max_pool(y, 4, stride=1)}


output = io.StringIO()
with contextlib.redirect_stdout(output):
    status = main(["verify", "--backend", "cuda", "--case", "operations/*"])
if status:
    sys.exit(output.getvalue() or "expected a GPU that passes the golden cases of operations")
print(output.getvalue().splitlines()[-1])
rng = np.random.default_rng(0)
for name, size, batches in (
    ("face_landmark_68_tiny_net", 112, (1, 3, 40)),
    ("face_recognition_net", 150, (1, 4)),
    ("age_gender_net", 112, (2,)),
    ("ssd_mobilenetv1", 512, (1,)),
):
    for N in batches:
        getattr(faceapi.nets, name).run_net(rng.uniform(0, 255, (N, size, size, 3)).astype(np.float32), backend="cuda")
graph = record("rest", rest, {"filters": (1, 3, 5, 1)}, (9, 7, 5))  # operations that no network and no golden case uses
weights = {"filters": rng.standard_normal((1, 3, 5, 1)).astype(np.float32)}
plan(graph, weights, list(graph.outputs.values()))(rng.standard_normal((3, 9, 7, 5)).astype(np.float32))
resize_bilinear(rng.integers(0, 256, (31, 47, 3), np.uint8), (40, 33))
left_out = [name for name, kernel in KERNELS.items() if "_compiled" not in vars(kernel)]
print(f"{len(KERNELS) - len(left_out)} of {len(KERNELS)} kernels were launched", *left_out)
sys.exit(1 if left_out else 0)
