"""Feature maps and filters as pictures: the values of a layer as one sheet of small pictures.

Values of both signs have the colours of the pages in docs/: orange below zero, white at zero, blue above.  Others have viridis
(Nathaniel J. Smith and Stéfan van der Walt, CC0): it is perceptually uniform from dark purple to yellow, so equal steps of a
value look equal, in gray and with colour blindness too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.display.markup import Markup, element, png_uri

__all__ = [
    "LEVELS",
    "MOST_CHANNELS",
    "Sheet",
    "colors",
    "describe_range",
    "filters_figure",
    "most_varied",
    "picture",
    "sheet",
    "sheet_figure",
    "signed_colors",
    "spread",
    "viridis",
]

Array = np.ndarray[Any, Any]

_ANCHORS = """
    440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e 1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f d8e219 fde725
"""
_SIGNED_ANCHORS = "b35806 f1a340 f7f7f7 7ba0d2 214c96"
#: The number of shades in a picture, odd so that zero has one; more cannot be distinguished, and would make the file larger.
LEVELS = 95
MOST_CHANNELS = 24
COLUMNS = 6
CLIPPED = 0.5  # percent of the values at either end that are clipped
GAP = 1
MOST_PIXELS = 36_000


def viridis(values: Array) -> Array:
    """Values in [0, 1] (others are clipped) to RGB uint8, one dimension more than `values`."""
    return _interpolated(values, _ANCHORS)


def signed_colors(values: Array) -> Array:
    """Values in [-1, 1] (others are clipped) to RGB uint8: orange, white at zero, blue."""
    return _interpolated((np.asarray(values) + 1) / 2, _SIGNED_ANCHORS)


def _interpolated(values: Array, colors: str) -> Array:
    anchors = np.array([[int(anchor[i : i + 2], 16) for i in (0, 2, 4)] for anchor in colors.split()])
    at = np.clip(values, 0, 1)
    channels = [np.interp(at, np.linspace(0, 1, len(anchors)), anchors[:, i]) for i in range(3)]
    return np.floor(np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def colors(is_signed: bool = False) -> Array:
    """The palette of a picture, RGBA [LEVELS + 1,4]: the colour map, and a transparent colour last, for gaps between maps."""
    palette = np.full((LEVELS + 1, 4), 255)
    at = np.linspace(0, 1, LEVELS)
    palette[:LEVELS, :3] = signed_colors(2 * at - 1) if is_signed else viridis(at)
    palette[LEVELS] = 0
    return palette


def _levels(values: Array, low: float, high: float) -> Array:
    scaled = (values.astype(np.float64) - low) / (high - low) if high > low else np.zeros(values.shape)
    return np.minimum(np.clip(np.nan_to_num(scaled), 0, 1) * LEVELS, LEVELS - 1).astype(np.uint8)


def picture(values: Array, low: float, high: float) -> str:
    """Values [H,W] as a picture, one pixel per value.  If `low` is negative, it should be `-high`: zero is then white."""
    return png_uri(_levels(values, low, high), colors(low < 0))


@dataclass(frozen=True)
class Sheet:
    """The maps of one layer side by side.

    Attributes
    ----------
    uri : str
        The picture as a `data:` URI; its pixels are values, or means of `shrunk` x `shrunk` of them.
    width, height : int
        The size of the picture in pixels.
    shape : tuple of int
        The shape of the values: [H,W,C], [C] or none; a layer of one pixel, [1,1,C], is [C].
    channels : tuple of int
        The channels shown, row by row.
    choice : str
        Why these channels and not others.
    columns : int
        The number of maps in a row.
    low, high : float
        The smallest and the largest value of the layer, in all its channels.
    darkest, brightest : float
        The values at the ends of the colour map; with negative values its middle is zero.
    shrunk : int
    zeros : float
        The share of values that are zero.
    constant : tuple of int
        Those of all channels that have the same value everywhere.
    peak : tuple of int
        Row, column and channel of the largest value, or its index in [C].
    """

    uri: str
    width: int
    height: int
    shape: tuple[int, ...]
    channels: tuple[int, ...]
    choice: str
    columns: int
    low: float
    high: float
    darkest: float
    brightest: float
    shrunk: int
    zeros: float
    constant: tuple[int, ...]
    peak: tuple[int, ...]

    def caption(self) -> str:
        """A description of the sheet, in a few sentences."""
        parts = [self._what(), describe_range(self.low, self.high, self.darkest, self.brightest)]
        if self.low < self.high:
            if self.zeros > 0:
                parts.append(f"{self.zeros * 100:.0f} % of the values are 0.")
            if len(self.shape) == 3:
                row, column, channel = self.peak
                parts.append(f"The largest is in channel {channel}, at row {row}, column {column}.")
            elif len(self.shape) == 1:
                parts.append(f"The largest is number {self.peak[0]}.")
        return " ".join(parts)

    def _what(self) -> str:
        if len(self.shape) < 3:
            count = math.prod(self.shape)
            return "One number." if count == 1 else f"{count} numbers, from left to right, then down."
        H, W, C = self.shape
        size = f"{H}x{W}" if self.shrunk == 1 else f"{H}x{W}, shown as means of {self.shrunk}x{self.shrunk}"
        if C == 1:
            return f"Map of {size}: the only channel."
        shown = len(self.channels)
        which = f"all {C} channels" if shown == C else f"{shown} of {C} channels, {self.choice}"
        same = ""
        if self.constant and self.low < self.high:
            visible = len({*self.constant} & {*self.channels})
            same = f" Constant on this photo: {len(self.constant)} of the {C} channels"
            same += "." if shown == C else f", {visible or 'none'} of them shown."
        return f"Maps of {size}: {which}.{same}"


def describe_range(low: float, high: float, darkest: float, brightest: float) -> str:
    """The range of values and what the colours mean, as a sentence."""
    if not low < high:
        return f"All values are {low:.4g}."
    if darkest < 0:
        below, above = f"orange is {darkest:.4g} or less", f"blue {brightest:.4g} or more"
        ends = ", ".join([below, "white 0"] if low < 0 else ["white is 0"]) + (f", {above}" if high > 0 else "")
    else:
        ends = f"dark purple is {darkest:.4g} or less, yellow {brightest:.4g} or more"
    return f"Values from {low:.4g} to {high:.4g}; {ends}."


def sheet(
    values: Array, channels: Sequence[int] | None = None, choice: str = "those that vary most", is_signed: bool = False
) -> Sheet:
    """The values of a layer for one image, [H,W,C], [C] or a number, as a sheet of pictures with one scale for all.

    Large maps are averaged down to keep the file small.

    Parameters
    ----------
    channels : sequence of int, optional
        The channels to show; default: all if there are at most 24, otherwise the 24 that vary most.
    choice : str
        Why these channels, for the caption.
    is_signed : bool
        Whether to use the colours for values of both signs even if no value is negative.
    """
    values = np.asarray(values, np.float32)
    if values.ndim == 3 and values.shape[:2] == (1, 1):
        values = values[0, 0]
    shape = values.shape
    low, high = _range(values)
    constant: tuple[int, ...] = ()
    if values.ndim == 3:
        channels = most_varied([spread(values)]) if channels is None else channels
        maps = values[:, :, list(channels)]
        shrunk = max(1, math.ceil(math.sqrt(shape[0] * shape[1] * len(channels) / MOST_PIXELS)))
        maps = _averaged(maps, shrunk).transpose(2, 0, 1)
        columns = min(COLUMNS, len(maps))
        constant = tuple(np.flatnonzero((values == values[:1, :1]).all(axis=(0, 1))).tolist())
    else:
        channels, shrunk = range(values.size), 1
        maps, columns = values.reshape(-1, 1, 1), min(64, values.size)
    darkest, brightest = _ends(maps, low, high, is_signed)
    canvas = _arranged(_levels(maps, darkest, brightest), columns, GAP if values.ndim == 3 else 0)
    peak = np.unravel_index(np.argmax(np.nan_to_num(values, nan=-np.inf)), shape) if shape else ()
    return Sheet(
        png_uri(canvas, colors(darkest < 0)), canvas.shape[1], canvas.shape[0], shape, tuple(channels), choice, columns, low,
        high, darkest, brightest, shrunk, float(np.mean(values == 0)), constant, tuple(int(i) for i in peak),
    )  # fmt: skip


def _ends(maps: Array, low: float, high: float, is_signed: bool) -> tuple[float, float]:
    """The values at the ends of the colour map: 0.5 % of all lie beyond either; symmetric if some are, or may be, negative."""
    seen = maps[np.isfinite(maps)]
    darkest, brightest = (float(v) for v in np.percentile(seen, (CLIPPED, 100 - CLIPPED))) if seen.size else (0.0, 0.0)
    if not darkest < brightest:
        darkest, brightest = low, high
    if low < 0 or is_signed:
        brightest = max(-darkest, brightest)
        darkest = -brightest
    return darkest, brightest


def _arranged(maps: Array, columns: int, gap: int) -> Array:
    """Maps [n,H,W] side by side, `columns` in a row, with a gap after each; empty pixels have the level LEVELS."""
    n, H, W = maps.shape
    rows = math.ceil(n / columns)
    canvas = np.full((rows * columns, H + gap, W + gap), LEVELS, np.uint8)
    canvas[:n, :H, :W] = maps
    canvas = canvas.reshape(rows, columns, H + gap, W + gap).transpose(0, 2, 1, 3)
    return canvas.reshape(rows * (H + gap), columns * (W + gap))


def _range(values: Array) -> tuple[float, float]:
    """The smallest and the largest value, ignoring NaN and infinities."""
    low, high = float(values.min()), float(values.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def spread(values: Array) -> Array:
    """The variance of each channel of [H,W,C] as a share of the sum of all; large maps are subsampled."""
    step = max(1, math.isqrt(values.shape[0] * values.shape[1] // 4096))
    variance = np.nan_to_num(values[::step, ::step].var(axis=(0, 1), dtype=np.float64))
    return np.asarray(variance / (variance.sum() or 1.0))


def most_varied(spreads: Sequence[Array], count: int = MOST_CHANNELS) -> tuple[int, ...]:
    """The channels, in order, that vary most in layers with the same channels, given the `spread` of each layer."""
    total = np.sum(spreads, axis=0)
    return tuple(np.sort(np.argsort(-total, kind="stable")[:count]).tolist())


def _averaged(maps: Array, factor: int) -> Array:
    """Means of factor x factor values, or of fewer at the right and bottom edges."""
    if factor == 1:
        return maps
    starts = [np.arange(0, n, factor) for n in maps.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), starts[0], axis=0), starts[1], axis=1)
    counts = [np.diff([*start, n]) for start, n in zip(starts, maps.shape[:2], strict=True)]
    return np.asarray(sums / (counts[0][:, None, None] * counts[1][None, :, None]))


def sheet_figure(name: str, shown: Sheet, more: str = "") -> Markup:
    """A sheet of maps, small ones enlarged, and its caption with `more` after it."""
    caption = shown.caption() + more
    if len(shown.shape) == 3:
        size = shown.width, shown.height
        return _numbered(shown.uri, size, shown.columns, shown.channels, f"Feature maps of {name}", caption)
    bars = _image(shown.uri, f"Values of {name} as coloured bars", (shown.width * 10, shown.height * 24))
    return _figure(bars, None, caption)


def filters_figure(name: str, filters: Array, parts: Sequence[str]) -> Markup:
    """The filters [KH,KW,Ci,Co] of a layer, those of each output channel side by side; `parts` names the input channels."""
    reach = float(np.abs(filters).max())
    levels = _levels(filters.transpose(3, 2, 0, 1), -reach, reach)
    tiles = np.stack([_arranged(tile, len(parts), GAP) for tile in levels])
    columns = min(COLUMNS, len(tiles))
    canvas = _arranged(tiles, columns, GAP)
    KH, KW, _, Co = filters.shape
    caption = (
        f"{Co} filters of {KH}x{KW}, numbered as the channels that they make: the weights for {', '.join(parts)} side by side. "
        + describe_range(float(filters.min()), float(filters.max()), -reach, reach)
    )
    return _numbered(png_uri(canvas, colors(True)), canvas.shape[::-1], columns, range(Co), f"Filters of {name}", caption)


def _numbered(uri: str, size: tuple[int, ...], columns: int, numbers: Sequence[int], alt: str, caption: str) -> Markup:
    """A sheet of tiles, `columns` in a row, each with its number in its upper left corner, in letters that do not shrink."""
    width, height = size
    zoom = max(1, min(48, 960 // width, 640 // height))
    rows = math.ceil(len(numbers) / columns)
    labels = (
        element("text", number, x=f"{i % columns * 100 / columns:.4g}%", y=f"{i // columns * 100 / rows:.4g}%")
        for i, number in enumerate(numbers)
    )
    over = element(
        "svg",
        element("g", *labels, transform="translate(2,11)"),
        style="position:absolute;left:0;top:0;width:100%;height:100%",
        aria_hidden="true",
        font_family="sans-serif",
        font_size=11,
        fill="#ffffff",
        stroke="#000000",
        stroke_width=2.5,
        paint_order="stroke",
    )
    return _figure(_image(uri, alt, (width * zoom, height * zoom)), over, caption)


def _image(uri: str, alt: str, size: tuple[int, int]) -> Markup:
    style = "max-width:100%;height:auto;image-rendering:pixelated;display:block"
    return element("img", src=uri, alt=alt, width=size[0], height=size[1], style=style)


def _figure(image: Markup, over: Markup | None, caption: str) -> Markup:
    both = element("div", image, over, style="position:relative;display:inline-block;max-width:100%")
    return element("figure", both, element("figcaption", caption), style="margin:.5em 0")
