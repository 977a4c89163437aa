"""The file of descriptors beside an index: made anew whenever it is not exactly that of the rows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
import tempfile

import numpy as np
import pytest

from helpers.photo_index import filled, people
from helpers.users import needs_root, run_script
from npfaceapi.collection.database import Database
from npfaceapi.collection.face_index import FaceIndex
from npfaceapi.collection.vectors import SUFFIX, vectors_of


@pytest.fixture
def rows():
    return people(np.random.default_rng(3), 5, 3)[0]


@pytest.fixture
def index(tmp_path, rows):
    with filled(tmp_path / "faces.index", rows) as index:
        yield index


def change(index, *statements):
    """Change a file behind the back of the index."""
    with contextlib.closing(sqlite3.connect(index.path)) as connection, connection:
        for statement in statements:
            connection.execute(*statement)


def insert(index, descriptor):
    """Add a face to the first photo."""
    new = "SELECT 1, max(number) + 1, 0, 0, 1, 1, 1, ? FROM faces"
    change(index, (f"INSERT INTO faces (photo, number, x, y, width, height, score, descriptor) {new}", [descriptor.tobytes()]))


def sidecar(index):
    return index.path + SUFFIX


def stamp(index):
    status = os.stat(sidecar(index))
    return status.st_ino, status.st_mtime_ns


def finds_all(index, rows):
    """Whether each descriptor finds its own face, in a new object."""
    with FaceIndex(index.path) as again:
        found = again.search(rows, 1)
    return [face[0].face for face in found] == list(range(1, len(rows) + 1)) and all(face[0].distance == 0 for face in found)


def test_its_bytes_are_as_described(index, rows):
    index.search(rows[0])
    with open(sidecar(index), "rb") as file:
        data = file.read()
    count = len(rows)
    assert data.startswith(b"npfaceapi vectors\n")
    assert struct.unpack_from("<IQ", data, 20) == (1, count)
    assert hashlib.sha256(data[128:]).digest() in data[:128]
    assert np.frombuffer(data, "<i8", count, 128).tolist() == list(range(1, count + 1))
    start = -(-(128 + 8 * count) // 64) * 64
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", -1, start).reshape(-1, 128), rows)


def test_it_is_made_once(index, rows):
    index.search(rows[0])
    before = stamp(index)
    index.search(rows[1])
    assert finds_all(index, rows)
    assert stamp(index) == before
    assert not [name for name in os.listdir(os.path.dirname(index.path)) if name.endswith(".part")]


def test_missing(index, rows):
    assert finds_all(index, rows)
    os.unlink(sidecar(index))
    assert finds_all(index, rows)
    assert os.path.exists(sidecar(index))


def truncated(data):
    return data[:-1]


def longer(data):
    return data + bytes(512)


def damaged_head(data):
    return b"x" + data[1:]


def other_version(data):
    return data[:20] + b"\2" + data[21:]


def other_count(data):
    return data[:24] + b"\1" + data[25:]


def damaged_number(data):
    return data[:130] + b"\1" + data[131:]


def damaged_descriptor(data):
    return data[:-7] + bytes([data[-7] ^ 1]) + data[-6:]


@pytest.mark.parametrize(
    "damage",
    [truncated, longer, damaged_head, other_version, other_count, damaged_number, damaged_descriptor, bytes, lambda data: b""],
)
def test_damaged(index, rows, damage):
    assert finds_all(index, rows)
    with open(sidecar(index), "rb") as file:
        whole = file.read()
    with open(sidecar(index), "wb") as file:
        file.write(damage(whole) if damage is not bytes else bytes(len(whole)))
    assert finds_all(index, rows)
    with open(sidecar(index), "rb") as file:
        assert file.read() == whole


def test_stale_after_rows_are_added_changed_or_removed_by_anyone(index, rows):
    assert finds_all(index, rows)
    more = np.concatenate([rows, -rows])
    for row in -rows:
        insert(index, row)
    assert finds_all(index, more)
    more[2] = 0
    change(index, ("UPDATE faces SET descriptor = ? WHERE id = 3", [more[2].tobytes()]))
    assert finds_all(index, more)
    change(index, (f"DELETE FROM faces WHERE id = {len(more)}",))
    assert finds_all(index, more[:-1])


def test_an_open_index_sees_the_rows_of_others(index, rows):
    assert index.search(-rows[0], 1, 0.1) == []
    insert(index, -rows[0])
    assert [found.face for found in index.search(-rows[0], 1, 0.1)] == [len(rows) + 1]


def test_of_another_index(index, rows, tmp_path):
    """A file that was copied beside another index is not taken for its own."""
    assert finds_all(index, rows)
    with filled(tmp_path / "other.index", -rows) as other:
        with open(sidecar(index), "rb") as file, open(sidecar(other), "wb") as copy:
            copy.write(file.read())
        assert finds_all(other, -rows)


def test_a_face_without_a_descriptor_is_left_out(index, rows):
    change(index, ("UPDATE faces SET descriptor = NULL WHERE id = 2",))
    assert 2 not in [face.face for face in index.search(rows[1], 100)]
    assert len(index.search(rows[1], 100)) == len(rows) - 1


def test_an_empty_index(tmp_path):
    with filled(tmp_path / "faces.index", np.empty((0, 128))) as index:
        assert index.search(np.zeros(128)) == []
        assert index.search(np.zeros((2, 128))) == [[], []]
        assert os.path.getsize(sidecar(index)) == 128


def test_a_folder_in_its_place_is_left_and_the_search_is_in_memory(index, rows):
    os.mkdir(sidecar(index))
    assert finds_all(index, rows)
    assert os.path.isdir(sidecar(index))
    assert not [name for name in os.listdir(os.path.dirname(index.path)) if name.endswith(".part")]


@pytest.mark.slow
@needs_root
def test_a_folder_that_cannot_be_written(rows):
    script = """
import numpy as np
from npfaceapi.collection.face_index import FaceIndex
become(65534)
with FaceIndex(sys.argv[1]) as index:
    print([face.face for face in index.search(np.frombuffer(bytes.fromhex(sys.argv[2]), "<f4"), 2)])
"""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        filled(f"{place}/a.index", rows).close()
        os.chmod(place, 0o755)
        assert run_script(script, f"{place}/a.index", rows[4].tobytes().hex()).startswith("[5, ")
        assert os.listdir(place) == ["a.index"]


def test_rows_larger_than_one_part(index, rows, monkeypatch):
    monkeypatch.setattr("npfaceapi.collection.vectors._AT_ONCE", 4)
    database = Database(index.path)
    faces, descriptors = vectors_of(database)
    assert faces.tolist() == list(range(1, len(rows) + 1))
    np.testing.assert_array_equal(descriptors, rows)
    database.close()
