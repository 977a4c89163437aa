"""`--weights DIR`, and the environment variable instead: Tiny YOLO v2 on the command line."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from helpers import ASTRONAUT, WEIGHTS
from npfaceapi import nets
from npfaceapi.networks.tiny_yolov2 import TinyYolov2
from npfaceapi.networks.unbundled import SHA256, VARIABLE, WHERE

FLAT = "tiny_yolov2_separable_conv_model.weights"
#: The tests' own weights detect nothing: every score is 0.5.
TOLD = f"{FLAT}: expected the published weights of TinyYolov2, whose float32 numbers have SHA-256 "


@pytest.fixture(autouse=True)
def ready(monkeypatch):
    """`nets.tiny_yolov2` as in a new process."""
    monkeypatch.setattr(nets, "tiny_yolov2", TinyYolov2(bundled=True))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / FLAT).write_bytes(bytes(4 * 1_794_500))
    return folder


def test_analyze_takes_a_folder_and_says_once_that_the_weights_are_not_the_published_ones(run, folder, tmp_path):
    for word in ("--weights", VARIABLE):
        status, out, err = run_with(run, word, folder, "analyze", ASTRONAUT, ASTRONAUT, "--detector", "yolo")
        assert (status, out) == (0, f"{ASTRONAUT}: 512x512, 0 faces\n" * 2)
        assert err.startswith(f"npfaceapi: {folder / TOLD}")
        assert err.count("\n") == 1


def run_with(run, word, folder, *argv):
    """A command with the option or with the environment variable."""
    if word == "--weights":
        return run(*argv, word, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(word, str(folder))
        return run(*argv)


@pytest.mark.slow
def test_match_and_inspect_take_it_too(run, folder, tmp_path):
    known = tmp_path / "known"
    known.mkdir()
    shutil.copy(ASTRONAUT, known / "Eileen.png")
    status, out, err = run("match", known, ASTRONAUT, "--detector", "yolo", "--weights", folder)
    assert (status, out) == (2, "")
    assert "Eileen.png: expected a photo of Eileen, got one without a face" in err
    out = tmp_path / "report.html"
    status, told, _ = run("inspect", ASTRONAUT, "--detector", "yolo", "--weights", folder, "--out", out)
    assert (status, told.partition(";")[0]) == (0, f"{ASTRONAUT}: 0 faces")
    assert "TinyYolov2" in out.read_text("utf-8")


@pytest.mark.parametrize("command", ["analyze", "inspect", "match"])
def test_it_is_of_one_detector(command, run, folder, tmp_path):
    photos = (tmp_path, ASTRONAUT) if command == "match" else (ASTRONAUT,)
    status, out, err = run(command, *photos, "--weights", folder)
    assert (status, out) == (2, "")
    assert err == f"npfaceapi {command}: --weights: expected --detector tiny_yolov2 with it, got ssd_mobilenetv1\n"
    for place in (tmp_path, tmp_path / "nowhere"):
        status, out, err = run(command, *photos, "--detector", "yolo", "--weights", place)
        assert (status, out) == (1, "")
        assert err.startswith(
            f"npfaceapi {command}: {place}{os.sep}tiny_yolov2_separable_conv_model-weights_manifest.json: expected"
        )


def test_the_variable_means_nothing_to_other_detectors(run, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    status, _, err = run("analyze", ASTRONAUT, "--detector", "tiny", "--only", "detection")
    assert (status, err) == (0, "")


@pytest.mark.parametrize("word", ["--weights", VARIABLE])
def test_no_output_replaces_the_weights(word, run, folder):
    file, before = folder / FLAT, (folder / FLAT).read_bytes()
    for argv in (
        ("analyze", ASTRONAUT, "--detector", "yolo", "--json", file),
        ("match", folder, ASTRONAUT, "--detector", "yolo", "--json", file),
        ("inspect", ASTRONAUT, "--detector", "yolo", "--out", file),
        ("export", "tiny_yolov2", "--format", "npz", "--out", file),
        ("conform", "run", "--backend", "numba", "--case", "raw/*", "--json", file),
        ("bench", "--net", "tiny_yolov2", "--json", file),
    ):
        if (argv[0], word) in (("conform", "--weights"), ("bench", "--weights")):
            continue  # one needs weights of golden cases, the other has no such option
        status, _, err = run_with(run, word, folder, *argv, "--overwrite")
        assert status == 2
        assert "no input is ever overwritten" in err, argv
        assert file.read_bytes() == before


# ------------------------------------------------------------------ the published weights, where they are at hand


def at_hand(files):
    """A mark for tests that need these files."""
    missing = [file for file in files if not os.path.isfile(os.path.join(WEIGHTS or "", file))] if WEIGHTS else files
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: not at hand; {WHERE}")


SEPARABLE, FULL = [file for file in SHA256 if "separable" in file], ["tiny_yolov2_model.weights"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "score"), [pytest.param(SEPARABLE, 0.754, marks=at_hand(SEPARABLE)), pytest.param(FULL, 0.856, marks=at_hand(FULL))]
)
def test_either_variant_finds_the_astronaut(files, score, run, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in files:
        shutil.copy(os.path.join(WEIGHTS, file), folder)
    known = tmp_path / "known"
    known.mkdir()
    shutil.copy(ASTRONAUT, known / "Eileen.png")
    more = "--detector", "yolo", "--weights", folder
    status, out, err = run("analyze", ASTRONAUT, "--json", "-", *more)
    assert (status, err) == (0, "")
    (face,) = json.loads(out)["faces"]
    assert face["detection"]["score"] == pytest.approx(score, abs=5e-4)
    status, out, err = run("match", known, ASTRONAUT, *more)
    assert (status, err) == (0, "")
    assert out.split()[-3:] == ["Eileen", "0.000", "1.000"]
    status, out, err = run("inspect", ASTRONAUT, "--net", "yolo", "--out", tmp_path / "x.html", *more[2:])
    assert (status, err) == (0, "")
    assert ": 1 face;" in out
