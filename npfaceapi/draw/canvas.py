"""Antialiased shapes on a `PIL.Image.Image`, like a canvas's fillRect, strokeRect, stroke, arc and fillText.

Each shape gives every pixel that it touches a coverage in [0, 1], with which its colour is blended.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont as BitmapFont

__all__ = [
    "check_image",
    "fill_disc",
    "fill_rect",
    "fill_text",
    "font_of",
    "missing_letters",
    "parse_color",
    "stroke_lines",
    "stroke_rect",
]

Font: TypeAlias = "FreeTypeFont | BitmapFont"
Coverage = NDArray[np.float64]
Region = tuple[int, int, int, int]
XYWH = tuple[float, float, float, float]

_RGBA = re.compile(r"rgba?\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*([\d.]+)(%?)\s*)?\)", re.IGNORECASE)


#: The font of face-api.js; replaced by the one in Pillow, which has English letters only.
BUILT_IN = "Georgia"


def check_image(image: object, where: str) -> None:
    """Raise InvalidType or InvalidArgument unless the argument is a `PIL.Image.Image` that can be drawn on."""
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise InvalidType(f"{where}: expected a PIL.Image.Image, got {type(image).__name__}: see PIL.Image.fromarray")
    if image.mode not in ("RGB", "RGBA"):
        raise InvalidArgument(f'{where}: expected an image of mode RGB or RGBA, got {image.mode}: image.convert("RGB") makes one')


def parse_color(color: str, where: str = "color") -> tuple[int, int, int, float]:
    """Red, green, blue (0..255) and alpha (0..1) of a CSS colour: a name, #rgb, #rrggbb, #rrggbbaa, rgb(), rgba(), hsl()."""
    from PIL import ImageColor

    if not isinstance(color, str):
        raise InvalidType(f"{where}: expected a CSS colour, got {shown(color)}")
    text = color.strip().lower()
    if text == "transparent":
        return 0, 0, 0, 0.0
    match = _RGBA.fullmatch(text)
    if match:
        red, green, blue = (min(int(part), 255) for part in match.groups()[:3])
        try:
            alpha = float(match[4] or 1) / (100 if match[5] else 1)
        except ValueError:
            raise InvalidArgument(f"{where}: expected a CSS colour, got {shown(color)}") from None
        return red, green, blue, min(alpha, 1.0)
    try:
        red, green, blue, *rest = ImageColor.getrgb(text)
    except ValueError:
        raise InvalidArgument(f"{where}: expected a CSS colour, got {shown(color)}") from None
    return red, green, blue, (rest[0] / 255 if rest else 1.0)


def font_of(style: str, size: float) -> Font:
    """The font of a text field; raises InvalidArgument if there is no such font."""
    from PIL import ImageFont

    if style == BUILT_IN:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(style, size)
    except OSError:
        raise InvalidArgument(f"font_style: expected a font file or a font known to the system, got {shown(style)}") from None


def missing_letters(text: str, style: str, font: Font) -> str:
    """The characters of a text that the built-in font lacks, and draws as empty boxes."""
    if style != BUILT_IN or text.isascii():
        return ""
    nothing = bytes(font.getmask("\U0010ffff"))
    return "".join(character for character in dict.fromkeys(text) if bytes(font.getmask(character)) == nothing)


def fill_rect(image: Image, rect: XYWH, color: str) -> None:
    """Fill a rectangle."""
    left, top, right, bottom = _edges(rect)
    region = _region(image, left, top, right, bottom)
    if region:
        _blend(image, region, _rect_coverage(region, (left, top, right, bottom)), color)


def stroke_rect(image: Image, rect: XYWH, line_width: float, color: str) -> None:
    """Draw the outline of a rectangle; half of the line width lies inside."""
    left, top, right, bottom = _edges(rect)
    half = line_width / 2
    outer = (left - half, top - half, right + half, bottom + half)
    region = _region(image, *outer)
    if not region or not line_width:
        return
    coverage = _rect_coverage(region, outer)
    if right - left > line_width and bottom - top > line_width:
        coverage -= _rect_coverage(region, (left + half, top + half, right - half, bottom - half))
    _blend(image, region, coverage, color)


def fill_disc(image: Image, centre: tuple[float, float], radius: float, color: str) -> None:
    """Fill a disc."""
    x, y = centre
    reach = radius + 1
    region = _region(image, x - reach, y - reach, x + reach, y + reach)
    if region and radius:
        xs, ys = _pixel_centres(region)
        _blend(image, region, np.clip(radius + 0.5 - np.hypot(xs - x, ys - y), 0, 1), color)


def stroke_lines(image: Image, starts: NDArray[np.float64], ends: NDArray[np.float64], line_width: float, color: str) -> None:
    """Draw lines with straight ends from starts [n,2] to ends [n,2] as one shape."""
    if not len(starts) or not line_width:
        return
    half = line_width / 2
    corners = np.concatenate([starts, ends])
    whole = _region(image, *(corners.min(axis=0) - half - 1), *(corners.max(axis=0) + half + 1))
    if not whole:
        return
    coverage = np.zeros((whole[3] - whole[1], whole[2] - whole[0]))
    for start, end in zip(starts, ends, strict=True):
        low, high = np.minimum(start, end) - half - 1, np.maximum(start, end) + half + 1
        region = _region(image, *low, *high)
        length = math.hypot(*(end - start))
        if not region or not length:
            continue
        xs, ys = _pixel_centres(region)
        dx, dy = (end - start) / length
        along = (xs - start[0]) * dx + (ys - start[1]) * dy
        across = np.abs((ys - start[1]) * dx - (xs - start[0]) * dy)
        inside = np.clip(np.minimum(along, length - along) + 0.5, 0, 1) * np.clip(half + 0.5 - across, 0, min(line_width, 1))
        x, y = region[0] - whole[0], region[1] - whole[1]
        part = coverage[y : y + region[3] - region[1], x : x + region[2] - region[0]]
        np.maximum(part, inside, out=part)
    _blend(image, whole, coverage, color)


def fill_text(image: Image, baseline: tuple[float, float], text: str, font: Font, color: str) -> None:
    """Draw a line of text; `baseline` is its starting point."""
    from PIL import Image as PILImage, ImageDraw

    left, top, right, bottom = font.getbbox(text, anchor="ls")
    x, y = baseline
    region = _region(image, x + left - 1, y + top - 1, x + right + 1, y + bottom + 1)
    if not region:
        return
    mask = PILImage.new("L", (region[2] - region[0], region[3] - region[1]))
    ImageDraw.Draw(mask).text((x - region[0], y - region[1]), text, 255, font, anchor="ls")
    _blend(image, region, np.asarray(mask, np.float64) / 255, color)


def _edges(rect: XYWH) -> XYWH:
    x, y, width, height = rect
    return min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height)


def _region(image: Image, left: float, top: float, right: float, bottom: float) -> Region | None:
    """The whole pixels of an image that a box touches."""
    x0, y0 = max(math.floor(left), 0), max(math.floor(top), 0)
    x1, y1 = min(math.ceil(right), image.width), min(math.ceil(bottom), image.height)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _rect_coverage(region: Region, edges: XYWH) -> Coverage:
    def covered(first: int, last: int, start: float, end: float) -> Coverage:
        at = np.arange(first, last, dtype=np.float64)
        share: Coverage = np.clip(np.minimum(at + 1, end) - np.maximum(at, start), 0, 1)
        return share

    rows, columns = covered(region[1], region[3], edges[1], edges[3]), covered(region[0], region[2], edges[0], edges[2])
    return rows[:, None] * columns


def _pixel_centres(region: Region) -> tuple[Coverage, Coverage]:
    """x [1,W] and y [H,1] of the pixel centres; their distance to an edge gives the coverage."""
    xs = np.arange(region[0], region[2], dtype=np.float64)
    ys = np.arange(region[1], region[3], dtype=np.float64)
    return xs[None, :] + 0.5, ys[:, None] + 0.5


def _blend(image: Image, region: Region, coverage: Coverage, color: str) -> None:
    from PIL import Image as PILImage

    red, green, blue, alpha = parse_color(color)
    mask = PILImage.fromarray(np.floor(np.clip(coverage, 0, 1) * alpha * 255 + 0.5).astype(np.uint8))
    if image.mode == "RGBA":
        layer = PILImage.new("RGBA", mask.size, (red, green, blue, 0))
        layer.putalpha(mask)
        image.alpha_composite(layer, region[:2])
    else:
        image.paste((red, green, blue), region, mask)
