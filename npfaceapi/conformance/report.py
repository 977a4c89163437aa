"""The results of a run, as a table, as JSON and as JUnit XML (`html.py` makes the page)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from npfaceapi._version import __version__
from npfaceapi.conformance.diagnosis import Match
from npfaceapi.conformance.judge import Finding
from npfaceapi.conformance.questions import ORDER
from npfaceapi.conformance.tolerance import GRADES

__all__ = [
    "FORMAT", "STATUSES", "CaseResult", "Layer", "Report", "case_lines", "groups_of", "look_at_first", "own_errors_text",
    "summary_rows", "to_dict", "to_junit",
]  # fmt: skip

#: Version of the JSON report's format.
FORMAT = 1
MOST_AMBIGUOUS = 0.02  # of the faces
#: The possible results of a case.
STATUSES = {
    "passed": "within the tolerance",
    "failed": "not within the tolerance, or no answer",
    "not claimed": "the port does not claim to support it",
    "xfailed": "failed, as expected",
    "xpassed": "passed, though expected to fail",
}


@dataclass(frozen=True)
class Layer:
    """The errors of one layer's output, in units of its bound.

    Attributes
    ----------
    largest, high, median : float
        The maximum, the 95th percentile, and the median.
    own : float or None
        The largest error that the layer adds by itself; None if not computed.
    """

    name: str
    largest: float
    high: float
    median: float
    own: float | None = None


@dataclass
class CaseResult:
    """The result of one case.

    Attributes
    ----------
    status : str
        One of `STATUSES`.
    problem : str
        Why it failed, was not claimed or was expected to fail; one line.
    details : str
        Further lines from the port, for example a traceback.
    findings : list of Finding
        One for each answer, in the order of execution.
    faces, ambiguous
        The number of faces in the case, and the excused faces with reasons.
    diagnosis : list of Match
        Well-known faults that reproduce the port's numbers, best first.
    undiagnosed : str
        For a failed case without a diagnosis: that no known fault matches, or why none was made.
    passes_at : str
        The strictest grade, from float32 on, at which it passes; empty if none.
    below : list of str
        For a failed case: earlier failures at lower levels of the networks that it uses, one line each.
    layers : list of Layer
        For a case of the level `taps`, in the order of execution.
    """

    name: str
    level: str
    net: str
    status: str = "passed"
    problem: str = ""
    details: str = ""
    findings: list[Finding] = field(default_factory=list)
    faces: int = 0
    ambiguous: dict[int, str] = field(default_factory=dict)
    diagnosis: list[Match] = field(default_factory=list)
    undiagnosed: str = ""
    passes_at: str = ""
    below: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def largest_own(self) -> Layer | None:
        """The layer that adds the largest error by itself, if computed."""
        return max((layer for layer in self.layers if layer.own is not None), key=lambda layer: layer.own or 0.0, default=None)

    @property
    def worst(self) -> Finding | None:
        """The answer with the largest error in units of its bound."""
        return max(self.findings, key=lambda finding: finding.ratio, default=None)

    @property
    def first(self) -> Finding | None:
        """The first answer that fails; at the level `taps`, the first diverging layer."""
        return next((finding for finding in self.findings if finding.problem), None)


@dataclass
class Report:
    """A run: the port, the grade, and the result of each case."""

    port: str
    grade: str
    admits: str
    results: list[CaseResult] = field(default_factory=list)
    missing: int = 0  # golden cases that are not present
    golden: str = ""  # identifies the golden cases
    seconds: float = 0.0
    diagnosis_seconds: float = 0.0  # part of `seconds`

    @property
    def counts(self) -> Counter[str]:
        return Counter(result.status for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether at least one case passed, and none failed that was not expected to."""
        counts = self.counts
        return not counts["failed"] and counts["passed"] + counts["xpassed"] > 0

    @property
    def reason(self) -> str:
        """Why the run has not passed; empty if it has."""
        counts = self.counts
        if self.passed:
            return ""
        if counts["failed"]:
            return f"{counts['failed']} of {len(self.results)} cases failed"
        rest = f"{counts['xfailed']} failed as expected, {counts['not claimed']} not claimed"
        return f"no case passed ({rest}), and at least one must"

    @property
    def faces(self) -> int:
        """The number of faces in all cases."""
        return sum(result.faces for result in self.results)

    @property
    def ambiguous(self) -> int:
        """The number of faces excused as ambiguous."""
        return sum(len(result.ambiguous) for result in self.results)

    @property
    def too_many_ambiguous(self) -> bool:
        """Whether more faces were excused than is allowed for the backends of this package."""
        return self.ambiguous > MOST_AMBIGUOUS * self.faces

    @property
    def time(self) -> str:
        """The time taken, with the share of the diagnosis."""
        asked = f"{self.seconds - self.diagnosis_seconds:.1f} s"
        return f"{asked} + {self.diagnosis_seconds:.1f} s of diagnosis" if self.diagnosis_seconds >= 0.05 else asked

    @property
    def grade_hint(self) -> str:
        """The wider grade that would pass, or the stricter one that would too; empty if there is none."""
        told = [result for result in self.results if result.status in ("passed", "failed")]
        names = list(GRADES)
        if self.grade not in names or not told or not all(result.passes_at for result in told):
            return ""
        all_pass = max((result.passes_at for result in told), key=names.index)
        if names.index(all_pass) > names.index(self.grade):
            return f"all would pass at the grade {all_pass}"
        if names.index(all_pass) < names.index(self.grade):
            return f"the grade {self.grade} is looser than needed: all would pass at {all_pass}"
        return ""

    @property
    def levels(self) -> list[str]:
        """The levels with at least one judged case, in order."""
        run = {result.level for result in self.results if result.status != "not claimed"}
        return [level for level in ORDER if level in run]


def case_lines(result: CaseResult) -> list[str]:
    """The lines about a failed case besides its problem."""
    lines = [f"first diverging layer: {result.first.name}"] if result.level == "taps" and result.first is not None else []
    if result.largest_own is not None:
        lines.append(own_errors_text(result))
    lines += [f"matches: {match.text}" for match in result.diagnosis]
    if result.undiagnosed:
        lines.append(f"diagnosis: {result.undiagnosed}")
    lines += [f"failed below: {line}" for line in result.below]
    if result.status == "failed" and result.passes_at:
        lines.append(f"would pass at the grade {result.passes_at}")
    return lines


def look_at_first(report: Report) -> list[str]:
    """The faults found, the most frequent first, each with the number of cases."""
    found = Counter(result.diagnosis[0].title for result in report.results if result.diagnosis)
    return [f"{title} ({count} case{'s' if count > 1 else ''})" for title, count in found.most_common()]


def own_errors_text(result: CaseResult) -> str:
    """The two layers that add the largest errors by themselves, in units of their bounds."""
    most = sorted((layer for layer in result.layers if layer.own is not None), key=lambda layer: -(layer.own or 0.0))[:2]
    return "by itself: " + ", ".join(f"{layer.name} {layer.own:.3g} of its bound" for layer in most)


def groups_of(report: Report) -> dict[str, list[CaseResult]]:
    """The results by level, from the lowest up; at the end those without a level (files that answer no question)."""
    groups: dict[str, list[CaseResult]] = {level: [] for level in ORDER}
    for result in report.results:
        groups.setdefault(result.level, []).append(result)
    return {level: group for level, group in groups.items() if group}


def summary_rows(report: Report) -> list[tuple[object, ...]]:
    """One row per level: level, cases, passed, failed, not claimed, excused faces, largest error / bound, where."""
    rows: list[tuple[object, ...]] = []
    for level, group in groups_of(report).items():
        counts = Counter(result.status for result in group)
        told = [result for result in group if result.status in ("passed", "failed") and result.worst is not None]
        worst = max(told, key=lambda result: result.worst.ratio if result.worst else 0.0, default=None)
        where, ratio = "-", "-"
        if worst is not None and worst.worst is not None and worst.worst.ratio > 0:
            where, ratio = f"{worst.name} {worst.worst.name}", f"{worst.worst.ratio:.3g}"
        expected = counts["xfailed"] + counts["xpassed"]
        let_off = sum(len(result.ambiguous) for result in group)
        numbers = (len(group), counts["passed"], counts["failed"], expected, counts["not claimed"], let_off)
        rows.append((level, *numbers, ratio, where))
    return rows


def _number(value: float | None) -> float | None:
    """The number for JSON: infinity and NaN become null."""
    return value if value is None or math.isfinite(value) else None


def to_dict(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "format": FORMAT,
        "npfaceapi": __version__,
        "port": report.port,
        "golden": report.golden,
        "grade": report.grade,
        "admits": report.admits,
        "passed": report.passed,
        "reason": report.reason,
        "counts": {status: report.counts[status] for status in STATUSES},
        "levels": report.levels,
        "seconds": round(report.seconds, 3),
        "diagnosis_seconds": round(report.diagnosis_seconds, 3),
        "grade_hint": report.grade_hint or None,
        "golden_cases_not_at_hand": report.missing,
        "cases": [
            {
                "name": result.name,
                "case": result.name,  # named as in a question
                "level": result.level,
                "net": result.net,
                "status": result.status,
                "problem": result.problem,
                "details": result.details,
                "faces": result.faces,
                "ambiguous": [{"face": face, "reason": reason} for face, reason in result.ambiguous.items()],
                "first_diverging": result.first.name if result.first else None,
                "diagnosis": [match.to_dict() for match in result.diagnosis],
                "undiagnosed": result.undiagnosed or None,
                "failed_below": result.below,
                "passes_at": result.passes_at or None,
                "seconds": round(result.seconds, 3),
                "layers": [_layer(layer) for layer in result.layers],
                "answers": [_answer(finding) for finding in result.findings],
            }
            for result in report.results
        ],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    errors = {"largest": layer.largest, "95%": layer.high, "median": layer.median, "own": layer.own}
    return {"name": layer.name, "error_in_bounds": {key: _number(value) for key, value in errors.items()}}


def _answer(f: Finding) -> dict[str, Any]:
    return {
        "name": f.name,
        "kind": f.kind,
        "passed": f.passed,
        "problem": f.problem,
        "error_in_bounds": _number(f.ratio if f.is_compared else None),
        "error": _number(f.error if f.is_compared else None),
        "bound": _number(f.bound if f.is_compared else None),
        "index": list(f.index),
        "got": _number(f.got),
        "expected": _number(f.want),
    }


def _text(value: str) -> str:
    """The text without characters that XML forbids."""
    return "".join(c if c in "\t\n" or ord(c) >= 32 else "?" for c in value).encode("utf-8", "replace").decode()


def to_junit(report: Report) -> str:
    """The report as JUnit XML, one suite per level; expected failures and unclaimed cases are skipped tests."""
    root = ElementTree.Element("testsuites", name=_text(f"npfaceapi conform: {report.port}"), time=f"{report.seconds:.3f}")
    for level, group in groups_of(report).items():
        failed = sum(result.status == "failed" for result in group)
        skipped = sum(result.status in ("not claimed", "xfailed") for result in group)
        suite = ElementTree.SubElement(
            root, "testsuite", name=level, tests=str(len(group)), failures=str(failed), errors="0", skipped=str(skipped),
            time=f"{sum(result.seconds for result in group):.3f}",
        )  # fmt: skip
        for result in group:
            about = {"classname": f"{level}.{result.net or 'all'}", "name": _text(result.name), "time": f"{result.seconds:.3f}"}
            case = ElementTree.SubElement(suite, "testcase", about)
            if result.status == "failed":
                failure = ElementTree.SubElement(case, "failure", message=_text(result.problem))
                more = case_lines(result)
                failure.text = _text("\n".join([*more, result.details] if result.details else more))
            elif result.status in ("not claimed", "xfailed"):
                ElementTree.SubElement(case, "skipped", message=_text(f"{result.status}: {result.problem}"))
            elif result.status == "xpassed":
                ElementTree.SubElement(case, "system-out").text = _text(f"passed, though expected to fail: {result.problem}")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'
