"""Lines on standard error, which may be missing or closed, or an object whose methods fail.

A line that cannot be written is lost, without other effects.  It never goes to standard output, among the results.
"""

from __future__ import annotations

import contextlib
import sys
import warnings

from npfaceapi.locks import standard_error

__all__ = ["is_terminal", "say", "warn"]


def is_terminal() -> bool:
    """Whether standard error is a terminal, so that progress should be shown."""
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # an application's object may do anything, or have no such method
        return False


def say(text: str, end: str = "\n") -> None:
    """Write a line, if possible."""
    with standard_error, contextlib.suppress(Exception):  # as above, or a full disk
        if sys.stderr is not None:  # otherwise `print` would write to standard output
            print(text, end=end, file=sys.stderr, flush=True)


def warn(text: str, category: type[Warning] = RuntimeWarning) -> None:
    """Issue a warning located at the caller of this package; raises only if warnings are errors."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("npfaceapi."):
        frame, level = frame.f_back, level + 1
    try:
        warnings.warn(text, category, stacklevel=level)
    except Warning:
        raise
    except Exception:  # writing to standard error failed
        pass
