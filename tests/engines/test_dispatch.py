"""Choosing the backend and the number of threads."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import npfaceapi as faceapi
from npfaceapi.engines import dispatch, thread_count


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(dispatch, "_settings", [])
    monkeypatch.setattr(thread_count, "_num_threads", None)
    monkeypatch.delenv("NPFACEAPI_BACKEND", raising=False)


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_set_for_the_process():
    assert faceapi.current_backend() == "numba"
    faceapi.use_backend("reference")
    assert faceapi.current_backend() == in_a_thread(faceapi.current_backend) == "reference"
    for _ in range(50):
        faceapi.use_backend("reference64")
    gc.collect()
    faceapi.use_backend("numba")
    assert len(dispatch._settings) <= 2
    assert faceapi.current_backend() == "numba"


def test_scoped_for_the_thread():
    with faceapi.use_backend("reference") as scope:
        assert faceapi.current_backend() == "reference"
        assert in_a_thread(faceapi.current_backend) == "numba"
        with faceapi.use_backend("reference64"):
            assert faceapi.current_backend() == "reference64"
        with scope:
            assert faceapi.current_backend() == "reference"
        assert faceapi.current_backend() == "reference"
    assert faceapi.current_backend() == "numba"


def test_a_block_gives_back_what_was_set_before_it():
    faceapi.use_backend("reference64")
    with faceapi.use_backend("reference"):
        pass
    assert faceapi.current_backend() == "reference64"


def test_blocks_that_interleave_leave_nothing_behind():
    first, second = faceapi.use_backend("reference"), faceapi.use_backend("reference64")
    first.__enter__()
    second.__enter__()
    second.__exit__(None, None, None)
    first.__exit__(None, None, None)
    assert faceapi.current_backend() == "numba"


def test_many_threads_leave_nothing_behind():
    def work():
        for _ in range(300):
            with faceapi.use_backend("reference"):
                assert faceapi.current_backend() == "reference"

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faceapi.current_backend() == "numba"


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
    with pytest.raises(faceapi.InvalidArgument, match="use_backend: expected a backend out of numba, reference"):
        faceapi.use_backend(wrong)


def test_a_backend_that_is_not_there_says_why(monkeypatch):
    missing = dispatch.BackendStatus(False, "numba-cuda is not installed")
    monkeypatch.setitem(dispatch._BACKENDS, "cuda", dispatch._BACKENDS["cuda"]._replace(status=lambda: missing))
    status = faceapi.available_backends()["cuda"]
    assert not status
    with pytest.raises(faceapi.BackendUnavailable, match=status.detail):
        faceapi.use_backend("cuda")
    with pytest.raises(faceapi.BackendUnavailable):
        faceapi.nets.face_landmark_68_tiny_net.run_net(np.zeros((1, 112, 112, 3)), backend="cuda")


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", None])
def test_wrong_numbers_of_threads(wrong):
    with pytest.raises(faceapi.InvalidArgument, match="expected a whole number from 1 up"):
        faceapi.set_num_threads(wrong)


def test_without_numba_the_reference_runs_and_one_warning_says_so(monkeypatch):
    monkeypatch.setitem(
        dispatch._BACKENDS, "numba", dispatch._Backend(lambda: dispatch.BackendStatus(False, "no numba here"), None)
    )
    dispatch._default_backend.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="no numba here"):
            assert faceapi.current_backend() == "reference"
        assert faceapi.current_backend() == "reference"  # no second warning: warnings are errors here
    finally:
        dispatch._default_backend.cache_clear()


def test_every_message_is_one_line():
    for wrong in (np.zeros((40, 40)), "a\nb\x1b[31m", "x" * 5000):
        with pytest.raises(faceapi.InvalidArgument) as error:
            faceapi.use_backend(wrong)
        text = str(error.value)
        assert text.isprintable()
        assert len(text) < 1100
