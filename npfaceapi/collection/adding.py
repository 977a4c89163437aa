"""Bringing an index up to date with the photos on disk: what is new, changed, moved or gone, in the order of the paths."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from npfaceapi.collection.database import Database, path_of, path_value
from npfaceapi.collection.worker import FACE_COLUMNS, PHOTO_COLUMNS, PhotoRows
from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Rect

__all__ = ["Added", "Plan", "add_rows", "plan_of"]

Task = tuple[str, tuple[bytes, ...]]  # a path, and contents that are known

COMMIT_EVERY = 1.0  # seconds
SAME_FACE = 0.5  # intersection over union of a face's boxes before and after a change of its photo
SAME_TIME = 1.0  # seconds between these boxes in a video


@dataclass
class Added:
    """What one run did, in photos.

    Attributes
    ----------
    computed, unchanged, moved, copied, vanished : int
        Photos analysed; known and not changed; found at another path; with the content of a photo that is still there; gone from
        disk.
    without_face, unreadable : int
        Of the computed ones.
    faces : int
        Faces found in the computed ones.
    lost_names : list of str
        Paths of photos that changed so that a face with a person is not found in them any more.
    problems : list of str
        A line for each folder or link that could not be read; photos that are known to be there have not vanished.
    left_out : Counter of str
        How many files and folders were no photos, by reason.
    """

    computed: int = 0
    unchanged: int = 0
    moved: int = 0
    copied: int = 0
    vanished: int = 0
    without_face: int = 0
    unreadable: int = 0
    faces: int = 0
    lost_names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Plan:
    """What a run has to do.

    Attributes
    ----------
    tasks : list of (path, contents)
        The photos to read, by path; each with the contents (SHA-256) of known photos of the same size.
    gone : list of int
        The numbers of photos that have vanished since the last run.
    back : list of int
        The numbers of those that had vanished, and are there again, unchanged.
    unchanged : int
    """

    tasks: list[Task]
    gone: list[int]
    back: list[int]
    unchanged: int


def plan_of(database: Database, paths: Sequence[str], roots: Sequence[str], again: bool) -> Plan:
    """Compare the photos on disk with those in the index; the paths are absolute, unique and sorted.

    Photos of the index that lie under one of the roots, and are not among the paths, have vanished.
    """
    known: dict[str, tuple[int, int, int, bytes | None, int]] = {}
    contents: dict[int, dict[bytes, None]] = {}
    for number, path, size, modified, content, vanished in database.rows(
        "SELECT id, path, size, modified, content, vanished FROM photos ORDER BY id"
    ):
        known[path_of(path)] = number, size, modified, content, vanished
        if content is not None:
            contents.setdefault(size, {})[content] = None
    by_size = {size: tuple(each) for size, each in contents.items()}
    tasks, back, unchanged = [], [], 0
    for path in paths:
        number, size, modified, content, vanished = known.get(path, (0, -1, -1, None, 0))
        stamp = _stamp(path)
        if content is not None and stamp == (size, modified) and not again:
            unchanged += 1
            back += [number] if vanished else []
        else:
            tasks.append((path, () if again else by_size.get(stamp[0], ())))
    present = set(paths)
    starts = tuple(os.path.join(root, "") for root in roots)
    gone = [
        number
        for path, (number, *_, vanished) in known.items()
        if not vanished and path not in present and (path in roots or path.startswith(starts)) and _is_gone(path)
    ]
    return Plan(tasks, gone, back, unchanged)


def _stamp(path: str) -> tuple[int, int]:
    """Size and time of a file; -1 if there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _is_gone(path: str) -> bool:
    """Whether there is no such file; a folder that cannot be read, or a disk that does not answer, does not tell."""
    try:
        os.lstat(path)
    except OSError as error:
        return isinstance(error, (FileNotFoundError, NotADirectoryError))
    return False


def add_rows(
    database: Database,
    plan: Plan,
    compute: Callable[[list[Task]], Iterable[PhotoRows | str]],
    progress: Callable[[int, PhotoRows], object],
) -> Added:
    """Write the results of a plan's tasks; what is written stays if the work is interrupted.

    `compute` gives the results of tasks, in order.  `progress` is called with the number of photos done and the rows of the last
    one.
    """
    added = Added(unchanged=plan.unchanged)
    with database.transaction() as connection:
        connection.executemany("UPDATE photos SET vanished = 1 WHERE id = ?", [(number,) for number in plan.gone])
        connection.executemany("UPDATE photos SET vanished = 0 WHERE id = ?", [(number,) for number in plan.back])
    done, tasks, displaced = 0, plan.tasks, set(plan.gone)
    while tasks:
        again: list[Task] = []
        for batch in _batches(zip(tasks, compute(tasks), strict=True)):
            rows = [_died(path) if isinstance(result, str) else result for (path, _), result in batch]
            written = []
            with database.transaction() as connection:
                for each in rows:
                    if _add_photo(connection, each, added, displaced):
                        written.append(each)
                    else:  # its content was known, until this run replaced it
                        again.append((each.photo["path"], ()))
            for each in written:
                done += 1
                progress(done, each)
        tasks = again
    marks = [database.rows("SELECT vanished FROM photos WHERE id = ?", number)[0][0] for number in sorted(displaced)]
    added.vanished = sum(marks)  # some have only moved
    return added


def _batches(results: Iterator[Any]) -> Iterator[list[Any]]:
    """Lists of what arrives within a second; an interrupted list is still given."""
    batch: list[Any] = []
    since = time.monotonic()
    try:
        for result in results:
            batch.append(result)
            if time.monotonic() - since >= COMMIT_EVERY:
                yield batch
                batch, since = [], time.monotonic()
    except (Exception, KeyboardInterrupt):  # not if the rows could not be written
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _died(path: str) -> PhotoRows:
    """The rows of a photo whose process ended; it is tried again in the next run, as its content is not stored."""
    photo: dict[str, Any] = dict.fromkeys(PHOTO_COLUMNS)
    reason = "expected a photo that can be decoded, got one at which the process ended"
    photo.update(path=path, size=0, modified=0, rotation=0, outcome="unreadable", reason=reason)
    return PhotoRows(photo, [])


def _add_photo(connection: sqlite3.Connection, rows: PhotoRows, added: Added, displaced: set[int]) -> bool:
    """Write a photo; returns False if its content is not known any more."""
    photo = {**rows.photo, "path": path_value(rows.photo["path"])}
    known = connection.execute("SELECT id, width, height, content FROM photos WHERE path = ?", (photo["path"],)).fetchone()
    if photo["outcome"] == "known":
        return _add_known(connection, photo, known, added, displaced)
    added.computed += 1
    added.faces += len(rows.faces)
    added.without_face += photo["outcome"] == "no face"
    added.unreadable += photo["outcome"] == "unreadable"
    if known is None:
        number = _insert(connection, "photos", photo)
        for face in rows.faces:
            _insert_face(connection, number, face)
    elif photo["content"] is not None or known[3] is None:  # else it cannot be opened now, and what is known of it stays
        if _replace_faces(connection, known, photo, rows.faces):
            added.lost_names.append(rows.photo["path"])
        _update(connection, "photos", known[0], {**photo, "vanished": 0})
    return True


def _add_known(
    connection: sqlite3.Connection, photo: dict[str, Any], known: tuple[Any, ...] | None, added: Added, displaced: set[int]
) -> bool:
    """Write a photo whose content is in the index: it has moved, or is a copy, or only its time has changed.

    If it has moved to the path of another photo of the index, that one gets its path, and its number is `displaced`: it is gone,
    or this run finds it elsewhere.
    """
    place = {name: photo[name] for name in ("path", "size", "modified")} | {"vanished": 0}
    if known is not None and known[3] == photo["content"]:
        _update(connection, "photos", known[0], place)
        added.unchanged += 1
        return True
    same = connection.execute(
        "SELECT id, path, size, modified FROM photos WHERE content = ? ORDER BY id", (photo["content"],)
    ).fetchall()
    if not same:
        return False
    for number, path, *stamp in same:
        if known is None and not os.path.lexists(path_of(path)):
            _update(connection, "photos", number, place)
        elif known is not None and _stamp(path_of(path)) != tuple(stamp):
            _update(connection, "photos", known[0], {"path": b""})  # paths are unique
            _update(connection, "photos", number, place)
            _update(connection, "photos", known[0], {"path": path, "modified": -1, "vanished": 1})
            displaced.add(known[0])
        else:
            continue
        added.moved += 1
        return True
    original = dict(zip(PHOTO_COLUMNS, _row(connection, "photos", PHOTO_COLUMNS, same[0][0]), strict=True))
    names = ", ".join(FACE_COLUMNS)
    faces = [
        dict(zip(FACE_COLUMNS, row, strict=True))
        for row in connection.execute(f"SELECT {names} FROM faces WHERE photo = ? ORDER BY number", (same[0][0],))
    ]
    if known is None:
        number = _insert(connection, "photos", {**original, **place})
    else:
        number = known[0]
        if connection.execute("SELECT 1 FROM faces WHERE photo = ? AND person IS NOT NULL", (known[0],)).fetchone():
            added.lost_names.append(path_of(photo["path"]))
        connection.execute("DELETE FROM faces WHERE photo = ?", (known[0],))  # another photo: nothing of them is in it
        _update(connection, "photos", known[0], {**original, **place})
    for face in faces:
        _insert_face(connection, number, face)
    added.copied += 1
    return True


def _replace_faces(
    connection: sqlite3.Connection, known: tuple[Any, ...], photo: dict[str, Any], faces: Sequence[dict[str, Any]]
) -> bool:
    """Replace the faces of a photo that has changed; a face at the same place stays the same face, with its person.

    Returns whether a face with a person is gone.
    """
    number, *size, _ = known
    before = {
        face: (Rect(*box), person, time or 0.0)
        for face, *box, person, time in connection.execute(
            "SELECT id, x, y, width, height, person, time FROM faces WHERE photo = ? ORDER BY number", (number,)
        )
    }
    sx, sy = (photo["width"] / size[0], photo["height"] / size[1]) if photo["width"] and size[0] else (1.0, 1.0)
    pairs = sorted(
        (-iou(Rect(box.x * sx, box.y * sy, box.width * sx, box.height * sy), _box(face)), index, old)
        for old, (box, _, time) in before.items()
        for index, face in enumerate(faces)
        if abs(time - (face["time"] or 0.0)) <= SAME_TIME
    )
    kept: dict[int, int] = {}
    for overlap, index, old in pairs:
        if -overlap >= SAME_FACE and index not in kept and old not in kept.values():
            kept[index] = old
    lost = [old for old in before if old not in kept.values()]
    connection.executemany("DELETE FROM faces WHERE id = ?", [(old,) for old in lost])
    connection.execute("UPDATE faces SET number = -1 - number WHERE photo = ?", (number,))  # numbers are unique in a photo
    for index, face in enumerate(faces):
        if index in kept:
            _update(connection, "faces", kept[index], {**_stored(face), "group": None})
        else:
            _insert_face(connection, number, face)
    return any(before[old][1] is not None for old in lost)


def _box(face: dict[str, Any]) -> Rect:
    return Rect(face["x"], face["y"], face["width"], face["height"])


# ------------------------------------------------------------------ rows of a table


def _stored(face: dict[str, Any]) -> dict[str, Any]:
    expressions = face["expressions"]
    return {**face, "expressions": json.dumps(expressions) if isinstance(expressions, dict) else expressions}


def _insert_face(connection: sqlite3.Connection, photo: int, face: dict[str, Any]) -> None:
    _insert(connection, "faces", {"photo": photo, **_stored(face)})


def _insert(connection: sqlite3.Connection, table: str, values: dict[str, Any]) -> int:
    names = ", ".join(f'"{name}"' for name in values)
    cursor = connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", list(values.values()))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _update(connection: sqlite3.Connection, table: str, number: int, values: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}" = ?' for name in values)
    connection.execute(f"UPDATE {table} SET {names} WHERE id = ?", [*values.values(), number])


def _row(connection: sqlite3.Connection, table: str, names: Sequence[str], number: int) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(f"SELECT {', '.join(names)} FROM {table} WHERE id = ?", (number,)).fetchone()
    return row
