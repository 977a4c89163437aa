"""A function in several processes: results in order, bounded memory, and only the tasks at which a process ends are lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from helpers import ROOT, tasks
from npfaceapi.collection.processes import AHEAD, DIED, in_processes
from npfaceapi.engines.dispatch import current_backend, set_backend
from npfaceapi.errors import NpFaceApiError
from npfaceapi.photos.limits import set_max_megapixels


def numbers(count, *rest):
    return ((number, *rest) for number in range(count))


def test_one_worker_is_this_process():
    started = []
    found = list(in_processes(tasks.slow_first, numbers(4), 1, lambda: started.append(1)))
    assert found == [(number, os.getpid()) for number in range(4)]
    assert started == []


@pytest.mark.parametrize("workers", [1, 2])
def test_no_tasks(workers):
    assert list(in_processes(tasks.slow_first, [], workers, tasks.nothing)) == []
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_results_come_in_order_though_the_first_take_longest():
    found = list(in_processes(tasks.slow_first, numbers(40), 2, tasks.nothing))
    assert [number for number, _ in found] == list(range(40))
    assert os.getpid() not in {process for _, process in found}
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def endless():
        number = 0
        while True:
            taken.append(number)
            yield (number,)
            number += 1

    results = in_processes(tasks.slow_first, endless(), 2, tasks.nothing)
    for number in range(50):
        assert next(results)[0] == number
        assert len(taken) <= number + 2 * AHEAD + 1
    results.close()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("fatal", [(0,), (7, 8), (39,), (0, 5, 20, 39)])
def test_a_process_that_ends_costs_its_task_only(fatal):
    found = list(in_processes(tasks.deadly, numbers(40, *fatal), 2, tasks.nothing))
    assert found == [DIED if number in fatal else number for number in range(40)]


@pytest.mark.slow
def test_an_error_of_the_function_is_raised():
    results = in_processes(tasks.fails, numbers(9), 2, tasks.nothing)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError, match="of the function"):
        next(results)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_processes_that_cannot_start():
    with pytest.raises(NpFaceApiError, match="expected processes that start, got one that died: too little memory"):
        list(in_processes(tasks.deadly, numbers(3), 2, tasks.end))


@pytest.mark.slow
def test_processes_are_set_up_as_this_one():
    before, backend = dict(os.environ), current_backend()
    set_max_megapixels(3)
    set_backend("reference")
    try:
        found = set(in_processes(tasks.setup, numbers(6), 2, tasks.nothing))
    finally:
        set_backend(backend)
    assert found == {("reference", 1, 3_000_000, "1", True)}
    assert dict(os.environ) == before


PARENT = """
import sys
from helpers import tasks
from npfaceapi.collection.processes import in_processes
def numbers():
    n = 0
    while True:
        yield (n,)
        n += 1
if __name__ == "__main__":
    for number, process in in_processes(tasks.slow_first, numbers(), 2, tasks.nothing):
        print(process, flush=True)
"""


def is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc to see processes")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_its_parent(tmp_path, how):
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    with subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        found = {int(parent.stdout.readline()) for _ in range(8)}
        parent.send_signal(how)
        parent.stdout.close()
        parent.wait(timeout=30)
    deadline = time.monotonic() + 20
    while any(map(is_running, found)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [process for process in found if is_running(process)] == []
