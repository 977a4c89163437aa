"""Fixtures shared by several folders of tests, and rules for `pytest -n`."""

from __future__ import annotations

import collections
import contextlib
import os

import pytest

try:
    import fcntl
except ImportError:  # no file locks on Windows
    fcntl = None

if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores, where OpenBLAS's threads would wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported

pytest.register_assert_rewrite("helpers")
import helpers  # noqa: E402  # takes the folder of weights out of the environment, before tests are collected


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Under `pytest -n`, one process runs all tests of a file, and files begin in the order of the collection."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.hookimpl(tryfirst=True)  # before -m deselects tests
def pytest_collection_modifyitems(config, items):
    """Mark all but the first n parameter sets of a test marked `slow_after(n)` as slow.

    Under `pytest -n`, tests marked `alone` come first, as later each would wait for what runs then, and next the files in `LONG`.
    """
    seen = collections.Counter()
    for item in items:
        mark = item.get_closest_marker("slow_after")
        if mark is not None:
            test = item.nodeid.partition("[")[0]
            seen[test] += 1
            if seen[test] > mark.args[0]:
                item.add_marker("slow")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.nodeid.partition("::")[0] not in helpers.LONG)
        items.sort(key=lambda item: item.get_closest_marker("alone") is None)


@contextlib.contextmanager
def turn(folder, alone):
    """Let the processes that share the folder run a test concurrently with others, or exclusively."""
    with open(folder / "gate", "w") as gate, open(folder / "turn", "w") as turns:
        fcntl.flock(gate, fcntl.LOCK_EX)  # a process waiting for exclusive access holds the gate, so that no other starts a test
        fcntl.flock(turns, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(turns, fcntl.LOCK_UN)  # closing is not enough while a forked child has it open


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if fcntl is None or not hasattr(item.config, "workerinput"):  # not under xdist, or a process started by a test
        return (yield)
    folder = item.config._tmp_path_factory.getbasetemp().parent  # the folder of this run, with a subfolder per process
    with turn(folder, item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture
def run(capsys):
    """Runs a command in this process: (exit status, output, errors)."""
    from npfaceapi import cli

    def run(*argv):
        try:
            status = cli.main([str(argument) for argument in argv])
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return run


@pytest.fixture(autouse=True)
def settings_of_the_process():
    """Undo a test's process-wide settings, so that tests run in any order."""
    from npfaceapi.engines import dispatch, thread_count
    from npfaceapi.photos import limits

    before = dispatch._of_the_process, thread_count._of_the_process, limits._of_the_process, limits._owns_pillow
    yield
    dispatch._of_the_process, thread_count._of_the_process, limits._of_the_process, limits._owns_pillow = before


@pytest.fixture
def threads():
    """A function that sets the number of threads for the test."""
    from npfaceapi.engines.thread_count import set_num_threads

    return set_num_threads
