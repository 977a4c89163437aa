"""Environments of their own, into which this package is installed as users install it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, made in that folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def clean_environment(**more: str) -> dict[str, str]:
    """The variables of this process, but for those that lead to this checkout or change what runs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NUMBA_", "NPFACEAPI_"))}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", **more}  # its threads wait for each other where tests share processors


def run_or_skip(*command: str | Path, **more: object) -> None:
    """Run an installation; skip the test where no package index can be reached."""
    done = subprocess.run([*map(str, command)], env=clean_environment(), capture_output=True, text=True, check=False, **more)
    if done.returncode and any(
        sign in done.stderr for sign in ("NewConnectionError", "from versions: none", "Temporary failure")
    ):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
