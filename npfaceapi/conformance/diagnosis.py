"""Finding the fault: run the reference with each well-known single fault, and see which reproduces the port's numbers.

A fault matches where the port's answers, compared with those of the reference WITH the fault, are within their bounds (four
times, as the faulty network's own rounding errors are not those the bounds were made from), or a thousand times nearer than
they were.  That is evidence as strong as a conformance test passed: hundreds of numbers agree to six digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.conformance.comparison import Mismatch, check_json
from npfaceapi.conformance.expected import Expected
from npfaceapi.conformance.faults import FAULTS, Fault
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.judge import ratios
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tolerance import Grade

__all__ = ["Diagnostician", "Match"]

Array = np.ndarray[Any, Any]

#: How many failing cases of one level and network are diagnosed: one fault shows in all of them.
MOST = 3
_NEAR = 4.0  # bounds
_NEARER = 1000.0
_ROUNDING = 2.0**-25  # errors below are those of storing the right answer as float32


@dataclass(frozen=True)
class Match:
    """A fault that reproduces a port's numbers: the largest error relative to the largest value, without it and with it."""

    name: str
    title: str
    before: float
    after: float

    @property
    def text(self) -> str:
        if np.isinf(self.before):
            return f"{self.title} (shapes agree, error {self.after:.1e})"
        return f"{self.title} (error falls from {self.before:.1e} to {self.after:.1e})"

    def to_dict(self) -> dict[str, Any]:
        before = None if np.isinf(self.before) else self.before
        return {"fault": self.name, "title": self.title, "error_before": before, "error_after": self.after}


class Diagnostician:
    """Tries the faults; keeps what they give for the case at hand, so that several ports can be diagnosed on it."""

    def __init__(self, golden: GoldenCases, grade: Grade, most: int = MOST) -> None:
        self._golden, self._grade, self._most = golden, grade, most
        self._done: dict[tuple[str, str], int] = {}
        self._case = ""
        self._kept: list[tuple[Fault, dict[str, Any]]] = []

    def diagnose(self, case: Case, question: Question, expected: list[Expected], answers: Mapping[str, Any]) -> list[Match]:
        """The faults that match, best first; none after a few cases of the same level and network."""
        key = (case.level, case.net or case.attributes.get("op", ""))
        self._done[key] = self._done.get(key, 0) + 1
        if self._done[key] > self._most:
            return []
        matches = self._matches(expected, answers, self._faulty(case, question))
        if not matches and case.level == "taps":
            matches = self._in_one_layer(case, question, expected, answers)
        return matches

    def _matches(
        self, expected: list[Expected], answers: Mapping[str, Any], tried: Iterable[tuple[Fault, dict[str, Any]]], where: str = ""
    ) -> list[Match]:
        matches = []
        for fault, faulty in tried:
            measured = _compare(expected, answers, faulty)
            effect = _compare(expected, faulty, faulty)
            if measured is None or effect is None:
                continue
            ratio, before, after = measured
            near = ratio <= _NEAR * (1 if not self._grade.mixed else 0.25) or after * _NEARER <= before
            # the fault alone makes as large an error
            explains = effect[1] * 2 > before > after * 2 if np.isfinite(before) else np.isinf(effect[1])
            if near and explains and before > _ROUNDING:
                matches.append((ratio, Match(fault.name, fault.title + where, before, after)))
        matches.sort(key=lambda pair: pair[0])
        return [match for _, match in matches]

    def _in_one_layer(self, case: Case, question: Question, expected: list[Expected], answers: Mapping[str, Any]) -> list[Match]:
        """The faults, each in the first diverging layer alone; judged by that layer and those before it."""
        until: list[Expected] = []
        for one in expected:
            until.append(one)
            theirs = np.asarray(answers.get(one.name))
            if theirs.shape != one.shape or not ratios(theirs, one.value, one.bound)[0].max(initial=0) <= 1:
                break

        def tried() -> Iterator[tuple[Fault, dict[str, Any]]]:
            for fault in FAULTS:
                faulty = fault.in_block(case, question, np.float32, until[-1].name) if fault.in_block is not None else None
                if faulty is not None:
                    yield fault, faulty

        with np.errstate(all="ignore"):
            return self._matches(until, answers, tried(), f", in {until[-1].name} alone")

    def _faulty(self, case: Case, question: Question) -> list[tuple[Fault, dict[str, Any]]]:
        if self._case != case.name:
            self._case, self._kept = case.name, []
            for fault in FAULTS:
                if case.level in fault.levels:
                    with np.errstate(all="ignore"):
                        answers = fault.run(case, question, np.float32)
                    if answers is not None:
                        self._kept.append((fault, answers))
        return self._kept


def _compare(
    expected: list[Expected], answers: Mapping[str, Any], faulty: Mapping[str, Any]
) -> tuple[float, float, float] | None:
    """(error in bounds, relative error before, relative error after) of a port's answers, or None where they disagree."""
    ratio, before, after = 0.0, 0.0, 0.0
    for one in expected:
        if one.name not in faulty and one.name not in answers:
            before = np.inf  # both give nothing where something belongs: no faces
            continue
        if one.name not in faulty or one.name not in answers:
            return None
        theirs, ours = answers[one.name], faulty[one.name]
        if one.is_json:
            try:
                check_json(theirs, ours, max(one.bound["relative"], 1e-9))
            except Mismatch:
                return None
            before = before if _same_json(theirs, one.value) else np.inf
            continue
        theirs, ours = np.asarray(theirs), np.asarray(ours)
        if theirs.dtype.kind not in "fiu" or theirs.shape != ours.shape or not np.isfinite(theirs).all():
            return None
        right = _right(one, theirs)
        bound = _bound(one, theirs)
        largest = float(np.abs(ours).max(initial=0)) or 1.0
        ratio = max(ratio, float(ratios(theirs, ours, bound)[0].max(initial=0)))
        after = max(after, float(np.abs(theirs.astype(np.float64) - ours).max(initial=0)) / largest)
        before = np.inf if right is None else max(before, float(np.abs(_sampled(one, theirs) - right).max(initial=0)) / largest)
    return ratio, before, after


def _same_json(a: Any, b: Any) -> bool:
    try:
        check_json(a, b, 1e-9)
    except Mismatch:
        return False
    return True


def _right(one: Expected, theirs: Array) -> Array | None:
    """The right values, if the port's have their shape."""
    return None if theirs.shape != one.shape else np.asarray(one.value, np.float64)


def _sampled(one: Expected, theirs: Array) -> Array:
    flat = theirs.astype(np.float64)
    if one.samples is not None:
        flat = flat.reshape(-1)[one.samples]
    return np.asarray(flat.reshape(np.shape(one.value)))


def _bound(one: Expected, theirs: Array) -> dict[str, Any]:
    """The bound of an answer; one that was made for each number serves another shape by its largest."""
    absolute = one.bound.get("absolute")
    if absolute is not None and np.ndim(absolute) and np.shape(absolute) != theirs.shape:
        return {"absolute": float(np.max(absolute, initial=0))}
    return dict(one.bound)
