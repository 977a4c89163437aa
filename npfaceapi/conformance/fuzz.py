"""Random inputs for a port, with the float64 reference's answers and the bounds of the golden cases.

Each example becomes a golden case (`Drawn`), and is run and judged like one.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi._version import __version__
from npfaceapi.conformance.drawing import KINDS, Example, draw
from npfaceapi.conformance.folder import write_questions
from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.levels import run_case
from npfaceapi.conformance.ports import Respondent, patterns_match
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.report import CaseResult, Report
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.shrink import shrunk
from npfaceapi.conformance.tensor_files import BadAnswer, read_json
from npfaceapi.conformance.tolerance import Grade, grade_of
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.errors import InvalidArgument, NpFaceApiError
from npfaceapi.output_files import write_whole

__all__ = ["Drawn", "Failure", "Fuzzed", "examples_of", "fuzz", "read_drawn", "write_drawn"]

Array = np.ndarray[Any, Any]
_RECORD = "fuzz.json"
#: Seconds for shrinking one failure.
PATIENCE = 20.0


class Drawn(GoldenCases):
    """One example as a set of golden cases with a single case."""

    def __init__(self, golden: GoldenCases, name: str, example: Example) -> None:
        # GoldenCases.__init__ is not called: it would read files
        self.tolerances, self.sets, self.folder, self.weights_folder = golden.tolerances, {"drawn"}, golden.folder, ""
        self.example, self._inputs = example, list(example.inputs)
        case = Case(name, example.level, "drawn", [], example.net, [], example.attributes)
        with use_backend("reference64"), np.errstate(all="ignore"):
            self._truth = run_case(case, self._truth_inputs(example))
        kinds, expected = _kinds_of(golden, example), []
        for answer, value in self._truth.items():
            kind = kinds.get(answer, kinds.get("crop_0", "exact"))
            expected.append({"name": answer, "kind": kind, **self._stored(answer, kind, value, example.level)})
        self.case = Case(name, example.level, "drawn", expected, example.net, [], example.attributes)
        self.all_cases = self.cases = [self.case]
        self.without_weights: list[Case] = []
        self.missing = 0

    @staticmethod
    def _truth_inputs(example: Example) -> list[Array]:
        narrow = example.level == "decode"  # decoding computes in the dtype of its inputs
        return [x.astype(np.float64) if narrow and x.dtype == np.float32 else x for x in example.inputs]

    @staticmethod
    def _stored(answer: str, kind: str, value: Any, level: str) -> dict[str, Any]:
        if kind == "json":
            return {"value": json.loads(json.dumps(value))}
        return {} if level in ("operations", "raw") else {"tensor": answer}  # these are computed when they are judged

    def inputs(self, case: Case) -> list[Array]:
        return self._inputs

    def has(self, name: str) -> bool:
        return name in self._truth

    def tensor(self, name: str) -> Array:
        return np.asarray(self._truth[name])


def _kinds_of(golden: GoldenCases, example: Example) -> dict[str, str]:
    """The kind of tolerance of each answer, as in golden cases of the same kind."""
    wanted = _sort(example.level, example.net, example.attributes)
    return {
        entry["name"]: entry["kind"]
        for case in golden.all_cases
        if _sort(case.level, case.net, case.attributes) == wanted
        for entry in case.expected
    }


def _sort(level: str, net: str, attributes: dict[str, Any]) -> tuple[Any, ...]:
    return level, net, attributes.get("op"), attributes.get("stage")


@dataclass
class Failure:
    """A shrunk failure: the smallest failing example found, how it fails, and the number of examples tried."""

    name: str
    example: Example
    result: CaseResult
    asked: int

    def to_dict(self) -> dict[str, Any]:
        """The example and its failure as JSON values."""
        return {"case": self.name, "example": self.lines, "problem": self.result.problem, "asked": self.asked}

    @property
    def lines(self) -> list[str]:
        """The example, one line per input or attribute."""
        attributes = {key: value for key, value in self.example.attributes.items() if key not in ("op", "labels")}
        told = [f"attributes {json.dumps(attributes)}"] if attributes else []
        return told + [f"input {_shown(x, self.example.neutral)}" for x in self.example.inputs]


def _shown(x: Array, neutral: float) -> str:
    head = f"{x.dtype}{list(x.shape)}"
    if x.size <= 16:
        return f"{head} {json.dumps(x.tolist())}"
    most = neutral if (x == neutral).sum() * 2 > x.size else float(np.median(x))
    others = np.argwhere(x != most)
    if len(others) > 8:
        return f"{head} in {x.min():.9g}..{x.max():.9g}"
    places = "".join(f", {x[tuple(at)]:.9g} at {at.tolist()}" for at in others)
    return f"{head} of {most:.9g}{places}"


@dataclass
class Fuzzed:
    """The result of a run: the report of all examples, and one shrunk failure per kind."""

    seed: int
    report: Report
    failures: list[Failure] = field(default_factory=list)


def examples_of(count: int, patterns: Sequence[str] = (), levels: Sequence[str] = ()) -> list[str]:
    """The names of examples, LEVEL/WHAT/NUMBER: `count` that match, taking all kinds in turn.

    A pattern that is a full name gives that example, whatever its number.
    """
    named = [pattern for pattern in patterns if _number_of(pattern) is not None]
    names = (f"{kind}/{number}" for number in range(count) for kind in KINDS if not levels or kind.partition("/")[0] in levels)
    others = [pattern for pattern in patterns if pattern not in named]
    drawn = (name for name in names if (others or not named) and patterns_match(name, others))
    return [*named, *itertools.islice(drawn, count)]


def _number_of(name: str) -> int | None:
    """The number in the name of an example; None for other strings."""
    kind, _, number = name.rpartition("/")
    return int(number) if kind in KINDS and number.isascii() and number.isdecimal() and len(number) < 10 else None


def drawn_examples(golden: GoldenCases, seed: int, names: Iterable[str], grade: Grade) -> Iterator[Drawn]:
    """Yield the examples of those names as cases."""
    for name in names:
        kind, _, number = name.rpartition("/")
        yield Drawn(golden, name, draw(kind, seed, int(number), narrow=grade.mixed))


def fuzz(
    ask: Callable[[Drawn], Respondent], golden: GoldenCases, seed: int, names: Iterable[str], grade: Grade, again: bool = True
) -> Fuzzed:
    """Run and judge examples; shrink the first failure of each kind, if the port can answer again.

    Parameters
    ----------
    ask : callable
        Returns the port that answers an example.
    names : iterable of str
        As `examples_of` gives them.
    again : bool
        Whether the port can answer further questions, which shrinking needs.
    """
    start = time.perf_counter()
    fuzzed = Fuzzed(seed, Report("", grade.name, grade.admits, golden=f"examples of seed {seed}, npfaceapi {__version__}"))
    failed: dict[str, tuple[Drawn, CaseResult]] = {}
    for drawn in drawn_examples(golden, seed, names, grade):
        result = _judged(ask(drawn), drawn, grade)
        fuzzed.report.results.append(result)
        if result.status == "failed":
            failed.setdefault(drawn.example.kind, (drawn, result))
    for drawn, result in failed.values() if again else ():
        fuzzed.failures.append(_small(ask, golden, drawn, result, grade))
    fuzzed.report.seconds = time.perf_counter() - start
    return fuzzed


def _judged(port: Respondent, drawn: Drawn, grade: Grade) -> CaseResult:
    with np.errstate(all="ignore"):
        result = run_case_on(port, drawn, drawn.case, grade, hint=False)
    if result.status == "passed" and result.ambiguous:  # examples lie exactly on a threshold, or far from it
        face, reason = next(iter(result.ambiguous.items()))
        result.status, result.problem = "failed", f"expected faces above the threshold in their order; face {face}: {reason}"
    return result


def _small(ask: Callable[[Drawn], Respondent], golden: GoldenCases, drawn: Drawn, result: CaseResult, grade: Grade) -> Failure:
    """The smallest example found in time that still fails in the same answer."""
    where, asked, end = _where(result), 0, time.perf_counter() + PATIENCE

    def fails(example: Example) -> bool:
        nonlocal asked, result
        if time.perf_counter() > end:
            return False
        try:
            smaller = Drawn(golden, drawn.case.name, example)
        except (NpFaceApiError, ArithmeticError, LookupError, TypeError, ValueError):
            return False  # no longer a valid example
        asked += 1
        found = _judged(ask(smaller), smaller, grade)
        if found.status == "failed" and _where(found) == where:
            result = found
            return True
        return False

    smallest = shrunk(drawn.example, fails)
    return Failure(drawn.case.name, smallest, result, asked)


def _where(result: CaseResult) -> str:
    """The first answer that fails; empty if there is none, as after a crash."""
    return "" if result.first is None else result.first.name


# ------------------------------------------------------------------ a folder of questions


def write_drawn(folder: Path, golden: GoldenCases, seed: int, names: Sequence[str], grade: Grade, form: str) -> int:
    """Write the questions of examples into a folder, as `npfaceapi conform inputs` does, with what is needed to redraw them."""
    drawn = drawn_examples(golden, seed, names, grade)
    count = write_questions(folder, (question_of(one, one.case) for one in drawn), form)
    record = {"npfaceapi": __version__, "seed": seed, "grade": grade.name, "names": list(names)}
    write_whole(folder / _RECORD, json.dumps(record) + "\n")
    return count


def read_drawn(folder: Path, grade: Grade) -> tuple[int, list[str]]:
    """The seed and the names of the examples whose questions were written into a folder.

    Raises
    ------
    InvalidArgument
        The folder was not written by `npfaceapi conform fuzz --write` of this version for this kind of grade.
    """
    file = folder / _RECORD
    if not file.is_file():
        raise InvalidArgument(f"{folder}: expected a folder that npfaceapi conform fuzz --write wrote, got none")
    try:
        record = read_json(file)
        version, seed, names, drawn_for = (record[key] for key in ("npfaceapi", "seed", "names", "grade"))
        good = isinstance(seed, int) and isinstance(names, list) and all(_number_of(str(name)) is not None for name in names)
    except (BadAnswer, KeyError, TypeError):
        good = False
    if not good:
        raise InvalidArgument(f"{file}: expected what npfaceapi conform fuzz --write writes, got something else: write it again")
    if version != __version__ or grade_of(drawn_for).mixed != grade.mixed:
        raise InvalidArgument(
            f"{file}: expected questions of npfaceapi {__version__} for the grade {grade.name}, got some of {version} for "
            f"{drawn_for}: write them again"
        )
    return seed, names
