"""Running a program: one call without Python's lock takes an image, or a few, through all steps.

A step is a row of the table: the kernel's address, its record's address, and in how many chunks it may be cut.  Alone, a
thread runs each step whole, for one image after the other: what the step reads of weights is then still in the caches.

In a team, with one image, every thread walks through the same table: it claims chunks of the step from an atomic counter
until none is left, waits until all are done, and goes on to the next step.  A team-mate that comes late finds nothing to claim
and costs nothing.

Many networks take less than half a millisecond, and to wake a sleeping thread takes a tenth.  So a helper that has done its
part waits awake for the next call, for about as long as such a call: it watches its box, where a caller leaves the address of
an order.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import INT64, compiled, int64, jitted, uintp
from npfaceapi.engines.numba.kernels.memory import integers
from npfaceapi.engines.numba.simd.atomics import (
    atomic_add,
    atomic_load,
    atomic_replace,
    atomic_store,
    call_kernel,
    pause,
    sleep_thread,
    yield_thread,
)

__all__ = [
    "ASLEEP",
    "AWAKE",
    "BOX",
    "CHUNKS",
    "COLUMNS",
    "KERNEL",
    "PARAMS",
    "Order",
    "Table",
    "make_ready",
    "run_steps",
    "wait_in_box",
]

Array = np.ndarray[Any, Any]

KERNEL, PARAMS, CHUNKS = range(3)  # columns of the table
COLUMNS = 3
LINE = 16  # whole numbers of two cache lines, which processors fetch together

BOX = LINE  # whole numbers of a box: the address of an order, ASLEEP or AWAKE; and whether its helper is wanted elsewhere
ASLEEP, AWAKE = 0, 1
PATIENCE = 20_000  # looks into the box without finding an order: half a millisecond where it was measured

# An order: what it takes to take part in a call; how many helpers joined; how many were called through their boxes (-1: nobody
# yet), and left since.  Then two counters for each step, chunks claimed and chunks done, each in a LINE of its own.
TABLE, STEPS, MEMORY, SCRATCH, SCRATCH_BYTES, THREADS, JOINED, CALLED, LEFT = range(9)


@jitted()
def _wait_for(counter: int, value: int) -> None:
    """Until the counter has reached the value; others may need this processor to get there."""
    tries = 0
    while atomic_load(uintp(counter)) < value:
        tries += 1
        if tries < 2000:
            pause()
        elif tries < 4000:
            yield_thread()
        else:
            sleep_thread(int64(50))


@compiled(INT64, INT64, INT64, INT64, INT64)
def run_alone(table: int, steps: int, memories: int, images: int, scratch: int) -> None:
    """All steps for the workspaces at `memories`."""
    workspaces = integers(memories, images)
    for i in range(steps):
        row = integers(table + i * COLUMNS * 8, COLUMNS)
        for n in range(images):
            call_kernel(uintp(row[KERNEL]), row[PARAMS], workspaces[n], scratch, int64(0), int64(1))


@jitted()
def _walk(address: int, member: int, threads: int) -> None:
    """Do what is left of the order at that address, as its member of that number: 0 leads."""
    order = integers(address, LINE)
    memory, scratch = order[MEMORY], order[SCRATCH] + member * order[SCRATCH_BYTES]
    for i in range(order[STEPS]):
        row = integers(order[TABLE] + i * COLUMNS * 8, COLUMNS)
        kernel, params, chunks = uintp(row[KERNEL]), row[PARAMS], min(row[CHUNKS], threads)
        claimed, done = address + (1 + 2 * i) * LINE * 8, address + (2 + 2 * i) * LINE * 8
        while True:
            chunk = atomic_add(uintp(claimed), int64(1))
            if chunk >= chunks:
                break
            call_kernel(kernel, params, memory, scratch, chunk, chunks)
            atomic_add(uintp(done), int64(1))
        _wait_for(done, chunks)


@jitted()
def _join(address: int) -> None:
    """A helper's part; the last to come may find that there is no scratch memory left for him."""
    member = atomic_add(uintp(address + JOINED * 8), int64(1)) + 1
    threads = atomic_load(uintp(address + THREADS * 8))  # once: an order that is abandoned has none
    if member < threads:
        _walk(address, member, threads)


@compiled(INT64, INT64, INT64)
def take_part(order: int, boxes: int, count: int) -> None:
    """A thread's part in an order; the leader has `boxes`, and first calls as many helpers who are awake as are wanted."""
    if boxes == 0:
        _join(order)
        return
    threads, called = integers(order, LINE)[THREADS], 0
    for k in range(count):
        if called < threads - 1 and atomic_replace(uintp(boxes + k * BOX * 8), int64(AWAKE), order) == AWAKE:
            called += 1
    atomic_store(uintp(order + CALLED * 8), int64(called))
    _walk(order, 0, threads)


@compiled(INT64)
def wait_in_box(box: int) -> None:
    """Follow the orders in the box until none came for a while, or the helper is wanted elsewhere."""
    tries = 0
    atomic_replace(uintp(box), int64(ASLEEP), int64(AWAKE))
    while True:
        order = atomic_load(uintp(box))
        if order != AWAKE:
            _join(order)
            atomic_add(uintp(order + LEFT * 8), int64(1))
            atomic_replace(uintp(box), order, int64(AWAKE))
            tries = 0
        elif tries < PATIENCE and atomic_load(uintp(box + 8)) == 0:
            tries += 1
            if tries % 16:
                pause()
            else:
                yield_thread()  # perhaps the caller itself waits for this processor
        elif atomic_replace(uintp(box), int64(AWAKE), int64(ASLEEP)) == AWAKE:
            break


def make_ready() -> None:
    """Have all this compiled now rather than in the first call that needs it."""
    for kernel in (run_alone, take_part, wait_in_box):
        kernel.prepare()


class Table:
    """Rows [steps,COLUMNS] of int64, and where they lie."""

    def __init__(self, rows: Array) -> None:
        self.rows, self.address = rows, int(rows.ctypes.data)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Table:
        return Table(self.rows[start:stop])


def run_steps(table: Table, memories: Sequence[int], scratch: int) -> None:
    """All steps on this thread, for the workspaces at these addresses."""
    array = (ctypes.c_int64 * len(memories))(*memories)
    run_alone(table.address, len(table.rows), ctypes.addressof(array), len(memories), scratch)


class Order:
    """A call that threads share: all steps on one workspace.

    `held` is what the addresses in it belong to: a helper may outlive a call that is interrupted.  The order itself has to
    live while it is `followed`.
    """

    def __init__(self, table: Table, memory: int, scratch: int, scratch_bytes: int, threads: int, held: object) -> None:
        self.threads = threads
        self._table, self._held = table, held
        self._numbers = np.zeros((1 + 2 * len(table)) * LINE, np.int64)
        self._numbers[TABLE:JOINED] = (table.address, len(table), memory, scratch, scratch_bytes, threads)
        self._numbers[CALLED] = -1
        self._address = int(self._numbers.ctypes.data)

    def lead(self, boxes: Array) -> None:
        """Do the call, with those helpers who wait in their boxes."""
        take_part(self._address, boxes.ctypes.data, len(boxes))
        self._held = None  # whoever comes now finds nothing to do

    def join(self) -> None:
        """Do a part of the call, if something is left."""
        take_part(self._address, 0, 0)

    def abandon(self) -> None:
        """If the call has not begun, because of an interrupt, nobody shall begin it."""
        if self._numbers[CALLED] < 0:
            self._numbers[THREADS] = self._numbers[CALLED] = 0

    @property
    def followed(self) -> bool:
        """Whether a helper who is called through its box may look at this."""
        called = self._numbers[CALLED]
        return bool(called < 0 or self._numbers[LEFT] < called)
