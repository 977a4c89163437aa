"""What pyproject.toml, CITATION.cff and the bill of materials say about the package is true and consistent."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import runpy
import subprocess
import sys
import tomllib

import pytest

import npfaceapi
from helpers import ROOT

WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = WHOLE["project"]
BILL = json.loads((ROOT / "weights" / "weights.cdx.json").read_text("utf-8"))


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs {module}")


# ------------------------------------------------------------------ pyproject.toml


@pytest.mark.parametrize("name", ["test", "docs"])
def test_the_extra_is_the_group_of_its_name(name):
    assert PROJECT["optional-dependencies"][name] == WHOLE["dependency-groups"][name]


def test_what_the_notebook_needs_is_the_same_for_the_docs_and_the_tests():
    groups = WHOLE["dependency-groups"]
    assert {"nbclient>=0.10", "ipykernel>=6.29"} <= set(groups["docs"]) & set(groups["test"])


def test_the_oldest_python_is_the_same_everywhere():
    (oldest,) = re.findall(r">=3\.(\d+)", PROJECT["requires-python"])
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["classifiers"]))]
    newest = max(minors)
    assert minors == list(range(int(oldest), newest + 1))
    assert WHOLE["tool"]["mypy"]["python_version"] == f"3.{oldest}"
    assert f"Python 3.{oldest} to 3.{newest}" in (ROOT / "README.md").read_text("utf-8")
    assert f"for minor in {' '.join(map(str, minors))}; do" in (ROOT / ".ci" / "run").read_text("utf-8")
    for workflow in ("tests", "release"):
        text = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text("utf-8")
        assert f'python: ["3.{oldest}", "3.{newest}"]' in text


@needs("validate_pyproject")
def test_pyproject_is_valid():
    command = [sys.executable, "-m", "validate_pyproject", str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@needs("sp_repo_review")
def test_the_review_of_scientific_python_finds_nothing():
    command = [sys.executable, "-m", "repo_review", "--format", "json", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(done.stdout)["checks"]) > 20


# ------------------------------------------------------------------ the README on an index


@needs("hatchling")
@pytest.mark.parametrize("files", [None, "https://host/npfaceapi/blob/v1.2.3"])
def test_links_of_the_readme_work_on_an_index(files):
    readme = (ROOT / "README.md").read_text("utf-8")
    made = runpy.run_path(str(ROOT / "hatch_build.py"))["readme_of_an_index"](readme, files)
    readme, pictures = re.subn(r"!\[[^\]]+\]\(docs/[^)]+\)\n\n", "", readme)
    assert pictures == 1
    assert "![" not in made
    relative = re.findall(r"\]\((?!https?://)([^)]+)\)", readme)
    assert len(relative) > 20
    assert re.findall(r"\]\((?!https?://)", made) == []
    for link in relative:
        assert (f"]({files}/{link})" in made) == (files is not None)
    assert all(link in made for link in re.findall(r"\]\(https?://[^)]+\)", readme))
    if files is None:
        assert re.sub(r"\]\([^)]*\)|\[", "", made) == re.sub(r"\]\([^)]*\)|\[", "", readme)


# ------------------------------------------------------------------ licences and the bill of materials


def test_the_bill_lists_every_file_of_weights_with_its_hash():
    files = {file["name"]: file["hashes"] for model in BILL["components"] for file in model["components"]}
    there = [path for path in (ROOT / "weights").iterdir() if "_model-" in path.name]
    assert len(there) > 10
    assert files == {p.name: [{"alg": "SHA-256", "content": hashlib.sha256(p.read_bytes()).hexdigest()}] for p in there}


def test_the_licences_are_those_of_the_code_and_of_the_weights():
    of_weights = {choice["license"]["id"] for model in BILL["components"] for choice in model["licenses"]}
    assert set(PROJECT["license"].split(" AND ")) == {"MIT"} | of_weights
    texts = {path.name for pattern in PROJECT["license-files"] for path in ROOT.glob(pattern)}
    assert texts == {"LICENSE", "weights.txt"} | {f"{name}.txt" for name in of_weights - {"MIT"}}
    named = (ROOT / "LICENSES" / "weights.txt").read_text("utf-8")
    for model in BILL["components"]:
        assert model["name"].removesuffix("_model") in named
        assert all(author["name"] in named for author in model["authors"])


def test_where_the_weights_come_from_is_what_their_readme_says():
    readme = (ROOT / "weights" / "README.md").read_text("utf-8")
    for model in BILL["components"]:
        (origin,) = model["pedigree"]["ancestors"]
        assert f"`{'/'.join(filter(None, [origin.get('group'), origin['name']]))}` {origin['version']}" in readme


@needs("cyclonedx")
def test_the_bill_is_valid():
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(BILL)) is None


# ------------------------------------------------------------------ CITATION.cff, CHANGELOG.md


def test_the_citation_has_the_version():
    assert f"\nversion: {npfaceapi.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_the_changelog_has_the_version_and_known_headings():
    headings = re.findall(r"^(##+) (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    versions = [text.split()[0] for level, text in headings if level == "##"]
    assert npfaceapi.__version__ in versions
    kinds = {text for level, text in headings if level == "###"}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
