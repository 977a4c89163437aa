"""docs/ports.md and the adapters of examples/ports/: each compiles, is named on the page, and is run by its script."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess

import pytest

from helpers import ROOT
from npfaceapi.cli import _parser

FOLDER = ROOT / "examples" / "ports"
PAGE = (ROOT / "docs" / "ports.md").read_text("utf-8")
SCRIPT = (FOLDER / "measure.sh").read_text("utf-8")
ADAPTERS = sorted(FOLDER.glob("with_*"))
TEXTS = [file.read_text("utf-8") for file in ADAPTERS]
COMMANDS = re.findall(r"^(?://  +NODE_PATH=\S+ )?npfaceapi (conform run .*)$", "\n".join(TEXTS), re.MULTILINE)

each_adapter = pytest.mark.parametrize("file", ADAPTERS, ids=lambda file: file.name)


@each_adapter
def test_it_is_named_and_run(file):
    assert f"({'../examples/ports/' + file.name})" in PAGE
    assert file.stem in SCRIPT.replace("with_$1", "with_mtcnn with_facenet_pytorch")


@each_adapter
def test_it_compiles(file):
    if file.suffix == ".py":
        tree = ast.parse(file.read_text("utf-8"))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        used = set(re.findall(rf"{file.name}:(\w+)", SCRIPT)) - {"Port"}
        assert used <= set(classes)
    elif shutil.which("node"):
        subprocess.run(["node", "--check", str(file)], check=True, timeout=60)


def test_the_commands_of_the_adapters_are_commands():
    assert len(COMMANDS) >= 8
    for line in COMMANDS:
        _parser().parse_args(shlex.split(line.partition(" -- ")[0]))


def test_every_row_of_the_page_is_a_row_of_the_script():
    rows = set(re.findall(r"^(\w+)\(\) \{", SCRIPT, re.MULTILINE))
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    default = re.search(r"\|\| set -- (.*)$", SCRIPT, re.MULTILINE)
    assert default is not None
    assert named == set(default[1].split()) <= rows


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_the_script_is_a_script():
    subprocess.run(["bash", "-n"], input=SCRIPT.encode(), check=True, timeout=60)
