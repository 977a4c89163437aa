"""Separate environments, in which this package is installed as by users."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT

EPOCH = 1_700_000_000  # seconds, even: the time stamp of files in the archives


def build(target: str, folder: Path, source: Path = ROOT) -> Path:
    """The wheel or sdist of a checkout, made in that folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)})
    return next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))


def clean_environment(**more: str) -> dict[str, str]:
    """The environment variables of this process, except those that point to this checkout or change what runs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NUMBA_", "NPFACEAPI_"))}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", **more}  # its threads wait for each other if tests share processors


def run_or_skip(*command: str | Path, **more: object) -> None:
    """Run an installation; skip the test where no package index can be reached."""
    done = subprocess.run([*map(str, command)], env=clean_environment(), capture_output=True, text=True, check=False, **more)
    if done.returncode and any(
        sign in done.stderr for sign in ("NewConnectionError", "from versions: none", "Temporary failure")
    ):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
