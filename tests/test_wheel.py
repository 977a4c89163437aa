"""The wheel carries what an installed package needs, and nothing of the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.installing import build_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_weights_and_core_cases_are_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in (ROOT / "weights").iterdir():
        assert f"npfaceapi/_data/weights/{file.name}" in names
    assert "npfaceapi/_data/golden/cases.json" in names
    assert "npfaceapi/_data/golden/core/core-weights_manifest.json" in names
    assert "npfaceapi/py.typed" in names
    assert "npfaceapi/__init__.pyi" in names
    assert not [name for name in names if "full" in name or "node_modules" in name or name.startswith("tests")]


def test_an_installed_package_reads_its_own_files(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import npfaceapi; assert npfaceapi.__file__.startswith(sys.argv[1])\n"
        "from npfaceapi.cli import main\n"
        "raise SystemExit(main(['verify', '--case', 'raw/face_landmark_68_tiny*', '--backend', 'reference']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 of 1 cases passed" in run.stdout


def test_pyinstaller_gets_the_weights_of_an_installed_package(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        assert b"npfaceapi._pyinstaller:hook_dirs" in archive.read(next(n for n in archive.namelist() if "entry_points" in n))
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1])\n"
        "from npfaceapi import _pyinstaller\n"
        "hook = runpy.run_path(_pyinstaller.hook_dirs()[0] + '/hook-npfaceapi.py')\n"
        "print(*sorted({place for path, place in hook['datas'] if path.startswith(sys.argv[1])}), len(hook['datas']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site")], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *places, count = run.stdout.split()
    folders = ("conformance", "export", "faces", "_data/golden", "_data/golden/core", "_data/weights")
    assert places == sorted(str(Path("npfaceapi", folder)) for folder in folders)
    assert int(count) > len(list((ROOT / "weights").iterdir()))


def test_the_package_works_from_a_zip(wheel, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, npfaceapi\n"
        "net = npfaceapi.nets.face_landmark_68_tiny_net\n"
        "assert net.detect_landmarks(np.zeros((40, 40, 3), np.uint8)).positions.shape == (68, 2)\n"
        "assert '.whl' in npfaceapi.__file__"
    )
    run = subprocess.run([sys.executable, "-c", code, str(wheel)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
