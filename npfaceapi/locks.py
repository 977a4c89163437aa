"""Locks that are released in a forked child, and operating-system threads even if `threading` is replaced.

A child has none of its parent's other threads, so a lock that one of them held at the fork would never be released.  The data
that these locks guard are changed atomically, so they are consistent in the child.
"""

from __future__ import annotations

import importlib.util
import os
import weakref
from importlib.machinery import BuiltinImporter
from types import TracebackType
from typing import Any

__all__ = ["ForkSafeLock", "standard_error", "system_threads"]


def _system_threads() -> Any:
    spec = BuiltinImporter.find_spec("_thread")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: A second copy of `_thread`: gevent, eventlet and debuggers replace functions in the one that is imported elsewhere.
system_threads = _system_threads()


class ForkSafeLock:
    """A re-entrant lock between operating-system threads, used as a context manager."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = system_threads.RLock()
        _alive.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()


_alive: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _open_all() -> None:
    for lock in list(_alive):
        lock._lock = system_threads.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)


#: Is held while file descriptor 2 leads elsewhere, as while a photo is decoded; a line for it waits until that is over.
standard_error = ForkSafeLock()
