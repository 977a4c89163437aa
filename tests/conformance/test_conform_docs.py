"""The examples of docs/conformance.md run unchanged, and the page agrees with the code."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import textwrap

import pytest

from helpers import ROOT
from npfaceapi.cli import main
from npfaceapi.conformance.compare import CHANGES
from npfaceapi.conformance.questions import ORDER
from npfaceapi.conformance.tolerance import GRADES

PAGE = (ROOT / "docs" / "conformance.md").read_text("utf-8")
PROGRAMS = {text.split("\n")[0].removeprefix("# "): text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)}
FOLDER, PROGRAM, CLASS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)

needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")), reason="onnx and onnxruntime are not installed"
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the programs of the page."""
    monkeypatch.chdir(tmp_path)
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def run(script):
    for line in script.strip().splitlines():
        words = [sys.executable if word == "python" else word for word in shlex.split(line)]
        if words[0] == "npfaceapi":
            assert main(words[1:]) == 0, line
        else:
            subprocess.run(words, check=True, timeout=120)


@pytest.mark.slow
@needs_onnx
def test_the_folder(here, capsys):
    run(FOLDER)
    assert "7 passed" in capsys.readouterr().out


@pytest.mark.slow
def test_the_program(here, capsys):
    run(PROGRAM)
    out = capsys.readouterr().out
    assert "3 passed" in out
    assert "74 not claimed" in out


@pytest.mark.slow
@needs_onnx
def test_the_class(here, capsys):
    run(FOLDER.splitlines()[0])
    run(CLASS)
    out = capsys.readouterr().out
    assert "7 passed" in out
    assert "84 not claimed" in out


def test_every_level_and_grade_is_described():
    for level in ORDER:
        assert f"| `{level}` |" in PAGE
    for name, grade in GRADES.items():
        assert f"`{name}`" in PAGE
        if grade.mixed:
            assert f"{grade.factor:g} × deviation" in PAGE
    assert "FAULT_TABLE" not in PAGE
    assert "CALIBRATION" not in PAGE


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", PAGE))
def test_links_lead_somewhere(link):
    assert (ROOT / "docs" / link).exists()


@pytest.mark.slow
def test_the_ways_into_a_test_runner(here):
    """The two indented examples as a porter's files, with a port of one operation."""
    examples = re.findall(r"(?:^|\n)\n((?:    .*\n|\n)*?    .*(?:pytest_cases|conformance_tests)\(Port.*\n(?:    .*\n)*)", PAGE)
    assert len(examples) == 2
    (here / "my_port.py").write_text("class Port:\n    def run(self, network, batch):\n        return {}\n")
    (here / "xfail.txt").write_text("raw/* nothing is ported\n")
    for i, example in enumerate(examples):
        (here / f"test_{i}.py").write_text(textwrap.dedent(example))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "rnet"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"\b8 xfailed in", done.stdout, re.MULTILINE), done.stdout


def test_every_change_of_a_comparison_is_described():
    table = PAGE.partition("## Two reports")[2].partition("## ")[0]
    assert all(re.search(rf"^\|.*\b{change}\b.*\|.*\|$", table, re.MULTILINE) for change in CHANGES if change != "same")
