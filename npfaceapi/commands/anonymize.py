"""`npfaceapi anonymize`: photos with their faces hidden and without their metadata."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
from npfaceapi.commands.picture_files import paths_or_refusals, picture_paths
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, printable
from npfaceapi.output_files import Output, is_text_with, refused_outputs, write_whole

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["add_arguments", "run"]

WAYS = ("solid", "pixels", "blur")  # those of draw.hiding, without the import of NumPy
COMMENT = "anonymized by npfaceapi"
#: Formats that lose detail; photos in these become JPEG, all others PNG.
LOSSY = (".avif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".jxl", ".mpo", ".webp")
QUALITY = 95


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_detector_arguments(parser)
    add_any_rotation(parser)
    add_shared(
        parser, "--out", "here a folder, made if missing, or for one photo a file named .png or .jpg", type=Path, required=True
    )
    parser.add_argument(
        "--how",
        choices=WAYS,
        default="solid",
        help="cover faces in black, with large pixels or with a blur, which both leave something to recognize (default: solid)",
    )
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    photos, failed = _photos(arguments.photos, arguments.out)
    outputs = _check_outputs(arguments, photos)
    load_detector(arguments)
    counts: list[int] = []
    with photo_limit(arguments.max_megapixels), chosen_backend(arguments.backend):
        for photo, output in zip(with_progress(photos), outputs, strict=True):
            try:
                if isinstance(output, InvalidArgument):
                    raise output
                counts.append(_anonymize(photo, arguments, output))
            except (FetchError, InvalidArgument, InvalidType) as error:  # concerns this photo only; other errors stop the command
                complain(error)
                failed += 1
    if len(photos) > 1:
        without = counts.count(0)
        faces = f"{_count(sum(counts), 'face')} hidden in {len(counts) - without:,}"
        print(f"{_count(len(counts), 'photo')} written: {faces}, no face in {without:,}")
    return 1 if failed else 0


def _anonymize(photo: str, arguments: argparse.Namespace, output: Path) -> int:
    """Write a photo without its faces and metadata; returns the number of faces."""
    from npfaceapi.global_api import anonymize
    from npfaceapi.tasks import detect_all_faces

    image = read_photo(photo)
    faces = detect_all_faces(image, detector_options(arguments), arguments.any_rotation).run()
    write_whole(output, _encoded(anonymize(image, faces, arguments.how), output.suffix.lower()), "to write the picture")
    print(f"{printable(photo)}: {_count(len(faces), 'face')} hidden, written to {printable(str(output))}")
    return len(faces)


def _encoded(picture: Image, suffix: str) -> bytes:
    """The file of a picture: its pixels, and a comment by which an earlier output is recognized."""
    from PIL.PngImagePlugin import PngInfo

    file = io.BytesIO()
    if suffix == ".png":
        info = PngInfo()
        info.add_text("Comment", COMMENT)
        picture.save(file, "PNG", pnginfo=info)
    else:
        picture.save(file, "JPEG", quality=QUALITY, comment=COMMENT)
    return file.getvalue()


def _photos(given: Sequence[str], folder: Path) -> tuple[list[str], int]:
    """The photos, and the number of failures; what lies in the folder of outputs, below a folder of photos, is left out."""
    photos, failed = expand_photos(given)
    own = folder.resolve()
    above = [name for name in given if os.path.isdir(name) and Path(name).resolve() in own.parents]
    if not above:
        return photos, failed
    kept = [photo for photo in photos if photo in given or own not in Path(photo).resolve().parents]
    if len(kept) < len(photos):
        complain(f"{folder}: left out {len(photos) - len(kept):,} in the folder of outputs")
    return kept, failed


def _check_outputs(arguments: argparse.Namespace, photos: Sequence[str]) -> list[Path | InvalidArgument]:
    """The path of each output, or why it cannot be written there; all are checked before the first is written."""
    paths = picture_paths(photos, "--out", arguments.out, _suffix)
    inputs = [*photos, *weights_read(arguments)]
    refusals = refused_outputs(
        [Output("--out", path, is_text_with(COMMENT)) for path in paths], inputs, overwrite=arguments.overwrite
    )
    return paths_or_refusals(photos, "--out", arguments.out, paths, refusals)


def _suffix(photo: str) -> str:
    """The suffix of a photo's output."""
    from npfaceapi.photos.fetch import is_url

    path = urlsplit(photo).path if is_url(photo) else photo
    return ".jpg" if PurePath(path).suffix.lower() in LOSSY else ".png"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
