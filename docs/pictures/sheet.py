"""The canvas of the pictures: a white sheet on which everything is drawn at twice the size and then reduced."""

from __future__ import annotations

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


class Sheet:
    """Lengths are pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * ZOOM, height * ZOOM), WHITE)
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def text(
        self, x: float, y: float, text: str, size: float = 15, color: Color = INK, anchor: str = "la", bold: bool = False,
        outline: Color | None = None,
    ) -> None:  # fmt: skip
        """Anchors are Pillow's: l, m, r for left, middle, right; a, m, s for top, middle, baseline."""
        font = ImageFont.load_default(size * ZOOM)
        for i, line in enumerate(text.replace("×", "x").split("\n")):  # Pillow's own font has no ×
            left, top = x * ZOOM, (y + i * size * 1.3) * ZOOM
            for shift in (0, 1) if bold else (0,):
                self.draw.text(
                    (left + shift, top), line, fill=color, font=font, anchor=anchor, stroke_width=3 if outline else 0,
                    stroke_fill=outline,
                )  # fmt: skip

    def box(self, x: float, y: float, w: float, h: float, line: Color | None = INK, fill: Any = None, width: float = 1.5) -> None:
        edges = [x * ZOOM, y * ZOOM, (x + w) * ZOOM, (y + h) * ZOOM]
        self.draw.rectangle(edges, fill=fill, outline=line, width=max(1, round(width * ZOOM)))

    def line(self, points: list[tuple[float, float]], color: Color = INK, width: float = 1.5) -> None:
        self.draw.line([(x * ZOOM, y * ZOOM) for x, y in points], fill=color, width=max(1, round(width * ZOOM)), joint="curve")

    def disc(self, x: float, y: float, r: float, color: Color = INK) -> None:
        self.draw.ellipse([(x - r) * ZOOM, (y - r) * ZOOM, (x + r) * ZOOM, (y + r) * ZOOM], fill=color)

    def arrow(self, x0: float, y0: float, x1: float, y1: float, color: Color = GRAY, width: float = 1.5) -> None:
        self.line([(x0, y0), (x1, y1)], color, width)
        length = max(1e-6, float(np.hypot(x1 - x0, y1 - y0)))
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        tip = [(x1, y1), (x1 - 8 * ux + 4 * uy, y1 - 8 * uy - 4 * ux), (x1 - 8 * ux - 4 * uy, y1 - 8 * uy + 4 * ux)]
        self.draw.polygon([(x * ZOOM, y * ZOOM) for x, y in tip], fill=color)

    def picture(self, pixels: Array, x: float, y: float, w: float, h: float, smooth: bool = True) -> None:
        """Pixels uint8 [H,W,3] resized to w x h; by nearest neighbour unless `smooth`."""
        resampling = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        size = (round(w * ZOOM), round(h * ZOOM))
        self.image.paste(
            Image.fromarray(np.ascontiguousarray(pixels)).resize(size, resampling), (round(x * ZOOM), round(y * ZOOM))
        )

    def numbers(self, values: Array, x: float, y: float, cell: float, *, size: float = 15, fills: Any = None) -> None:
        """A grid of numbers; `fills[i, j]` is a cell's colour."""
        for i, j in np.ndindex(*values.shape):
            fill = None if fills is None else tuple(int(v) for v in fills[i, j])
            self.box(x + j * cell, y + i * cell, cell, cell, LIGHT, fill, 1)
            dark = fill is None or sum(fill) > 380
            self.text(x + (j + 0.5) * cell, y + (i + 0.5) * cell, f"{values[i, j]:g}", size, INK if dark else WHITE, "mm")

    def finished(self) -> Image.Image:
        width, height = self.image.size
        return self.image.resize((width // ZOOM, height // ZOOM), Image.Resampling.BOX)
