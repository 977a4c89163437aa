"""Objects that one thread at a time may use: a file has one position, and a PIL image is read when it is first used."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from npfaceapi.locks import ForkSafeLock

__all__ = ["exclusive"]


class _Turns:
    __slots__ = ("lock", "threads")

    def __init__(self) -> None:
        self.lock, self.threads = threading.RLock(), 0  # of greenlets, where they stand for threads: a file of theirs may wait


_in_use: dict[int, _Turns] = {}  # by the id of an object, which lives as long as a thread is here with it
_guard = ForkSafeLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_use.clear)  # the other threads are not there


@contextmanager
def exclusive(thing: object) -> Iterator[None]:
    """Wait until no other thread is in here with the same object."""
    with _guard:
        turns = _in_use.setdefault(id(thing), _Turns())
        turns.threads += 1
    try:
        with turns.lock:
            yield
    finally:
        with _guard:
            turns.threads -= 1
            if not turns.threads:
                _in_use.pop(id(thing), None)
