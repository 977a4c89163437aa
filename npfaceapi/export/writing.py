"""Writing a file completely or not at all, and asking beforehand whether it could be."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from npfaceapi.errors import InvalidArgument

__all__ = ["check_place", "write_whole"]


def write_whole(path: str | os.PathLike[str], content: bytes | str, expected: str = "a file to write to") -> None:
    """Write a file by way of a new one beside it, so that no half of it is ever left under its name.

    Text becomes UTF-8.  A file that is there is replaced, a link to one as well; a device or a pipe is written to.

    Raises
    ------
    InvalidArgument
        Where that cannot be; its text says what was `expected`.
    """
    target = os.path.abspath(os.fsdecode(path))
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.part")
    try:
        data = content.encode() if isinstance(content, str) else content
        if target.startswith("/dev/") or (os.path.exists(target) and not os.path.isfile(target)):
            with open(target, "wb") as file:  # has nothing to replace; a folder says so itself
                file.write(data)
            return
        try:
            with open(temporary, "xb") as file:  # a new file, with the permissions that any new file gets
                file.write(data)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError, ValueError):
                os.unlink(temporary)
            raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path, half a character in the text
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgument(f"{os.fsdecode(path)}: expected {expected}, got: {reason}") from None


def check_place(option: str, place: str | os.PathLike[str]) -> None:
    """Complain of a place that `write_whole` could not write to: before the work, not after it."""
    path = Path(place)
    reason = "Is a directory" if path.is_dir() else None if path.absolute().parent.is_dir() else "no such folder"
    is_device = path.exists() and not path.is_file()
    if reason is None and not os.access(path if is_device else path.absolute().parent, os.W_OK):
        reason = "Permission denied"
    if reason is not None:
        raise InvalidArgument(f"{option} {path}: expected a file to write to, got: {reason}")
