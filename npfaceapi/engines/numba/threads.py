"""Our own helper threads: they share the rows of a step, and never Numba's parallel loops.

A step is a kernel over a range 0..total.  The range is cut into chunks; the calling thread and the helpers claim one
after the other until none is left, so that a helper that comes late, or never, costs nothing.  Any number of Python threads
may do this at the same time: each has its own job, the helpers serve all jobs, and a caller never waits for a helper that
has not started.  How the range is cut changes no result, because no kernel sums across rows.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["run_in_ranges"]

CHUNKS_A_THREAD = 3  # enough that an unequal share of the CPU evens out, few enough that claiming costs nothing


class _Job:
    def __init__(self, function: Callable[[int, int], None], total: int, chunks: int) -> None:
        self.function, self.total, self.chunks = function, total, chunks
        self._claims = itertools.count()
        self._left = chunks
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._error: BaseException | None = None

    def work(self) -> None:
        while (chunk := next(self._claims)) < self.chunks:
            try:
                self.function(self.total * chunk // self.chunks, self.total * (chunk + 1) // self.chunks)
            except BaseException as error:  # handed to the caller, who waits for all chunks
                self._error = error
            with self._lock:
                self._left -= 1
                if not self._left:
                    self._done.set()

    def result(self) -> None:
        self._done.wait()
        if self._error is not None:
            raise self._error


class _Helpers:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """A forked child has none of its parent's threads: begin anew."""
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._count = 0

    def _serve(self) -> None:
        jobs = self._jobs
        while True:
            job = jobs.get()
            job.work()
            del job  # else the arrays of the last job would live on while we wait

    def offer(self, job: _Job, helpers: int) -> None:
        with self._lock:
            while self._count < helpers:
                threading.Thread(target=self._serve, name=f"npfaceapi-{self._count}", daemon=True).start()
                self._count += 1
        for _ in range(helpers):
            self._jobs.put(job)


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)


def run_in_ranges(function: Callable[[int, int], None], total: int, threads: int) -> None:
    """Call `function(start, stop)` on ranges that make up 0..total, on so many threads."""
    if threads == 1 or total <= 1:
        function(0, total)
        return
    job = _Job(function, total, min(total, threads * CHUNKS_A_THREAD))
    _helpers.offer(job, min(threads, total) - 1)
    job.work()
    job.result()
