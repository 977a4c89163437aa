"""The golden cases as pytest and unittest tests, one test per case."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import unittest

import pytest

from helpers import ROOT
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.testing import Conformance, conformance_tests
from npfaceapi.errors import GoldenError, InvalidArgument

PORT = """
import numpy as np

class Port:
    networks = ()
    def run(self, network, batch):
        raise NotImplementedError
    def operation(self, op, inputs, attributes):
        if op in ("relu", "relu6"):
            return np.maximum(inputs["x"], 0)  # wrong for relu6
        raise RuntimeError("out of order")
"""
PYTEST = """
import pytest
from npfaceapi.conformance.testing import pytest_cases
from my_port import Port

@pytest.mark.parametrize("check", pytest_cases(Port, case=["operations/relu*", "operations/sig*", "json/box"], xfail="xfail.txt"))
def test_port(check):
    check()
"""
UNITTEST = """
from npfaceapi.conformance.testing import conformance_tests
from my_port import Port

globals().update(conformance_tests(Port, case=["operations/relu*", "operations/sig*", "json/box"], xfail="xfail.txt"))
"""


@pytest.fixture
def project(tmp_path):
    """A porter's folder with a port and tests; a function that runs them."""
    for name, text in {"my_port.py": PORT, "test_pytest.py": PYTEST, "test_unittest.py": UNITTEST}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "xfail.txt").write_text("operations/relu6/* not clipped\n")

    def run(*arguments):
        environment = {"PYTHONPATH": str(ROOT), "PATH": "", "SYSTEMROOT": r"C:\Windows", "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("file", "ids"), [
    ("test_pytest.py", ("test_port[operations/relu/1]", "test_port[operations/relu6/1]", "test_port[operations/sigmoid/1]")),
    ("test_unittest.py", ("TestOperations::test_relu_1", "TestOperations::test_relu6_1", "TestOperations::test_sigmoid_1")),
])  # fmt: skip
def test_pytest_runs_each_case_by_its_node_id(project, file, ids):
    status, out = project("pytest", "-v", "-rA", file)
    assert status == 1
    for end, what in zip(ids, ("PASSED", "XFAIL", "FAILED"), strict=True):
        assert f"{file}::{end} {what}" in out, out
    assert "operations/sigmoid/1: RuntimeError: out of order" in out
    assert 'my_port.py", line 11, in operation' in out  # its traceback
    assert "not claimed: the port has no method json" in out
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed" in out
    status, out = project("pytest", "-q", "--lf", file)
    assert (status, "1 failed" in out, "1 passed" in out) == (1, True, False)
    status, out = project("pytest", "-q", "-k", "relu", file)
    assert (status, "1 passed" in out, "1 xfailed" in out) == (0, True, True)


@pytest.mark.slow
def test_unittest_runs_each_case(project):
    status, out = project("unittest", "-v", "test_unittest")
    assert status == 1
    assert "test_relu_1 (test_unittest.TestOperations" in out
    for line in ("... ok", "... expected failure", "... FAIL", "... skipped 'not claimed"):
        assert line in out, out
    assert "FAILED (failures=1, skipped=1, expected failures=1)" in out
    assert project("unittest", "test_unittest.TestOperations.test_relu_1")[0] == 0


def test_the_way_in_imports_no_pytest():
    source = textwrap.dedent("""
        import sys
        import npfaceapi.conformance.testing
        print("pytest" in sys.modules)
    """)
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


class Nothing:
    def run(self, network, batch):
        return {}


def test_a_class_for_each_level_and_a_test_for_each_case():
    classes = conformance_tests(Nothing)
    golden = GoldenCases()
    assert len(classes) == 8
    methods = [name for one in classes.values() for name in dir(one) if name.startswith("test_")]
    assert len(methods) >= len(golden.cases)
    assert {one.__module__ for one in classes.values()} == {__name__}


def test_a_case_that_is_not_claimed_is_skipped_and_one_that_fails_says_why():
    conformance = Conformance(Nothing, case=["operations/relu/1", "raw/mtcnn_rnet/*"])
    with pytest.raises(unittest.SkipTest, match="not claimed: the port has no method operation"):
        conformance.check("operations/relu/1")
    name = next(name for name in conformance.cases if name.startswith("raw"))
    with pytest.raises(AssertionError, match=f"{name}: prob: expected an answer of that name, got none"):
        conformance.check(name)


def test_a_program_is_asked_too(tmp_path):
    program = tmp_path / "skips.py"
    program.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'case': json.loads(line)['case'], 'skip': 'later'}), flush=True)\n"
    )
    with pytest.raises(unittest.SkipTest, match="not claimed: later"):
        Conformance([sys.executable, str(program)], case=["operations/relu/1"]).check("operations/relu/1")


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"level": ["nose"]}, InvalidArgument, "level: expected some of weights, operations, .*, got 'nose'"),
        ({"level": "raw"}, InvalidArgument, "level: expected a list of strings, got 'raw'"),
        ({"case": "raw/*"}, InvalidArgument, "case: expected a list of strings"),
        ({"case": ["nothing"]}, InvalidArgument, "expected case and level to match one of .* golden cases, got 'nothing'"),
        ({"time_limit": "2"}, InvalidArgument, "time_limit: expected seconds above 0, got '2'"),
        ({"time_limit": -1}, InvalidArgument, "time_limit: expected seconds above 0, got -1"),
        ({"grade": "fine"}, InvalidArgument, "grade: expected one of"),
        ({"xfail": "missing.txt"}, InvalidArgument, "missing.txt: expected a text file of expected failures"),
        ({"golden": "missing"}, GoldenError, "missing"),
    ],
)
def test_bad_arguments(options, error, told):
    with pytest.raises(error, match=told):
        Conformance(Nothing, **options)


@pytest.mark.parametrize("port", [3, None, "./my_port", []])
def test_what_is_no_port(port):
    with pytest.raises(InvalidArgument, match="port: expected a class, or a list of a program and its arguments, got "):
        Conformance(port)
