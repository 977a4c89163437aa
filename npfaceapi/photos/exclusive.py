"""Exclusive use of objects by one thread: a file has one position, and a PIL image is loaded on first use."""

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
        self.lock, self.threads = threading.RLock(), 0  # a greenlet lock under gevent, as reading a file may switch


_in_use: dict[int, _Turns] = {}  # by the id of an object, which is alive while in use
_guard = ForkSafeLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_use.clear)  # a child has no other threads


@contextmanager
def exclusive(thing: object) -> Iterator[None]:
    """Wait until no other thread uses the same object."""
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
