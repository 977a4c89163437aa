"""From a photo to its rows: every number is that of the package's functions, in any process and with any engine's batches."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ROOT
from helpers.photo_files import blank, face, remember_faces
from npfaceapi import FaceWorker, MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions, TinyYolov2Options, nets
from npfaceapi.collection.worker import FACE_COLUMNS, PHOTO_COLUMNS, columns
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.results import FACE_EXPRESSION_LABELS

FAST = TinyFaceDetectorOptions(input_size=128)

#: By column: its dtype, and the shape of a row.
COLUMNS = {
    **dict.fromkeys(("path", "content", "taken", "outcome", "reason", "gender", "expression"), ("object", ())),
    **dict.fromkeys(("size", "modified", "photo_width", "photo_height", "rotation", "face"), ("int64", ())),
    **dict.fromkeys(("x", "y", "width", "height", "score", "time", "age", "gender_probability"), ("float64", ())),
    **dict.fromkeys(("quality", "face_size", "sharpness", "yaw", "pitch", "roll"), ("float64", ())),
    "points": ("float32", (136,)),
    "descriptor": ("float32", (128,)),
    "expressions": ("float32", (7,)),
}


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    return {
        "face": str(face(tmp_path / "face.png")),
        "blank": str(blank(tmp_path / "blank.png")),
        "text": str(tmp_path / "text.jpg"),
        "missing": str(tmp_path / "missing.jpg"),
    }


@pytest.mark.parametrize(("alignment", "average"), [("dlib", False), ("face-api", True)])
def test_every_number_is_that_of_the_task(photos, alignment, average):
    rows = FaceWorker(FAST, alignment=alignment, average_mirror=average).rows(photos["face"])
    task = faceapi.detect_all_faces(photos["face"], FAST).with_face_landmarks().with_face_expressions().with_age_and_gender()
    (wanted,) = task.with_face_descriptors(alignment, average).run()
    (row,) = rows.faces
    assert tuple(row) == FACE_COLUMNS
    assert tuple(rows.photo) == PHOTO_COLUMNS
    box, quality = wanted.detection.box, faceapi.face_quality(photos["face"], wanted)
    expected = {
        "number": 0, "x": box.x, "y": box.y, "width": box.width, "height": box.height,
        "score": wanted.detection.score, "time": None,
        "points": wanted.landmarks.positions.astype("<f4").tobytes(), "descriptor": wanted.descriptor.tobytes(),
        "age": wanted.age, "gender": wanted.gender.value, "gender_probability": wanted.gender_probability,
        "expression": wanted.expressions.as_sorted_array()[0].expression, "expressions": wanted.expressions.to_dict(),
        "quality": quality.score, "size": quality.size, "sharpness": quality.sharpness,
        "yaw": quality.yaw, "pitch": quality.pitch, "roll": quality.roll,
    }  # fmt: skip
    assert row == expected
    with open(photos["face"], "rb") as file:
        data = file.read()
    assert rows.photo == {
        "path": photos["face"], "size": len(data), "modified": os.stat(photos["face"]).st_mtime_ns,
        "content": hashlib.sha256(data).digest(), "width": 256, "height": 256, "taken": None, "rotation": 0,
        "outcome": "faces", "reason": None,
    }  # fmt: skip


def test_an_upright_photo_by_exif_and_by_any_rotation(tmp_path, photos):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    picture = Image.open(photos["face"])
    picture.rotate(90, expand=True).crop((0, 0, 256, 200)).save(tmp_path / "turned.png", exif=exif)
    photo = FaceWorker(FAST).rows(str(tmp_path / "turned.png")).photo
    assert (photo["width"], photo["height"], photo["rotation"]) == (200, 256, 0)
    picture.rotate(180).save(tmp_path / "down.png")
    rows = FaceWorker(FAST, any_rotation=True).rows(str(tmp_path / "down.png"))
    assert (rows.photo["rotation"], rows.photo["outcome"]) == (180, "faces")


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3)])
def test_tiny_photos(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    rows = FaceWorker(FAST).rows(str(tmp_path / "a.png"))
    assert (rows.photo["outcome"], rows.photo["width"], rows.photo["height"]) == ("no face", *size)


def test_known_content_is_not_computed(photos, monkeypatch):
    content = hashlib.sha256(Path(photos["face"]).read_bytes()).digest()
    monkeypatch.setattr(FaceWorker, "faces", lambda *_: pytest.fail("computed"))
    rows = FaceWorker(FAST).rows(photos["face"], (b"x" * 32, content))
    assert (rows.photo["outcome"], rows.photo["content"], rows.faces) == ("known", content, [])


def test_why_a_photo_is_unreadable(photos, tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    whole = face(tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").touch()
    worker = FaceWorker(FAST)
    reasons = {
        name: worker.rows(path).photo
        for name, path in {
            **photos,
            **{n: str(tmp_path / f"{n}.jpg") for n in ("folder", "cut", "empty")},
            "null": "a\0b",
        }.items()
    }
    assert {name for name, photo in reasons.items() if photo["outcome"] == "unreadable"} == {
        "text", "missing", "folder", "empty", "null", *(["cut"] if reasons["cut"]["outcome"] == "unreadable" else []),
    }  # fmt: skip
    for name, photo in reasons.items():
        if photo["outcome"] == "unreadable":
            assert photo["reason"]
            assert "\n" not in photo["reason"]
            assert not photo["reason"].startswith(photo["path"])
            assert (photo["content"] is None) is (name in ("missing", "folder", "null"))


@pytest.mark.parametrize(
    ("written", "offset", "taken"),
    [
        ("2024:05:01 12:30:00", None, "2024-05-01T12:30:00"),
        ("2024:05:01 12:30:00", "-07:00", "2024-05-01T12:30:00-07:00"),
        ("2024-05-01T12:30:00", "Z", "2024-05-01T12:30:00"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("yesterday", None, None),
        ("", None, None),
    ],
)
def test_when_it_was_taken(tmp_path, written, offset, taken):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: written, **({} if offset is None else {0x9011: offset})})
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert FaceWorker(FAST).rows(str(tmp_path / "a.jpg")).photo["taken"] == taken


# ------------------------------------------------------------------ columns


def check_columns(found, count):
    assert {name: (str(values.dtype), values.shape[1:]) for name, values in found.items()} == COLUMNS
    assert {len(values) for values in found.values()} == {count}


def test_columns_of_a_batch(photos, monkeypatch):
    remember_faces(monkeypatch)
    worker = FaceWorker(FAST)
    found = worker({"path": [photos[name] for name in ("blank", "face", "text", "missing")], "label": [1, 2, 3, 4]})
    check_columns(found, 4)
    assert found["outcome"].tolist() == ["no face", "faces", "unreadable", "unreadable"]
    assert found["face"].tolist() == [-1, 0, -1, -1]
    (row,) = worker.rows(photos["face"]).faces
    for name in (
        "x",
        "y",
        "width",
        "height",
        "score",
        "age",
        "gender_probability",
        "quality",
        "sharpness",
        "yaw",
        "pitch",
        "roll",
    ):
        assert found[name][1] == row[name]
        assert np.isnan(found[name][[0, 2, 3]]).all()
    for name in ("points", "descriptor"):
        assert found[name][1].tobytes() == row[name]
        assert np.isnan(found[name][[0, 2, 3]]).all()
    assert found["face_size"][1] == row["size"]
    assert found["size"].tolist()[:3] == [os.path.getsize(photos[name]) for name in ("blank", "face", "text")]
    np.testing.assert_array_equal(
        found["expressions"][1], np.array([row["expressions"][label] for label in FACE_EXPRESSION_LABELS], np.float32)
    )
    assert found["gender"].tolist() == ["", row["gender"], "", ""]
    assert found["content"][1] == hashlib.sha256(Path(photos["face"]).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "make",
    [
        list, tuple, np.array, lambda paths: np.array(paths, dtype=object), lambda paths: np.array([p.encode() for p in paths]),
        lambda paths: [p.encode() for p in paths],
    ],
    ids=["list", "tuple", "str array", "object array", "bytes array", "bytes"],
)  # fmt: skip
def test_batches_of_any_engine(photos, make):
    found = FaceWorker(FAST)({"path": make([photos["blank"], photos["missing"]])})
    check_columns(found, 2)
    assert found["path"].tolist() == [photos["blank"], photos["missing"]]


def test_an_empty_batch_has_all_columns():
    check_columns(FaceWorker(FAST)({"path": []}), 0)
    check_columns(columns([]), 0)


def test_pyarrow_takes_the_columns(photos):
    pa = pytest.importorskip("pyarrow")
    found = FaceWorker(FAST)({"path": [photos["blank"]]})
    table = pa.table({name: list(values) for name, values in found.items()})
    assert table["outcome"].to_pylist() == ["no face"]


@pytest.mark.parametrize("batch", [None, [], {}, {"paths": []}, "a.jpg"])
def test_a_wrong_batch(batch):
    with pytest.raises(InvalidArgument, match=r'FaceWorker: expected a batch with a column "path", got '):
        FaceWorker(FAST)(batch)


# ------------------------------------------------------------------ options, settings, other processes


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((3,), {}, "FaceWorker: expected options of a detector, got 3"),
        ((), {"alignment": "x"}, "FaceWorker: expected an alignment out of face-api, dlib, got 'x'"),
        ((), {"average_mirror": "no"}, "FaceWorker: average_mirror: expected"),
        ((), {"any_rotation": 2}, "FaceWorker: any_rotation: expected"),
    ],
)
def test_wrong_options(arguments, keywords, message):
    with pytest.raises((InvalidArgument, InvalidType)) as caught:
        FaceWorker(*arguments, **keywords)
    assert str(caught.value).startswith(message.removesuffix(": expected"))


@pytest.mark.parametrize(
    "options",
    [SsdMobilenetv1Options(min_confidence=0.3, max_results=7), FAST, TinyYolov2Options(score_threshold=0.4), MtcnnOptions()],
    ids=lambda options: type(options).__name__,
)
def test_settings_are_json_and_make_the_same_worker(options, monkeypatch):
    monkeypatch.setattr(FaceWorker, "_weights_hash", lambda _: "hash")
    worker = FaceWorker(options, alignment="face-api", average_mirror=True, any_rotation=True)
    settings = json.loads(json.dumps(worker.to_dict()))
    assert settings == worker.to_dict()
    again = FaceWorker.from_json(settings)
    assert repr(again) == repr(worker)
    assert again.to_dict() == settings


def test_weights_are_part_of_the_settings(monkeypatch):
    before = FaceWorker(FAST).to_dict()
    assert before == FaceWorker(FAST).to_dict()
    net, values = faceapi.AgeGenderNet(), nets.age_gender_net.serialize_params()
    values[0] += 1
    net.load(values)
    monkeypatch.setattr(nets, "age_gender_net", net)
    after = FaceWorker(FAST).to_dict()
    assert after["weights"] != before["weights"]
    assert {**after, "weights": before["weights"]} == before


OTHER = """
import pickle, sys
worker, paths = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(worker({"path": paths})))
"""


@pytest.mark.slow
def test_the_same_bits_in_another_process(photos):
    worker = FaceWorker(FAST)
    paths = [photos[name] for name in ("face", "blank", "text")]
    data = pickle.dumps(worker)
    assert len(data) < 10_000
    done = subprocess.run(
        [sys.executable, "-c", OTHER], input=pickle.dumps((worker, paths)), env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, check=True,
    )  # fmt: skip
    theirs, ours = pickle.loads(done.stdout), worker({"path": paths})
    assert list(theirs) == list(ours)
    for name, values in ours.items():
        np.testing.assert_array_equal(theirs[name], values)
        if values.dtype != object:
            assert theirs[name].tobytes() == values.tobytes()


def test_threads_do_not_matter(photos, threads):
    found = []
    for count in (1, 2):
        threads(count)
        found.append(FaceWorker(FAST).rows(photos["face"]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "stored", [None, {}, [], {"detector": "x", "options": {}}, {"detector": "ssd_mobilenetv1", "options": 3}]
)
def test_settings_that_are_none(stored):
    with pytest.raises(InvalidArgument if isinstance(stored, dict) else InvalidType) as caught:
        FaceWorker.from_json(stored)
    assert str(caught.value).startswith("FaceWorker.from_json: expected what to_dict gives, got ")
    assert "\n" not in str(caught.value)
