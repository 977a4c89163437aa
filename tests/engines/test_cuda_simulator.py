"""Runs the tests in cuda_simulator/, each file in a separate process with numba-cuda's simulator in place of a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

FOLDER = Path(__file__).parent / "cuda_simulator"
FILES = sorted(path.name for path in FOLDER.glob("test_*.py"))


@pytest.fixture(scope="module")
def started(request, tmp_path_factory):
    """A function that starts one; without `pytest -n` all requested ones run at once, since the simulator uses one core.

    Output goes to files, so that no pipe fills up.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("NPFACEAPI_BACKEND", "PYTEST_ADDOPTS")}
    processes = {}

    def start(file):
        if file not in processes:
            log = tmp_path_factory.mktemp("simulator") / "log"
            with log.open("w") as stream:
                process = subprocess.Popen(
                    [sys.executable, "-m", "pytest", "-q", "--durations=3", "-p", "no:cacheprovider", str(FOLDER / file)],
                    env={**environment, "NUMBA_ENABLE_CUDASIM": "1"}, cwd=ROOT, stdout=stream, stderr=stream,
                )  # fmt: skip
            processes[file] = process, log
        return processes[file]

    if not hasattr(request.config, "workerinput"):
        for file in sorted({item.callspec.params["file"] for item in request.session.items if item.path == Path(__file__)}):
            start(file)
    yield start
    for process, _ in processes.values():
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_on_the_simulator(started, file):
    process, log = started(file)
    code = process.wait(timeout=900)
    text = log.read_text()
    assert code == 0, text[-6000:]
    passed = re.search(r"(\d+) passed", text)
    assert passed, text
    assert int(passed[1]) >= 3
