"""The cuda backend on golden cases and whole networks, with its kernels' LLVM code compiled for this processor.

All golden cases: `.ci/measure cuda-on-cpu`.
"""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

import npfaceapi as faceapi
from helpers import cuda_on_cpu
from helpers.comparing import assert_same_bits
from helpers.cuda_kernels import check
from npfaceapi import ops
from npfaceapi.cli import main
from npfaceapi.engines.cuda import jit, launches
from npfaceapi.engines.cuda.kernels.resizing import resize
from npfaceapi.engines.cuda.program import plan

pytestmark = [pytest.mark.slow, cuda_on_cpu.needed]


@pytest.fixture(scope="module")
def gpu():
    with cuda_on_cpu.cuda_on_cpu() as device:
        yield device


def verify(capsys, *patterns):
    status = main(["verify", "--backend", "cuda_on_cpu", *(part for pattern in patterns for part in ("--case", pattern))])
    return status, capsys.readouterr().out


def batch_of(net, N):
    return np.random.default_rng(N).uniform(0, 255, (N, net.input_size, net.input_size, 3)).astype(np.float32)


def run(net, batch):
    return list(net.run_net(batch, backend="cuda_on_cpu").values())


def test_golden_cases_of_operations_and_of_every_network(gpu, capsys):
    status, printed = verify(capsys, "operations/*", "raw/*astronaut*")
    assert status == 0, printed
    passed, cases = map(int, re.search(r"cuda_on_cpu: (\d+) of (\d+) cases passed", printed).groups())
    assert passed == cases > 100


@pytest.mark.parametrize("name", ["face_landmark_68_tiny_net", "face_recognition_net", "age_gender_net", "tiny_face_detector"])
def test_same_bits_alone_in_a_batch_and_on_a_smaller_gpu(gpu, monkeypatch, name):
    """Other batches and other GPUs are computed with other tiles, other shares of the partial sums, and in `narrow` or not."""
    net = getattr(faceapi.nets, name)
    batch = batch_of(net, 3)
    together = run(net, batch)
    for n in range(3):
        assert_same_bits(run(net, batch[n : n + 1]), [y[n : n + 1] for y in together])
    assert_same_bits([y[::3] for y in run(net, np.repeat(batch, 3, axis=0))], together)
    monkeypatch.setattr(gpu, "processors", 16)
    graph = net.graph()
    assert_same_bits(plan(graph, net.tensors, list(graph.outputs.values()))(batch), together)


def test_a_batch_that_does_not_fit_goes_in_parts(gpu, monkeypatch):
    net = faceapi.nets.face_landmark_68_tiny_net
    graph, batch = net.graph(), batch_of(net, 20)
    program = plan(graph, net.tensors, list(graph.outputs.values()))
    monkeypatch.setattr(gpu, "numbers", 0)
    monkeypatch.setattr(gpu, "most_numbers", lambda: 3 * program._memory_plan.size)
    parts = program(batch)
    assert set(program._sequences) == {3, 2}
    assert_same_bits(parts, run(net, batch))


def test_operations_that_no_network_uses(gpu):
    def forward(x, p):
        y = ops.depthwise_conv2d(x, p["filters"])
        return {"y": ops.divide(y, x), "z": ops.max_pool(y, 4, stride=1)}

    check(forward, (9, 7, 5), {"filters": (1, 3, 5, 1)}, N=3)


def test_the_resizer_has_the_bits_of_the_cpu(gpu):
    image = np.random.default_rng(0).integers(0, 256, (31, 47, 3), np.uint8)
    out = np.full(40 * 33 * 3, np.nan, np.float32)
    values = {"H": 31, "W": 47, "C": 3, "row_scale": 31 / 40, "column_scale": 47 / 33, "size": out.size, "Wo": 33}
    launch = jit.Launch(resize, (-(-out.size // jit.THREADS),), jit.THREADS, values)
    resize.bound(launch, None, {"resized": out})(image.reshape(-1))
    assert_same_bits([out.reshape(40, 33, 3)], [faceapi.resize_bilinear(image, (40, 33))])


# ------------------------------------------------------------------ faults that these tests must find


def test_kernels_without_a_barrier_fail(capsys, monkeypatch):
    translated = cuda_on_cpu._translated
    monkeypatch.setattr(cuda_on_cpu, "_translated", lambda code: translated(code).replace("call void @barrier()", "", 1))
    monkeypatch.setattr(cuda_on_cpu, "compiled", functools.cache(cuda_on_cpu.CompiledKernel))
    with cuda_on_cpu.cuda_on_cpu():
        status, printed = verify(capsys, "operations/conv2d/*")
    assert status == 1
    assert "cases passed" in printed


def test_a_lookup_off_by_one_row_fails(capsys, monkeypatch):
    lookup = launches.Launches.lookup
    monkeypatch.setattr(launches.Launches, "lookup", lambda self, KH, KW, W, C: lookup(self, KH, KW, W + (KH > 1), C))
    with cuda_on_cpu.cuda_on_cpu():
        status, printed = verify(capsys, "operations/conv2d/*")
    assert status == 1
    assert "cases passed" in printed


def test_a_barrier_that_some_threads_never_reach_is_an_error(gpu):
    @jit.kernel
    def ends_early(memory, size):
        if jit.cuda.threadIdx.x < size:
            jit.cuda.syncthreads()

    launch = jit.Launch(ends_early, (1,), 8, {"size": 3})
    with pytest.raises(RuntimeError, match="all threads of a block to reach the same barriers"):
        ends_early.bound(launch, None, {})(np.zeros(8, np.float32))
    check(lambda x, p: ops.conv2d(x, p["f"]), (4, 4, 3), {"f": (3, 3, 3, 5)})  # what comes next is well
