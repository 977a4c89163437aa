"""Helpers that several tests share."""

from __future__ import annotations

import os
from pathlib import Path

from npfaceapi.networks.unbundled import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
ASTRONAUT = ROOT / "golden" / "images" / "astronaut.png"

if VARIABLE in os.environ:  # removed, so that tests use it only explicitly; the processes of `pytest -n` inherit the result
    os.environ[f"{VARIABLE}_OF_TESTS"] = os.environ.pop(VARIABLE)
#: The folder of weights that are not bundled, if there is one.
WEIGHTS = os.environ.get(f"{VARIABLE}_OF_TESTS")

#: Files that take half a minute or more: under `pytest -n` they begin first, so that no process ends long after the others.
LONG = {
    "tests/conformance/planted/test_planted.py",
    "tests/conformance/test_conform_faults.py",
    "tests/docs/test_containers.py",
    "tests/docs/test_runnable.py",
    "tests/engines/cuda/test_on_cpu.py",
    "tests/engines/numba/test_engine.py",
    "tests/inspection/test_browser.py",
    "tests/inspection/test_inspect.py",
    "tests/service/test_page.py",
    "tests/test_cold_start.py",
}
