"""What a type checker, and so an editor, knows of the public names: `public_types.py` says it, mypy and basedpyright check it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import npfaceapi
from helpers import ROOT

FILE = Path(__file__).with_name("public_types.py")
LINES = [
    node
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "assert_type"
]
#: Where JSON comes or goes.
JSON = {"fetch_json", "to_dict", "from_json"}


def check(module: str, *arguments: str, **environment: str) -> None:
    """Run a type checker; its complaints are the message of the failure."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# The two take some 5 to 30 seconds each, the longer the less mypy finds in its cache.


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed; pip install npfaceapi[test]")
def test_mypy_sees_these_types() -> None:
    # errors inside of the package are not asked here: with NumPy 2.5, mypy 2.4 takes or refuses array.max() by the order of files
    check("mypy", "--follow-imports=silent", str(FILE), MYPYPATH=str(ROOT))


@pytest.mark.skipif(
    importlib.util.find_spec("basedpyright") is None, reason="basedpyright is not installed; pip install npfaceapi[test]"
)
@pytest.mark.slow
def test_basedpyright_sees_these_types(tmp_path: Path) -> None:
    config = {
        "include": [str(FILE)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    check("basedpyright", "--project", str(tmp_path), "--pythonpath", sys.executable)


# ------------------------------------------------------------------ nothing is left out


def attributes() -> Iterator[tuple[str, str]]:
    """(what, attribute) for each `what.attribute` in the lines; what is "" unless it is a name."""
    for line in LINES:
        for node in ast.walk(line):
            if isinstance(node, ast.Attribute):
                yield (node.value.id if isinstance(node.value, ast.Name) else ""), node.attr


def public_classes() -> set[type]:
    things = [getattr(npfaceapi, name) for name in npfaceapi.__all__]
    things += [getattr(thing, name) for thing in things if isinstance(thing, ModuleType) for name in thing.__all__]
    bases = {base for thing in things if isinstance(thing, type) for base in thing.__mro__}
    return {base for base in bases if base.__module__.startswith("npfaceapi.")}


def public_members() -> Iterator[tuple[type, str, FunctionType]]:
    """Methods, constructors and properties."""
    for cls in public_classes():
        for name, member in vars(cls).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inspect.isfunction(function) and (not name.startswith("_") or name == "__init__"):
                yield cls, name, function


def test_every_public_name_has_a_line() -> None:
    assert set(npfaceapi.__all__) - {name for what, name in attributes() if what == "faceapi"} == set()


def test_every_name_of_draw_has_a_line() -> None:
    assert set(npfaceapi.draw.__all__) - {name for _, name in attributes()} == set()


def test_every_public_method_and_property_has_a_line() -> None:
    file = ast.walk(ast.parse(FILE.read_text(encoding="utf-8")))
    named = {node.attr for node in file if isinstance(node, ast.Attribute)} | {"__init__", "definition"}
    assert {f"{cls.__name__}.{name}" for cls, name, _ in public_members() if name not in named} == set()


def test_no_public_signature_has_any_except_for_json() -> None:
    functions: dict[str, Any] = {f"{cls.__name__}.{name}": function for cls, name, function in public_members()}
    for module in (npfaceapi, npfaceapi.draw):
        functions |= {name: getattr(module, name) for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    with_any = {
        name
        for name, function in functions.items()
        if re.search(r"\bAny\b|\bArray\b", " ".join(map(str, function.__annotations__.values())))
    }
    assert {name for name in with_any if name.rpartition(".")[2] not in JSON} == set()
