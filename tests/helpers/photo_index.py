"""Indexes for tests: with faces that no photo has, and what a file beside an index contains."""

from __future__ import annotations

import os

import numpy as np

from npfaceapi import FaceIndex
from npfaceapi.collection.vectors import SUFFIX


def filled(path, descriptors):
    """An index with these descriptors, one face in each of as many photos; the faces are numbered from 1."""
    index = FaceIndex(path)
    rows = [(number, row.tobytes()) for number, row in enumerate(np.asarray(descriptors, "<f4"), 1)]
    with index._database.transaction() as connection:
        connection.executemany(
            "INSERT INTO photos (id, path, size, modified, outcome) VALUES (?, ?, 1, 1, 'faces')",
            [(number, f"/{number:05}.jpg") for number, _ in rows],
        )
        connection.executemany(
            "INSERT INTO faces (id, photo, number, x, y, width, height, score, descriptor) VALUES (?, ?, 0, 1, 2, 3, 4, 0.9, ?)",
            [(number, number, descriptor) for number, descriptor in rows],
        )
    return index


def files_with(index, part):
    """The endings of the index's files that contain these bytes."""
    found = []
    for end in ("", "-wal", "-shm", SUFFIX):
        if os.path.exists(index.path + end):
            with open(index.path + end, "rb") as file:
                found += [end] if part in file.read() else []
    return found


def people(rng, count, faces_each, spread=0.035):
    """Descriptors of people, as far from each other as those of different people are: float32 [n,128], and who each is."""
    centres = rng.normal(size=(count, 128))
    centres *= 0.75 / np.linalg.norm(centres, axis=1, keepdims=True)
    who = np.repeat(np.arange(count), faces_each)
    return (centres[who] + rng.normal(0, spread, (len(who), 128))).astype(np.float32), who
