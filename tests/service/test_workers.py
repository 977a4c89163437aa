"""The pool of processes: workers that do not start."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os

import pytest

from npfaceapi.service import workers
from npfaceapi.service.limits import Limits
from npfaceapi.service.workers import Workers


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(workers, "AGAIN_SECONDS", 0.01)


async def started(count, begin, seconds):
    async with Workers(count, begin, abs, Limits()) as pool:
        async with asyncio.timeout(seconds):
            while pool.ready < count:
                await asyncio.sleep(0.01)
        return await pool.ask(-3)


@pytest.mark.slow
def test_workers_that_end_at_once_are_one_line(capfd):
    with pytest.raises(TimeoutError):
        asyncio.run(started(3, functools.partial(os._exit, 3), 2))
    assert capfd.readouterr().err == "npfaceapi serve: workers: expected 3 that start, got 0; the others are tried again\n"


@pytest.mark.slow
def test_a_process_that_the_system_refuses_is_tried_again(monkeypatch, capfd):
    start, left = multiprocessing.get_context("spawn").Process.start, [OSError(11, "Resource temporarily unavailable")]

    def refused_once(self):
        if left:
            raise left.pop()
        start(self)

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", refused_once)
    assert asyncio.run(started(1, float, 60)) == 3
    assert capfd.readouterr().err == "npfaceapi serve: workers: expected 1 that start, got 0; the others are tried again\n"
