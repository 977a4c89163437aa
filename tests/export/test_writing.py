"""A file is written completely or not at all."""

from __future__ import annotations

import os
import threading

import pytest

from npfaceapi.errors import InvalidArgument
from npfaceapi.export.writing import check_place, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and pipes as POSIX has them")


def test_a_file_is_written_and_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "a", "a", os.fsencode(tmp_path / "a"), "x" * 255):
        write_whole(path, b"new")
        with open(path, "rb") as file:
            assert file.read() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "x" * 255}


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0])
def test_permissions_are_those_of_any_new_file(tmp_path, mask):
    (tmp_path / "old").touch(0o600)
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "new", b"")
        write_whole(tmp_path / "old", b"")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "old")] == [0o666 & ~mask] * 2


@posix
def test_a_link_is_replaced_and_a_pipe_written_to(tmp_path):
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert not (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"through")
    reader.join(10)
    assert read == [b"through"]
    write_whole("/dev/null", b"away")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(tmp_path, monkeypatch, error):
    (tmp_path / "a").write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    kind = InvalidArgument if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind) as raised:
        write_whole(tmp_path / "a", b"new", "a picture")
    assert kind is KeyboardInterrupt or str(raised.value).endswith("a: expected a picture, got: No space left on device")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    for place, reason in ((tmp_path, "Is a directory"), (tmp_path / "no" / "x", "no such folder")):
        with pytest.raises(InvalidArgument, match=f"^--out .*: expected a file to write to, got: {reason}$"):
            check_place("--out", place)
        with pytest.raises(InvalidArgument, match="expected a file to write to, got: "):
            write_whole(place, b"")
    with pytest.raises(InvalidArgument, match=r"expected a file to write to, got: .*surrogates not allowed"):
        write_whole(tmp_path / "new", "\udcff")
    for place in (tmp_path / "file", tmp_path / "new", "new", os.devnull):
        check_place("--out", place)
