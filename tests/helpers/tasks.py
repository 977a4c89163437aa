"""Functions for other processes."""

from __future__ import annotations

import os
import time


def nothing():
    """Begin."""


def end():
    """End this process as a crash does."""
    os._exit(3)


def slow_first(number):
    """The first tasks take longest."""
    time.sleep(0.2 if number < 2 else 0)
    return number, os.getpid()


def deadly(number, *fatal):
    """The number, unless it is fatal."""
    if number in fatal:
        end()
    return number


def fails(number):
    if number == 2:
        raise ZeroDivisionError("of the function")
    return number


def setup(_):
    """How this process is set up."""
    import signal

    from npfaceapi.engines.dispatch import current_backend
    from npfaceapi.engines.thread_count import get_num_threads
    from npfaceapi.photos.limits import max_pixels

    ignores = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return current_backend(), get_num_threads(), max_pixels(), os.environ.get("OPENBLAS_NUM_THREADS"), ignores
