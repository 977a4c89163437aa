"""`npfaceapi evaluate` and `calibrate`, and the options of `match` that go with them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT, ROOT
from npfaceapi import cli
from npfaceapi.commands import evaluate as command
from npfaceapi.errors import BackendUnavailable, InvalidArgument, InvalidType
from npfaceapi.evaluation import evaluating, kept_results
from npfaceapi.evaluation.evaluating import PROTOCOLS, evaluate
from npfaceapi.evaluation.people import Describe
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.faces.calibration import Calibration


@pytest.fixture
def run(capsys):
    def run(*argv):
        status = cli.main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(kept_results, "usable_cpus", lambda: 1)


@pytest.fixture(scope="module")
def face():
    """The face of a real photo, and the same face turned."""
    photo = Image.open(ASTRONAUT).convert("RGB").crop((130, 0, 330, 260))
    return photo, photo.rotate(12, Image.Resampling.BILINEAR)


@pytest.fixture
def known(tmp_path, face):
    folder = tmp_path / "known"
    for name in ("Eileen", "nobody", "Zoe"):
        (folder / name).mkdir(parents=True)
    for k, photo in enumerate(face):
        photo.save(folder / "Eileen" / f"{k}.png")
    face[0].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "Zoe" / "0.png")
    Image.new("RGB", (60, 60)).save(folder / "nobody" / "black.png")
    (folder / "nobody" / "bad.png").write_text("no picture")
    return folder


def test_folders(run, known, tmp_path):
    arguments = "evaluate", "folders", known, "--detector", "tiny", "--alignment", "dlib", "--cache", tmp_path / "c", "--json"
    status, out, err = run(*arguments, "-")
    figures = json.loads(out)
    assert status == 1
    assert err.startswith("npfaceapi: ")
    assert "bad.png: expected an image" in err
    assert err.count("\n") == 1
    counts = ("people", "photos", "photos_without_face", "photos_unreadable", "pairs_same", "pairs_different", "alignment")
    assert [figures[name] for name in counts] == [3, 5, 1, 1, 1, 2, "dlib"]
    assert figures["rank_1"]["probes"] == 2
    (known / "nobody" / "bad.png").unlink()
    status, out, err = run(*arguments, tmp_path / "out.json")
    assert (status, err) == (0, "")
    assert "pairs_same" in out
    again = json.loads((tmp_path / "out.json").read_text())
    assert again["auc"] == figures["auc"]
    assert again["options"].startswith("TinyFaceDetectorOptions(")


def test_what_was_kept_is_used_again(run, known, tmp_path, monkeypatch):
    arguments = "evaluate", "folders", known, "--detector", "tiny", "--cache", tmp_path / "c", "--json", "-"
    first = json.loads(run(*arguments)[1])
    monkeypatch.setattr(Describe, "__call__", lambda *_: pytest.fail("computed again"))
    assert {**json.loads(run(*arguments)[1]), "seconds": 0} == {**first, "seconds": 0}


def test_from_python_as_from_the_command_line(run, known):
    told = []
    figures = evaluate("folders", known, faceapi.TinyFaceDetectorOptions(), progress=lambda *numbers: told.append(numbers))
    assert told == [(k, 5) for k in range(6)]
    _, out, _ = run("evaluate", "folders", known, "--detector", "tiny", "--alignment", "face-api", "--json", "-")
    assert {name: value for name, value in json.loads(out).items() if name != "seconds"} == figures


@pytest.mark.slow
def test_plots(run, known, tmp_path):
    pytest.importorskip("matplotlib")
    plots = tmp_path / "plots"
    arguments = "evaluate", "folders", known, "--detector", "tiny", "--cache", tmp_path / "c", "--plots", plots
    assert run(*arguments)[0] == 1
    before = {path.name: path.read_bytes() for path in plots.iterdir()}
    assert set(before) == set(PROTOCOLS["folders"].plots)
    assert b"<svg" in before["folders-roc.svg"]
    with Image.open(plots / "folders-confused.png") as sheet:
        assert sheet.size[0] > 600
    assert run(*arguments)[0] == 1  # over its own
    assert {path.name: path.read_bytes() for path in plots.iterdir()} == before
    status, _, err = run(*arguments[:-1], tmp_path / "roc.svg")
    assert (status, err.count("\n"), (tmp_path / "roc.svg").exists()) == (2, 1, False)
    assert "roc.svg: expected a folder, got the name of a file" in err
    (plots / "folders-roc.svg").write_text("mine")
    status, _, err = run(*arguments)
    assert status == 2
    assert "folders-roc.svg" in err
    assert (plots / "folders-roc.svg").read_text() == "mine"


def test_plots_without_matplotlib(run, known, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    expected = 'plots: expected the package matplotlib, got none installed; pip install "npfaceapi[evaluate]"'
    with pytest.raises(BackendUnavailable, match=re.escape(expected)):
        evaluate("folders", known, plots=tmp_path)


@pytest.mark.parametrize("protocol", ["utkface", "expressions"])
def test_pictures_that_are_faces(run, tmp_path, face, protocol):
    place = tmp_path / "happy"
    place.mkdir()
    for photo in face:
        photo.resize((100, 100)).save(place / f"{30 + len(list(place.iterdir()))}_1_0_2017.png")
    folder = place if protocol == "utkface" else tmp_path
    status, out, err = run("evaluate", protocol, folder, "--json", "-")
    assert (status, err) == (0, "")
    figures = json.loads(out)
    assert figures["faces"] == figures["photos"] == 2
    pictures = [str(path) for path in sorted(place.iterdir())]
    if protocol == "utkface":
        said = [faceapi.nets.age_gender_net.predict_age_and_gender(picture) for picture in pictures]
        assert figures["age_mae"] == pytest.approx(np.mean([abs(s.age - age) for s, age in zip(said, (30, 31), strict=True)]))
        assert figures["gender_accuracy"] == np.mean([s.gender == "female" for s in said])
    else:
        said = [faceapi.nets.face_expression_net.predict_expressions(picture) for picture in pictures]
        assert figures["accuracy"] == np.mean([s["happy"] == max(s.values()) for s in said])
    status, out, _ = run("evaluate", protocol, folder, "--detect", "--detector", "tiny", "--min-confidence", "0.99")
    assert status == 0
    assert "photos_without_face" in out


def test_wrong_usage(run, known, tmp_path):
    for argv, message in (
        (("lfw", tmp_path / "nowhere"), "expected the folder of a data set, got no such folder"),
        (("lfw", known / "Zoe" / "0.png"), "expected the folder of a data set, got a file"),
        (("lfw", known), "expected the photos of LFW in a folder images_deepfunneled"),
        (("wider", known), "expected the labels wider_face_val.mat below it, got none"),
        (("utkface", known), "expected photos named AGE_GENDER_RACE_TIME.jpg, got 5 photos with other names"),
        (("expressions", known), "expected a subfolder of photos for each of neutral"),
        (("folders", known / "Zoe"), "expected two people or more, one of them with two photos, got 0 subfolders with photos"),
        (
            ("folders", known, "--input-size", "160"),
            "--input-size: expected --detector tiny_face_detector or tiny_yolov2 with it",
        ),
        (("folders", known, "--detector", "tiny", "--cache", known / "Zoe" / "0.png"), "0.png: expected a folder to write to"),
        (("folders", known, "--json", known / "Zoe" / "0.png", "--overwrite"), "no input is ever overwritten"),
    ):
        status, out, err = run("evaluate", *argv)
        assert (status, out) == (2, ""), argv
        assert message in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("cats", "."), InvalidArgument, "a protocol out of lfw, folders, wider, utkface, expressions, got 'cats'"),
        ((1, "."), InvalidArgument, "a protocol out of lfw, .*, got 1"),
        (("lfw", ".", "ssd"), InvalidType, "the options of a detector, got 'ssd'"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=f"evaluate: expected {message}"):
        evaluate(*arguments)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"alignment": "x"}, InvalidArgument, "an alignment out of face-api, dlib, got 'x'"),
        ({"view": 3}, InvalidArgument, "view 1 or 2, got 3"),
        ({"average_mirror": 1}, InvalidType, "True or False, got 1"),
        ({"detect": None}, InvalidType, "True or False, got None"),
    ],
)
def test_wrong_keywords(keywords, error, message):
    with pytest.raises(error, match=message):
        evaluate("lfw", ".", **keywords)


def test_figures_as_text():
    figures = {
        "faces": 3, "accuracy": 0.5, "interval": (0.25, 0.75), "nothing": None, "recall": {"a": 1.0},
        "genders": {"female": {"faces": 2}, "male": {"faces": 1, "mae": 2.0}},
        "rows": [{"from": 1, "x": 0.5}, {"from": 2}], "labels": ["a", "b"], "confusion": [[1, 2], [3, 4]],
    }  # fmt: skip
    blocks = [[line.split() for line in block.splitlines()] for block in command._as_text(figures).split("\n\n")]
    assert blocks == [
        [
            ["figure", "value"], ["faces", "3"], ["accuracy", "0.5000"], ["interval", "0.2500", "0.7500"], ["nothing", "None"],
            ["recall:", "a", "1.0000"], ["labels", "a", "b"],
        ],
        [["genders"], ["genders", "faces", "mae"], ["female", "2", "-"], ["male", "1", "2.0000"]],
        [["rows"], ["from", "x"], ["1", "0.5000"], ["2", "-"]],
        [["confusion"], ["true,", "predicted", "a", "b"], ["a", "1", "2"], ["b", "3", "4"]],
    ]  # fmt: skip


def test_json_has_no_infinities():
    figures = {"a": float("inf"), "b": [float("nan"), 1.0], "c": {"d": (-float("inf"), 2)}, "e": True}
    assert evaluating._for_json(figures) == {"a": None, "b": [None, 1.0], "c": {"d": [None, 2]}, "e": True}


def test_the_command_names_every_protocol_and_alignment():
    assert list(command.PROTOCOLS) == list(PROTOCOLS)
    assert command.ALIGNMENTS == ALIGNMENTS


def test_help_does_not_wait_for_numpy():
    source = """
import sys
from npfaceapi import cli
try:
    cli.main(["evaluate", "--help"])
finally:
    print("numpy" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "False\n")


# ------------------------------------------------------------------ calibrate


@pytest.fixture
def people(tmp_path, monkeypatch):
    """A folder with descriptors determined by path: 24 people with three photos each, one without a face, one unreadable."""
    rng = np.random.default_rng(0)
    results = {}
    for k in range(24):
        middle = rng.normal(0, 0.05, 128)
        for n in range(3):
            path = tmp_path / "people" / f"p{k}" / f"{n}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
            results[str(path)] = {"descriptor": kept_results.packed(middle + rng.normal(0, 0.02, 128))}
    results[str(tmp_path / "people" / "p0" / "0.jpg")] = {"faces": 0}
    results[str(tmp_path / "people" / "p1" / "0.jpg")] = {"error": "0.jpg: expected an image"}
    monkeypatch.setattr(Describe, "__call__", lambda self, path: results[path])
    return tmp_path / "people"


def test_calibrate(run, people, tmp_path):
    out = tmp_path / "c.json"
    status, told, err = run("calibrate", people, "--out", out, "--alignment", "dlib", "--source", "my people")
    assert (status, err) == (1, "npfaceapi: 0.jpg: expected an image\n")
    assert told.startswith(
        "70 photos of 24 people; 68 pairs of the same person, 2,347 of different people\n1 photos without a face, 1 unreadable\n"
    )
    assert "false match rate" in told
    calibration = Calibration.load(out)
    assert calibration.source.startswith("my people, 20")
    assert (calibration.alignment, calibration.average_mirror, calibration.same) == ("dlib", False, 68)
    assert run("calibrate", people, "--out", out)[0] == 1  # over its own
    out.write_text("mine")
    status, _, err = run("calibrate", people, "--out", out)
    assert (status, out.read_text()) == (2, "mine")
    assert "c.json" in err


def test_calibrate_with_too_few(run, known, tmp_path):
    status, out, err = run("calibrate", known, "--out", tmp_path / "c.json", "--detector", "tiny")
    assert (status, out) == (2, "")
    assert "calibrate: expected at least 20 people with two or more photos that have a face, got 2 people, 1 of them" in err


# ------------------------------------------------------------------ match


@pytest.fixture
def matching(tmp_path, face):
    (tmp_path / "known").mkdir()
    face[0].save(tmp_path / "known" / "Eileen.png")
    face[1].save(tmp_path / "turned.png")
    return "match", tmp_path / "known", tmp_path / "turned.png", "--detector", "tiny"


def matches(run, *argv):
    status, out, err = run(*argv, "--json", "-")
    assert (status, err) == (0, "")
    (match,) = json.loads(out)["matches"]
    return match


@pytest.mark.parametrize("alignment", ["face-api", "dlib"])
@pytest.mark.parametrize("mirror", [(), ("--average-mirror",)])
def test_match_in_every_way(run, matching, alignment, mirror, tmp_path):
    match = matches(run, *matching, "--alignment", alignment, *mirror)
    task = faceapi.detect_single_face(tmp_path / "turned.png", faceapi.TinyFaceDetectorOptions()).with_face_landmarks()
    other = faceapi.detect_single_face(tmp_path / "known" / "Eileen.png", faceapi.TinyFaceDetectorOptions()).with_face_landmarks()
    a, b = (t.with_face_descriptor(alignment, bool(mirror)).run().descriptor for t in (task, other))
    assert match["distance"] == pytest.approx(faceapi.euclidean_distance(a, b))
    expected = Calibration.bundled(alignment, bool(mirror)).probability_same(match["distance"]).value
    assert match["probability"] == expected > 0.9


def test_match_by_the_rate_of_false_matches(run, matching, tmp_path):
    distance = matches(run, *matching)["distance"]
    calibration = Calibration.bundled()
    rate = calibration.false_match_rate(max(distance, 0.5)).value
    assert matches(run, *matching, "--false-match-rate", str(rate * 1.01))["name"] == "Eileen"
    assert matches(run, *matching, "--tolerance", str(distance / 2))["name"] == "unknown"
    for k in range(3):  # with four known people, each comparison may err a quarter as often
        shutil.copy(tmp_path / "known" / "Eileen.png", tmp_path / "known" / f"Eileen{k}.png")
    status, _, err = run(*matching, "--false-match-rate", "1e-9")
    assert status == 2
    assert "threshold: expected a rate that" in err
    assert "got 2.5e-10 per comparison" in err


def test_match_with_a_calibration_of_ones_own(run, matching, people, tmp_path):
    file = tmp_path / "c.json"
    run("calibrate", people, "--out", file)
    status, out, err = run(*matching, "--calibration", file, "--alignment", "face-api")
    assert (status, out) == (2, "")
    assert "expected one for descriptors made as here (alignment face-api, average_mirror False), got dlib, False" in err
    status, _, err = run(*matching, "--calibration", tmp_path / "nowhere.json")
    assert status == 2
    assert "nowhere.json: expected a calibration, got: No such file" in err
    with pytest.raises(SystemExit):
        run(*matching, "--tolerance", "0.5", "--false-match-rate", "0.1")
