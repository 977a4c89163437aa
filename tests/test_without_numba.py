"""NumPy and Pillow alone: everything works on the reference backend, one warning says so, and nothing else is imported."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from PIL import Image

from helpers import ASTRONAUT, ROOT
from helpers.installing import build, clean_environment, run_or_skip

WARNING = "runs on its slow 'reference' backend: numba is not installed; pip install numba"
BLOCKED = "import sys; sys.modules.update(dict.fromkeys(('numba', 'llvmlite', 'scipy', 'matplotlib')))\n"
LIBRARY = """
import numpy as np, npfaceapi as faceapi
photo = np.zeros((112, 112, 3), np.uint8)
for _ in range(2):
    landmarks = faceapi.nets.face_landmark_68_tiny_net.detect_landmarks(photo)
    faceapi.extract_face_chip(photo, landmarks)
    faceapi.head_pose(landmarks)
known = faceapi.FaceMatcher([faceapi.LabeledFaceDescriptors("a", [[0.0, 0.0]])])
print(faceapi.current_backend(), known.find_best_match([0.3, 0.4]), faceapi.euclidean_distance([0, 0], [3, 4]))
"""
COMMANDS = {
    "analyze": ["analyze", "known", "--detector", "tiny"],
    "anonymize": ["anonymize", "known", "--detector", "tiny", "--out", "out"],
    "backends": ["backends"],
    "export": ["export", "age_gender_net", "--out", "out.npz"],
    "inspect": ["inspect", "known/Eileen.png", "--net", "tiny", "--out", "out.html"],
    "match": ["match", "known", "known/Eileen.png", "--detector", "tiny"],
}


def run_blocked(source, cwd=None):
    command = [sys.executable, "-W", "always", "-c", BLOCKED + source]
    done = subprocess.run(
        command, env=clean_environment(PYTHONPATH=str(ROOT)), cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def importers(package):
    """The folders and files of npfaceapi that import it, at the top or inside a function."""
    pattern = re.compile(rf"^ *(?:from|import) {package}\b", re.MULTILINE)
    places = (
        path.relative_to(ROOT / "npfaceapi")
        for path in (ROOT / "npfaceapi").rglob("*.py")
        if pattern.search(path.read_text("utf-8"))
    )
    return {place.as_posix() if package == "scipy" else "/".join(place.parts[:2]) for place in places}


def test_few_import_them():
    assert importers("numba") <= {"engines/numba", "engines/cuda"}
    assert importers("llvmlite") == {"engines/numba"}
    assert importers("scipy") == {"evaluation/wider.py", "video/tracks.py"}


def test_the_library_warns_once():
    done = run_blocked(LIBRARY)
    assert done.stdout == "reference a (0.5) 5.0\n"
    assert done.stderr.count("Warning") == done.stderr.count(WARNING) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name, tmp_path):
    (tmp_path / "known").mkdir()
    with Image.open(ASTRONAUT) as image:
        image.convert("RGB").crop((120, 0, 320, 200)).save(tmp_path / "known" / "Eileen.png")
    done = run_blocked(f"from npfaceapi import cli; raise SystemExit(cli.main({COMMANDS[name]!r}))", cwd=tmp_path)
    assert done.stderr.count(WARNING) == (name != "export")


@pytest.mark.slow
def test_what_needs_numba_or_scipy_says_so(tmp_path):
    source = """
import npfaceapi, pathlib
from npfaceapi.evaluation.wider import read_labels
from npfaceapi import cli
cli.main(["warmup", "--bundle", "new"])
for call in (lambda: npfaceapi.set_backend("numba"), lambda: read_labels(pathlib.Path("."))):
    try:
        call()
    except npfaceapi.BackendUnavailable as error:
        print(error)
"""
    done = run_blocked(source, cwd=tmp_path)
    assert "backend 'numba' cannot run here: numba is not installed" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout.splitlines() == [
        "set_backend: backend 'numba' cannot run here: numba is not installed; pip install numba",
        'labels of WIDER FACE: expected the package scipy, got none installed; pip install "npfaceapi[evaluate]"',
    ]


@pytest.mark.slow
def test_the_command_in_the_readme_installs_what_is_needed(tmp_path):
    (command,) = re.findall(r"`(pip install --no-deps npfaceapi [^`]*)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    wheel = build("wheel", tmp_path)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pip, *arguments = command.split()
    run_or_skip(programs / pip, *(str(wheel) if word == "npfaceapi" else word for word in arguments))
    for words in (["verify"], ["analyze", str(ASTRONAUT)]):
        done = subprocess.run(
            [programs / "npfaceapi", *words], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr.count("\n") == 1
        assert WARNING in done.stderr
        assert re.search(r"^reference: (\d+) of \1 cases passed|: 512x512, 1 face$", done.stdout, re.MULTILINE)
