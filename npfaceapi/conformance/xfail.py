"""Expected failures: a text file with one pattern of case names and its reason per line.

# what our WebGPU port does not do yet
raw/mtcnn_*          MTCNN is not ported
chain/mtcnn*/*       MTCNN is not ported
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from npfaceapi.errors import InvalidArgument

__all__ = ["ExpectedFailure", "expected_failure", "read_xfail"]


@dataclass(frozen=True)
class ExpectedFailure:
    """A pattern of case names, with wildcards, and why they fail."""

    pattern: str
    reason: str


def read_xfail(path: str, names: Sequence[str]) -> list[ExpectedFailure]:
    """Read the file; each line needs a reason and a pattern that matches one of `names`, all golden cases.

    Raises
    ------
    InvalidArgument
        The file cannot be read, or a line is wrong; the message names the line.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgument(f"{path}: expected a text file of expected failures, got: {reason}") from None
    found = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        pattern, _, reason = text.partition(" ")
        if not reason.strip():
            raise InvalidArgument(f"{path}, line {number}: expected a pattern and a reason, got {text!r}")
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise InvalidArgument(f"{path}, line {number}: expected a pattern that matches a golden case, got {pattern!r}")
        found.append(ExpectedFailure(pattern, reason.strip()))
    return found


def expected_failure(name: str, lines: Sequence[ExpectedFailure]) -> ExpectedFailure | None:
    """The first line that a case's name matches."""
    return next((line for line in lines if fnmatch.fnmatchcase(name, line.pattern)), None)
