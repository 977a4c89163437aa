"""Contact sheets: an HTML page per group, with its faces cut out of the photos, and an index of them; no script is needed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from npfaceapi.collection.database import Database, path_of
from npfaceapi.collection.people import Group
from npfaceapi.display.markup import Markup, element
from npfaceapi.errors import BackendUnavailable, ImageError, InvalidArgument, InvalidType, printable, shown
from npfaceapi.output_files import generator, write_whole
from npfaceapi.photos.loading import load_image
from npfaceapi.video.decoding import frame_at

__all__ = ["write_contact_sheets"]

SIDE = 112  # pixels of a face
MARGIN = 0.25  # of the larger side of the box, on each side
STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 70rem; padding: 0 1rem }
ul { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; list-style: none } li { width: 7rem; overflow-wrap: anywhere;
font-size: .8125rem } img { display: block; width: 7rem; height: 7rem; border-radius: .25rem } p { max-width: 45rem }
"""


def write_contact_sheets(
    database: Database, groups: Sequence[Group], folder: str | os.PathLike[str], progress: Callable[[int, int], object]
) -> int:
    """Write `index.html`, `group-N.html` and the faces into a folder; returns the number of faces that could not be cut out.

    A face that was cut out earlier is not cut out again: the name of its file has a hash of the photo and the box, as the folder
    may have sheets of another index.

    Raises
    ------
    InvalidArgument
        If the folder cannot be written to.
    """
    if not isinstance(folder, (str, os.PathLike)) or "\0" in os.fsdecode(folder):
        raise InvalidType(f"FaceIndex.contact_sheets: expected a path, got {shown(folder)}")
    place = Path(folder)
    try:
        (place / "faces").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{place}: expected a folder to write to, got: {error.strerror or error}") from None
    wanted = {face for group in groups for face in group.faces}
    faces = _cut_out(database, wanted, place / "faces", progress)
    cut_out = {face: file for face, (_, file) in faces.items() if (place / "faces" / file).exists()}
    for group in groups:
        title = group.name or f"Group {group.number}"
        items = [_face(face, faces[face][0], cut_out.get(face)) for face in group.faces]
        write_whole(place / f"group-{group.number}.html", _page(title, element("ul", *items), back=True))
    entries = [
        element(
            "li",
            element(
                "a",
                next((_image(cut_out[face], "") for face in group.faces if face in cut_out), None),
                group.name or f"Group {group.number}",
                href=f"group-{group.number}.html",
            ),
            f" {len(group.faces):,} faces" + (f", group {group.number}" if group.name else ""),
        )
        for group in groups
    ]
    write_whole(place / "index.html", _page("Groups of faces", element("ul", *entries)))
    return len(wanted - cut_out.keys())


def _cut_out(
    database: Database, wanted: set[int], folder: Path, progress: Callable[[int, int], object]
) -> dict[int, tuple[str, str]]:
    """Write faces that are not there yet, as far as their photos can be read; returns the photo's path and the file of each."""
    rows = database.rows(
        "SELECT path, content, rotation, faces.id, time, x, y, faces.width, faces.height "
        "FROM faces JOIN photos ON photos.id = photo ORDER BY path"
    )
    rows = [row for row in rows if row[3] in wanted]
    files = {face: f"{face}-{_hash(content, box)}.jpg" for _, content, _, face, *box in rows}
    photos = len({row[0] for row in rows})
    for done, (value, faces) in enumerate(itertools.groupby(rows, key=lambda row: row[0]), 1):
        here = [row for row in faces if not (folder / files[row[3]]).exists()]
        with contextlib.suppress(ImageError, BackendUnavailable):  # the second: a video, without the extra
            image = load_image(path_of(value)) if any(row[4] is None for row in here) else None
            for _, _, rotation, face, time, *box in here:
                pixels = frame_at(path_of(value), time) if image is None else image
                write_whole(folder / files[face], _square(pixels, box, rotation // 90))
        progress(done, photos)
    return {row[3]: (path_of(row[0]), files[row[3]]) for row in rows}


def _hash(content: bytes | None, box: Sequence[float]) -> str:
    return hashlib.sha256(f"{(content or b'').hex()} {box}".encode()).hexdigest()[:12]


def _square(image: np.ndarray, box: Sequence[float], turns: int) -> bytes:
    """The square around a box as a JPEG; black outside of the photo."""
    from PIL import Image

    x, y, width, height = box
    side = max(1.0, max(width, height) * (1 + 2 * MARGIN))
    left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
    pixels = np.ascontiguousarray(image if image.dtype == np.uint8 else np.clip(image + 0.5, 0, 255).astype(np.uint8))
    cut = Image.fromarray(pixels).crop((round(left), round(top), round(left + side), round(top + side)))
    file = io.BytesIO()
    cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS).rotate(90 * turns).save(file, "JPEG", quality=85)
    return file.getvalue()


def _face(face: int, path: str, file: str | None) -> Markup:
    name = printable(os.path.basename(path))
    image = _image(file, f"Face {face} of {name}") if file else None
    return element("li", image, f"{face}: ", element("span", name, title=printable(path)))


def _image(file: str, alt: str) -> Markup:
    return element("img", src=f"faces/{file}", alt=alt, loading="lazy")


def _page(title: str, content: Markup, back: bool = False) -> str:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup(generator("groups")),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    link = element("p", element("a", "All groups", href="index.html")) if back else None
    body = element("body", element("main", element("h1", title), link, content))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"
