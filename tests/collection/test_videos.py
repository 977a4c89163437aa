"""Videos in an index: a row per track, the best frame of each; and what happens to them from run to run."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from helpers.video_files import GREEN, RED, find_squares, picture, write_video
from npfaceapi import FaceIndex, FaceWorker
from npfaceapi.cli import main
from npfaceapi.collection import contact_sheets
from npfaceapi.faces.results import Faces
from npfaceapi.video import decoding

#: RED is largest at 1.0 s, GREEN is there from 1.0 s on.
PICTURES = [picture((RED, 10, 10, 24 if n == 10 else 16), *([(GREEN, 60, 30)] if n >= 10 else [])) for n in range(20)]


@pytest.fixture(autouse=True)
def squares(monkeypatch):
    monkeypatch.setattr(FaceWorker, "faces", lambda worker, image: Faces(find_squares(image)))
    monkeypatch.setattr(FaceWorker, "_weights_hash", lambda worker: "none")


@pytest.fixture
def index(tmp_path):
    with FaceIndex(tmp_path / "faces.index") as index:
        yield index


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(picture((RED, 20, 20))).save(tmp_path / "photos" / "a.png")
    write_video(tmp_path / "photos" / "clip.mp4", PICTURES)
    return tmp_path / "photos"


def rows(index, query, *values):
    with contextlib.closing(sqlite3.connect(index.path)) as connection:
        return connection.execute(query, values).fetchall()


def faces(index):
    return rows(
        index, "SELECT path, number, round(time, 3), round(x), person FROM faces JOIN photos ON photos.id = photo ORDER BY 1, 2"
    )


def test_a_video_in_a_folder(index, folder):
    added = index.add(folder)
    assert (added.computed, added.faces, added.unreadable, dict(added.left_out)) == (2, 3, 0, {})
    clip = str(folder / "clip.mp4")
    assert rows(index, "SELECT width, height, rotation, outcome, reason, size FROM photos WHERE path = ?", clip) == [
        (96, 64, 0, "faces", None, os.path.getsize(clip))
    ]
    assert [row[1:4] for row in faces(index) if row[0] == clip] == [(0, 1.0, 10), (1, pytest.approx(1.5, abs=0.5), 60)]
    assert [row[2] for row in faces(index) if row[0] != clip] == [None]
    assert index.add(folder).unchanged == 2


def test_a_video_without_a_face_and_when_it_was_recorded(index, tmp_path):
    path = write_video(tmp_path / "blank.mov", [picture()] * 3)
    added = index.add(path)
    assert (added.without_face, added.faces) == (1, 0)
    assert rows(index, "SELECT outcome, taken FROM photos") == [("no face", None)]


def test_moved_and_copied_videos_are_not_analysed_again(index, folder, monkeypatch):
    index.add(folder)
    before = [row[1:] for row in faces(index)]
    monkeypatch.setattr("npfaceapi.collection.worker.analysis_of", lambda *_, **__: pytest.fail("analysed"))
    (folder / "clip.mp4").rename(folder / "other.mp4")
    assert index.add(folder).moved == 1
    shutil.copy(folder / "other.mp4", folder / "z.mp4")
    assert index.add(folder).copied == 1
    assert [row[1:] for row in faces(index)] == [*before, *before[1:]]  # with their times


def test_search_gives_the_time(index, folder):
    index.add(folder)
    green = np.zeros(128, np.float32)
    green[1] = 1
    (found, *_) = index.search(green)
    assert (found.path, found.time) == (str(folder / "clip.mp4"), pytest.approx(1.5, abs=0.51))
    red = index.search(str(folder / "a.png"))
    assert {each.time for each in red[0] if each.path.endswith("a.png")} == {None}


def test_find_prints_the_time(index, folder, capsys):
    index.add(folder)
    assert main(["find", index.path, str(folder / "a.png")]) == 0
    assert "clip.mp4 at 1.0 s" in capsys.readouterr().out


def test_contact_sheets_show_the_frame(index, folder, tmp_path, monkeypatch):
    index.add(folder)
    assert index.contact_sheets(tmp_path / "sheets", smallest=1) == 0
    shown = [Image.open(path).convert("RGB").getpixel((56, 56)) for path in sorted((tmp_path / "sheets" / "faces").iterdir())]
    assert [max(range(3), key=pixel.__getitem__) for pixel in shown] == [0, 0, 1]  # red, red, green
    shutil.rmtree(tmp_path / "sheets")
    monkeypatch.setitem(sys.modules, "av", None)
    assert index.contact_sheets(tmp_path / "sheets", smallest=1) == 2  # those of the video cannot be cut out
    assert contact_sheets.SIDE == 112


def test_in_a_video_that_changed_a_face_at_the_same_place_and_time_keeps_its_name(index, folder):
    index.add(folder)
    for name, person in (("Ann", RED), ("Bea", GREEN)):
        descriptor = np.zeros(128, np.float32)
        descriptor[(RED, GREEN).index(person)] = 1
        face = next(each.face for each in index.search(descriptor) if each.path.endswith("clip.mp4"))
        group = next(group for group in index.groups() if face in group.faces)
        index.name(group.number, name)
    write_video(folder / "clip.mp4", [*PICTURES, *PICTURES[-1:] * 2])
    assert index.add(folder).lost_names == []
    assert [row[4] for row in faces(index)] == [1, 1, 2]
    later = [picture()] * 30 + PICTURES  # the same places, three seconds later
    write_video(folder / "clip.mp4", later)
    assert index.add(folder).lost_names == [str(folder / "clip.mp4")]
    assert [row[4] for row in faces(index)] == [1, None, None]


def test_damaged_videos_and_files_that_are_none(index, folder):
    path = write_video(folder / "cut.mp4", PICTURES, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    (folder / "text.mp4").write_text("no video")
    added = index.add(folder, workers=1)
    assert (added.computed, added.unreadable) == (4, 1)
    ((reason,),) = rows(index, "SELECT reason FROM photos WHERE outcome = 'faces' AND reason IS NOT NULL")
    assert reason.startswith("expected a whole video, got one ")
    ((reason, content),) = rows(index, "SELECT reason, content FROM photos WHERE outcome = 'unreadable'")
    assert reason.startswith("expected a video file (MP4,")
    assert content is not None  # it is not tried again until it changes


def test_the_command_says_what_is_wrong_in_a_line_each(folder, tmp_path, capsys):
    path = write_video(folder / "cut.mp4", PICTURES, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    assert main(["index", str(folder), "--into", str(tmp_path / "faces.index"), "--workers", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"npfaceapi: {path}: expected a whole video, got one ")
    assert captured.err.count("\n") == 1
    assert captured.out.startswith("3 photos computed: ")


def test_without_the_extra_videos_are_other_files(index, folder, monkeypatch):
    monkeypatch.setattr(decoding.importlib.util, "find_spec", lambda name: None)
    added = index.add(folder)
    assert (added.computed, dict(added.left_out)) == (1, {".mp4": 1})


def test_a_video_that_is_named_without_the_extra_is_tried_again_with_it(index, folder, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "av", None)
        assert index.add(folder / "clip.mp4").unreadable == 1
        assert rows(index, "SELECT reason FROM photos") == [
            ('expected the package av, got none installed; pip install "npfaceapi[video]"',)
        ]
    assert index.add(folder / "clip.mp4").faces == 2


def test_columns(folder):
    columns = FaceWorker()({"path": [str(folder / "a.png"), str(folder / "clip.mp4")]})
    assert columns["time"].tolist() == [pytest.approx(np.nan, nan_ok=True), 1.0, pytest.approx(1.5, abs=0.51)]
    assert columns["face"].tolist() == [0, 0, 1]
    assert columns["photo_width"].tolist() == [96, 96, 96]
