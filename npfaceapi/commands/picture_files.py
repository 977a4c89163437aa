"""Shared by the commands that write a picture for each photo: its path, and why it cannot be written there."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from npfaceapi.errors import InvalidArgument

__all__ = ["paths_or_refusals", "picture_paths"]

LONGEST_NAME = 255  # bytes that file systems take


def picture_paths(
    photos: Sequence[str], option: str, folder: Path, suffix_of: Callable[[str], str] = lambda photo: ".png"
) -> list[Path]:
    """The paths of the pictures, one per photo; creates the folder that the option names."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{option} {folder}: expected a folder to write to, got: {error.strerror or error}") from None
    taken: set[str] = set()
    return [folder / _free_name(_stem(photo), suffix_of(photo), taken) for photo in photos]


def paths_or_refusals(
    photos: Sequence[str], option: str, paths: Sequence[Path], refusals: Sequence[InvalidArgument | None]
) -> list[Path | InvalidArgument]:
    """For each photo the path of its picture, or the error: its refusal, or that it lies in the folder of its own photo."""
    each = zip(photos, paths, refusals, strict=True)
    return [refusal or _beside(photo, option, path.parent) or path for photo, path, refusal in each]


def _beside(photo: str, option: str, folder: Path) -> InvalidArgument | None:
    """The error for a picture in the folder of its own photo; None if it goes elsewhere."""
    if not os.path.exists(photo) or Path(photo).parent.resolve() != folder.resolve():
        return None
    return InvalidArgument(
        f"{photo}: expected {option} to name another folder than the photo's own, got {folder}: nothing is overwritten"
    )


def _stem(photo: str) -> str:
    """A photo's name without folders and suffix."""
    from npfaceapi.photos.fetch import is_url

    if photo == "-":
        return "stdin"
    if photo[:5].lower() == "data:":
        return "photo"
    if is_url(photo):
        photo = re.sub(r'[\0-\x1f<>:"\\|?*]', "_", unquote(urlsplit(photo).path))
    return PurePath(photo.rstrip("/")).stem or "photo"


def _free_name(stem: str, suffix: str, taken: set[str]) -> str:
    """`stem` and suffix, with a number if that name is taken (whatever its case), and no longer than file systems allow."""
    endings = itertools.chain([suffix], (f"-{count}{suffix}" for count in itertools.count(2)))
    names = (os.fsencode(stem)[: LONGEST_NAME - len(ending)].decode(errors="ignore") + ending for ending in endings)
    free = next(name for name in names if name.casefold() not in taken)
    taken.add(free.casefold())
    return free
