"""Our own helper threads, and never Numba's parallel loops (see `jit.py`).

Helpers wait for functions in one queue; any number of callers may put some there at the same time.  A caller always works
itself, and never waits for a helper that has not started: chunks are claimed one by one, so a helper that comes late finds none
left.  How the work is cut changes no result, because no chunk sums what another computes.

A helper that has just worked spins for a while, and a caller then reaches it through its mailbox, without Python and without
a system call (see `run.py`).

Helpers are threads of the operating system, and so are the locks between them and a caller, even where gevent or eventlet have
replaced `threading` by something that would run on the caller's own thread.
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

from npfaceapi.engines.numba.run import ASLEEP, MAILBOX, WorkItem, make_ready, spin_on_mailbox
from npfaceapi.locks import system_threads

__all__ = ["claim_all", "run_together"]

Array = np.ndarray[Any, Any]

MOST_MAILBOXES = 64  # further helpers have none, and block on the queue at once
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
        self._native_ids: list[int] = []  # of the helpers that serve; each adds its own
        self._serving = 0
        self._mailboxes = np.zeros((MOST_MAILBOXES, MAILBOX), np.int64)
        self._items: list[WorkItem] = []  # that a helper may still read
        self._kept_away: tuple[int, set[int]] = (0, set())

    @property
    def mailboxes(self) -> Array:
        """Those that are in use."""
        return self._mailboxes[: self._serving]

    def _serve(self) -> None:
        with self._lock:
            mailbox = self._mailboxes[self._serving : self._serving + 1]
            self._serving += 1
            self._native_ids.append(system_threads.get_native_id())
        queue = self._work
        try:
            while True:
                work = queue.get()
                work()
                del work  # else the arrays of the last call would live on while we wait
                if len(mailbox):
                    mailbox[0, 1] = 0  # before the look at the queue: `offer` does these in the other order
                    if queue.empty():
                        spin_on_mailbox(mailbox.ctypes.data)
        finally:  # a debugger has ended it; the system gives the number to another thread some day
            with self._lock:
                self._native_ids.remove(system_threads.get_native_id())

    def offer(self, works: Sequence[Callable[[], None]]) -> None:
        """Offer these functions to helper threads; each may run late or never, and must not raise."""
        if self._work.qsize() > self._started:  # helpers have not caught up with earlier offers
            return
        make_ready()  # else a helper would compile, in the middle of other work
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
        self.mailboxes[:, 1] = 1

    def _keep_away(self) -> None:
        """Keep helpers off the caller's processor, where there are few.

        Linux in a virtual machine takes the other, idle processors for busy ones: it would wake a helper where the caller
        runs, and migrate it only milliseconds later.
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

    def lead(self, item: WorkItem) -> None:
        """Run a work item on the spinning helpers, waking sleeping ones as needed."""
        try:
            with self._lock:
                for old in [old for old in self._items if not old.followed]:
                    with contextlib.suppress(ValueError):  # a signal handler has removed it meanwhile
                        self._items.remove(old)
                self._items.append(item)
            asleep = item.threads - 1 - int(np.count_nonzero(self.mailboxes[:, 0] != ASLEEP))
            if asleep > 0:
                self.offer([item.join] * asleep)
            elif _this_processor is not None and _this_processor() in self._kept_away[1]:  # it was moved to where helpers run
                with self._lock:
                    self._keep_away()
            item.lead(self.mailboxes)
        finally:
            item.abandon()

    def dismiss(self) -> None:
        """Have all helpers leave their mailboxes, which are about to be freed."""
        end, nothing = time.monotonic() + 0.1, system_threads.allocate_lock()
        nothing.acquire()
        while (self.mailboxes[:, 0] != ASLEEP).any() and time.monotonic() < end:
            self.mailboxes[:, 1] = 1
            nothing.acquire(timeout=0.0001)  # `time.sleep` may be something else as well


_helpers = _Helpers()
atexit.register(lambda: _helpers.dismiss())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _helpers.forget())


def run_together(item: WorkItem) -> None:
    """Run a work item with helpers."""
    _helpers.lead(item)


class _Claims:
    """The numbers 0..total, each claimed by one of the threads that call `work`; after an error the rest is skipped."""

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
            except BaseException as error:  # for the caller, which waits for all numbers
                self._error = error
            with self._lock:
                self._left -= 1
                if not self._left:
                    self._unfinished.release()

    def abandon(self, error: BaseException) -> None:
        self._error = error

    def release(self) -> None:
        """Drop the reference to the function: this may stay in the queue for long."""
        self._function = _nothing

    def result(self) -> None:
        self._unfinished.acquire()
        if self._error is not None:
            raise self._error


def claim_all(function: Callable[[int], None], total: int, threads: int) -> None:
    """Call `function(number)` for 0..total on `threads` threads; returns when all is done, or at once if interrupted."""
    if threads == 1 or total == 1:
        for number in range(total):
            function(number)
        return
    claims = _Claims(function, total)
    try:
        _helpers.offer([claims.work] * (min(threads, total) - 1))
        claims.work()
        claims.result()
    except BaseException as error:  # an interrupt, which can come at any point: the helpers shall not go on
        claims.abandon(error)
        raise
    finally:
        claims.release()


def _nothing(number: int) -> None:
    pass
