"""`npfaceapi match`: who is on the photos, out of a folder of known people."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import Any

from npfaceapi.commands.photos import (
    add_detector_arguments,
    chosen_backend,
    complain,
    detector_options,
    expand_photos,
    image_files,
    with_progress,
)
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType

__all__ = ["add_arguments", "run"]


def _distance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a distance from 0 up, got {text!r}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "known",
        type=Path,
        metavar="KNOWN_DIR",
        help="folder of known people: a photo each, named by file; or a subfolder of photos each",
    )
    add_detector_arguments(parser)
    parser.add_argument(
        "--tolerance",
        type=_distance,
        default=0.6,
        metavar="D",
        help="largest distance of a known person's descriptors (default: 0.6)",
    )


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.faces.matcher import FaceMatcher, LabeledFaceDescriptors

    with contextlib.ExitStack() as stack:
        stack.enter_context(chosen_backend(arguments.backend))
        options = detector_options(arguments)
        people, failed = _known_people(arguments.known, options)
        matcher = FaceMatcher(
            [LabeledFaceDescriptors(name, descriptors) for name, descriptors in people.items()], arguments.tolerance
        )
        photos, empty = expand_photos(arguments.photos)
        for folder in empty:
            complain(f"{folder}: expected a folder with image files, got none")
        failed += len(empty)
        rows: list[tuple[str, str, str, str]] = []
        for photo in with_progress(photos):
            try:
                found = _faces(photo, options)
            except (FetchError, InvalidArgument, InvalidType) as error:
                complain(error)
                failed += 1
                continue
            for face in found:
                best, box = matcher.find_best_match(face.descriptor), face.detection.box
                place = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
                rows.append((photo, place, best.label, f"{best.distance:.3f}"))
            if not found:
                rows.append((photo, "-", "no face", "-"))
    if rows:
        print(format_table(("file", "box (x, y, width, height)", "name", "distance"), rows, right=(3,)))
    return 1 if failed else 0


def _faces(photo: str, options: Any) -> list[Any]:
    from npfaceapi.tasks import detect_all_faces

    faces = detect_all_faces(photo, options).with_face_landmarks().with_face_descriptors().run()
    return [face for face in faces if face.descriptor is not None]


def _known_people(folder: Path, options: Any) -> tuple[dict[str, list[Any]], int]:
    """Descriptors by name, and how many photos gave none: of each photo the face with the highest score counts."""
    if not folder.is_dir():
        raise InvalidArgument(
            f"{folder}: expected a folder of known people, got {'a file' if folder.exists() else 'no such folder'}"
        )
    files = image_files(folder)
    people: dict[str, list[Any]] = {}
    failed = 0
    for file in with_progress([str(file) for file in files]):
        relative = Path(file).relative_to(folder)
        name = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        try:
            faces = _faces(file, options)
        except (FetchError, InvalidArgument, InvalidType) as error:
            complain(error)
            failed += 1
            continue
        if faces:
            people.setdefault(name, []).append(max(faces, key=lambda face: face.detection.score).descriptor)
        else:
            complain(f"{file}: expected a photo of {name}, got one without a face")
            failed += 1
    if not people:
        raise InvalidArgument(f"{folder}: expected photos of known people with faces, got {len(files)} photos with none")
    return people, failed
