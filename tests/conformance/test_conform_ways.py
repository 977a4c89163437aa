"""The three kinds of ports, expected failures, reports, and invalid input: never a traceback, never a false pass."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import time
import tracemalloc
from xml.etree import ElementTree

import numpy as np
import pytest

from helpers import ROOT
from npfaceapi import nets
from npfaceapi.cli import main
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.html import to_html
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.program import MAX_FAILURES, ProgramPort
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.report import to_dict, to_junit
from npfaceapi.conformance.runner import chosen_cases, run_cases
from npfaceapi.conformance.tensor_files import BadAnswer, inside, read_npy
from npfaceapi.conformance.tolerance import GRADES
from npfaceapi.errors import InvalidArgument

pytestmark = pytest.mark.slow

GOLDEN = GoldenCases()
FLOAT32 = GRADES["float32"]
RELUS = ["operations/relu/*", "operations/relu6/*", "operations/sigmoid/*"]


def run(arguments, capsys):
    """Exit status, standard output and standard error of a command."""
    status = main(["conform", *map(str, arguments)])
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    found = f"golden cases: {ROOT / 'golden'}, found from the current folder upwards\n"
    return status, told.out, told.err.removeprefix(found)


# ------------------------------------------------------------------ a folder


def answer_folder(folder, form="npy", change=None):
    """Answer the questions of a folder with the numba backend, as a port would."""
    questions = json.loads((folder / "questions.json").read_text())["cases"]
    manifest = {}
    for asked in questions:
        batch = asked["inputs"]["batch"]
        values = np.fromfile(folder / batch["file"], batch["dtype"]).reshape(batch["shape"])
        outputs = getattr(nets, asked["net"]).run_net(values)
        for name, value in outputs.items():
            value = value if change is None else change(value)
            place = folder / "outputs" / asked["case"] / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if form == "npy":
                np.save(place, value)
            else:
                value.astype("<f4").tofile(place.with_suffix(".bin"))
                file = place.with_suffix(".bin").relative_to(folder / "outputs").as_posix()
                manifest[f"{asked['case']}/{name}"] = {"file": file, "dtype": "float32", "shape": list(value.shape)}
    if manifest:
        (folder / "outputs" / "manifest.json").write_text(json.dumps({"tensors": manifest}))


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("port")
    assert main(["conform", "inputs", str(folder), "--case", "raw/face_expression_net/*"]) == 0
    answer_folder(folder)
    return folder


@pytest.fixture
def folder(answered, tmp_path):
    return shutil.copytree(answered, tmp_path / "port")


CASE = "raw/face_expression_net/cut"
LOGITS = f"outputs/{CASE}/logits.npy"


@pytest.mark.parametrize("form", ["npy", "raw"])
def test_a_folder_of_outputs_passes(folder, form, capsys):
    shutil.rmtree(folder / "outputs")
    answer_folder(folder, form)
    status, out, _ = run(["check", folder], capsys)
    assert status == 0
    assert "7 passed" in out


def test_inputs_as_npy(tmp_path, capsys):
    assert run(["inputs", tmp_path, "--case", "operations/conv2d/1", "--format", "npy"], capsys)[0] == 0
    asked = json.loads((tmp_path / "questions.json").read_text())["cases"][0]
    assert list(asked["inputs"]) == ["x", "filters"]
    question = question_of(GOLDEN, chosen_cases(GOLDEN, ["operations/conv2d/1"])[0])
    for name, value in question.inputs.items():
        assert np.array_equal(np.load(tmp_path / asked["inputs"][name]["file"]), value)


def spoil_manifest(**tensors):
    def spoil(folder):
        (folder / LOGITS).unlink()
        (folder / "outputs" / "manifest.json").write_text(json.dumps({"tensors": tensors["tensors"]}))

    return spoil


def stated(**more):
    return spoil_manifest(tensors={f"{CASE}/logits": {"file": "a.bin", "dtype": "float32", "shape": [1, 7], **more}})


def with_file(size, spoil):
    def both(folder):
        spoil(folder)
        (folder / "outputs" / "a.bin").write_bytes(bytes(size))

    return both


def with_pipe(spoil):
    def both(folder):
        spoil(folder)
        os.mkfifo(folder / "outputs" / "a.bin") if hasattr(os, "mkfifo") else pytest.skip("needs pipes with a name")

    return both


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / LOGITS).unlink(), "expected answers in outputs, got none"),
        (lambda f: (f / LOGITS).write_bytes((f / LOGITS).read_bytes()[:-4]), "logits.npy: expected 28 bytes"),
        (lambda f: (f / LOGITS).write_bytes((f / LOGITS).read_bytes() + b"1234"), "logits.npy: expected 28 bytes"),
        (lambda f: (f / LOGITS).write_bytes(b"no tensor"), "logits.npy: expected a .npy file"),
        (lambda f: (f / LOGITS).write_bytes(b""), "logits.npy: expected a .npy file"),
        (lambda f: np.save(f / LOGITS, np.array([{}], object), allow_pickle=True), "expected a dtype out of float32"),
        (lambda f: np.save(f / LOGITS, np.zeros((7, 1), np.float32)), "expected shape [1, 7], got [7, 1] (transposed?)"),
        (lambda f: np.save(f / LOGITS, np.zeros((1, 7))), "expected float32, got float64"),
        (lambda f: np.save((f / LOGITS).with_name("more.npy"), np.zeros(3)), "got more as well"),
        (lambda f: (f / LOGITS).with_suffix(".txt").write_text("hm"), "expected .npy, .json, or a tensor that"),
        (lambda f: (f / LOGITS).with_suffix(".json").write_text("[1]"), "expected one answer of that name, got two"),
        (with_file(24, stated()), "a.bin: expected 28 bytes for float32 [1, 7], got 24"),
        (with_file(56, stated()), "a.bin: expected 28 bytes for float32 [1, 7], got 56"),
        (with_file(28, stated(dtype="float99")), "expected a dtype out of float32"),
        (with_file(28, stated(shape=[1, -7])), "expected a shape, a list of integers"),
        (with_file(28, stated(shape=[7, 1])), "expected shape [1, 7], got [7, 1] (transposed?)"),
        (stated(), "a.bin: expected a file that can be read, got No such file"),
        (stated(file="../../secret.bin"), "expected a path inside"),
        (stated(file="/etc/hostname"), "expected a path inside"),
        (stated(file=7), "expected the path of a file"),
        (with_pipe(stated()), "a.bin: expected a file that can be read, got Not a regular file"),
        (with_file(28, stated(shape=[1] * 70)), "expected a shape, a list of integers"),
        (with_file(0, stated(shape=[0, 10**30])), "expected a shape, a list of integers"),
        (lambda f: os.truncate(f / LOGITS, 2**40), "logits.npy: expected 28 bytes"),
        (lambda f: ((f / LOGITS).unlink(), (f / LOGITS).symlink_to("/etc/hostname")), "expected a path inside"),
        (spoil_manifest(tensors={f"{CASE}/logits": 5}), 'expected {"file", "dtype", "shape"}'),
    ],
)
def test_a_spoilt_folder_fails_in_one_line(folder, spoil, message, capsys):
    spoil(folder)
    status, out, err = run(["check", folder, "--no-diagnosis"], capsys)
    assert status == 1
    failed = [line for line in out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert failed[0].startswith(f"FAILED {CASE}: ")
    assert message in failed[0]
    assert err == ""


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "questions.json").unlink(), "expected a folder with questions.json"),
        (lambda f: (f / "questions.json").write_text("{"), "conform inputs writes, got Expecting property name"),
        (lambda f: (f / "questions.json").write_text("[]"), "conform inputs writes, got something else: write it again"),
        (lambda f: (f / "questions.json").write_text('{"cases": [{"case": "raw/nothing"}]}'), "expected names of golden cases"),
        (lambda f: (f / "questions.json").write_text('{"cases": []}'), "expected the names of cases, got none"),
        (lambda f: shutil.rmtree(f / "outputs"), "expected a folder outputs with the port's tensors"),
        (lambda f: (f / "outputs" / "manifest.json").write_text("nothing"), "outputs/manifest.json: expected JSON"),
        (lambda f: (f / "outputs" / "manifest.json").write_text('{"tensors": 1}'), 'expected "tensors", an object'),
        (lambda f: (f / "outputs" / "manifest.json").write_text('{"claim": []}'), "got 'claim' as well"),
        (lambda f: (f / "outputs" / "manifest.json").write_text("[" * 100_000), "manifest.json: expected JSON"),
        (lambda f: (f / "outputs" / "manifest.json").mkdir(), "manifest.json: expected a file that can be read"),
    ],
)
def test_a_folder_that_is_none_is_one_line(folder, spoil, message, capsys):
    spoil(folder)
    status, out, err = run(["check", folder], capsys)
    assert status in (1, 2)
    assert len(err.strip().splitlines()) == 1
    assert message in err
    assert "passed" not in out


def test_answers_to_no_question_fail(folder, capsys):
    (folder / "outputs" / "raw" / "nothing").mkdir()
    np.save(folder / "outputs" / "raw" / "nothing" / "x.npy", np.zeros(3))
    status, out, _ = run(["check", folder], capsys)
    assert status == 1
    assert "FAILED raw/nothing/x.npy: expected only answers to questions.json" in out


def test_claims_leave_the_rest_out_and_say_so(folder, capsys):
    shutil.rmtree(folder / "outputs" / "raw" / "face_expression_net" / "noise")
    (folder / "outputs" / "manifest.json").write_text(json.dumps({"claims": ["raw/*/[a-m]*"]}))
    status, out, _ = run(["check", folder], capsys)
    assert status == 0
    assert "5 passed, 2 not claimed" in out or "2 not claimed, 5 passed" in out


# ------------------------------------------------------------------ a program

PROGRAM = """
import array, json, math, os, sys, time
def answer(q):
    x = array.array("f"); x.frombytes(open(q["inputs"]["x"]["file"], "rb").read())
    op = q["attributes"]["op"]
    if op == "relu6": y = [min(max(v, 0.0), 6.0) for v in x]
    elif op == "relu": y = [max(v, 0.0) for v in x]
    else: y = [1 / (1 + math.exp(-v)) for v in x]
    with open(os.path.join(q["folder"], "y.bin"), "wb") as file: file.write(array.array("f", y).tobytes())
    return {"output": {"file": "y.bin", "dtype": "float32", "shape": q["inputs"]["x"]["shape"]}}
for line in sys.stdin:
    q = json.loads(line)
    reply = {"case": q["case"], "answers": answer(q)}
    if q["attributes"]["op"] == "relu":
        SPOIL
    print(json.dumps(reply), flush=True)
"""


def program(tmp_path, spoil="pass"):
    file = tmp_path / "port.py"
    file.write_text(PROGRAM.replace("        SPOIL", textwrap.indent(spoil, " " * 8)))
    return [sys.executable, str(file)]


def judge_program(command, patterns=RELUS, time_limit=20.0, xfail=()):
    port = ProgramPort(command, time_limit)
    return run_cases(port, GOLDEN, chosen_cases(GOLDEN, patterns), FLOAT32, xfail, diagnose=False)


def test_a_program_passes(tmp_path, capsys):
    status, out, _ = run(["run", "--case", RELUS[0], "--case", RELUS[2], "--", *program(tmp_path)], capsys)
    assert status == 0
    assert "2 passed" in out


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("sys.exit(3)", "the program ended (exit status 3) without an answer"),
        ("os.abort()", "the program ended (signal SIGABRT) without an answer"),
        ("raise KeyError('lost')", "on standard error: KeyError: 'lost'"),
        ("time.sleep(600)", "no answer within 1 s"),
        ("os.fork() or time.sleep(600); time.sleep(600)", "no answer within 1 s"),
        ("print('hello', flush=True)", "expected a JSON line, got 'hello'"),
        ("reply = [1]", "expected an answer to \"operations/relu/1\", got '[1]'"),
        ("reply['case'] = 'raw/other'", 'expected an answer to "operations/relu/1"'),
        ("del reply['answers']", 'expected "answers", "skip" or "error"'),
        ("reply['answers'] = []", 'expected "answers", "skip" or "error"'),
        ("reply['answers']['output']['file'] = '../../../y.bin'", "expected a path inside"),
        ("reply['answers']['output']['file'] = q['inputs']['x']['file']", "expected a path inside"),
        ("reply['answers']['output']['shape'] = [1]", "y.bin: expected 4 bytes for float32 [1], got"),
        ("reply['answers']['output'] = {'value': 3}", "output: expected a tensor, got a JSON value of type int"),
        ("reply['answers'] = {}", "output: expected an answer of that name, got none"),
        ("reply = {'case': q['case'], 'error': 'no idea'}", "the program says: no idea"),
        ("print('9' * 100_000, flush=True)", "expected"),
        ("print('[' * 100_000, flush=True)", "expected a JSON line"),
        ("sys.stdout.buffer.write(bytes(range(256)) + b'\\n'); sys.stdout.flush()", "expected a JSON line"),
    ],
)
def test_a_bad_answer_fails_its_case_and_the_run_goes_on(tmp_path, spoil, message):
    limit = 1.0 if "sleep" in spoil else 20.0
    report = judge_program(program(tmp_path, spoil), time_limit=limit)
    assert [(r.name, r.status) for r in report.results] == [
        ("operations/relu/1", "failed"), ("operations/relu6/1", "passed"), ("operations/sigmoid/1", "passed"),
    ]  # fmt: skip
    problem = report.results[0].problem
    assert message in problem
    assert "\n" not in problem


def test_a_program_may_skip(tmp_path):
    report = judge_program(program(tmp_path, "reply = {'case': q['case'], 'skip': 'not yet'}"))
    assert [r.status for r in report.results] == ["not claimed", "passed", "passed"]
    assert report.results[0].problem == "not yet"


def test_a_program_that_always_fails_is_not_asked_for_ever():
    report = judge_program([sys.executable, "-c", "import sys; sys.exit(9)"], ["operations/conv2d/*"])
    problems = [result.problem for result in report.results]
    assert all("exit status 9" in problem for problem in problems[:MAX_FAILURES])
    assert all(problem.startswith("not asked") for problem in problems[MAX_FAILURES:])
    assert len(problems) > MAX_FAILURES
    assert not report.passed


def test_a_program_that_reads_nothing_does_not_block():
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    report = judge_program(command, ["operations/concat/1"], time_limit=0.5)
    assert "no answer within 0.5 s" in report.results[0].problem


PIPE = "path = os.path.join(q['folder'], 'pipe{0}'); os.mkfifo(path); reply['answers']['output']['file'] = 'pipe{0}'"
CHILD = "import subprocess; subprocess.Popen([sys.executable, '-c', {0!r}], start_new_session=True)"
FLOOD = "import os, time\nend = time.monotonic() + 8\nwhile time.monotonic() < end: os.write({0}, {1!r} * 60_000)"


@pytest.mark.skipif(os.name == "nt", reason="needs pipes with a name, sessions, signals")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (PIPE.format(""), "pipe: expected a file that can be read, got Not a regular file"),
        (PIPE.format(".npy"), "pipe.npy: expected a file that can be read, got Not a regular file"),
        (
            f"{PIPE.format('')}; os.symlink('pipe', path + '1'); reply['answers']['output']['file'] = 'pipe1'",
            "Not a regular file",
        ),
        (f"{CHILD.format('import time; time.sleep(8)')}; sys.exit(3)", "no answer within 1 s"),
        (f"{CHILD.format('import time; time.sleep(8)')}; time.sleep(600)", "no answer within 1 s"),
        (f"{CHILD.format(FLOOD.format(1, b'x'))}; sys.exit(3)", "expected a line of at most|no answer within 1 s"),
        (f"{CHILD.format(FLOOD.format(2, b'x'))}; sys.exit(3)", "no answer within 1 s"),
        (
            "while True: os.write(1, b'x' * 65536)",
            "expected a line of at most 16777216 bytes, got a longer one|no answer within 1 s",
        ),
        ("while True: os.write(1, b'x\\n' * 65536)", "expected a JSON line, got 'x'"),
        ("while True: os.write(2, b'x' * 65536)", "no answer within 1 s"),
        ("while True: os.write(1, b'x'); time.sleep(0.1)", "no answer within 1 s"),
        ("os.close(1); time.sleep(600)", "the program ended"),
        ("import signal; os.kill(os.getpid(), signal.SIGSTOP)", "no answer within 1 s"),
        ("import signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)", "the program ended (signal "),
        (
            "reply['answers']['output']['shape'] = [2**30]; os.truncate(os.path.join(q['folder'], 'y.bin'), 2**32)",
            "at most 268435456 bytes",
        ),
        ("reply['answers']['output']['shape'] = [1] * 70", "expected a shape"),
        ("reply['answers']['output']['shape'] = [0, 10**30]", "expected a shape"),
        ("print('{\"case\": ' * 100_000, flush=True)", "expected a JSON line"),
        ("reply['answers']['output'] = {'value': float('nan')}", "expected a JSON line"),
    ],
)
def test_the_time_limit_holds_whatever_a_program_does(tmp_path, spoil, message):
    tracemalloc.start()
    try:
        start = time.monotonic()
        report = judge_program(program(tmp_path, spoil), time_limit=1.0)
        seconds, (_, peak) = time.monotonic() - start, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seconds < 7  # one second for the case, three for an orderly end, the rest for a busy machine
    assert peak < 80_000_000
    assert [result.status for result in report.results] == ["failed", "passed", "passed"]
    assert any(part in report.results[0].problem for part in message.split("|")), report.results[0].problem


@pytest.mark.skipif(os.name == "nt", reason="names of no UTF-8")
def test_names_that_no_terminal_shows(tmp_path, folder, capsys):
    spoil = "reply['answers']['\\ud800\\x1b[31m\\n'] = {'value': 1}"
    report = judge_program(program(tmp_path, spoil))
    assert r"\ud800\x1b[31m" in report.results[0].problem
    for written in (to_html(report), to_junit(report), json.dumps(to_dict(report))):
        assert "\x1b" not in written
        written.encode()
    (folder / "outputs" / os.fsdecode(b"\xff\n.npy")).write_bytes(b"")
    status, out, _ = run(["check", folder, "--html", tmp_path / "page.html"], capsys)
    assert status == 1
    assert r"FAILED \udcff .npy: expected only answers to questions.json" in out


def test_a_last_line_needs_no_end(tmp_path):
    spoil = "sys.stdout.write(json.dumps(reply)); sys.stdout.flush(); sys.exit()"
    assert judge_program(program(tmp_path, spoil), RELUS[:1]).counts["passed"] == 1


# ------------------------------------------------------------------ a Python class


class Port:
    networks = ("face_expression_net",)

    def run(self, network, batch):
        return getattr(nets, network).run_net(batch)


def judge_class(port, patterns=("raw/face_expression_net/cut",), diagnose=False):
    return run_cases(PythonPort(port), GOLDEN, chosen_cases(GOLDEN, patterns), FLOAT32, diagnose=diagnose)


def test_a_class_with_one_method_is_enough():
    report = judge_class(
        Port(), ["*/face_expression_net/cut", "*/face_expression_net/astronaut", "raw/age*/cut", "raw/tiny_yolov2/a*"]
    )
    assert {r.name: r.status for r in report.results} == {
        "taps/face_expression_net/astronaut": "not claimed", "raw/face_expression_net/astronaut": "passed",
        "raw/face_expression_net/cut": "passed", "raw/age_gender_net/cut": "not claimed",
        "raw/tiny_yolov2/astronaut_128": "not claimed",
    }  # fmt: skip
    assert report.levels == ["raw"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda batch: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda batch: None, "expected a dict of arrays by name, got NoneType"),
        (lambda batch: {"logits": [1.0]}, "expected a tensor, got a JSON value of type list"),
        (lambda batch: {"logits": np.array([object()])}, "expected float32, got object"),
        (lambda batch: {7: np.zeros((1, 7), np.float32)}, "expected an answer of that name, got 7"),
    ],
)
def test_a_class_that_fails_fails_its_case(answer, message):
    port = Port()
    port.run = lambda network, batch: answer(batch)
    result = judge_class(port).results[0]
    assert result.status == "failed"
    assert message in result.problem


def test_classes_by_name(tmp_path, capsys):
    file = tmp_path / "my_port.py"
    file.write_text("from npfaceapi import nets\nclass P:\n def run(self, n, b): return getattr(nets, n).run_net(b)\n")
    only = ["--case", "raw/face_expression_net/cut"]
    assert run(["run", "--python", f"{file}:P", *only], capsys)[0] == 0
    for wrong in ("nothing", f"{file}:Q", f"{tmp_path / 'none.py'}:P", "no.such.module:P", "json:dumps"):
        status, _, err = run(["run", "--python", wrong, *only], capsys)
        assert status == 2
        assert len(err.strip().splitlines()) == 1
    with pytest.raises(InvalidArgument, match=r"expected a method run\(network, batch\)"):
        PythonPort(object())


# ------------------------------------------------------------------ usage, expected failures, reports


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "expected one of --python MODULE:CLASS, --backend NAME and -- PROGRAM"),
        (["run", "--backend", "numba", "--", "true"], "expected one of"),
        (["run", "--", "no-such-program-here"], "expected a program that can be run, got 'no-such-program-here'"),
        (["run", "--backend", "tpu"], "expected a backend out of"),
        (["run", "--backend", "numba", "--case", "nothing"], "expected --case and --level to match"),
        (["run", "--backend", "numba", "--level", "deep"], "--level: expected one of weights, operations"),
        (["run", "--backend", "numba", "--grade", "loose"], "grade: expected one of exact, float32"),
        (["run", "--backend", "numba", "--xfail", "/no/such/file"], "expected a text file of expected failures"),
        (["run", "--time-limit", "0", "--", "true"], "--time-limit: expected seconds above 0"),
        (["check", "/no/such/folder"], "expected a folder with questions.json"),
        (
            ["run", "--backend", "numba", "--case", "operations/relu/1", "--json", "/no/such/folder/x"],
            "--json /no/such/folder/x: expected a file to write to, got: no such folder",
        ),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, capsys):
    status, _, err = run(arguments, capsys)
    assert status == 2
    assert len(err.strip().splitlines()) == 1
    assert message in err


def test_expected_failures(tmp_path, capsys):
    command = program(tmp_path, "del reply['answers']")
    file = tmp_path / "xfail.txt"
    only = [argument for pattern in RELUS for argument in ("--case", pattern)]
    file.write_text("# of our port\n\noperations/relu/*  not ported yet\noperations/sigm*  exp is too coarse\n")
    status, out, _ = run(["run", *only, "--xfail", file, "--", *command], capsys)
    assert status == 0
    assert "failed as expected operations/relu/1: not ported yet; expected" in out
    assert "PASSED UNEXPECTEDLY operations/sigmoid/1: exp is too coarse" in out
    assert run(["run", *only, "--", *command], capsys)[0] == 1
    for line, message in (("operations/relu/*", "a pattern and a reason"), ("nothing/*  because", "matches a golden case")):
        file.write_text(line)
        status, _, err = run(["run", *only, "--xfail", file, "--", *command], capsys)
        assert status == 2
        assert f"line 1: expected {message}" in err or message in err


class Wrong(Port):
    """Fails in every way a report must tell."""

    networks = ("face_expression_net", "<b>&")

    def run(self, network, batch):
        return getattr(nets, network).run_net(batch[..., ::-1])

    def taps(self, network, batch, names):
        values = dict(nets.face_expression_net.taps(batch, names))
        values["dense2"][0, 1, 2, 3] = np.nan
        values["dense3"] += np.float32(0.5)
        return values

    def operation(self, op, inputs, attributes):
        raise ValueError("<script>alert('x')</script>\x00 \ud800")


def test_reports_tell_all_of_it():
    report = judge_class(Wrong(), ["*/face_expression_net/astronaut", "operations/relu/1", "raw/age_gender_net/cut"], True)
    told = json.loads(json.dumps(to_dict(report), allow_nan=False))
    assert told["passed"] is False
    assert told["counts"] == {"passed": 0, "failed": 3, "not claimed": 1, "xfailed": 0, "xpassed": 0}
    taps = next(case for case in told["cases"] if case["level"] == "taps")
    assert taps["first_diverging"] == "dense2"
    raw = next(case for case in told["cases"] if case["name"] == "raw/face_expression_net/astronaut")
    assert raw["diagnosis"][0]["fault"] == "bgr"
    assert raw["diagnosis"][0]["error_after"] < 1e-5 < 0.05 < raw["diagnosis"][0]["error_before"]
    answer = raw["answers"][0]
    assert answer["error_in_bounds"] > 1e3
    holed = next(answer for answer in taps["answers"] if answer["name"] == "dense2")
    assert holed["problem"].startswith("expected finite numbers, got nan")
    assert [holed[key] for key in ("error_in_bounds", "error", "bound")] == [None] * 3  # nothing could be compared
    assert answer["got"] != answer["expected"]

    suites = ElementTree.fromstring(to_junit(report))
    assert {suite.get("name"): suite.get("failures") for suite in suites} == {"operations": "1", "taps": "1", "raw": "1"}
    assert len(suites.findall(".//skipped")) == 1
    texts = {case.get("name"): case.findtext("failure") for case in suites.iter("testcase")}
    assert "channels in the wrong order" in texts["raw/face_expression_net/astronaut"]
    assert "\nTraceback (most recent call last):\n" in texts["operations/relu/1"]

    page = to_html(report)
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "&lt;script&gt;" in page
    assert "first diverging layer: <strong>dense2</strong>" in page
    assert "channels in the wrong order" in page
    plot = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert len(plot.findall("rect")) == 5
    assert plot.get("aria-label").startswith("Error of each of 5 layers")


def test_reports_are_written(tmp_path, capsys):
    files = [tmp_path / name for name in ("r.json", "r.xml", "r.html")]
    arguments = ["--json", files[0], "--junit", files[1], "--html", files[2]]
    status, out, _ = run(["run", "--backend", "numba", "--case", "operations/relu/1", *arguments], capsys)
    assert status == 0
    assert "operations" in out
    assert json.loads(files[0].read_text())["passed"] is True
    assert ElementTree.parse(files[1]).getroot().tag == "testsuites"
    assert files[2].read_text().startswith("<!DOCTYPE html>")
    _, out, _ = run(["run", "--backend", "numba", "--case", "operations/relu/1", "--json", "-"], capsys)
    assert json.loads(out)["port"] == "npfaceapi, backend numba"


# ------------------------------------------------------------------ damaged golden cases


@pytest.fixture
def core(tmp_path):
    source = GOLDEN.folder
    shutil.copy(source / "cases.json", tmp_path)
    shutil.copytree(source / "core", tmp_path / "core")
    return tmp_path


def spoil_cases(change):
    def spoil(folder):
        cases = json.loads((folder / "cases.json").read_text())
        change(next(case for case in cases["cases"] if case["name"] == "raw/face_expression_net/astronaut"))
        (folder / "cases.json").write_text(json.dumps(cases))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "core" / "core-shard1").write_bytes(b"12"),
        lambda folder: (folder / "core" / "core-shard1").write_bytes(bytes((folder / "core" / "core-shard1").stat().st_size)),
        lambda folder: (folder / "core" / "core-weights_manifest.json").write_text("[1]"),
        lambda folder: (folder / "cases.json").write_text('{"cases": '),
        spoil_cases(lambda case: case.update(inputs=5)),
        spoil_cases(lambda case: case.update(inputs=["input/nothing"])),
        spoil_cases(lambda case: case.update(level="deep")),
        spoil_cases(lambda case: case.update(name=7)),
        spoil_cases(lambda case: case.update(net="nothing")),
        spoil_cases(lambda case: case.update(attributes={})),
        spoil_cases(lambda case: case.update(attributes={"size": -3, "center": True})),
        spoil_cases(lambda case: case.update(expected=[])),
        spoil_cases(lambda case: case.update(expected=[{"kind": "raw"}])),
        spoil_cases(lambda case: case["expected"][0].update(name="nothing")),
        spoil_cases(lambda case: case["expected"][0].update(tensor="input/astronaut")),
    ],
)
def test_damaged_golden_cases_are_one_line_and_never_a_pass(core, spoil, capsys):
    spoil(core)
    arguments = ["run", "--backend", "numba", "--golden", core, "--case", "raw/face_expression_net/astronaut"]
    status, out, err = run(arguments, capsys)
    assert status in (1, 2)
    assert " 1 passed" not in out
    lines = [line for line in (out + err).splitlines() if "expected" in line and not line.startswith("level")]
    assert len(lines) == 1, out + err


# ------------------------------------------------------------------ files of tensors


def test_npy_files_of_all_kinds(tmp_path):
    for value in (np.zeros((0, 4), np.float32), np.float32(3), np.asfortranarray(np.eye(3, 4)), np.arange(6, dtype=">i4")):
        np.save(tmp_path / "x.npy", value)
        read = read_npy(tmp_path / "x.npy")
        assert np.array_equal(read, value)
        assert read.shape == np.shape(value)
        assert read.dtype.isnative


def test_paths_that_leave_are_refused(tmp_path):
    assert inside(tmp_path, "a/b.bin") == (tmp_path / "a" / "b.bin").resolve()
    assert inside(tmp_path, "a/../b.bin") == (tmp_path / "b.bin").resolve()
    for path in ("..", "../x", "/etc/passwd", "", "a/../../x", ".", "a\0b", None, 3, ["x"]):
        with pytest.raises(BadAnswer, match=r"expected (a|the) path"):
            inside(tmp_path, path)
