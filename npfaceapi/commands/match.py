"""`npfaceapi match`: which people of a folder of known people are in the photos."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npfaceapi.commands.evaluate import add_descriptor_arguments
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
    probability,
    read_photo,
    with_progress,
)
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, printable
from npfaceapi.output_files import Output, check_outputs, is_json_lines

if TYPE_CHECKING:
    from npfaceapi.faces.calibration import Calibration
    from npfaceapi.faces.detection import FaceDetection
    from npfaceapi.faces.matcher import FaceMatch

__all__ = ["add_arguments", "distance", "run"]


def distance(text: str) -> float:
    """For argparse: a distance from 0 up."""
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
        help="folder of known people (for each person, one photo named after them or a subfolder of photos)",
    )
    add_detector_arguments(parser)
    add_descriptor_arguments(parser)
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--tolerance",
        type=distance,
        metavar="D",
        help="largest distance at which a face counts as a known person (default: 0.6)",
    )
    limit.add_argument(
        "--false-match-rate",
        type=probability,
        metavar="R",
        help="instead of --tolerance: the share of unknown people that may be taken for a known one",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="what distances mean: a file that npfaceapi calibrate wrote (default: measured on LFW)",
    )
    add_shared(parser, "--json", "one line per photo")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.faces.matcher import FaceMatcher, LabeledFaceDescriptors

    calibration = _calibration(arguments)
    photos, failed = expand_photos(arguments.photos)
    if arguments.json is not None:
        output = Output("--json", arguments.json, is_json_lines("matches"))
        inputs = [arguments.known, *photos, *weights_read(arguments)] + ([arguments.calibration] if arguments.calibration else [])
        check_outputs([output], inputs, overwrite=arguments.overwrite)
    load_detector(arguments)
    rows: list[tuple[str, ...]] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(photo_limit(arguments.max_megapixels))
        stack.enter_context(chosen_backend(arguments.backend))
        options = detector_options(arguments)
        describe = partial(_faces, options=options, alignment=arguments.alignment, average_mirror=arguments.average_mirror)
        people, without = _known_people(arguments.known, describe)
        failed += without
        tolerance = 0.6 if arguments.tolerance is None else arguments.tolerance
        if arguments.false_match_rate is not None:
            tolerance = calibration.threshold(arguments.false_match_rate, len(people)).value
        matcher = FaceMatcher([LabeledFaceDescriptors(name, descriptors) for name, descriptors in people.items()], tolerance)
        lines = stack.enter_context(json_lines(arguments.json))
        for photo in with_progress(photos):
            record: dict[str, Any] = {"photo": photo}
            try:
                found = describe(photo)
            except (FetchError, InvalidArgument, InvalidType) as error:
                complain(error)
                failed += 1
                record["error"] = str(error)
            else:
                matches = [(face.detection, matcher.find_best_match(face.descriptor)) for face in found]
                rows += _rows(photo, matches, calibration)
                record["matches"] = [
                    {
                        "name": best.label,
                        "distance": best.distance,
                        "probability": _probability(best, calibration),
                        "detection": detection.to_dict(),
                    }
                    for detection, best in matches
                ]
            if lines is not None:
                print(json.dumps(record), file=lines, flush=True)
    if rows and arguments.json != "-":
        print(format_table(("file", "box (x, y, width, height)", "name", "distance", "probability"), rows, right=(3, 4)))
    return 1 if failed else 0


def _calibration(arguments: argparse.Namespace) -> Calibration:
    """The calibration of the file, or the bundled one; it must be for descriptors made the way they are here."""
    from npfaceapi.faces.calibration import Calibration

    made = arguments.alignment, arguments.average_mirror
    if arguments.calibration is None:
        return Calibration.bundled(*made)
    calibration = Calibration.load(arguments.calibration)
    if (calibration.alignment, calibration.average_mirror) != made:
        raise InvalidArgument(
            f"--calibration {arguments.calibration}: expected one for descriptors made as here "
            f"(alignment {made[0]}, average_mirror {made[1]}), got {calibration.alignment}, {calibration.average_mirror}"
        )
    return calibration


def _probability(best: FaceMatch, calibration: Calibration) -> float:
    """The probability that the face is the nearest known person, with a prior of 1/2."""
    return calibration.probability_same(best.distance).value


def _rows(photo: str, matches: list[tuple[FaceDetection, FaceMatch]], calibration: Calibration) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for detection, best in matches:
        box = detection.box
        place = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
        rows.append(
            (printable(photo), place, printable(best.label), f"{best.distance:.3f}", f"{_probability(best, calibration):.3f}")
        )
    return rows or [(printable(photo), "-", "no face", "-", "-")]


def _faces(photo: str, options: Any, alignment: str, average_mirror: bool) -> list[Any]:
    from npfaceapi.photos.quality import face_quality
    from npfaceapi.tasks import detect_all_faces

    image = read_photo(photo)
    task = detect_all_faces(image, options).with_face_landmarks()
    faces = [face for face in task.with_face_descriptors(alignment, average_mirror).run() if face.descriptor is not None]
    for number, face in enumerate(faces, 1):
        if doubts := face_quality(image, face).doubts:
            complain(f"{photo}: face {number}: {'; '.join(doubts)}")
    return faces


def _known_people(folder: Path, describe: Callable[[str], list[Any]]) -> tuple[dict[str, list[Any]], int]:
    """Descriptors by name, from the best-scored face of each photo, and the number of photos that gave none."""
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
            faces = describe(file)
        except (FetchError, InvalidArgument, InvalidType) as error:
            complain(error)
            failed += 1
            continue
        if len(faces) > 1:
            complain(f"{file}: expected a photo of {name} alone, got one with {len(faces)} faces: the highest score is used")
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
