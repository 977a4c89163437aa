"""Shared by the commands that read photos: finding files, progress, the choice of the detector."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from npfaceapi.commands.options import IN_USE, add_shared, name_among, weights_read
from npfaceapi.display.standard_error import is_terminal, say
from npfaceapi.errors import ImageError, InvalidArgument, one_line, printable
from npfaceapi.networks.registry import DETECTORS, detector_called, listed
from npfaceapi.networks.unbundled import VARIABLE

if TYPE_CHECKING:
    from npfaceapi.photos.net_input import Pixels

__all__ = [
    "DEFAULT_DETECTOR",
    "add_any_rotation",
    "add_detector_arguments",
    "add_detector_choice",
    "chosen_backend",
    "complain",
    "detector_options",
    "expand_photos",
    "held_complaints",
    "load_detector",
    "photo_limit",
    "photos_in",
    "probability",
    "read_photo",
    "with_progress",
]

DEFAULT_DETECTOR = next(iter(DETECTORS))


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
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="image file or URL (or folder of image files, or - for standard input)"
    )
    add_detector_choice(parser, DEFAULT_DETECTOR)


def add_any_rotation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--any-rotation",
        action="store_true",
        help="also look at each photo turned by 90, 180 and 270 degrees, and keep the orientation with the best faces (detection "
        "takes four times as long)",
    )


def add_detector_choice(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    parser.add_argument(
        "--detector",
        type=name_among(DETECTORS, "detector"),
        default=default,
        metavar="NAME",
        help=f"detector that finds the faces (one of {listed(DETECTORS)}; default: {DEFAULT_DETECTOR})",
    )
    parser.add_argument(
        "--min-confidence", type=probability, metavar="X", help="smallest score of a face (0 to 1; default: 0.5, with mtcnn 0.7)"
    )
    parser.add_argument(
        "--input-size",
        type=int,
        metavar="N",
        help="side of the input of tiny_face_detector or tiny_yolov2, in pixels (a multiple of 32; default: 416)",
    )
    parser.add_argument(
        "--max-megapixels",
        type=megapixels,
        metavar="N",
        help="largest photo in million pixels; raise it for trusted photos only (default: NPFACEAPI_MAX_MEGAPIXELS, else 89)",
    )
    own = f"for the detector tiny_yolov2, whose weights are not bundled; default: the folder named by {VARIABLE}"
    add_shared(parser, "--weights", own)
    add_shared(parser, "--backend", IN_USE)


def load_detector(arguments: argparse.Namespace) -> None:
    """Load the weights that the arguments or the environment name, into the variant of Tiny YOLO v2 that they belong to.

    Raises
    ------
    InvalidArgument
        If the detector has no such option or weights.
    """
    detector_options(arguments)
    folders = weights_read(arguments)
    if arguments.detector == "tiny_yolov2" and folders:
        from npfaceapi import nets
        from npfaceapi.networks.tiny_yolov2 import variant_in

        nets.tiny_yolov2 = variant_in(folders[0])
    elif arguments.weights is not None:
        raise InvalidArgument(f"--weights: expected --detector tiny_yolov2 with it, got {arguments.detector}")


def megapixels(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


@contextmanager
def photo_limit(most: float | None) -> Iterator[None]:
    """Read photos of up to `most` megapixels; a wrong limit in the environment raises before the first photo."""
    from npfaceapi.photos.limits import max_pixels, set_max_megapixels

    if most is not None:
        set_max_megapixels(most)
    try:
        max_pixels()
        yield
    finally:
        if most is not None:
            set_max_megapixels(None)


@contextmanager
def chosen_backend(name: str | None) -> Iterator[None]:
    """Run on that backend, or on the current one; a missing backend or wrong threads raise before the first photo."""
    from npfaceapi.engines.dispatch import current_backend, use_backend
    from npfaceapi.engines.thread_count import get_num_threads

    get_num_threads()
    with use_backend(name or current_backend()):
        yield


def detector_options(arguments: argparse.Namespace) -> Any:
    """The options object that the arguments ask for."""
    options = detector_called(arguments.detector).options()
    if arguments.input_size is not None:
        if not hasattr(options, "input_size"):
            raise InvalidArgument(
                f"--input-size: expected --detector tiny_face_detector or tiny_yolov2 with it, got {arguments.detector}"
            )
        options = dataclasses.replace(options, input_size=arguments.input_size)
    return options if arguments.min_confidence is None else options.with_least_score(arguments.min_confidence)


def photos_in(folder: str | os.PathLike[str]) -> tuple[list[str], int]:
    """The photos in a folder and its subfolders, by name, and the number of failures; prints what fails or is left out."""
    from npfaceapi.photos.folders import find_photos

    found = find_photos(folder)
    for problem in found.problems:
        complain(problem)
    if found.left_out:
        complain(f"{os.fspath(folder)}: left out {found.left_out_line()}")
    return found.files, len(found.problems)


def expand_photos(photos: Sequence[str]) -> tuple[list[str], int]:
    """Replace folders by the photos in them; also gives the number of folders that failed or hold none."""
    files: list[str] = []
    failed = 0
    for photo in photos:
        if not os.path.isdir(photo):
            files.append(photo)
            continue
        found, problems = photos_in(photo)
        files += found
        failed += problems
        if not found and not problems:
            complain(f"{photo}: expected a folder with image files, got none")
            failed += 1
    return files, failed


def read_photo(photo: str) -> Pixels:
    """The pixels [H,W,3] of a file, a URL, or "-", which is standard input."""
    from npfaceapi.photos.net_input import load_image

    if photo != "-":
        return load_image(photo)
    if sys.stdin is None:
        raise ImageError("standard input: expected an image file, got none: it is closed")
    return load_image(sys.stdin.buffer.read(), "standard input")


def with_progress(items: Sequence[str]) -> Iterator[str]:
    """Yield the items; if there are several, show "[3/10] name" on standard error, if that is a terminal."""
    shown = len(items) > 1 and is_terminal()
    for i, item in enumerate(items, 1):
        if shown:
            line = f"[{i}/{len(items)}] {printable(item)}"
            line = line[: shutil.get_terminal_size().columns - 1]  # a longer line could not be erased
            say(f"\r\x1b[K{line}", end="")
        yield item
        if shown:
            say("\r\x1b[K", end="")


_held: ContextVar[list[tuple[object, str]] | None] = ContextVar("held", default=None)


def complain(error: object, where: str = "npfaceapi") -> None:
    """Print one line on standard error, in place of a progress line; or keep it, in a block of `held_complaints`."""
    held = _held.get()
    if held is not None:
        held.append((error, where))
        return
    start = "\r\x1b[K" if is_terminal() else ""
    say(f"{start}{where}: {one_line(str(error))}")


@contextmanager
def held_complaints() -> Iterator[list[tuple[object, str]]]:
    """Keep what this thread complains of, as arguments of `complain`."""
    held: list[tuple[object, str]] = []
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)
