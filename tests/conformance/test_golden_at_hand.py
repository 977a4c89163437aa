"""Which golden cases are present, and the message about it."""

from __future__ import annotations

import shutil

import pytest

from helpers import ROOT
from npfaceapi.cli import main
from npfaceapi.conformance import golden as golden_module


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Like an installed package, which has only the core cases."""
    own = tmp_path / "data" / "golden"
    own.mkdir(parents=True)
    shutil.copy(ROOT / "golden" / "cases.json", own)
    shutil.copytree(ROOT / "golden" / "core", own / "core")
    monkeypatch.setattr(golden_module, "data_folder", lambda name: own)
    return own


def conform(capsys, *arguments):
    status = main(["conform", "run", "--backend", "reference", "--case", "operations/relu/*", *arguments])
    told = capsys.readouterr()
    assert status == 0
    return told.out, told.err


def test_an_installed_kit_says_what_it_lacks(installed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, told = conform(capsys)
    count = len(golden_module.GoldenCases(installed).all_cases)
    assert f" of {count} golden cases are present, in {installed}: a clone of the repository has all" in told
    assert "--golden" in told


@pytest.mark.parametrize("inside", ["", "docs", "npfaceapi/conformance"])
def test_inside_of_a_clone_its_cases_are_found(installed, inside, monkeypatch, capsys):
    monkeypatch.chdir(ROOT / inside)
    out, told = conform(capsys)
    assert told == f"golden cases: {ROOT / 'golden'}, found from the current folder upwards\n"
    assert "not present" not in out


def test_a_folder_of_that_name_with_other_things_is_none(installed, tmp_path, monkeypatch, capsys):
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "cases.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    _, told = conform(capsys)
    assert f"in {installed}" in told


def test_a_case_whose_tensors_are_not_at_hand_is_told_as_such(installed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["conform", "run", "--backend", "reference", "--case", "prepare/resize/*"]) == 2
    told = f"{installed}: expected the tensors of 'prepare/resize/*', got none; --golden names another folder\n"
    assert capsys.readouterr().err == f"npfaceapi conform: {told}"
