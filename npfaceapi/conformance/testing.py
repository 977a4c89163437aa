"""The golden cases as tests for pytest and unittest, one test per case.

Nothing is registered, and pytest is imported only by `pytest_cases`.
"""

from __future__ import annotations

import atexit
import functools
import re
import sys
import unittest
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npfaceapi.conformance.golden import Case, GoldenCases
from npfaceapi.conformance.ports import PythonPort, Respondent
from npfaceapi.conformance.program import ProgramPort
from npfaceapi.conformance.questions import ORDER
from npfaceapi.conformance.runner import chosen_cases, run_case_on
from npfaceapi.conformance.tolerance import grade_of
from npfaceapi.conformance.xfail import ExpectedFailure, expected_failure, read_xfail
from npfaceapi.errors import InvalidArgument

__all__ = ["Conformance", "conformance_tests", "pytest_cases"]


class Conformance:
    """Runs golden cases on a port, one by one.

    Parameters
    ----------
    port : class, or list of str
        A class as for `npfaceapi conform run --python`, created once, at the first case; or a program with its arguments.
    case, level : sequence of str
        Patterns of names, and levels; default: all cases that are present.
    grade : str
        Required accuracy, one of `npfaceapi conform run --grade`.
    xfail : path, optional
        The file of expected failures.
    golden, weights : path, optional
        Folders of golden cases, and of weights that are not bundled.
    time_limit : float
        Seconds per case, for a program.

    Raises
    ------
    InvalidArgument, GoldenError
        An argument is wrong, or no case is left.

    Examples
    --------
    >>> from npfaceapi.conformance import NotClaimed
    >>> class Port:
    ...     def operation(self, *arguments, **named):
    ...         raise NotClaimed("no operations yet")
    >>> conformance = Conformance(Port, level=["operations"])
    >>> len(conformance.cases)
    77
    """

    def __init__(
        self,
        port: Callable[[], Any] | Sequence[str],
        *,
        case: Sequence[str] = (),
        level: Sequence[str] = (),
        grade: str = "float32",
        xfail: str = "",
        golden: str | None = None,
        weights: str | None = None,
        time_limit: float = 60.0,
    ) -> None:
        if not callable(port) and (isinstance(port, str) or not isinstance(port, Sequence) or not port):
            raise InvalidArgument(f"port: expected a class, or a list of a program and its arguments, got {port!r}")
        if not isinstance(time_limit, (int, float)) or not time_limit > 0:
            raise InvalidArgument(f"time_limit: expected seconds above 0, got {time_limit!r}")
        for name, value in (("case", case), ("level", level)):
            if isinstance(value, str):
                raise InvalidArgument(f"{name}: expected a list of strings, got {value!r}")
        if unknown := set(level) - set(ORDER):
            raise InvalidArgument(f"level: expected some of {', '.join(ORDER)}, got {min(unknown)!r}")
        self._made, self._time_limit, self._grade = port, time_limit, grade_of(grade)
        self._golden = GoldenCases(golden, weights)
        self.cases: dict[str, Case] = {one.name: one for one in chosen_cases(self._golden, case, level)}
        if not self.cases:
            chosen = " ".join([*case, *level])
            raise InvalidArgument(
                f"expected case and level to match one of {len(self._golden.all_cases)} golden cases, got {chosen!r}"
            )
        self._xfail = read_xfail(xfail, [one.name for one in self._golden.all_cases]) if xfail else []

    @functools.cached_property
    def _port(self) -> Respondent:
        if callable(self._made):
            return PythonPort(self._made())
        program = ProgramPort(list(self._made), self._time_limit)
        atexit.register(program.close)
        return program

    def expected_failure(self, name: str) -> ExpectedFailure | None:
        """Why a case is expected to fail, if it is."""
        return expected_failure(name, self._xfail)

    def check(self, name: str) -> None:
        """Run and judge one case.

        Raises
        ------
        AssertionError
            The case fails; the text says how.
        unittest.SkipTest
            The port does not claim the case; pytest understands this exception too.
        """
        __tracebackhide__ = True
        result = run_case_on(self._port, self._golden, self.cases[name], self._grade)
        if result.status == "not claimed":
            raise unittest.SkipTest(f"not claimed: {result.problem}")
        if result.status != "passed":
            raise AssertionError("\n".join((f"{name}: {result.problem}", result.details)).rstrip())


def pytest_cases(port: Callable[[], Any] | Sequence[str], **options: Any) -> list[Any]:
    """For `pytest.mark.parametrize`: one function without arguments per case, with the case's name as its id.

    Takes the parameters of `Conformance`.  Expected failures are marked `xfail`.

    Examples
    --------
    >>> from npfaceapi.conformance import NotClaimed
    >>> class Port:
    ...     def operation(self, *arguments, **named):
    ...         raise NotClaimed("no operations yet")
    >>> len(pytest_cases(Port, level=["operations"]))
    77

    A whole test file::

        @pytest.mark.parametrize("check", pytest_cases(Port, level=["raw"]))
        def test_port(check):
            check()
    """
    import pytest

    conformance = Conformance(port, **options)
    made = []
    for name in conformance.cases:
        expected = conformance.expected_failure(name)
        marks = () if expected is None else pytest.mark.xfail(reason=expected.reason, strict=False)
        made.append(pytest.param(functools.partial(conformance.check, name), id=name, marks=marks))
    return made


def conformance_tests(port: Callable[[], Any] | Sequence[str], **options: Any) -> Mapping[str, type[unittest.TestCase]]:
    """For `globals().update(…)` in a unittest file: one class per level, with one test per case.

    Takes the parameters of `Conformance`.  Expected failures are `unittest.expectedFailure`.

    Examples
    --------
    >>> from npfaceapi.conformance import NotClaimed
    >>> class Port:
    ...     def operation(self, *arguments, **named):
    ...         raise NotClaimed("no operations yet")
    >>> list(conformance_tests(Port, level=["operations"]))
    ['TestOperations']
    """
    conformance = Conformance(port, **options)
    module = sys._getframe(1).f_globals.get("__name__", __name__)
    classes: dict[str, dict[str, Any]] = {}
    for name, case in conformance.cases.items():
        tests = classes.setdefault(f"Test{case.level.title()}", {})
        stem = "test_" + re.sub(r"\W", "_", name.partition("/")[2])
        method = next(one for one in (stem, *(f"{stem}_{i}" for i in range(2, 1000))) if one not in tests)
        tests[method] = _test(conformance, name)
    return {name: type(name, (unittest.TestCase,), {**tests, "__module__": module}) for name, tests in classes.items()}


def _test(conformance: Conformance, name: str) -> Callable[[unittest.TestCase], None]:
    def test(self: unittest.TestCase) -> None:
        del self
        conformance.check(name)

    test.__doc__ = name
    return test if conformance.expected_failure(name) is None else unittest.expectedFailure(test)
