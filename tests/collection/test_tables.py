"""Tables for other programs: read back with their own readers, every bit of every number is there."""

from __future__ import annotations

import csv
import json
import math
import os

import numpy as np
import pytest

from helpers.photo_index import filled, people
from npfaceapi import FaceIndex, FaceMatcher, LabeledFaceDescriptors
from npfaceapi.collection import tables
from npfaceapi.errors import BackendUnavailable, InvalidArgument, InvalidType

#: Names and paths that a careless writer of tables would spoil.
ODD = ["plain", 'with "quotes", and commas', "two\nlines\r\n", "ü名🙂", "=1+1", "null", "", "tab\t", "\\back\\slash", "'", "1e5"]
FORMATS = ["csv", "jsonl", "parquet"]


@pytest.fixture
def index(tmp_path):
    """Odd paths, odd names, odd numbers; one face has no descriptor and no age."""
    descriptors = people(np.random.default_rng(0), len(ODD), 1)[0]
    descriptors[0, :8] = [0, -0.0, 1e-45, -1e-38, 3.4028235e38, 1 / 3, 16777217, np.float32(0.1)]
    with filled(tmp_path / "a.index", descriptors) as opened:
        with opened._database.transaction() as connection:
            for number, text in enumerate(ODD, 1):
                connection.execute("UPDATE photos SET path = ? WHERE id = ?", (f"/{text}.jpg", number))
                connection.execute(
                    "UPDATE faces SET x = ?, score = ?, age = ?, gender = 'female', expression = 'happy' WHERE id = ?",
                    (number / 3, math.nextafter(0.5, number), 1e-310 * number, number),
                )
                if text:
                    connection.execute("INSERT INTO people VALUES (?, ?)", (number, text))
                    connection.execute("UPDATE faces SET person = ? WHERE id = ?", (number, number))
            connection.execute("UPDATE photos SET path = ? WHERE id = 11", (b"/\xff\xfe.jpg",))
            connection.execute("UPDATE faces SET descriptor = NULL, age = NULL, gender = NULL WHERE id = 3")
        yield opened


def expected(index):
    """The rows, as plain SQL gives them: path in bytes, numbers, texts, descriptor."""
    rows = index._database.rows(
        "SELECT path, x, y, faces.width, faces.height, score, age, gender, expression, name, descriptor FROM faces "
        "JOIN photos ON photos.id = photo LEFT JOIN people ON people.id = person"
    )
    rows.sort(key=lambda row: (isinstance(row[0], bytes), os.fsencode(row[0])))
    return [(os.fsencode(row[0]), *row[1:]) for row in rows]


def read(path):
    """The rows of a table by another reader."""
    kind = path.suffix[1:]
    if kind == "parquet":
        rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    elif kind == "jsonl":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    else:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        numbers = [
            None if row[name] in ("", None) else float(row[name]) for name in ("x", "y", "width", "height", "score", "age")
        ]
        values = [row[f"descriptor_{i}"] for i in range(128)] if kind == "csv" else row["descriptor"]
        data = None if values is None or values[0] == "" else np.array([np.float32(value) for value in values], "<f4").tobytes()
        texts = [row[name] or None for name in ("gender", "expression", "person")]
        found.append((os.fsencode(row["path"]), *numbers, *texts, data))
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_every_bit_comes_back(index, tmp_path, format):
    path = tmp_path / f"a.{format}"
    if format == "parquet":
        pytest.importorskip("pyarrow")
    assert index.export(path, format) == len(ODD)
    wanted = expected(index)
    if format == "parquet":  # whose texts are UTF-8
        wanted = [(b"/\\xff\\xfe.jpg" if row[0] == b"/\xff\xfe.jpg" else row[0], *row[1:]) for row in wanted]
    assert read(path) == wanted


@pytest.mark.parametrize("format", [*FORMATS, "labels"])
def test_the_order_in_which_photos_came_and_names_were_given_changes_no_byte(tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    descriptors = people(np.random.default_rng(1), 12, 1)[0]
    found = set()
    for attempt in range(3):
        order = np.random.default_rng(attempt).permutation(12)
        with filled(tmp_path / f"{attempt}.index", descriptors[order]) as index:
            with index._database.transaction() as connection:
                connection.execute("UPDATE photos SET path = '-' || path")
                for number, at in enumerate(order.tolist(), 1):
                    connection.execute("UPDATE photos SET path = ?, modified = ? WHERE id = ?", (f"/{at}", attempt, number))
            names = {int(np.flatnonzero(order == at)[0]) + 1: name for at, name in ((3, "Ann"), (7, "Bob"), (8, "Ann"))}
            from npfaceapi.collection.people import name_faces

            name_faces(index._database, dict(sorted(names.items(), reverse=attempt == 1)))
            index.export(tmp_path / f"{attempt}.out", format)
            found.add((tmp_path / f"{attempt}.out").read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_parts_of_a_table_change_no_row(index, tmp_path, monkeypatch, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    index.export(tmp_path / f"whole.{format}", format)
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 3)
    index.export(tmp_path / f"parts.{format}", format)
    assert read(tmp_path / f"parts.{format}") == read(tmp_path / f"whole.{format}")


def test_parquet_has_types(index, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    index.export(tmp_path / "a.parquet", "parquet")
    schema = parquet.read_schema(tmp_path / "a.parquet")
    assert schema.names == ["path", "x", "y", "width", "height", "score", "age", "gender", "expression", "person", "descriptor"]
    assert schema.field("descriptor").type == pa.list_(pa.float32(), 128)
    assert {str(schema.field(name).type) for name in ("x", "score", "age")} == {"double"}


@pytest.mark.parametrize("format", [*FORMATS, "labels"])
def test_an_empty_index(tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    with FaceIndex(tmp_path / "a.index") as index:
        assert index.export(tmp_path / "a.out", format) == 0
        assert index.labels() == []
    if format == "parquet":
        os.rename(tmp_path / "a.out", tmp_path / "a.parquet")
        assert read(tmp_path / "a.parquet") == []
    else:
        assert len((tmp_path / "a.out").read_text().splitlines()) == {"csv": 1, "jsonl": 0, "labels": 1}[format]


# ------------------------------------------------------------------ labels


def test_labels_of_face_api(index, tmp_path):
    """Odd names too; a face without a descriptor is left out, and so is its name."""
    index.export(tmp_path / "labels.json", "labels")
    stored = json.loads((tmp_path / "labels.json").read_text("utf-8"))
    assert [each["label"] for each in stored] == sorted(set(ODD) - {"", ODD[2]})
    assert all(len(each["descriptors"]) == 1 and len(each["descriptors"][0]) == 128 for each in stored)
    read = [LabeledFaceDescriptors.from_json(each) for each in stored]
    assert read == index.labels()
    matcher = FaceMatcher.from_json({"distanceThreshold": 0.6, "labeledDescriptors": stored[:3]})
    assert [each.label for each in matcher.labeled_descriptors] == [each["label"] for each in stored[:3]]


def test_names_by_a_distance(tmp_path):
    descriptors, _ = people(np.random.default_rng(2), 3, 4, 0.01)
    ann, bob = (LabeledFaceDescriptors(name, [descriptors[at]]) for name, at in (("Ann", 0), ("Bob", 4)))
    with filled(tmp_path / "a.index", descriptors) as index:
        assert index.add_labels([]) == 0
        assert index.add_labels([ann]) == 1
        assert index.add_labels(iter([bob, ann]), max_distance=0.4) == 8
        assert [[face.face for face in index.faces_of(name)] for name in ("Ann", "Bob")] == [[1, 2, 3, 4], [5, 6, 7, 8]]
        far = LabeledFaceDescriptors("Cid", [descriptors[0] + 1])
        assert index.add_labels([far], max_distance=0.4) == 0
        with pytest.raises(InvalidArgument):
            index.faces_of("Cid")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["Ann"], "FaceIndex.add_labels: expected LabeledFaceDescriptors, got ['Ann']"),
        ([LabeledFaceDescriptors("Ann", [np.zeros(3, np.float32)])], "expected descriptors of 128 numbers, got 3"),
    ],
)
def test_wrong_labels(index, labels, message):
    with pytest.raises((InvalidArgument, InvalidType)) as caught:
        index.add_labels(labels)
    assert message in str(caught.value)


def test_labels_of_several_lengths(index):
    labels = [LabeledFaceDescriptors(name, [np.zeros(length, np.float32)]) for name, length in (("Ann", 128), ("Bob", 3))]
    with pytest.raises(InvalidArgument) as caught:
        index.add_labels(labels)
    assert "expected descriptors of 128 numbers, got 3" in str(caught.value)


# ------------------------------------------------------------------ places


@pytest.mark.parametrize("format", [*FORMATS, "labels"])
@pytest.mark.parametrize("link", [False, True])
def test_the_index_itself_is_never_replaced(index, tmp_path, format, link):
    path = tmp_path / "a.index"
    if link:
        os.link(path, tmp_path / "same")
        path = tmp_path / "same"
    with pytest.raises(InvalidArgument) as caught:
        index.export(path, format)
    assert str(caught.value) == f"{path}: expected a file to write to, got the index"
    assert len(index) == len(ODD)


@pytest.mark.parametrize("path", ["", ".", "no/a.csv", "a\0b", 7, None, b"a.csv"])
def test_where_no_file_can_be(index, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises((InvalidArgument, InvalidType)) as caught:
        index.export(path)
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_file_that_is_there_is_replaced_in_the_end_only(index, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("old")
    real = tables._rows

    def fails(database):
        yield next(real(database))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "_rows", fails)
    with pytest.raises(InvalidArgument) as caught:
        index.export(tmp_path / "a.csv")
    assert str(caught.value) == f"{tmp_path / 'a.csv'}: expected a file to write to, got: No space left on device"
    assert (tmp_path / "a.csv").read_text() == "old"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]
    monkeypatch.undo()
    index.export(tmp_path / "a.csv")
    assert read(tmp_path / "a.csv") == expected(index)


def test_without_pyarrow(index, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BackendUnavailable) as caught:
        index.export(tmp_path / "a.parquet", "parquet")
    assert str(caught.value) == (
        'export to Parquet: expected the package pyarrow, got none installed; pip install "npfaceapi[parquet]"'
    )
    assert os.listdir(tmp_path).count("a.parquet") == 0
