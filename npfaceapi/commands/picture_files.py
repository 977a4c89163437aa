"""Shared by the commands that write a picture for each photo: its path, and why it cannot be written there.

An option names a folder, or a file: if it ends like a photo or a video and is no folder yet.  A file is for one photo.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from npfaceapi.errors import InvalidArgument

__all__ = ["PICTURES", "paths_or_refusals", "picture_paths"]

PICTURES = (".png", ".jpg", ".jpeg")  # the endings of files that are written
LONGEST_NAME = 255  # bytes that file systems take


def picture_paths(
    photos: Sequence[str],
    option: str,
    place: Path,
    suffix_of: Callable[[str], str],
    endings_of: Callable[[str], Collection[str]] = lambda photo: PICTURES,
) -> list[Path]:
    """The paths of the pictures, one per photo, in the folder that the option names, which is created; or the file.

    A picture's ending is `suffix_of(photo)`; a file has one of `endings_of(photo)`.
    """
    if _is_file(place):
        _check_file(photos, option, place, endings_of)
        return [place for _ in photos]
    folder = place
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{option} {folder}: expected a folder to write to, got: {error.strerror or error}") from None
    taken: set[str] = set()
    return [folder / _free_name(_stem(photo), suffix_of(photo), taken) for photo in photos]


def _is_file(place: Path) -> bool:
    from npfaceapi.photos.decoding import photo_suffixes
    from npfaceapi.video.decoding import SUFFIXES

    return place.suffix.lower() in photo_suffixes() | SUFFIXES and not place.is_dir()


def _check_file(photos: Sequence[str], option: str, file: Path, endings_of: Callable[[str], Collection[str]]) -> None:
    from npfaceapi.video.decoding import is_video

    if len(photos) > 1:
        kind = "video" if is_video(str(file)) else "photo"
        raise InvalidArgument(f"{option} {file}: expected one {kind} with the name of a file, got {len(photos)} files")
    for photo in photos:
        kind, endings = "video" if is_video(photo) else "photo", endings_of(photo)
        if file.suffix.lower() not in endings:
            expected = f"a folder, or for one {kind} a file named {'|'.join(endings)}"
            raise InvalidArgument(f"{option} {file}: expected {expected}, got another")


def paths_or_refusals(
    photos: Sequence[str], option: str, place: Path, paths: Sequence[Path], refusals: Sequence[InvalidArgument | None]
) -> list[Path | InvalidArgument]:
    """For each photo the path of its picture, or the error: its refusal, or that it lies in the folder of its own photo.

    Raises the refusal of a file.
    """
    if _is_file(place):
        for refusal in filter(None, refusals):
            raise refusal
        return list(paths)
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
