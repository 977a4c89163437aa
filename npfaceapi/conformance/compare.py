"""Comparison of two reports: earlier and later, of two machines, or of two ports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npfaceapi._version import __version__
from npfaceapi.conformance.report import FORMAT, STATUSES
from npfaceapi.conformance.tensor_files import BadAnswer, read_json
from npfaceapi.errors import InvalidArgument, one_line

__all__ = ["CHANGES", "Change", "Comparison", "compare", "read_report"]

#: The ways in which an answer can change, the most serious first.
CHANGES = {
    "broken": "passed before, fails now",
    "gone": "judged before, not now",
    "worse": "the error grew by more than a tenth, and by more than a hundredth of the bound",
    "mended": "failed before, passes now",
    "better": "the error fell by as much",
    "new": "not judged before",
    "same": "neither",
}
_GROWTH, _LEAST = 1.1, 0.01


@dataclass(frozen=True)
class Change:
    """One answer of one case in both reports; errors are in units of their bounds, or None."""

    what: str
    case: str
    answer: str
    before: float | None
    after: float | None
    statuses: tuple[str, str]

    @property
    def row(self) -> tuple[str, ...]:
        return self.what, self.case, self.answer, *map(_told, (self.before, self.after), self.statuses)

    def to_dict(self) -> dict[str, Any]:
        errors = {"before": _finite(self.before), "after": _finite(self.after)}
        return {"change": self.what, "name": self.case, "answer": self.answer, "error_in_bounds": errors,
                "status": dict(zip(("before", "after"), self.statuses, strict=True))}  # fmt: skip

    @property
    def _rank(self) -> tuple[int, float]:
        before, after = self.before or 0.0, self.after or 0.0
        return list(CHANGES).index(self.what), -max(before, after) / max(min(before, after), 1e-9)


def _told(error: float | None, status: str) -> str:
    return status if error is None else f"{error:.3g}{'' if status == 'passed' else f' {status}'}"


def _finite(error: float | None) -> float | None:
    return error if error is not None and math.isfinite(error) else None


@dataclass
class Comparison:
    """Two reports: their titles, and every answer, the most serious changes first."""

    before: str
    after: str
    changes: list[Change]

    @property
    def counts(self) -> dict[str, int]:
        """The number of answers per kind of change."""
        return {what: sum(change.what == what for change in self.changes) for what in CHANGES}

    @property
    def broken(self) -> bool:
        """Whether something that passed before fails now."""
        return any(change.what == "broken" for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        changes = [change.to_dict() for change in self.changes]
        return {"format": FORMAT, "npfaceapi": __version__, "before": self.before, "after": self.after, "counts": self.counts,
                "changes": changes}  # fmt: skip


def read_report(file: Path) -> dict[str, Any]:
    """A report that `npfaceapi conform … --json FILE` wrote.

    Raises
    ------
    InvalidArgument
        The file is not such a report, or has another format.
    """
    try:
        report = read_json(file)
    except BadAnswer as error:
        reason = str(error).rpartition(", got ")[2]
        raise InvalidArgument(f"{file}: expected a report of npfaceapi conform --json, got {reason}") from None
    what = report.get("format") if isinstance(report, dict) else type(report).__name__
    if not isinstance(report, dict) or report.get("format") != FORMAT or "golden" not in report:
        raise InvalidArgument(
            f"{file}: expected a report of npfaceapi conform --json, format {FORMAT}, got {one_line(str(what))[:40]}"
        )
    try:
        _title(report)
        _cases(report)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        got = f"one without {error}" if isinstance(error, KeyError) else f"a damaged one: {error}"
        raise InvalidArgument(f"{file}: expected a report of npfaceapi conform --json, got {got}") from None
    return report


def compare(before: dict[str, Any], after: dict[str, Any]) -> Comparison:
    """Compare two reports; raises InvalidArgument if they are on different golden cases."""
    if before["golden"] != after["golden"]:
        raise InvalidArgument(
            f"expected two reports on the same golden cases, got {before['golden']} and {after['golden']}: "
            "run both with one version of npfaceapi"
        )
    old, new = (_cases(report) for report in (before, after))
    changes = [change for name in {**old, **new} for change in _changes(name, old.get(name), new.get(name))]
    return Comparison(_title(before), _title(after), sorted(changes, key=lambda change: change._rank))


def _title(report: dict[str, Any]) -> str:
    return one_line(f"{report['port']}, grade {report['grade']}, npfaceapi {report['npfaceapi']}")


@dataclass(frozen=True)
class _Case:
    """A case in a report: its status, and each answer's status and error in units of its bound."""

    status: str
    answers: dict[str, tuple[str, float | None]]


def _cases(report: dict[str, Any]) -> dict[str, _Case]:
    """The cases of a report by name."""
    found = {}
    for case in report["cases"]:
        status: str = case["status"]
        answers: dict[str, tuple[str, float | None]] = {}
        if status not in STATUSES:
            raise ValueError(f"a status other than {', '.join(STATUSES)}")
        for answer in case["answers"]:
            error = answer["error_in_bounds"]
            own = ("passed" if answer["passed"] else "failed") if status in ("passed", "failed") else status
            answers[str(answer["name"])] = own, math.inf if error is None else float(error)
        found[str(case["name"])] = _Case(status, answers)
    return found


def _changes(name: str, old: _Case | None, new: _Case | None) -> Iterator[Change]:
    """The changes of a case: of each answer, or of the whole case if the two reports judge different answers."""
    if old is not None and new is not None and old.answers and old.answers.keys() == new.answers.keys():
        for answer in old.answers:
            (status, before), (status_now, after) = old.answers[answer], new.answers[answer]
            yield Change(_what(status, status_now, before, after), name, answer, before, after, (status, status_now))
    else:
        status, status_now = ("-" if case is None else case.status for case in (old, new))
        yield Change(_what(status, status_now), name, "", None, None, (status, status_now))


_NOT_JUDGED = ("-", "not claimed")


def _what(old: str, new: str, before: float | None = None, after: float | None = None) -> str:
    """One of `CHANGES`."""
    if old in _NOT_JUDGED or new in _NOT_JUDGED:
        return "same" if old in _NOT_JUDGED and new in _NOT_JUDGED else "new" if old in _NOT_JUDGED else "gone"
    if old in ("passed", "xpassed") and new == "failed":
        return "broken"
    if old in ("failed", "xfailed") and new in ("passed", "xpassed"):
        return "mended"
    if before is not None and after is not None:
        if after > max(before * _GROWTH, before + _LEAST):
            return "worse"
        if before > max(after * _GROWTH, after + _LEAST):
            return "better"
    return "same"
