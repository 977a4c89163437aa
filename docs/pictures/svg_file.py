"""What the SVG pictures of the docs have in common: a white ground and the head of an arrow, `url(#head)`."""

from __future__ import annotations

import html
from collections.abc import Iterable


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
