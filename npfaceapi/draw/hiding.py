"""Making faces unrecognizable: solid rectangles, large pixels, blur.

What is hidden is a rectangle: the detector's box, larger by a quarter of its sides to the left, to the right and below, and by
0.4 above, so that hair, ears and chin are covered too.  A rectangle, since an ellipse would leave out hair and parts of a head
that leans.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.geometry import Box

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["WAYS", "Way", "as_way", "hide"]

Way: TypeAlias = Literal["solid", "pixels", "blur"]
WAYS: tuple[Way, ...] = ("solid", "pixels", "blur")

MARGIN, ABOVE = 0.25, 0.4  # in widths and heights of the box
PIXELS = 6  # across the longer side of the box
BLUR = 0.15  # standard deviation, in longer sides of the box


def as_way(how: object, where: str) -> Way:
    """The argument, if it is a way to hide a face; raises InvalidArgument otherwise."""
    for way in WAYS:
        if isinstance(how, str) and how == way:
            return way
    raise InvalidArgument(f"{where}: expected how to be one of {', '.join(WAYS)}, got {shown(how)}")


def hide(image: Image, box: Box, how: Way) -> None:
    """Hide the face in a box, in place; what lies outside of the image is ignored."""
    from PIL import Image as PILImage, ImageFilter

    width, height = abs(box.width), abs(box.height)
    x, y = min(box.left, box.right), min(box.top, box.bottom)
    left, right = max(x - MARGIN * width, 0), min(x + (1 + MARGIN) * width, image.width)
    top, bottom = max(y - ABOVE * height, 0), min(y + (1 + MARGIN) * height, image.height)
    if left >= right or top >= bottom:
        return
    region = (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
    longer = min(max(width, height), max(image.size))
    if how == "solid":
        image.paste((0, 0, 0), region)
        return
    hidden = image.crop(region)
    if how == "pixels":
        small = [max(1, round(side * PIXELS / longer)) for side in hidden.size]
        hidden = hidden.resize((small[0], small[1]), PILImage.Resampling.BOX).resize(hidden.size, PILImage.Resampling.NEAREST)
    else:
        hidden = hidden.filter(ImageFilter.GaussianBlur(BLUR * longer))
    image.paste(hidden, region)
