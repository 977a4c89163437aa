"""The faces of an index as a table: CSV, JSON lines or Parquet; and named people as face-api.js's JSON.

A row per face, in the order of path and face, without row numbers and times: two indexes of the same photos give the same bytes.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi.collection.database import Database, path_of
from npfaceapi.collection.vectors import LENGTH
from npfaceapi.errors import BackendUnavailable, InvalidArgument, InvalidType, shown
from npfaceapi.faces.matcher import LabeledFaceDescriptors

__all__ = ["FORMATS", "labels_of", "write_table"]

FORMATS = ("parquet", "csv", "jsonl", "labels")
COLUMNS = ("path", "x", "y", "width", "height", "score", "age", "gender", "expression", "person")
ROWS_AT_ONCE = 10_000  # of a row group
_QUERY = (
    "SELECT path, x, y, faces.width, faces.height, score, age, gender, expression, name, descriptor FROM faces "
    "JOIN photos ON photos.id = photo LEFT JOIN people ON people.id = person ORDER BY path, number"
)


def write_table(database: Database, path: str | os.PathLike[str], kind: str) -> int:
    """Write the faces to a file, completely or not at all; returns their number.

    Raises
    ------
    BackendUnavailable
        For Parquet, without the package pyarrow.
    InvalidArgument
        If the file cannot be written.
    """
    write = {"parquet": _write_parquet, "csv": _write_csv, "jsonl": _write_json_lines, "labels": _write_labels}[kind]
    if not isinstance(path, (str, os.PathLike)) or "\0" in os.fspath(path):
        raise InvalidType(f"FaceIndex.export: expected a path, got {shown(path)}")
    target = Path(path)
    temporary = target.parent / f".{os.urandom(8).hex()}.part"
    try:
        if target.exists() and target.samefile(database.path):
            raise InvalidArgument(f"{target}: expected a file to write to, got the index")
        with database.snapshot():
            count = write(database, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise InvalidArgument(f"{target}: expected a file to write to, got: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return count


def labels_of(database: Database) -> list[LabeledFaceDescriptors]:
    """The named people with the descriptors of their faces, by name."""
    rows = database.rows(
        "SELECT name, descriptor FROM faces JOIN people ON people.id = person JOIN photos ON photos.id = photo "
        "WHERE name IS NOT NULL AND descriptor IS NOT NULL ORDER BY name, path, number"
    )
    return [
        LabeledFaceDescriptors(name, [np.frombuffer(descriptor, "<f4") for _, descriptor in faces])
        for name, faces in itertools.groupby(rows, key=lambda row: row[0])
    ]


def _rows(database: Database) -> Iterator[list[tuple[Any, ...]]]:
    """The faces, some thousand at a time; a path is a str, a descriptor bytes or None."""
    with database.one_line():
        cursor = database.connection.execute(_QUERY)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield [(path_of(row[0]), *row[1:]) for row in rows]


def _numbers(descriptor: bytes | None) -> list[str]:
    """The shortest texts that give the same float32."""
    if descriptor is None:
        return [""] * LENGTH
    return [str(value) for value in np.frombuffer(descriptor, "<f4")]


def _write_csv(database: Database, path: Path) -> int:
    count = 0
    with open(path, "x", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *(f"descriptor_{i}" for i in range(LENGTH))])
        for rows in _rows(database):
            writer.writerows([*row[:-1], *_numbers(row[-1])] for row in rows)
            count += len(rows)
    return count


def _write_json_lines(database: Database, path: Path) -> int:
    count = 0
    with open(path, "x", encoding="utf-8") as file:
        for rows in _rows(database):
            for row in rows:
                record = json.dumps(dict(zip(COLUMNS, row[:-1], strict=True)))
                descriptor = "null" if row[-1] is None else f"[{', '.join(_numbers(row[-1]))}]"
                file.write(f'{record[:-1]}, "descriptor": {descriptor}}}\n')
            count += len(rows)
    return count


def _write_parquet(database: Database, path: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise BackendUnavailable(
            'export to Parquet: expected the package pyarrow, got none installed; pip install "npfaceapi[parquet]"'
        ) from None
    texts, numbers = ("path", "gender", "expression", "person"), ("x", "y", "width", "height", "score", "age")
    types = {**dict.fromkeys(texts, pa.string()), **dict.fromkeys(numbers, pa.float64())}
    vectors = pa.list_(pa.float32(), LENGTH)
    schema = pa.schema([*((name, types[name]) for name in COLUMNS), ("descriptor", vectors)])
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        for rows in _rows(database):
            columns: dict[str, Any] = dict(zip((*COLUMNS, "descriptor"), zip(*rows, strict=True), strict=True))
            columns["path"] = [os.fsencode(path).decode(errors="backslashreplace") for path in columns["path"]]
            known = [np.zeros(LENGTH, "<f4").tobytes() if each is None else each for each in columns["descriptor"]]
            values = pa.array(np.frombuffer(b"".join(known), "<f4"))
            missing = pa.array([each is None for each in columns["descriptor"]])
            arrays = [pa.array(columns[name], types[name]) for name in COLUMNS]
            arrays.append(pa.FixedSizeListArray.from_arrays(values, type=vectors, mask=missing))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
    return count


def _write_labels(database: Database, path: Path) -> int:
    labels = labels_of(database)
    path.write_text(f"[{','.join(each.to_json() for each in labels)}]", "utf-8")
    return sum(len(each.descriptors) for each in labels)
