"""The commands in README.md work."""

from __future__ import annotations

import re

import pytest

from helpers import ROOT
from npfaceapi.cli import main

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_blocks_run_one_after_the_other(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    printed = capsys.readouterr().out
    assert "Eileen (0)" in printed
    assert "(1, 128)" in printed


def test_the_table_is_what_the_first_command_prints(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    command = blocks("sh")[0].strip().rpartition("npfaceapi ")[2].replace("out/", str(tmp_path)).split()
    assert main(command) == 0
    (table,) = re.findall(r"```\n(golden/images.*?)```", README, re.DOTALL)
    assert capsys.readouterr().out == table
    assert (tmp_path / "astronaut.png").is_file()


def test_ci_runs_the_second_command():
    """Step by step in a separate environment; the first failing step ends the run."""
    command = blocks("sh")[1].strip().replace("python3 ", '"$newest" ').replace(".venv", ".venv-ci/newest")
    steps = command.split(" && ")
    assert [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line in steps] == steps


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
