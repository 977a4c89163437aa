"""The SQLite file: what is refused, in one line and with nothing lost; other processes; full disks; paths of any kind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading

import numpy as np
import pytest

from helpers import ROOT
from helpers.photo_files import blank
from helpers.photo_index import filled, people
from helpers.threads import run_in_threads
from helpers.users import needs_root, run_script
from npfaceapi import FaceIndex
from npfaceapi.collection.database import APPLICATION_ID, SCHEMA_VERSION, Database
from npfaceapi.errors import InvalidArgument, NpFaceApiError


@pytest.fixture
def rows():
    return people(np.random.default_rng(0), 3, 4, 0.01)[0]


@pytest.fixture
def file(tmp_path, rows):
    """An index that nobody has open."""
    with filled(tmp_path / "a.index", rows) as index:
        index.groups()
        index.name(1, "Ann")
        index.groups()
    return tmp_path / "a.index"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ------------------------------------------------------------------ what any SQLite tool sees


def test_plain_sqlite_reads_it(file, rows):
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        ask = connection.execute
        assert ask("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert ask("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA foreign_key_check").fetchall() == []
        assert ask("PRAGMA integrity_check").fetchall() == [("ok",)]
        query = "SELECT path, descriptor FROM faces JOIN photos ON photos.id = photo JOIN people ON people.id = person"
        found = ask(f"{query} WHERE name = 'Ann' ORDER BY path").fetchall()
    assert [path for path, _ in found] == [f"/{number:05}.jpg" for number in range(1, 5)]
    assert [np.frombuffer(descriptor, "<f4").tolist() for _, descriptor in found] == rows[:4].tolist()


def test_nothing_remains_beside_a_closed_index(file):
    assert sorted(os.listdir(file.parent)) == ["a.index", "a.index.vectors"]


# ------------------------------------------------------------------ paths


@pytest.mark.parametrize("name", ["a b.index", "a?mode=ro", "a#b", "100%25", "ü名", "a&immutable=1", "'; DROP TABLE faces", "-x"])
def test_a_name_with_any_characters(tmp_path, rows, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled(name, rows).close()
    assert name in os.listdir(tmp_path)
    with FaceIndex(tmp_path / name) as index:
        assert len(index) == 12
    assert {entry.partition(name)[1] for entry in os.listdir(tmp_path)} == {name}


def test_a_name_that_is_not_utf8(tmp_path, rows):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.index")
    try:
        filled(name, rows).close()
    except (NpFaceApiError, OSError):
        pytest.skip("this file system takes UTF-8 only")
    with FaceIndex(name) as index:
        assert index.search(rows[0], 1)[0].face == 1
        index.groups()
        assert index.add([]).computed == 0


@pytest.mark.skipif(os.name != "posix", reason="two slashes mean a server there")
def test_a_path_with_two_slashes(file):
    with FaceIndex(f"/{file}") as index:
        assert len(index) == 12


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a\0b", "'a\\x00b': expected a path without a null character"),
        (7, "FaceIndex: expected a path, got 7"),
        (b"a.index", "FaceIndex: expected a path, got b'a.index'"),
        ("", ": expected the file of an index, got a folder"),
    ],
)
def test_what_is_no_path(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NpFaceApiError) as caught:
        FaceIndex(path)
    assert str(caught.value) == message
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------ damage


@pytest.mark.parametrize("page", range(1, 19))
def test_any_damaged_page_is_one_line_or_no_matter(file, page, rows):
    """A page is overwritten: each call works or says in one line that the file is damaged, and no row is made up."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    os.unlink(f"{file}.vectors")
    data = bytearray(file.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    if page * size >= len(data):
        pytest.skip("there are fewer pages")
    data[page * size : (page + 1) * size] = bytes([0xA5]) * size
    file.write_bytes(data)
    calls = [
        lambda index: index.search(rows[0]),
        lambda index: index.groups(0.4),
        lambda index: index.faces_of("Ann"),
        lambda index: index.export(file.parent / "a.csv"),
        lambda index: index.labels(),
        lambda index: index.add([]),
        lambda index: index.forget("Ann"),
    ]
    messages = []
    for call in calls:
        try:
            with FaceIndex(file) as index:
                call(index)
        except NpFaceApiError as error:
            messages.append(str(error))
    assert all(message.startswith(f"{file}: expected ") and "\n" not in message for message in messages)


def test_a_file_cut_short(file):
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    before = digest(file)
    with pytest.raises(InvalidArgument) as caught, FaceIndex(file) as index:
        index.export(file.parent / "a.csv")
    assert str(caught.value).startswith(f"{file}: expected an index, got a damaged file or another one (")
    assert digest(file) == before
    assert not (file.parent / "a.csv").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "expected JSON in the setting 'worker', got: "),
        (b"\xff", "expected JSON in the setting 'worker', got: "),
        ('{"detector": 5}', "FaceWorker.from_json: expected what to_dict gives, got {'detector': 5}"),
        ("[]", "FaceWorker.from_json: expected what to_dict gives, got []"),
    ],
)
def test_a_damaged_setting(file, value, message):
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("INSERT OR REPLACE INTO settings VALUES ('worker', ?)", (value,))
    with pytest.raises(InvalidArgument) as caught:
        FaceIndex(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["faces SET descriptor = x'0011'", "faces SET descriptor = 'text'", "photos SET path = 5"])
def test_no_program_can_write_what_is_no_descriptor_or_path(file, change):
    with contextlib.closing(sqlite3.connect(file)) as connection, pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(f"UPDATE {change} WHERE id = 1")


def test_an_error_in_a_snapshot_is_not_hidden_by_its_end(file):
    def fail(database):
        with database.snapshot():
            database.connection.execute("ROLLBACK")  # as SQLite does at some errors
            raise sqlite3.OperationalError("the disk is full")

    with FaceIndex(file) as index, pytest.raises(NpFaceApiError, match="got: the disk is full"):
        fail(index._database)


def test_a_read_only_index_may_have_been_written_meanwhile(file, rows, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        reader = FaceIndex(file)
    with FaceIndex(file) as writer, writer._database.transaction() as connection:
        connection.execute("DELETE FROM faces")
        connection.execute("CREATE TABLE other AS SELECT randomblob(100000)")
    with FaceIndex(file) as writer:
        writer._database.overwrite_deleted()
    with reader, pytest.raises(InvalidArgument, match="or one that was written since it was opened"):
        reader.export(file.parent / "a.csv")


def test_an_empty_file_becomes_an_index(tmp_path):
    (tmp_path / "a.index").touch()
    with FaceIndex(tmp_path / "a.index") as index:
        assert len(index) == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "a.index")) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


# ------------------------------------------------------------------ several at once


def test_an_index_is_made_while_another_process_begins_to(tmp_path):
    path = tmp_path / "a.index"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.2, other.execute, ["ROLLBACK"])
        end.start()
        with FaceIndex(path) as index:
            assert len(index) == 0
        end.join()


def test_an_index_is_opened_while_another_process_closes_it(file, monkeypatch):
    def gone(path):
        raise FileNotFoundError(2, "No such file or directory")

    with FaceIndex(file), monkeypatch.context() as patch:
        assert os.path.exists(f"{file}-wal")
        patch.setattr(os.path, "getsize", gone)
        with FaceIndex(file) as index:
            assert len(index) == 12


def test_several_make_the_same_index_at_once(tmp_path):
    for attempt in range(8):
        path = tmp_path / f"{attempt}.index"
        run_in_threads(lambda _, path=path: FaceIndex(path).close(), 6)
        with FaceIndex(path) as index:
            assert len(index) == 0


def test_a_writer_waits_for_another_and_says_so_in_the_end(file, monkeypatch):
    monkeypatch.setattr("npfaceapi.collection.database.PATIENCE", 0.1)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other, FaceIndex(file) as index:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NpFaceApiError) as caught:
            index.name(2, "Bob")
        assert str(caught.value) == (
            f"{file}: expected to write within 0.1 seconds, got an index that another process is writing"
        )
        assert len(index.search(np.zeros(128))) == 10  # who reads does not wait
        other.execute("ROLLBACK")
        index.name(2, "Bob")
        assert [face.face for face in index.faces_of("Bob")] == [5, 6, 7, 8]


def test_an_export_sees_one_state(file, monkeypatch):
    """Whatever others write meanwhile."""
    from npfaceapi.collection import tables

    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 5)
    real = tables._rows

    def rows_of(database):
        for part in real(database):
            yield part
            with contextlib.closing(sqlite3.connect(file)) as other, other:
                other.execute("UPDATE people SET name = name || 'x'")
                other.execute("DELETE FROM faces WHERE id = 12")

    with FaceIndex(file) as index:
        index.export(file.parent / "before.csv")
        monkeypatch.setattr(tables, "_rows", rows_of)
        assert index.export(file.parent / "a.csv") == 12
        assert len(index) == 11
    assert (file.parent / "a.csv").read_bytes() == (file.parent / "before.csv").read_bytes()


def test_a_transaction_is_whole_or_not_at_all(file):
    database = Database(file)

    def fails():
        with database.transaction() as connection:
            connection.execute("DELETE FROM faces WHERE id = 1")
            with database.transaction() as inner:
                inner.execute("DELETE FROM faces WHERE id = 2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert database.rows("SELECT count(*) FROM faces") == [(12,)]
    with database.transaction() as connection:  # another one begins
        connection.execute("DELETE FROM faces WHERE id = 1")
    assert database.rows("SELECT count(*) FROM faces") == [(11,)]
    database.close()


# ------------------------------------------------------------------ no rights, no room

READ_ONLY = """
import numpy as np
from npfaceapi.collection.face_index import FaceIndex
from npfaceapi.collection.worker import FaceWorker
from npfaceapi.errors import NpFaceApiError
FaceWorker().to_dict()
become(65534)
with FaceIndex(sys.argv[1]) as index:
    print(len(index), [face.face for face in index.search(np.frombuffer(bytes.fromhex(sys.argv[2]), "<f4"), 1)])
    print([(group.number, group.name, group.faces) for group in index.groups()], index.changes())
    print([face.face for face in index.faces_of("Ann")], [label.label for label in index.labels()])
    for call in (
        lambda: index.name(2, "Bob"), lambda: index.forget("Ann"), lambda: index.groups(0.1), lambda: index.add(sys.argv[3]),
        lambda: index.prune(), lambda: index.not_the_same(1, 5), lambda: index.split(1, [1]), lambda: index.join(2, 3),
    ):
        try:
            print("no error", call())
        except NpFaceApiError as error:
            print(error)
"""


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize("what", ["folder", "file"])
def test_an_index_that_cannot_be_written(rows, what):
    """On a disc for reading only, search and groups work; all else says so."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        path = f"{place}/a.index"
        with filled(path, rows) as index:
            index.groups()
            index.name(1, "Ann")
            index.groups()
        os.mkdir(f"{place}/photos")
        os.chmod(place, 0o755 if what == "folder" else 0o777)
        os.chmod(path, 0o666 if what == "folder" else 0o444)
        before = {name: os.stat(f"{place}/{name}").st_mtime_ns for name in os.listdir(place)}
        lines = run_script(READ_ONLY, path, rows[4].tobytes().hex(), f"{place}/photos").splitlines()
        assert lines[0] == "12 [5]"
        assert lines[1].startswith("[(1, 'Ann', [1, 2, 3, 4]), (2, None, [5, 6, 7, 8])")
        assert lines[2] == "[1, 2, 3, 4] ['Ann']"
        assert lines[3:] == [f"{path}: expected an index that can be written, got a read-only one"] * 8
        assert {name: os.stat(f"{place}/{name}").st_mtime_ns for name in os.listdir(place)} == before


FULL = """
import resource, signal, sys
import npfaceapi.collection.database
from npfaceapi import FaceIndex
from npfaceapi.errors import NpFaceApiError
file, limit = sys.argv[1], int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
done = 0
with FaceIndex(file) as index:
    try:
        for done in range(2000):
            with index._database.transaction() as connection:
                connection.execute("INSERT INTO people (name) VALUES (?)", (f"{done:05}" + "x" * 3000,))
        print("no error")
    except NpFaceApiError as error:
        print(done, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with index._database.transaction() as connection:
        connection.execute("INSERT INTO people (name) VALUES ('after')")
    print(index._database.rows("PRAGMA integrity_check"))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="no limit of a file's size there")
@pytest.mark.parametrize("limit", [200_000, 300_001, 1_000_000])
def test_no_room_for_a_write(file, limit):
    """What was committed is there; the same object can go on when there is room again."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, file, str(limit)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    count, _, message = first.partition(" ")
    assert message.startswith(f"{file}: expected an index that can be read and written, got: ")
    assert second == "[('ok',)]"
    with FaceIndex(file) as index:
        names = [name for (name,) in index._database.rows("SELECT name FROM people ORDER BY id")]
        assert [name[:5] for name in names] == ["Ann", *(f"{number:05}" for number in range(int(count))), "after"]
        assert len(index) == 12


def test_a_full_disk_under_the_file_of_vectors(file, rows, monkeypatch):
    """The search goes on in memory, and nothing half-written remains."""
    os.unlink(f"{file}.vectors")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with FaceIndex(file) as index:
        assert index.search(rows[7], 1)[0].face == 8
    assert sorted(os.listdir(file.parent)) == ["a.index"]


@pytest.mark.parametrize("what", ["folder", "text"])
def test_something_else_with_the_name_of_the_lock(file, what):
    lock = file.with_name("a.index.lock")
    lock.mkdir() if what == "folder" else lock.write_text("text " * 99)
    with FaceIndex(file) as index, pytest.raises(NpFaceApiError) as caught:
        index.add([])
    assert str(caught.value).startswith(f"{lock}: expected a file to write to, got: ")
    assert lock.exists()


def test_a_folder_with_the_name_of_the_file_of_vectors(file):
    """Nothing is forgotten by halves."""
    os.unlink(f"{file}.vectors")
    os.mkdir(f"{file}.vectors")
    with FaceIndex(file) as index:
        with pytest.raises(InvalidArgument) as caught:
            index.forget("Ann")
        assert str(caught.value) == f"{file}.vectors: expected a file to write to, got: Is a directory"
        assert len(index) == 12
        os.rmdir(f"{file}.vectors")
        assert index.forget("Ann") == 4


def test_a_photo_in_a_folder_with_the_index(file):
    """The index lies among the photos, as most do."""
    blank(file.parent / "b.png")
    with FaceIndex(file) as index:
        added = index.add(file.parent, workers=1)
    assert (added.computed, added.without_face) == (1, 1)
