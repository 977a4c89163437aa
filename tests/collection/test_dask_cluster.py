"""A function on a Dask cluster: results in order; a lost worker costs its part, and a deadly task itself, as in processes."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from helpers import ROOT, tasks
from npfaceapi._version import __version__
from npfaceapi.collection.dask_cluster import AHEAD, PART, in_dask
from npfaceapi.collection.processes import DIED
from npfaceapi.engines.dispatch import current_backend, set_backend
from npfaceapi.errors import BackendUnavailable, NpFaceApiError
from npfaceapi.photos.limits import set_max_megapixels

slow = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch):
    """A scheduler in this process and two workers in others."""
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as started,
    ):
        yield started


def numbers(count, *rest):
    return ((number, *rest) for number in range(count))


@slow
def test_results_come_in_order_and_tasks_are_taken_as_they_are_needed(cluster):
    taken = []

    def counted():
        for task in numbers(200):
            taken.append(task)
            yield task

    for at, (number, process) in enumerate(in_dask(tasks.slow_first, counted(), cluster.scheduler_address)):
        assert number == at
        assert process != os.getpid()
        assert len(taken) <= (at // PART + 1 + 2 * AHEAD + 1) * PART
    assert at == 199
    assert list(in_dask(tasks.slow_first, [], cluster.scheduler_address)) == []


@slow
def test_a_deadly_task_costs_itself_only(cluster):
    found = list(in_dask(tasks.deadly, numbers(20, 3, 12), cluster.scheduler_address))
    assert found == [DIED if number in (3, 12) else number for number in range(20)]


@slow
def test_a_lost_worker_costs_its_part_only(cluster):
    import dask

    seen = []
    with dask.config.set({"distributed.scheduler.allowed-failures": 3}):
        cluster.scheduler.allowed_failures = 3
        for number, _ in in_dask(tasks.slow_first, numbers(100), cluster.scheduler_address):
            seen.append(number)
            if number == 5:
                os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)
    assert seen == list(range(100))


@slow
def test_an_error_of_the_function_is_raised(cluster):
    with pytest.raises(ZeroDivisionError, match="of the function"):
        list(in_dask(tasks.fails, numbers(9), cluster.scheduler_address))


@slow
def test_workers_compute_as_this_process_does(cluster):
    set_max_megapixels(3)
    set_backend("reference")
    found = set(in_dask(tasks.setup, numbers(20), cluster.scheduler_address))
    assert current_backend() == "reference"
    assert {state[:3] for state in found} == {("reference", 1, 3_000_000)}


@slow
def test_a_scheduler_without_workers():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        with pytest.raises(NpFaceApiError) as caught:
            list(in_dask(tasks.deadly, numbers(3), address))
    assert str(caught.value) == f"scheduler {address}: expected workers, got none: start some with dask worker {address}"


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:1", "xyz://127.0.0.1:8786", "127.0.0.1:99999", "", 7])
def test_no_scheduler(address, monkeypatch):
    pytest.importorskip("distributed")
    real = pytest.importorskip("distributed").Client
    monkeypatch.setattr("distributed.Client", lambda *arguments, timeout, **keywords: real(*arguments, timeout=0.3, **keywords))
    with pytest.raises(NpFaceApiError) as caught:
        list(in_dask(tasks.deadly, numbers(3), address))
    assert str(caught.value).startswith(f"scheduler {address}: expected a Dask scheduler, got: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["nonsense", "xyz://127.0.0.1:8786", "", 7])
def test_what_is_no_address_makes_no_client(address, monkeypatch):
    """A Client that could not begin waits 20 seconds for its end, and prints a traceback."""
    pytest.importorskip("distributed")
    made = []
    monkeypatch.setattr("distributed.Client", lambda *arguments, **keywords: made.append(arguments))
    with pytest.raises(NpFaceApiError):
        list(in_dask(tasks.deadly, numbers(3), address))
    assert not made


class Client:
    """As much of a Dask client as is needed: one worker, and a future that ends as it is told."""

    def __init__(self, version, end):
        self.version, self.end = version, end

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def nthreads(self):
        return {"tcp://w:1": 1}

    def run(self, function, *arguments, on_error):
        assert function.__module__ == "pkgutil"  # not ours: a worker that cannot import it ends
        assert (function(*arguments), on_error) == (__version__, "return")
        return {"tcp://w:1": self.version}

    def submit(self, function, *arguments, pure):
        return self

    def result(self):
        raise self.end


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0.0.1", f"worker tcp://w:1: expected npfaceapi {__version__}, got 0.0.1"),
        (ImportError("No module named 'npfaceapi'"), f"worker tcp://w:1: expected npfaceapi {__version__}, got No module named "),
        (__version__, "scheduler tcp://127.0.0.1:1: expected one that stays connected, got: it is gone"),
    ],
)
def test_other_workers_and_a_scheduler_that_ends(version, message, monkeypatch):
    distributed = pytest.importorskip("distributed")
    end = distributed.CancelledError("it is gone\nsecond line")
    monkeypatch.setattr("distributed.Client", lambda *arguments, **keywords: Client(version, end))
    with pytest.raises(NpFaceApiError) as caught:
        list(in_dask(tasks.deadly, numbers(3), "tcp://127.0.0.1:1"))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_without_distributed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BackendUnavailable) as caught:
        list(in_dask(tasks.deadly, [], "tcp://127.0.0.1:1"))
    assert str(caught.value) == ('scheduler: expected the package distributed, got none installed; pip install "npfaceapi[dask]"')
