"""Several photos at a time: results and complaints in order, errors at once, the settings of the caller in each thread."""

from __future__ import annotations

import os
import threading
import time

import pytest

from npfaceapi.commands.photos import complain
from npfaceapi.commands.side_by_side import MOST, in_order
from npfaceapi.display.standard_error import say
from npfaceapi.engines.dispatch import current_backend, use_backend
from npfaceapi.engines.thread_count import get_num_threads, use_num_threads
from npfaceapi.locks import standard_error

PHOTOS = [f"{n}.jpg" for n in range(20)]


def test_results_and_complaints_come_in_order(capsys):
    def function(photo):
        time.sleep(0.05 if photo == "0.jpg" else 0)
        complain(f"{photo} is dark")
        return photo

    with use_num_threads(4):
        for done, photo in enumerate(in_order(function, PHOTOS)):
            assert photo == PHOTOS[done]
            assert capsys.readouterr().err == f"npfaceapi: {photo} is dark\n"


@pytest.mark.parametrize(
    ("threads", "count", "at_once", "each"), [(1, 9, 1, 1), (2, 9, 2, 1), (8, 2, 2, 4), (16, 99, MOST, 2), (4, 1, 1, 4)]
)
def test_threads_are_shared(threads, count, at_once, each):
    lock, running, most = threading.Lock(), [0], [0]

    def function(photo):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return get_num_threads()

    with use_num_threads(threads):
        assert set(in_order(function, PHOTOS[:1] * count)) == {each}
    assert most[0] == at_once


def test_the_backend_of_the_caller():
    with use_num_threads(2), use_backend("numba"):
        assert set(in_order(lambda _: current_backend(), PHOTOS)) == {"numba"}
    with use_num_threads(2), use_backend("reference"):
        assert set(in_order(lambda _: threading.current_thread(), PHOTOS)) == {threading.current_thread()}


def test_an_error_ends_it():
    seen = []

    def function(photo):
        seen.append(photo)
        if photo == "3.jpg":
            raise MemoryError
        return photo

    with use_num_threads(2), pytest.raises(MemoryError):
        list(in_order(function, PHOTOS))
    assert len(seen) < len(PHOTOS)


def test_a_caller_who_stops_waits_for_what_has_begun_only():
    seen = []
    with use_num_threads(2):
        results = in_order(seen.append, PHOTOS)
        next(results)
        results.close()
    count = len(seen)
    time.sleep(0.05)
    assert len(seen) == count < len(PHOTOS)


def test_a_line_waits_while_standard_error_leads_elsewhere(capfd):
    with standard_error:
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        thread = threading.Thread(target=say, args=["not lost"])
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
    thread.join()
    assert capfd.readouterr().err == "not lost\n"
