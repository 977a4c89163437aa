"""On how many threads a network runs: the only place where it is chosen."""

from __future__ import annotations

import os

import numpy as np

from npfaceapi.engines.usable_cpus import usable_cpus
from npfaceapi.errors import InvalidArgument

__all__ = ["get_num_threads", "set_num_threads"]

_num_threads: int | None = None


def set_num_threads(n: int) -> None:
    """How many threads a call of a network may use, for the whole process.

    Parameters
    ----------
    n : int
        At least 1.  The default is `NPFACEAPI_NUM_THREADS`, else the number of CPUs this process may use.
    """
    global _num_threads
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise InvalidArgument(f"set_num_threads: expected a whole number from 1 up, got {n!r}")
    _num_threads = int(n)


def get_num_threads() -> int:
    """How many threads a call of a network may use."""
    if _num_threads is not None:
        return _num_threads
    text = os.environ.get("NPFACEAPI_NUM_THREADS")
    if not text:
        return usable_cpus()
    if not text.isdecimal() or int(text) < 1:
        raise InvalidArgument(f"NPFACEAPI_NUM_THREADS: expected a whole number from 1 up, got {text!r}")
    return int(text)
