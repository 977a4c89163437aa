"""A run: put each case to a port, judge its answers, diagnose failures, and report the results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from npfaceapi.conformance.below import failed_below
from npfaceapi.conformance.diagnosis import NOT_LOOKED_INTO, Diagnostician
from npfaceapi.conformance.expected import Expected, expected_of, expected_of_resized, truth_for
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.judge import Judgement, judge
from npfaceapi.conformance.layers import layers_of
from npfaceapi.conformance.ports import NotClaimed, PortFailed, Respondent, failure_of, patterns_match
from npfaceapi.conformance.questions import ORDER, Question, answerable, question_of
from npfaceapi.conformance.report import CaseResult, Report
from npfaceapi.conformance.tolerance import GRADES, Grade
from npfaceapi.conformance.xfail import ExpectedFailure, expected_failure
from npfaceapi.errors import GoldenError, NpFaceApiError, one_line

__all__ = ["chosen_cases", "not_at_hand", "run_case_on", "run_cases", "told_of_cases"]

#: Float32 coordinates in resizing are tried as the cause of errors up to this, in bounds: they cause less than 10.
_MOST_BY_RESIZING = 100.0


def chosen_cases(golden: GoldenCases, patterns: Sequence[str] = (), levels: Sequence[str] = ()) -> list[Case]:
    """The cases that can be judged here and match a pattern and a level, from the lowest level up."""
    try:
        cases = [
            case for case in golden.all_cases
            if answerable(golden, case) and patterns_match(case.name, patterns) and (not levels or case.level in levels)
        ]  # fmt: skip
    except (AttributeError, TypeError) as error:
        raise GoldenError(
            f"{golden.folder}/cases.json: expected names, levels and lists of inputs, got {one_line(str(error))}"
        ) from None
    unknown = {case.level for case in cases} - set(ORDER)
    if unknown:
        raise GoldenError(f"{golden.folder}/cases.json: expected levels out of {', '.join(ORDER)}, got {min(unknown)}")
    return sorted(cases, key=lambda case: ORDER.index(case.level))


def not_at_hand(golden: GoldenCases) -> int:
    """The number of golden cases that cannot be judged here for other reasons than missing weights."""
    return sum(case.has_weights and not answerable(golden, case) for case in golden.all_cases)


def told_of_cases(golden: GoldenCases, is_found: bool) -> str:
    """A line about the folder of the golden cases, and how many are missing; empty if there is nothing to report."""
    bundled = [case for case in golden.all_cases if not case.attributes.get("weights")]
    missing = not_at_hand(golden)
    if missing:
        return (
            f"{len(bundled) - missing} of {len(bundled)} golden cases are present, in {golden.folder}: a clone of the repository "
            "has all; run this inside it, or name its folder with --golden CLONE/golden"
        )
    return f"golden cases: {golden.folder}, found from the current folder upwards" if is_found else ""


def run_cases(
    port: Respondent,
    golden: GoldenCases,
    cases: Iterable[Case],
    grade: Grade,
    xfail: Sequence[ExpectedFailure] = (),
    diagnose: bool = True,
    layers: bool = False,
) -> Report:
    """Run and judge all cases; a case that crashes, hangs or is invalid fails, and the run continues.

    `layers` computes each layer's own error in all cases of the level `taps`, not only in those that fail.
    """
    start = time.perf_counter()
    report = Report(port.title, grade.name, grade.admits, golden=golden.digest)
    diagnostician = Diagnostician(golden, grade) if diagnose else None
    failed: list[tuple[Case, CaseResult]] = []
    try:
        for case in cases:
            result = run_case_on(port, golden, case, grade, diagnostician, failed, layers)
            if result.status == "failed":
                failed.append((case, result))
            _expect(result, xfail)
            report.results.append(result)
    finally:
        port.close()
    report.seconds = time.perf_counter() - start
    report.diagnosis_seconds = diagnostician.seconds if diagnostician is not None else 0.0
    return report


def run_case_on(
    port: Respondent,
    golden: GoldenCases,
    case: Case,
    grade: Grade,
    diagnostician: Diagnostician | None = None,
    failed: Sequence[tuple[Case, CaseResult]] = (),
    layers: bool = False,
    hint: bool = True,
) -> CaseResult:
    """Run and judge one case; `failed` are the earlier failures, `hint` searches the strictest grade that passes."""
    result = CaseResult(case.name, case.level, case.net)
    try:
        question = question_of(golden, case)
    except Exception as error:
        return _damaged(result, error)
    started = time.perf_counter()
    try:
        answers = port.answer(question)
    except NotClaimed as error:
        result.status, result.problem = "not claimed", one_line(str(error))
        return result
    except Exception as error:  # a crash of a Python class is a failed case, not a failed run
        failure = error if isinstance(error, PortFailed) else failure_of(error)
        result.details = failure.details
        return _failed(result, str(failure))
    finally:
        result.seconds = time.perf_counter() - started
    try:
        with np.errstate(all="ignore"):
            truth = truth_for(golden, case, question) if not grade.is_stored else {}
            expected = of_batch = expected_of(golden, case, question, grade, truth)
            judgement = judge(case, question, expected, answers, grade)
            if judgement.first is not None and case.level in ("raw", "taps") and not grade.is_stored:
                expected, judgement = _resized_by_port(case, question, expected, answers, grade, judgement)
            if hint:
                result.passes_at = _strictest_grade(golden, case, question, answers, grade, truth, judgement.first is None)
    except Exception as error:
        return _damaged(result, error)
    result.findings, result.faces, result.ambiguous = judgement.findings, judgement.faces, judgement.ambiguous
    first = judgement.first
    if case.level == "taps" and not grade.exact:
        with np.errstate(all="ignore"):
            wanted = layers or (first is not None and diagnostician is not None)
            wanted = wanted and expected is of_batch  # the batch of a port that resizes the pictures itself is unknown
            result.layers = layers_of(case, question, expected, answers, wanted)
    if first is not None:
        more = sum(finding.problem != "" for finding in result.findings) - 1
        _failed(result, f"{first.name}: {first.problem}{f' ({more} more)' if more else ''}")
        result.below = failed_below(case, question, failed)
        if diagnostician is None:
            result.undiagnosed = f"{NOT_LOOKED_INTO}: diagnosis is switched off"
        elif result.below and case.level == "chain":
            result.undiagnosed = f"{NOT_LOOKED_INTO}: what it uses failed at a lower level"
        else:
            found = diagnostician.look_into(case, question, expected, answers, result.passes_at)
            result.diagnosis, result.undiagnosed = found.matches, found.undiagnosed
    return result


def _resized_by_port(
    case: Case, question: Question, expected: list[Expected], answers: Mapping[str, Any], grade: Grade, judgement: Judgement
) -> tuple[list[Expected], Judgement]:
    """Judge a port that may have resized the pictures itself in float32, which may explain its error."""
    if max(finding.ratio for finding in judgement.findings) <= _MOST_BY_RESIZING:
        for other in expected_of_resized(case, question, expected):
            again = judge(case, question, other, answers, grade)
            if again.first is None:
                return other, again
    return expected, judgement


def _strictest_grade(
    golden: GoldenCases,
    case: Case,
    question: Question,
    answers: Mapping[str, Any],
    grade: Grade,
    truth: Mapping[str, Any],
    passed: bool,
) -> str:
    """The name of the strictest grade at which the answers pass, from float32 on; empty if there is none."""
    names = list(GRADES)
    if grade.name not in names:
        return ""
    own = names.index(grade.name)
    others = names[1:own] if passed else names[own + 1 :]
    for name in others:
        expected = expected_of(golden, case, question, GRADES[name], truth or None)
        if judge(case, question, expected, answers, GRADES[name]).first is None:
            return name
    return grade.name if passed else ""


def _damaged(result: CaseResult, error: Exception) -> CaseResult:
    """The golden case itself is at fault."""
    if isinstance(error, NpFaceApiError):
        return _failed(result, str(error).removeprefix(f"{result.name}: "))
    return _failed(result, f"expected a valid golden case, got {one_line(repr(error))}: damaged?")


def _failed(result: CaseResult, problem: str) -> CaseResult:
    result.status, result.problem = "failed", one_line(problem)
    result.undiagnosed = f"{NOT_LOOKED_INTO}: there are no answers to look into"
    return result


def _expect(result: CaseResult, xfail: Sequence[ExpectedFailure]) -> None:
    line = expected_failure(result.name, xfail)
    if line is not None and result.status in ("passed", "failed"):
        what = f"; {result.problem}" if result.problem else ""
        result.status = "xfailed" if result.status == "failed" else "xpassed"
        result.problem = f"{line.reason}{what}"
