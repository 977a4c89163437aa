"""The wheel has everything that an installed package needs and nothing else; the sdist builds the same wheel to the byte."""

from __future__ import annotations

import email
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.installing import EPOCH, build

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    return build("sdist", tmp_path_factory.mktemp("sdist"))


def test_the_sdist_builds_the_same_wheel_to_the_byte(wheel, sdist, tmp_path):
    """Files with another time, in another folder, with other permissions."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for path in source.rglob("*"):
        if path.is_file():
            path.chmod(0o600)
    again = build("wheel", tmp_path / "again", source)
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert {info.date_time for info in archive.infolist()} == {time.gmtime(EPOCH)[:6]}


def test_two_sdists_are_the_same_to_the_byte(sdist, tmp_path):
    assert build("sdist", tmp_path).read_bytes() == sdist.read_bytes()


def test_it_is_small(wheel):
    assert wheel.stat().st_size <= 20_000_000


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="needs a clone, and git")
def test_the_sdist_has_every_file_of_the_repository(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(tracked.split("\0")) > 500
    assert set(tracked.strip("\0").split("\0")) - names == set()


def test_metadata_licences_and_the_bill_of_materials(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist()} - {"npfaceapi"}
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        for name in metadata.get_all("License-File"):
            assert archive.read(f"{info}/licenses/{name}") == (ROOT / name).read_bytes()
        bill = (ROOT / "weights" / "weights.cdx.json").read_bytes()
        assert archive.read(f"{info}/sboms/weights.cdx.json") == bill
    assert metadata.get_all("Import-Name") == ["npfaceapi"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert len(metadata.get_payload()) > 5000


@pytest.mark.skipif(importlib.util.find_spec("twine") is None, reason="needs twine")
def test_twine_finds_nothing(wheel, sdist):
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
    folders = ("conformance", "export", "faces", "service/page", "_data/golden", "_data/golden/core", "_data/weights")
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
