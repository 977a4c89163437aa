"""The canvases of the pictures: what they share, and the one of pixels.  That of lines is in svg_file.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, Any]
Color = tuple[int, int, int]

INK: Color = (38, 43, 51)
GRAY: Color = (110, 118, 129)
LIGHT: Color = (216, 222, 228)
PALE: Color = (240, 243, 246)
BLUE: Color = (0, 90, 181)
ORANGE: Color = (213, 94, 0)
GREEN: Color = (0, 128, 96)
PURPLE: Color = (140, 60, 160)
RED: Color = (190, 30, 45)
SKY: Color = (86, 180, 233)
YELLOW: Color = (230, 159, 0)
CYAN: Color = (0, 235, 230)
WHITE: Color = (255, 255, 255)

ZOOM = 2
#: Dark blue to yellow in even steps of lightness.
EVEN = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], float)
#: Negative to positive: orange, white, blue.
SIGNED = np.array([(179, 88, 6), (241, 163, 64), (247, 247, 247), (123, 160, 210), (33, 76, 150)], float)


def colored(values: Array, low: float, high: float, scale: Array = EVEN) -> Array:
    """Numbers as colours uint8 [..., 3], `low` and `high` at the ends of the scale."""
    t = np.clip((np.asarray(values, float) - low) / (high - low), 0, 1) * (len(scale) - 1)
    return np.stack([np.interp(t, np.arange(len(scale)), scale[:, c]) for c in range(3)], axis=-1).round().astype(np.uint8)


class Canvas:
    """Lengths are pixels of the finished picture.  `told` is all text outside of grids, and what a script adds to it."""

    #: The width of a picture on a phone of 390 pixels, and the least size of text there.
    PHONE, READABLE = 358, 11

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.told: list[str] = []
        self.colors: set[Color] = set()

    def tells(self, *facts: str) -> None:
        """What the picture shows without words, for the test of its alternative text."""
        self.told += facts

    def note(self, text: str, size: float, color: Color) -> None:
        """Keep what a text says; ValueError if it is too small on a phone."""
        if size * self.PHONE / self.width < self.READABLE:
            raise ValueError(
                f"{text!r}: expected text of at least {self.READABLE * self.width / self.PHONE:.1f} pixels, got {size:g}"
            )
        self.told.append(text)
        self.colors.add(color)

    def text(self, x: float, y: float, text: str, size: float, color: Color = INK, anchor: str = "la") -> None:
        """Anchors are Pillow's: l, m, r for left, middle, right; a, m, s for top, middle, baseline."""
        raise NotImplementedError

    def box(self, x: float, y: float, w: float, h: float, line: Color | None = INK, fill: Any = None, width: float = 1.5) -> None:
        raise NotImplementedError

    def line(self, points: Sequence[tuple[float, float]], color: Color = INK, width: float = 1.5) -> None:
        raise NotImplementedError

    def polygon(self, points: Sequence[tuple[float, float]], color: Color) -> None:
        raise NotImplementedError

    def arrow(self, x0: float, y0: float, x1: float, y1: float, color: Color = GRAY, width: float = 1.5) -> None:
        length = max(1e-6, float(np.hypot(x1 - x0, y1 - y0)))
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        size = 5 + 2 * width
        self.line([(x0, y0), (x1 - size / 2 * ux, y1 - size / 2 * uy)], color, width)
        left, back = (x1 - size * ux, y1 - size * uy), size / 2
        self.polygon([(x1, y1), (left[0] + back * uy, left[1] - back * ux), (left[0] - back * uy, left[1] + back * ux)], color)

    def numbers(self, values: Array, x: float, y: float, cell: float, *, size: float, fills: Any = None) -> None:
        """A grid of numbers, or of texts; `fills[i, j]` is a cell's colour."""
        told = len(self.told)
        for i, j in np.ndindex(*values.shape):
            fill = None if fills is None else tuple(int(v) for v in fills[i, j])
            self.box(x + j * cell, y + i * cell, cell, cell, LIGHT, fill, 1)
            dark = fill is None or sum(fill) > 380
            number = values[i, j] if isinstance(values[i, j], str) else f"{values[i, j]:g}"
            self.text(x + (j + 0.5) * cell, y + (i + 0.5) * cell, number.replace("-", "−"), size, INK if dark else WHITE, "mm")
        del self.told[told:]


class Sheet(Canvas):
    """Pixels, drawn at twice the size and then reduced."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.image = Image.new("RGB", (width * ZOOM, height * ZOOM), WHITE)
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def text(
        self, x: float, y: float, text: str, size: float = 22, color: Color = INK, anchor: str = "la",
        outline: Color | None = None,
    ) -> None:  # fmt: skip
        self.note(text, size, color)
        font = ImageFont.load_default(size * ZOOM)
        for i, line in enumerate(text.replace("×", "x").replace("−", "-").split("\n")):  # Pillow's own font has neither
            self.draw.text(
                (x * ZOOM, (y + i * size * 1.3) * ZOOM), line, fill=color, font=font, anchor=anchor,
                stroke_width=4 if outline else 0, stroke_fill=outline,
            )  # fmt: skip

    def box(self, x: float, y: float, w: float, h: float, line: Color | None = INK, fill: Any = None, width: float = 1.5) -> None:
        self.colors |= {color[:3] for color in (line, fill) if color}
        edges = [x * ZOOM, y * ZOOM, (x + w) * ZOOM, (y + h) * ZOOM]
        self.draw.rectangle(edges, fill=fill, outline=line, width=max(1, round(width * ZOOM)))

    def line(self, points: Sequence[tuple[float, float]], color: Color = INK, width: float = 1.5) -> None:
        self.colors.add(color)
        self.draw.line([(x * ZOOM, y * ZOOM) for x, y in points], fill=color, width=max(1, round(width * ZOOM)), joint="curve")

    def polygon(self, points: Sequence[tuple[float, float]], color: Color) -> None:
        self.draw.polygon([(x * ZOOM, y * ZOOM) for x, y in points], fill=color)

    def disc(self, x: float, y: float, r: float, color: Color = INK) -> None:
        self.colors.add(color)
        self.draw.ellipse([(x - r) * ZOOM, (y - r) * ZOOM, (x + r) * ZOOM, (y + r) * ZOOM], fill=color)

    def picture(self, pixels: Array, x: float, y: float, w: float, h: float, smooth: bool = True) -> None:
        """Pixels uint8 [H,W,3] resized to w x h; by nearest neighbour unless `smooth`."""
        resampling = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        size = (round(w * ZOOM), round(h * ZOOM))
        self.image.paste(
            Image.fromarray(np.ascontiguousarray(pixels)).resize(size, resampling), (round(x * ZOOM), round(y * ZOOM))
        )

    def scale(self, x: float, y: float, w: float, h: float, colors: Array) -> None:
        """A scale of colours, from left to right."""
        self.picture(np.broadcast_to(colors[None], (1, *colors.shape)), x, y, w, h)

    def finished(self) -> Image.Image:
        """With 52 instead of 256 shades per channel: no visible difference, and files half as large."""
        image = self.image.resize((self.width, self.height), Image.Resampling.BOX)
        return image.point([round(value / 5) * 5 for value in range(256)] * 3)
