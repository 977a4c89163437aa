"""What the commands that read photos share: finding the files, progress, the choice of the detector."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from npfaceapi.commands.options import IN_USE, add_shared, name_among
from npfaceapi.errors import one_line
from npfaceapi.networks.registry import DETECTORS, detector_called, shown

__all__ = [
    "DEFAULT_DETECTOR",
    "add_detector_arguments",
    "add_detector_choice",
    "chosen_backend",
    "complain",
    "detector_options",
    "expand_photos",
    "image_files",
    "with_progress",
]

DEFAULT_DETECTOR = next(iter(DETECTORS))
IMAGE_SUFFIXES = {".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".jp2", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp"}


def probability(text: str) -> float:
    """A number in [0, 1], for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number in [0, 1], got {text!r}")
    return value


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image file or URL (or folder of image files)")
    add_detector_choice(parser, DEFAULT_DETECTOR)


def add_detector_choice(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    parser.add_argument(
        "--detector",
        type=name_among(DETECTORS, "detector"),
        default=default,
        metavar="NAME",
        help=f"what finds the faces (one of {shown(DETECTORS)}; default: {DEFAULT_DETECTOR})",
    )
    parser.add_argument(
        "--min-confidence", type=probability, metavar="X", help="smallest score of a face (0 to 1; default: 0.5, with mtcnn 0.7)"
    )
    add_shared(parser, "--backend", IN_USE)


@contextmanager
def chosen_backend(name: str | None) -> Iterator[None]:
    """Run on that backend, or on the current one; what is wrong with it or the threads shows before the first photo."""
    from npfaceapi.engines.dispatch import current_backend, use_backend
    from npfaceapi.engines.thread_count import get_num_threads

    get_num_threads()
    with use_backend(name or current_backend()):
        yield


def detector_options(arguments: argparse.Namespace) -> Any:
    """The options object that the arguments ask for."""
    options = detector_called(arguments.detector).options()
    return options if arguments.min_confidence is None else options.with_least_score(arguments.min_confidence)


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder and below it, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def expand_photos(photos: Sequence[str]) -> tuple[list[str], list[str]]:
    """Folders replaced by the image files in them; and the folders that hold none."""
    files: list[str] = []
    empty: list[str] = []
    for photo in photos:
        if os.path.isdir(photo):  # unlike Path.is_dir, takes any text
            found = [str(path) for path in image_files(Path(photo))]
            files.extend(found)
            if not found:
                empty.append(photo)
        else:
            files.append(photo)
    return files, empty


def with_progress(items: Sequence[str]) -> Iterator[str]:
    """The items, with "[3/10] name" on standard error while one is worked on: only for several, only on a terminal."""
    shown = len(items) > 1 and sys.stderr.isatty()
    for i, item in enumerate(items, 1):
        if shown:
            line = f"[{i}/{len(items)}] {item}"[: shutil.get_terminal_size().columns - 1]  # a longer one could not be wiped out
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        yield item
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def complain(error: object, where: str = "npfaceapi") -> None:
    """One line on standard error; a progress line under it is wiped out."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{start}{where}: {one_line(str(error))}", file=sys.stderr)
