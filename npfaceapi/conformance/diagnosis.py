"""Diagnosis: run the reference with each well-known single fault, and see which one reproduces the port's numbers.

A fault matches if the port's answers agree with those of the reference WITH the fault: within four times their bounds (the
faulty network has rounding errors of its own), or a thousand times more closely than with the expected answers.  If the shape of
the expected answer differs, the agreement must be within a thousandth of the largest value.  Integers must be equal.  This is as
strong as a passed conformance test: hundreds of numbers agree to six digits.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from npfaceapi.conformance.comparison import Mismatch, check_json
from npfaceapi.conformance.expected import Expected
from npfaceapi.conformance.faults import FAULTS, Fault
from npfaceapi.conformance.faults.fault import Answers
from npfaceapi.conformance.faults.search import answers_of_others, exchanged_layers, in_each_block
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.judge import ratios
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tolerance import Grade
from npfaceapi.errors import NpFaceApiError

__all__ = ["NOTHING_MATCHES", "NOT_LOOKED_INTO", "Diagnosis", "Diagnostician", "Match"]

Array = np.ndarray[Any, Any]
_T = TypeVar("_T")

#: Failing cases per level and network that are diagnosed: one fault shows in all of them.
MOST = 3
#: Seconds per run for diagnoses.
LIMIT = 80.0
#: Why no fault is named.
NOTHING_MATCHES = "no known fault matches"
NOT_LOOKED_INTO = "not looked into"
#: Seconds per case for the search for unlisted faults, when no fault of the table matches.
SEARCH = 15.0
_NEAR = 4.0  # bounds
_NEARER = 1000.0
_CLEARLY = 20.0  # times closer: of two faults with small effects, the better match wins
_LEAST, _MOST_LEFT = 16, 0.7  # for narrow numbers: the least number of values, and the part of their error that may remain
_ROUNDING = 2.0**-25  # smaller errors come from storing the expected answer as float32


@dataclass(frozen=True)
class Match:
    """A fault that reproduces a port's numbers: the largest error relative to the largest value, without it and with it."""

    name: str
    title: str
    before: float
    after: float

    @property
    def is_clear(self) -> bool:
        """Whether so little error is left that no other fault need be tried."""
        return self.after * _CLEARLY <= min(self.before, 1.0)

    @property
    def text(self) -> str:
        if np.isinf(self.before):
            return f"{self.title} (shapes agree, error {self.after:.1e})"
        return f"{self.title} (error falls from {self.before:.1e} to {self.after:.1e})"

    def to_dict(self) -> dict[str, Any]:
        before = None if np.isinf(self.before) else self.before
        return {"fault": self.name, "title": self.title, "error_before": before, "error_after": self.after}


@dataclass(frozen=True)
class Diagnosis:
    """The matching faults, best first; or the reason why there are none."""

    matches: list[Match]
    undiagnosed: str = ""


class Diagnostician:
    """Tries the faults on failing cases, starting with those that matched before.

    Parameters
    ----------
    most : int
        Cases per level and network to diagnose.
    limit : float
        Seconds after which no further case is diagnosed.

    Attributes
    ----------
    seconds : float
        Time spent so far.
    """

    def __init__(self, golden: GoldenCases, grade: Grade, most: int = MOST, limit: float = LIMIT) -> None:
        self._golden, self._grade, self._most, self._limit = golden, grade, most, limit
        self._done: dict[tuple[str, str], int] = {}
        self._found: dict[str, int] = {}  # how often a fault matched
        self._case = ""
        self._kept: list[tuple[Fault, Answers]] = []
        self.seconds = 0.0

    def look_into(
        self,
        case: Case,
        question: Question,
        expected: list[Expected],
        answers: Mapping[str, Any],
        passes_at: str = "mixed",
    ) -> Diagnosis:
        """The matching faults, up to the first that matches within the bounds.

        `passes_at` is the strictest grade at which the answers pass; if empty, narrower numbers do not explain them.
        """
        key = (case.level, case.net or case.attributes.get("op", ""))
        if self._done.get(key, 0) >= self._most:
            return Diagnosis([], f"{NOT_LOOKED_INTO}: {self._most} other cases of {'/'.join(key)} were")
        if self.seconds > self._limit:
            return Diagnosis([], f"{NOT_LOOKED_INTO}: the diagnosis of others took {self.seconds:.0f} s")
        self._done[key] = self._done.get(key, 0) + 1
        start = time.perf_counter()
        likely = (fault for fault in FAULTS if passes_at or fault.narrow is None)
        faults = sorted(likely, key=lambda fault: -self._found.get(fault.name, 0))
        with np.errstate(all="ignore"):
            try:
                found = self._search(case, question, expected, answers, faults, start)
            except _TookTooLong:
                found = None
        self.seconds += time.perf_counter() - start
        if found is None:
            return Diagnosis([], f"{NOT_LOOKED_INTO} to the end: diagnosis took {self.seconds:.0f} s")
        for match in found[:1]:
            self._found[match.name] = self._found.get(match.name, 0) + 1
        return Diagnosis(found, "" if found else NOTHING_MATCHES)

    def diagnose(self, case: Case, question: Question, expected: list[Expected], answers: Mapping[str, Any]) -> list[Match]:
        """All matching faults, best first; their answers are cached, since several ports may be diagnosed on one case."""
        if self._case != case.name:
            with np.errstate(all="ignore"):
                self._case, self._kept = case.name, list(_tried(FAULTS, case, question))
        matches = self._matches(expected, answers, self._kept)
        if not matches and case.level == "taps":
            matches = self._in_one_layer(case, question, _until_first(expected, answers), answers, FAULTS)
        return matches

    def _search(
        self,
        case: Case,
        question: Question,
        expected: list[Expected],
        answers: Mapping[str, Any],
        faults: list[Fault],
        start: float,
    ) -> list[Match]:
        def in_time(tried: Iterable[_T]) -> Iterator[_T]:
            for one in tried:
                if self.seconds + time.perf_counter() - start > self._limit:
                    raise _TookTooLong
                yield one

        if case.level != "taps":
            # a full search is slow where networks run; elsewhere all faults that look alike are named
            stop = case.level in ("raw", "chain")
            found = self._matches(expected, answers, _tried(in_time(faults), case, question), stop)
            return found or self._matches(expected, answers, in_time(_briefly(self._searched(case, question))), stop=True)
        until = _until_first(expected, answers)
        first = replace(question, answers=[one.name for one in until])
        matches: list[Match] = []
        for fault in in_time(faults):
            if self._matches(until, answers, _tried([fault], case, first)):
                matches += self._matches(expected, answers, _tried([fault], case, question))
                if matches and matches[-1].is_clear:
                    break
        matches.sort(key=lambda match: match.after)
        matches = matches or self._in_one_layer(case, first, until, answers, in_time(faults))
        return matches or self._matches(until, answers, in_time(_briefly(self._searched(case, first, until[-1].name))), stop=True)

    def _searched(self, case: Case, question: Question, block: str = "") -> Iterator[tuple[Fault, Answers]]:
        """The slow searches: answers of other cases, exchanged layers, faults in a single layer (of a block)."""
        yield from answers_of_others(self._golden, case)
        if case.level in ("raw", "taps"):
            yield from exchanged_layers(case, question, block)
            yield from in_each_block(case, question, FAULTS, block)

    def _matches(
        self,
        expected: list[Expected],
        answers: Mapping[str, Any],
        tried: Iterable[tuple[Fault, Answers]],
        stop: bool = False,
        where: str = "",
    ) -> list[Match]:
        """The matching faults among those tried, best first; `stop` ends at the first match within the bounds."""
        matches, bounds = [], _NEAR if not self._grade.mixed else 1.0
        before = _error_of(expected, answers)
        for fault, faulty in tried if before > _ROUNDING else ():
            if fault.narrow is not None:
                found = _narrow_match(expected, answers, faulty, fault.narrow)
                if found is not None:
                    matches.append((bounds, Match(fault.name, fault.title + where, *found)))
                continue
            agreement = _agreement(expected, answers, faulty, bounds)
            if agreement is None:
                continue
            ratio, after = agreement
            near = ratio <= bounds or after * _NEARER <= min(before, 1.0)
            # the fault by itself makes such a large error
            effect = _error_of(expected, faulty)
            if near and (effect * 2 > before > after * 2 if np.isfinite(before) else np.isinf(effect)):
                matches.append((ratio, Match(fault.name, fault.title + where, before, after)))
                if stop and ratio <= 1 and matches[-1][1].is_clear:
                    break
        matches.sort(key=lambda pair: pair[0])
        best: dict[str, Match] = {}  # of variants of one fault
        for _, match in matches:
            best.setdefault(match.name, match)
        return [*best.values()]

    def _in_one_layer(
        self, case: Case, question: Question, until: list[Expected], answers: Mapping[str, Any], faults: Iterable[Fault]
    ) -> list[Match]:
        """Faults in the first diverging layer only, judged by that layer and those before it."""
        last = until[-1].name

        def tried() -> Iterator[tuple[Fault, Answers]]:
            for fault in faults:
                if fault.in_block is not None:
                    faulty = _answers_with(fault.in_block, case, question, last)
                    if faulty is not None:
                        yield fault, faulty

        with np.errstate(all="ignore"):
            return self._matches(until, answers, tried(), where=f", in {last} alone")


def _briefly(tried: Iterator[_T]) -> Iterator[_T]:
    """The items that are found within the time of a search."""
    start = time.perf_counter()
    return itertools.takewhile(lambda one: time.perf_counter() - start < SEARCH, tried)


class _TookTooLong(Exception):
    """The time for all diagnoses is used up."""


def _tried(faults: Iterable[Fault], case: Case, question: Question) -> Iterator[tuple[Fault, Answers]]:
    """The faults that affect a case, with the answers of a port that has them."""
    for fault in faults:
        if case.level in fault.levels:
            answers = _answers_with(fault.run, case, question)
            if answers is not None:
                yield fault, answers


def _answers_with(run: Callable[..., Answers | None], *given: Any) -> Answers | None:
    """The answers of a port with a fault; None if it cannot continue, for example with a crop outside the picture."""
    try:
        return run(*given[:2], np.float32, *given[2:])
    except (NpFaceApiError, ArithmeticError, LookupError, ValueError):
        return None


def _until_first(expected: list[Expected], answers: Mapping[str, Any]) -> list[Expected]:
    """The expected answers up to and including the first one that the port gets wrong."""
    until: list[Expected] = []
    for one in expected:
        until.append(one)
        theirs = np.asarray(answers.get(one.name))
        if theirs.shape != one.shape or not ratios(theirs, one.value, one.bound)[0].max(initial=0) <= 1:
            break
    return until


def _agreement(
    expected: list[Expected], answers: Mapping[str, Any], faulty: Mapping[str, Any], near: float
) -> tuple[float, float] | None:
    """The port's error against the faulty answers, in bounds and relative to the largest value; None if too large.

    If all answers of both are empty, that is no agreement.
    """
    ratio, after, compared = 0.0, 0.0, 0
    for one in expected:
        if one.name not in faulty and one.name not in answers:
            continue  # both are empty: no faces
        if one.name not in faulty or one.name not in answers:
            return None
        theirs, ours = answers[one.name], faulty[one.name]
        if one.is_json:
            if not _same_json(theirs, ours, max(one.bound["relative"], 1e-9)):
                return None
            compared += 1
            continue
        theirs, ours = np.asarray(theirs), np.asarray(ours)
        if theirs.dtype.kind not in "fiu" or theirs.shape != ours.shape:
            return None
        if one.whole and not np.array_equal(theirs, ours):
            return None
        after = max(after, _largest_error(theirs, ours))
        if not after <= 1 / _NEARER and not _in_bounds(one, theirs, ours) <= near:
            return None
        ratio = max(ratio, _in_bounds(one, theirs, ours))
        if not (ratio <= near or after <= 1 / _NEARER):  # NaN too
            return None
        compared += theirs.size
    return (ratio, after) if compared else None


def _narrow_match(
    expected: list[Expected], answers: Mapping[str, Any], faulty: Mapping[str, Any], narrow: Callable[[Array], Array]
) -> tuple[float, float] | None:
    """The relative RMS errors before and after, if a port's numbers are in the narrow format.

    Either all are numbers of that format and right to within its rounding, or most errors equal those of the reference in it.
    """
    before, after, effect, size, are_narrow = 0.0, 0.0, 0.0, 0, True
    for one in expected:
        theirs, ours = answers.get(one.name), faulty.get(one.name)
        if one.is_json or not isinstance(theirs, np.ndarray) or not isinstance(ours, np.ndarray):
            return None
        if theirs.shape != one.shape or ours.shape != one.shape:
            return None
        if one.whole or not theirs.size:
            continue
        a, b, right = _sampled(one, theirs), _sampled(one, ours), np.asarray(one.value, np.float64)
        largest = float(np.abs(right).max()) or 1.0
        sums = [float(np.square(difference / largest).sum()) for difference in (a - right, a - b, b - right)]
        before, after, effect, size = before + sums[0], after + sums[1], effect + sums[2], size + right.size
        are_narrow = are_narrow and bool(np.array_equal(narrow(theirs), theirs)) and not np.array_equal(narrow(right), right)
    before, after, effect = (np.sqrt(total / max(size, 1)) for total in (before, after, effect))
    if not effect / 4 < before < effect * 4 or size < _LEAST:
        return None
    return (before, after) if after < before * (1.0 if are_narrow else _MOST_LEFT) else None


def _error_of(expected: list[Expected], answers: Mapping[str, Any]) -> float:
    """The largest error of answers, relative to the largest value of each; infinite where names, shapes or JSON values differ."""
    error = 0.0
    for one in expected:
        if one.name not in answers:
            return np.inf
        theirs = answers[one.name]
        if one.is_json:
            error = error if _same_json(theirs, one.value) else np.inf
        elif np.shape(theirs) != one.shape:
            return np.inf
        else:
            error = max(error, _largest_error(_sampled(one, np.asarray(theirs)), np.asarray(one.value, np.float64)))
    return error


def _largest_error(theirs: Array, ours: Array) -> float:
    """Relative to the largest value."""
    if not theirs.size:
        return 0.0
    if theirs.dtype != ours.dtype or theirs.dtype.kind != "f":
        theirs, ours = theirs.astype(np.float64), ours.astype(np.float64)
    return float(np.abs(theirs - ours).max()) / (float(np.abs(ours).max()) or 1.0)


def _in_bounds(one: Expected, theirs: Array, ours: Array) -> float:
    """The largest error in units of its bound."""
    return float(ratios(theirs, ours, _bound(one, theirs))[0].max(initial=0))


def _same_json(a: Any, b: Any, relative: float = 1e-9) -> bool:
    try:
        check_json(a, b, relative)
    except Mismatch:
        return False
    return True


def _sampled(one: Expected, theirs: Array) -> Array:
    flat = theirs.astype(np.float64)
    if one.samples is not None:
        flat = flat.reshape(-1)[one.samples]
    return np.asarray(flat.reshape(np.shape(one.value)))


def _bound(one: Expected, theirs: Array) -> dict[str, Any]:
    """The bound of an answer; for another shape, the largest of its elementwise bounds."""
    absolute = one.bound.get("absolute")
    if absolute is not None and np.ndim(absolute) and np.shape(absolute) != theirs.shape:
        return {"absolute": float(np.max(absolute, initial=0))}
    return dict(one.bound)
