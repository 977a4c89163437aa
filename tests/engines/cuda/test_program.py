"""A graph as a whole on the cuda backend: fusion, taps, batches of any size, threads; the kernels run on this processor."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from helpers.comparing import assert_close, assert_same_bits, weights_for
from helpers.cuda_on_cpu import cuda_on_cpu, needed
from helpers.small_network import shapes_of, trunk
from helpers.threads import run_in_threads
from npfaceapi import ops
from npfaceapi.engines.cuda import launches, memory_plan, program as program_module
from npfaceapi.engines.cuda.program import plan
from npfaceapi.engines.fusion import Fused
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.errors import BackendUnavailable, DeviceError
from npfaceapi.graph import record

pytestmark = [pytest.mark.slow, needed]

SHAPES = shapes_of(5, 4)


@pytest.fixture(autouse=True, scope="module")
def on_cpu():
    with cuda_on_cpu():
        yield


def network(x, p):
    """With reshapes in between, one of them an output."""
    total = trunk(x, p)
    flat = ops.reshape(ops.mean(total), (2, 2))
    return {"out": ops.softmax(ops.dense(ops.reshape(flat, (-1,)), p["fc"])), "total": total, "flat": flat}


WEIGHTS = weights_for(SHAPES)
GRAPH = record("test", network, SHAPES, (6, 5, 3))
OUTPUTS = list(GRAPH.outputs.values())


def images(N, seed=0):
    return np.random.default_rng(seed).standard_normal((N, *GRAPH.input.shape)).astype(np.float32)


def test_fusion_shortens_the_graph_and_keeps_the_values():
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    assert len(program.steps) < 0.6 * len(GRAPH)
    for seed in range(3):  # several inputs on ONE plan: what is left in the memory from the last call shows here
        batch = images(2, seed)
        for actual, expected in zip(program(batch), ReferenceProgram(GRAPH, WEIGHTS, OUTPUTS, np.float64)(batch), strict=True):
            assert_close(actual, expected)


def test_every_node_can_be_tapped_alone_and_all_at_once():
    batch, nodes = images(1), list(GRAPH)
    truth = ReferenceProgram(GRAPH, WEIGHTS, nodes, np.float64)(batch)
    for node, expected in zip(nodes, truth, strict=True):
        (actual,) = plan(GRAPH, WEIGHTS, [node])(batch)
        assert_close(actual, expected)
    for actual, expected in zip(plan(GRAPH, WEIGHTS, nodes)(batch), truth, strict=True):
        assert_close(actual, expected)


def test_an_output_asked_for_twice_comes_twice():
    out = GRAPH.outputs["out"]
    a, b = plan(GRAPH, WEIGHTS, [out, out])(images(1))
    np.testing.assert_array_equal(a, b)
    assert not np.shares_memory(a, b)


def test_batches_of_any_size_give_the_same_bits():
    program, batch = plan(GRAPH, WEIGHTS, OUTPUTS), images(5)
    together = program(batch)
    for n in range(5):
        assert_same_bits(program(batch[n : n + 1]), [y[n : n + 1] for y in together])
    assert [y.shape for y in program(batch[:0])] == [(0, *node.shape) for node in OUTPUTS]


def test_a_lost_gpu_is_a_clear_error(monkeypatch):
    program = plan(GRAPH, WEIGHTS, OUTPUTS)

    def lost(self, gpu, N):
        raise RuntimeError("[700] Call to cuStreamSynchronize results in CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr(type(program), "ready", lost)
    with pytest.raises(DeviceError, match=r"expected the GPU to answer, got: .*may have lost it"):
        program(images(1))


def test_a_program_keeps_the_launches_of_few_batch_sizes(monkeypatch):
    monkeypatch.setattr(program_module, "MOST_SEQUENCES", 2)
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    for N in (1, 2, 3, 1):
        program(images(N))
    assert set(program._sequences) == {1, 3}


def test_many_threads_on_one_program():
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    inputs = [images(1 + k % 2, seed=k) for k in range(3)]
    expected = [program(x) for x in inputs]

    def work(k):
        for i in range(2):
            assert_same_bits(program(inputs[(k + i) % 3]), expected[(k + i) % 3])

    run_in_threads(work, 4)


def test_what_fusion_learns_later_is_refused(monkeypatch):
    """A new part of a step, or a new kind of step, must not be ignored silently."""
    assert {field.name for field in dataclasses.fields(Fused)} == memory_plan._KNOWN
    monkeypatch.setattr(memory_plan, "_KNOWN", memory_plan._KNOWN - {"clamp"})
    with pytest.raises(BackendUnavailable, match="parts that its kernels know, got clamp"):
        plan(GRAPH, WEIGHTS, OUTPUTS)
    monkeypatch.undo()
    monkeypatch.delitem(launches._KINDS, "mean")
    with pytest.raises(BackendUnavailable, match=r"expected a step out of .*, got mean"):
        plan(GRAPH, WEIGHTS, OUTPUTS)


def test_describe_names_every_step():
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    for step in program.steps:
        assert step.name in program.describe()
    assert sum(step.macs for step in program.steps) == GRAPH.macs
