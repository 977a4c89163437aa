"""Our own helper threads, and never Numba's parallel loops (see `jit.py`).

Helpers wait for work in one queue; any number of callers may put work there at the same time.  A caller always works itself,
and never waits for a helper that has not started: work is claimed piece by piece, so a helper that comes late finds nothing
left.  How the work is cut changes no result, because no piece sums what another computes.

A helper that has just worked stays awake for a while, and a caller then reaches it through its box, without Python and
without the system (see `run.py`).

Helpers are threads of the system, and so are the locks between them and a caller, even where gevent or eventlet have put
something else in the place of `threading`, which would run on the caller's own thread.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import time
from _queue import SimpleQueue
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.numba.run import ASLEEP, BOX, Order, make_ready, wait_in_box
from npfaceapi.locks import system_threads

__all__ = ["claim_all", "run_together"]

Array = np.ndarray[Any, Any]

MOST_BOXES = 64  # further helpers have none, and sleep at once
FEW_PROCESSORS = 16
_this_processor = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


class _Helpers:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """A forked child has none of its parent's threads: begin anew."""
        self._lock = system_threads.RLock()
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._started = 0
        self._native_ids: list[int] = []  # of those that serve, which each gives itself
        self._serving = 0
        self._boxes = np.zeros((MOST_BOXES, BOX), np.int64)
        self._orders: list[Order] = []  # that a helper may still look at
        self._kept_away: tuple[int, set[int]] = (0, set())

    @property
    def boxes(self) -> Array:
        """Those that are in use."""
        return self._boxes[: self._serving]

    def _serve(self) -> None:
        with self._lock:
            box = self._boxes[self._serving : self._serving + 1]
            self._serving += 1
            self._native_ids.append(system_threads.get_native_id())
        queue = self._work
        try:
            while True:
                work = queue.get()
                work()
                del work  # else the arrays of the last call would live on while we wait
                if len(box):
                    box[0, 1] = 0  # before the look at the queue: `offer` does these in the other order
                    if queue.empty():
                        wait_in_box(box.ctypes.data)
        finally:  # a debugger has ended it; the system gives the number to another thread some day
            with self._lock:
                self._native_ids.remove(system_threads.get_native_id())

    def offer(self, works: Sequence[Callable[[], None]]) -> None:
        """Have each of these functions called by a helper, sooner or later or never; they must not raise."""
        if self._work.qsize() > self._started:  # helpers find no time for what they were offered before
            return
        make_ready()  # else a helper would compile, in the midst of other work
        with self._lock:
            while self._started < len(works):
                try:
                    system_threads.start_new_thread(self._serve, ())
                except RuntimeError:  # the system allows no more
                    break
                self._started += 1
            self._keep_away()
        for work in works[: self._started]:
            self._work.put(work)
        self.boxes[:, 1] = 1

    def _keep_away(self) -> None:
        """Let helpers not run on the caller's processor, where there are few.

        Linux in a virtual machine takes the other, sleeping processors for busy ones: it would wake a helper where the caller
        runs, and move it away only milliseconds later.
        """
        if _this_processor is None:
            return
        try:
            allowed = os.sched_getaffinity(0)
            others = allowed - {_this_processor()}
            if not others or len(allowed) > FEW_PROCESSORS or (len(self._native_ids), others) == self._kept_away:
                return
            self._kept_away = len(self._native_ids), others
            for native_id in self._native_ids:
                os.sched_setaffinity(native_id, others)
        except OSError:  # a sandbox may forbid it
            pass

    def lead(self, order: Order) -> None:
        """Do a call with those helpers who are awake, and with as many of those asleep as it wants besides."""
        try:
            with self._lock:
                for old in [old for old in self._orders if not old.followed]:
                    with contextlib.suppress(ValueError):  # a signal handler has removed it meanwhile
                        self._orders.remove(old)
                self._orders.append(order)
            asleep = order.threads - 1 - int(np.count_nonzero(self.boxes[:, 0] != ASLEEP))
            if asleep > 0:
                self.offer([order.join] * asleep)
            order.lead(self.boxes)
        finally:
            order.abandon()

    def dismiss(self) -> None:
        """Have all helpers leave their boxes, which are about to be freed."""
        end, nothing = time.monotonic() + 0.1, system_threads.allocate_lock()
        nothing.acquire()
        while (self.boxes[:, 0] != ASLEEP).any() and time.monotonic() < end:
            self.boxes[:, 1] = 1
            nothing.acquire(timeout=0.0001)  # `time.sleep` may be something else as well


_helpers = _Helpers()
atexit.register(lambda: _helpers.dismiss())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _helpers.forget())


def run_together(order: Order) -> None:
    """Run one image's call with helpers."""
    _helpers.lead(order)


class _Claims:
    """The numbers 0..total, each claimed by one of the threads that call `work`; after an error the rest is let be."""

    def __init__(self, function: Callable[[int], None], total: int) -> None:
        self._function, self._total, self._next, self._left = function, total, 0, total
        self._lock, self._unfinished = system_threads.allocate_lock(), system_threads.allocate_lock()
        self._unfinished.acquire()
        self._error: BaseException | None = None

    def work(self) -> None:
        while True:
            with self._lock:
                number = self._next
                self._next += 1
            if number >= self._total:
                return
            try:
                if self._error is None:
                    self._function(number)
            except BaseException as error:  # for the caller, who waits for all numbers
                self._error = error
            with self._lock:
                self._left -= 1
                if not self._left:
                    self._unfinished.release()

    def abandon(self, error: BaseException) -> None:
        self._error = error

    def release(self) -> None:
        """Let go of what the function holds: this may lie in the queue for long."""
        self._function = _nothing

    def result(self) -> None:
        self._unfinished.acquire()
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
        _helpers.offer([claims.work] * (min(threads, total) - 1))
        claims.work()
        claims.result()
    except BaseException as error:  # an interrupt, which can come at any point: the helpers shall not go on for nobody
        claims.abandon(error)
        raise
    finally:
        claims.release()


def _nothing(number: int) -> None:
    pass
