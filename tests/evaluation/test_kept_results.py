"""Stored results of photos: reused, never stale, never mixed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from helpers import ROOT
from npfaceapi.engines.dispatch import current_backend, use_backend
from npfaceapi.errors import InvalidArgument, NpFaceApiError
from npfaceapi.evaluation import kept_results as module
from npfaceapi.evaluation.kept_results import kept_results, packed, unpacked
from npfaceapi.photos.limits import max_pixels, set_max_megapixels


def silent(done, of):
    pass


@pytest.fixture
def items(tmp_path):
    paths = [tmp_path / f"{k}.jpg" for k in range(5)]
    for k, path in enumerate(paths):
        path.write_bytes(b"x" * k)
    return [str(path) for path in paths]


@pytest.fixture
def size(monkeypatch):
    """A function with its log of items, in a single process."""
    monkeypatch.setattr(module, "usable_cpus", lambda: 1)

    def size(item):
        size.asked.append(item)
        return {"size": os.path.getsize(item)}

    size.asked = []
    return size


def test_results_and_progress(items, size):
    told = []
    results = kept_results(items, size, "sizes", None, lambda *numbers: told.append(numbers))
    assert list(results.items()) == [(item, {"size": k}) for k, item in enumerate(items)]
    assert told == [(k, 5) for k in range(6)]


def test_what_was_kept_is_not_computed_again(items, size, tmp_path):
    first = kept_results(items[:3], size, "sizes", tmp_path / "c", silent)
    told = []
    assert kept_results(items, size, "sizes", tmp_path / "c", lambda *numbers: told.append(numbers)) | first
    assert size.asked == items
    assert told == [(3, 5), (4, 5), (5, 5)]


def test_a_file_that_has_changed_is(items, size, tmp_path):
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    (tmp_path / "2.jpg").write_bytes(b"longer")
    assert kept_results(items, size, "sizes", tmp_path / "c", silent)[items[2]] == {"size": 6}
    assert size.asked == [*items, items[2]]
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    assert len(size.asked) == 6


@pytest.mark.parametrize("other", ["about", "version", "backend"])
def test_other_results_are_kept_apart(items, size, tmp_path, monkeypatch, other):
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    if other == "version":
        monkeypatch.setattr(module, "__version__", "0.0.1")
    with use_backend("reference64" if other == "backend" else current_backend()):
        kept_results(items, size, "others" if other == "about" else "sizes", tmp_path / "c", silent)
    assert size.asked == items * 2
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_other_weights_are_kept_apart(items, size, tmp_path, monkeypatch):
    kept_results(items, size, "sizes", tmp_path / "c", silent)

    class Network:
        def __reduce__(self):
            return str, ("other weights",)

    monkeypatch.setattr(module.nets, "tiny_yolov2", Network(), raising=False)
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    assert size.asked == items * 2


@pytest.mark.parametrize("end", ["", '{"item": "', "[]\n", '{"item": 1, "stamp": [], "result": {}}\n', "\xff\n", "{}\n", "null"])
def test_a_damaged_file_costs_what_is_damaged_alone(items, size, tmp_path, end):
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    (file,) = (tmp_path / "c").iterdir()
    lines = [line for line in file.read_bytes().splitlines() if line]
    file.write_bytes(b"\n".join(lines[:3]) + b"\n" + lines[3][:-4] + b"\n" + lines[4] + b"\n" + end.encode("latin-1"))
    for _ in range(2):
        assert len(kept_results(items, size, "sizes", tmp_path / "c", silent)) == 5
    assert size.asked == [*items, items[3]]


def test_two_runs_share_a_folder(items, monkeypatch, tmp_path):
    """Their lines do not interleave, however long they are."""
    monkeypatch.setattr(module, "usable_cpus", lambda: 1)
    barrier = threading.Barrier(2)

    def long(item):
        barrier.wait(10)
        return {"numbers": [float(len(item))] * 20_000}

    runs = [threading.Thread(target=kept_results, args=(items, long, "long", tmp_path / "c", silent)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    (file,) = (tmp_path / "c").iterdir()
    records = [json.loads(line) for line in file.read_bytes().splitlines() if line]
    assert sorted(record["item"] for record in records) == sorted(items * 2)


def test_the_same_folder_named_in_another_way(items, size, tmp_path, monkeypatch):
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    monkeypatch.chdir(tmp_path)
    names = [os.path.basename(item) for item in items]
    assert list(kept_results(names, size, "sizes", tmp_path / "c", silent)) == names
    assert size.asked == items


def test_what_is_done_is_kept_when_a_run_is_stopped(items, size, tmp_path):
    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_results(items, size, "sizes", tmp_path / "c", stop)
    kept_results(items, size, "sizes", tmp_path / "c", silent)
    assert size.asked == items


def test_a_cache_that_is_none(items, size, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match=r"cache .*file: expected a folder to write to, got: "):
        kept_results(items, size, "sizes", tmp_path / "file", silent)


def test_numbers_as_text():
    numbers = np.random.default_rng(0).random((5, 2)).astype(np.float32)
    np.testing.assert_array_equal(unpacked(packed(numbers)), numbers.ravel())


# ------------------------------------------------------------------ processes


def of_the_process(item):
    from npfaceapi.engines.thread_count import get_num_threads

    return {"process": os.getpid(), "backend": current_backend(), "megapixels": max_pixels() / 1e6, "threads": get_num_threads()}


def end(item):
    os._exit(3)


@pytest.mark.slow
def test_processes_are_like_the_one_that_starts_them(items, monkeypatch):
    monkeypatch.setattr(module, "usable_cpus", lambda: 2)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    set_max_megapixels(7)
    try:
        with use_backend("reference"):
            results = kept_results(items, of_the_process, "", None, silent)
    finally:
        set_max_megapixels(None)
    assert list(results) == items
    assert os.getpid() not in {result.pop("process") for result in results.values()}
    assert list(results.values()) == [{"backend": "reference", "megapixels": 7.0, "threads": 1}] * 5


@pytest.mark.slow
def test_the_end_of_a_process_is_told(items, monkeypatch):
    monkeypatch.setattr(module, "usable_cpus", lambda: 2)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    with pytest.raises(NpFaceApiError, match="expected 2 processes to finish their photos, got one that died: too little memory"):
        kept_results(items, end, "", None, silent)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_ctrl_c_ends_all_processes_in_one_line(tmp_path):
    """As from a terminal, which sends it to all processes."""
    for k in range(64):
        (tmp_path / "photos" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / "ab"[k % 2] / f"{k}.png").write_bytes((ROOT / "golden" / "images" / "astronaut.png").read_bytes())
    source = """
import os, signal, sys
from npfaceapi import cli
from npfaceapi.evaluation import kept_results
kept_results.usable_cpus = lambda: 2
if __name__ == "__main__":
    import npfaceapi.commands.evaluate as command
    def progress():
        def tell(done, of):
            if done == 4:
                os.killpg(0, signal.SIGINT)
        return tell
    command.progress_line = progress
    sys.exit(cli.main(sys.argv[1:]))
"""
    (tmp_path / "program.py").write_text(source)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", "evaluate", "folders", tmp_path / "photos", "--detector", "tiny"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "npfaceapi evaluate: interrupted\n")
