"""The short campaign, with the same inputs in every run; and that it finds planted bugs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from npfaceapi.errors import ImageError
from tests.fuzz import campaign
from tests.fuzz.targets import TARGETS, Photo


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_short_campaign(name):
    figures = campaign.try_inputs(name, 0, TARGETS[name].short, 30)
    assert figures.findings == []
    assert figures.tried > TARGETS[name].short / 10
    assert 0 < figures.accepted < figures.tried


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted(name, tmp_path):
    target = TARGETS[name](tmp_path)
    refused = {seed[:12] for seed in target.seeds() if not target.accepts(seed)}
    # mutating what is refused anyway tests little
    assert refused == ({b"HTTP/1.1 302", b"HTTP/1.1 404"} if name == "server" else set())


def test_what_is_no_error_of_ours_is_a_finding(tmp_path):
    class Broken(Photo):
        def run(self, data):
            raise KeyError("x") if len(data) > 3 else ImageError("two\nlines")

    target = Broken(tmp_path)
    with pytest.raises(KeyError):
        target.accepts(b"long")
    assert not target.accepts(b"")  # shown in one line


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_dies_is_a_finding_with_its_input(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def dies(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('/photo'): os.abort()\n"
        "sys.addaudithook(dies)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    figures = campaign.try_inputs("photo", 5, 3, 30, tmp_path / "kept")
    assert len(figures.findings) == 1
    assert "the process ended with -6" in figures.findings[0]
    assert [path.name for path in Path(tmp_path / "kept").iterdir()] == ["photo-5-died"]
