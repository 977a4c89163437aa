"""The descriptors of an index as one array that is mapped from a file beside it, `FILE.vectors`.

The file is derived from the index, and made anew when it is missing, stale or damaged.  It is: a header of 128 bytes (`_HEADER`),
the numbers of the faces as int64 [n], zeros up to a multiple of 64 bytes, and the descriptors as float32 [n,128]; all
little-endian.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.collection.database import Database
from npfaceapi.errors import InvalidArgument

__all__ = ["LENGTH", "SUFFIX", "Vectors", "erase_rows", "vectors_of"]

SUFFIX = ".vectors"
LENGTH = 128
_MAGIC, _VERSION = b"npfaceapi vectors\n", 1
_HEADER = struct.Struct(
    "<18s 2x I Q 16s 32s 48x"
)  # magic, version, number of rows, rows_version of the index, SHA-256 of the rest
_AT_ONCE = 20_000  # rows


class Vectors(NamedTuple):
    """The faces with a descriptor: their numbers [n] in ascending order, and their descriptors [n,128]."""

    faces: NDArray[np.int64]
    descriptors: NDArray[np.float32]


def vectors_of(database: Database) -> Vectors:
    """The descriptors of an index, mapped from the file beside it; in memory, if that file cannot be written."""
    path = database.path + SUFFIX
    rows_version = database.rows("SELECT value FROM rows_version")[0][0]
    found = _mapped(path, rows_version)
    if found is not None:
        return found
    with contextlib.suppress(OSError):
        _write(path, database)
        rows_version = database.rows("SELECT value FROM rows_version")[0][0]
        found = _mapped(path, rows_version)
        if found is not None:
            return found
    parts = list(_parts(database))
    faces, descriptors = [part.faces for part in parts], [part.descriptors for part in parts]
    empty = Vectors(np.empty(0, np.int64), np.empty((0, LENGTH), np.float32))
    return Vectors(np.concatenate([empty.faces, *faces]), np.concatenate([empty.descriptors, *descriptors]))


def erase_rows(database: Database, faces: list[int]) -> None:
    """Overwrite the descriptors of these faces in the file, if it is there; the file is then stale.

    What interrupted processes left of such files is removed.

    Raises
    ------
    InvalidArgument
        If the file cannot be written.
    """
    path, wanted = database.path + SUFFIX, set(faces)
    try:
        for left in glob.glob(f"{glob.escape(path)}.*.part"):
            os.unlink(left)
        with contextlib.suppress(FileNotFoundError, struct.error), open(path, "rb+") as file:
            count = _HEADER.unpack(file.read(_HEADER.size))[2]
            numbers = np.frombuffer(file.read(8 * count), "<i8")
            for row in [row for row, face in enumerate(numbers.tolist()) if face in wanted]:
                file.seek(_start(count) + 4 * LENGTH * row)
                file.write(bytes(4 * LENGTH))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InvalidArgument(f"{path}: expected a file to write to, got: {error.strerror or error}") from None


def _mapped(path: str, rows_version: bytes) -> Vectors | None:
    """The file's arrays; None if it is missing, of another version, of other rows, or damaged."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER.size)
            magic, version, count, made_from, digest = _HEADER.unpack(head)
            if (magic, version, made_from) != (_MAGIC, _VERSION, rows_version):
                return None
            if os.fstat(file.fileno()).st_size != _start(count) + count * LENGTH * 4:
                return None
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, struct.error):
        return None
    if hashlib.sha256(memoryview(content)[_HEADER.size :]).digest() != digest:
        return None
    faces = np.frombuffer(content, "<i8", count, _HEADER.size)
    return Vectors(faces, np.frombuffer(content, "<f4", count * LENGTH, _start(count)).reshape(count, LENGTH))


def _start(count: int) -> int:
    """Where the descriptors begin."""
    return -(-(_HEADER.size + 8 * count) // 64) * 64


def _write(path: str, database: Database) -> None:
    """Write the file through a temporary one; all rows are read in one transaction."""
    temporary = f"{path}.{os.urandom(4).hex()}.part"
    try:
        with database.snapshot(), open(temporary, "xb+") as file:
            rows_version = database.rows("SELECT value FROM rows_version")[0][0]
            count = database.rows("SELECT count(*) FROM faces WHERE descriptor IS NOT NULL")[0][0]
            at = 0
            for part in _parts(database):
                file.seek(_HEADER.size + 8 * at)
                file.write(part.faces.astype("<i8").tobytes())
                file.seek(_start(count) + 4 * LENGTH * at)
                file.write(part.descriptors.tobytes())
                at += len(part.faces)
            file.truncate(_start(count) + 4 * LENGTH * count)
            file.seek(_HEADER.size)
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0)
            file.write(_HEADER.pack(_MAGIC, _VERSION, count, rows_version, digest))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _parts(database: Database) -> Iterator[Vectors]:
    with database.one_line():
        cursor = database.connection.execute("SELECT id, descriptor FROM faces WHERE descriptor IS NOT NULL ORDER BY id")
        while rows := cursor.fetchmany(_AT_ONCE):
            descriptors = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), LENGTH)
            yield Vectors(np.array([row[0] for row in rows], np.int64), descriptors)
