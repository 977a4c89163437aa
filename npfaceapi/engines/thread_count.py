"""How many threads a network runs on: the only place where it is chosen."""

from __future__ import annotations

import os
from contextvars import ContextVar

import numpy as np

from npfaceapi.engines.block_scope import BlockScope
from npfaceapi.engines.usable_cpus import usable_cpus
from npfaceapi.errors import InvalidArgument, shown

__all__ = ["MOST_THREADS", "get_num_threads", "set_num_threads", "use_num_threads"]

#: More than most machines have CPUs; tens of thousands would exhaust the system's threads and address space.
MOST_THREADS = 1024
_EXPECTED = f"expected a whole number from 1 to {MOST_THREADS}"

_of_the_process: int | None = None


def _checked(n: int, where: str) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= MOST_THREADS:
        raise InvalidArgument(f"{where}: {_EXPECTED}, got {shown(n)}")
    return int(n)


def set_num_threads(n: int) -> None:
    """How many threads a call of a network may use, for the whole process; `use_num_threads` blocks come before it.

    Parameters
    ----------
    n : int
        From 1 to 1024.  The default is `NPFACEAPI_NUM_THREADS`, else the number of CPUs this process may use.

    Raises
    ------
    InvalidArgument
        `n` is not an integer from 1 to 1024.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    global _of_the_process
    _of_the_process = _checked(n, "set_num_threads")


class use_num_threads(BlockScope[int]):
    """How many threads a call of a network may use in a `with` block, for this thread or asyncio task alone.

    A thread that is started inside the block does not see it (unless Python is told to let threads inherit the context); a
    task of asyncio that is made inside it does, and so do `await task` on a task of ours and `asyncio.to_thread`.  A generator
    that yields inside the block leaves it open to its caller until it goes on.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    InvalidArgument
        `n` is not an integer from 1 to 1024.

    Warns
    -----
    RuntimeWarning
        The object is dropped without having been entered: it has done nothing.

    Examples
    --------
    >>> with use_num_threads(1):
    ...     get_num_threads()
    1
    """

    _blocks = ContextVar("npfaceapi_num_threads", default=())
    _instead = "set_num_threads(n)"

    def __init__(self, n: int) -> None:
        super().__init__(_checked(n, "use_num_threads"))


def get_num_threads() -> int:
    """How many threads a call of a network may use.

    The innermost `use_num_threads` block of this thread or asyncio task, else what `set_num_threads` chose, else
    `NPFACEAPI_NUM_THREADS`, else the number of CPUs that this process may use.

    Examples
    --------
    >>> with use_num_threads(2):
    ...     get_num_threads()
    2
    """
    scoped = use_num_threads.innermost()
    if scoped is not None:
        return scoped
    if _of_the_process is not None:
        return _of_the_process
    text = os.environ.get("NPFACEAPI_NUM_THREADS")
    if not text:
        return min(usable_cpus(), MOST_THREADS)
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MOST_THREADS:
        raise InvalidArgument(f"NPFACEAPI_NUM_THREADS: {_EXPECTED}, got {text!r}")
    return int(text)
