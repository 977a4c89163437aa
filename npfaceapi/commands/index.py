"""`npfaceapi index`: bring an index file up to date with photos on disk."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npfaceapi.commands.evaluate import ALIGNMENTS
from npfaceapi.commands.index_file import whole_number
from npfaceapi.commands.photos import add_detector_choice, chosen_backend, complain, detector_options, load_detector, photo_limit
from npfaceapi.display.standard_error import is_terminal, say
from npfaceapi.errors import InvalidArgument, printable

if TYPE_CHECKING:
    from npfaceapi.collection.adding import Added
    from npfaceapi.collection.worker import PhotoRows

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="*", metavar="PHOTO|FOLDER", help="image or video file, or folder of such files")
    parser.add_argument("--into", type=Path, required=True, metavar="FILE", help="the index: an SQLite file, made if missing")
    add_detector_choice(parser)
    parser.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        help="cut out faces as the network was trained (turned and scaled), or as face-api.js does (default: as the index was "
        "made, else dlib)",
    )
    parser.add_argument(
        "--average-mirror", action="store_true", default=None, help="average each descriptor with that of the mirror image"
    )
    parser.add_argument(
        "--any-rotation",
        action="store_true",
        default=None,
        help="also look at each photo turned by 90, 180 and 270 degrees, and keep the orientation with the best faces (default: "
        "as the index was made, else not)",
    )
    parser.add_argument("--workers", type=whole_number, metavar="N", help="number of processes (default: one per core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="compute on the workers of this Dask scheduler instead")
    parser.add_argument("--again", action="store_true", help="compute known photos anew; needed when options change")
    parser.add_argument("--prune", action="store_true", help="remove photos from the index that have vanished from disk")


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.collection.face_index import FaceIndex

    if not arguments.photos and not arguments.prune:
        raise InvalidArgument("expected photos or folders to index, got none")
    options = _options(arguments)
    with contextlib.ExitStack() as stack:
        stack.enter_context(photo_limit(arguments.max_megapixels))
        stack.enter_context(chosen_backend(arguments.backend))
        index = stack.enter_context(
            FaceIndex(
                arguments.into,
                options,
                alignment=arguments.alignment,
                average_mirror=arguments.average_mirror,
                any_rotation=arguments.any_rotation,
            )
        )
        failed = False
        if arguments.photos:
            progress = _Progress()
            added = index.add(
                arguments.photos,
                workers=arguments.workers,
                again=arguments.again,
                scheduler=arguments.scheduler,
                progress=progress,
            )
            progress.clear()
            failed = bool(added.problems or progress.unreadable)
            for problem in added.problems:
                complain(problem)
            for path in added.lost_names:
                complain(f"{path}: changed, and a face with a name is not found in it any more")
            print(_summary(added))
        if arguments.prune:
            removed = index.prune()
            print(f"{removed:,} vanished photo{'' if removed == 1 else 's'} removed")
        faces = len(index)
        print(f"{arguments.into}: {faces:,} face{'' if faces == 1 else 's'}")
    return 1 if failed else 0


def _options(arguments: argparse.Namespace) -> Any:
    """The options of the detector asked for; None if nothing is said of it."""
    if arguments.detector is None:
        for name in ("min_confidence", "input_size", "weights"):
            if getattr(arguments, name) is not None:
                raise InvalidArgument(f"--{name.replace('_', '-')}: expected --detector NAME with it, got none")
        return None
    load_detector(arguments)
    return detector_options(arguments)


def _summary(added: Added) -> str:
    photos, faces = "photo" if added.computed == 1 else "photos", "face" if added.faces == 1 else "faces"
    parts = [f"{added.computed:,} {photos} computed: {added.faces:,} {faces}"]
    if added.without_face:
        parts.append(f"{added.without_face:,} without a face")
    if added.unreadable:
        parts.append(f"{added.unreadable:,} unreadable")
    for count, text in (
        (added.unchanged, "unchanged"),
        (added.moved, "moved"),
        (added.copied, "copies"),
        (added.vanished, "vanished"),
    ):
        if count:
            parts.append(f"{count:,} {text}")
    if added.left_out:
        count = sum(added.left_out.values())
        parts.append(f"{count:,} other file{'' if count == 1 else 's'} left out")
    return ", ".join(parts)


class _Progress:
    """Prints what could not be read, and on a terminal "[30/100] 8.1 photos/s, 9 s left NAME"."""

    def __init__(self) -> None:
        self.unreadable = 0
        self._start = time.monotonic()
        self._shown = is_terminal()

    def __call__(self, done: int, total: int, rows: PhotoRows) -> None:
        self.unreadable += rows.photo["outcome"] == "unreadable"
        if rows.photo["reason"] is not None:
            complain(f"{rows.photo['path']}: {rows.photo['reason']}")
        if self._shown and total > 1:
            rate = done / max(time.monotonic() - self._start, 1e-9)
            left = round((total - done) / rate)
            clock = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
            line = f"[{done:,}/{total:,}] {rate:.1f} photos/s, {clock} left, {printable(rows.photo['path'])}"
            say(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}", end="")

    def clear(self) -> None:
        if self._shown:
            say("\r\x1b[K", end="")
