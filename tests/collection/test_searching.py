"""Search in an index: the answers are those of a loop in float64, and of FAISS."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.photo_index import filled, people
from npfaceapi import FaceIndex, euclidean_distance
from npfaceapi.collection.searching import nearest, squared_lengths
from npfaceapi.collection.vectors import SUFFIX, vectors_of
from npfaceapi.errors import ImageError, InvalidArgument


def by_loop(descriptors, query, k, max_distance):
    """Every distance as `euclidean_distance` computes it; ties by number."""
    distances = [euclidean_distance(row, query) for row in descriptors]
    order = sorted(range(len(distances)), key=lambda row: (distances[row], row))[:k]
    return [(row, distances[row]) for row in order if distances[row] <= max_distance]


def found(descriptors, queries, k, max_distance=np.inf):
    answers = nearest(descriptors, squared_lengths(descriptors), queries, k, max_distance)
    return [list(zip(rows.tolist(), distances.tolist(), strict=True)) for rows, distances in answers]


@pytest.mark.parametrize(("rows", "queries", "k"), [(0, 2, 3), (1, 1, 3), (7, 3, 10), (900, 5, 4), (900, 1, 900)])
@pytest.mark.parametrize("max_distance", [np.inf, 1.3, 0.0])
def test_the_answers_are_those_of_a_loop(rows, queries, k, max_distance):
    rng = np.random.default_rng(rows + k)
    descriptors = rng.normal(0, 0.12, (rows, 128)).astype(np.float32)
    asked = rng.normal(0, 0.12, (queries, 128)).astype(np.float32)
    if rows > 100:  # equal rows, and rows that float32 cannot tell apart from them
        descriptors[50:90] = descriptors[7]
        descriptors[90:120] = descriptors[7] * np.float32(1 + 2e-7)
        asked[0] = descriptors[7]
    assert found(descriptors, asked, k, max_distance) == [by_loop(descriptors, query, k, max_distance) for query in asked]


def test_blocks_of_rows_and_of_queries_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    descriptors, _ = people(rng, 40, 9)
    whole = found(descriptors, descriptors[:50], 12, 0.7)
    monkeypatch.setattr("npfaceapi.collection.searching.ROWS_AT_ONCE", 17)
    monkeypatch.setattr("npfaceapi.collection.searching.QUERIES_AT_ONCE", 7)
    assert found(descriptors, descriptors[:50], 12, 0.7) == whole


def test_faiss_finds_the_same_rows():
    faiss = pytest.importorskip("faiss")
    rng = np.random.default_rng(1)
    descriptors = rng.normal(0, 0.12, (5000, 128)).astype(np.float32)
    queries = rng.normal(0, 0.12, (40, 128)).astype(np.float32)
    index = faiss.IndexFlatL2(128)
    index.add(descriptors)
    _, rows = index.search(queries, 10)
    assert [[row for row, _ in answer] for answer in found(descriptors, queries, 10)] == rows.tolist()


def test_a_search_names_photo_box_and_person(tmp_path):
    descriptors, _ = people(np.random.default_rng(2), 3, 4)
    with filled(tmp_path / "a.index", descriptors) as index:
        index.groups()
        index.name(1, "Ann")
        first, second = index.search(descriptors[1], k=2)
        assert (first.face, first.path, first.box.width, first.score, first.distance) == (2, "/00002.jpg", 3.0, 0.9, 0.0)
        assert second.distance == euclidean_distance(descriptors[second.face - 1], descriptors[1])
        assert first.person == second.person == ("Ann" if first.face in [face.face for face in index.faces_of("Ann")] else None)
        many = index.search(descriptors[:3], k=1)
        assert [[face.face for face in faces] for faces in many] == [[1], [2], [3]]
        assert index.search(descriptors[0] + 5, max_distance=0.6) == []


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        (np.zeros(127), {}, "FaceIndex.search: expected descriptors of 128 numbers, got"),
        ([1, 2], {}, "FaceIndex.search: expected descriptors of 128 numbers, got"),
        (np.full(128, np.nan), {}, "FaceIndex.search: expected"),
        (np.zeros(128), {"k": 0}, "FaceIndex.search: expected k from 1 up, got 0"),
        (np.zeros(128), {"k": 1.5}, "FaceIndex.search: expected k from 1 up, got 1.5"),
        (np.zeros(128), {"max_distance": "x"}, "FaceIndex.search: max_distance: expected"),
        ("nowhere.jpg", {}, "nowhere.jpg: expected an image file, got no such file"),
    ],
)
def test_wrong_queries(tmp_path, query, options, message):
    with FaceIndex(tmp_path / "a.index") as index, pytest.raises((InvalidArgument, ImageError, TypeError)) as caught:
        index.search(query, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------ the file of vectors


@pytest.fixture
def index(tmp_path):
    with filled(tmp_path / "a.index", people(np.random.default_rng(3), 5, 4)[0]) as opened:
        vectors_of(opened._database)
        yield opened


def sidecar(index):
    with open(index.path + SUFFIX, "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:100],
        lambda data: b"other" + data[5:],
        lambda data: data[:20] + b"\x09" + data[21:],
        lambda data: data[:-3] + b"abc",
    ],
    ids=["empty", "cut", "header cut", "foreign", "another version", "changed"],
)
def test_a_damaged_file_of_vectors_is_made_anew(index, damage):
    whole = sidecar(index)
    with open(index.path + SUFFIX, "wb") as file:
        file.write(damage(whole))
    found = vectors_of(index._database)
    assert found.faces.tolist() == list(range(1, 21))
    assert sidecar(index) == whole


def test_a_stale_file_of_vectors_is_made_anew_whoever_changed_the_rows(index):
    import sqlite3

    other = sqlite3.connect(index.path)
    with other:
        other.execute("DELETE FROM faces WHERE id = 3")
    other.close()
    assert 3 not in vectors_of(index._database).faces
    assert 3 not in [face.face for face in index.search(np.zeros(128), k=30)]


def test_a_missing_file_of_vectors_is_made_and_none_where_none_can_be(index, monkeypatch):
    import os

    os.unlink(index.path + SUFFIX)
    assert len(vectors_of(index._database).faces) == 20
    assert os.path.exists(index.path + SUFFIX)
    os.unlink(index.path + SUFFIX)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("npfaceapi.collection.vectors._write", refuse)
    assert len(vectors_of(index._database).faces) == 20
    assert not os.path.exists(index.path + SUFFIX)


def unit(rng, count):
    rows = rng.normal(size=(count, 128))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 79])
@pytest.mark.parametrize(
    "rows_of",
    [
        lambda rng: 40 + 0.3 * unit(rng, 80),  # where |x|² - 2 x·q + |q|² in float32 is wrong in the second decimal
        lambda rng: unit(rng, 80) * 10.0 ** rng.integers(-6, 4, (80, 1)),
        lambda rng: np.repeat(unit(rng, 1), 80, axis=0) * (1 + 1e-7 * rng.integers(-3, 3, (80, 128))),  # units in the last place
        lambda rng: unit(rng, 5)[rng.integers(0, 5, 80)],
        lambda rng: np.zeros((80, 128)),
        lambda rng: unit(rng, 80) * 1e-20,  # squares below the smallest number
        lambda rng: unit(rng, 80) * 1e18,
    ],
    ids=["far from zero", "of many lengths", "nearly equal", "equal", "zeros", "tiny", "huge"],
)
def test_rows_that_are_hard_in_float32(rows_of, k, monkeypatch):
    monkeypatch.setattr("npfaceapi.collection.searching.ROWS_AT_ONCE", 17)
    descriptors = rows_of(np.random.default_rng(k)).astype(np.float32)
    queries = np.concatenate([descriptors[::30], descriptors[:1] * np.float32(1.001)])
    assert found(descriptors, queries, k) == [by_loop(descriptors, query, k, np.inf) for query in queries]


def test_the_largest_distance_is_included():
    descriptors = unit(np.random.default_rng(6), 90)
    edge = euclidean_distance(descriptors[5], descriptors[0])
    for limit, is_in in ((edge, True), (np.nextafter(edge, 0), False)):
        assert (5 in [row for row, _ in found(descriptors, descriptors[:1], 90, limit)[0]]) is is_in
