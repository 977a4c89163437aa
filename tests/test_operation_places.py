"""Every place that an operation of `ops.py` needs, as CONTRIBUTING.md lists them; a test names the file where one is lacking.

Files are read rather than imported, so that neither numba-cuda nor onnx nor torch has to be installed.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re

import numpy as np
import pytest

from helpers import ROOT
from npfaceapi import ops
from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.levels import operation_graph
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.rewrite import again
from npfaceapi.conformance.tolerance import GRADES
from npfaceapi.engines.fusion import fuse
from npfaceapi.errors import GoldenError
from npfaceapi.graph import record

GOLDEN = GoldenCases()
OPERATIONS = sorted(set(ops.__all__) - {"window_padding"})
NOT_IN_FACE_API = {"reshape"}  # moves no number; TensorFlow.js has no kernel to take a golden case from

REFERENCE = "npfaceapi/engines/reference.py"
FUSION = "npfaceapi/engines/fusion.py"
NUMBA = "npfaceapi/engines/numba/lowering/steps.py"
CUDA = "npfaceapi/engines/cuda/launches.py"
CUDA_MEMORY_PLAN = "npfaceapi/engines/cuda/memory_plan.py"
ONNX = "npfaceapi/export/onnx_model.py"
TORCH = "npfaceapi/benchmark/torch_peer.py"
CASES = "golden/cases.json"
BOUNDS = "npfaceapi/conformance/expected.py"
GENERATOR = "golden/generate/ops.js"
PLACES = (REFERENCE, NUMBA, CUDA, ONNX, TORCH, CASES, BOUNDS, GENERATOR)
#: What the conformance run does with a golden case of the operation; each is called with every case of it.
BY_CASE = ("npfaceapi/conformance/questions.py", "npfaceapi/conformance/levels.py", "npfaceapi/conformance/rewrite.py")


@functools.cache
def tree(file):
    return ast.parse((ROOT / file).read_text("utf-8"))


def strings(node):
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def table(file, name):
    """The keys of a dictionary at module level, those given by `**dict.fromkeys((…), …)` included."""
    for statement in tree(file).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(getattr(target, "id", "") == name for target in targets):
            written = zip(statement.value.keys, statement.value.values, strict=True)
            return set().union(*(strings(value.args[0] if key is None else key) for key, value in written))
    raise AssertionError(f"{file}: expected {name}, got none")


def compared_with(file, text):
    """The strings in a file's comparisons and tuples, without docstrings."""
    parts = [node for node in ast.walk(tree(file)) if isinstance(node, (ast.Compare, ast.Tuple))]
    return {word for part in parts for word in strings(part)} & set(text)


def known(file, op):
    """Whether the file knows the operation."""
    if file == REFERENCE:
        return any(isinstance(node, ast.FunctionDef) and node.name == op for node in tree(file).body)
    if file in (NUMBA, CUDA):  # a step of its own, or one that fusion makes an `affine` of, or for cuda a mere place
        folded = compared_with(FUSION, [op]) or (file == CUDA and compared_with(CUDA_MEMORY_PLAN, [op]))
        return op in table(file, "_KINDS") or bool(folded)
    if file in (ONNX, TORCH):
        return op in table(file, "_EMIT" if file == ONNX else "_OPERATIONS")
    if file == CASES:
        return op in NOT_IN_FACE_API or bool(cases_of(op))
    if file == BOUNDS:
        return op in NOT_IN_FACE_API or bool(compared_with(file, [op]))
    return op in NOT_IN_FACE_API or re.search(rf"\b{op}\b", (ROOT / file).read_text("utf-8")) is not None


def cases_of(op):
    return [case for case in GOLDEN.all_cases if case.level == "operations" and case.attributes["op"] == op]


@pytest.mark.parametrize("file", PLACES)
def test_every_place_knows_every_operation(file):
    lacking = [op for op in OPERATIONS if not known(file, op)]
    assert not lacking, f"{file}: {', '.join(lacking)} lacking; CONTRIBUTING.md lists what an operation needs"


@pytest.mark.parametrize("file", PLACES)
def test_an_operation_that_is_nowhere_is_noticed(file):
    assert not known(file, "swish")


@pytest.mark.parametrize("file", [*PLACES, *BY_CASE, FUSION, "npfaceapi/ops.py"])
def test_contributing_lists_the_place(file):
    assert f"`{file}`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("file", BY_CASE)
@pytest.mark.parametrize("case", [case for op in OPERATIONS for case in cases_of(op)], ids=lambda case: case.name)
def test_a_golden_case_can_be_asked_run_and_rewritten(file, case):
    op, question = case.attributes["op"], question_of(GOLDEN, case)
    if file == BY_CASE[0]:
        known_names = set(inspect.signature(getattr(ops, op)).parameters) - {"inputs"}
        names = {name for name in question.inputs if op != "concat"}
        assert names <= known_names, f"{file}: expected the names of {op}'s operands in _OPERANDS, got {sorted(names)}"
        return
    graph, _, _ = operation_graph(case, GOLDEN.inputs(case))
    node = graph.outputs["output"]
    assert node.op == op, f"{BY_CASE[1]}: expected operation_graph to record {op}, got {node.op}"
    lost = list(question.inputs)[len(node.inputs) :]
    lost = [name for name in lost if name not in node.params and name not in node.attributes]
    assert lost == [], f"{BY_CASE[1]}: operation_graph records {op} without {lost}"
    if file == BY_CASE[2]:
        new = again(node, {x: x for x in node.inputs})
        assert (new.op, new.shape) == (node.op, node.shape), f"{file}: `again` makes another node of {op}"
        assert new.attributes == node.attributes or op == "reshape"
        assert new.params == node.params


@pytest.mark.parametrize("op", sorted(set(OPERATIONS) - NOT_IN_FACE_API))
def test_an_operation_has_a_bound(op):
    case = cases_of(op)[0]
    question = question_of(GOLDEN, case)
    (expected,) = expected_of(GOLDEN, case, question, GRADES["float32"])
    bound = np.broadcast_to(expected.bound["absolute"], expected.shape)
    assert np.isfinite(bound).all()
    assert (bound >= 0).all()


def test_an_operation_without_a_bound_is_refused(monkeypatch):
    case = cases_of("divide")[0]
    monkeypatch.setattr("npfaceapi.conformance.expected._ROUNDED", ())
    with pytest.raises(GoldenError, match=r"expected a bound for divide in conformance/expected\.py"):
        expected_of(GOLDEN, case, question_of(GOLDEN, case), GRADES["float32"])


@pytest.mark.parametrize("op", OPERATIONS)
def test_a_fused_step_of_the_operation_is_one_that_the_engines_know(op):
    if op == "reshape":
        graph, tensors = record("operation", lambda x, p: {"output": ops.reshape(x, (-1,))}, {}, (2, 2, 3)), {}
    else:
        graph, tensors, _ = operation_graph(cases_of(op)[0], GOLDEN.inputs(cases_of(op)[0]))
    kinds = {step.kind for step in fuse(graph, tensors, list(graph.outputs.values()))}
    assert kinds <= table(NUMBA, "_KINDS"), NUMBA
    assert kinds <= table(CUDA, "_KINDS") | {"reshape"}, CUDA


def test_every_place_is_compared_with_ops_alone():
    """No table knows an operation that does not exist."""
    steps = {"affine"}
    assert table(NUMBA, "_KINDS") | table(CUDA, "_KINDS") <= {*OPERATIONS, *steps}
    assert table(ONNX, "_EMIT") == table(TORCH, "_OPERATIONS") == set(OPERATIONS)
