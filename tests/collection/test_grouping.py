"""Groups of faces: the partition is that of a naive loop in float64 and of SciPy, whatever the order; what users say holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from helpers.photo_index import filled, people
from npfaceapi.collection.grouping import grouped
from npfaceapi.errors import InvalidArgument

NOBODY, NO_PAIRS = -1, np.empty((0, 2), np.intp)


def partition(labels):
    """The sets of indices with one label."""
    groups = {}
    for index, label in enumerate(np.asarray(labels).tolist()):
        groups.setdefault(label, set()).add(index)
    return {frozenset(group) for group in groups.values()}


def naive(descriptors, who, apart, cut):
    """The two nearest groups are joined again and again; every mean is computed from all its pairs, in float64."""
    x = descriptors.astype(np.float64)
    squares = ((x[:, np.newaxis] - x) ** 2).sum(axis=2)
    groups = [[i for i in range(len(x)) if who[i] == person] for person in sorted({*who} - {NOBODY})]
    groups += [[i] for i in range(len(x)) if who[i] == NOBODY]

    def may_join(a, b):
        if {who[i] for i in a} - {NOBODY} and {who[i] for i in b} - {NOBODY}:
            return False
        return not any((i in a and j in b) or (j in a and i in b) for i, j in apart)

    while True:
        pairs = [
            (squares[np.ix_(groups[a], groups[b])].mean(), a, b)
            for a, b in itertools.combinations(range(len(groups)), 2)
            if may_join(groups[a], groups[b])
        ]
        distance, a, b = min(pairs, default=(np.inf, 0, 0))
        if distance > cut**2:
            return {frozenset(group) for group in groups}
        groups[a] += groups.pop(b)


@pytest.mark.parametrize("seed", range(8))
def test_the_groups_are_those_of_a_naive_loop(seed):
    rng = np.random.default_rng(seed)
    descriptors = people(rng, 6, 5, spread=0.042)[0]
    who = np.where(rng.random(30) < 0.25, rng.integers(0, 3, 30), NOBODY)
    apart = rng.integers(0, 30, (5, 2))
    apart = apart[apart[:, 0] != apart[:, 1]]
    expected = naive(descriptors, who.tolist(), apart.tolist(), 0.6)
    assert 1 < len(expected) < 30
    assert partition(grouped(descriptors, who, apart, 0.6)) == expected


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.62, 0.8, 2.0])
def test_the_groups_are_those_of_scipy(cut, monkeypatch):
    monkeypatch.setattr("npfaceapi.collection.grouping.ROWS_AT_ONCE", 50)
    monkeypatch.setattr("npfaceapi.collection.grouping.COLUMNS_AT_ONCE", 64)
    descriptors = people(np.random.default_rng(9), 40, 7, spread=0.04)[0]
    tree = linkage(pdist(descriptors.astype(np.float64), "sqeuclidean"), "average")
    expected = fcluster(tree, cut**2, "distance")
    assert partition(grouped(descriptors, np.full(280, NOBODY), NO_PAIRS, cut)) == partition(expected)


def test_the_order_does_not_matter():
    rng = np.random.default_rng(4)
    descriptors = people(rng, 30, 6, spread=0.042)[0]
    descriptors[10:13] = descriptors[3]  # copies
    expected = partition(grouped(descriptors, np.full(180, NOBODY), NO_PAIRS, 0.6))
    order = rng.permutation(180)
    shuffled = grouped(descriptors[order], np.full(180, NOBODY), NO_PAIRS, 0.6)
    assert {frozenset(order[list(group)].tolist()) for group in partition(shuffled)} == expected


def test_no_face_and_one_face():
    for count in (0, 1):
        nobody = np.full(count, NOBODY)
        assert grouped(np.zeros((count, 128), np.float32), nobody, NO_PAIRS, 0.5).tolist() == list(range(count))


# ------------------------------------------------------------------ hard cases


def test_scipy_gives_the_same_on_noise():
    """Where nothing is near, at cuts that join few, many and all."""
    descriptors = np.random.default_rng(12).normal(0, 0.05, (80, 128)).astype(np.float32)
    tree = linkage(pdist(descriptors.astype(np.float64), "sqeuclidean"), "average")
    for squared in np.quantile(tree[:, 2], [0.1, 0.5, 0.9, 1]).tolist():
        expected = fcluster(tree, squared * (1 + 1e-9), "distance")
        found = grouped(descriptors, np.full(80, NOBODY), NO_PAIRS, (squared * (1 + 1e-9)) ** 0.5)
        assert partition(found) == partition(expected)


def test_blocks_and_order_do_not_matter_with_people_and_pairs(monkeypatch):
    rng = np.random.default_rng(13)
    descriptors = people(rng, 10, 6, spread=0.042)[0]
    who, apart = np.where(np.arange(60) % 7 == 0, np.arange(60) // 6, NOBODY), np.array([[1, 2], [59, 3], [20, 21], [8, 40]])
    expected = partition(grouped(descriptors, who, apart, 0.6))
    order = rng.permutation(60)
    shuffled = grouped(descriptors[order], who[order], np.argsort(order)[apart], 0.6)
    assert {frozenset(order[list(group)].tolist()) for group in partition(shuffled)} == expected
    for height, width in ((7, 60), (60, 7), (13, 11)):
        monkeypatch.setattr("npfaceapi.collection.grouping.ROWS_AT_ONCE", height)
        monkeypatch.setattr("npfaceapi.collection.grouping.COLUMNS_AT_ONCE", width)
        assert partition(grouped(descriptors, who, apart, 0.6)) == expected


def test_a_face_that_joins_a_person_joins_no_other():
    """Whichever of them comes first."""
    middle = people(np.random.default_rng(15), 1, 1)[0][0]
    step = np.zeros(128, np.float32)
    step[0] = 0.1
    faces = np.array([middle, middle + step, middle - step * 1.1])  # nobody, one person, another person
    for order in itertools.permutations(range(3)):
        found = partition(grouped(faces[list(order)], np.array([NOBODY, 1, 2])[list(order)], NO_PAIRS, 0.5))
        assert {frozenset(order[at] for at in group) for group in found} == {frozenset({0, 1}), frozenset({2})}


def test_equal_faces():
    same = np.repeat(people(np.random.default_rng(14), 1, 1)[0], 6, axis=0)
    assert len(partition(grouped(same, np.full(6, NOBODY), NO_PAIRS, 0))) == 1
    assert sorted(map(len, partition(grouped(same, np.full(6, NOBODY), np.array([[0, 5]]), 9)))) == [1, 5]
    assert partition(grouped(same, np.arange(6), NO_PAIRS, 9)) == {frozenset({face}) for face in range(6)}
    assert partition(grouped(same, np.zeros(6, int), np.array([[0, 5]]), 0.5)) == {frozenset(range(6))}  # people come first


# ------------------------------------------------------------------ in an index


def faces_of(groups):
    return {frozenset(group.faces) for group in groups}


def test_faces_that_come_in_parts_give_the_same_groups(tmp_path):
    descriptors = people(np.random.default_rng(5), 12, 8, spread=0.042)[0]
    with filled(tmp_path / "whole.index", descriptors) as whole:
        expected = faces_of(whole.groups(0.6))
    with filled(tmp_path / "parts.index", descriptors) as index:
        later = list(range(97))
        np.random.default_rng(6).shuffle(later)
        rows = index._database.rows("SELECT * FROM faces")
        with index._database.transaction() as connection:
            connection.execute("DELETE FROM faces")
        for start in range(0, len(rows), 30):
            with index._database.transaction() as connection:
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO faces VALUES ({marks})", rows[start : start + 30])
            index.groups(0.6)
        assert faces_of(index.groups(0.6)) == expected


@pytest.fixture
def index(tmp_path):
    descriptors, _ = people(np.random.default_rng(7), 6, 5, spread=0.02)
    with filled(tmp_path / "a.index", descriptors) as opened:
        yield opened


def group_with(index, face):
    return next(group for group in index.groups() if face in group.faces)


def test_a_name_stays_and_numbers_stay(index):
    before = {group.number: group.faces for group in index.groups()}
    assert [len(faces) for faces in before.values()] == [5] * 6
    number = group_with(index, 1).number
    index.name(number, "Ann")
    assert {group.number: group.faces for group in index.groups()} == before
    assert group_with(index, 1).name == "Ann"
    assert index.changes() == []
    with index._database.transaction() as connection:  # two faces of one person far apart from Ann, and she between them
        connection.execute("UPDATE faces SET descriptor = (SELECT descriptor FROM faces WHERE id = 30) WHERE id = 1")
    assert set(range(1, 6)) <= set(group_with(index, 1).faces)
    assert 30 not in group_with(index, 1).faces


def test_join_split_and_not_the_same(index):
    first, second = group_with(index, 1), group_with(index, 6)
    index.name(first.number, "Ann")
    index.join(first.number, second.number)
    joined = group_with(index, 1)
    assert set(joined.faces) == {*first.faces, *second.faces}
    assert joined.name == "Ann"
    index.split(joined.number, second.faces)
    assert group_with(index, 1).name == "Ann"
    assert set(group_with(index, 1).faces) == set(first.faces)
    assert set(group_with(index, 6).faces) == set(second.faces)
    third = group_with(index, 11)
    index.not_the_same(third.faces[0], third.faces[1])
    assert third.faces[1] not in group_with(index, third.faces[0]).faces
    moved = {move.face for move in index.changes()}
    assert moved
    assert moved <= set(third.faces)


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda index: index.name(99, "Ann"), "expected the number of a group, as groups shows it, got 99"),
        (lambda index: index.name(1, " "), "expected a name, got ' '"),
        (lambda index: index.name(2, "Bob"), "expected a name that no other group has, got 'Bob', which is group 1"),
        (lambda index: index.join(1, 3), "expected groups of one person, got 'Bob', 'Cid'"),
        (lambda index: index.split(1, [999]), "expected some faces of group 1, but not all, got [999]"),
        (lambda index: index.not_the_same(1, 999), "expected the number of a face, got 999"),
        (lambda index: index.not_the_same(4, 4), "expected faces of two people, got 4 and 4"),
        (lambda index: index.forget("Zoe"), "expected the name of a person or the path of a photo in it, got 'Zoe'"),
        (lambda index: index.faces_of("Zoe"), "expected the name of a person in it, got 'Zoe'"),
        (lambda index: index.groups(-1), "FaceIndex.groups: cut: expected"),
    ],
)
def test_what_cannot_be_said_changes_nothing(index, do, message):
    index.groups()
    index.name(1, "Bob")
    index.name(3, "Cid")
    before = index.groups()
    with pytest.raises(InvalidArgument) as caught:
        do(index)
    assert message.removeprefix("FaceIndex.groups: cut: expected") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert index.groups() == before
