"""docs/containers.md: every line of its Dockerfile is run without a container engine, with folders in place of images."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.installing import run_or_skip
from helpers.users import needs_root

DOCKERFILE = re.search(r"```dockerfile\n(.*?)```", (ROOT / "docs" / "containers.md").read_text("utf-8"), re.DOTALL).group(1)
SETPRIV = shutil.which("setpriv")
STAGES = [[line.split(" ", 1) for line in stage.splitlines() if line] for stage in DOCKERFILE.split("\n\n")]


def test_the_stages():
    assert [stage[0][0] for stage in STAGES] == ["FROM", "FROM"]
    assert {name for stage in STAGES for name, _ in stage} == {"FROM", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}


@pytest.fixture
def place():
    """A folder that another user can read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@needs_root
@pytest.mark.skipif(SETPRIV is None, reason="no setpriv here, which lets a user read all that root can")
@pytest.mark.slow
def test_each_line_runs(place):
    """As the named user, in folders that are not writable to that user, without a home."""

    def here(text):
        text = re.sub(r"(?<![\w/])python\b", sys.executable, text)
        return text.replace("/opt/npfaceapi", str(place / "npfaceapi")).replace("/src", str(place / "src"))

    environment, command, user = {"OPENBLAS_NUM_THREADS": "1"}, [], "0"
    for name, text in [line for stage in STAGES for line in stage]:
        if (name, text) == ("COPY", ". /src"):
            shutil.copytree(ROOT, place / "src", ignore=shutil.ignore_patterns(".*", "__pycache__", "full", "unbundled"))
        elif name == "COPY":
            assert text == "--from=build /opt/npfaceapi /opt/npfaceapi"
            shutil.rmtree(place / "src")  # nothing else of the first image is in the second
        elif name == "RUN":
            run_or_skip("sh", "-c", here(text))
        elif name == "ENV":
            environment |= [here(text).split("=")]
        elif name == "USER":
            user = text.partition(":")[0]
        elif name in ("ENTRYPOINT", "CMD"):
            command += json.loads(here(text))
    packages = {path.name for path in place.glob("npfaceapi/lib/python*/site-packages/*")}
    assert "llvmlite" in packages
    assert not packages & {"numba", "scipy", "pip"}
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert user not in ("0", "root")
    reading = "+dac_read_search"  # a Python for the tests may be in root's home
    as_user = [SETPRIV, "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps", reading, "--ambient-caps", reading]
    done = subprocess.run([*as_user, *command], env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert re.search(r"^numba: (\d+) of \1 cases passed", done.stdout, re.MULTILINE)
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before
