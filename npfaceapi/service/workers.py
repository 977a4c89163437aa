"""Child processes that each answer one question at a time; one that crashes or takes too long is replaced."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from npfaceapi.collection.processes import interrupts_blocked, one_blas_thread
from npfaceapi.display.standard_error import say
from npfaceapi.errors import NpFaceApiError
from npfaceapi.service.limits import Limits, Refused

__all__ = ["Workers"]

START_SECONDS = 600  # to compile all kernels on a slow machine
AGAIN_SECONDS, LONGEST_AGAIN_SECONDS = 5, 60  # from one attempt to start a worker to the next; doubles each time
QUIET_SECONDS = 600  # between two lines about workers that do not start
_ENVIRONMENT = threading.Lock()  # is changed while a worker starts


class Workers:
    """A pool of child processes.

    Parameters
    ----------
    count : int
    begin : callable
        Is called once in each child.
    answer : callable
        Is called in a child for each question.  It and what it takes and returns are pickled.
    limits : Limits
        Its `queue` and `work_seconds` hold.

    Examples
    --------
    >>> async def square() -> float:
    ...     async with Workers(1, float, abs, Limits()) as workers:
    ...         return await workers.ask(-3)
    """

    def __init__(self, count: int, begin: Callable[[], object], answer: Callable[..., Any], limits: Limits) -> None:
        self.count = count
        self.ready = 0  # workers that have started
        self.waiting = 0  # questions that wait for a worker
        self._target = begin, answer
        self._limits = limits
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: list[_Worker] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(count, "worker")
        self._quiet_until = 0.0  # by the event loop's clock

    async def __aenter__(self) -> Workers:
        self._in_background(self._start_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._starting:
            task.cancel()
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()

    async def ask(self, *question: Any, is_patient: bool = False) -> Any:
        """What `answer(*question)` returns in a child.

        Parameters
        ----------
        is_patient : bool
            Wait however long the queue is.

        Raises
        ------
        NpFaceApiError
            As `answer` raised it.
        Refused
            429: the queue is full; 503: the child died; 504: it took too long.
        """
        self.check_queue(is_patient)
        self.waiting += 1
        try:
            worker = await self._idle.get()
            while not worker.is_alive():  # the system may have ended it
                self._replace(worker)
                worker = await self._idle.get()
        finally:
            self.waiting -= 1
        asked = asyncio.get_running_loop().run_in_executor(self._threads, worker.ask, question, self._limits.work_seconds)
        asked.add_done_callback(lambda done: self._asked(worker, done))  # also if this request is given up meanwhile
        result = await asyncio.shield(asked)
        if isinstance(result, NpFaceApiError):
            raise result
        return result

    def check_queue(self, is_patient: bool = False) -> None:
        """Refuse, with 429, if the queue is full."""
        if self.waiting >= self._limits.queue and not is_patient:
            raise Refused(429, f"expected at most {self._limits.queue} photos to wait, got one more: try again in a second")

    def _asked(self, worker: _Worker, done: asyncio.Future[Any]) -> None:
        if done.exception() is None:
            self._idle.put_nowait(worker)
        else:
            self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        self.ready -= 1
        self._in_background(self._start(worker))

    def _in_background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_all(self) -> None:
        """Start the first worker, which may compile kernels, and then the others, which find them."""
        self._workers = [_Worker(*self._target) for _ in range(self.count)]
        await self._start(self._workers[0])
        await asyncio.gather(*map(self._start, self._workers[1:]))

    async def _start(self, worker: _Worker) -> None:
        loop, seconds = asyncio.get_running_loop(), AGAIN_SECONDS
        while not await loop.run_in_executor(self._threads, worker.start):
            if loop.time() >= self._quiet_until:
                self._quiet_until = loop.time() + QUIET_SECONDS
                say(f"npfaceapi serve: workers: expected {self.count} that start, got {self.ready}; the others are tried again")
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_AGAIN_SECONDS)
        self.ready += 1
        self._idle.put_nowait(worker)


class _Worker:
    """One child process, and its successors.  Its methods block, except for `kill`."""

    def __init__(self, begin: Callable[[], object], answer: Callable[..., Any]) -> None:
        self._target = begin, answer
        self._process: Any = None
        self._connection: Any = None
        self._is_over = False

    def is_alive(self) -> bool:
        return bool(self._process.is_alive())

    def start(self) -> bool:
        """Start a child and wait until it can answer; False if the system refuses it, or it dies or takes too long."""
        spawn = multiprocessing.get_context("spawn")
        try:
            self._connection, theirs = spawn.Pipe()
            with theirs, _ENVIRONMENT, one_blas_thread(), interrupts_blocked():
                process = spawn.Process(target=_serve, args=(theirs, *self._target), daemon=True)
                process.start()
                self._process = process
            if self._is_over:
                self.kill()
            if self._connection.poll(START_SECONDS):
                return bool(self._connection.recv())
            self._end()
        except (EOFError, OSError):
            pass
        return self._is_over

    def ask(self, question: tuple[Any, ...], seconds: float) -> Any:
        try:
            self._connection.send(question)
            if self._connection.poll(seconds):
                return self._connection.recv()
        except (EOFError, OSError):
            self._end()
            reason = f"its worker ended with status {self._process.exitcode}, and is replaced"
            raise Refused(503, f"expected a photo that can be decoded and analyzed, got one for which {reason}") from None
        self._end()
        raise Refused(504, f"expected a photo that is analyzed within {seconds:g} seconds, got one that takes longer")

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def kill(self) -> None:
        self._is_over = True
        if self._process is not None:
            self._process.kill()


def _serve(connection: Connection, begin: Callable[[], object], answer: Callable[..., Any]) -> None:
    """The life of a child: it ends with the first exception that is no NpFaceApiError, which Python then prints."""
    begin()
    connection.send(True)
    while True:
        try:
            result = answer(*connection.recv())
        except NpFaceApiError as error:
            result = error
        except EOFError:  # the service has ended
            return
        connection.send(result)
