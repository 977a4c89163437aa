"""The type stub of the package names what the package has."""

from __future__ import annotations

import ast
from pathlib import Path

import npfaceapi


def test_the_stub_and_the_package_have_the_same_names():
    tree = ast.parse(Path(npfaceapi.__file__).with_suffix(".pyi").read_text())
    stub = {(node.module, alias.asname) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    names = {("npfaceapi." + module, name) for name, module in npfaceapi._MODULE_OF.items()}
    names |= {("npfaceapi", name) for name in npfaceapi._MODULES} | {("npfaceapi._version", "__version__")}
    assert stub == names
