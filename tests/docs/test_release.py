"""docs/release.md lists all deprecations, and its formats are those of the code."""

from __future__ import annotations

import contextlib
import json
import re

import pytest

import npfaceapi
from helpers import ROOT
from npfaceapi.conformance import report
from npfaceapi.export import specification

TEXT = (ROOT / "docs" / "release.md").read_text("utf-8")
DEPRECATIONS = TEXT.partition("\n## Deprecations\n")[2].partition("\n## ")[0]


def test_old_spellings_are_listed_and_the_new_ones_too():
    commands = (ROOT / "npfaceapi" / "commands").glob("*.py")
    source = "".join(path.read_text("utf-8") for path in commands)
    spellings = re.findall(r'add_old_spelling\(parser, "(--[\w-]+)", add_shared\(parser, "(--[\w-]+)"', source)
    assert len(spellings) == len(re.findall(r"(?<!def )add_old_spelling\(", source)) >= 2
    for old, new in spellings:
        assert re.search(rf"^\| .*{old}\b.*`{new}` \|$", DEPRECATIONS, re.MULTILINE), old
    assert source.count("tell_old_spelling(") == 3  # its definition, its use for all of the above, and `bench --net NET@SIZE`
    assert "bench --net NET@SIZE" in DEPRECATIONS


@pytest.mark.parametrize("name", [name for name in npfaceapi.__all__ if "eprecated" in (getattr(npfaceapi, name).__doc__ or "")])
def test_deprecated_functions_are_listed(name):
    assert f"`{name}`" in DEPRECATIONS
    with pytest.warns(DeprecationWarning, match=f"^{name} is deprecated"), contextlib.suppress(npfaceapi.InvalidArgument):
        getattr(npfaceapi, name)([])  # no photo


def test_deprecated_functions_are_found():
    assert "all_faces" in test_deprecated_functions_are_listed.pytestmark[0].args[1]


def test_the_formats_have_the_numbers_of_the_code():
    def number(line):
        return int(re.search(rf"^\| .*{re.escape(line)}.*?, format (\d+)", TEXT, re.MULTILINE)[1])

    assert number("show NET --format json") == specification.FORMAT
    assert number("reports of `conform --json`") == report.FORMAT
    assert number("golden cases") == json.loads((ROOT / "golden" / "cases.json").read_text("utf-8"))["format"]
