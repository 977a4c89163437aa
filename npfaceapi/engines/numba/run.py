"""Running a program: one call without Python's lock takes an image, or a few, through all steps.

A kernel call is a row of the table: the kernel's address, its params' address, and into how many chunks it may be cut.  Alone,
a thread makes each call whole, for one image after the other: the weights that the call reads are then still in the caches.

In a team, with one image, every thread walks through the same table: it claims chunks of the call from an atomic counter
until none is left, waits until all are done, and goes on to the next call.  A helper that comes late finds nothing to claim
and costs nothing.

Many networks take less than half a millisecond, and waking a sleeping thread takes a tenth.  So after its part a helper spins
for the next call, for about as long as such a call takes: it polls its mailbox, where a caller stores the address of a work item.
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
    "CHUNKS",
    "COLUMNS",
    "KERNEL",
    "MAILBOX",
    "PARAMS",
    "SPINNING",
    "Table",
    "WorkItem",
    "make_ready",
    "run_steps",
    "spin_on_mailbox",
]

Array = np.ndarray[Any, Any]

KERNEL, PARAMS, CHUNKS = range(3)  # columns of the table
COLUMNS = 3
LINE = 16  # integers of two cache lines, which processors fetch together

MAILBOX = LINE  # integers of a mailbox: ASLEEP, SPINNING or a work item's address; and whether its helper is wanted elsewhere
ASLEEP, SPINNING = 0, 1
SPINS = 20_000  # polls of the mailbox without finding a work item: half a millisecond where it was measured

# A work item: what a thread needs to take part; how many helpers joined; how many were called through their mailboxes (-1: none
# yet), and left since.  Then two counters for each call, chunks claimed and chunks done, each in a LINE of its own.
TABLE, STEPS, MEMORY, SCRATCH, SCRATCH_BYTES, THREADS, JOINED, CALLED, LEFT = range(9)


@jitted()
def _wait_for(counter: int, value: int) -> None:
    """Wait until the counter has reached the value; other threads may need this processor to get there."""
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
    """All calls of the table, for the workspaces at `memories`."""
    workspaces = integers(memories, images)
    for i in range(steps):
        row = integers(table + i * COLUMNS * 8, COLUMNS)
        for n in range(images):
            call_kernel(uintp(row[KERNEL]), row[PARAMS], workspaces[n], scratch, int64(0), int64(1))


@jitted()
def _walk(address: int, member: int, threads: int) -> None:
    """Do what is left of the work item at that address, as the team's thread of that number: 0 leads."""
    item = integers(address, LINE)
    memory, scratch = item[MEMORY], item[SCRATCH] + member * item[SCRATCH_BYTES]
    for i in range(item[STEPS]):
        row = integers(item[TABLE] + i * COLUMNS * 8, COLUMNS)
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
    """A helper's part; the last helper may find no scratch memory left."""
    member = atomic_add(uintp(address + JOINED * 8), int64(1)) + 1
    threads = atomic_load(uintp(address + THREADS * 8))  # once: a work item that is abandoned has none
    if member < threads:
        _walk(address, member, threads)


@compiled(INT64, INT64, INT64)
def take_part(item: int, mailboxes: int, count: int) -> None:
    """A thread's part in a work item; the leader has `mailboxes`, and first calls as many spinning helpers as are wanted."""
    if mailboxes == 0:
        _join(item)
        return
    threads, called = integers(item, LINE)[THREADS], 0
    for k in range(count):
        if called < threads - 1 and atomic_replace(uintp(mailboxes + k * MAILBOX * 8), int64(SPINNING), item) == SPINNING:
            called += 1
    atomic_store(uintp(item + CALLED * 8), int64(called))
    _walk(item, 0, threads)


@compiled(INT64)
def spin_on_mailbox(mailbox: int) -> None:
    """Do the work items in the mailbox until none came for a while, or the helper is wanted elsewhere."""
    tries = 0
    atomic_replace(uintp(mailbox), int64(ASLEEP), int64(SPINNING))
    while True:
        item = atomic_load(uintp(mailbox))
        if item != SPINNING:
            _join(item)
            atomic_add(uintp(item + LEFT * 8), int64(1))
            atomic_replace(uintp(mailbox), item, int64(SPINNING))
            tries = 0
        elif tries < SPINS and atomic_load(uintp(mailbox + 8)) == 0:
            tries += 1
            if tries % 16:
                pause()
            else:
                yield_thread()  # the caller itself may be waiting for this processor
        elif atomic_replace(uintp(mailbox), int64(SPINNING), int64(ASLEEP)) == SPINNING:
            break


def make_ready() -> None:
    """Have all this compiled now rather than in the first call that needs it."""
    for kernel in (run_alone, take_part, spin_on_mailbox):
        kernel.prepare()


class Table:
    """Rows [calls,COLUMNS] of int64, and their address."""

    def __init__(self, rows: Array) -> None:
        self.rows, self.address = rows, int(rows.ctypes.data)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Table:
        return Table(self.rows[start:stop])


def run_steps(table: Table, memories: Sequence[int], scratch: int) -> None:
    """All calls of the table on this thread, for the workspaces at these addresses."""
    array = (ctypes.c_int64 * len(memories))(*memories)
    run_alone(table.address, len(table.rows), ctypes.addressof(array), len(memories), scratch)


class WorkItem:
    """A table of calls on one workspace, which threads share.

    `held` owns the memory behind its addresses: a helper may outlive a call that is interrupted.  The work item itself has
    to live while it is `followed`.
    """

    def __init__(self, table: Table, memory: int, scratch: int, scratch_bytes: int, threads: int, held: object) -> None:
        self.threads = threads
        self._table, self._held = table, held
        self._numbers = np.zeros((1 + 2 * len(table)) * LINE, np.int64)
        self._numbers[TABLE:JOINED] = (table.address, len(table), memory, scratch, scratch_bytes, threads)
        self._numbers[CALLED] = -1
        self._address = int(self._numbers.ctypes.data)

    def lead(self, mailboxes: Array) -> None:
        """Do the work, with the helpers that spin on their mailboxes."""
        take_part(self._address, mailboxes.ctypes.data, len(mailboxes))
        self._held = None  # a helper that comes now finds nothing to do

    def join(self) -> None:
        """Do a part of the work, if some is left."""
        take_part(self._address, 0, 0)

    def abandon(self) -> None:
        """If an interrupt came before the work began, no helper shall begin it."""
        if self._numbers[CALLED] < 0:
            self._numbers[THREADS] = self._numbers[CALLED] = 0

    @property
    def followed(self) -> bool:
        """Whether a helper that was called through its mailbox may still read this."""
        called = self._numbers[CALLED]
        return bool(called < 0 or self._numbers[LEFT] < called)
