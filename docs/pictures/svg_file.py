"""The SVG pictures of the docs: a white ground, the head of an arrow, `url(#head)`, and a canvas of lines."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sheet import INK, Canvas, Color


def svg_file(width: float, height: float, title: str, style: str, parts: Iterable[str], description: str = "") -> str:
    """An SVG picture; the description is for those who cannot see it."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img">',
        f"<title>{title}</title>",
        *([f"<desc>{html.escape(description)}</desc>"] if description else []),
        f"<style>{style}</style>",
        '<defs><marker id="head" viewBox="0 0 7 7" refX="6" refY="3.5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0L7,3.5L0,7z" fill="#44505e"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def write_svg(path: Path, text: str) -> None:
    """Write a picture, and say so: what the scripts do that draw one."""
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def _hex(color: Sequence[int] | None) -> str:
    return "none" if color is None else "#" + bytes(color).hex()


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.4g},{y:.4g}" for x, y in points)


class Drawing(Canvas):
    """Lines and text, as SVG."""

    STYLE = 'text { font-family: system-ui, "DejaVu Sans", Arial, sans-serif }'

    def __init__(self, width: int, height: int, title: str) -> None:
        super().__init__(width, height)
        self.title = title
        self.parts: list[str] = []

    def text(
        self, x: float, y: float, text: str, size: float = 15, color: Color = INK, anchor: str = "la", bold: bool = False
    ) -> None:
        self.note(text, size, color)
        place = {"l": "", "m": ' text-anchor="middle"', "r": ' text-anchor="end"'}[anchor[0]] + ' font-weight="bold"' * bold
        y += size * {"a": 0.8, "m": 0.35, "s": 0}[anchor[1]]
        for i, line in enumerate(text.split("\n")):
            start = f'<text x="{x:.4g}" y="{y + 1.3 * size * i:.4g}" font-size="{size:g}" fill="{_hex(color)}"{place}>'
            self.parts.append(f"{start}{html.escape(line)}</text>")

    def box(self, x: float, y: float, w: float, h: float, line: Color | None = INK, fill: Any = None, width: float = 1.5) -> None:
        self.colors |= {color for color in (line, fill) if color}
        edge = f' stroke="{_hex(line)}" stroke-width="{width:g}"' if line else ""
        place = f'x="{x:.4g}" y="{y:.4g}" width="{w:.4g}" height="{h:.4g}"'
        self.parts.append(f'<rect {place} fill="{_hex(fill)}"{edge}/>')

    def line(self, points: Sequence[tuple[float, float]], color: Color = INK, width: float = 1.5) -> None:
        self.colors.add(color)
        self.parts.append(f'<path d="{_path(points)}" fill="none" stroke="{_hex(color)}" stroke-width="{width:g}"/>')

    def polygon(self, points: Sequence[tuple[float, float]], color: Color) -> None:
        self.parts.append(f'<path d="{_path(points)}z" fill="{_hex(color)}"/>')

    def disc(self, x: float, y: float, r: float, color: Color = INK, fill: Color | None = None) -> None:
        self.colors.add(color)
        paint = f'fill="{_hex(fill or color)}" stroke="{_hex(color)}" stroke-width="1.5"'
        self.parts.append(f'<circle cx="{x:.4g}" cy="{y:.4g}" r="{r:g}" {paint}/>')

    def finished(self) -> str:
        return svg_file(self.width, self.height, self.title, self.STYLE, self.parts)
