"""Lines on standard error, whatever stands there: it may be missing or closed, or an object whose methods fail.

What cannot be said is lost, and changes nothing else.  It never goes to standard output, among the results.
"""

from __future__ import annotations

import contextlib
import sys
import warnings

__all__ = ["is_terminal", "say", "warn"]


def is_terminal() -> bool:
    """Whether somebody may be looking, so that progress is worth showing."""
    try:
        return bool(sys.stderr.isatty())
    except Exception:  # an application's object may do anything, or have no such method
        return False


def say(text: str, end: str = "\n") -> None:
    """Write a line, if that is possible."""
    with contextlib.suppress(Exception):  # as above, or a full disk
        if sys.stderr is not None:  # else `print` would take standard output
            print(text, end=end, file=sys.stderr, flush=True)


def warn(text: str, category: type[Warning] = RuntimeWarning) -> None:
    """A warning at the line that called this package; it fails if warnings are to be errors, and for no other reason."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith("npfaceapi."):
        frame, level = frame.f_back, level + 1
    try:
        warnings.warn(text, category, stacklevel=level)
    except Warning:
        raise
    except Exception:  # Python shows it on standard error
        pass
