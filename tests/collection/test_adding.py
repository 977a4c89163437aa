"""Photos that are renamed, exchanged, edited, touched or gone: names follow their faces, and nothing known is computed again."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from helpers import ROOT
from helpers.photo_files import blank, face, remember_faces
from npfaceapi import FaceIndex, FaceWorker, MtcnnOptions, TinyFaceDetectorOptions

FAST = TinyFaceDetectorOptions(input_size=128)


@pytest.fixture
def computed(monkeypatch):
    """The pictures in which faces were looked for."""
    return remember_faces(monkeypatch)


@pytest.fixture
def index(tmp_path, computed):
    with FaceIndex(tmp_path / "faces.index", FAST) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "photos"


def named(index, folder, **names):
    """Add the folder, and name the face of each of these photos."""
    index.add(folder, workers=1)
    with index._database.transaction() as connection:
        for stem, name in names.items():
            person = connection.execute("INSERT INTO people (name) VALUES (?)", (name,)).lastrowid
            done = connection.execute(
                "UPDATE faces SET person = ? WHERE photo = (SELECT id FROM photos WHERE path = ?)",
                (person, f"{folder}/{stem}.png"),
            )
            assert done.rowcount == 1


def state(index):
    """Of each photo: whether it has vanished, and the names of its faces."""
    rows = index._database.rows(
        "SELECT path, vanished, faces.id, name FROM photos LEFT JOIN faces ON photo = photos.id "
        "LEFT JOIN people ON people.id = person ORDER BY path, number"
    )
    found = {}
    for path, vanished, number, name in rows:
        entry = found.setdefault(os.path.basename(path), (bool(vanished), []))
        if number is not None:
            entry[1].append(name)
    return found


def counts(added):
    """What is not zero."""
    names = ("computed", "unchanged", "moved", "copied", "vanished", "without_face", "unreadable", "faces")
    return {name: getattr(added, name) for name in names if getattr(added, name)}


def contents_are_those_of_the_files(index):
    for path, size, modified, content, vanished in index._database.rows(
        "SELECT path, size, modified, content, vanished FROM photos"
    ):
        assert bool(vanished) is not os.path.exists(path)
        if not vanished:
            with open(path, "rb") as file:
                data = file.read()
            assert (len(data), os.stat(path).st_mtime_ns, hashlib.sha256(data).digest()) == (size, modified, content)
    return True


def test_two_photos_exchange_their_names(index, folder, computed):
    face(folder / "a.png")
    face(folder / "b.png", mirrored=True)
    named(index, folder, a="Ann", b="Bob")
    computed.clear()
    for before, after in (("a", "x"), ("b", "a"), ("x", "b")):
        os.rename(folder / f"{before}.png", folder / f"{after}.png")
    added = index.add(folder)
    assert state(index) == {"a.png": (False, ["Bob"]), "b.png": (False, ["Ann"])}
    assert (counts(added), added.lost_names, computed) == ({"moved": 1, "unchanged": 1}, [], [])
    assert contents_are_those_of_the_files(index)
    assert counts(index.add(folder)) == {"unchanged": 2}


def test_photos_move_up_by_one_name(index, folder, computed):
    for number, side in enumerate((256, 250, 244)):
        face(folder / f"{number}.png", side, mirrored=number == 1)
    named(index, folder, **{"0": "Ann", "1": "Bob", "2": "Cid"})
    computed.clear()
    for number in (2, 1, 0):
        os.rename(folder / f"{number}.png", folder / f"{number + 1}.png")
    added = index.add(folder)
    assert state(index) == {"1.png": (False, ["Ann"]), "2.png": (False, ["Bob"]), "3.png": (False, ["Cid"])}
    assert (counts(added), computed) == ({"moved": 3}, [])
    assert contents_are_those_of_the_files(index)


def test_a_photo_is_renamed_over_another(index, folder, computed):
    face(folder / "a.png")
    face(folder / "b.png", mirrored=True)
    named(index, folder, a="Ann", b="Bob")
    computed.clear()
    os.replace(folder / "a.png", folder / "b.png")
    added = index.add(folder)
    assert state(index) == {"a.png": (True, ["Bob"]), "b.png": (False, ["Ann"])}  # kept until --prune
    assert (counts(added), computed) == ({"moved": 1, "vanished": 1}, [])
    assert index.prune() == 1
    assert state(index) == {"b.png": (False, ["Ann"])}


def test_a_photo_is_copied_over_another(index, folder, computed):
    face(folder / "a.png")
    face(folder / "b.png", mirrored=True)
    named(index, folder, a="Ann", b="Bob")
    computed.clear()
    shutil.copy(folder / "a.png", folder / "b.png")
    added = index.add(folder)
    assert state(index) == {"a.png": (False, ["Ann"]), "b.png": (False, [None])}  # Bob is not in it
    assert (counts(added), computed) == ({"copied": 1, "unchanged": 1}, [])
    assert added.lost_names == [str(folder / "b.png")]


@pytest.mark.parametrize("kept", ["original.png", "_before.png"])
def test_a_photo_is_edited_and_its_original_kept_beside_it(index, folder, kept):
    face(folder / "a.png")
    named(index, folder, a="Ann")
    shutil.move(folder / "a.png", folder / kept)
    face(folder / "a.png", 240)
    added = index.add(folder, workers=1)
    assert state(index) == {"a.png": (False, ["Ann"]), kept: (False, [None])}
    assert added.faces >= 1
    assert added.lost_names == []
    assert contents_are_those_of_the_files(index)
    assert counts(index.add(folder)) == {"unchanged": 2}
    (first, second) = index._database.rows("SELECT descriptor FROM faces JOIN photos ON photos.id = photo ORDER BY path")
    assert first != second


def test_only_the_time_has_changed(index, folder, computed):
    face(folder / "a.png")
    named(index, folder, a="Ann")
    computed.clear()
    os.utime(folder / "a.png", ns=(5, 7))
    assert counts(index.add(folder)) == {"unchanged": 1}
    assert (state(index), computed) == ({"a.png": (False, ["Ann"])}, [])
    assert contents_are_those_of_the_files(index)


def test_edited_exif_data_keep_face_and_name(index, folder):
    from PIL import Image

    face(folder / "a.png")
    named(index, folder, a="Ann")
    before = index._database.rows("SELECT id, descriptor FROM faces")
    exif = Image.Exif()
    exif[0x010E] = "with a caption now"
    Image.open(folder / "a.png").save(folder / "a.png", exif=exif)
    assert counts(index.add(folder, workers=1)) == {"computed": 1, "faces": 1}
    assert state(index) == {"a.png": (False, ["Ann"])}
    assert index._database.rows("SELECT id, descriptor FROM faces") == before


def test_gone_and_back(index, folder, computed, tmp_path):
    face(folder / "a.png")
    named(index, folder, a="Ann")
    computed.clear()
    shutil.move(folder / "a.png", tmp_path / "a.png")
    assert counts(index.add(folder)) == {"vanished": 1}
    assert counts(index.add(folder)) == {}  # said once
    assert state(index) == {"a.png": (True, ["Ann"])}
    shutil.move(tmp_path / "a.png", folder / "a.png")
    assert counts(index.add(folder)) == {"unchanged": 1}
    assert (state(index), computed) == ({"a.png": (False, ["Ann"])}, [])
    assert index.prune() == 0


def test_gone_in_one_run_and_found_elsewhere_in_a_later_one(index, folder, computed, tmp_path):
    face(folder / "a.png")
    named(index, folder, a="Ann")
    computed.clear()
    (tmp_path / "other").mkdir()
    shutil.move(folder / "a.png", tmp_path / "other" / "z.png")
    index.add(folder)
    assert counts(index.add(tmp_path / "other")) == {"moved": 1}
    assert (state(index), computed) == ({"z.png": (False, ["Ann"])}, [])


def test_what_is_outside_of_the_folders_given_has_not_vanished(index, folder, tmp_path):
    blank(folder / "a.png")
    blank(tmp_path / "photos2" / "b.png", "red")  # its path begins as the folder's does
    index.add([folder, tmp_path / "photos2"])
    shutil.rmtree(tmp_path / "photos2")
    assert counts(index.add(folder)) == {"unchanged": 1}
    assert counts(index.add([folder / "a.png"])) == {"unchanged": 1}
    (folder / "a.png").unlink()
    assert counts(index.add(folder)) == {"vanished": 1}


def test_a_photo_that_was_named_outright_does_not_vanish_from_its_folder(index, folder):
    """Which leaves it out, by its suffix or as it is hidden."""
    blank(folder / "a.png")
    blank(folder / ".hidden" / "b.png", "red")
    (folder / "c.dat").write_bytes(blank(folder / "c.png", "blue").read_bytes())
    (folder / "c.png").unlink()
    index.add([folder, folder / ".hidden" / "b.png", folder / "c.dat"])
    assert counts(index.add(folder)) == {"unchanged": 1}
    assert [vanished for vanished, _ in state(index).values()] == [False] * 3
    (folder / "c.dat").unlink()
    assert counts(index.add(folder)) == {"unchanged": 1, "vanished": 1}


def test_a_photo_whose_folder_cannot_be_searched_has_not_vanished(index, folder, monkeypatch):
    blank(folder / "in" / "b.png")
    index.add(folder)
    shutil.rmtree(folder / "in")
    real = os.lstat

    def lstat(path, **keywords):
        if os.fspath(path).endswith("/in/b.png"):
            raise PermissionError(13, "Permission denied")
        return real(path, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", lstat)
        assert counts(index.add(folder)) == {}
    assert counts(index.add(folder)) == {"vanished": 1}


def test_photos_vanish_beside_a_link_to_nothing(index, folder):
    blank(folder / "a.png")
    (folder / "b.png").symlink_to("nothing.png")
    index.add(folder)
    (folder / "a.png").unlink()
    added = index.add(folder)
    assert counts(added) == {"vanished": 1}
    assert added.problems == [f"{folder}/b.png: expected a file or a folder, got a link to nothing"]


def test_a_folder_that_cannot_be_read_keeps_its_photos(index, folder, monkeypatch):
    blank(folder / "a.png")
    blank(folder / "in" / "b.png", "red")
    index.add(folder)
    real = os.scandir

    def scandir(place):
        if os.fspath(place).endswith("/in"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    (folder / "a.png").unlink()
    added = index.add(folder)
    assert counts(added) == {"vanished": 1}
    assert added.problems == [f"{folder}/in: expected a folder that can be read, got: Permission denied"]
    monkeypatch.undo()
    assert counts(index.add(folder)) == {"unchanged": 1}


def test_a_photo_that_cannot_be_opened_now_keeps_what_is_known(index, folder):
    face(folder / "a.png")
    named(index, folder, a="Ann")
    data = (folder / "a.png").read_bytes()
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to("a.png")  # too many links: an error at opening
    added = index.add([folder / "a.png"])
    assert counts(added) == {"computed": 1, "unreadable": 1}
    assert state(index) == {"a.png": (False, ["Ann"])}
    (folder / "a.png").unlink()
    (folder / "a.png").write_bytes(data)
    assert counts(index.add(folder)) == {"unchanged": 1}


def test_an_unreadable_photo_is_looked_at_once_and_one_that_cannot_be_opened_each_time(index, folder):
    folder.mkdir()
    (folder / "text.jpg").write_text("no photo")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    paths = [folder / "text.jpg", folder / "loop.jpg"]
    assert counts(index.add(paths)) == {"computed": 2, "unreadable": 2}
    assert counts(index.add(paths)) == {"computed": 1, "unreadable": 1, "unchanged": 1}
    (row,) = index._database.rows("SELECT reason, content FROM photos WHERE path LIKE '%loop.jpg'")
    assert row == ("Too many levels of symbolic links", None)


def test_a_photo_becomes_unreadable(index, folder):
    face(folder / "a.png")
    named(index, folder, a="Ann")
    (folder / "a.png").write_text("no photo")
    added = index.add(folder)
    assert (counts(added), added.lost_names) == ({"computed": 1, "unreadable": 1}, [str(folder / "a.png")])
    assert state(index) == {"a.png": (False, [])}


@pytest.mark.slow
def test_a_thousand_names(index, folder, computed):
    blank(folder / "0.png")
    data = (folder / "0.png").read_bytes()
    for number in range(1, 1000):
        (folder / f"{number} ‘ü’ 名.png").write_bytes(data)
    added = index.add(folder, workers=1)
    assert added.computed + added.copied == 1000
    assert len(computed) == added.computed
    assert counts(index.add(folder)) == {"unchanged": 1000}


def test_rows_are_kept_when_progress_raises(index, folder):
    for number in range(3):
        blank(folder / f"{number}.png", (number, 0, 0))

    def stop(done, total, rows):
        raise RuntimeError("the caller's")

    with pytest.raises(RuntimeError, match="the caller's"):
        index.add(folder, workers=1, progress=stop)
    kept = len(state(index))
    assert kept >= 1
    assert counts(index.add(folder)).get("unchanged", 0) == kept
    assert counts(index.add(folder)) == {"unchanged": 3}


def test_rows_are_in_the_file_within_a_second(index, folder, monkeypatch):
    for number in range(9):
        blank(folder / f"{number}.png", (number, 0, 0))
    clock = itertools.count(step=0.3)
    monkeypatch.setattr("npfaceapi.collection.adding.time.monotonic", lambda: next(clock))
    stored = []

    def look(done, total, rows):
        with contextlib.closing(sqlite3.connect(index.path)) as other:
            stored.append((done, *other.execute("SELECT count(*) FROM photos").fetchone()))

    index.add(folder, workers=1, progress=look)
    assert [done for done, _ in stored] == list(range(1, 10))
    assert all(count >= done for done, count in stored)
    assert len({count for _, count in stored}) >= 3  # and not all at the end


def test_options_with_several_numbers_are_those_of_before(tmp_path):
    for _ in range(2):
        with FaceIndex(tmp_path / "mtcnn.index", MtcnnOptions()) as index:
            index.add([])
    with FaceIndex(tmp_path / "mtcnn.index") as index:
        index.add([])
        assert repr(index._worker.options) == repr(MtcnnOptions())


def test_progress_counts_every_photo(index, folder):
    for number in range(3):
        blank(folder / f"{number}.png", (number, 0, 0))
    seen = []
    index.add(
        folder, workers=1, progress=lambda done, total, rows: seen.append((done, total, os.path.basename(rows.photo["path"])))
    )
    assert seen == [(1, 3, "0.png"), (2, 3, "1.png"), (3, 3, "2.png")]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_is_killed_at_any_statement_goes_on_as_if_it_had_not_been(tmp_path):
    """With photos that were exchanged, moved, copied, edited, touched and removed meanwhile, and names for all faces."""
    done = subprocess.run(
        [sys.executable, "-m", "helpers.killed_runs", tmp_path],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert int(done.stdout) > 50


def test_what_was_done_before_an_interrupt_is_written(index, folder, monkeypatch):
    for number in range(4):
        blank(folder / f"{number}.png", (number, 0, 0))
    real = FaceWorker.rows

    def rows_of(worker, path, known=()):
        if path.endswith("2.png"):
            raise KeyboardInterrupt
        return real(worker, path, known)

    monkeypatch.setattr(FaceWorker, "rows", rows_of)
    with pytest.raises(KeyboardInterrupt):
        index.add(folder, workers=1)
    assert sorted(state(index)) == ["0.png", "1.png"]
