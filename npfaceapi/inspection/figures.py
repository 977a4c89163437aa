"""Parts shared by the pages of the report: figures, heat maps over a picture, tables that scroll, references to the docs."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Sequence

import numpy as np

from npfaceapi._version import __version__
from npfaceapi.display.feature_maps import picture, signed_colors, viridis
from npfaceapi.display.markup import Markup, element, jpeg_uri, table
from npfaceapi.photos.net_input import Pixels
from npfaceapi.taps import Values

__all__ = ["color_scale", "docs_page", "figure", "heat_over", "image_figure", "marked", "plural", "scrolling", "scrolling_table"]

FINEST = 320  # cells along the longer side of a heat map
NARROWEST = 224  # CSS pixels of a caption below a narrower picture


def plural(count: int, what: str) -> str:
    """`1 face`, `2 faces`, `2 boxes`, `2 near misses`."""
    return f"{count:,} {what}{'' if count == 1 else 'es' if what.endswith(('x', 's')) else 's'}"


def figure(content: Markup, caption: object, width: int | None = 480) -> Markup:
    """A picture with a caption, `width` CSS pixels wide where there is room; None: as wide as its place."""
    style = None if width is None else f"width:{width}px;max-width:100%"
    return element("figure", content, element("figcaption", caption), style=style)


def image_figure(pixels: Pixels, alt: str, caption: object, shown: int = 224, narrowest: int = NARROWEST) -> Markup:
    """Pixels [H,W,3] with a longer side of `shown` CSS pixels, and a caption at least `narrowest` wide."""
    H, W = pixels.shape[:2]
    scale = shown / max(H, W)
    size = {"width": max(1, round(W * scale)), "height": max(1, round(H * scale))}
    style = "max-width:100%;height:auto" + (";image-rendering:pixelated" if scale > 1.5 else "")
    image = element("img", src=jpeg_uri(pixels, 512, quality=85), alt=alt, **size, style=style)
    return figure(image, caption, max(size["width"], narrowest))


def marked(below: str, marks: Sequence[Markup], size: tuple[float, float], alt: str, width: int) -> Markup:
    """Marks, in pixels of a picture of (width, height), over the picture that the style sheet has for the class `below`."""
    W, H = size
    unit = max(W, H) / width  # a CSS pixel in pixels of the picture
    place = f"display:block;width:{max(1, round(W / unit))}px;max-width:100%;height:auto;aspect-ratio:{W}/{H}"
    look = {"font_size": f"{13 * unit:.4g}", "fill": "none", "font_family": "sans-serif"}
    return element("svg", *marks, class_=below, view_box=f"0 0 {W} {H}", style=place, role="img", aria_label=alt, **look)


def heat_over(
    below: str, values: Values, alt: str, caption: object, size: tuple[int, int] = (1, 1), width: int | None = None
) -> Markup:
    """Scores [rows, columns] in 0..1 as a heat map over the picture of (width, height) of the class `below`.

    Both cover the same area.  Very fine grids are reduced by the maximum over neighbouring cells: no peak is lost, and the file
    stays small.
    """
    step = -(-max(values.shape) // FINEST)
    for axis in (0, 1):
        values = np.maximum.reduceat(values, np.arange(0, values.shape[axis], step), axis=axis)
    above = element("img", src=picture(values, 0.0, 1.0), alt=alt)
    shape = f"aspect-ratio:{size[0]}/{size[1]}" + (f";width:{width}px" if width else "")
    return figure(element("div", above, class_=f"stack {below}", style=shape), caption, width and max(width, NARROWEST))


def color_scale(low: str, high: str, is_signed: bool = False) -> Markup:
    """A colour map with what its ends, and zero in the middle, mean."""
    at = np.linspace(0, 1, 9)
    colors = signed_colors(2 * at - 1) if is_signed else viridis(at)
    stops = ", ".join("#" + "".join(f"{c:02x}" for c in color) for color in colors.tolist())
    bar = element("span", class_="scale", style=f"background:linear-gradient(to right, {stops})", aria_hidden="true")
    names = ("orange", "blue, zero is white") if is_signed else ("dark purple", "yellow")
    return element("p", f"Colours: {low} ({names[0]}) ", bar, f" {high} ({names[1]}).")


def scrolling_table(
    header: Sequence[object], rows: Sequence[Sequence[object]], right: Sequence[int], caption: str, class_: str = "scroll"
) -> Markup:
    """A table that scrolls sideways in a narrow window, also by keyboard."""
    return scrolling(table(header, rows, right=right, caption=caption), caption, class_)


def scrolling(content: Markup, name: str, class_: str = "scroll") -> Markup:
    """A part of the page that scrolls sideways in a narrow window, also by keyboard."""
    return element("div", content, class_=class_, tabindex=0, role="region", aria_label=name)


def docs_page(name: str) -> Markup:
    """A page of the documentation: a link if the package's metadata state where its source is, else its place in the source."""
    source = _source()
    path = f"docs/{name}"
    return element("code", path) if source is None else element("a", path, href=f"{source}/blob/v{__version__}/{path}")


@functools.cache
def _source() -> str | None:
    try:
        urls = importlib.metadata.metadata("npfaceapi").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:  # a source tree that is not installed
        return None
    return next((url.removeprefix("Source, ") for url in urls if url.startswith("Source, ")), None)
