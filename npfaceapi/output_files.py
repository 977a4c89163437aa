"""Writing files: completely or not at all, and never over an input or a file that is not an earlier output."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npfaceapi._version import __version__
from npfaceapi.errors import InvalidArgument

__all__ = [
    "DRAWN_BY",
    "MADE_BY",
    "Output",
    "check_folder",
    "check_outputs",
    "generator",
    "is_drawing",
    "is_json",
    "is_json_lines",
    "is_npz",
    "is_onnx",
    "is_safetensors",
    "is_text_with",
    "refused_outputs",
    "write_whole",
]

MADE_BY = f"npfaceapi {__version__}"
DRAWN_BY = f"drawn by {MADE_BY}"
PathLike = str | os.PathLike[str]


def write_whole(path: PathLike, content: bytes | str, expected: str = "a file to write to") -> None:
    """Write a file through a temporary one beside it, so that an incomplete file never has its name.

    Text is encoded as UTF-8.  An existing file, or a link to one, is replaced; a device or a pipe is written to.

    Raises
    ------
    InvalidArgument
        If the file cannot be written; the message says what was `expected`.
    """
    target = os.path.abspath(os.fsdecode(path))
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.part")
    try:
        data = content.encode() if isinstance(content, str) else content
        if target.startswith("/dev/") or (os.path.exists(target) and not os.path.isfile(target)):
            with open(target, "wb") as file:  # a device is not replaced; opening a folder raises
                file.write(data)
            return
        try:
            with open(temporary, "xb") as file:  # with the usual permissions of a new file
                file.write(data)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError, ValueError):
                os.unlink(temporary)
            raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path, a lone surrogate in the text
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgument(f"{os.fsdecode(path)}: expected {expected}, got: {reason}") from None


# ------------------------------------------------------------------ before anything is written


class Output(NamedTuple):
    """A file that a command is going to write: its option, its path, and a test for an earlier output."""

    option: str
    path: PathLike
    is_earlier: Callable[[str], bool]


def check_outputs(outputs: Iterable[Output], inputs: Iterable[PathLike] = (), *, overwrite: bool = False) -> None:
    """Refuse, before the work begins, outputs that could not be written or that would destroy something.

    Parameters
    ----------
    outputs : iterable of Output
        A path "-" is standard output.
    inputs : iterable of paths
        Files that the command reads, and folders whose files it reads; anything else, such as a URL, is ignored.
        No output replaces an input, even under another name or through a link.
    overwrite : bool
        Also replace files that are not earlier outputs.

    Raises
    ------
    InvalidArgument
        Names the option and the path.
    """
    for refusal in refused_outputs(outputs, inputs, overwrite=overwrite):
        if refusal is not None:
            raise refusal


def check_folder(option: str, path: Path, endings: Sequence[str]) -> None:
    """Raise InvalidArgument if a folder that would be made is named as a file is, with one of the endings."""
    if path.suffix.lower() in endings and not path.is_dir():
        raise InvalidArgument(f"{option} {path}: expected a folder, got the name of a file")


def refused_outputs(
    outputs: Iterable[Output], inputs: Iterable[PathLike] = (), *, overwrite: bool = False
) -> list[InvalidArgument | None]:
    """What `check_outputs` would raise for each of the outputs."""
    outputs = list(outputs)
    read = _identities(inputs) if any(os.path.exists(output.path) for output in outputs) else {}
    seen: dict[object, str] = {}
    reasons = [_reason(output, read, seen, overwrite) if output.path != "-" else None for output in outputs]
    return [
        None if reason is None else InvalidArgument(f"{option} {Path(path)}: expected {reason}")
        for (option, path, _), reason in zip(outputs, reasons, strict=True)
    ]


def _reason(output: Output, read: Mapping[tuple[int, int], PathLike], seen: dict[object, str], overwrite: bool) -> str | None:
    """What is wrong with an output, as the end of a message that begins with "expected"; None if nothing is."""
    path = Path(output.path)
    if (place := _reason_of_place(path)) is not None:
        return f"a file to write to, got: {place}"
    identity = _identity(path)
    key = identity or os.path.normcase(path.absolute().parent.resolve() / path.name)
    if path.absolute() != Path(os.devnull) and seen.setdefault(key, output.option) != output.option:
        return f"a file of its own, got the one of {seen[key]}"
    if identity is None or not path.is_file():
        return None
    if identity in read:
        return f"a file that is not an input, got {read[identity]}: no input is ever overwritten"
    if not overwrite and path.stat().st_size and not _without_error(output.is_earlier, str(path)):
        return "a new file or an earlier output of this kind, got another file: --overwrite replaces it"
    return None


def _reason_of_place(path: Path) -> str | None:
    """Why no file could be written there."""
    reason = "Is a directory" if path.is_dir() else None if path.absolute().parent.is_dir() else "no such folder"
    is_device = path.exists() and not path.is_file()
    if reason is None and not os.access(path if is_device else path.absolute().parent, os.W_OK):
        reason = "Permission denied"
    return reason


def _identity(path: PathLike) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _identities(inputs: Iterable[PathLike]) -> Mapping[tuple[int, int], PathLike]:
    """The regular files among the inputs and in folders among them, by device and inode."""
    found: dict[tuple[int, int], PathLike] = {}
    for given in inputs:
        for path in _files_below(given) if os.path.isdir(given) else (given,):
            identity = _identity(path)
            if identity is not None:
                found.setdefault(identity, path)
    return found


def _files_below(folder: PathLike) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names)


def _without_error(is_earlier: Callable[[str], bool], path: str) -> bool:
    try:
        return is_earlier(path)
    except (OSError, ValueError, AttributeError, RecursionError):  # it is not an earlier output
        return False


# ------------------------------------------------------------------ tests for an earlier output of the same kind


def generator(command: str) -> str:
    """The line in the head of an HTML page that says which command made it."""
    return f'<meta name="generator" content="npfaceapi {command}">'


def is_text_with(line: str) -> Callable[[str], bool]:
    """Whether a file contains this text in its first 1024 bytes."""

    def check(path: str) -> bool:
        with open(path, "rb") as file:
            return line.encode() in file.read(1024)

    return check


def is_drawing(path: str) -> bool:
    """Whether a picture says that npfaceapi made it: a PNG in a text chunk "Software" before the pixels, a JPEG in a comment."""
    with open(path, "rb") as file:
        start = file.read(8)
        if start.startswith(b"\xff\xd8"):
            return b"drawn by npfaceapi" in file.read(100)
        if start != b"\x89PNG\r\n\x1a\n":
            return False
        for _ in range(32):  # a drawing has few chunks
            length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
            if kind == b"tEXt" and length < 200:
                keyword, _, text = file.read(length).partition(b"\0")
                if keyword == b"Software":
                    return text.startswith(b"npfaceapi")
                length = 0
            elif kind in (b"IDAT", b"IEND", b""):
                return False
            file.seek(length + 4, os.SEEK_CUR)
    return False


def is_json_lines(*keys: str) -> Callable[[str], bool]:
    """Whether every line is a JSON object about a photo, with one of these keys or with an error."""

    def check(path: str) -> bool:
        with open(path, encoding="utf-8") as file:
            return all(_is_record(json.loads(line), keys) for line in file)

    return check


def _is_record(record: Any, keys: Sequence[str]) -> bool:
    return isinstance(record, dict) and isinstance(record.get("photo"), str) and any(key in record for key in (*keys, "error"))


def is_json(*keys: str) -> Callable[[str], bool]:
    """Whether a file is a JSON object, or a list of objects, each with the key "npfaceapi" and these."""

    def check(path: str) -> bool:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        records = value if isinstance(value, list) else [value]
        return bool(records) and all(isinstance(record, dict) and {"npfaceapi", *keys} <= record.keys() for record in records)

    return check


def is_npz(path: str) -> bool:
    """Whether a NumPy archive has the comment that `export` writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.startswith(b"npfaceapi")
    except zipfile.BadZipFile:
        return False


def is_safetensors(path: str) -> bool:
    """Whether the metadata names npfaceapi as the producer."""
    with open(path, "rb") as file:
        header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), 10**7)))
    return str(header.get("__metadata__", {}).get("producer", "")).startswith("npfaceapi")


def is_onnx(path: str) -> bool:
    """Whether an ONNX model names npfaceapi as its producer: field 2 of the model, a string, near the beginning."""
    with open(path, "rb") as file:
        return b"\x12\x09npfaceapi" in file.read(64)
