"""A function of many tasks on all cores: results in order, bounded memory, and a process that dies costs its task only."""

from __future__ import annotations

import collections
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from npfaceapi.engines.dispatch import current_backend, set_backend
from npfaceapi.engines.thread_count import set_num_threads
from npfaceapi.errors import NpFaceApiError
from npfaceapi.photos.limits import max_pixels, own_pillow, set_max_megapixels

__all__ = ["DIED", "in_processes", "interrupts_blocked", "one_blas_thread", "set_up"]

DIED = "died"  # the result of a task at which a process ended: a crash of a decoder, or too little memory
AHEAD = 8  # tasks per process that may be done before an earlier one
#: Read by BLAS libraries when NumPy is imported: each process uses one core.
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_Task = tuple[Any, ...]


def in_processes(
    function: Callable[..., Any], tasks: Iterable[_Task], workers: int, begin: Callable[[], object]
) -> Iterator[Any]:
    """Yield `function(*task)` for each task, in order, or `DIED`.

    Parameters
    ----------
    function : callable
        It and the tasks are pickled.
    tasks : iterable of tuples
        Arguments of the function, taken as they are needed.
    workers : int
        The number of processes; each uses one thread.  With one, it is this process itself, with its own threads.
    begin : callable
        Is called in one process before the others start, so that they find what it compiles.

    Raises
    ------
    NpFaceApiError
        If a process ends before its first task.
    Exception
        What the function raises.
    """
    if workers == 1:
        yield from (function(*task) for task in tasks)
        return
    rest = iter(tasks)
    with one_blas_thread():
        while waiting := collections.deque(itertools.islice(rest, workers * AHEAD)):  # tasks whose result is not yielded yet
            with _pool(workers) as pool, contextlib.suppress(BrokenProcessPool):
                _start(pool, begin)
                futures = collections.deque(_submit(pool, function, *task) for task in waiting)
                while futures:
                    yield futures.popleft().result()
                    waiting.popleft()
                    for task in itertools.islice(rest, 1):
                        waiting.append(task)
                        futures.append(_submit(pool, function, *task))
            yield from _one_by_one(function, waiting, begin)


def _one_by_one(function: Callable[..., Any], tasks: Iterable[_Task], begin: Callable[[], object]) -> Iterator[Any]:
    """The same in one process at a time, so that it is known at which task one dies."""
    rest = iter(tasks)
    for task in rest:
        with _pool(1) as pool:
            _start(pool, begin)
            for each in itertools.chain([task], rest):
                try:
                    yield _submit(pool, function, *each).result()
                except BrokenProcessPool:
                    yield DIED
                    break  # the next task gets a new process


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    state = current_backend(), max_pixels() / 1e6
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), set_up, state)
    try:
        yield pool
    finally:  # after Ctrl-C too: a process finishes the task that it has started
        pool.shutdown(cancel_futures=True)


def _start(pool: ProcessPoolExecutor, begin: Callable[[], object]) -> None:
    try:
        _submit(pool, begin).result()
    except BrokenProcessPool:
        raise NpFaceApiError(
            "expected processes that start, got one that died: too little memory, or a program without "
            '`if __name__ == "__main__":`'
        ) from None


def _submit(pool: ProcessPoolExecutor, function: Callable[..., Any], *task: Any) -> Future[Any]:
    """Submit a task, which may start a process."""
    with interrupts_blocked():
        return pool.submit(function, *task)


@contextlib.contextmanager
def interrupts_blocked() -> Iterator[None]:
    """A process that is started meanwhile inherits that Ctrl-C is blocked, as the parent handles it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def set_up(backend: str, megapixels: float) -> None:
    """Set up a new process like its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it is not blocked
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_num_threads(1)
    set_backend(backend)
    own_pillow()
    set_max_megapixels(megapixels)


def _end_with_parent() -> None:
    """End when the parent does: if it is killed, nothing else tells its processes."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Processes that are started meanwhile use one core for BLAS."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
