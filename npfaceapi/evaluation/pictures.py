"""Pairs of photos of different people that look alike to the network, side by side, with their distances."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from npfaceapi.errors import InvalidArgument
from npfaceapi.output_files import MADE_BY, write_whole
from npfaceapi.photos.decoding import to_pil
from npfaceapi.photos.loading import load_image

__all__ = ["draw_pairs"]

SIDE, TEXT, COLUMNS = 150, 34, 3


def draw_pairs(path: Path, pairs: Sequence[tuple[str, str, float]]) -> None:
    """Write pairs (photo, photo, distance) as a PNG."""
    from PIL import Image, ImageDraw, PngImagePlugin

    if not pairs:
        raise InvalidArgument(f"{path}: expected photos of two people, got those of one")
    rows = -(-len(pairs) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (2 * SIDE + 20), rows * (SIDE + TEXT + 10)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (*photos, distance) in enumerate(pairs):
        left, top = k % COLUMNS * (2 * SIDE + 20) + 10, k // COLUMNS * (SIDE + TEXT + 10) + 5
        for i, photo in enumerate(photos):
            picture = to_pil(load_image(photo))
            picture.thumbnail((SIDE, SIDE))
            sheet.paste(picture, (left + i * SIDE, top))
        names = " / ".join(Path(photo).parent.name[:24] for photo in photos)
        pen.text((left, top + SIDE + 2), f"{distance:.3f}", "black")
        pen.text((left, top + SIDE + 16), names.encode("ascii", "replace").decode(), "black")
    data, marks = io.BytesIO(), PngImagePlugin.PngInfo()
    marks.add_text("Software", MADE_BY)
    sheet.save(data, "PNG", pnginfo=marks)
    write_whole(path, data.getvalue())
