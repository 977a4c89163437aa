"""Our own helper threads, and never Numba's parallel loops (see `jit.py`).

Helpers wait for work in one queue; any number of callers may put work there at the same time.  A caller always works itself,
and never waits for a helper that has not started: work is claimed piece by piece, so a helper that comes late finds nothing
left.  How the work is cut changes no result, because no piece sums what another computes.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["claim_all", "offer"]


class _Helpers:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """A forked child has none of its parent's threads: begin anew."""
        self._lock = threading.Lock()
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._count = 0

    def _serve(self) -> None:
        queue = self._work
        while True:
            work = queue.get()
            work()
            del work  # else the arrays of the last call would live on while we wait

    def offer(self, works: list[Callable[[], None]]) -> None:
        with self._lock:
            while self._count < len(works):
                threading.Thread(target=self._serve, name=f"npfaceapi-{self._count}", daemon=True).start()
                self._count += 1
        for work in works:
            self._work.put(work)


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)


def offer(works: list[Callable[[], None]]) -> None:
    """Have each of these functions called by a helper, sooner or later; they must not raise."""
    _helpers.offer(works)


class _Claims:
    """The numbers 0..total, each claimed by one of the threads that call `work`; after an error the rest is let be."""

    def __init__(self, function: Callable[[int], None], total: int) -> None:
        self._function, self._total, self._left = function, total, total
        self._next = itertools.count()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._error: BaseException | None = None

    def work(self) -> None:
        while (number := next(self._next)) < self._total:
            try:
                if self._error is None:
                    self._function(number)
            except BaseException as error:  # for the caller, who waits for all numbers
                self._error = error
            with self._lock:
                self._left -= 1
                if not self._left:
                    self._done.set()

    def abandon(self, error: BaseException) -> None:
        self._error = error

    def result(self) -> None:
        self._done.wait()
        if self._error is not None:
            raise self._error


def claim_all(function: Callable[[int], None], total: int, threads: int) -> None:
    """Call `function(number)` for 0..total on so many threads; returns when all is done, or at once if it is interrupted."""
    if threads == 1 or total == 1:
        for number in range(total):
            function(number)
        return
    claims = _Claims(function, total)
    try:
        offer([claims.work] * (min(threads, total) - 1))
        claims.work()
        claims.result()
    except BaseException as error:  # an interrupt, which can come at any point: the helpers shall not go on for nobody
        claims.abandon(error)
        raise
