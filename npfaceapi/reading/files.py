"""Opening files whose names are not trusted."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from npfaceapi.errors import one_line, shown

__all__ = ["file_inside", "fill", "open_at_once", "open_inside", "open_regular", "plain_name", "read_up_to", "reason_of"]


def open_regular(path: str | os.PathLike[str]) -> io.BufferedIOBase:
    """Open a regular file to read its bytes; refuses pipes, which could block, and devices, which may never end.

    Raises
    ------
    OSError, ValueError
        As `open`; also for a pipe, a socket or a device.
    """
    file = open(path, "rb", opener=open_at_once)  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    return file


def open_at_once(name: str, flags: int) -> int:
    """An opener for `open` that does not wait for the other end of a pipe."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0), 0o666)


def file_inside(folder: Path, path: str) -> Path:
    """The path of a file, with links resolved; ValueError if it is not inside the folder."""
    try:
        file, root = (folder / path).resolve(), folder.resolve()
    except RuntimeError as error:  # a loop of links
        raise ValueError(one_line(str(error))) from None
    if file == root or not file.is_relative_to(root):
        raise ValueError("a path that leads out of the folder")
    return file


def plain_name(name: str) -> str:
    """The name, if it is a relative path to a file inside a folder: "shard1", "shards/1"; otherwise ValueError."""
    if {"", ".", ".."} & set(name.split("/")) or any(c in name for c in "\\:\0"):  # a colon: a drive or a stream on Windows
        raise ValueError(f"{shown(name)}, not a plain name of a file in its folder")
    return name


def open_inside(folder: Path, name: str) -> io.BufferedIOBase:
    """Open a file that is named by another file of the folder.

    Raises
    ------
    OSError, ValueError
        As `open_regular`; also for a name that leads out of the folder, directly or by a link.
    """
    return open_regular(file_inside(folder, plain_name(name)))


def read_up_to(file: io.BufferedIOBase, count: int) -> bytes:
    """At most that many bytes of a file, without allocating more memory than it has bytes."""
    data = io.BytesIO()
    while piece := file.read(min(2**20, count - data.tell())):
        data.write(piece)
    return data.getvalue()


def fill(file: io.BufferedIOBase, room: memoryview) -> int:
    """Read the rest of a file into the start of `room`; returns its length, or `len(room) + 1` if it is longer."""
    count = 0
    while count < len(room) and (read := file.readinto(room[count:])):
        count += read
    return count + len(file.read(1))


def reason_of(error: OSError | ValueError) -> str:
    """The reason why a file cannot be read, without its name."""
    return getattr(error, "strerror", None) or str(error)
