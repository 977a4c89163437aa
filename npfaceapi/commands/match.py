"""`npfaceapi match`: who is on the photos, out of a folder of known people."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npfaceapi.commands.json_lines import json_lines
from npfaceapi.commands.options import add_overwrite, add_shared, weights_read
from npfaceapi.commands.photos import (
    add_detector_arguments,
    chosen_backend,
    complain,
    detector_options,
    expand_photos,
    load_detector,
    photo_limit,
    photos_in,
    read_photo,
    with_progress,
)
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, printable
from npfaceapi.output_files import Output, check_outputs, is_json_lines

if TYPE_CHECKING:
    from npfaceapi.faces.detection import FaceDetection
    from npfaceapi.faces.matcher import FaceMatch

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
    add_shared(parser, "--json", "a line a photo")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.faces.matcher import FaceMatcher, LabeledFaceDescriptors

    photos, failed = expand_photos(arguments.photos)
    if arguments.json is not None:
        output = Output("--json", arguments.json, is_json_lines("matches"))
        check_outputs([output], [arguments.known, *photos, *weights_read(arguments)], overwrite=arguments.overwrite)
    load_detector(arguments)
    rows: list[tuple[str, str, str, str]] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(photo_limit(arguments.max_megapixels))
        stack.enter_context(chosen_backend(arguments.backend))
        options = detector_options(arguments)
        people, without = _known_people(arguments.known, options)
        failed += without
        matcher = FaceMatcher(
            [LabeledFaceDescriptors(name, descriptors) for name, descriptors in people.items()], arguments.tolerance
        )
        lines = stack.enter_context(json_lines(arguments.json))
        for photo in with_progress(photos):
            record: dict[str, Any] = {"photo": photo}
            try:
                found = _faces(photo, options)
            except (FetchError, InvalidArgument, InvalidType) as error:
                complain(error)
                failed += 1
                record["error"] = str(error)
            else:
                matches = [(face.detection, matcher.find_best_match(face.descriptor)) for face in found]
                rows += _rows(photo, matches)
                record["matches"] = [
                    {"name": best.label, "distance": best.distance, "detection": detection.to_dict()}
                    for detection, best in matches
                ]
            if lines is not None:
                print(json.dumps(record), file=lines, flush=True)
    if rows and arguments.json != "-":
        print(format_table(("file", "box (x, y, width, height)", "name", "distance"), rows, right=(3,)))
    return 1 if failed else 0


def _rows(photo: str, matches: list[tuple[FaceDetection, FaceMatch]]) -> list[tuple[str, str, str, str]]:
    rows = []
    for detection, best in matches:
        box = detection.box
        place = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
        rows.append((printable(photo), place, printable(best.label), f"{best.distance:.3f}"))
    return rows or [(printable(photo), "-", "no face", "-")]


def _faces(photo: str, options: Any) -> list[Any]:
    from npfaceapi.tasks import detect_all_faces

    faces = detect_all_faces(read_photo(photo), options).with_face_landmarks().with_face_descriptors().run()
    return [face for face in faces if face.descriptor is not None]


def _known_people(folder: Path, options: Any) -> tuple[dict[str, list[Any]], int]:
    """Descriptors by name, and how many photos gave none: of each photo the face with the highest score counts."""
    if not folder.is_dir():
        raise InvalidArgument(
            f"{folder}: expected a folder of known people, got {'a file' if folder.exists() else 'no such folder'}"
        )
    files, failed = photos_in(folder)
    people: dict[str, list[Any]] = {}
    for file in with_progress(files):
        relative = Path(file).relative_to(folder)
        name = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        try:
            faces = _faces(file, options)
        except (FetchError, InvalidArgument, InvalidType) as error:
            complain(error)
            failed += 1
            continue
        if len(faces) > 1:
            complain(
                f"{file}: expected a photo of {name} alone, got one with {len(faces)} faces: that of the highest score counts"
            )
        if faces:
            people.setdefault(name, []).append(max(faces, key=lambda face: face.detection.score).descriptor)
        else:
            complain(f"{file}: expected a photo of {name}, got one without a face")
            failed += 1
    if not people:
        raise InvalidArgument(f"{folder}: expected photos of known people with faces, got {_count(len(files))}")
    return people, failed


def _count(photos: int) -> str:
    return "no photo" if photos == 0 else f"{photos} photo{'' if photos == 1 else 's'} with none"
