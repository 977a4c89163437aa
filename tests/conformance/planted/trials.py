"""Plants the faults, lets the kit judge and diagnose the port, and counts: `python -m tests.conformance.planted`."""

from __future__ import annotations

import functools
import itertools
import math
import time
from dataclasses import dataclass

from npfaceapi.conformance.diagnosis import Diagnostician
from npfaceapi.conformance.fault_table import small
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.tolerance import GRADES


@dataclass(frozen=True)
class Outcome:
    """The kit's verdict on one planted fault."""

    planted: object
    problem: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    seconds: float

    @property
    def failed(self):
        return bool(self.problem)

    @property
    def named(self):
        return bool(self.planted.right & {*self.names})

    @property
    def wrongly(self):
        """Faults are named, but not the right one (of two faults with the same numbers, both are named)."""
        return bool(self.names) and not self.named


@functools.cache
def golden():
    return GoldenCases()


def outcomes(planted):
    """The outcomes, case by case: the kit's results for a case are cached while its faults are tried."""
    ordered = sorted(planted, key=lambda one: one.case)
    for case, group in itertools.groupby(ordered, key=lambda one: one.case):
        diagnostician = Diagnostician(golden(), GRADES["float32"], most=10**9, limit=math.inf)
        found = small(golden(), case)
        for one in group:
            started = time.perf_counter()
            result = run_case_on(PythonPort(one.port()), golden(), found, GRADES["float32"], diagnostician)
            seconds = time.perf_counter() - started
            problem = result.problem if result.status == "failed" else ""
            names, texts = (
                zip(*((match.name, match.text) for match in result.diagnosis), strict=True) if result.diagnosis else ((), ())
            )
            yield Outcome(one, problem, names, texts, seconds)


def summary(found):
    """The figures of the docs."""
    named, wrong = sum(one.named for one in found), sum(one.wrongly for one in found)
    return f"failed {sum(one.failed for one in found)} of {len(found)}, named {named}, wrongly named {wrong}"
