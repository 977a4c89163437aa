"""Parts shared by the pages of the report: figures, heat maps over a picture, tables that scroll."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npfaceapi.display.feature_maps import picture, viridis
from npfaceapi.display.markup import Markup, element, jpeg_uri, table
from npfaceapi.photos.net_input import Pixels
from npfaceapi.taps import Values

__all__ = ["color_scale", "figure", "heat_over", "image_figure", "plural", "scrolling_table"]

FINEST = 320  # cells along the longer side of a heat map
NARROWEST = 224  # CSS pixels of a caption below a narrower picture


def plural(count: int, what: str) -> str:
    """`1 face`, `2 faces`, `2 boxes`."""
    return f"{count:,} {what}{'' if count == 1 else 'es' if what.endswith('x') else 's'}"


def figure(content: Markup, caption: object, width: int = 480) -> Markup:
    """A picture with a caption, `width` CSS pixels wide where there is room."""
    return element("figure", content, element("figcaption", caption), style=f"width:{width}px;max-width:100%")


def image_figure(pixels: Pixels, alt: str, caption: object, shown: int = 224, narrowest: int = NARROWEST) -> Markup:
    """Pixels [H,W,3] with a longer side of `shown` CSS pixels, and a caption at least `narrowest` wide."""
    H, W = pixels.shape[:2]
    scale = shown / max(H, W)
    size = {"width": max(1, round(W * scale)), "height": max(1, round(H * scale))}
    style = "max-width:100%;height:auto" + (";image-rendering:pixelated" if scale > 1.5 else "")
    image = element("img", src=jpeg_uri(pixels, 512, quality=85), alt=alt, **size, style=style)
    return figure(image, caption, max(size["width"], narrowest))


def heat_over(uri: str, values: Values, alt: str, caption: object, shown: int = 224, size: tuple[int, int] = (1, 1)) -> Markup:
    """Scores [rows, columns] in 0..1 as a heat map over a picture of (width, height); both cover the same area.

    Very fine grids are reduced by the maximum over neighbouring cells: no peak is lost, and the file stays small.
    """
    step = -(-max(values.shape) // FINEST)
    for axis in (0, 1):
        values = np.maximum.reduceat(values, np.arange(0, values.shape[axis], step), axis=axis)
    scale = shown / max(size)
    place = {"width": max(1, round(size[0] * scale)), "height": max(1, round(size[1] * scale))}
    below = element("img", src=uri, alt="", **place)
    above = element("img", src=picture(values, 0.0, 1.0), alt=alt, **place)
    return figure(
        element("div", below, above, class_="stack", style=f"width:{place['width']}px"), caption, max(place["width"], NARROWEST)
    )


def color_scale(low: str = "0", high: str = "1") -> Markup:
    """The colour map with what its ends mean."""
    stops = ", ".join("#" + "".join(f"{c:02x}" for c in color) for color in viridis(np.linspace(0, 1, 9)).tolist())
    bar = element("span", class_="scale", style=f"background:linear-gradient(to right, {stops})", aria_hidden="true")
    return element("p", f"Colours: {low} (dark blue) ", bar, f" {high} (yellow).")


def scrolling_table(
    header: Sequence[object], rows: Sequence[Sequence[object]], right: Sequence[int], caption: str, class_: str = "scroll"
) -> Markup:
    """A table that scrolls sideways in a narrow window, also by keyboard."""
    content = table(header, rows, right=right, caption=caption)
    return element("div", content, class_=class_, tabindex=0, role="region", aria_label=caption)
