"""What PyInstaller is told; `.ci/measure pyinstaller` builds a program with it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import runpy
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.pages import DOCS, load
from npfaceapi import _pyinstaller

MODULES = load(DOCS / "pictures" / "architecture.py").MODULES
HOOK = Path(_pyinstaller.__file__).with_name("hook-npfaceapi.py")


@pytest.fixture(scope="module")
def hook():
    return runpy.run_path(str(HOOK))


def test_pyinstaller_finds_the_hook():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (group,) = re.findall(r'^\[project\.entry-points\.pyinstaller40\]\nhook-dirs = "(.+)"$', text, re.MULTILINE)
    named = importlib.metadata.EntryPoint("hook-dirs", group, "pyinstaller40").load()
    assert named() == [str(HOOK.parent)]


def test_every_module_is_named(hook):
    ours = {name for name in hook["hiddenimports"] if name.partition(".")[0] == "npfaceapi"}
    assert ours == {name for name in MODULES if "_pyinstaller" not in name}


def test_what_it_names_is_there(hook):
    for name in hook["hiddenimports"]:
        assert importlib.util.find_spec(name.partition(".")[0]) is not None
    assert {"numba", "llvmlite.binding"} <= set(hook["hiddenimports"])
    assert all(Path(path).is_file() for path, _ in hook["datas"])


def test_every_file_is_named(hook):
    files = {(Path(path).name, place) for path, place in hook["datas"]}
    assert len(files) == len(hook["datas"])
    for path in (ROOT / "weights").iterdir():
        assert (path.name, "npfaceapi/_data/weights") in {(name, Path(place).as_posix()) for name, place in files}
    places = {Path(place, name).as_posix() for name, place in files}
    assert {"npfaceapi/_data/golden/cases.json", "npfaceapi/_data/golden/core/core-weights_manifest.json"} <= places
    for path in (ROOT / "npfaceapi").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyi", ".pyc", ".typed") and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in places


def test_the_sources_of_kernels_are_files(hook):
    """Else there is no hash under which they could be kept."""
    assert hook["module_collection_mode"] == {"npfaceapi.engines": "pyz+py"}
