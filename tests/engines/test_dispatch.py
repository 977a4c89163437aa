"""Choosing the backend and the number of threads."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import time

import numpy as np
import pytest

import npfaceapi as faceapi
from npfaceapi.engines import dispatch, thread_count


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(dispatch, "_of_the_process", None)
    monkeypatch.setattr(thread_count, "_of_the_process", None)
    monkeypatch.delenv("NPFACEAPI_BACKEND", raising=False)
    monkeypatch.delenv("NPFACEAPI_NUM_THREADS", raising=False)


#: A free-threaded Python lets threads inherit the context.
UNINHERITED = {"context": contextvars.Context()} if sys.version_info >= (3, 14) else {}


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()), **UNINHERITED)
    thread.start()
    thread.join()
    return found[0]


def both():
    return faceapi.current_backend(), faceapi.get_num_threads()


def test_set_for_the_process():
    assert faceapi.current_backend() == "numba"
    faceapi.set_backend("reference")
    faceapi.set_num_threads(3)
    assert both() == in_a_thread(both) == ("reference", 3)
    faceapi.set_backend("numba")
    assert faceapi.current_backend() == "numba"


def test_scoped_for_the_thread():
    faceapi.set_num_threads(5)
    with faceapi.use_backend("reference"), faceapi.use_num_threads(np.int64(7)):
        assert both() == ("reference", 7)
        assert in_a_thread(both) == ("numba", 5)  # a thread started inside the block
        with faceapi.use_backend("reference64"), faceapi.use_num_threads(2):
            assert both() == ("reference64", 2)
        assert both() == ("reference", 7)
    assert both() == ("numba", 5)


def test_a_block_holds_against_what_is_set_inside_of_it():
    with faceapi.use_backend("reference"), faceapi.use_num_threads(2):
        faceapi.set_backend("reference64")
        faceapi.set_num_threads(4)
        assert both() == ("reference", 2)
        assert in_a_thread(both) == ("reference64", 4)
    assert both() == ("reference64", 4)


def test_a_block_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), faceapi.use_backend("reference"), faceapi.use_num_threads(2):
        raise ZeroDivisionError
    assert faceapi.current_backend() == "numba"


def test_one_object_can_be_entered_again_and_in_other_threads():
    scope = faceapi.use_backend("reference")
    with scope, scope:
        assert faceapi.current_backend() == "reference"

        def inside():
            with scope:
                return faceapi.current_backend()

        assert in_a_thread(inside) == "reference"
        assert in_a_thread(faceapi.current_backend) == "numba"
    assert faceapi.current_backend() == "numba"


def test_blocks_that_end_in_another_order_leave_the_right_one():
    def inside(name):
        with faceapi.use_backend(name):
            yield

    first, second = inside("reference"), inside("reference64")
    next(first)
    next(second)
    first.close()
    assert faceapi.current_backend() == "reference64"
    second.close()
    assert faceapi.current_backend() == "numba"


def test_a_block_that_ends_in_another_thread_takes_none_of_its_blocks():
    def inside():
        with faceapi.use_backend("reference"), faceapi.use_num_threads(3):
            yield

    generator = inside()
    contextvars.copy_context().run(next, generator)  # as another task would

    def close():
        with faceapi.use_backend("reference64"), faceapi.use_num_threads(4):
            generator.close()
            return both()

    assert in_a_thread(close) == ("reference64", 4)


def test_a_block_gives_its_object():
    scope = faceapi.use_backend("reference")
    with scope as given:
        assert given is scope


def test_a_block_that_was_not_entered_does_nothing_and_says_so_once():
    for make, instead in (
        (lambda: faceapi.use_backend("reference"), "use_backend only acts in a with block; use set_backend(name)"),
        (lambda: faceapi.use_num_threads(99), "use_num_threads only acts in a with block; use set_num_threads(n)"),
    ):
        before, scope = both(), make()
        assert both() == in_a_thread(both) == before
        with pytest.warns(RuntimeWarning) as caught:
            del scope
        assert [str(warning.message) for warning in caught] == [instead]
        assert caught[0].filename == __file__
        with make():
            pass  # no warning: ours are errors here


def test_what_could_not_be_made_does_not_warn(recwarn):
    with pytest.raises(faceapi.InvalidArgument):
        faceapi.use_backend("fast")
    with pytest.raises(faceapi.InvalidArgument):
        faceapi.use_num_threads(0)
    gc.collect()
    assert not recwarn.list


@pytest.mark.slow
def test_a_thread_that_chose_nothing_never_sees_the_blocks_of_others():
    done = threading.Event()

    def work():
        while not done.is_set():
            with faceapi.use_backend("reference"), faceapi.use_num_threads(97):
                pass

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    end = time.perf_counter() + 1
    seen = set()
    while time.perf_counter() < end:
        seen.add(faceapi.current_backend())
        seen.add(faceapi.get_num_threads() == 97)
    done.set()
    for worker in workers:
        worker.join()
    assert seen == {"numba", False}


def test_tasks_of_asyncio_have_blocks_of_their_own():
    seen = []

    async def work(backend, n):
        with faceapi.use_backend(backend), faceapi.use_num_threads(n):
            for _ in range(20):
                await asyncio.sleep(0)
                seen.append(both() == (backend, n))
                seen.append(await asyncio.to_thread(both) == (backend, n))

    async def main():
        await asyncio.gather(work("reference", 1), work("reference64", 2), work("numba", 3))
        return both()

    faceapi.set_num_threads(6)
    assert asyncio.run(main()) == ("numba", 6)
    assert len(seen) == 120
    assert all(seen)


def test_networks_run_where_the_block_says(monkeypatch):
    net, batch = faceapi.nets.face_landmark_68_tiny_net, np.full((1, 112, 112, 3), 90, np.float32)
    with faceapi.use_backend("reference64"):
        assert net.run_net(batch)["points"].dtype == np.float64
    assert net.run_net(batch)["points"].dtype == np.float32


def test_environment(monkeypatch):
    monkeypatch.setenv("NPFACEAPI_BACKEND", "reference")
    assert faceapi.current_backend() == "reference"
    monkeypatch.setenv("NPFACEAPI_BACKEND", "fast")
    with pytest.raises(faceapi.InvalidArgument, match="NPFACEAPI_BACKEND: expected a backend out of numba"):
        faceapi.current_backend()
    monkeypatch.setenv("NPFACEAPI_NUM_THREADS", "3")
    assert faceapi.get_num_threads() == 3
    faceapi.set_num_threads(np.int64(2))
    assert faceapi.get_num_threads() == 2


@pytest.mark.parametrize("wrong", ["fast", "", [], np.zeros(3), None])
def test_unknown_backends(wrong):
    for choose in (faceapi.use_backend, faceapi.set_backend):
        with pytest.raises(faceapi.InvalidArgument, match=f"{choose.__name__}: expected a backend out of numba, reference"):
            choose(wrong)
    assert faceapi.current_backend() == "numba"


def test_a_backend_that_is_not_there_says_why(monkeypatch):
    missing = dispatch.BackendStatus(False, "numba-cuda is not installed")
    monkeypatch.setitem(dispatch._BACKENDS, "cuda", dispatch._BACKENDS["cuda"]._replace(status=lambda: missing))
    status = faceapi.available_backends()["cuda"]
    assert not status
    for choose in (faceapi.use_backend, faceapi.set_backend):
        with pytest.raises(faceapi.BackendUnavailable, match=status.detail):
            choose("cuda")
    with pytest.raises(faceapi.BackendUnavailable):
        faceapi.nets.face_landmark_68_tiny_net.run_net(np.zeros((1, 112, 112, 3)), backend="cuda")


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", None, 1025, 100_000, np.int64(2**62), float("inf")])
def test_wrong_numbers_of_threads(wrong):
    for choose in (faceapi.set_num_threads, faceapi.use_num_threads):
        with pytest.raises(faceapi.InvalidArgument, match=f"{choose.__name__}: expected a whole number from 1 to 1024, got "):
            choose(wrong)
        with pytest.raises(faceapi.InvalidArgument, match="got an integer of 16610 bits"):
            choose(10**5000)


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", " 2", "1025", "100000", "9" * 5000, "\u00b2"])
def test_wrong_numbers_of_threads_in_the_environment(wrong, monkeypatch):
    monkeypatch.setenv("NPFACEAPI_NUM_THREADS", wrong)
    with pytest.raises(faceapi.InvalidArgument, match="NPFACEAPI_NUM_THREADS: expected a whole number from 1 to 1024, got '"):
        faceapi.get_num_threads()


def test_a_machine_of_more_processors_than_that(monkeypatch):
    monkeypatch.delenv("NPFACEAPI_NUM_THREADS", raising=False)
    monkeypatch.setattr("npfaceapi.engines.thread_count.usable_cpus", lambda: 4096)
    monkeypatch.setattr("npfaceapi.engines.thread_count._of_the_process", None)
    assert faceapi.get_num_threads() == 1024


def test_without_numba_the_reference_runs_and_one_warning_says_so(monkeypatch):
    monkeypatch.setitem(
        dispatch._BACKENDS, "numba", dispatch._Backend(lambda: dispatch.BackendStatus(False, "no numba here"), None)
    )
    dispatch._warn_once.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="no numba here"):
            assert faceapi.current_backend() == "reference"
        assert faceapi.current_backend() == "reference"  # no second warning: warnings are errors here
    finally:
        dispatch._warn_once.cache_clear()


def without_memory_below(error):
    """The message of llvmlite."""
    error.__context__ = OSError("libllvmlite.so: failed to map segment from shared object")
    return error


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            ImportError("Numba needs NumPy 2.3 or less. Got NumPy 2.5."),
            "importing numba failed (Numba needs NumPy 2.3 or less. Got NumPy 2.5.); pip install --upgrade numba",
        ),
        (AttributeError("module 'numpy' has no attribute 'long'"), "(module 'numpy' has no attribute 'long'); pip install --up"),
        (ImportError("Numba needs NumPy 1.22 or greater. Got NumPy 1.20."), "NumPy 1.22 or greater. Got NumPy 1.20.)"),
        (ModuleNotFoundError("No module named 'llvmlite'"), "importing numba failed (No module named 'llvmlite')"),
        (ModuleNotFoundError("No module named 'numpy.rec'"), "importing numba failed (No module named 'numpy.rec')"),
        (OSError(2, "No usable temporary directory found"), "importing numba failed ([Errno 2] No usable temporary direct"),
        (OSError(24, "Too many open files"), "importing numba failed ([Errno 24] Too many open files)"),
        (OSError(12, "Cannot allocate memory"), "there is not enough memory to import numba"),
        (MemoryError(), "there is not enough memory to import numba"),
        (ImportError("libllvmlite.so: failed to map segment from shared object"), "there is not enough memory to import numba"),
        (without_memory_below(OSError("Could not find/load it")), "there is not enough memory to import numba"),
        (ImportError("libgomp.so: cannot allocate memory in static TLS block"), "importing numba failed (libgomp.so: cannot"),
        (RuntimeError("\n\n  several\nlines"), "importing numba failed (several)"),
    ],
)
def test_why_numba_cannot_be_imported(error, detail):
    """Upgrading Numba helps only if NumPy is too new for it."""
    said = dispatch._why_not_imported(error)
    assert detail in said
    assert ("upgrade" in said) == ("upgrade" in detail or "; pip install --up" in detail)


def test_every_message_is_one_line():
    for wrong in (np.zeros((40, 40)), "a\nb\x1b[31m", "x" * 5000):
        with pytest.raises(faceapi.InvalidArgument) as error:
            faceapi.use_backend(wrong)
        text = str(error.value)
        assert text.isprintable()
        assert len(text) < 1100
