"""Pages of docs/: their scripts as modules, what they print, where their links lead."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys

import pytest

from helpers import ROOT

DOCS = ROOT / "docs"


def load(path, monkeypatch=None):
    """A module from a file outside the package, which may import from its folder; later too, with a monkeypatch."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    with pytest.MonkeyPatch.context() as patch:
        (monkeypatch or patch).syspath_prepend(str(path.parent))
        spec.loader.exec_module(module)
    return module


NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d*)?(?:e[-+]\d+)?")


def assert_says_the_same(stated, printed):
    """Equal up to the last digit of decimal fractions, which another processor may round differently."""
    assert " ".join(NUMBER.sub("#", stated).split()) == " ".join(NUMBER.sub("#", printed).split())
    for a, b in zip(NUMBER.findall(stated), NUMBER.findall(printed), strict=True):
        if a != b:
            assert "." in a, f"{a} stated, {b} printed"
            (x, p), (y, q) = ((n.partition("e")[0].replace(",", ""), n.partition("e")[2]) for n in (a, b))
            digits = max(len(n.partition(".")[2]) for n in (x, y))
            assert p == q, f"{a} stated, {b} printed"
            assert abs(float(x) - float(y)) <= 1.01 * 10.0**-digits, f"{a} stated, {b} printed"


LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s]+)\)")


def defined_in(path):
    """Every name that a Python file defines: functions, classes, methods, variables."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def anchors_of(text):
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def problems_of(text, folder):
    problems = []
    for label, target in LINK.findall(text):
        if target.startswith(("http://", "https://")):
            paper = re.search(r"arxiv\.org/abs/(.*)$", target)
            if paper and label != f"arXiv:{paper[1]}":
                problems.append(f"{label} leads to {target}")
            continue
        path, _, anchor = target.partition("#")
        file = folder / path if path else None
        if file is not None and not file.exists():
            problems.append(f"{target}: no such file")
        elif file is not None and file.suffix == ".py":
            name = re.fullmatch(r"`([\w./]+)`", label)
            if name is None or (name[1] not in defined_in(file) and not target.endswith(name[1])):
                problems.append(f"{target} defines no {label}")
        elif anchor and anchor not in anchors_of(text if file is None else file.read_text("utf-8")):
            problems.append(f"{target}: no such heading")
    return problems
