"""Who is who: what users say holds at once and for ever; numbers stay; who is forgotten is in no file any more."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from helpers import ROOT
from helpers.photo_index import files_with, filled, people
from npfaceapi import FaceIndex, LabeledFaceDescriptors
from npfaceapi.collection.vectors import SUFFIX
from npfaceapi.errors import InvalidArgument, NpFaceApiError


def insert(index, descriptors, first):
    """More faces, numbered from `first`, a photo each."""
    with index._database.transaction() as connection:
        for number, row in enumerate(np.asarray(descriptors, "<f4"), first):
            connection.execute(
                "INSERT INTO photos (id, path, size, modified, outcome) VALUES (?, ?, 1, 1, 'faces')",
                (number, f"/{number:05}.jpg"),
            )
            connection.execute(
                "INSERT INTO faces (id, photo, number, x, y, width, height, score, descriptor) "
                "VALUES (?, ?, 0, 1, 2, 3, 4, 0.9, ?)",
                (number, number, row.tobytes()),
            )


def by_number(index):
    return {group.number: (group.name, group.faces) for group in index.groups()}


@pytest.fixture
def index(tmp_path):
    """Three people with four faces each: groups 1, 2 and 3."""
    with filled(tmp_path / "a.index", people(np.random.default_rng(0), 3, 4, 0.01)[0]) as opened:
        assert by_number(opened) == {n: (None, list(range(4 * n - 3, 4 * n + 1))) for n in (1, 2, 3)}
        yield opened


# ------------------------------------------------------------------ without `groups` in between


def test_a_split_holds_though_the_rest_is_named_at_once(index):
    index.split(1, [1, 2])
    index.name(1, "Ann")
    assert by_number(index) == {1: ("Ann", [3, 4]), 2: (None, [5, 6, 7, 8]), 3: (None, [9, 10, 11, 12]), 4: (None, [1, 2])}


def test_the_faces_that_are_split_off_have_a_number_at_once(index):
    index.name(1, "Ann")
    index.split(1, [1])
    index.split(1, [2])
    index.name(4, "Bob")
    index.name(5, "Cid")
    assert by_number(index) == {
        1: ("Ann", [3, 4]), 2: (None, [5, 6, 7, 8]), 3: (None, [9, 10, 11, 12]), 4: ("Bob", [1]), 5: ("Cid", [2]),
    }  # fmt: skip
    assert index.changes() == []


def test_two_people_do_not_become_one_by_a_name(index):
    index.not_the_same(1, 2)
    with pytest.raises(InvalidArgument) as caught:
        index.name(1, "Ann")
    assert str(caught.value) == f"{index.path}: expected faces that may be one person, got 1 and 2, which are not the same"
    assert [group.name for group in index.groups()] == [None] * 4
    groups = by_number(index)
    number = next(number for number, (_, faces) in groups.items() if 1 in faces)
    index.name(number, "Ann")
    assert 2 not in next(group.faces for group in index.groups() if group.name == "Ann")


def test_two_people_do_not_become_one_by_joining(index):
    index.not_the_same(1, 5)
    with pytest.raises(InvalidArgument, match="expected faces that may be one person, got 1 and 5, which are not the same"):
        index.join(1, 2)
    index.join(1, 3)
    assert by_number(index)[1][1] == [1, 2, 3, 4, 9, 10, 11, 12]


def test_a_name_is_found_at_once(index, tmp_path):
    index.name(1, "Ann")
    labels = index.labels()
    with filled(tmp_path / "b.index", labels[0].descriptors[:3]) as other:
        assert other.add_labels(labels) == 3
        assert [face.face for face in other.faces_of("Ann")] == [1, 2, 3]


def test_faces_of_are_those_named_and_those_found_to_belong_to_them(index):
    index.name(1, "Ann")
    insert(index, people(np.random.default_rng(0), 3, 4, 0.01)[0][:1], 13)
    assert [face.face for face in index.faces_of("Ann")] == [1, 2, 3, 4]
    index.groups()
    found = index.faces_of("Ann")
    assert [face.face for face in found] == [1, 2, 3, 4, 13]
    assert [face.person for face in found] == ["Ann"] * 4 + [None]


# ------------------------------------------------------------------ as photos are added


def test_named_faces_stay_whatever_is_added(tmp_path):
    rng = np.random.default_rng(4)
    descriptors, _ = people(rng, 6, 6, spread=0.042)
    order = rng.permutation(36)
    with filled(tmp_path / "a.index", descriptors[order[:18]]) as index:
        for group, name in zip(index.groups(0.6), ("Ann", "Bob", "Cid"), strict=False):
            index.name(group.number, name)
        index.groups(0.6)
        named = {group.name: set(group.faces) for group in index.groups(0.6) if group.name}
        assert len(named) == 3
        between = descriptors[order[18:]] * 0.5 + descriptors[order[:18]] * 0.5  # faces between all others
        for start in range(0, 18, 6):
            insert(
                index, np.concatenate([descriptors[order[18 + start : 24 + start]], between[start : start + 6]]), 100 + 20 * start
            )
            groups = index.groups(0.9)
            now = {group.name: set(group.faces) for group in groups if group.name}
            assert now.keys() == named.keys()
            for name, faces in named.items():
                assert faces <= now[name]
            assert not {move.face for move in index.changes()} & set().union(*named.values())


def test_changes_are_the_faces_with_another_number_than_before(tmp_path):
    rng = np.random.default_rng(8)
    descriptors = rng.normal(0, 0.055, (60, 128)).astype(np.float32)
    with filled(tmp_path / "a.index", descriptors[:40]) as index:
        index.groups(0.8)
        before = {face: group.number for group in index.groups(0.8) for face in group.faces}
        insert(index, descriptors[40:], 41)
        after = {face: group.number for group in index.groups(0.8) for face in group.faces}
        moved = {(face, number, after[face]) for face, number in before.items() if after[face] != number}
        assert {tuple(move) for move in index.changes()} == moved
        assert moved


def test_a_group_has_the_number_of_the_group_that_most_of_its_faces_are_from(index):
    far = people(np.random.default_rng(9), 1, 30, 0.01)[0]
    insert(index, far, 100)
    assert list(by_number(index)) == [4, 1, 2, 3]  # the largest first, but numbered last
    index.split(4, list(range(100, 110)))
    groups = by_number(index)
    assert len(groups[4][1]) == 20
    assert groups[5][1] == list(range(100, 110))
    index.join(1, 2)
    assert len(by_number(index)[1][1]) == 8
    assert 2 not in by_number(index)
    insert(index, -far[:2], 200)
    assert by_number(index)[6][1] == [200, 201]  # 2 is not used again


@pytest.mark.parametrize("seed", range(3))
def test_parts_in_any_order_give_the_groups_of_the_whole(tmp_path, seed):
    """With constraints too, which are said of the first faces."""
    rng = np.random.default_rng(seed)
    descriptors, _ = people(rng, 5, 6, spread=0.042)
    found = []
    for order in (np.arange(30), np.concatenate([np.arange(8), 8 + rng.permutation(22)])):
        name = f"{len(found)}.index"
        with filled(tmp_path / name, descriptors[:8]) as index:
            index.not_the_same(1, 2)
            for start in range(8, 30, 7):
                with index._database.transaction():
                    for at in order[start : start + 7]:
                        insert(index, descriptors[at : at + 1], int(at) + 1)
                index.groups(0.6)
            found.append({frozenset(group.faces) for group in index.groups(0.6)})
    assert found[0] == found[1]
    assert not any({1, 2} <= group for group in found[0])


def test_nothing_is_computed_again_without_need(index, monkeypatch):
    monkeypatch.setattr("npfaceapi.collection.people.grouped", lambda *_: pytest.fail("computed again"))
    assert len(index.groups()) == 3
    with FaceIndex(index.path) as again:
        assert again.groups() == index.groups()


def test_a_face_is_not_numbered_as_one_that_was_removed(index):
    index.forget("/00012.jpg")
    with index._database.transaction() as connection:
        connection.execute("INSERT INTO photos (id, path, size, modified, outcome) VALUES (99, '/new', 1, 1, 'faces')")
        new = "INSERT INTO faces (photo, number, x, y, width, height, score) VALUES (99, 0, 1, 1, 1, 1, 1)"
        assert connection.execute(new).lastrowid == 13


# ------------------------------------------------------------------ forget


def traces(index, parts):
    return list(itertools.chain.from_iterable(files_with(index, part) for part in parts))


def parts_of(index, faces):
    """Bytes by which a face could be found: its descriptor and its points, and pieces of them."""
    with index._database.transaction() as connection:
        for face in faces:
            points = np.random.default_rng(face).normal(100, 30, 136).astype("<f4").tobytes()
            connection.execute("UPDATE faces SET points = ? WHERE id = ?", (points, face))
    rows = [index._database.rows("SELECT descriptor, points FROM faces WHERE id = ?", face)[0] for face in faces]
    return [part for row in rows for whole in row for part in (whole, whole[:32], whole[-32:])]


def test_points_and_descriptors_are_forgotten_before_and_after_closing(index):
    parts = [*parts_of(index, [1, 2, 3, 4]), b"Xanthippe"]
    index.name(1, "Xanthippe")
    index.groups()
    index.search(np.zeros(128))
    assert all(files_with(index, part) for part in parts)
    assert index.forget("Xanthippe") == 4
    assert traces(index, parts) == []
    index.search(np.zeros(128))
    index.groups()
    assert traces(index, parts) == []
    index.close()
    assert traces(index, parts) == []
    with FaceIndex(index.path) as again:
        assert [group.faces for group in again.groups()] == [[5, 6, 7, 8], [9, 10, 11, 12]]


def test_a_person_is_not_forgotten_while_new_faces_are_in_no_group(index):
    index.name(1, "Xanthippe")
    index._database.connection.execute('UPDATE faces SET "group" = NULL WHERE id = 7')
    with pytest.raises(InvalidArgument) as caught:
        index.forget("Xanthippe")
    assert str(caught.value) == (
        f"{index.path}: expected that all faces are in groups, got 1 that came after the last ones: "
        "compute groups first, as some may be Xanthippe's"
    )
    assert len(index.faces_of("Xanthippe")) == 4
    assert index.forget("/00001.jpg") == 1  # a photo waits for nothing


def test_a_person_whose_name_was_changed_is_in_no_file_under_the_old_one(index):
    index.name(1, "Xanthippe")
    index.name(1, "Zenobia")
    index.forget("Zenobia")
    assert traces(index, [b"Xanthippe", b"Zenobia"]) == []


def test_a_photo_by_its_relative_path(index, monkeypatch):
    parts = parts_of(index, [3])
    monkeypatch.chdir("/")
    assert index.forget("00003.jpg") == 1
    assert traces(index, [*parts, b"/00003.jpg"]) == []
    with pytest.raises(InvalidArgument, match=r"expected the name of a person or the path of a photo in it, got '00003\.jpg'"):
        index.forget("00003.jpg")


def test_half_written_files_of_vectors_are_removed(index):
    part = parts_of(index, [1])[0]
    left = f"{index.path}{SUFFIX}.0123abcd.part"
    with open(left, "wb") as file:
        file.write(part)
    index.forget("/00001.jpg")
    assert not os.path.exists(left)


def test_a_reader_that_keeps_bytes_is_said(index):
    parts = parts_of(index, [1, 2, 3, 4])
    index.name(1, "Xanthippe")
    index._database.connection.execute("PRAGMA busy_timeout = 50")
    with contextlib.closing(sqlite3.connect(index.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM faces").fetchall()
        with pytest.raises(NpFaceApiError) as caught:
            index.forget("Xanthippe")
        assert str(caught.value) == (
            f"{index.path}: expected to overwrite what was removed, got another process that is reading: it is removed, but its "
            "bytes stay until that process has closed the index"
        )
        assert len(index) == 8
        assert traces(index, parts)
    index.close()
    assert traces(index, [*parts, b"Xanthippe"]) == []


KILLED = """
import os, sys
from npfaceapi.collection import people
from npfaceapi.collection.database import Database
number, at = 0, int(sys.argv[2])
class Dying:
    def __init__(self, connection):
        self._connection = connection
    def __getattr__(self, name):
        global number
        if name in ("execute", "executemany"):
            number += 1
            if number == at:
                os.kill(os.getpid(), 9)
        return getattr(self._connection, name)
database = Database(sys.argv[1])
database.connection = Dying(database.connection)
people.forget(database, "Xanthippe")
print(number)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="no kill -9 there")
def test_killed_while_forgetting(tmp_path):
    """At every statement: the person is there and can be forgotten, or is gone; after that no trace is left."""
    rows = people(np.random.default_rng(0), 3, 4, 0.01)[0]
    for at in itertools.count(1):
        path = tmp_path / f"{at}.index"
        with filled(path, rows) as index:
            index.groups()
            index.name(1, "Xanthippe")
            index.search(rows[0])
        done = subprocess.run(
            [sys.executable, "-c", KILLED, path, str(at)],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        with FaceIndex(path) as index:
            assert index._database.rows("PRAGMA integrity_check") == [("ok",)]
            assert len(index) in (8, 12)
            if len(index) == 12:
                assert [face.face for face in index.search(rows[0], 1)] == [1]
                assert index.forget("Xanthippe") == 4
            index.search(rows[0])
        assert traces(index, [b"Xanthippe", *(row.tobytes() for row in rows[:4])]) == []
        if done.returncode != -signal.SIGKILL:
            break
    assert done.stderr == ""
    assert at > 5


def test_a_name_of_a_face_that_is_in_no_group_yet(tmp_path):
    descriptors = people(np.random.default_rng(0), 2, 3, 0.01)[0]
    with filled(tmp_path / "a.index", descriptors) as index:
        index.groups()
        with index._database.transaction() as connection:
            connection.execute('UPDATE faces SET "group" = NULL WHERE id = 6')
        index.add_labels([LabeledFaceDescriptors("Ann", [descriptors[5]])])
        with pytest.raises(InvalidArgument, match=r"got 'Ann', which is a face in no group yet: compute groups first$"):
            index.name(1, "Ann")
