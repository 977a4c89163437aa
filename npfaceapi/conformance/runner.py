"""A run: ask a port each case, judge its answers, look for the fault where it fails, and tell what came of it."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterable, Sequence

import numpy as np

from npfaceapi.conformance.diagnosis import Diagnostician
from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.judge import judge
from npfaceapi.conformance.ports import NotClaimed, PortFailed, Respondent, failure_of, patterns_match
from npfaceapi.conformance.questions import ORDER, answerable, question_of
from npfaceapi.conformance.report import CaseResult, Report
from npfaceapi.conformance.tolerance import Grade
from npfaceapi.conformance.xfail import ExpectedFailure
from npfaceapi.errors import GoldenError, NpFaceApiError, one_line

__all__ = ["chosen_cases", "not_at_hand", "run_case_on", "run_cases"]


def chosen_cases(golden: GoldenCases, patterns: Sequence[str] = (), levels: Sequence[str] = ()) -> list[Case]:
    """The cases that can be judged here and match a pattern and a level, from the ground up."""
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
    """How many golden cases cannot be judged here, other than for want of their weights."""
    return sum(case.has_weights and not answerable(golden, case) for case in golden.all_cases)


def run_cases(
    port: Respondent,
    golden: GoldenCases,
    cases: Iterable[Case],
    grade: Grade,
    xfail: Sequence[ExpectedFailure] = (),
    diagnose: bool = True,
) -> Report:
    """Ask and judge all cases; a case that crashes, hangs or makes no sense fails, and the run goes on."""
    start = time.perf_counter()
    report = Report(port.title, grade.name, grade.admits)
    diagnostician = Diagnostician(golden, grade) if diagnose else None
    try:
        for case in cases:
            result = run_case_on(port, golden, case, grade, diagnostician)
            _expect(result, xfail)
            report.results.append(result)
    finally:
        port.close()
    report.seconds = time.perf_counter() - start
    return report


def run_case_on(
    port: Respondent, golden: GoldenCases, case: Case, grade: Grade, diagnostician: Diagnostician | None = None
) -> CaseResult:
    """Ask and judge one case."""
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
        expected = expected_of(golden, case, question, grade)
    except Exception as error:
        return _damaged(result, error)
    try:
        with np.errstate(all="ignore"):
            judgement = judge(case, question, expected, answers, grade)
    except Exception as error:
        return _damaged(result, error)
    result.findings, result.faces, result.ambiguous = judgement.findings, judgement.faces, judgement.ambiguous
    first = judgement.first
    if first is not None:
        more = sum(finding.problem != "" for finding in result.findings) - 1
        _failed(result, f"{first.name}: {first.problem}{f' ({more} more)' if more else ''}")
        if diagnostician is not None:
            result.diagnosis = diagnostician.diagnose(case, question, expected, answers)
    return result


def _damaged(result: CaseResult, error: Exception) -> CaseResult:
    """The golden case itself is at fault."""
    if isinstance(error, NpFaceApiError):
        return _failed(result, str(error).removeprefix(f"{result.name}: "))
    return _failed(result, f"expected a golden case that makes sense, got {one_line(repr(error))}: damaged?")


def _failed(result: CaseResult, problem: str) -> CaseResult:
    result.status, result.problem = "failed", one_line(problem)
    return result


def _expect(result: CaseResult, xfail: Sequence[ExpectedFailure]) -> None:
    for line in xfail:
        if fnmatch.fnmatchcase(result.name, line.pattern) and result.status in ("passed", "failed"):
            what = f"; {result.problem}" if result.problem else ""
            result.status = "xfailed" if result.status == "failed" else "xpassed"
            result.problem = f"{line.reason}{what}"
            return
