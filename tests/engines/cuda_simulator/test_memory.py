"""The memory of the cuda backend: batches that do not fit, its growth, what is left in it, and addresses that graphs hold."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers.comparing import assert_same_bits, weights_for
from helpers.cuda_kernels import use_tile
from helpers.small_network import shapes_of, trunk
from npfaceapi.engines.cuda import device, launches, program as program_module
from npfaceapi.engines.cuda.program import plan
from npfaceapi.errors import DeviceError
from npfaceapi.graph import record

SHAPES = shapes_of(5, 4)
WEIGHTS = weights_for(SHAPES)
GRAPH = record("test", lambda x, p: {"total": trunk(x, p)}, SHAPES, (6, 5, 3))
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


def test_memory_full_of_nan_changes_nothing(fresh):
    """Nothing is read before it is written, not even past the edge of a tile."""
    program, batch = plan(GRAPH, WEIGHTS, OUTPUTS), images(2)
    expected = program(batch)
    fresh.memory.copy_to_device(np.full(fresh.numbers, np.nan, np.float32))
    assert_same_bits(program(batch), expected)


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


def test_memory_is_shared_and_does_not_grow(fresh):
    programs = [plan(GRAPH, WEIGHTS, OUTPUTS) for _ in range(3)]
    programs[0](images(3))
    memory, numbers = fresh.memory, fresh.numbers
    for i in range(6):
        programs[i % 3](images(1 + i % 2))
    assert fresh.memory is memory
    assert fresh.numbers == numbers


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


def test_planning_does_not_touch_the_gpu(monkeypatch):
    monkeypatch.setattr(device, "_device", None)
    plan(GRAPH, WEIGHTS, OUTPUTS)
    assert device._device is None


def test_the_backend_says_that_it_is_simulated():
    status = faceapi.available_backends()["cuda"]
    assert status
    assert "simulator" in status.detail
