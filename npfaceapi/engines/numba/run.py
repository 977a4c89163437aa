"""Running a program: one call without Python's lock takes an image, or a few, through all steps.

A step is a row of the table: the kernel's address, its record's address, and in how many chunks it may be cut.  Alone, a
thread runs each step whole, for one image after the other: what the step reads of weights is then still in the caches.  In a
team, with one image, every thread walks through the same table: it claims chunks of the step from an atomic
counter until none is left, waits until all are done, and goes on to the next step.  A team-mate that comes late finds nothing
to claim and costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import INT64, compiled, int64, jitted, uintp
from npfaceapi.engines.numba.kernels.memory import integers
from npfaceapi.engines.numba.simd.atomics import atomic_add, atomic_load, call_kernel, pause, sleep_thread, yield_thread

__all__ = ["CHUNKS", "COLUMNS", "COUNTER_BYTES", "KERNEL", "PARAMS", "run_steps"]

Array = np.ndarray[Any, Any]

KERNEL, PARAMS, CHUNKS = range(3)  # columns of the table
COLUMNS = 3
COUNTER_BYTES = 128  # a step's two counters, a cache line each


@jitted()
def wait_for(counter: int, value: int) -> None:
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


@compiled(INT64, INT64, INT64, INT64, INT64, INT64)
def run_table(table: int, steps: int, memories: int, images: int, scratch: int, counters: int) -> None:
    """`run_steps` over addresses."""
    workspaces = integers(memories, images)
    for i in range(steps):
        row = integers(table + i * COLUMNS * 8, COLUMNS)
        kernel, params, chunks = uintp(row[KERNEL]), row[PARAMS], row[CHUNKS]
        if counters == 0:
            for n in range(images):
                call_kernel(kernel, params, workspaces[n], scratch, int64(0), int64(1))
            continue
        claimed, done = counters + i * COUNTER_BYTES, counters + i * COUNTER_BYTES + COUNTER_BYTES // 2
        while True:
            chunk = atomic_add(uintp(claimed), int64(1))
            if chunk >= chunks:
                break
            call_kernel(kernel, params, workspaces[0], scratch, chunk, chunks)
            atomic_add(uintp(done), int64(1))
        wait_for(done, chunks)


def run_steps(table: Array, memories: Array, scratch: int, counters: int) -> None:
    """All steps on the workspaces at `memories`; `counters` is the address of the team's counters, or 0 for a thread alone."""
    run_table(table.ctypes.data, len(table), memories.ctypes.data, len(memories), scratch, counters)
