"""Results as JSON lines, one per photo, each written as soon as its photo is done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO

from npfaceapi.errors import InvalidArgument

__all__ = ["json_lines"]


@contextlib.contextmanager
def json_lines(target: str | None) -> Iterator[IO[str] | None]:
    """The file of --json: standard output for "-", None without the option."""
    if target is None or target == "-":
        yield sys.stdout if target else None
        return
    try:
        file = open(target, "w", encoding="utf-8")  # noqa: SIM115 - closed below; opening has its own error
    except OSError as error:
        raise InvalidArgument(f"--json {target}: expected a file to write to, got: {error.strerror}") from None
    with file:
        yield file
