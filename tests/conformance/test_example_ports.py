"""The ports of examples/ports/ pass with the commands of docs/porting.md, which documents every attribute and answer."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest

from helpers import ROOT
from helpers.decoding_port import Port
from npfaceapi import ops
from npfaceapi.cli import main
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.runner import chosen_cases, run_cases
from npfaceapi.conformance.tolerance import GRADES
from npfaceapi.export.specification import specification
from npfaceapi.networks.registry import all_names

PAGE = (ROOT / "docs" / "porting.md").read_text("utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    npfaceapi (.*)$", PAGE, re.MULTILINE)]
GOLDEN = GoldenCases()


@pytest.mark.slow
def test_the_port_in_numpy(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (command,) = [line for line in COMMANDS if "--python" in line]
    assert main([*command, "--golden", str(ROOT / "golden")]) == 0
    assert "11 passed in" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
def test_the_port_in_javascript(monkeypatch, tmp_path, capsys):
    (tmp_path / "graphs").mkdir()
    monkeypatch.chdir(tmp_path)
    show, run = (line for line in COMMANDS if "mtcnn_rnet" in " ".join(line))
    run = [str(ROOT / word) if word.startswith(("examples/", "weights")) else word for word in run]
    for net in ("mtcnn_rnet", "mtcnn_pnet", "face_landmark_68_tiny_net", "tiny_face_detector"):
        assert main(["show", net, "--format", "json"]) == 0
        (tmp_path / "graphs" / f"{net}.json").write_text(capsys.readouterr().out)
    assert show[-1] == "graphs/mtcnn_rnet.json"
    assert main(run) == 0
    out = capsys.readouterr().out
    assert "not claimed" in out  # resize_bilinear
    assert "failed" not in out.splitlines()[-1]
    more = [
        "weights/face_landmark_68_tiny_net",
        "*s/face_landmark_68_tiny_net/noise",
        "raw/mtcnn_pnet/tiny*",
        "raw/tiny_face*/*224*",
    ]
    cases = [word for pattern in more for word in ("--case", pattern)]
    assert main(["conform", "run", "--no-diagnosis", *cases, *run[run.index("--") :]]) == 0
    assert "not claimed" not in capsys.readouterr().out.splitlines()[-1]


def test_the_port_in_numpy_is_short():
    file = ROOT / "examples" / "ports" / "face_landmark_68_tiny_net.py"
    lines = len(file.read_text("utf-8").splitlines())
    assert lines <= 110
    assert f"one network in {lines} lines of plain NumPy" in PAGE


# ------------------------------------------------------------------ the page is complete


def words():
    """All names in cases of the levels after `taps` and `raw`, and in a network's JSON."""
    for case in GOLDEN.all_cases:
        a = case.attributes
        yield from a
        if "op" in a:
            yield a["op"]
        if case.level in ("decode", "prepare", "chain", "json", "operations"):
            yield from (entry["name"] for entry in case.expected)
        if case.level not in ("weights", "taps") and not case.weights and all(map(GOLDEN.has, filter(is_name, case.inputs))):
            yield from question_of(GOLDEN, case).inputs if case.level != "raw" else ()
    yield from ops.__all__
    for name in all_names():
        stated = specification(name)
        yield from stated
        yield stated["decoding"]["kind"]
        for graph in stated["graphs"]:
            yield from (*graph, *graph["input"], *graph["normalization"], *graph["outputs"])
            for node in graph["nodes"]:
                yield from (*node, node["op"], *node["attributes"], *node["params"])


def is_name(source):
    return isinstance(source, str)


def test_every_name_is_explained():
    numbered = {re.sub(r"_\d+$", "_0", name) for name in words()} - {"format", "window_padding"}
    numbered = {re.sub(r"^x\d$", "x0", name) for name in numbered} - {
        "input_0",
        "age and gender",
        "anchors",
        "cascade",
        "classes",
    }
    code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    assert {name for name in numbered if name not in code} <= {"descriptor", "grid", "landmarks"}


def test_the_schema_is_that_of_the_package():
    schema = json.loads((ROOT / "npfaceapi" / "export" / "specification.schema.json").read_text("utf-8"))
    assert f"`format` is {schema['properties']['format']['const']}" in PAGE


@pytest.mark.slow
def test_decoding_written_from_the_page():
    levels = ["decode", "prepare", "json"]
    cases = [*chosen_cases(GOLDEN, levels=levels), *chosen_cases(GOLDEN, ["chain/*/astronaut", "chain/*/wide"])]
    cases = [case for case in cases if not case.weights]
    report = run_cases(PythonPort(Port()), GOLDEN, cases, GRADES["float32"], diagnose=False)
    assert [(result.name, result.problem) for result in report.results if result.status != "passed"] == []
    assert report.levels == ["decode", "prepare", "chain", "json"]
