"""The comparison with golden outputs can fail: each kind of difference is planted and must be found."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from npfaceapi.cli import main
from npfaceapi.conformance import ports
from npfaceapi.conformance.comparison import Mismatch, check_json
from npfaceapi.conformance.expected import Expected
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.judge import judge, ratios
from npfaceapi.conformance.levels import run_case
from npfaceapi.conformance.ports import BackendPort
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.synthetic import hash_u32, synthetic
from npfaceapi.conformance.tolerance import STORED
from npfaceapi.errors import GoldenError

GOLDEN = GoldenCases()
CASES = {case.name: case for case in GOLDEN.cases}
CHAIN = CASES["chain/tiny_416/astronaut"]


def verify_case(golden, case):
    """As `npfaceapi verify` judges a case."""
    port = BackendPort(golden, "numba")
    port._cases[case.name] = case
    return run_case_on(port, golden, case, STORED)


def plain_hash(i: int, seed: int) -> int:
    """The hash of golden/README.md, in Python integers."""
    x = (i * 0x9E3779B1 + seed * 0x85EBCA6B) % 2**32
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def test_the_hash_is_the_one_of_the_readme():
    assert [int(v) for v in hash_u32(np.arange(50), 7)] == [plain_hash(i, 7) for i in range(50)]
    values = synthetic(2001, (5, 4), -2, 3)
    assert values.dtype == np.float32
    expected = [np.float32(-2 + 5 * ((plain_hash(i, 2001) >> 8) / 2**24)) for i in range(20)]
    assert values.ravel().tolist() == [float(v) for v in expected]


@pytest.mark.parametrize(
    ("bound", "within", "beyond"),
    [
        ({"absolute": 0.1}, 0.099, 0.101),
        ({"relative": 0.01}, 0.049, 0.051),  # the largest value is 5
        ({"euclidean": 0.1}, 0.099, 0.101),
        ({"absolute": 0}, 0.0, 1e-300),
    ],
)
def test_each_bound_lets_a_little_less_pass_and_a_little_more_fail(bound, within, beyond):
    golden = np.array([[0.0, 3.0], [4.0, 5.0]])
    for error, passes in ((within, True), (beyond, False)):
        actual = golden.copy()
        actual[0, 0] += error
        errors, _, _ = ratios(actual, golden, bound)
        assert bool(errors.max() <= 1) == passes
        assert not errors[1].any()


def test_overlap_nan_and_infinity():
    boxes = np.array([[0.0, 0, 100, 100], [50, 50, 20, 20]])
    assert ratios(boxes + np.array([0.09, 0, 0, 0]), boxes, {"iou": 0.99})[0].max() < 1
    assert (ratios(boxes + np.array([2, 0, 0, 0]), boxes, {"iou": 0.99})[0] > 1).all()
    for bad in (np.nan, np.inf):
        assert ratios(np.array([bad]), np.array([1.0]), {"absolute": 1.0})[0].max() == np.inf


def test_wrong_shapes_samples_and_norms():
    picked = hash_u32(np.arange(1024), 1) % 3000
    one = Expected("y", "raw", np.ones(1024), {"relative": 1e-5}, (3000,), picked, [3000.0, 3000**0.5, 1.0])
    case, question = Case("raw/a", "raw", "core", []), Question("raw/a", "raw", "", {}, {}, ["y"])

    def problem_of(answer):
        (finding,) = judge(case, question, [one], {"y": answer}, STORED).findings
        return finding.problem

    right = np.ones(3000, np.float32)
    assert problem_of(right) == ""
    assert problem_of(right.reshape(30, 100)) == "expected shape [3000], got [30, 100]"
    unseen = right.copy()
    unseen[~np.isin(np.arange(3000), picked)] = 2  # the samples miss it
    assert problem_of(unseen).startswith("expected L1 norm 3000")


def test_weights_are_compared_to_the_bit(monkeypatch):
    case = (
        CASES["weights/face_expression_net"]
        if "weights/face_expression_net" in CASES
        else next(case for case in GOLDEN.cases if case.level == "weights")
    )
    name = case.expected[0]["name"]
    assert verify_case(GOLDEN, case).status == "passed"
    plant(monkeypatch, lambda outputs: outputs.__setitem__(name, np.nextafter(outputs[name], np.float32(np.inf))))
    assert verify_case(GOLDEN, case).problem.startswith(f"{name}: expected")


@pytest.mark.parametrize(
    ("actual", "where"),
    [
        ({"a": [1, 2.1], "b": "x"}, r"\$\.a\[1\]: expected 2.0, got 2.1"),
        ({"a": [1], "b": "x"}, r"\$\.a: expected \[1, 2.0\], got \[1\]"),
        ({"b": "x", "a": [1, 2.0]}, r"\$: expected"),
        ({"a": [1, 2.0], "b": "y"}, r"\$\.b: expected x, got y"),
        ({"a": [1, None], "b": "x"}, r"\$\.a\[1\]"),
    ],
)
def test_json(actual, where):
    check_json({"a": [1, 2.0], "b": "x"}, {"a": [1, 2.0], "b": "x"}, 1e-9)
    with pytest.raises(Mismatch, match=where):
        check_json(actual, {"a": [1, 2.0], "b": "x"}, 1e-9)


def plant(monkeypatch, change):
    def changed(case, inputs):
        outputs = dict(run_case(case, inputs))
        change(outputs)
        return outputs

    monkeypatch.setattr(ports, "run_case", changed)


FAULTS = {
    "a box moved by two bounds": ("boxes", lambda v: v + 0.02),
    "a score changed": ("scores", lambda v: v + 2e-5),
    "a landmark moved": ("landmarks", lambda v: v + np.eye(68, 2) * 0.03),
    "a crop of one pixel more": ("dlib_crops", lambda v: v + np.array([0, 0, 1, 0])),
    "another descriptor": ("descriptors", lambda v: v + np.float32(2e-6)),
    "an age": ("ages", lambda v: v + 2e-3),
    "a probability": ("expressions", lambda v: v + 2e-4),
    "one NaN": ("descriptors", lambda v: np.where(np.arange(128) == 5, np.nan, v)),
    "one face more": ("scores", lambda v: np.append(v, 0.6)),
    "one face less": ("scores", lambda v: v[:0]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(monkeypatch, fault):
    name, change = FAULTS[fault]
    plant(monkeypatch, lambda outputs: outputs.__setitem__(name, change(outputs[name])))
    result = verify_case(GOLDEN, CHAIN)
    assert result.status == "failed"
    assert name in [finding.name for finding in result.findings if finding.problem]


def test_half_a_bound_passes(monkeypatch):
    plant(monkeypatch, lambda outputs: outputs.__setitem__("boxes", outputs["boxes"] + 0.005))
    assert verify_case(GOLDEN, CHAIN).status == "passed"


def test_a_missing_output_and_a_crash_are_failures(monkeypatch):
    plant(monkeypatch, lambda outputs: outputs.pop("ages"))
    assert verify_case(GOLDEN, CHAIN).problem.startswith("ages: expected an answer of that name")
    plant(monkeypatch, lambda outputs: 1 / 0)
    assert verify_case(GOLDEN, CHAIN).problem.startswith("ZeroDivisionError: division by zero (test_conformance.py, line ")


def test_swapped_faces_are_found(monkeypatch):
    case = next(case for case in GOLDEN.cases if case.name.startswith("chain/ssd/group"))
    assert verify_case(GOLDEN, case).status == "passed"
    plant(monkeypatch, lambda outputs: outputs.update({k: v[::-1] for k, v in outputs.items()}))
    assert verify_case(GOLDEN, case).status == "failed"


def test_an_ambiguous_face_is_let_off_and_counted_and_no_other(monkeypatch):
    plant(monkeypatch, lambda outputs: outputs.__setitem__("descriptors", outputs["descriptors"] + 1))
    excused = dataclasses.replace(
        CHAIN, ambiguous=[{"face": 0, "reason": "an edge of the descriptor crop is near a whole pixel"}]
    )
    result = verify_case(GOLDEN, excused)
    assert (result.status, len(result.ambiguous), result.faces) == ("passed", 1, 1)
    assert verify_case(GOLDEN, dataclasses.replace(CHAIN, ambiguous=[{"face": 1, "reason": "an edge"}])).status == "failed"


CLOSE = next(case for case in GOLDEN.cases if case.name == "chain/mtcnn/group")  # the scores of faces 1 and 2 differ by 1e-5


@pytest.mark.slow
def test_close_scores_excuse_an_exchange_and_nothing_else(monkeypatch):
    assert {a["face"] for a in CLOSE.ambiguous} == {1, 2}
    plant(monkeypatch, lambda outputs: outputs.update({k: v[[0, 2, 1]] for k, v in outputs.items()}))
    result = verify_case(GOLDEN, CLOSE)
    assert (result.status, len(result.ambiguous), result.faces) == ("passed", 2, 3)
    for change in (
        lambda outputs: outputs.update({k: v[[1, 0, 2]] for k, v in outputs.items()}),
        lambda outputs: outputs.update({k: v[:0] for k, v in outputs.items()}),
        lambda outputs: outputs.update({k: v[[0, 1]] for k, v in outputs.items()}),
        lambda outputs: outputs.update({k: v[[0, 1, 2, 2]] for k, v in outputs.items()}),
        lambda outputs: outputs.update({k: np.full_like(v, 7) for k, v in outputs.items() if k != "scores"}),
    ):
        plant(monkeypatch, change)
        assert verify_case(GOLDEN, CLOSE).status == "failed"


def test_a_score_at_the_threshold_excuses_one_face(monkeypatch):
    near = dataclasses.replace(CHAIN, ambiguous=[{"face": 0, "reason": "a score is 1e-5 from the threshold"}])
    plant(monkeypatch, lambda outputs: outputs.update({k: v[:0] for k, v in outputs.items()}))
    result = verify_case(GOLDEN, near)
    assert (result.status, len(result.ambiguous)) == ("passed", 1)
    beyond = dataclasses.replace(CHAIN, ambiguous=[{"face": None, "reason": "a score is 1e-5 from the threshold"}])
    assert verify_case(GOLDEN, beyond).status == "failed"
    plant(monkeypatch, lambda outputs: outputs.update({k: np.concatenate([v, v]) for k, v in outputs.items()}))
    assert verify_case(GOLDEN, beyond).status == "passed"
    assert verify_case(GOLDEN, near).status == "failed"


def test_the_backend_that_is_judged_is_the_only_one_asked(monkeypatch, capsys):
    monkeypatch.setenv("NPFACEAPI_BACKEND", "nonsense")
    assert main(["verify", "--backend", "reference", "--case", "raw/face_expression_net/*"]) == 0
    only = ["--case", "raw/face_expression_net/astronaut"]
    assert main(["conform", "run", "--backend", "reference", *only]) == 0
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["no boxes", "no landmarks", "nothing expected", "an ambiguity without a face"])
def test_a_damaged_case_fails_and_the_run_goes_on(damage):
    expected = {
        "no boxes": [e for e in CHAIN.expected if e["name"] != "boxes"],
        "no landmarks": [e for e in CHAIN.expected if e["name"] != "landmarks"],
        "nothing expected": [],
    }.get(damage, CHAIN.expected)
    case = dataclasses.replace(CHAIN, expected=expected, ambiguous=[{"reason": "?"}] if "ambiguity" in damage else [])
    result = verify_case(GOLDEN, case)
    assert result.status == "failed"
    assert len(result.problem.splitlines()) == 1


@pytest.mark.slow
def test_norms_that_are_missing_are_damage():
    case = next(case for case in GOLDEN.cases if any("norms" in entry for entry in case.expected))
    assert verify_case(GOLDEN, case).status == "passed"
    expected = [{**entry, "norms": []} if "norms" in entry else entry for entry in case.expected]
    result = verify_case(GOLDEN, dataclasses.replace(case, expected=expected))
    assert (result.status, "expected three norms of" in result.problem) == ("failed", True)


def core_copy(tmp_path: Path) -> Path:
    source = Path(str(GOLDEN.folder))
    shutil.copy(source / "cases.json", tmp_path)
    shutil.copytree(source / "core", tmp_path / "core")
    return tmp_path


def test_the_core_alone_verifies_and_a_damaged_tensor_fails(tmp_path, capsys):
    folder = core_copy(tmp_path)
    assert GoldenCases(folder).sets == {"core"}
    arguments = ["verify", "--golden", str(folder), "--case", "raw/face_landmark*"]
    assert main(arguments) == 0
    assert "cases passed" in capsys.readouterr().out
    shard = folder / "core" / "core-shard1"
    data = np.frombuffer(shard.read_bytes(), np.uint8).copy()
    data ^= 64
    shard.write_bytes(data.tobytes())
    assert main(arguments) == 1
    assert "FAILED raw/face_landmark" in capsys.readouterr().out


def test_bad_folders_are_one_clear_line(tmp_path, capsys):
    with pytest.raises(GoldenError, match="expected a file of golden cases, got"):
        GoldenCases(tmp_path)
    (tmp_path / "cases.json").write_text("{")
    with pytest.raises(GoldenError, match=r"expected golden cases of format 1 \(JSON\), got "):
        GoldenCases(tmp_path)
    (tmp_path / "cases.json").write_text(json.dumps({"cases": []}))
    with pytest.raises(GoldenError, match="expected golden cases of format 1"):
        GoldenCases(tmp_path)
    (tmp_path / "empty").mkdir()
    folder = core_copy(tmp_path / "empty")
    (folder / "core" / "core-shard1").write_bytes(b"12")
    assert main(["verify", "--golden", str(folder), "--case", "raw/face_landmark*"]) == 1
    assert "truncated?" in capsys.readouterr().out
    assert main(["verify", "--case", "nonsense"]) == 2
    assert "expected --case to match" in capsys.readouterr().err
