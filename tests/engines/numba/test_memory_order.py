"""Memory ordering between threads as promised in docs/platforms.md, in the machine code and under stress.

A strongly ordered processor (x86) guarantees more than is required, so the stress test matters most on 64-bit ARM.
"""

from __future__ import annotations

import os
import platform
import re
import time

import numpy as np
import pytest

from helpers.threads import run_in_threads
from npfaceapi.engines.numba import cache, jit, threads as team
from npfaceapi.engines.numba.jit import kernel
from npfaceapi.engines.numba.kernels.memory import chunk_range, dereference, integers
from npfaceapi.engines.numba.run import CHUNKS, COLUMNS, JOINED, KERNEL, PARAMS, Table, WorkItem, spin_on_mailbox, take_part

SECONDS = float(os.environ.get("NPFACEAPI_STRESS_SECONDS", "4")) / 4  # 60 in the long version
COUNT, STEPS = 96, 12
MIXED = np.dtype([("source", np.int64), ("target", np.int64)])


@kernel(MIXED)
def mix(params, memory, scratch, chunk, chunks):
    """Each number depends on one that usually another chunk wrote in the previous step."""
    p = dereference(params)
    source, target = integers(memory + p.source, COUNT), integers(memory + p.target, COUNT)
    start, stop = chunk_range(COUNT, chunk, chunks)
    for i in range(start, stop):
        target[i] = 3 * source[(35 * i + 5) % COUNT] + 1


def mixed(numbers):
    for _ in range(STEPS):
        numbers = 3 * numbers[(35 * np.arange(COUNT) + 5) % COUNT] + 1
    return numbers


@pytest.fixture
def table(monkeypatch):
    """Steps that write the second and the first half of the memory alternately."""
    monkeypatch.setattr(cache, "load", lambda name: None)  # a test's kernel is not kept for other processes
    monkeypatch.setattr(cache, "keep", lambda *_: None)
    half = 8 * COUNT
    params = np.array([(0, half), (half, 0)], MIXED)
    rows = np.zeros((STEPS, COLUMNS), np.int64)
    rows[:, KERNEL], rows[:, CHUNKS] = mix.address, 64
    rows[0::2, PARAMS], rows[1::2, PARAMS] = params.ctypes.data, params[1:].ctypes.data
    yield Table(rows)
    del params  # until now


@pytest.fixture
def helpers():
    """Helpers of this test alone."""
    own = team._Helpers()
    yield own
    own.dismiss()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("members", [2, 3, 8])
@pytest.mark.parametrize("callers", [1, 3])
def test_each_step_sees_all_of_the_step_before_and_a_call_nothing_of_the_call_before(helpers, table, members, callers):
    joined = [0] * callers

    def call(k):
        random, memory = np.random.default_rng(k), np.zeros(2 * COUNT, np.int64)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or (not joined[k] and time.monotonic() < end + 60):  # helpers need a processor
            memory[:COUNT] = random.integers(0, 2**32, COUNT)
            expected = mixed(memory[:COUNT])
            item = WorkItem(table, memory.ctypes.data, 0, 0, members, memory)
            helpers.lead(item)
            np.testing.assert_array_equal(memory[:COUNT], expected)
            joined[k] += int(item._numbers[JOINED])

    run_in_threads(call, callers)
    assert all(joined)


class Slow(int):
    """A number that lets other threads run while it is incremented."""

    def __add__(self, other):
        time.sleep(0.0005)
        return Slow(int(self) + other)


def test_each_number_is_claimed_once():
    claimed: list[int] = []
    claims = team._Claims(claimed.append, 40)
    claims._next = Slow(0)
    run_in_threads(lambda _: claims.work(), 4)
    assert sorted(claimed) == list(range(40))
    claims.result()


def compiled_anew(function):
    """The kernel as LLVM IR and as instructions."""
    with jit._compiling:
        signature = jit.types.value.void(*map(jit.numba_type, function._arguments))
        library = jit._njit(function._function, False, signature).overloads[signature.args].library
        return library.get_llvm_str(), library.get_asm_str()


@pytest.mark.slow
@pytest.mark.parametrize("function", [take_part, spin_on_mailbox], ids=lambda function: function.name)
def test_every_atomic_access_keeps_an_order(function):
    code, assembly = compiled_anew(function)
    if platform.machine() in ("aarch64", "arm64"):  # LLVM expands what has no single instruction
        used = set(re.findall(r"^\s+(ldx\w+|stx\w+|lda\w+|stl\w+|cas\w*|swp\w*|ldadd\w*)\s", assembly, re.MULTILINE))
        assert {"ldar"} < used <= {"ldar", "stlr", "ldaxr", "stlxr", "casal", "ldaddal"}
        return
    orders = re.findall(r"(?:atomicrmw|cmpxchg|load atomic|store atomic) .*? (\w+), align", code)
    assert len(orders) > 5
    assert {"seq_cst"} <= set(orders) <= {"seq_cst", "release"}
