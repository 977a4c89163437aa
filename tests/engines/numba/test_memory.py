"""Memory: left by calls, held by a workspace, and the peak of the whole chain."""

from __future__ import annotations

import gc
import os
import random

import numpy as np
import pytest

import npfaceapi as faceapi
from npfaceapi.benchmark.processes import memory_section
from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.engines.numba import program
from npfaceapi.engines.numba.workspace import ALIGNMENT, Block, Workspaces, workspaces
from npfaceapi.networks.neural_network import MAX_PROGRAMS

CALLS = int(os.environ.get("NPFACEAPI_STRESS_CALLS", "500"))  # 2000 in the long version
NAMES = (
    pytest.param("ssd_mobilenetv1", marks=pytest.mark.slow), "tiny_face_detector",
    "face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net",
    "face_expression_net", "age_gender_net", "pnet", "rnet", "onet",
)  # fmt: skip


class Poisoned(Workspaces):
    """Allocates memory full of NaN, or with the contents of an earlier call."""

    def __init__(self, fill):
        super().__init__(0)
        self.fill = fill

    def take(self, size):
        block = super().take(size)
        block.array[:] = self.fill
        return block


@pytest.mark.parametrize("name", NAMES)
def test_no_step_relies_on_what_it_finds_in_its_memory(name, threads, monkeypatch):
    net = getattr(faceapi.nets.mtcnn if len(name) == 4 else faceapi.nets, name)
    batch = synthetic(3, (3, 97, 61, 3) if name == "pnet" else (3, net.input_size, net.input_size, 3), 0, 255)
    threads(1)
    expected = net.run_net(batch)
    for count in (1, 2):
        threads(count)
        for fill in (0xFF, 0x7F):  # NaN, and 3.4e38
            monkeypatch.setattr(program, "workspaces", Poisoned(fill))
            found = net.run_net(batch)
            assert all(found[key].tobytes() == expected[key].tobytes() for key in expected)


class Guarded(Workspaces):
    """Allocates memory between guard bytes, and checks them when it is returned."""

    GUARD, VALUE = 4096, 0xA5

    def __init__(self):
        super().__init__(0)
        self.outer, self.looked_at = {}, 0

    def take(self, size):
        outer = Block(size + 2 * self.GUARD)
        outer.array[:] = self.VALUE
        inner = Block(1)
        inner.array = outer.array[self.GUARD : self.GUARD + size]
        inner.address, inner.nbytes = outer.address + self.GUARD, size
        self.outer[inner.address] = outer
        return inner

    def give_back(self, block):
        outer = self.outer.pop(block.address).array
        self.looked_at += 1
        assert (outer[: self.GUARD] == self.VALUE).all(), "written before the block"
        assert (outer[self.GUARD + block.nbytes :] == self.VALUE).all(), "written behind the block"


@pytest.mark.parametrize("name", NAMES)
def test_no_step_writes_outside_of_its_memory(name, threads, monkeypatch):
    net = getattr(faceapi.nets.mtcnn if len(name) == 4 else faceapi.nets, name)
    batch = synthetic(3, (3, 97, 61, 3) if name == "pnet" else (3, net.input_size, net.input_size, 3), 0, 255)
    expected = net.run_net(batch)
    for count in (1, 2, 3):
        threads(count)
        guarded = Guarded()
        monkeypatch.setattr(program, "workspaces", guarded)
        found = net.run_net(batch)
        assert all(found[key].tobytes() == expected[key].tobytes() for key in expected)
        assert guarded.looked_at > 0
        assert guarded.outer == {}


def test_a_byte_too_far_is_seen():
    for place in (-1, 300):
        guarded = Guarded()
        block = guarded.take(300)
        guarded.outer[block.address].array[Guarded.GUARD + place] = 0
        with pytest.raises(AssertionError, match="written"):
            guarded.give_back(block)


def test_blocks_are_kept_up_to_a_limit_and_fit():
    pool = Workspaces(1000)
    first, second = pool.take(300), pool.take(500)
    assert first.address % ALIGNMENT == second.address % ALIGNMENT == 0
    pool.give_back(first)
    pool.give_back(second)
    assert pool.take(200) is first  # the smallest large enough
    assert pool.take(200) is second
    assert pool.free_bytes == 0
    for size in (400, 500, 600):
        pool.give_back(Block(size))
    assert pool.free_bytes == 600  # the most recently used
    pool.give_back(Block(2000))
    assert pool.free_bytes == 0


def resident():
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
def test_memory_is_steady_over_calls_of_mixed_sizes():
    """Plans for sizes no longer used are dropped, and so is their memory."""
    chance = random.Random(0)
    nets = faceapi.nets

    def call():
        kind = chance.randrange(4)
        if kind == 0:
            side = 32 * chance.randrange(1, 10)
            nets.tiny_face_detector.run_net(np.zeros((chance.randrange(1, 3), side, side, 3), np.float32))
        elif kind == 1:
            nets.mtcnn.pnet.run_net(np.zeros((1, chance.randrange(12, 300), chance.randrange(12, 300), 3), np.float32))
        elif kind == 2:
            nets.face_expression_net.run_net(np.zeros((chance.randrange(1, 9), 112, 112, 3), np.float32))
        else:
            nets.mtcnn.onet.run_net(np.zeros((chance.randrange(1, 40), 48, 48, 3), np.float32))

    for _ in range(CALLS // 3):
        call()
    gc.collect()
    before = resident()
    for _ in range(CALLS - CALLS // 3):
        call()
    gc.collect()
    assert resident() - before < 24e6
    assert len(nets.mtcnn.pnet._ready().programs) == MAX_PROGRAMS
    assert workspaces.free_bytes <= 128 * 2**20


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
def test_the_peak_of_the_chain():
    (record,) = memory_section("numba", 2).records
    assert record["faces"] == 3
    assert record["peak_bytes"] <= 350e6
