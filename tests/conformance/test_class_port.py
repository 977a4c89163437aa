"""A Python class as a port in a separate process: any failure costs one case, and is reported with file and line."""

from __future__ import annotations

import json
import os
import sys
from xml.etree import ElementTree

import pytest

from npfaceapi.cli import main
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.port_errors import PortFailed
from npfaceapi.conformance.program import MAX_FAILURES, MAX_HANGS, ClassPort, Hung, ProgramPort
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.runner import chosen_cases, run_cases
from npfaceapi.conformance.tolerance import GRADES
from npfaceapi.errors import InvalidArgument

pytestmark = pytest.mark.slow

GOLDEN = GoldenCases()
THREE = ("operations/relu/1", "operations/relu6/1", "operations/sigmoid/1")

PORT = """
import ctypes, os, signal, sys, threading, time
import numpy as np
from beside import sigmoid
from npfaceapi.conformance import NotClaimed

print("Nothing that a class prints is taken for an answer.")

def deeper(x):
    return {}[x.shape]

class Port:
    def run(self, network, batch):
        raise NotClaimed("operations only")

    def operation(self, op, inputs, attributes):
        print("busy: é ☺")
        os.write(1, b"busy\\n")
        x = inputs["x"]
        if op == "relu":
            SPOIL
        return {"relu": np.maximum(x, 0), "relu6": np.clip(x, 0, 6)}.get(op, sigmoid(x)).astype(np.float32)
"""


@pytest.fixture
def write(tmp_path):
    def write(spoil="pass", text=PORT):
        (tmp_path / "beside.py").write_text("import numpy as np\ndef sigmoid(x): return 1 / (1 + np.exp(-x))\n")
        file = tmp_path / "my_port.py"
        file.write_text(text.replace("SPOIL", spoil))
        return f"{file}:Port"

    return write


def judged(where, patterns=THREE, time_limit=20.0):
    return run_cases(ClassPort(where, time_limit), GOLDEN, chosen_cases(GOLDEN, patterns), GRADES["float32"], diagnose=False)


LINE = PORT.split("SPOIL")[0].count("\n") + 1
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("1 / 0", f"ZeroDivisionError: division by zero (my_port.py, line {LINE}, in operation)"),
        ("deeper(x)", f"KeyError: {{}} (my_port.py, line {PORT.split('def deeper')[0].count(chr(10)) + 2}, in deeper)"),
        ("np.zeros(3).reshape(2)", f"(my_port.py, line {LINE}, in operation)"),
        ("raise NotImplementedError", f"NotImplementedError: (my_port.py, line {LINE}, in operation)"),
        ("sys.exit('enough')", f"SystemExit: enough (my_port.py, line {LINE}, in operation)"),
        ("os._exit(3)", "the program ended (exit status 3) without an answer"),
        ("time.sleep(600)", "no answer within 3 s"),
        ("threading.Thread(target=time.sleep, args=[9]).start(); os._exit(4)", "exit status 4"),
        pytest.param("ctypes.string_at(0)", "the program ended (signal SIGSEGV) without an answer", marks=POSIX),
        pytest.param("os.kill(os.getpid(), signal.SIGBUS)", 'SIGBUS) without an answer; on standard error: File "', marks=POSIX),
        ("return input()", "EOFError"),
        ("return [1.0]", "output: expected a tensor, got a JSON value of type list"),
        ("return x.astype(bool)", "output: expected a dtype out of float32, float64"),
        ("return x.astype(np.float64)", "output: expected float32, got float64"),
        ("return float('nan')", "output: expected an array or JSON values, got float"),
        ("return object()", "output: expected an array or JSON values, got object: an object of object"),
        ("return x[:0]", "output: expected shape"),
    ],
)
def test_what_goes_wrong_costs_one_case(write, spoil, message):
    report = judged(write(spoil), time_limit=3.0 if "600" in spoil else 20.0)
    assert [result.status for result in report.results] == ["failed", "passed", "passed"], report.results[0].problem
    problem = report.results[0].problem
    if "KeyError" in message:
        problem = problem.replace(problem[problem.index("(") : problem.index(")") + 1], "{}", 1)
    assert message in problem
    assert "\n" not in problem


def test_the_traceback_is_in_the_reports(write, tmp_path, capsys):
    files = [tmp_path / name for name in ("r.json", "r.xml", "r.html")]
    arguments = [part for name, file in zip(("--json", "--junit", "--html"), files, strict=True) for part in (name, str(file))]
    where = write("deeper(x)")
    assert main(["conform", "run", "--python", where, "--case", THREE[0], "--no-diagnosis", *arguments]) == 1
    text = capsys.readouterr().out
    assert "Traceback" not in text
    details = json.loads(files[0].read_text())["cases"][0]["details"]
    assert details.startswith("Traceback (most recent call last):\n")
    assert "in operation\n    deeper(x)\n" in details
    assert "conformance" not in details  # only the port's frames
    failure = ElementTree.parse(files[1]).find(".//failure")
    assert "in operation\n    deeper(x)\n" in failure.text
    assert "deeper(x)" in files[2].read_text()


def test_not_claimed_skips_one_case(write):
    report = judged(write("raise NotClaimed('no relu yet')"))
    assert [(result.status, result.problem) for result in report.results] == [
        ("not claimed", "no relu yet"), ("passed", ""), ("passed", ""),
    ]  # fmt: skip


def test_a_class_is_made_once_and_keeps_what_it_knows(write):
    text = PORT.replace("    def run", "    count = 0\n\n    def run").replace("SPOIL", "pass")
    text = text.replace(
        "        x = inputs",
        "        self.count += 1\n        if self.count > 1: raise SystemError(self.count)\n        x = inputs",
    )
    assert [result.problem[:14] for result in judged(write(text=text)).results] == ["", "SystemError: 2", "SystemError: 3"]


OF_OURS = """
from types import SimpleNamespace
from npfaceapi import nets
from npfaceapi.conformance.json_level import run_json_case

class Port:
    def run(self, network, batch): return nets.network_named(network).run_net(batch)
    def taps(self, network, batch, names): return dict(nets.network_named(network).taps(batch, names))
    def weights(self, network, names): return {name: nets.network_named(network).tensors[name] for name in names}
    def json(self, op, inputs, attributes, names):
        answers = run_json_case(SimpleNamespace(attributes=attributes), list(inputs.values()))
        return {name: answers[name] for name in names}
"""


def test_answers_of_every_kind_come_back_as_they_are(write):
    names = ["weights/mtcnn", "taps/face_landmark_68_tiny_net/*", "raw/age_gender_net/cut", "json/[efb]*", "operations/relu/1"]
    report = judged(write(text=OF_OURS), names)
    statuses = {(result.level, result.status) for result in report.results}
    levels = ("weights", "taps", "raw", "json")
    assert statuses == {("operations", "not claimed"), *((level, "passed") for level in levels)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere", "got ModuleNotFoundError: No module named 'nowhere' (my_port.py, line 1, in <module>)"),
        ("import sys\nsys.exit(3)", "got SystemExit: 3 (my_port.py, line 2, in <module>)"),
        ("class Port:\n def __init__(self, x): pass", "got TypeError: Port.__init__() missing 1 required"),
        (
            "class Port:\n def __init__(self): self.x = y",
            "got NameError: name 'y' is not defined (my_port.py, line 2, in __init__)",
        ),
        (
            "class Port:\n networks = ('ssd', 'mtcnn')\n run = print",
            "expected networks to be a list of names out of ssd_mobilenetv1,",
        ),
        ("class Port:\n networks = 'mtcnn_pnet'\n run = print", "face_recognition_net, got 'mtcnn_pnet'"),
        ("class Port:\n networks = 7\n run = print", "face_recognition_net, got 7"),
        ("class Port: pass", "expected a method run(network, batch), got none"),
        ("x = 1", "got AttributeError: module 'my_port' has no attribute 'Port'"),
        ("def f(:", "got SyntaxError"),
        ("import os\nos._exit(7)", "my_port.py:Port: the program ended (exit status 7) without an answer"),
        ("import os\nos.abort()", "Port: the program ended (signal SIGABRT) without an answer; on standard error: File "),
        ("import time\ntime.sleep(600)", "my_port.py:Port: no answer within 2 s"),
    ],
)
def test_a_class_that_cannot_be_made_is_wrong_usage_in_one_line(write, capsys, text, message):
    limit = ["--time-limit", "2"] if "sleep" in text else []
    status = main(["conform", "run", "--python", write(text=text), "--case", THREE[0], *limit])
    told = capsys.readouterr()
    assert status == 2
    assert told.out == ""
    assert told.err.count("\n") == 1
    if os.name != "nt" or "abort" not in text:
        assert message in told.err


def test_a_module_of_the_working_folder(write, tmp_path, monkeypatch, capsys):
    write()
    monkeypatch.chdir(tmp_path)
    assert main(["conform", "run", "--python", "my_port:Port", "--case", THREE[0]]) == 0
    capsys.readouterr()


def test_the_time_limit_must_be_one(write, capsys):
    assert main(["conform", "run", "--python", write(), "--time-limit", "0"]) == 2
    assert "--time-limit: expected seconds above 0, got 0.0" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["inf", "1e300"])
def test_a_time_limit_may_be_none(write, capsys, limit):
    assert main(["conform", "run", "--python", write(), "--case", THREE[0], "--time-limit", limit]) == 0
    capsys.readouterr()


# ------------------------------------------------------------------ how long a failing port is asked


def question(level, net="", number=1):
    return Question(f"{level}/{net}/{number}", level, net, {}, {}, [])


def failing(monkeypatch, error):
    """A program that fails with that error except at the level json."""

    def ask(self, line):
        asked = json.loads(line)
        if asked["level"] != "json":
            raise error
        return json.dumps({"case": asked["case"], "answers": {}})

    monkeypatch.setattr(ProgramPort, "_ask", ask)
    return ProgramPort([sys.executable])


def problem_of(port, asked):
    try:
        port.answer(asked)
    except PortFailed as failure:
        return str(failure)
    return ""


def test_a_crash_costs_no_other_network(monkeypatch):
    port = failing(monkeypatch, PortFailed("crash"))
    asked = [question("json"), *(question("raw", net, i) for net in "abc" for i in range(MAX_FAILURES + 2))]
    found = [problem_of(port, one) for one in asked]
    rest = "not asked: the program failed 5 cases of this level and network in a row"
    assert found == ["", *[*["crash"] * MAX_FAILURES, rest, rest] * 3]


def test_hanging_again_and_again_ends_it(monkeypatch):
    port = failing(monkeypatch, Hung("late"))
    asked = [question("json"), *(question("raw", net, i) for net in "abc" for i in range(MAX_FAILURES))]
    assert [problem_of(port, one) for one in asked][1:] == ["late"] * MAX_HANGS + [
        "not asked: the program hung 10 times"
    ] * MAX_FAILURES


def test_whoever_never_answers_is_not_asked_for_long(monkeypatch):
    port = failing(monkeypatch, Hung("late"))
    asked = [question("raw", str(i)) for i in range(7)]
    assert [problem_of(port, one) for one in asked][MAX_FAILURES:] == ["not asked: the program failed 5 cases in a row"] * 2


def test_no_class_of_that_name_is_found_by_the_api():
    with pytest.raises(InvalidArgument, match="expected MODULE:CLASS"):
        ClassPort("nothing")


# ------------------------------------------------------------------ the exit status


def test_why_the_exit_status_is_not_0(write, tmp_path, capsys):
    where, xfail = write(), tmp_path / "xfail.txt"
    xfail.write_text("operations/relu/*  not ported\n")
    arguments = ["conform", "run", "--python", where, "--no-diagnosis", "--case"]
    assert main([*arguments, "raw/face_expression_net/cut"]) == 1
    last = capsys.readouterr().out.splitlines()
    assert "exit status 1: no case passed (0 failed as expected, 1 not claimed), and at least one must" in last
    where = write("1 / 0")
    assert main([*arguments, THREE[0], "--xfail", str(xfail), "--json", str(tmp_path / "r.json")]) == 1
    assert "exit status 1: no case passed (1 failed as expected, 0 not claimed)" in capsys.readouterr().out
    assert json.loads((tmp_path / "r.json").read_text())["reason"].startswith("no case passed")
    assert main([*arguments, THREE[0]]) == 1
    assert "exit status" not in capsys.readouterr().out  # reported by the failed case
    assert main([*arguments, THREE[1]]) == 0
