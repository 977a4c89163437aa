"""The SQLite file of an index: its schema, opening it, and errors in one line."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from npfaceapi.errors import InvalidArgument, NpFaceApiError, shown

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "Database", "path_of", "path_value"]

APPLICATION_ID = 0x6E706669  # "npfi"
SCHEMA_VERSION = 1
PATIENCE = 10.0  # seconds to wait for another writer

SCHEMA = """
CREATE TABLE settings (  -- the options that made the index, and the version of its rows
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL  -- JSON
);
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    path NOT NULL UNIQUE CHECK (typeof(path) IN ('text', 'blob')),  -- absolute; a BLOB if it is not valid UTF-8
    size INTEGER NOT NULL,  -- bytes
    modified INTEGER NOT NULL,  -- nanoseconds since 1970
    content BLOB,  -- SHA-256 of the file; NULL if it could not be read: it is tried again
    width INTEGER, height INTEGER,  -- pixels, upright
    taken TEXT,  -- from EXIF, ISO 8601
    rotation INTEGER NOT NULL DEFAULT 0,  -- degrees counterclockwise that made it upright
    outcome TEXT NOT NULL CHECK (outcome IN ('faces', 'no face', 'unreadable')),
    reason TEXT,  -- why it is unreadable, or what is wrong with a damaged video
    vanished INTEGER NOT NULL DEFAULT 0  -- 1: the file was gone at the last run
);
CREATE INDEX photos_content ON photos (content);
CREATE TABLE people (  -- whom a user has told apart; without a name, if only that
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE
);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- a number is never used again
    photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,  -- in the photo, from 0
    x REAL NOT NULL, y REAL NOT NULL, width REAL NOT NULL, height REAL NOT NULL,  -- pixels
    score REAL NOT NULL,
    time REAL,  -- in a video, seconds: where the face is at its best; NULL in a photo
    points BLOB,  -- 68 times x, y as little-endian float32, pixels
    descriptor BLOB CHECK (typeof(descriptor) = 'null' OR typeof(descriptor) = 'blob' AND length(descriptor) = 512),
        -- 128 little-endian float32
    age REAL, gender TEXT, gender_probability REAL,
    expression TEXT,  -- the most probable one
    expressions TEXT,  -- JSON: the probability of each
    quality REAL, size REAL, sharpness REAL, yaw REAL, pitch REAL, roll REAL,  -- see FaceQuality
    person INTEGER REFERENCES people (id) ON DELETE SET NULL,  -- as told by a user
    "group" INTEGER,  -- as computed by groups
    UNIQUE (photo, number)
);
CREATE INDEX faces_person ON faces (person) WHERE person IS NOT NULL;
CREATE INDEX faces_group ON faces ("group") WHERE "group" IS NOT NULL;
CREATE TABLE apart (  -- pairs of faces that are not the same person, as told by a user
    face INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    other INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    PRIMARY KEY (face, other), CHECK (face < other)
) WITHOUT ROWID;
CREATE INDEX apart_other ON apart (other);
CREATE TABLE moves (  -- faces that the last grouping put into another group than the one before
    face INTEGER PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL
);
CREATE TABLE rows_version (value BLOB NOT NULL);  -- another one whenever descriptors change, whoever changes them
INSERT INTO rows_version VALUES (randomblob(16));
CREATE TRIGGER face_added AFTER INSERT ON faces BEGIN UPDATE rows_version SET value = randomblob(16); END;
CREATE TRIGGER face_removed AFTER DELETE ON faces BEGIN UPDATE rows_version SET value = randomblob(16); END;
CREATE TRIGGER face_changed AFTER UPDATE OF id, descriptor ON faces BEGIN UPDATE rows_version SET value = randomblob(16); END;
"""


def path_value(path: str) -> str | bytes:
    """A path as stored: TEXT, or a BLOB of its bytes if they are not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def path_of(value: str | bytes) -> str:
    """A stored path, as the functions of `os` take it."""
    return os.fsdecode(value)


class Database:
    """A connection to an index; every error of SQLite becomes an error of one line that names the file.

    Raises
    ------
    InvalidArgument
        If the file cannot be opened or made, or is not an index that this version reads.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.is_read_only = False
        self._depth = 0
        name = os.fspath(path)
        if "\0" in self.path:
            raise InvalidArgument(f"{shown(name)}: expected a path without a null character")
        exists = os.path.exists(self.path)
        if os.path.isdir(self.path):
            raise InvalidArgument(f"{name}: expected the file of an index, got a folder")
        if not exists and not os.path.isdir(os.path.dirname(self.path)):
            raise InvalidArgument(f"{name}: expected a file to write to, got: no such folder")
        with self.one_line():
            self.connection = self._connect(exists)
            try:
                self.connection.execute("PRAGMA foreign_keys = ON")
                self.connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
                self._check()
            except BaseException:
                self.connection.close()
                raise

    def _connect(self, exists: bool) -> sqlite3.Connection:
        uri = f"file://{'' if self.path.startswith(os.sep) else '/'}{_quoted(self.path)}"
        if exists and not os.access(self.path, os.W_OK):
            self.is_read_only = True
        elif exists and not os.access(os.path.dirname(self.path), os.W_OK):
            self.is_read_only = True  # SQLite could not make its files beside it
        settled = True
        with contextlib.suppress(OSError):  # there is none, or its process has just ended
            settled = os.path.getsize(self.path + "-wal") == 0
        query = "?mode=ro" + ("&immutable=1" if settled else "") if self.is_read_only else "?mode=rwc"
        return sqlite3.connect(uri + query, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)

    def _check(self) -> None:
        run = self.connection.execute
        with self.snapshot():  # another process may be making it
            application, version = run("PRAGMA application_id").fetchone()[0], run("PRAGMA user_version").fetchone()[0]
            tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application == 0 and version == 0 and tables == 0:
            if self.is_read_only:
                raise InvalidArgument(f"{self.path}: expected an index, got an empty file that cannot be written")
            self._use_wal()
            with self.transaction():
                if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:  # no other process was faster
                    for statement in _statements(SCHEMA):
                        run(statement)
                    run(f"PRAGMA application_id = {APPLICATION_ID}")
                    run(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return
        if application != APPLICATION_ID:
            raise InvalidArgument(f"{self.path}: expected an index made by npfaceapi index, got another SQLite database")
        if version > SCHEMA_VERSION:
            raise InvalidArgument(
                f"{self.path}: expected an index of version {SCHEMA_VERSION}, got one of version {version}: "
                "a newer npfaceapi made it"
            )
        run("PRAGMA synchronous = FULL")

    def _use_wal(self) -> None:
        """Switch to WAL; SQLite does not wait if another connection is about to write at this moment, so this does."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    @contextlib.contextmanager
    def one_line(self) -> Iterator[None]:
        """Turn an error of SQLite into one of ours."""
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "not a database" in text or "malformed" in text:
                # Read-only, SQLite does not see that others write: see immutable in `_connect`.
                hint = ", or one that was written since it was opened" if self.is_read_only else ""
                raise InvalidArgument(
                    f"{self.path}: expected an index, got a damaged file or another one{hint} ({text})"
                ) from None
            if "locked" in text:
                raise NpFaceApiError(
                    f"{self.path}: expected to write within {PATIENCE:g} seconds, got an index that another process is writing"
                ) from None
            if "readonly" in text:
                raise InvalidArgument(f"{self.path}: expected an index that can be written, got a read-only one") from None
            raise NpFaceApiError(f"{self.path}: expected an index that can be read and written, got: {text}") from None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All statements of the block, or none of them; blocks may be nested."""
        with self.one_line():
            if self._depth:
                yield self.connection
                return
            self.connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self.connection
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self.connection.execute("ROLLBACK")
                raise
            else:
                self.connection.execute("COMMIT")
            finally:
                self._depth -= 1

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads of the block see the same rows, whatever others write meanwhile."""
        with self.one_line():
            if self._depth:
                yield
                return
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                if self.connection.in_transaction:  # an error has ended it else
                    self.connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a query gives; none if a value is one that SQLite cannot hold, and so is in no row."""
        with self.one_line(), contextlib.suppress(OverflowError, UnicodeEncodeError):
            return self.connection.execute(query, values).fetchall()
        return []

    def setting(self, name: str) -> Any:
        """A stored setting; None if there is none."""
        found = self.rows("SELECT value FROM settings WHERE name = ?", name)
        try:
            return json.loads(found[0][0]) if found else None
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"{self.path}: expected JSON in the setting {name!r}, got: {error}") from None

    def set(self, name: str, value: Any) -> None:
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def overwrite_deleted(self) -> None:
        """Write the file anew without what was deleted, and empty the `-wal` beside it."""
        with self.one_line():
            self.connection.execute("VACUUM")
            if self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise NpFaceApiError(
                    f"{self.path}: expected to overwrite what was removed, got another process that is reading: it is removed, "
                    "but its bytes stay until that process has closed the index"
                )

    def close(self) -> None:
        """Close the file; its `-wal` and `-shm` are folded into it by SQLite."""
        with self.one_line():
            self.connection.close()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, as `execute` takes only one."""
    part = ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            yield part
            part = ""


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(path.replace(os.sep, "/")))
