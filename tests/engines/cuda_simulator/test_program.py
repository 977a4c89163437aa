"""The cuda backend as a whole: fusion, taps, batches of any size, memory, threads, and errors."""

from __future__ import annotations

import dataclasses
import gc
import os
import weakref

import numpy as np
import pytest

from helpers.comparing import assert_close, assert_same_bits, weights_for
from helpers.simulated import use_tile
from helpers.small_network import shapes_of, trunk
from helpers.threads import run_in_threads
from npfaceapi import ops
from npfaceapi.engines.cuda import availability, device, launches, memory_plan, program as program_module
from npfaceapi.engines.cuda.program import plan
from npfaceapi.engines.fusion import Fused
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.errors import BackendUnavailable, DeviceError
from npfaceapi.graph import record

SHAPES = shapes_of(5, 4)


def network(x, p):
    """With reshapes in between, one of them an output."""
    total = trunk(x, p)
    flat = ops.reshape(ops.mean(total), (2, 2))
    return {"out": ops.softmax(ops.dense(ops.reshape(flat, (-1,)), p["fc"])), "total": total, "flat": flat}


WEIGHTS = weights_for(SHAPES)
GRAPH = record("test", network, SHAPES, (6, 5, 3))
OUTPUTS = list(GRAPH.outputs.values())


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    use_tile(monkeypatch, "tiny")
    monkeypatch.setattr(launches, "THREADS", 32)


@pytest.fixture
def fresh(monkeypatch):
    """A GPU without memory of earlier tests."""
    monkeypatch.setattr(device, "_device", None)
    return device.device()


def images(N, seed=0):
    return np.random.default_rng(seed).standard_normal((N, *GRAPH.input.shape)).astype(np.float32)


def test_fusion_shortens_the_graph_and_keeps_the_values():
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    assert len(program.steps) < 0.6 * len(GRAPH)
    for seed in range(3):  # several inputs on ONE plan: what is left in the memory from the last call shows here
        batch = images(2, seed)
        for actual, expected in zip(program(batch), ReferenceProgram(GRAPH, WEIGHTS, OUTPUTS, np.float64)(batch), strict=True):
            assert_close(actual, expected)


def test_memory_full_of_nan_changes_nothing(fresh):
    """Nothing is read before it is written, not even past the edge of a tile."""
    program, batch = plan(GRAPH, WEIGHTS, OUTPUTS), images(2)
    expected = program(batch)
    fresh.memory.copy_to_device(np.full(fresh.numbers, np.nan, np.float32))
    assert_same_bits(program(batch), expected)


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


def test_a_batch_that_does_not_fit_goes_in_parts(fresh, monkeypatch):
    program, batch = plan(GRAPH, WEIGHTS, OUTPUTS), images(5)
    expected = program(batch)
    monkeypatch.setattr(device, "_device", None)
    monkeypatch.setattr(device, "MOST_NUMBERS", 2 * program._memory_plan.size)
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    assert_same_bits(program(batch), expected)
    assert set(program._sequences) <= {1, 2}
    assert device.device().numbers < 3 * program._memory_plan.size


def test_out_of_memory_halves_the_batch_and_then_is_a_clear_error(fresh, monkeypatch):
    program, batch = plan(GRAPH, WEIGHTS, OUTPUTS), images(5)
    expected = program(batch)
    reserve, room = device.Device.reserve, [3 * program._memory_plan.size]

    def refuse(self, numbers):
        if numbers > room[0]:
            with device.translated_errors():
                raise RuntimeError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
        reserve(self, numbers)

    monkeypatch.setattr(device, "_device", None)
    monkeypatch.setattr(device.Device, "reserve", refuse)
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    assert_same_bits(program(batch), expected)
    room[0] = 0
    with pytest.raises(DeviceError, match=r"expected room on the GPU, got: .*OUT_OF_MEMORY"):
        program(batch)
    room[0] = 1 << 40
    assert_same_bits(program(batch), expected)  # and it works afterwards


def test_what_32_bits_cannot_address_is_refused(fresh, monkeypatch):
    program, batch = plan(GRAPH, WEIGHTS, OUTPUTS), images(3)
    expected = program(batch)
    monkeypatch.setattr(program_module, "MOST_ADDRESSED", 2 * program._memory_plan.size - 1)
    assert_same_bits(program(batch), expected)  # one by one
    program._sequences.clear()
    monkeypatch.setattr(program_module, "MOST_ADDRESSED", program._memory_plan.size - 1)
    with pytest.raises(DeviceError, match="use smaller images"):
        program(batch)


def test_a_lost_gpu_is_a_clear_error(monkeypatch):
    program = plan(GRAPH, WEIGHTS, OUTPUTS)

    def lost(self, gpu, N):
        raise RuntimeError("[700] Call to cuStreamSynchronize results in CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr(type(program), "ready", lost)
    with pytest.raises(DeviceError, match=r"expected the GPU to answer, got: .*may have lost it"):
        program(images(1))


def test_memory_is_shared_and_does_not_grow(fresh):
    programs = [plan(GRAPH, WEIGHTS, OUTPUTS) for _ in range(3)]
    programs[0](images(3))
    memory, numbers = fresh.memory, fresh.numbers
    for i in range(6):
        programs[i % 3](images(1 + i % 2))
    assert fresh.memory is memory
    assert fresh.numbers == numbers


def test_a_program_keeps_the_launches_of_few_batch_sizes(monkeypatch):
    monkeypatch.setattr(program_module, "MOST_SEQUENCES", 2)
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    for N in (1, 2, 3, 1):
        program(images(N))
    assert set(program._sequences) == {1, 3}


def test_memory_that_was_replaced_is_given_back(fresh):
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    program(images(1))
    old = weakref.ref(fresh.memory)
    expected = program(images(4))
    gc.collect()
    assert old() is None
    assert fresh.generation == 2
    assert_same_bits(program(images(4)), expected)


def test_what_was_captured_with_old_addresses_is_captured_again(fresh, monkeypatch):
    """With a fake of CUDA graphs that replays into the memory of its capture."""
    made = []

    class Played:
        def __init__(self, launch_all, generation):
            self.launch_all, self.generation = launch_all, generation

        def replay(self):
            assert self.generation == fresh.generation
            self.launch_all()

    def captured(self, launch_all):
        made.append(fresh.generation)
        return Played(launch_all, fresh.generation)

    monkeypatch.setattr(device.Device, "capture", captured)
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    expected = program(images(1))
    assert made == []  # the first run compiles
    for _ in range(3):
        assert_same_bits(program(images(1)), expected)
    assert made == [1]
    program(images(3))
    for _ in range(2):
        assert_same_bits(program(images(1)), expected)
    assert made == [1, 2]


def test_many_threads_on_one_program():
    program = plan(GRAPH, WEIGHTS, OUTPUTS)
    inputs = [images(1 + k % 2, seed=k) for k in range(3)]
    expected = [program(x) for x in inputs]

    def work(k):
        for i in range(2):
            assert_same_bits(program(inputs[(k + i) % 3]), expected[(k + i) % 3])

    run_in_threads(work, 4)


def test_a_forked_process_is_refused(monkeypatch):
    monkeypatch.setattr(availability, "_used_in", [])
    availability.check_process()
    availability.note_process()
    availability.check_process()
    monkeypatch.setattr(availability, "_used_in", [os.getppid()])
    with pytest.raises(BackendUnavailable, match=r"got one forked from it, .* 'spawn'"):
        availability.check_process()


def test_planning_does_not_touch_the_gpu(monkeypatch):
    monkeypatch.setattr(device, "_device", None)
    plan(GRAPH, WEIGHTS, OUTPUTS)
    assert device._device is None


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
