"""No command overwrites an input, or a file that is not an earlier output of that command."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from helpers import ASTRONAUT

pytestmark = pytest.mark.slow

TINY = ("--detector", "tiny", "--only", "detection")
PORT = ("conform", "run", "--backend", "reference", "--case", "operations/conv2d/1")
FORMATS = [name for name in ("npz", "onnx", "safetensors") if name == "npz" or importlib.util.find_spec(name)]
COMMANDS = {
    "analyze": (("analyze", *TINY, "face.png"), "--json", "out.jsonl"),
    "match": (("match", "known", "face.png"), "--json", "out.jsonl"),
    "inspect": (("inspect", "face.png", "--net", "tiny"), "--out", "out.html"),
    **{f"export {name}": (("export", "face_landmark_68_tiny_net"), "--out", f"out.{name}") for name in FORMATS},
    "bench json": (("bench", "--net", "mtcnn_onet", "--seconds", "0.01", "--against", "none"), "--json", "out.json"),
    "bench markdown": (("bench", "--net", "mtcnn_onet", "--seconds", "0.01", "--against", "none"), "--markdown", "out.md"),
    "conform json": (PORT, "--json", "out.json"),
    "conform junit": (PORT, "--junit", "out.xml"),
    "conform html": (PORT, "--html", "out.html"),
    "conform fuzz": (("conform", "fuzz", "--backend", "reference", "--examples", "2"), "--json", "out.json"),
    "evaluate": (("evaluate", "expressions", "crops"), "--json", "out.json"),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with a photo of a face and a folder of known people."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "known").mkdir()
    with Image.open(ASTRONAUT) as image:
        image.convert("RGB").crop((120, 0, 320, 200)).save("face.png")
    shutil.copy("face.png", "known/Eileen.png")
    (tmp_path / "crops" / "happy").mkdir(parents=True)
    shutil.copy("face.png", "crops/happy/one.png")
    return tmp_path


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n.startswith("bench") else n for n in COMMANDS])
def test_only_an_earlier_output_is_replaced(run, place, name):
    command, option, file = COMMANDS[name]
    path = Path(file)
    for content in (b"notes of mine\n", (place / "face.png").read_bytes(), b"{}", b"<html></html>"):
        path.write_bytes(content)
        status, out, err = run(*command, option, file)
        assert (status, out) == (2, "")
        assert f"{option} {file}: expected a new file or an earlier output of this kind, got another file: --overwrite" in err
        assert path.read_bytes() == content
    path.unlink()
    assert run(*command, option, file)[0] == 0
    first = path.read_bytes()
    assert run(*command, option, file)[0] == 0  # recognized by its mark
    path.write_bytes(b"notes of mine\n")
    assert run(*command, option, file, "--overwrite")[0] == 0
    assert path.read_bytes()[:1] == first[:1]


@pytest.mark.parametrize("name", ["analyze", "match", "inspect"])
@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_no_input_is_replaced(run, place, name, link):
    command, option, _ = COMMANDS[name]
    target = "face.png"
    if link is not None:
        target = "another name"
        link(place / "face.png", target)
    before = (place / "face.png").read_bytes()
    for more in ((), ("--overwrite",)):
        status, out, err = run(*command, option, target, *more)
        assert (status, out) == (2, "")
        assert f"{option} {target}: expected a file that is not an input, got face.png: no input is ever overwritten\n" in err
    assert (place / "face.png").read_bytes() == before


def test_what_lies_in_a_folder_of_inputs_is_an_input(run, place):
    for argv in (("analyze", *TINY, "."), ("match", "known", "face.png"), ("match", ".", "face.png")):
        for target in ("known/Eileen.png",):
            status, _, err = run(*argv, "--json", target, "--overwrite")
            assert status == 2
            assert "expected a file that is not an input" in err
    shutil.copy("known/Eileen.png", "face.png")  # still a photo


def test_weights_and_golden_cases_are_inputs(run, place, tmp_path):
    weights = Path(__file__).parents[2] / "weights"
    shutil.copytree(weights, "weights", ignore=lambda _, names: [n for n in names if "landmark_68_tiny" not in n])
    for file in sorted(Path("weights").iterdir()):
        argv = ("export", "face_landmark_68_tiny_net", "--weights", "weights", "--format", "npz", "--out", file, "--overwrite")
        status, _, err = run(*argv)
        assert status == 2
        assert "expected a file that is not an input" in err
    Path("xfail").write_text("raw/* because\n")
    status, _, err = run(*PORT, "--xfail", "xfail", "--json", "xfail", "--overwrite")
    assert status == 2
    assert "expected a file that is not an input" in err


def test_drawings_replace_no_photo_and_no_picture_of_others(run, place):
    for folder, color in (("p1", "red"), ("p2", "green"), ("p3", "blue")):
        Path(folder).mkdir()
        Image.new("RGB", (60, 40), color).save(f"{folder}/IMG.{'jpg' if folder == 'p1' else 'png'}")
    others = {path: path.read_bytes() for path in Path().glob("p?/*")}
    status, out, err = run("analyze", *TINY, "p1/IMG.jpg", "p2/IMG.png", "--draw", "p2", "--overwrite")
    assert status == 1
    assert "p2/IMG.png: expected a file that is not an input, got p2/IMG.png" in err
    assert out.count("60x40, 0 faces") == 2
    status, _, err = run("analyze", *TINY, "p1/IMG.jpg", "--draw", "p3")
    assert status == 1
    assert "p3/IMG.png: expected a new file or an earlier output" in err
    assert {path: path.read_bytes() for path in others} == others
    assert run("analyze", *TINY, "p1/IMG.jpg", "--draw", "p3", "--overwrite")[0] == 0
    assert (place / "p3" / "IMG.png").read_bytes() != others[Path("p3/IMG.png")]
    assert run("analyze", *TINY, "p1/IMG.jpg", "--draw", "p3")[0] == 0  # its own drawing now


@pytest.mark.parametrize(("name", "kind"), [("o.png", "PNG"), ("o.JPG", "JPEG"), ("o.jpeg", "JPEG")])
@pytest.mark.parametrize("command", [("analyze", "--draw"), ("anonymize", "--out")])
def test_of_one_photo_the_name_of_a_file_is_the_file(run, place, command, name, kind):
    command, option = command
    call = (command, "face.png", *TINY[:2], option)
    for _ in range(2):  # its own output the second time
        assert run(*call, name)[0] == 0
    with Image.open(name) as picture, Image.open("face.png") as photo:
        assert (picture.format, picture.size) == (kind, photo.size)
    Image.new("RGB", (60, 40)).save("other.png")
    before = Path("other.png").read_bytes()
    for path, more, expected in (
        ("other.png", (), "expected a new file or an earlier output of this kind, got another file: --overwrite replaces it"),
        ("face.png", ("--overwrite",), "expected a file that is not an input, got face.png: no input is ever overwritten"),
        ("new.png", ("other.png",), "expected one photo with the name of a file, got 2 files"),
        ("new.gif", (), "expected a folder, or for one photo a file named .png|.jpg|.jpeg, got another"),
        ("no/new.png", (), "expected a file to write to, got: no such folder"),
    ):
        assert run(command, *more, *call[1:], path) == (2, "", f"npfaceapi {command}: {option} {path}: {expected}\n")
    assert Path("other.png").read_bytes() == before
    assert not Path("new.png").exists()
    Path("folder.jpg").mkdir()
    assert run(*call, "folder.jpg")[0] == 0  # what is a folder stays one
    assert [path.name for path in Path("folder.jpg").iterdir()] == ["face.png"]


def test_a_drawing_and_the_json_are_two_files(run, place):
    status, out, err = run("analyze", *TINY, "face.png", "--draw", "out", "--json", "out/face.png")
    assert (status, out) == (2, "")
    assert "--json out/face.png: expected a file of its own, got the one of --draw" in err
    assert list(Path("out").iterdir()) == []


def test_drawings_below_the_photos_are_not_searched(run, place):
    for _ in range(2):
        status, out, err = run("analyze", *TINY, "known", "--draw", "known/drawn")
        assert status == 0
        assert out.count(": 200x200") == 1
    assert err == "npfaceapi: known: left out 1 drawn by npfaceapi\n"
    status, out, _ = run("analyze", *TINY, "known/drawn/Eileen.png")  # read if named explicitly
    assert (status, out.count(": 200x200")) == (0, 1)


def test_photos_of_one_name_have_drawings_of_their_own(run, place):
    names = ["a/x.png", "b/x.jpg", "c/X.bmp"]
    for name in names:
        Path(name).parent.mkdir()
        Image.new("RGB", (60, 40)).save(name)
    assert run("analyze", *TINY, *names, "--draw", "out")[0] == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["X-3.png", "x-2.png", "x.png"]


def test_the_folder_of_questions(run, place):
    inputs = ("conform", "inputs", "--case", "operations/conv2d/1", "known")
    status, _, err = run(*inputs)
    assert status == 2
    assert "known: expected a new or an empty folder, or one of npfaceapi conform inputs, got one with other files" in err
    assert sorted(path.name for path in Path("known").iterdir()) == ["Eileen.png"]
    golden = Path(__file__).parents[2] / "golden"
    status, _, err = run(*inputs[:-1], golden, "--overwrite")
    assert status == 2
    assert "no input is ever overwritten" in err
    assert run(*inputs, "--overwrite")[0] == 0
    assert run(*inputs)[0] == 0


def test_a_line_a_photo_of_match(run, place):
    Image.new("RGB", (60, 40)).save("black.png")
    Path("text.png").write_text("text")
    status, out, err = run("match", "known", "face.png", "black.png", "text.png", "--json", "-")
    assert status == 1
    face, black, text = map(json.loads, out.splitlines())
    assert [record["photo"] for record in (face, black, text)] == ["face.png", "black.png", "text.png"]
    (match,) = face["matches"]
    assert (match["name"], match["distance"] < 0.1) == ("Eileen", True)
    assert set(match["detection"]) >= {"score", "box"}
    assert black["matches"] == []
    assert "expected an image file" in text["error"]
    assert err.count("\n") == 1


@pytest.mark.slow
def test_standard_input(place):
    for command in (("analyze", *TINY, "-", "--draw", "out"), ("match", "known", "-"), ("inspect", "-", "--net", "tiny")):
        done = subprocess.run(
            [sys.executable, "-m", "npfaceapi", *command], input=Path("face.png").read_bytes(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert [path.name for path in Path("out").iterdir()] == ["stdin.png"]
    done = subprocess.run([sys.executable, "-m", "npfaceapi", "analyze", "-"], input=b"", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"npfaceapi: standard input")
