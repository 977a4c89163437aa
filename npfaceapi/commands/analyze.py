"""`npfaceapi analyze`: the faces of photos and videos, as a table, JSON lines and annotated pictures and videos."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from npfaceapi.commands.json_lines import json_lines
from npfaceapi.commands.options import add_overwrite, add_shared, weights_read
from npfaceapi.commands.photos import (
    add_any_rotation,
    add_detector_arguments,
    chosen_backend,
    complain,
    detector_options,
    expand_photos,
    load_detector,
    photo_limit,
    read_photo,
    with_progress,
)
from npfaceapi.commands.picture_files import PICTURES, paths_or_refusals, picture_paths
from npfaceapi.commands.side_by_side import in_order
from npfaceapi.display.plain_table import format_table
from npfaceapi.display.standard_error import is_terminal, say
from npfaceapi.errors import BackendUnavailable, FetchError, InvalidArgument, InvalidType, printable
from npfaceapi.output_files import DRAWN_BY, MADE_BY, Output, is_drawing, is_json_lines, refused_outputs, write_whole

if TYPE_CHECKING:
    from npfaceapi.faces.results import FaceResult, Faces
    from npfaceapi.photos.net_input import Pixels
    from npfaceapi.photos.quality import FaceQuality
    from npfaceapi.video.analysis import VideoAnalysis

__all__ = ["add_arguments", "run"]

CELLS = ("box (x, y, width, height)", "score", "age", "gender", "expression")
QUALITY = 95
PARTS = ("detection", "landmarks", "expressions", "age-gender", "descriptors")


def _parts(text: str) -> set[str]:
    parts = set(text.split(","))
    if not parts <= set(PARTS):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(PARTS)}, got {text!r}")
    return parts


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0 up, got {text!r}")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_detector_arguments(parser)
    parser.add_argument(
        "--only",
        type=_parts,
        default=set(PARTS),
        metavar="PARTS",
        help=f"compute only these ({', '.join(PARTS)}, separated by commas; default: all)",
    )
    add_any_rotation(parser)
    parser.add_argument(
        "--every",
        type=_seconds,
        metavar="SECONDS",
        help="interval of the frames of a video that are analysed (0: all; default: 0.5)",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="DIR|FILE",
        help="write each photo with its faces marked into this folder, as a PNG, and each video as an MP4; for one photo also a "
        "file (.png or .jpg), for one video too (.mp4, .mov or .mkv)",
    )
    add_shared(parser, "--json", "one line per photo")
    add_overwrite(parser)


class _Analysis(NamedTuple):
    """What is known of a photo; of one that cannot be read, why; nothing yet of a video."""

    error: Exception | None = None
    width: int = 0
    height: int = 0
    faces: Any = ()
    qualities: Sequence[FaceQuality | None] = ()
    image: Pixels | None = None  # only if it is drawn


def run(arguments: argparse.Namespace) -> int:
    photos, failed = expand_photos(arguments.photos)
    if arguments.every is not None and not any(map(_is_video, photos)):
        raise InvalidArgument("--every: expected a video with it, got none")
    drawings = _check_outputs(arguments, photos)
    load_detector(arguments)
    with contextlib.ExitStack() as stack:
        stack.enter_context(photo_limit(arguments.max_megapixels))
        stack.enter_context(chosen_backend(arguments.backend))
        lines = stack.enter_context(json_lines(arguments.json))
        results = stack.enter_context(contextlib.closing(in_order(partial(_analyzed, arguments=arguments), photos)))
        for photo, drawing, analysis in zip(with_progress(photos), drawings, results, strict=True):
            if _is_video(photo):
                failed += not _analyze_video(photo, arguments, lines, drawing)
            else:
                failed += not _report(photo, analysis, arguments, lines, drawing)
    return 1 if failed else 0


def _analyzed(photo: str, arguments: argparse.Namespace) -> _Analysis:
    from npfaceapi.photos.quality import face_quality

    if _is_video(photo):  # analysed on all threads, when its turn comes
        return _Analysis()
    try:
        image = read_photo(photo)
        faces = _faces(image, arguments)
        qualities = [face_quality(image, face) if face.landmarks is not None else None for face in faces]
    except (FetchError, InvalidArgument, InvalidType) as error:  # concerns this photo only; other errors stop the command
        return _Analysis(error)
    H, W = image.shape[:2]
    return _Analysis(None, W, H, faces, qualities, None if arguments.draw is None else image)


def _report(
    photo: str,
    analysis: _Analysis,
    arguments: argparse.Namespace,
    lines: IO[str] | None,
    drawing: Path | InvalidArgument | None,
) -> bool:
    error, W, H, faces, qualities, image = analysis
    if error is not None:
        complain(error)
        if lines is not None:
            print(json.dumps({"photo": photo, "error": str(error)}), file=lines, flush=True)
        return False
    if lines is not None:
        record: dict[str, Any] = {"photo": photo, "width": W, "height": H}
        if arguments.any_rotation:
            record["rotation"] = faces.rotation
        record["faces"] = [
            {**face.to_dict(), "quality": None if quality is None else quality.to_dict()}
            for face, quality in zip(faces, qualities, strict=True)
        ]
        print(json.dumps(record), file=lines, flush=True)
    if lines is not sys.stdout:
        turned = f", upright if turned by {faces.rotation} degrees counterclockwise" if faces.rotation else ""
        print(f"{printable(photo)}: {W}x{H}, {len(faces)} face{'' if len(faces) == 1 else 's'}{turned}")
        if faces:
            print(_table(faces))
        for number, quality in enumerate(qualities, 1):
            if quality is not None and quality.doubts:
                print(f"  face {number}: {'; '.join(quality.doubts)}")
    if drawing is not None:
        try:
            if isinstance(drawing, InvalidArgument):
                raise drawing
            assert image is not None
            _draw(image, faces, drawing)
        except InvalidArgument as refusal:  # the results are already written, so a full disk loses only the drawing
            complain(refusal)
            return False
    return True


def _is_video(photo: str) -> bool:
    from npfaceapi.photos.fetch import is_url
    from npfaceapi.video.decoding import is_video

    return is_video(photo) and not is_url(photo)


def _analyze_video(
    path: str, arguments: argparse.Namespace, lines: IO[str] | None, drawing: Path | InvalidArgument | None
) -> bool:
    from npfaceapi.video.analysis import EVERY, analyze_video

    every = EVERY if arguments.every is None else arguments.every
    try:
        analysis = analyze_video(path, every, lambda frame: _faces(frame, arguments), _tell_time if is_terminal() else None)
        if is_terminal():
            say("\r\x1b[K", end="")
    except (BackendUnavailable, InvalidArgument, InvalidType) as error:
        complain(error)
        if lines is not None:
            print(json.dumps({"photo": path, "error": str(error)}), file=lines, flush=True)
        return False
    if lines is not None:
        record = analysis.to_dict()
        del record["path"]
        print(json.dumps({"photo": path, **record}), file=lines, flush=True)
    if lines is not sys.stdout:
        count, frames = len(analysis.tracks), len(analysis.frames)
        print(
            f"{printable(path)}: {analysis.width}x{analysis.height}, {analysis.duration:.1f} s, {frames} "
            f"frame{'' if frames == 1 else 's'} analysed, {count} face{'' if count == 1 else 's'}"
        )
        if count:
            print(_table_of_tracks(analysis))
    if drawing is not None:
        try:
            if isinstance(drawing, InvalidArgument):
                raise drawing
            analysis.draw(drawing)
        except (BackendUnavailable, InvalidArgument) as error:
            complain(error)
            return False
    return True


def _tell_time(time: float, duration: float) -> None:
    say(f"\r\x1b[K{time:.1f} of {duration:.1f} s", end="")


def _table_of_tracks(analysis: VideoAnalysis) -> str:
    rows = [
        (track.number, f"{track.start:.1f} to {track.end:.1f}", len(track.times), f"{track.best_time:.1f}", *_cells(track.best))
        for track in analysis.tracks
    ]
    return format_table(("#", "seen (s)", "frames", "best (s)", *CELLS), rows, right=(0, 2, 3, 5, 6), indent="  ")


def _faces(image: Any, arguments: argparse.Namespace) -> Faces[FaceResult]:
    from npfaceapi.faces.results import FaceResult, Faces
    from npfaceapi.tasks import detect_all_faces

    only: set[str] = arguments.only
    task = detect_all_faces(image, detector_options(arguments), arguments.any_rotation)
    if only & {"landmarks", "descriptors"}:
        task = task.with_face_landmarks()
    if "expressions" in only:
        task = task.with_face_expressions()
    if "age-gender" in only:
        task = task.with_age_and_gender()
    if "descriptors" in only:
        task = task.with_face_descriptors()
    faces = task.run()
    results = (face if isinstance(face, FaceResult) else FaceResult(face) for face in faces)
    return Faces(results, faces.source, faces.rotation)


def _table(faces: list[FaceResult]) -> str:
    rows = [(number, *_cells(face)) for number, face in enumerate(faces, 1)]
    return format_table(("#", *CELLS), rows, right=(0, 2, 3), indent="  ")


def _cells(face: FaceResult) -> tuple[str, ...]:
    """The cells of a face in a table, below `CELLS`."""
    box = face.detection.box
    gender, expression = "-", "-"
    if face.gender is not None and face.gender_probability is not None:
        gender = f"{face.gender} ({face.gender_probability:.2f})"
    if face.expressions is not None:
        best = face.expressions.as_sorted_array()[0]
        expression = f"{best.expression} ({best.probability:.2f})"
    place = f"{box.x:.0f}, {box.y:.0f}, {box.width:.0f}, {box.height:.0f}"
    age = "-" if face.age is None else f"{face.age:.0f}"
    return place, f"{face.detection.score:.3f}", age, gender, expression


def _check_outputs(arguments: argparse.Namespace, photos: Sequence[str]) -> Sequence[Path | InvalidArgument | None]:
    """The path of each photo's drawing, or why it cannot be written there; a wrong --json is an error.

    All are checked before the first is written: a drawing must not replace a photo that is read later.
    """
    paths: list[Path] = []
    if arguments.draw is not None:
        paths = picture_paths(photos, "--draw", arguments.draw, _drawn_as, _drawn_into)
    outputs = [Output("--draw", path, _is_drawn_video if _is_video(str(path)) else is_drawing) for path in paths]
    if arguments.json is not None:
        outputs.append(Output("--json", arguments.json, is_json_lines("faces", "tracks")))
    refusals = refused_outputs(outputs, [*photos, *weights_read(arguments)], overwrite=arguments.overwrite)
    if arguments.json is not None and (refusal := refusals.pop()) is not None:
        raise refusal
    if not paths:
        return [None] * len(photos)
    return paths_or_refusals(photos, "--draw", arguments.draw, paths, refusals)


def _drawn_as(photo: str) -> str:
    return ".mp4" if _is_video(photo) else ".png"


def _drawn_into(photo: str) -> Collection[str]:
    """The endings of the files that a photo or a video can be drawn into."""
    from npfaceapi.video.decoding import CONTAINERS

    return CONTAINERS if _is_video(photo) else PICTURES


def _is_drawn_video(path: str) -> bool:
    from npfaceapi.video.drawing import is_drawn_video

    return is_drawn_video(path)


def _draw(image: Pixels, faces: list[FaceResult], path: Path) -> None:
    """Write the annotated photo, completely or not at all."""
    from PIL.PngImagePlugin import PngInfo

    from npfaceapi import draw
    from npfaceapi.photos.decoding import to_pil
    from npfaceapi.photos.net_input import load_image

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
    file = io.BytesIO()
    if path.suffix.lower() == ".png":
        info = PngInfo()
        info.add_text("Software", MADE_BY)
        picture.save(file, "PNG", pnginfo=info)
    else:
        picture.save(file, "JPEG", quality=QUALITY, comment=DRAWN_BY)
    write_whole(path, file.getvalue(), "to write the picture")
