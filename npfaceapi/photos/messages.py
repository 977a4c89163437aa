"""The warnings of Pillow and its libraries about a photo, gathered in one PhotoWarning that names the photo."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from npfaceapi.errors import PhotoWarning
from npfaceapi.locks import ForkSafeLock, standard_error as captured

__all__ = ["own_standard_error", "tell", "telling"]

_guard = ForkSafeLock()
_listeners = 0
_owns_standard_error = False


class _Listening(threading.local):
    """The pattern of a warnings filter: the filter belongs to the process, but `match` to each thread.

    `match` runs no Python code, so no other thread can change the filters while one iterates over them.
    """

    match: Callable[[str], object] = frozenset[str]().__contains__  # matches nothing in a thread that does not listen


_listening = _Listening()
_FILTER: Any = ("ignore", _listening, Warning, None, 0)


@contextmanager
def telling(name: str, *, standard_error: bool = True) -> Iterator[list[str]]:
    """Collect this thread's warnings while Pillow reads a photo, even if warnings are errors; issue them as one at the end.

    So are lines that C libraries write to standard error, unless `standard_error` is False; then threads need not take turns.
    The list that is yielded is for remarks of ours, each a warning of its own.  After an error no warning is issued.
    """
    remarks: list[str] = []
    heard: defaultdict[str, object] = defaultdict(object)
    before, _listening.match = _listening.match, heard.__getitem__  # stores the text and returns a truthy object: a match
    try:
        with _filter(), _standard_error(heard, standard_error):
            yield remarks
    finally:
        _listening.match = before
    # Warnings of decompression bombs are about Pillow's limit; limits.py has our own.
    texts = [" ".join(text.split()).rstrip(".") for text in heard if "decompression bomb" not in text]
    if texts:
        if len(texts) > 3:
            texts[2:] = [f"and {len(texts) - 2} more"]
        with suppress(PhotoWarning):  # the photo has been read, so `-W error` must not refuse it
            _warn(f"{name}: {'; '.join(texts)}")
    tell(remarks)


def tell(remarks: list[str]) -> None:
    """Issue a warning for each remark."""
    for remark in remarks:
        _warn(remark)


def own_standard_error() -> None:
    """Declare the process one of our commands: what C libraries write to standard error belongs to the photo being read."""
    global _owns_standard_error
    _owns_standard_error = os.name == "posix" and sys.__stderr__ is not None  # None: descriptor 2 is closed, or another file


@contextmanager
def _filter() -> Iterator[None]:
    """Install our filter for the warnings of this thread."""
    if getattr(sys.flags, "context_aware_warnings", False):  # `catch_warnings` has filters per context
        module: Any = warnings  # private names, from Python 3.14 on
        filters = module._get_filters()
        with module._lock:
            filters.insert(0, _FILTER)
        try:
            yield
        finally:
            with module._lock, suppress(ValueError):  # the filters may have been reset
                filters.remove(_FILTER)
        return
    _listen(1)
    try:
        yield
    finally:
        _listen(-1)


def _listen(more: int) -> None:
    global _listeners
    with _guard:
        _listeners += more
        filters: list[Any] = warnings.filters  # type: ignore[assignment]
        if _listeners > 0:
            if filters[:1] != [_FILTER]:  # a `catch_warnings` block of another thread may have replaced the filters
                filters.insert(0, _FILTER)
            return
        while _FILTER in filters:
            filters.remove(_FILTER)


@contextmanager
def _standard_error(heard: defaultdict[str, object], wanted: bool) -> Iterator[None]:
    """Capture file descriptor 2 if it is ours alone; there is no other way to get libtiff's errors."""
    if not (_owns_standard_error and wanted):
        yield
        return
    with captured, ExitStack() as at_end:
        try:
            saved = os.dup(2)
            at_end.callback(os.close, saved)
            read_end, write_end = os.pipe()
            at_end.callback(os.close, read_end)
            at_end.callback(os.close, write_end)
        except OSError:  # no more file descriptors
            yield
            return
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)  # text that does not fit is lost
        os.dup2(write_end, 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            with suppress(BlockingIOError):  # nothing was written
                for line in os.read(read_end, 1 << 20).decode(errors="replace").splitlines():
                    heard[line]


def _warn(text: str) -> None:
    """Issue a warning located at the first caller outside this package."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("npfaceapi", "contextlib"):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, PhotoWarning, stacklevel=depth)
