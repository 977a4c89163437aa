"""Finding the photos in a folder of files."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from npfaceapi.output_files import is_drawing
from npfaceapi.photos.decoding import photo_suffixes

__all__ = ["FoundPhotos", "find_photos"]

#: Folders of thumbnails and of deleted files, in lower case; names that begin with a dot are hidden anyway.
_THUMBNAILS_AND_TRASH = {
    "#recycle",
    "$recycle.bin",
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "__macosx",
    "files_trashbin",
    "lost+found",
    "network trash folder",
    "recycler",
    "system volume information",
    "thumbnails",
    "thumbs",
}
_PREVIEWS = (".lrdata",)  # Lightroom's folders of previews
#: Formats for which Pillow needs a plugin, and the plugin's package.
_PLUGINS = {".heic": "pillow-heif", ".heif": "pillow-heif", ".avif": "--upgrade pillow", ".jxl": "pillow-jxl-plugin"}
_MOST_REASONS = 6  # listed individually


@dataclass
class FoundPhotos:
    """The result of a search for photos.

    Attributes
    ----------
    files : list of str
        The photos, by name.
    problems : list of str
        A line for each folder or link that could not be read, with the reason.
    left_out : Counter of str
        How many other files and folders were left out, by reason.
    """

    files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def left_out_line(self) -> str:
        """What was left out, with counts, in one line; "" if nothing was."""
        reasons = sorted(self.left_out.items(), key=lambda reason: (-reason[1], reason[0]))
        parts = [f"{count:,} {reason}" for reason, count in reasons[:_MOST_REASONS]]
        if len(reasons) > _MOST_REASONS:
            parts.append(f"{sum(count for _, count in reasons[_MOST_REASONS:]):,} others")
        return ", ".join(parts)


def find_photos(folder: str | os.PathLike[str], others: frozenset[str] = frozenset()) -> FoundPhotos:
    """The photos in a folder and below it.

    The suffix of its name decides whether a file is a photo.  Symbolic links are followed; each folder is searched once.  Hidden
    files and folders, folders of thumbnails and of deleted files, and drawings written by `npfaceapi` are left out.

    Parameters
    ----------
    folder : str or path
        Where to look.
    others : frozenset of str
        Suffixes of further files to find, such as ".mp4", in lower case.

    Returns
    -------
    FoundPhotos
        A folder that cannot be read is listed in `problems`; nothing is raised.
    """
    found, suffixes = FoundPhotos(), photo_suffixes() | others
    links: list[str] = []  # to folders; searched last, so that a folder found directly keeps its own path
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    while waiting or links:
        place = waiting.pop() if waiting else links.pop(0)
        try:
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in seen:
                found.left_out["linked twice"] += 1
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                _look_at(sorted(entries, key=lambda entry: entry.name), found, suffixes, waiting, links)
        except OSError as error:
            found.problems.append(f"{place}: expected a folder that can be read, got: {error.strerror or error}")
    found.files.sort()
    return found


def _look_at(
    entries: list[os.DirEntry[str]], found: FoundPhotos, suffixes: frozenset[str], waiting: list[str], links: list[str]
) -> None:
    """Sort the entries of one folder into photos, folders to search, and what is left out."""
    for entry in entries:
        name, suffix = entry.name.lower(), Path(entry.name).suffix.lower()
        if name.startswith("."):
            found.left_out["hidden"] += 1
            continue
        try:
            is_folder = entry.is_dir()
            is_file = entry.is_file()
        except OSError as error:
            found.problems.append(f"{entry.path}: expected a file or a folder, got: {error.strerror or error}")
            continue
        if is_folder:
            if name in _THUMBNAILS_AND_TRASH or name.endswith(_PREVIEWS):
                found.left_out["of thumbnails or deleted files"] += 1
            elif entry.is_symlink():
                links.append(entry.path)
            else:
                waiting.append(entry.path)
        elif suffix not in suffixes:
            found.left_out[_reason(suffix)] += 1
        elif not is_file:
            kind = "a link to nothing" if entry.is_symlink() else "a device or a pipe"
            found.problems.append(f"{entry.path}: expected a file or a folder, got {kind}")
        elif suffix == ".png" and is_drawing(entry.path):
            found.left_out["drawn by npfaceapi"] += 1
        else:
            found.files.append(entry.path)


def _reason(suffix: str) -> str:
    if suffix in _PLUGINS:
        return f"{suffix[1:].upper()} (pip install {_PLUGINS[suffix]})"
    return suffix or "without an ending"
