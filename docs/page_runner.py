"""Runs the blocks of a page in the reader's browser; see docs/runnable.py. It runs in Pyodide, and needs nothing of it."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any


def fetch_when_opened(paths: Iterable[str], fetch: Callable[[str], bytes | memoryview]) -> None:
    """Make these files exist, relative to the current folder; each gets its bytes when it is first opened."""
    missing = {os.path.abspath(path): path for path in paths}
    for place in missing:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb"):
            pass

    def fill(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], (str, bytes)):  # a number is an open file
            return
        place = os.path.abspath(os.fsdecode(arguments[0]))
        if path := missing.pop(place, None):
            try:
                data = fetch(path)
            except BaseException:
                missing[place] = path
                raise
            with open(place, "wb") as file:
                file.write(data)

    sys.addaudithook(fill)


class Page:
    """The blocks of one page: each runs with the names that the blocks above it have left.

    Parameters
    ----------
    report : callable
        Called with the number of a block before it runs, and with (number, what it printed, seconds, whether it failed) after it.
    """

    def __init__(self, report: Callable[..., None]) -> None:
        self._report = report
        self._namespace: dict[str, Any] = {}  # always the same object, as functions look up their globals in it
        self._before: list[dict[str, Any]] = [{"__name__": "__main__"}]  # the names before each block
        self._ran: list[str] = []  # the code of the blocks that have run

    def run(self, codes: list[str]) -> None:
        """Run the last of these blocks, the first blocks of the page; before it, those above it that are new or changed."""
        last = len(codes) - 1
        start = next((n for n in range(last) if self._ran[n : n + 1] != [codes[n]]), last)
        for number in range(start, len(codes)):
            if not self._run_block(number, codes[number]):
                break

    def _run_block(self, number: int, code: str) -> bool:
        if self._ran[number : number + 1] != [code]:
            del self._ran[number:], self._before[number + 1 :]
        self._report(number)
        self._namespace.clear()
        self._namespace.update(self._before[number])
        started, printed, name = time.perf_counter(), io.StringIO(), f"block {number + 1}"
        linecache.cache[name] = len(code), None, code.splitlines(keepends=True), name  # for tracebacks
        failed = False
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(code, name, "exec"), self._namespace)
            except BaseException as error:  # whatever the reader's code raises, SystemExit too
                failed = True
                printed.write(_short_traceback(error))
        if failed:
            del self._ran[number:], self._before[number + 1 :]
        else:
            self._ran[number : number + 1] = [code]
            self._before[number + 1 : number + 2] = [dict(self._namespace)]
        self._report(number, printed.getvalue(), time.perf_counter() - started, failed)
        return not failed


def _short_traceback(error: BaseException) -> str:
    """The traceback without the frames outside of the page."""
    described = traceback.TracebackException.from_exception(error)
    described.stack[:] = [frame for frame in described.stack if frame.filename.startswith("block ")]
    return "".join(described.format(chain=False) if described.stack else described.format_exception_only())
