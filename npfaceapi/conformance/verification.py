"""Judging a backend by the golden cases: run each, compare, and collect what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npfaceapi.conformance.comparison import Mismatch, check, check_json
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import run_case

__all__ = ["Outcome", "verify", "verify_case"]


@dataclass
class Outcome:
    """What came of one case."""

    case: Case
    faces: int = 0
    let_off: int = 0
    failures: list[str] = field(default_factory=list)
    worst: float = 0.0  # the largest error in units of its bound
    worst_name: str = ""

    @property
    def passed(self) -> bool:
        return not self.failures


def verify(golden: GoldenCases, cases: Iterable[Case] | None = None) -> Iterator[Outcome]:
    """Run cases (default: all at hand) on the current backend, one after the other."""
    for case in golden.cases if cases is None else cases:
        yield verify_case(golden, case)


def verify_case(golden: GoldenCases, case: Case) -> Outcome:
    """Run one case on the current backend and compare every tensor of it."""
    outcome = Outcome(case)
    try:
        outputs = run_case(case, golden.inputs(case))
    except Exception as error:  # a crash is a failed case, not a failed run
        outcome.failures.append(f"{type(error).__name__}: {error}")
        return outcome
    excused = _excused(case)
    forgiven: set[int] = set()
    for entry in case.expected:
        try:
            if entry["name"] not in outputs:
                raise Mismatch(f"{entry['name']}: expected an output of that name, got {', '.join(outputs) or 'none'}")
            _compare(golden, entry, outputs[entry["name"]], outcome, excused, forgiven)
        except Mismatch as mismatch:
            outcome.failures.append(str(mismatch))
        if case.level == "chain" and entry["name"] == "scores":
            outcome.faces = len(golden.tensor(entry["tensor"]))
            if outcome.failures and any(a["face"] is None or "score" in a["reason"] for a in case.ambiguous):
                # a score within the margin of its threshold, or an order within it: the list of faces itself is ambiguous
                outcome.failures.clear()
                outcome.let_off = max(1, len(excused))
                return outcome
    outcome.let_off = len(forgiven)
    return outcome


def _excused(case: Case) -> set[int]:
    return {a["face"] for a in case.ambiguous if a["face"] is not None}


def _compare(
    golden: GoldenCases, entry: dict[str, Any], actual: Any, outcome: Outcome, excused: set[int], forgiven: set[int]
) -> None:
    name, bound = entry["name"], golden.tolerances[entry["kind"]]
    if "value" in entry:
        check_json(actual, entry["value"], bound["relative"], name)
        return
    expected = golden.tensor(entry["tensor"]) if "tensor" in entry else None
    errors = check(actual, entry, expected, bound)
    for row in np.flatnonzero(errors > 1):
        if int(row) in excused and "samples" not in entry:
            forgiven.add(int(row))
        else:
            raise Mismatch(f"{name}: expected row {row} within {bound}, got {errors[row]:.3g} times that ({entry['kind']})")
    fair = errors[[i for i in range(len(errors)) if i not in forgiven]]
    if fair.size and fair.max() > outcome.worst:
        outcome.worst, outcome.worst_name = float(fair.max()), name
