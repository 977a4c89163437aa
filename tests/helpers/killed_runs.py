"""Run as a program: kills runs of `FaceIndex.add` at each of their statements, and lets the next run go on.

Arguments: a folder to work in.  Prints the number of runs; ends with an error if an index is not that of a run without a kill.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from npfaceapi import FaceDetection, FaceIndex, FaceResult, FaceWorker
from npfaceapi.collection import adding
from npfaceapi.faces.results import Faces


def faces(worker, image):
    """As many faces as the picture is red, without networks, which must not run in a forked process."""
    pixels = np.asarray(image)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:4], "big"))
    return Faces(
        FaceResult(
            FaceDetection(0.9, {"x": 0.1 + 0.3 * number, "y": 0.2, "width": 0.2, "height": 0.5}, (32, 32)),
            descriptor=rng.normal(0, 0.05, 128).astype(np.float32),
        )
        for number in range(int(pixels[0, 0, 0]))
    )


FaceWorker.faces = faces
FaceWorker._weights_hash = lambda worker: "weights"
adding.COMMIT_EVERY = 0  # a transaction for each photo


def photo(path, red, blue=0):
    Image.new("RGB", (32, 32), (red, 7, blue)).save(path)


def first(folder):
    folder.mkdir()
    for number, name in enumerate("abcdefgh"):
        photo(folder / f"{name}.png", (number + 2) % 4, number)
    (folder / "text.jpg").write_text("no photo")


def second(folder):
    """Exchanged, moved, copied, edited with the original kept, gone, touched, new."""
    for before, after in (("a", "x"), ("b", "a"), ("x", "b"), ("c", "z")):
        os.rename(folder / f"{before}.png", folder / f"{after}.png")
    shutil.copy(folder / "d.png", folder / "d2.png")
    os.rename(folder / "e.png", folder / "e_original.png")
    photo(folder / "e.png", 1, 99)
    os.unlink(folder / "f.png")
    os.utime(folder / "g.png", ns=(1, 1))
    photo(folder / "new.png", 2, 50)
    (folder / "text.jpg").write_text("still no photo")


def name_all(index):
    """A person for each face that is there now."""
    with index._database.transaction() as connection:
        connection.execute("INSERT INTO people (id, name) SELECT id, 'person ' || id FROM faces")
        connection.execute("UPDATE faces SET person = id")


def content(file):
    """All that the index says, without the numbers of rows."""
    with FaceIndex(file) as index:
        ask = index._database.rows
        assert ask("PRAGMA integrity_check") == [("ok",)]
        assert ask("PRAGMA foreign_key_check") == []
        return (
            ask("SELECT path, size, modified, content, width, height, outcome, reason, vanished FROM photos ORDER BY path"),
            ask(
                "SELECT path, number, x, y, descriptor, name FROM faces JOIN photos ON photos.id = photo "
                "LEFT JOIN people ON people.id = person ORDER BY path, number"
            ),
        )


class Dying:
    """A connection whose process is killed at one of its statements."""

    def __init__(self, connection, at):
        self._connection, self._left = connection, at

    def __getattr__(self, name):
        if name in ("execute", "executemany"):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._connection, name)


def killed(file, folder, at):
    """Whether a run was killed before its end."""
    child = os.fork()
    if not child:
        with FaceIndex(file) as index:
            index._database.connection = Dying(index._database.connection, at)
            index.add(folder, workers=1)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main():
    place = Path(sys.argv[1])
    folder, before, whole = place / "photos", place / "before.index", place / "whole.index"
    first(folder)
    with FaceIndex(whole) as index:
        index.add(folder, workers=1)
        name_all(index)
    shutil.copy(whole, before)
    second(folder)
    with FaceIndex(whole) as index:
        index.add(folder, workers=1)
    expected, count = content(whole), 0
    assert len(expected[0]) == 12
    while True:
        count += 1
        file = place / f"{count}.index"
        shutil.copy(before, file)
        is_killed = killed(file, folder, count)
        if is_killed and count % 3 == 0:
            killed(file, folder, 5)  # once more
        with FaceIndex(file) as index:
            index.add(folder, workers=1)
            assert index.add(folder).unchanged == 11
        assert content(file) == expected, (count, content(file), expected)
        file.unlink()
        if not is_killed:
            print(count)
            return


if __name__ == "__main__":
    main()
