"""Our own helper threads, and never Numba's parallel loops (see `jit.py`).

Helpers wait for work in one queue; any number of callers may put work there at the same time.  A caller always works itself,
and never waits for a helper that has not started: work is claimed piece by piece, so a helper that comes late finds nothing
left.  How the work is cut changes no result, because no piece sums what another computes.

A helper that has just worked stays awake for a while, and a caller then reaches it through its box, without Python and
without the system (see `run.py`).
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from npfaceapi.engines.numba.run import ASLEEP, AWAKE, BOX, Order, wait_in_box

__all__ = ["claim_all", "run_together"]

Array = np.ndarray[Any, Any]

MOST_BOXES = 64  # further helpers have none, and sleep at once
_this_processor = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


class _Helpers:
    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """A forked child has none of its parent's threads: begin anew."""
        self._lock = threading.Lock()
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._boxes = np.full((MOST_BOXES, BOX), ASLEEP)
        # Never freed: a helper may still look into its box while the interpreter takes itself down.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._boxes))
        self._orders: list[Order] = []  # that a helper may still look at

    def _serve(self, boxes: Array) -> None:
        queue = self._work
        while True:
            work = queue.get()
            work()
            del work  # else the arrays of the last call would live on while we wait
            if len(boxes) and queue.empty():
                wait_in_box(boxes.ctypes.data)

    def offer(self, works: Sequence[Callable[[], None]]) -> None:
        """Have each of these functions called by a helper, sooner or later; they must not raise."""
        with self._lock:
            while (count := len(self._threads)) < len(works):
                own = (self._boxes[count : count + 1],)
                self._threads.append(threading.Thread(target=self._serve, args=own, name=f"npfaceapi-{count}", daemon=True))
                self._threads[-1].start()
            _keep_away(self._threads[: len(works)])
        for work in works:
            self._work.put(work)

    def lead(self, order: Order) -> None:
        """Do a call with those helpers who are awake, and with as many of the others as it wants besides."""
        with self._lock:
            self._orders = [*(o for o in self._orders if o.followed), order]
        boxes = self._boxes[: len(self._threads)]
        asleep = order.threads - 1 - np.count_nonzero(boxes[:, 0] == AWAKE)
        if asleep > 0:
            self.offer([order.join] * asleep)
        order.lead(boxes)


def _keep_away(helpers: Sequence[threading.Thread]) -> None:
    """Let helpers not run on the caller's processor.

    Linux in a virtual machine takes the other, sleeping processors for busy ones: it would wake a helper where the caller
    runs, and move it away only milliseconds later.
    """
    if _this_processor is None:
        return
    try:
        others = os.sched_getaffinity(0) - {_this_processor()}
        for helper in helpers:
            if others and helper.native_id:
                os.sched_setaffinity(helper.native_id, others)
    except OSError:  # a sandbox may forbid it
        pass


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)


def run_together(order: Order) -> None:
    """Run one image's call with helpers."""
    _helpers.lead(order)


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
        _helpers.offer([claims.work] * (min(threads, total) - 1))
        claims.work()
        claims.result()
    except BaseException as error:  # an interrupt, which can come at any point: the helpers shall not go on for nobody
        claims.abandon(error)
        raise
