"""Numba with compilation disabled, as under coverage: the reference backend runs, with a one-line notice."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi.engines import dispatch
from npfaceapi.engines.numba import jit, numba_internals

RUN = """
import numpy, npfaceapi
photo = numpy.zeros((112, 112, 3), numpy.uint8)
def used():
    npfaceapi.nets.face_landmark_68_tiny_net.detect_landmarks(photo)
    return npfaceapi.current_backend()
"""
WAYS = {
    "the environment": (RUN + "print(used(), used())", {"NUMBA_DISABLE_JIT": "1"}, ""),
    "the environment, late": (RUN + "import os; os.environ['NUMBA_DISABLE_JIT'] = '1'; print(used(), used())", {}, ""),
    "the settings file": (RUN + "print(used(), used())", {}, "disable_jit: 1\n"),
    "before": ("import numba; numba.config.DISABLE_JIT = 1" + RUN + "print(used(), used())", {}, ""),
    "after": (RUN + "import numba; numba.config.DISABLE_JIT = 1; print(used(), used())", {}, ""),
    "by turns": (RUN + "used(); import numba; numba.config.DISABLE_JIT = 1; print(used(), end=' '); "
                 "numba.config.DISABLE_JIT = 0; assert used() == 'numba'; numba.config.DISABLE_JIT = 1; print(used())", {}, ""),
}  # fmt: skip


def run_python(*arguments, cwd=None, **variables):
    cleared = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_DISABLE", "NPFACEAPI_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**cleared, "PYTHONPATH": str(ROOT), **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("way", ["the environment", *(pytest.param(way, marks=pytest.mark.slow) for way in [*WAYS][1:])])
def test_the_reference_runs_and_one_line_says_why(way, tmp_path):
    source, variables, settings = WAYS[way]
    if settings:
        pytest.importorskip("yaml", reason="Numba reads no settings file without PyYAML")
        (tmp_path / ".numba_config.yaml").write_text(settings)
    done = run_python("-c", source, cwd=tmp_path, **variables)
    assert done.stdout == "reference reference\n", done.stderr
    warnings = [line for line in done.stderr.splitlines() if "npfaceapi runs on its slow 'reference' backend" in line]
    assert len(warnings) == 1
    assert "NUMBA_DISABLE_JIT" in warnings[0]
    assert "upgrade" not in done.stderr


@pytest.mark.slow
def test_on_the_command_line(tmp_path):
    done = run_python("-W", "error", "-m", "npfaceapi", "backends", NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].split()[:2] == ["numba", "no"]
    assert "NUMBA_DISABLE_JIT" in done.stdout.splitlines()[1]
    assert done.stderr.count("\n") == 1
    done = run_python("-m", "npfaceapi", "plan", "age_gender_net", NUMBA_DISABLE_JIT="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "backend 'numba' cannot run here: numba is told to compile nothing" in done.stderr


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(numba_internals, "compiles_nothing", lambda: True)


def test_whoever_asks_for_it_is_told(told):
    for choose in (faceapi.set_backend, faceapi.use_backend):
        with pytest.raises(faceapi.BackendUnavailable, match="NUMBA_DISABLE_JIT"):
            choose("numba")
    with pytest.raises(faceapi.BackendUnavailable, match="NUMBA_DISABLE_JIT"):
        faceapi.FaceLandmark68TinyNet(bundled=True).run_net(np.zeros((1, 112, 112, 3)), backend="numba")


def test_a_backend_that_only_resizes_with_it_does_without(told, monkeypatch):
    monkeypatch.setattr(dispatch, "current_backend", lambda: "cuda")
    assert dispatch.resizing_kernel() is None


def test_what_changes_amid_compiling_is_told_as_well(told):
    kernel = jit.compiled(jit.INT64)(lambda number: None)
    with pytest.raises(faceapi.BackendUnavailable, match="NUMBA_DISABLE_JIT"):
        kernel._compile()
