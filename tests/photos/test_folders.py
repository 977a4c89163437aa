"""The photos in a folder: which files are taken, which are left out, and the messages about those."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers import ASTRONAUT
from npfaceapi.photos import folders
from npfaceapi.photos.folders import find_photos


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ASTRONAUT.read_bytes() if path.suffix.lower() == ".png" else b"")


def names(found, folder):
    return [Path(file).relative_to(folder).as_posix() for file in found.files]


def test_photos_by_name_and_what_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "photo_suffixes", lambda: frozenset({".jpg", ".png", ".webp"}))  # HEIC is read with an extra
    make(tmp_path, "b.jpg", "a/B.PNG", "a/deeper/c.webp", "a/notes.txt", "a/more.TXT", "x.HEIC", "clip.mp4", "README")
    found = find_photos(tmp_path)
    assert names(found, tmp_path) == ["a/B.PNG", "a/deeper/c.webp", "b.jpg"]
    assert found.problems == []
    assert found.left_out_line() == "2 .txt, 1 .mp4, 1 HEIC (pip install pillow-heif), 1 without an ending"


def test_files_of_the_system_are_left_out(tmp_path):
    hidden = ["._a.jpg", ".thumbnails/x.png", ".Trash-1000/files/a.jpg", ".@__thumb/a.jpg", ".picasaoriginals/a.jpg"]
    other = ["__MACOSX/a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/a.jpg", "$RECYCLE.BIN/a.jpg", "L.lrdata/a.jpg"]
    make(tmp_path, "a.jpg", *hidden, *other, *(f"deep/{name}" for name in hidden + other))
    found = find_photos(tmp_path)
    assert names(found, tmp_path) == ["a.jpg"]
    assert found.left_out == {"hidden": 10, "of thumbnails or deleted files": 10}
    assert names(find_photos(tmp_path / ".thumbnails"), tmp_path) == [".thumbnails/x.png"]  # named outright


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_links_are_followed_once(tmp_path):
    make(tmp_path, "elsewhere/2023/a.jpg", "lib/b.jpg", "elsewhere/c.jpg")
    lib = tmp_path / "lib"
    (lib / "2023").symlink_to("../elsewhere/2023")
    (lib / "again").symlink_to("../elsewhere/2023")
    (lib / "2023" / "loop").symlink_to(lib)
    (lib / "c.jpg").symlink_to("../elsewhere/c.jpg")
    (lib / "gone.jpg").symlink_to("nowhere")
    (lib / "self.jpg").symlink_to("self.jpg")
    found = find_photos(lib)
    assert names(found, lib) == ["2023/a.jpg", "b.jpg", "c.jpg"]
    assert found.left_out == {"linked twice": 2}
    assert [problem.partition(": expected a file or a folder, got")[2] for problem in found.problems] == [
        " a link to nothing",
        ": Too many levels of symbolic links",
    ]
    (tmp_path / "to lib").symlink_to(lib)
    assert names(find_photos(tmp_path / "to lib"), tmp_path) == ["to lib/2023/a.jpg", "to lib/b.jpg", "to lib/c.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_folder_within_reach_keeps_its_own_name(tmp_path):
    make(tmp_path, "z/a.jpg")
    (tmp_path / "a").symlink_to("z")
    assert names(find_photos(tmp_path), tmp_path) == ["z/a.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="no such files on Windows")
def test_a_pipe_is_no_photo(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert find_photos(tmp_path).problems == [f"{tmp_path}/a.jpg: expected a file or a folder, got a device or a pipe"]


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(116, "Stale file handle"), FileNotFoundError(2, "gone")]
)
@pytest.mark.parametrize("place", ["", "private", "deep/private"])
def test_a_place_that_cannot_be_read_is_named_and_the_others_are_searched(tmp_path, monkeypatch, place, error):
    make(tmp_path, "a.jpg", "private/b.jpg", "deep/private/c.jpg", "zoo/d.jpg")
    scandir = os.scandir

    def denied(path):
        if Path(path) == tmp_path / place:
            raise error
        return scandir(path)

    monkeypatch.setattr(folders.os, "scandir", denied)
    found = find_photos(tmp_path)
    assert found.problems == [f"{tmp_path / place}: expected a folder that can be read, got: {error.strerror}"]
    assert "zoo/d.jpg" in names(found, tmp_path) or not place


def test_no_folder_and_names_of_any_bytes(tmp_path):
    assert "expected a folder that can be read" in find_photos(tmp_path / "no").problems[0]
    if os.name == "posix":
        strange = os.fsdecode(b"\xff\n\x1b[31m.jpg")
        make(tmp_path, strange)
        assert find_photos(tmp_path).files == [str(tmp_path / strange)]


def test_many_files_and_deep_folders(tmp_path):
    for i in range(2000):
        (tmp_path / f"{i}.jpg").touch()
    deep = tmp_path.joinpath(*["d" * 100] * 30)
    deep.mkdir(parents=True)
    (deep / "a.jpg").touch()
    assert len(find_photos(tmp_path).files) == 2001
