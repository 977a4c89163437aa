"""What Pillow and its libraries have to say about a photo: told once, in one warning of ours that names the photo."""

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
from npfaceapi.locks import ForkSafeLock

__all__ = ["own_standard_error", "tell", "telling"]

_guard = ForkSafeLock()
_descriptor = ForkSafeLock()
_listeners = 0
_owns_standard_error = False


class _Listening(threading.local):
    """Stands in a warnings filter where the pattern of the text would: the filter is the process's, `match` the thread's own.

    It is no Python code, so that no other thread changes the filters while one goes through them.
    """

    match: Callable[[str], object] = frozenset[str]().__contains__  # no text, in a thread that does not listen


_listening = _Listening()
_FILTER: Any = ("ignore", _listening, Warning, None, 0)


@contextmanager
def telling(name: str) -> Iterator[list[str]]:
    """Keep what this thread warns of while Pillow reads a photo, even where warnings are errors; tell it at the end.

    The list that is handed out is for remarks of ours, each a warning of its own.  After an error nothing is told.
    """
    remarks: list[str] = []
    heard: defaultdict[str, object] = defaultdict(object)
    before, _listening.match = _listening.match, heard.__getitem__  # keeps the text, and gives an object: it matches
    try:
        with _filter(), _standard_error(heard):
            yield remarks
    finally:
        _listening.match = before
    # Of bombs Pillow's limit is told; limits.py decides on them.
    texts = [" ".join(text.split()).rstrip(".") for text in heard if "decompression bomb" not in text]
    if texts:
        if len(texts) > 3:
            texts[2:] = [f"and {len(texts) - 2} more"]
        with suppress(PhotoWarning):  # the photo has been read, so that `-W error` is no reason to refuse it
            _warn(f"{name}: {'; '.join(texts)}")
    tell(remarks)


def tell(remarks: list[str]) -> None:
    """Give a warning of each."""
    for remark in remarks:
        _warn(remark)


def own_standard_error() -> None:
    """The process is a command of ours: what C libraries write to standard error while a photo is read is about that photo."""
    global _owns_standard_error
    _owns_standard_error = os.name == "posix" and sys.__stderr__ is not None  # None: 2 is closed, or another file by now


@contextmanager
def _filter() -> Iterator[None]:
    """Have our filter among those that this thread's warnings go through."""
    if getattr(sys.flags, "context_aware_warnings", False):  # a `catch_warnings` block is its thread's own, with its own filters
        module: Any = warnings  # these names of it, from Python 3.14 on, are not public
        filters = module._get_filters()
        with module._lock:
            filters.insert(0, _FILTER)
        try:
            yield
        finally:
            with module._lock, suppress(ValueError):  # somebody has reset the filters
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
            if filters[:1] != [_FILTER]:  # a `catch_warnings` block of another thread may have put other filters there
                filters.insert(0, _FILTER)
            return
        while _FILTER in filters:
            filters.remove(_FILTER)


@contextmanager
def _standard_error(heard: defaultdict[str, object]) -> Iterator[None]:
    """Take what is written to file descriptor 2 (libtiff's errors cannot be had otherwise), where it is ours alone."""
    if not _owns_standard_error:
        yield
        return
    with _descriptor, ExitStack() as at_end:
        try:
            saved = os.dup(2)
            at_end.callback(os.close, saved)
            read_end, write_end = os.pipe()
            at_end.callback(os.close, read_end)
            at_end.callback(os.close, write_end)
        except OSError:  # no descriptor is left
            yield
            return
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)  # what does not fit is lost
        os.dup2(write_end, 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            with suppress(BlockingIOError):  # nothing was written
                for line in os.read(read_end, 1 << 20).decode(errors="replace").splitlines():
                    heard[line]


def _warn(text: str) -> None:
    """Warn, as if the first caller outside of this package had done so."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("npfaceapi", "contextlib"):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, PhotoWarning, stacklevel=depth)
