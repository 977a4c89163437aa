"""Kernels compiled on another machine: run without Numba if they fit, else refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from helpers import ROOT
from helpers.installing import clean_environment
from npfaceapi import cli
from npfaceapi.engines.numba import bundle
from npfaceapi.errors import BackendUnavailable

WITHOUT_NUMBA = "import sys; sys.modules.update(dict.fromkeys(('numba', 'scipy')))\n"
POINTS = """
import numpy as np, npfaceapi
photo = np.arange(112 * 112 * 3, dtype=np.uint8).reshape(112, 112, 3)
points = npfaceapi.nets.face_landmark_68_tiny_net.detect_landmarks(photo).positions
print(npfaceapi.current_backend(), points.sum() > 0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A bundle that fits here, without kernels."""
    manifest = {**bundle.made_for(), "processor": bundle.runnable()[0], "kernels": "kernels-0"}
    (tmp_path / bundle.MANIFEST).write_text(json.dumps(manifest))
    monkeypatch.setenv("NPFACEAPI_KERNELS", str(tmp_path))
    bundle.bundle_in_use.cache_clear()
    yield tmp_path
    bundle.bundle_in_use.cache_clear()


def test_one_that_fits_is_used(folder):
    assert bundle.bundle_in_use() == (folder, bundle.runnable()[0], "kernels-0")


@pytest.mark.parametrize("key", ["sources", "llvmlite", "system", "processor"])
def test_one_that_does_not_fit_is_refused(folder, key):
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    (folder / bundle.MANIFEST).write_text(json.dumps({**manifest, key: "another"}))
    with pytest.raises(BackendUnavailable, match=r"^NPFACEAPI_KERNELS: .*: expected kernels for .*, got some for another"):
        bundle.bundle_in_use()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", None])
def test_what_is_none_is_refused(folder, text):
    (folder / bundle.MANIFEST).write_text(text) if text is not None else (folder / bundle.MANIFEST).unlink()
    with pytest.raises(
        BackendUnavailable, match=r"expected a folder that npfaceapi warmup --bundle wrote and nobody else can change"
    ):
        bundle.bundle_in_use()


def test_families():
    for older, newer in zip(bundle.families(), bundle.families()[1:], strict=False):
        assert set(bundle.features_of(older)) < set(bundle.features_of(newer))
    assert bundle.runnable() == bundle.families()[: len(bundle.runnable())] != []


def test_the_command_refuses_other_folders_and_families(tmp_path, capsys):
    (tmp_path / "notes").write_text("mine")
    assert cli.main(["warmup", "--bundle", str(tmp_path)]) != 0
    assert "expected an empty folder or an earlier bundle, got another folder" in capsys.readouterr().err
    assert cli.main(["warmup", "--bundle", str(tmp_path / "new"), "--processor", "z80"]) != 0
    assert "processor: expected one of " in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_bundle_runs_without_numba(tmp_path):
    where = {"PYTHONPATH": str(ROOT), "NPFACEAPI_KERNELS": str(tmp_path)}
    command = [sys.executable, "-m", "npfaceapi", "warmup", "--bundle", str(tmp_path)]
    subprocess.run(command, env=clean_environment(PYTHONPATH=str(ROOT)), check=True, capture_output=True)
    command = [sys.executable, "-c", WITHOUT_NUMBA + POINTS]
    for changed, printed, said in (
        (None, "numba True\n", ""),
        ("run.run_alone", "", "expected a kernel as npfaceapi warmup --bundle wrote it, got none or another"),
        ("manifest.json", "reference True\n", "'reference' backend: NPFACEAPI_KERNELS: "),
    ):
        if changed:
            (tmp_path / changed).write_bytes(b"?")
        done = subprocess.run(command, env=clean_environment(**where), capture_output=True, text=True, check=False)
        assert done.stdout == printed, done.stderr
        assert said in done.stderr
