"""An index of photos on disk: its rows, runs that continue, what has moved or vanished, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT, ROOT
from helpers.photo_index import files_with, filled, people
from npfaceapi import FaceIndex, FaceMatcher, FaceWorker, TinyFaceDetectorOptions
from npfaceapi.collection.database import SCHEMA_VERSION
from npfaceapi.errors import InvalidArgument, NpFaceApiError

TINY = TinyFaceDetectorOptions(input_size=224)


@pytest.fixture
def folder(tmp_path):
    """Two photos with a face, one without, and a text file that claims to be a photo."""
    place = tmp_path / "photos"
    place.mkdir()
    image = Image.open(ASTRONAUT).convert("RGB")
    image.resize((256, 256)).save(place / "a.jpg")
    image.crop((100, 0, 356, 256)).save(place / "b.png")
    Image.new("RGB", (64, 48), "gray").save(place / "c.png")
    (place / "d.jpg").write_text("no photo")
    return place


@pytest.fixture
def index(tmp_path):
    with FaceIndex(tmp_path / "faces.index", TINY) as opened:
        yield opened


def rows(index, query="SELECT path, outcome FROM photos ORDER BY path"):
    return index._database.rows(query)


def exported(index, path):
    index.export(path)
    return path.read_bytes()


# ------------------------------------------------------------------ what is in it


@pytest.mark.slow
def test_the_rows_are_the_results(index, folder):
    added = index.add(folder, workers=1)
    assert (added.computed, added.without_face, added.unreadable, added.unchanged) == (4, 1, 1, 0)
    assert [(os.path.basename(path), outcome) for path, outcome in rows(index)] == [
        ("a.jpg", "faces"), ("b.png", "faces"), ("c.png", "no face"), ("d.jpg", "unreadable"),
    ]  # fmt: skip
    ((reason,),) = rows(index, "SELECT reason FROM photos WHERE outcome = 'unreadable'")
    assert reason.startswith("expected an image file (JPEG, PNG, ")
    task = faceapi.detect_all_faces(str(folder / "a.jpg"), TINY).with_face_landmarks().with_face_expressions()
    (face,) = task.with_age_and_gender().with_face_descriptors("dlib").run()
    connection = sqlite3.connect(index.path)  # any SQLite tool can read it
    connection.row_factory = sqlite3.Row
    row = connection.execute(
        "SELECT faces.*, photos.content FROM faces JOIN photos ON photos.id = photo WHERE path LIKE '%a.jpg'"
    ).fetchone()
    box = face.detection.box
    assert [row[name] for name in ("x", "y", "width", "height")] == [box.x, box.y, box.width, box.height]
    assert (row["score"], row["age"], row["gender"]) == (face.detection.score, face.age, face.gender.value)
    assert row["gender_probability"] == face.gender_probability
    assert json.loads(row["expressions"]) == face.expressions.to_dict()
    assert row["expression"] == face.expressions.as_sorted_array()[0].expression
    np.testing.assert_array_equal(np.frombuffer(row["descriptor"], "<f4"), face.descriptor)
    np.testing.assert_array_equal(np.frombuffer(row["points"], "<f4").reshape(68, 2), face.landmarks.positions.astype(np.float32))
    quality = faceapi.face_quality(str(folder / "a.jpg"), face)
    assert (row["size"], row["sharpness"], row["yaw"], row["quality"]) == (
        quality.size,
        quality.sharpness,
        quality.yaw,
        quality.score,
    )
    assert row["content"] == hashlib.sha256((folder / "a.jpg").read_bytes()).digest()
    connection.close()


def test_exif_says_when_a_photo_was_taken(index, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2024:05:01 12:30:00", 0x9011: "+02:00"})
    Image.new("RGB", (32, 32)).save(tmp_path / "a.jpg", exif=exif)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "b.jpg")
    index.add([tmp_path / "a.jpg", tmp_path / "b.jpg"])
    assert rows(index, "SELECT taken FROM photos ORDER BY path") == [("2024-05-01T12:30:00+02:00",), (None,)]


def test_the_worker_is_small_and_gives_columns(folder):
    worker = FaceWorker(TINY)
    copy = pickle.loads(pickle.dumps(worker))
    assert len(pickle.dumps(worker)) < 2000
    assert repr(copy) == repr(worker)
    paths = np.array([str(folder / "c.png"), str(folder / "a.jpg"), str(folder / "no.jpg")], dtype=object)
    columns = copy({"path": paths, "other": np.zeros(3)})
    assert columns["outcome"].tolist() == ["no face", "faces", "unreadable"]
    assert columns["face"].tolist() == [-1, 0, -1]
    assert columns["descriptor"].shape == (3, 128)
    assert np.isnan(columns["descriptor"]).all(axis=1).tolist() == [True, False, True]
    assert {len(column) for column in columns.values()} == {3}
    with pytest.raises(InvalidArgument, match='expected a batch with a column "path"'):
        worker({"image": []})


# ------------------------------------------------------------------ runs


@pytest.mark.slow
def test_a_second_run_computes_nothing(index, folder, monkeypatch):
    index.add(folder, workers=1)
    monkeypatch.setattr(FaceWorker, "faces", lambda *_: pytest.fail("computed again"))
    added = index.add([folder / "b.png", folder])
    assert (added.computed, added.unchanged) == (0, 4)
    os.utime(folder / "a.jpg", ns=(1, 1))  # only the time has changed
    assert index.add(folder).unchanged == 4
    assert rows(index, "SELECT modified FROM photos WHERE path LIKE '%a.jpg'") == [(1,)]


@pytest.mark.slow
def test_moved_copied_and_vanished_photos(index, folder, monkeypatch):
    index.add(folder, workers=1)
    before = exported(index, folder.parent / "before.csv")
    monkeypatch.setattr(FaceWorker, "faces", lambda *_: pytest.fail("computed again"))
    (folder / "deeper").mkdir()
    (folder / "a.jpg").rename(folder / "deeper" / "z.jpg")
    shutil.copy(folder / "b.png", folder / "copy.png")
    added = index.add(folder)
    assert (added.computed, added.moved, added.copied, added.vanished, added.unchanged) == (0, 1, 1, 0, 3)
    assert len(index) == 3
    shutil.rmtree(folder / "deeper")
    (folder / "copy.png").unlink()
    assert index.add(folder).vanished == 2
    assert len(index) == 3
    shutil.copy(folder / "b.png", folder / "copy.png")  # it is back
    index.add(folder)
    assert index.prune() == 1
    (folder / "copy.png").unlink()
    index.add(folder)
    assert index.prune() == 1
    left = exported(index, folder.parent / "after.csv").splitlines()
    assert left == [line for line in before.splitlines() if b"a.jpg" not in line]


@pytest.mark.slow
def test_a_changed_photo_keeps_its_names(index, folder):
    index.add(folder, workers=1)
    ((face,),) = rows(index, "SELECT faces.id FROM faces JOIN photos ON photos.id = photo WHERE path LIKE '%b.png'")
    group = next(group for group in index.groups() if face in group.faces)
    index.name(group.number, "Eileen")
    Image.open(folder / "b.png").resize((512, 512)).save(folder / "b.png")  # the same face in twice the size
    assert index.add(folder).lost_names == []
    assert rows(index, "SELECT name FROM faces JOIN people ON people.id = person WHERE faces.id = ?".replace("?", str(face))) == [
        ("Eileen",)
    ]
    Image.new("RGB", (64, 64)).save(folder / "b.png")
    assert index.add(folder).lost_names == [str(folder / "b.png")]


def test_names_in_any_encoding(index, tmp_path):
    odd = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.png")
    try:
        shutil.copy(ASTRONAUT, odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    index.add([odd])
    ((path,),) = rows(index, "SELECT path FROM photos")
    assert path == odd
    assert index.search(ASTRONAUT, max_distance=0.1)[0][0].path == os.fsdecode(odd)
    assert odd in exported(index, tmp_path / "a.csv")
    index.export(tmp_path / "a.jsonl", "jsonl")
    assert os.fsencode(json.loads((tmp_path / "a.jsonl").read_text())["path"]) == odd


def test_a_photo_that_changes_while_it_is_read_is_tried_again(index, folder, monkeypatch):
    import builtins

    real = builtins.open
    growing = str(folder / "c.png")

    class Growing:
        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def fileno(self):
            return self._file.fileno()

        def read(self):
            data = self._file.read()
            with real(growing, "ab") as file:
                file.write(b"x")
            return data

    monkeypatch.setattr(
        "npfaceapi.collection.worker.open",
        lambda path, mode: Growing(real(path, mode)) if path == growing else real(path, mode),
        raising=False,
    )
    index.add([growing])
    assert rows(index, "SELECT outcome, reason, content FROM photos") == [
        ("unreadable", "expected a file that stays as it is, got one that changed while it was read", None)
    ]
    monkeypatch.undo()
    index.add([growing])
    assert rows(index) == [(growing, "no face")]


# ------------------------------------------------------------------ the same rows, however they came

SCRIPT = """
import sys
from npfaceapi import FaceIndex, TinyFaceDetectorOptions
if __name__ == "__main__":
    with FaceIndex(sys.argv[1], TinyFaceDetectorOptions(input_size=224)) as index:
        index.add(sys.argv[2], workers=int(sys.argv[3]), progress=lambda done, total, rows: print(done, flush=True))
"""


def many(folder, count=24):
    """Photos with the same face in other places."""
    folder.mkdir()
    image = Image.open(ASTRONAUT).convert("RGB").resize((300, 300))
    for number in range(count):
        image.crop((number, number // 2, 250 + number, 250)).save(folder / f"{number:02}.jpg")
    return folder


def started(tmp_path, photos, workers, name="killed.index"):
    (tmp_path / "run.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "run.py", tmp_path / name, photos, str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)


@pytest.mark.slow
def test_workers_kills_and_interrupts_change_nothing(tmp_path):
    photos = many(tmp_path / "photos")
    with FaceIndex(tmp_path / "whole.index", TINY) as index:
        index.add(photos, workers=1)
        expected = exported(index, tmp_path / "whole.csv")
        assert len(index) == 24
    for how in (signal.SIGKILL, signal.SIGINT):
        with started(tmp_path, photos, 2) as run:
            run.stdout.readline()  # the first rows are written
            run.send_signal(how)
            _, errors = run.communicate(timeout=60)
        assert run.returncode != 0
        assert how == signal.SIGKILL or "KeyboardInterrupt" in errors
    with started(tmp_path, photos, 2) as run:
        run.communicate(timeout=120)
    assert run.returncode == 0
    with FaceIndex(tmp_path / "killed.index") as index:
        assert exported(index, tmp_path / "killed.csv") == expected
        assert index._database.rows("PRAGMA integrity_check") == [("ok",)]
        assert index.add(photos).unchanged == 24


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_photo_and_no_other(tmp_path, monkeypatch):
    photos = many(tmp_path / "photos", 20)
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom npfaceapi import FaceWorker\nclass Deadly(FaceWorker):\n"
        "    def rows(self, path, known=()):\n"
        "        if path.endswith('07.jpg'): os.kill(os.getpid(), 9)\n"
        "        return super().rows(path, known)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    from deadly import Deadly

    with FaceIndex(tmp_path / "a.index", TINY) as index:
        index._worker = Deadly(TINY)
        added = index.add(photos, workers=2)
        assert (added.computed, added.unreadable) == (20, 1)
        assert "at which the process ended" in rows(index, "SELECT reason FROM photos WHERE outcome = 'unreadable'")[0][0]
        index._worker = FaceWorker(TINY)
        assert index.add(photos).computed == 1
        assert len(index) == 20


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_rows_though_a_worker_is_killed(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    photos = many(tmp_path / "photos")
    with FaceIndex(tmp_path / "whole.index", TINY) as index:
        index.add(photos, workers=1)
        expected = exported(index, tmp_path / "whole.csv")
    killed = []
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        FaceIndex(tmp_path / "dask.index", TINY) as index,
    ):

        def kill_one(*_):
            if not killed:
                killed.append(next(iter(cluster.workers.values())).process.pid)
                os.kill(killed[0], signal.SIGKILL)

        index.add(photos, scheduler=cluster.scheduler_address, progress=kill_one)
        assert exported(index, tmp_path / "dask.csv") == expected
    assert killed


def test_without_a_scheduler(index, folder):
    pytest.importorskip("distributed")
    with pytest.raises(NpFaceApiError, match="scheduler nonsense: expected a Dask scheduler, got"):
        index.add(folder, scheduler="nonsense")


# ------------------------------------------------------------------ what is refused


def test_other_options_are_refused_with_what_differs(folder, tmp_path):
    path = tmp_path / "faces.index"
    with FaceIndex(path, TINY) as index:
        index.add(folder / "a.jpg")
    with FaceIndex(path) as index:  # as it was made
        assert index.add(folder / "a.jpg").unchanged == 1
    changed = TinyFaceDetectorOptions(input_size=320)
    with FaceIndex(path, changed, alignment="face-api") as index:
        with pytest.raises(InvalidArgument) as caught:
            index.add(folder)
        assert "got alignment face-api (was dlib), input_size 320 (was 224)" in str(caught.value)
        assert len(index) == 1
        assert index.add(folder / "a.jpg", again=True).computed == 1
    with FaceIndex(path) as index:
        assert repr(index._worker.options) == repr(changed)


def test_all_descriptors_are_made_one_way_though_a_new_start_is_interrupted(folder, tmp_path, monkeypatch):
    path = tmp_path / "faces.index"
    with FaceIndex(path, TINY) as index:
        index.add([folder / "a.jpg", folder / "b.png"], workers=1)
    real = FaceWorker.rows

    def rows_of(self, path, known=()):
        if path.endswith("b.png"):
            raise KeyboardInterrupt
        return real(self, path, known)

    monkeypatch.setattr(FaceWorker, "rows", rows_of)
    with FaceIndex(path, TINY, alignment="face-api") as index:
        with pytest.raises(KeyboardInterrupt):
            index.add(folder / "a.jpg", again=True), index.add([folder / "a.jpg", folder / "b.png"])
        assert rows(index, "SELECT count(*) FROM faces WHERE descriptor IS NOT NULL") == [(1,)]
        monkeypatch.undo()
        index.add(folder)
        assert rows(index, "SELECT count(*) FROM faces WHERE descriptor IS NOT NULL") == [(2,)]


def damaged(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def newer(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def foreign(path):
    path.unlink()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE a (b)")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damaged, "expected an index, got a damaged file or another one"),
        (
            newer,
            f"expected an index of version {SCHEMA_VERSION}, got one of version {SCHEMA_VERSION + 1}: a newer npfaceapi made it",
        ),
        (foreign, "expected an index made by npfaceapi index, got another SQLite database"),
        (lambda path: path.write_text("text " * 999), "expected an index, got a damaged file or another one"),
    ],
    ids=["damaged", "newer", "foreign", "text"],
)
def test_a_file_that_is_no_index_is_refused_and_stays(tmp_path, spoil, message):
    path = tmp_path / "a.index"
    filled(path, people(np.random.default_rng(0), 2, 3)[0]).close()
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(InvalidArgument) as caught, FaceIndex(path) as index:
        index.search(np.zeros(128))
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "message"), [("", "expected the file of an index, got a folder"), ("no/a.index", "got: no such folder")]
)
def test_a_place_where_no_index_can_be(tmp_path, name, message):
    with pytest.raises(InvalidArgument, match=message):
        FaceIndex(tmp_path / name)


def test_two_writers(index, folder):
    with FaceIndex(index.path, TINY) as other, other._only_writer():
        with pytest.raises(NpFaceApiError, match="expected to be the only one to add photos, got another process that does"):
            index.add(folder)
        index._database.set("x", 1)  # but who names people can write meanwhile
    assert index.add(folder / "c.png").computed == 1
    assert not os.path.exists(index.path + ".lock")


@pytest.mark.slow
def test_a_full_disk_loses_nothing(index, folder):
    index.add(folder / "a.jpg", workers=1)
    pages = rows(index, "PRAGMA page_count")[0][0]
    rows(index, f"PRAGMA max_page_count = {pages}")
    for quality in range(50, 90, 5):
        Image.open(folder / "a.jpg").save(folder / f"{quality}.jpg", quality=quality)
    with pytest.raises(NpFaceApiError) as caught:
        index.add(folder, workers=1)
    assert str(caught.value) == f"{index.path}: expected an index that can be read and written, got: database or disk is full"
    assert (str(folder / "a.jpg"), "faces") in rows(index)
    assert rows(index, "PRAGMA integrity_check") == [("ok",)]
    rows(index, "PRAGMA max_page_count = 1000000")
    index.add(folder, workers=1)
    assert len(rows(index)) == len(list(folder.iterdir())) == 12


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written_can_be_searched(tmp_path):
    descriptors = people(np.random.default_rng(1), 2, 3)[0]
    place = tmp_path / "disc"
    place.mkdir()
    filled(place / "a.index", descriptors).close()
    (place / "a.index").chmod(0o444)
    place.chmod(0o555)
    try:
        with FaceIndex(place / "a.index") as index:
            assert index.search(descriptors[0], k=1)[0].distance == 0
            with pytest.raises(InvalidArgument, match="expected an index that can be written, got a read-only one"):
                index.name(1, "Ann")
    finally:
        place.chmod(0o755)


@pytest.mark.parametrize(
    ("photos", "options", "message"),
    [
        ("nowhere", {}, "nowhere: expected a photo or a folder, got no such file"),
        ([3], {}, "FaceIndex.add: expected paths of photos or folders, got 3"),
        (7, {}, "FaceIndex.add: expected paths of photos or folders, got 7"),
        ([], {"workers": 0}, "FaceIndex.add: expected 1 or more workers, got 0"),
    ],
)
def test_wrong_arguments(index, photos, options, message):
    with pytest.raises((InvalidArgument, TypeError)) as caught:
        index.add(photos, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda index: index.name("x", "Ann"), "expected the number of a group, as groups shows it, got 'x'"),
        (lambda index: index.name(2**70, "Ann"), f"expected the number of a group, as groups shows it, got {2**70}"),
        (lambda index: index.name(1, b"Ann"), "expected a name, got b'Ann'"),
        (lambda index: index.name(1, "\udcff"), "expected a name, got '\\udcff'"),
        (lambda index: index.join(), "expected two groups or more, got []"),
        (lambda index: index.join(1, 1), "expected two groups or more, got [1, 1]"),
        (lambda index: index.split(1, None), "FaceIndex.split: expected numbers of faces, got None"),
        (lambda index: index.split(1, 5), "FaceIndex.split: expected numbers of faces, got 5"),
        (lambda index: index.split(1, [2**70]), "expected some faces of group 1, but not all, got"),
        (lambda index: index.not_the_same(1, 2**70), f"expected the number of a face, got {2**70}"),
        (lambda index: index.faces_of(7), "expected the name of a person in it, got 7"),
        (lambda index: index.faces_of("\udcff"), "expected the name of a person in it, got '\\udcff'"),
        (lambda index: index.forget(7), "FaceIndex.forget: expected a name or a path, got 7"),
        (lambda index: index.forget("\udcff"), "expected the name of a person or the path of a photo in it, got '\\udcff'"),
        (lambda index: index.contact_sheets(7), "FaceIndex.contact_sheets: expected a path, got 7"),
        (lambda index: index.contact_sheets("a\0b"), "FaceIndex.contact_sheets: expected a path, got 'a\\x00b'"),
        (lambda index: index.contact_sheets("a", "x"), "FaceIndex.contact_sheets: smallest: expected a finite number, got 'x'"),
        (lambda index: index.add([], again="x"), "FaceIndex.add: again: expected True or False, got 'x'"),
        (lambda index: index.add_labels(5), "FaceIndex.add_labels: expected LabeledFaceDescriptors, got [5]"),
        (lambda index: index.search([[1, 2], [3]]), "FaceIndex.search: expected descriptors of 128 numbers, got [[1, 2], [3]]"),
    ],
)
def test_wrong_arguments_of_other_methods(tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    with filled(tmp_path / "a.index", people(np.random.default_rng(0), 2, 3, 0.01)[0]) as index:
        before = index.groups()
        with pytest.raises(NpFaceApiError) as caught:
            call(index)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert index.groups() == before
        assert sorted(os.listdir(tmp_path)) == ["a.index", "a.index-shm", "a.index-wal", "a.index.vectors"]


def test_numbers_of_numpy(tmp_path):
    with filled(tmp_path / "a.index", people(np.random.default_rng(0), 3, 4, 0.01)[0]) as index:
        index.groups()
        index.name(np.int64(1), "Ann")
        index.not_the_same(np.int32(1), np.int64(5))
        index.split(np.uint8(2), np.array([5, 6]))
        assert [group.faces for group in index.groups() if 5 in group.faces] == [[5, 6]]


def test_a_closed_index_says_so(tmp_path):
    index = FaceIndex(tmp_path / "a.index")
    index.close()
    index.close()
    with pytest.raises(NpFaceApiError, match="Cannot operate on a closed database"):
        index.search(np.zeros(128))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names there")
def test_a_pipe_is_no_photo(index, tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert index.add([tmp_path / "a.jpg"]).unreadable == 1
    assert rows(index, "SELECT reason FROM photos") == [("expected a file, got a pipe or a device",)]


def test_wrong_options_make_no_file(tmp_path):
    with pytest.raises(InvalidArgument, match="expected an alignment out of face-api, dlib, got 'x'"):
        FaceIndex(tmp_path / "a.index", alignment="x")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ forget


def test_nothing_is_left_of_who_is_forgotten(tmp_path):
    descriptors, _ = people(np.random.default_rng(8), 30, 20, spread=0.02)
    with filled(tmp_path / "a.index", descriptors) as index:
        group = next(group for group in index.groups() if 1 in group.faces)
        index.name(group.number, "Xanthippe")
        index.search(descriptors[0])  # the file of vectors
        gone = [descriptors[face - 1].tobytes() for face in group.faces]
        assert files_with(index, b"Xanthippe") != []
        assert all(".vectors" in files_with(index, part) and len(files_with(index, part)) > 1 for part in gone)
        assert index.forget("Xanthippe") == 20
        assert [files_with(index, part) for part in [b"Xanthippe", *gone]] == [[]] * 21
        index.groups()
        assert len(index) == 580
        with pytest.raises(InvalidArgument):
            index.faces_of("Xanthippe")
    assert [files_with(index, part) for part in [b"Xanthippe", *gone]] == [[]] * 21


def test_a_photo_is_forgotten(tmp_path):
    descriptors, _ = people(np.random.default_rng(8), 2, 5)
    with filled(tmp_path / "a.index", descriptors) as index:
        assert index.forget("/00003.jpg") == 1
        assert files_with(index, descriptors[2].tobytes()) == files_with(index, b"/00003.jpg") == []
        assert len(index) == 9


# ------------------------------------------------------------------ out and in


def numbers(index):
    return {
        path: np.frombuffer(descriptor, "<f4")
        for path, descriptor in rows(index, "SELECT path, descriptor FROM faces JOIN photos ON photos.id = photo")
    }


@pytest.fixture
def named(tmp_path):
    descriptors, _ = people(np.random.default_rng(10), 4, 5, spread=0.02)
    with filled(tmp_path / "a.index", descriptors) as opened:
        opened.groups()
        opened.name(1, 'Ann, "the" first')
        opened.name(2, "Žofie")
        yield opened


def test_csv_json_lines_and_parquet_have_every_bit(named, tmp_path):
    import csv

    expected = numbers(named)
    people_of = dict(
        rows(named, "SELECT path, name FROM faces JOIN photos ON photos.id = photo LEFT JOIN people ON people.id = person")
    )
    assert named.export(tmp_path / "a.csv") == 20
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["path"] for row in table] == sorted(expected)
    for row in table:
        values = np.array([np.float32(row[f"descriptor_{i}"]) for i in range(128)])
        np.testing.assert_array_equal(values, expected[row["path"]])
        assert (row["person"] or None, row["width"], row["age"]) == (people_of[row["path"]], "3.0", "")
    named.export(tmp_path / "a.jsonl", "jsonl")
    for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        np.testing.assert_array_equal(np.array(row["descriptor"], np.float32), expected[row["path"]])
        assert (row["person"], row["width"], row["age"]) == (people_of[row["path"]], 3.0, None)
    parquet = pytest.importorskip("pyarrow.parquet")
    named.export(tmp_path / "a.parquet", "parquet")
    read = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["path"] for row in read] == sorted(expected)
    for row in read:
        np.testing.assert_array_equal(np.array(row["descriptor"], np.float32), expected[row["path"]])
        assert row["person"] == people_of[row["path"]]


def test_labels_are_those_of_face_api_and_come_back(named, tmp_path):
    labels = named.labels()
    assert [label.label for label in labels] == ['Ann, "the" first', "Žofie"]
    named.export(tmp_path / "labels.json", "labels")
    stored = json.loads((tmp_path / "labels.json").read_text("utf-8"))
    matcher = FaceMatcher.from_json({"distanceThreshold": 0.6, "labeledDescriptors": stored})
    assert list(matcher.labeled_descriptors) == labels
    descriptors = [numbers(named)[path] for path in sorted(numbers(named))]
    with filled(tmp_path / "other.index", descriptors) as other:
        assert other.add_labels(labels) == sum(len(label.descriptors) for label in labels)
        assert other.labels() == labels
        assert exported(other, tmp_path / "b.csv") == exported(named, tmp_path / "a.csv")


def test_wrong_formats_and_places(named, tmp_path):
    with pytest.raises(InvalidArgument, match="expected a format out of parquet, csv, jsonl, labels, got 'xlsx'"):
        named.export(tmp_path / "a", "xlsx")
    with pytest.raises(InvalidArgument, match="expected a file to write to, got: No such file or directory"):
        named.export(tmp_path / "no" / "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir() if "a.index" not in path.name) == []


# ------------------------------------------------------------------ contact sheets


@pytest.mark.slow
def test_contact_sheets_show_the_faces(index, folder, tmp_path):
    from helpers.page_parser import Page

    shutil.copy(folder / "a.jpg", folder / "a2.jpg")
    index.add(folder, workers=1)
    assert index.contact_sheets(tmp_path / "sheets") == 0
    main = Page((tmp_path / "sheets" / "index.html").read_text("utf-8"))
    links = [link["href"] for link in main.all("a")]
    assert links
    shown = []
    for link in links:
        page = Page((tmp_path / "sheets" / link).read_text("utf-8"))
        for image in page.all("img"):
            with Image.open(tmp_path / "sheets" / image["src"]) as face:
                assert face.size == (112, 112)
            shown.append(image["alt"])
    assert sorted(shown)[:2] == ["Face 1 of a.jpg", "Face 2 of a2.jpg"]
    shutil.rmtree(tmp_path / "sheets" / "faces")
    (folder / "a.jpg").unlink()
    assert index.contact_sheets(tmp_path / "sheets") == 1


def test_time_is_no_part_of_an_export(named, tmp_path):
    first = exported(named, tmp_path / "a.csv")
    time.sleep(0.01)
    with named._database.transaction() as connection:
        connection.execute("UPDATE photos SET modified = modified + 5")
    assert exported(named, tmp_path / "a.csv") == first
