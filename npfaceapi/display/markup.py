"""HTML and SVG as text: escaped elements, tables, and embedded pictures.

    element("td", "a < b", class_="name")   <td class="name">a &lt; b</td>

A `Markup` is inserted unchanged; everything else is escaped.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["Markup", "element", "join", "jpeg_uri", "png_uri", "table", "uri"]

Array = np.ndarray[Any, Any]

_VOID = {"br", "col", "img", "link", "meta"}


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Concatenate parts; None is skipped."""
    shown = (part if isinstance(part, Markup) else html.escape(str(part)) for part in parts if part is not None)
    return Markup(between.join(shown))


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """An element; `class_` is class, `view_box` viewBox, `a_b` a-b; True is an attribute without value, None or False is none."""
    text = ""
    for key, value in attributes.items():
        name = "viewBox" if key == "view_box" else key.rstrip("_").replace("_", "-")
        if value is True:
            text += f" {name}"
        elif value is not None and value is not False:
            text += f' {name}="{html.escape(str(value))}"'
    return Markup(f"<{tag}{text}>" if tag in _VOID else f"<{tag}{text}>{join(children)}</{tag}>")


def table(
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    right: Sequence[int] = (),
    caption: object = None,
    **attributes: object,
) -> Markup:
    """A table; the first cell of each row is its heading, the columns with the indices in `right` hold numbers."""

    def style(column: int) -> str | None:
        return "text-align:right" if column in right else "text-align:left"

    head = element("tr", *(element("th", cell, scope="col", style=style(i)) for i, cell in enumerate(header)))
    body = [
        element(
            "tr",
            element("th", row[0], scope="row", style=f"{style(0)};font-weight:normal"),
            *(element("td", cell, style=style(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    title = None if caption is None else element("caption", caption)
    return element("table", title, element("thead", head), element("tbody", *body), **attributes)


def uri(data: bytes, kind: str) -> str:
    """A file's content as a `data:` URI, to embed in a page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def jpeg_uri(pixels: Array, largest: int = 512, quality: int = 80) -> str:
    """Pixels [H,W,3] in 0..255 as a JPEG, scaled down if a side is longer than `largest`."""
    from PIL import Image

    if pixels.dtype != np.uint8:
        pixels = np.clip(np.floor(pixels + 0.5), 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((largest, largest), Image.Resampling.BOX, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return uri(file.getvalue(), "image/jpeg")


def png_uri(indices: Array, palette: Array) -> str:
    """Pixels [H,W] as indices into a palette [n,4] of RGBA, as a PNG."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(indices, np.uint8)).convert("P")
    image.putpalette(palette[:, :3].astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=palette[:, 3].astype(np.uint8).tobytes())
    return uri(file.getvalue(), "image/png")
