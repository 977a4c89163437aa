"""Opening files by untrusted names: only regular ones inside a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from npfaceapi.reading.files import fill, open_inside, open_regular, plain_name

posix = pytest.mark.skipif(os.name == "nt", reason="pipes with a name, devices, links that need no privilege")


@posix
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in (tmp_path / "pipe", str(tmp_path / "link"), "/dev/zero"):
        with pytest.raises(OSError, match="Not a regular file"):
            open_regular(path)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)


def test_files_inside_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder" / "in").mkdir(parents=True)
    for file in (tmp_path / "outside", tmp_path / "folder" / "a", tmp_path / "folder" / "in" / "b"):
        file.write_bytes(b"abc")
    for name in ("a", "in/b"):
        with open_inside(tmp_path / "folder", name) as file:
            assert file.read() == b"abc"
    for name in ("../outside", "in/../../outside", str(tmp_path / "folder" / "a"), "", "a/", "./a", "in\\b", "C:a", "a\0"):
        with pytest.raises(ValueError, match="not a plain name"):
            plain_name(name)
        with pytest.raises(ValueError, match="not a plain name"):
            open_inside(tmp_path / "folder", name)


@posix
def test_links_inside_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "folder" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "folder" / "up").symlink_to("..")
    (tmp_path / "folder" / "circle").symlink_to("circle")
    for name in ("out", "up/outside", "circle"):
        with pytest.raises((ValueError, OSError)):
            open_inside(tmp_path / "folder", name)
    (tmp_path / "link").symlink_to("folder")  # the folder itself may be a link
    (tmp_path / "folder" / "a").write_bytes(b"abc")
    with open_inside(tmp_path / "link", "a") as file:
        assert file.read() == b"abc"


@pytest.mark.parametrize(("length", "count"), [(0, 1), (2, 3), (3, 3), (9, 3)])
def test_a_file_fills_a_buffer_and_no_more(tmp_path: Path, length: int, count: int) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    room = bytearray(length)
    with open_regular(tmp_path / "a") as file:
        assert fill(file, memoryview(room)) == count
    assert bytes(room) == b"abc"[:length].ljust(length, b"\0")
