"""Comparison of two reports: worse, better, new and missing answers; invalid reports."""

from __future__ import annotations

import copy
import json

import pytest

from npfaceapi import cli
from npfaceapi.conformance.compare import compare


def answer(name="output", error=0.5, passed=True):
    return {"name": name, "error_in_bounds": error, "passed": passed}


def case(name="raw/a/1", *answers, status="passed"):
    return {"name": name, "status": status, "answers": list(answers)}


def report(*cases, **more):
    head = {"format": 1, "npfaceapi": "0.1.0", "port": "mine", "golden": "abc", "grade": "float32"}
    return {**head, "cases": list(cases), **more}


def changes(before, after):
    return [(one.what, one.case, one.answer) for one in compare(before, after).changes]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (answer(error=0.5), answer(error=0.5), "same"),
        (answer(error=0.5), answer(error=0.54), "same"),
        (answer(error=0.5), answer(error=0.6), "worse"),
        (answer(error=0.0), answer(error=0.005), "same"),
        (answer(error=0.0), answer(error=0.02), "worse"),
        (answer(error=0.6), answer(error=0.5), "better"),
        (answer(error=0.9), answer(error=1.1, passed=False), "broken"),
        (answer(error=0.0), answer(error=0.0, passed=False), "broken"),  # another shape
        (answer(error=1.1, passed=False), answer(error=0.9), "mended"),
        (answer(error=5, passed=False), answer(error=50, passed=False), "worse"),
        (answer(error=5, passed=False), answer(error="inf", passed=False), "worse"),
        (answer(error="inf", passed=False), answer(error=None, passed=False), "same"),
    ],
)
def test_an_answer(before, after, what):
    old, new = (case("raw/a/1", one, status="passed" if one["passed"] else "failed") for one in (before, after))
    assert changes(report(old), report(new)) == [(what, "raw/a/1", "output")]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (case("a", answer()), None, "gone"),
        (None, case("a", answer()), "new"),
        (case("a", answer()), case("a", status="not claimed"), "gone"),
        (case("a", status="not claimed"), case("a", answer()), "new"),
        (case("a", status="not claimed"), None, "same"),
        (case("a", answer()), case("a", status="failed"), "broken"),  # it now crashes
        (case("a", status="failed"), case("a", answer()), "mended"),
        (case("a", answer()), case("a", answer(), answer("more", 0, False), status="failed"), "broken"),
        (case("a", status="failed"), case("a", status="failed"), "same"),
    ],
)
def test_a_case_that_is_not_judged_by_the_same_answers(before, after, what):
    old, new = (report(*([one] if one else [])) for one in (before, after))
    assert changes(old, new) == [(what, "a", "")]
    assert compare(old, new).broken == (what == "broken")


@pytest.mark.parametrize(
    ("old", "new", "what"), [("xfailed", "xpassed", "mended"), ("xpassed", "failed", "broken"), ("failed", "xfailed", "same")]
)
def test_expected_failures(old, new, what):
    before, after = (case("a", answer(passed=status == "xpassed"), status=status) for status in (old, new))
    assert changes(report(before), report(after)) == [(what, "a", "output")]


def test_the_most_serious_comes_first():
    before = report(*(case(name, answer(error=0.1)) for name in "abcd"))
    after = report(
        case("a", answer(error=0.2)), case("b", answer(error=0.3)), case("c", answer(error=9, passed=False), status="failed")
    )
    assert changes(before, after) == [
        ("broken", "c", "output"),
        ("gone", "d", ""),
        ("worse", "b", "output"),
        ("worse", "a", "output"),
    ]


@pytest.fixture
def written(tmp_path):
    def write(name, value):
        file = tmp_path / name
        file.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(file)

    return write


def test_the_command_and_its_exit_status(written, tmp_path, capsys):
    before = written("before.json", report(case("raw/a/1", answer(error=0.5)), case("raw/b/1", answer())))
    after = written(
        "after.json", report(case("raw/a/1", answer(error=2.5, passed=False), status="failed"), case("raw/b/1", answer()))
    )
    assert cli.main(["conform", "compare", before, after]) == 1
    out = capsys.readouterr().out
    assert "broken  raw/a/1  output     0.5  2.5 failed" in out
    assert out.endswith("1 broken, 1 same\n")
    assert "raw/b/1" not in out
    assert cli.main(["conform", "compare", after, before]) == 0
    assert cli.main(["conform", "compare", before, before, "--verbose"]) == 0
    assert "same  raw/b/1" in capsys.readouterr().out
    found = tmp_path / "found.json"
    assert cli.main(["conform", "compare", before, after, "--json", str(found)]) == 1
    assert cli.main(["conform", "compare", before, after, "--json", str(found)]) == 1  # an earlier output
    value = json.loads(found.read_text())
    assert value["counts"]["broken"] == 1
    assert value["changes"][0]["error_in_bounds"] == {"before": 0.5, "after": 2.5}
    assert cli.main(["conform", "compare", before, after, "--json", before]) == 2
    assert "no input is ever overwritten" in capsys.readouterr().err


def test_reports_of_real_runs(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("numba.json", "reference.json", "more.json")]
    for file, backend, pattern in zip(files, ("numba", "reference", "reference"), ("conv", "conv", "de"), strict=True):
        assert cli.main(["conform", "run", "--backend", backend, "--case", f"operations/{pattern}*", "--json", file]) == 0
    assert cli.main(["conform", "compare", *files[:2]]) == 0
    assert cli.main(["conform", "compare", *files[1:]]) == 0
    assert capsys.readouterr().out.endswith("18 gone, 10 new\n")


DAMAGED = {
    "no JSON": ("{", "--json, got Expecting property name"),
    "nothing": ("", "--json, got Expecting value"),
    "a list": ("[]", "format 1, got list"),
    "another format": (report(format=2), "format 1, got 2"),
    "no golden set": ({key: value for key, value in report().items() if key != "golden"}, "format 1, got 1"),
    "no cases": ({key: value for key, value in report().items() if key != "cases"}, "got one without 'cases'"),
    "cases that are none": (report(3), "got a damaged one: 'int' object"),
    "no status": (report({"name": "a", "answers": []}), "got one without 'status'"),
    "another status": (report(case(status="well")), "got a damaged one: a status other than passed, failed"),
    "no error": (report(case("a", {"name": "x", "passed": True})), "got one without 'error_in_bounds'"),
    "an error that is no number": (report(case("a", answer(error="much"))), "got a damaged one: could not convert"),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_no_report_is_refused_in_one_line(damage, place, written, capsys):
    value, told = DAMAGED[damage]
    files = [written("good.json", report()), written("bad.json", copy.deepcopy(value))]
    assert cli.main(["conform", "compare", *(files if place else files[::-1])]) == 2
    err = capsys.readouterr().err
    assert "bad.json: expected a report of npfaceapi conform --json" in err
    assert told in err
    assert err.count("\n") == 1


def test_reports_on_other_golden_cases_and_missing_files_are_refused(written, capsys):
    files = [written("a.json", report()), written("b.json", report(golden="def"))]
    assert cli.main(["conform", "compare", *files]) == 2
    assert "expected two reports on the same golden cases, got abc and def" in capsys.readouterr().err
    assert cli.main(["conform", "compare", files[0], "missing.json"]) == 2
    told = "missing.json: expected a report of npfaceapi conform --json, got No such file or directory\n"
    assert capsys.readouterr().err.endswith(f" {told}")
