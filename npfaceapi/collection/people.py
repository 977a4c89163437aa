"""Who is who: groups of faces, kept from one grouping to the next, and what a user says of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npfaceapi.collection.database import Database, path_value
from npfaceapi.collection.grouping import grouped
from npfaceapi.collection.vectors import Vectors, erase_rows
from npfaceapi.errors import InvalidArgument, shown

__all__ = [
    "CUTS",
    "Group",
    "Move",
    "changes",
    "faces_of",
    "forget",
    "groups",
    "join",
    "name_faces",
    "name_group",
    "not_the_same",
    "split",
]

#: By alignment and average_mirror: the largest distance between two groups that are joined; docs/collections.md has the figures.
CUTS = {("face-api", False): 0.50, ("face-api", True): 0.49, ("dlib", False): 0.50, ("dlib", True): 0.49}
_GROUPED = "groups"  # the setting that says what the stored groups were made from


class Group(NamedTuple):
    """Faces that are probably one person.

    Attributes
    ----------
    number : int
        It stays the same as faces are added, as long as most of its faces do.
    name : str or None
        The person's, if a user gave one.
    faces : list of int
        Their numbers in the index, ascending.
    """

    number: int
    name: str | None
    faces: list[int]


class Move(NamedTuple):
    """A face that the last grouping put into another group: its number, and the groups before and after."""

    face: int
    before: int
    after: int


def groups(database: Database, vectors: Vectors, cut: float) -> list[Group]:
    """The groups, computed anew if faces, people or the cut have changed; the largest first."""
    made_from = [database.rows("SELECT hex(value) FROM rows_version")[0][0], cut]
    if database.setting(_GROUPED) != made_from:
        _regroup(database, vectors, cut)
        database.set(_GROUPED, made_from)
    names = dict(
        database.rows('SELECT DISTINCT "group", name FROM faces JOIN people ON people.id = person WHERE name IS NOT NULL')
    )
    members: dict[int, list[int]] = {}
    for face, number in database.rows('SELECT id, "group" FROM faces WHERE "group" IS NOT NULL ORDER BY id'):
        members.setdefault(number, []).append(face)
    found = [Group(number, names.get(number), faces) for number, faces in members.items()]
    return sorted(found, key=lambda group: (-len(group.faces), group.number))


def _regroup(database: Database, vectors: Vectors, cut: float) -> None:
    """Compute the groups, give each the number of the old group that most of its faces are from, and store what moved."""
    with database.transaction() as connection:
        order = np.lexsort(np.ascontiguousarray(vectors.descriptors).view(np.uint32).T[::-1])  # by content: the same at each run
        faces = vectors.faces[order]
        place = dict(zip(faces.tolist(), range(len(faces)), strict=True))
        people = np.full(len(faces), -1)
        for face, person in connection.execute("SELECT id, person FROM faces WHERE person IS NOT NULL"):
            if face in place:
                people[place[face]] = person
        pairs = [
            (place[a], place[b]) for a, b in connection.execute("SELECT face, other FROM apart") if a in place and b in place
        ]
        label = grouped(vectors.descriptors[order], people, np.array(pairs, np.intp).reshape(-1, 2), cut)
        before: dict[int, int] = dict(connection.execute('SELECT id, "group" FROM faces WHERE "group" IS NOT NULL').fetchall())
        number_of = _numbers(label.tolist(), faces.tolist(), before, database.setting("next group") or 1)
        after = {face: number_of[first] for face, first in zip(faces.tolist(), label.tolist(), strict=True)}
        changed = [(after.get(face), face) for face in {*before, *after} if before.get(face) != after.get(face)]
        connection.executemany('UPDATE faces SET "group" = ? WHERE id = ?', changed)
        connection.execute("DELETE FROM moves")
        moves = [
            (face, before[face], group) for group, face in sorted(changed, key=lambda pair: pair[1]) if face in before and group
        ]
        connection.executemany("INSERT INTO moves VALUES (?, ?, ?)", moves)
        database.set("next group", max([database.setting("next group") or 1, *(n + 1 for n in number_of.values())]))


def _numbers(labels: Sequence[int], faces: Sequence[int], before: dict[int, int], next_number: int) -> dict[int, int]:
    """The number of each new group: of the old group with which it shares most faces, else a new one."""
    shared = Counter((label, before[face]) for label, face in zip(labels, faces, strict=True) if face in before)
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    for (label, old), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0][1], item[0][0])):
        if label not in numbers and old not in taken:
            numbers[label] = old
            taken.add(old)
    sizes, first = Counter(labels), dict(zip(reversed(labels), reversed(faces), strict=True))
    for label in sorted(set(labels) - numbers.keys(), key=lambda label: (-sizes[label], first[label])):
        numbers[label] = next_number
        next_number += 1
    return numbers


def changes(database: Database) -> list[Move]:
    """The faces that the last grouping moved."""
    return [Move(*row) for row in database.rows("SELECT face, before, after FROM moves ORDER BY face")]


# ------------------------------------------------------------------ what a user says


def name_group(database: Database, group: int, name: str) -> None:
    """Give the faces of a group a name; they keep it, whatever photos are added."""
    _check_name(name)
    with database.transaction() as connection:
        faces = _faces_of(database, group)
        other = database.rows('SELECT "group" FROM faces JOIN people ON people.id = person WHERE name = ? LIMIT 1', name)
        if other and other[0][0] != group:
            who = "a face in no group yet: compute groups first" if other[0][0] is None else f"group {other[0][0]}: join them"
            raise InvalidArgument(f"{database.path}: expected a name that no other group has, got {name!r}, which is {who}")
        person = _person_of(database, faces)
        connection.execute("UPDATE people SET name = ? WHERE id = ?", (name, person))
        _assign(database, faces, person)


def name_faces(database: Database, names: dict[int, str]) -> None:
    """Give single faces names, new ones or known ones."""
    with database.transaction() as connection:
        for name in sorted(set(names.values())):
            _check_name(name)
            known = connection.execute("SELECT id FROM people WHERE name = ?", (name,)).fetchone()
            person = known[0] if known else connection.execute("INSERT INTO people (name) VALUES (?)", (name,)).lastrowid
            assert person is not None
            _assign(database, [face for face, own in names.items() if own == name], person)
        _drop_unused(database)


def join(database: Database, numbers: Sequence[int]) -> None:
    """Make one person of several groups."""
    if len(set(numbers)) < 2:
        raise InvalidArgument(f"expected two groups or more, got {shown(list(numbers))}")
    with database.transaction() as connection:
        faces = [face for number in numbers for face in _faces_of(database, number)]
        marks = ", ".join("?" * len(set(numbers)))
        named = database.rows(
            "SELECT DISTINCT name FROM faces JOIN people ON people.id = person "
            f'WHERE "group" IN ({marks}) AND name IS NOT NULL ORDER BY name',
            *sorted(set(numbers)),
        )
        if len(named) > 1:
            raise InvalidArgument(
                f"{database.path}: expected groups of one person, got {', '.join(repr(name) for (name,) in named)}"
            )
        person = _person_of(database, faces)
        if named:
            connection.execute("UPDATE people SET name = NULL WHERE name = ?", named[0])
            connection.execute("UPDATE people SET name = ? WHERE id = ?", (named[0][0], person))
        _assign(database, faces, person)
        _drop_unused(database)


def split(database: Database, number: int, faces: Sequence[int]) -> None:
    """Make these faces of a group a person of their own, and the others of the group another, who keeps the name."""
    with database.transaction() as connection:
        members = _faces_of(database, number)
        if not faces or not set(faces) < set(members):
            raise InvalidArgument(
                f"{database.path}: expected some faces of group {number}, but not all, got {shown(sorted(set(faces)))}"
            )
        rest = [face for face in members if face not in set(faces)]
        number = database.setting("next group")
        connection.executemany('UPDATE faces SET person = NULL, "group" = ? WHERE id = ?', [(number, face) for face in faces])
        database.set("next group", number + 1)
        _assign(database, rest, _person_of(database, rest))
        _assign(database, faces, _person_of(database, []))


def not_the_same(database: Database, face: int, other: int) -> None:
    """Keep two faces in different groups for ever."""
    with database.transaction() as connection:
        rows = {
            number: person
            for number in (face, other)
            for number, person in database.rows("SELECT id, person FROM faces WHERE id = ?", number)
        }
        for number in (face, other):
            if number not in rows:
                raise InvalidArgument(f"{database.path}: expected the number of a face, got {shown(number)}")
        if face == other or (rows[face] is not None and rows[face] == rows[other]):
            raise InvalidArgument(
                f"{database.path}: expected faces of two people, got {face} and {other}, which are said to be one: split them"
            )
        connection.execute("INSERT OR IGNORE INTO apart VALUES (?, ?)", (min(face, other), max(face, other)))
        _regroup_later(database)


def forget(database: Database, who: str) -> int:
    """Remove the faces of a named person, or a photo, and overwrite their bytes; returns the number of faces."""
    person = database.rows("SELECT id FROM people WHERE name = ?", who)
    if person:
        ((waiting,),) = database.rows('SELECT count(*) FROM faces WHERE "group" IS NULL')
        if waiting:
            raise InvalidArgument(
                f"{database.path}: expected that all faces are in groups, got {waiting:,} that came after the last ones: "
                f"compute groups first, as some may be {who}'s"
            )
        faces = faces_of(database, who)
        photo = []
    else:
        photo = database.rows("SELECT id FROM photos WHERE path = ?", path_value(os.path.abspath(who)))
        if not photo:
            raise InvalidArgument(
                f"{database.path}: expected the name of a person or the path of a photo in it, got {shown(who)}"
            )
        faces = [face for (face,) in database.rows("SELECT id FROM faces WHERE photo = ?", photo[0][0])]
    with database.transaction() as connection:
        connection.executemany("DELETE FROM faces WHERE id = ?", [(face,) for face in faces])
        if person:
            connection.execute("DELETE FROM people WHERE id = ?", person[0])
        else:
            connection.execute("DELETE FROM photos WHERE id = ?", photo[0])
        _drop_unused(database)
        erase_rows(database, faces)
    database.overwrite_deleted()
    return len(faces)


def faces_of(database: Database, name: str) -> list[int]:
    """The faces that were given a name, and those in their group."""
    person = database.rows("SELECT id FROM people WHERE name = ?", name)
    if not person:
        raise InvalidArgument(f"{database.path}: expected the name of a person in it, got {shown(name)}")
    (number,) = person[0]
    query = 'SELECT id FROM faces WHERE person = ? OR "group" IN (SELECT "group" FROM faces WHERE person = ?) ORDER BY id'
    return [face for (face,) in database.rows(query, number, number)]


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.strip() or isinstance(path_value(name), bytes):
        raise InvalidArgument(f"expected a name, got {shown(name)}")


def _faces_of(database: Database, group: int) -> list[int]:
    faces = [face for (face,) in database.rows('SELECT id FROM faces WHERE "group" = ? ORDER BY id', group)]
    if not faces:
        raise InvalidArgument(f"{database.path}: expected the number of a group, as groups shows it, got {shown(group)}")
    return faces


def _person_of(database: Database, faces: Sequence[int]) -> int:
    """The person of these faces, the one with most of them; a new one if there is none."""
    people = Counter(
        person
        for face in faces
        for (person,) in database.rows("SELECT person FROM faces WHERE id = ?", face)
        if person is not None
    )
    if people:
        best: int = min(people, key=lambda person: (-people[person], person))
        return best
    with database.transaction() as connection:
        number = connection.execute("INSERT INTO people (name) VALUES (NULL)").lastrowid
    assert number is not None
    return number


def _assign(database: Database, faces: Sequence[int], person: int) -> None:
    apart = _apart_within(database, faces)
    if apart:
        raise InvalidArgument(
            f"{database.path}: expected faces that may be one person, got {apart[0]} and {apart[1]}, which are not the same"
        )
    with database.transaction() as connection:
        connection.executemany("UPDATE faces SET person = ? WHERE id = ?", [(person, face) for face in faces])
    _regroup_later(database)


def _regroup_later(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("DELETE FROM settings WHERE name = ?", (_GROUPED,))


def _drop_unused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("DELETE FROM people WHERE id NOT IN (SELECT person FROM faces WHERE person IS NOT NULL)")


def _apart_within(database: Database, faces: Sequence[int]) -> tuple[int, int] | None:
    inside = set(faces)
    return next(((a, b) for a, b in database.rows("SELECT face, other FROM apart") if {a, b} <= inside), None)
