"""Judging a backend by the golden cases: run each, compare, and collect what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npfaceapi.conformance.comparison import Mismatch, check, check_json, overlap
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
    try:
        rows = _match_faces(golden, case, outputs)
    except Mismatch as mismatch:
        outcome.failures.append(str(mismatch))
        return outcome
    outcome.faces = rows.faces
    forgiven = set(rows.moved)
    excused = {a["face"] for a in case.ambiguous if a["face"] is not None}
    for entry in case.expected:
        try:
            if entry["name"] not in outputs:
                raise Mismatch(f"{entry['name']}: expected an output of that name, got {', '.join(outputs) or 'none'}")
            _compare(golden, entry, outputs[entry["name"]], rows, outcome, excused, forgiven)
        except Mismatch as mismatch:  # noqa: PERF203 - all tensors are to be judged
            outcome.failures.append(str(mismatch))
    outcome.let_off = len(forgiven)
    return outcome


@dataclass
class _Rows:
    """Which face of the backend answers which golden one; None where rows are compared as they come."""

    faces: int = 0
    golden: list[int] | None = None
    actual: list[int] | None = None
    moved: list[int] = field(default_factory=list)


def _match_faces(golden: GoldenCases, case: Case, outputs: dict[str, Any]) -> _Rows:
    """Pair the faces of a chain where scores are so close to each other, or to a threshold, that order or number may differ.

    Ambiguous faces may trade places among themselves, or be missing where their score is near the threshold; and as many
    more may come as golden candidates were left out by a hair.  Everything else is compared as it comes.
    """
    entry = next((e for e in case.expected if e["name"] == "boxes"), None)
    if case.level != "chain" or entry is None:
        return _Rows()
    expected = golden.tensor(entry["tensor"])
    near = [a for a in case.ambiguous if "score" in a["reason"]]
    if not near or "boxes" not in outputs:
        return _Rows(len(expected))
    found = np.asarray(outputs["boxes"])
    pairs: list[tuple[int, int]] = []
    free = set(range(len(found)))
    for i, box in enumerate(expected):
        best = max(free, key=lambda j: float(overlap(found[j : j + 1], box[None])[0]), default=None)
        if best is not None and overlap(found[best : best + 1], box[None])[0] >= 0.5:
            pairs.append((i, best))
            free.remove(best)
    may_move = {a["face"] for a in near if a["face"] is not None}
    may_miss = {a["face"] for a in near if "threshold" in a["reason"]}
    missing = set(range(len(expected))) - {i for i, _ in pairs}
    if not missing <= may_miss:
        raise Mismatch(f"boxes: expected {len(expected)} faces, got {len(found)}: number {min(missing - may_miss)} is missing")
    if len(free) > sum(a["face"] is None for a in near):
        raise Mismatch(f"boxes: expected {len(expected)} faces, got {len(found)}: {len(free)} too many")
    order = sorted(j for _, j in pairs)
    moved = [i for (i, j), place in zip(pairs, order, strict=True) if j != place]
    if not set(moved) <= may_move:
        raise Mismatch("boxes: expected the faces in the golden order, got another")
    return _Rows(len(expected), [i for i, _ in pairs], [j for _, j in pairs], [*missing, *moved])


def _compare(
    golden: GoldenCases,
    entry: dict[str, Any],
    actual: Any,
    rows: _Rows,
    outcome: Outcome,
    excused: set[int],
    forgiven: set[int],
) -> None:
    name, bound = entry["name"], golden.tolerances[entry["kind"]]
    if "value" in entry:
        check_json(actual, entry["value"], bound["relative"], name)
        return
    expected = golden.tensor(entry["tensor"]) if "tensor" in entry else None
    numbers = list(range(len(expected))) if expected is not None and expected.ndim else []
    if rows.golden is not None and expected is not None:
        numbers, expected, actual = rows.golden, expected[rows.golden], np.asarray(actual)[rows.actual]
    errors = check(actual, entry, expected, bound)
    judged = []
    for row, error in enumerate(errors):
        if error <= 1:
            judged.append(float(error))
        elif "samples" not in entry and numbers and numbers[row] in excused:
            forgiven.add(numbers[row])
        else:
            raise Mismatch(f"{name}: expected row {row} within {bound}, got {error:.3g} times that ({entry['kind']})")
    if judged and max(judged) > outcome.worst:
        outcome.worst, outcome.worst_name = max(judged), name
