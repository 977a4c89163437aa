"""What CONTRIBUTING.md says about the tests: the fast loop touches every package, and the table names existing files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from helpers import LONG, ROOT, TESTS

PACKAGES = sorted(".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "npfaceapi").rglob("__init__.py"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def is_slow(statement):
    """Whether `pytest.mark.slow` marks the test itself; a mark on single parameters does not count."""
    marks = statement.decorator_list if isinstance(statement, ast.FunctionDef) else [statement.value]
    marks = [part for mark in marks for part in (mark.elts if isinstance(mark, ast.List) else [mark])]
    return "pytest.mark.slow" in map(ast.unparse, marks)


def fast_imports(text):
    """The modules that a test file imports outside slow tests, if one of its tests is in the fast loop."""
    body = ast.parse(text).body
    marks = [part for part in body if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "pytestmark"]
    tests = [test for part in body for test in (part.body if isinstance(part, ast.ClassDef) else [part])]
    tests = [test for test in tests if isinstance(test, ast.FunctionDef) and test.name.startswith("test_")]
    if any(map(is_slow, marks)) or all(map(is_slow, tests)):
        return set()
    found = set()
    for part in (inner for outer in body if outer not in tests or not is_slow(outer) for inner in ast.walk(outer)):
        if isinstance(part, ast.ImportFrom):
            found |= {part.module} | {f"{part.module}.{alias.name}" for alias in part.names}
        elif isinstance(part, ast.Import):
            found |= {alias.name for alias in part.names}
    return found


@pytest.fixture(scope="module")
def imported():
    """The modules that the fast loop imports outside tests that the simulator runs."""
    files = [file for file in TESTS.rglob("test_*.py") if file.parent.name != "cuda_simulator"]
    return set().union(*(fast_imports(file.read_text("utf-8")) for file in files))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_fast_loop_touches_every_package(package, imported):
    assert [name for name in imported if f"{name}.".startswith(f"{package}.")], f"no test that is not slow imports {package}"


def test_slow_tests_are_told_from_fast_ones():
    source = "import pytest\nfrom npfaceapi import nets\n{}\n{}\ndef test_a(): pass\n"
    names = {"pytest", "npfaceapi", "npfaceapi.nets"}
    assert fast_imports(source.format("", "")) == names
    assert fast_imports(source.format("", "@pytest.mark.slow")) == set()
    assert fast_imports(source.format("pytestmark = pytest.mark.slow", "")) == set()
    assert fast_imports(source.format("pytestmark = [pytest.mark.skip, pytest.mark.slow]", "")) == set()
    assert fast_imports(source.format("", "@pytest.mark.slow") + "def test_b(): pass\n") == names


def test_the_table_names_tests_that_exist_for_every_folder():
    rows = [line.split("|")[1:-1] for line in CONTRIBUTING.splitlines() if line.startswith("| ")]
    changed, named = " ".join(row[0] for row in rows), re.findall(r"tests/[\w/.]+", " ".join(" ".join(row[1:]) for row in rows))
    for package in PACKAGES:
        if package.count(".") == 1:
            name = package.rpartition(".")[2]
            assert f"{name}/" in changed, f"{name}/ is in no row"
    for path in named:
        assert (ROOT / path).exists(), path
    folders = {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    assert {path.split("/")[1] for path in named} >= folders


@pytest.mark.slow
def test_a_file_runs_in_one_process():
    pytest.importorskip("xdist")
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", "-p", "no:cacheprovider", "tests/docs/test_architecture.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert len(re.findall(r"\] PASSED", done.stdout)) > 5, done.stdout + done.stderr
    assert len(set(re.findall(r"\[(gw\d)\]", done.stdout))) == 1


def test_long_files_exist():
    assert [file for file in LONG if not (ROOT / file).is_file()] == []
