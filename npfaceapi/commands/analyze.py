"""`npfaceapi analyze`: the faces of photos, as a table, JSON lines and annotated pictures."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from npfaceapi.commands.options import add_shared
from npfaceapi.commands.photos import (
    add_detector_arguments,
    chosen_backend,
    complain,
    detector_options,
    expand_photos,
    with_progress,
)
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType
from npfaceapi.export.writing import write_whole

if TYPE_CHECKING:
    from npfaceapi.faces.results import FaceResult

__all__ = ["add_arguments", "run"]

PARTS = ("detection", "landmarks", "expressions", "age-gender", "descriptors")


def _parts(text: str) -> set[str]:
    parts = set(text.split(","))
    if not parts <= set(PARTS):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(PARTS)}, got {text!r}")
    return parts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_detector_arguments(parser)
    parser.add_argument(
        "--only",
        type=_parts,
        default=set(PARTS),
        metavar="PARTS",
        help=f"compute these steps only ({', '.join(PARTS)}, separated by commas; default: all)",
    )
    parser.add_argument(
        "--draw", type=Path, metavar="DIR", help="write each photo with its faces drawn in, as a PNG, into this folder"
    )
    add_shared(parser, "--json", "a line a photo")


def run(arguments: argparse.Namespace) -> int:
    photos, empty = expand_photos(arguments.photos)
    for folder in empty:
        complain(f"{folder}: expected a folder with image files, got none")
    if arguments.draw is not None:
        try:
            arguments.draw.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(f"--draw {arguments.draw}: expected a folder to write to, got: {error.strerror}") from None
    with contextlib.ExitStack() as stack:
        stack.enter_context(chosen_backend(arguments.backend))
        lines = stack.enter_context(_json_lines(arguments.json))
        drawn: set[str] = set()
        failed = len(empty)
        for photo in with_progress(photos):
            failed += not _analyze(photo, arguments, lines, drawn)
    return 1 if failed else 0


@contextlib.contextmanager
def _json_lines(target: str | None) -> Iterator[IO[str] | None]:
    if target is None or target == "-":
        yield sys.stdout if target else None
        return
    try:
        file = open(target, "w", encoding="utf-8")  # noqa: SIM115 - closed below, after errors of its own
    except OSError as error:
        raise InvalidArgument(f"--json {target}: expected a file to write to, got: {error.strerror}") from None
    with file:
        yield file


def _analyze(photo: str, arguments: argparse.Namespace, lines: IO[str] | None, drawn: set[str]) -> bool:
    from npfaceapi.photos.net_input import load_image

    try:
        image = load_image(photo)
        faces = _faces(image, arguments)
    except (FetchError, InvalidArgument, InvalidType) as error:  # of this photo; others stop the command
        complain(error)
        if lines is not None:
            print(json.dumps({"photo": photo, "error": str(error)}), file=lines, flush=True)
        return False
    H, W = image.shape[:2]
    if lines is not None:
        record = {"photo": photo, "width": W, "height": H, "faces": [face.to_dict() for face in faces]}
        print(json.dumps(record), file=lines, flush=True)
    if lines is not sys.stdout:
        print(f"{photo}: {W}x{H}, {len(faces)} face{'' if len(faces) == 1 else 's'}")
        if faces:
            print(_table(faces))
    if arguments.draw is not None:
        try:
            _draw(photo, image, faces, arguments.draw, drawn)
        except InvalidArgument as error:  # the answers are out already, so a full disk costs the picture alone
            complain(error)
            return False
    return True


def _faces(image: Any, arguments: argparse.Namespace) -> list[FaceResult]:
    from npfaceapi.faces.results import FaceResult
    from npfaceapi.tasks import detect_all_faces

    only: set[str] = arguments.only
    task = detect_all_faces(image, detector_options(arguments))
    if only & {"landmarks", "descriptors"}:
        task = task.with_face_landmarks()
    if "expressions" in only:
        task = task.with_face_expressions()
    if "age-gender" in only:
        task = task.with_age_and_gender()
    if "descriptors" in only:
        task = task.with_face_descriptors()
    return [face if isinstance(face, FaceResult) else FaceResult(face) for face in task.run()]


def _table(faces: list[FaceResult]) -> str:
    rows = []
    for i, face in enumerate(faces, 1):
        box = face.detection.box
        gender, expression = "-", "-"
        if face.gender is not None and face.gender_probability is not None:
            gender = f"{face.gender} ({face.gender_probability:.2f})"
        if face.expressions is not None:
            best = face.expressions.as_sorted_array()[0]
            expression = f"{best.expression} ({best.probability:.2f})"
        place = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
        age = "-" if face.age is None else f"{face.age:.0f}"
        rows.append((i, place, f"{face.detection.score:.3f}", age, gender, expression))
    return format_table(
        ("#", "box (x, y, width, height)", "score", "age", "gender", "expression"), rows, right=(0, 2, 3), indent="  "
    )


def _draw(photo: str, image: Any, faces: list[FaceResult], folder: Path, drawn: set[str]) -> None:
    """Write the annotated photo as a PNG, completely or not at all; a second photo of one name gets a number."""
    from npfaceapi import draw
    from npfaceapi.photos.decoding import to_pil
    from npfaceapi.photos.net_input import load_image

    stem = Path(photo.rstrip("/")).stem or "photo"
    name, again = f"{stem}.png", 1
    while name in drawn:
        again += 1
        name = f"{stem}-{again}.png"
    drawn.add(name)
    if Path(photo).exists() and Path(photo).parent.resolve() == folder.resolve():
        raise InvalidArgument(
            f"{photo}: expected --draw to name another folder than the photo's own, got {folder}: nothing is overwritten"
        )
    picture = to_pil(load_image(image))
    draw.draw_detections(picture, [face.detection for face in faces])
    draw.draw_face_landmarks(picture, [face for face in faces if face.landmarks is not None])
    for face in faces:
        lines = []
        if face.age is not None:
            lines.append(f"{face.gender}, {face.age:.0f}")
        if face.expressions is not None:
            best = face.expressions.as_sorted_array()[0]
            lines.append(f"{best.expression} ({best.probability:.2f})")
        if lines:
            draw.DrawTextField(lines, face.detection.box.bottom_left).draw(picture)
    png = io.BytesIO()
    picture.save(png, "PNG")
    write_whole(folder / name, png.getvalue(), "to write the picture")
