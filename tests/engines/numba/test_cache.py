"""The cache on disk: an entry is read only if it is complete, under its own name, and of this version."""

from __future__ import annotations

import shutil

import pytest

from npfaceapi.engines.kernel_folder import kernel_folder
from npfaceapi.engines.numba import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A temporary cache folder."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernel_folder.cache_clear()
    cache.write("one", b"first")
    cache.write("two", b"second")
    yield cache.cache_folder()
    kernel_folder.cache_clear()


def test_what_is_kept_is_read(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]
    assert (cache.read("one"), cache.read("two"), cache.read("three")) == (b"first", b"second", None)
    cache.write("one", b"newer")
    assert cache.read("one") == b"newer"


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 36])
def test_what_is_cut_off_is_not_read(folder, length):
    (folder / "one").write_bytes((folder / "one").read_bytes()[:length])
    assert cache.read("one") is None


def test_a_file_under_anothers_name_is_not_read(folder):
    """An entry restored under a wrong name is complete, but does something else."""
    shutil.copy(folder / "one", folder / "two")
    shutil.copy(folder / "one", folder / "three")
    assert (cache.read("one"), cache.read("two"), cache.read("three")) == (b"first", None, None)


def test_a_file_of_another_version_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(cache, "version_of", lambda package, compiler: "kernels-0123456789abcdef")
    assert cache.read("one") is None


def test_without_a_folder_nothing_is_kept(folder, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    kernel_folder.cache_clear()
    assert cache.cache_folder() is None
    cache.write("one", b"first")
    assert cache.read("one") is None


def test_a_folder_that_fills_up_keeps_what_it_holds(folder, monkeypatch):
    def full(self, name, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("npfaceapi.engines.trusted_folder.TrustedFolder.write", full)
    cache.write("one", b"newer")
    assert cache.read("one") == b"first"
