"""Feature maps as pictures: the values of a layer as one sheet of small pictures.

The colour map is viridis (Nathaniel J. Smith and Stéfan van der Walt, CC0): it is perceptually uniform from dark blue to
yellow, so equal steps of a value look equal, in gray and with colour blindness too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.display.markup import Markup, element, join, png_uri

__all__ = ["LEVELS", "Sheet", "colors", "describe_range", "picture", "sheet", "sheet_figure", "viridis"]

Array = np.ndarray[Any, Any]

_ANCHORS = """
    440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e 1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f d8e219 fde725
"""
#: The number of shades in a picture; more cannot be distinguished, and would make the file larger.
LEVELS = 96
CLIPPED = 0.5  # percent of the values at either end that are clipped
GAP = 1
MOST_PIXELS = 36_000


def viridis(values: Array) -> Array:
    """Values in [0, 1] (others are clipped) to RGB uint8, one dimension more than `values`."""
    anchors = np.array([[int(anchor[i : i + 2], 16) for i in (0, 2, 4)] for anchor in _ANCHORS.split()])
    at = np.clip(values, 0, 1)
    channels = [np.interp(at, np.linspace(0, 1, len(anchors)), anchors[:, i]) for i in range(3)]
    return np.floor(np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def colors() -> Array:
    """The palette of a picture, RGBA [LEVELS + 1,4]: viridis, and a transparent colour last, for the gaps between the maps."""
    palette = np.full((LEVELS + 1, 4), 255)
    palette[:LEVELS, :3] = viridis(np.linspace(0, 1, LEVELS))
    palette[LEVELS] = 0
    return palette


def _levels(values: Array, low: float, high: float) -> Array:
    scaled = (values.astype(np.float64) - low) / (high - low) if high > low else np.zeros(values.shape)
    return np.minimum(np.clip(np.nan_to_num(scaled), 0, 1) * LEVELS, LEVELS - 1).astype(np.uint8)


def picture(values: Array, low: float, high: float) -> str:
    """Values [H,W] as a picture, one pixel per value; `low` is darkest and `high` brightest."""
    return png_uri(_levels(values, low, high), colors())


@dataclass(frozen=True)
class Sheet:
    """The maps of one layer side by side.

    Attributes
    ----------
    uri : str
        The picture as a `data:` URI; its pixels are values, or means of `shrunk` x `shrunk` of them.
    width, height : int
        The size of the picture in pixels.
    channels : tuple of int
        The channels shown, row by row.
    columns : int
        The number of maps in a row.
    low, high : float
        The smallest and the largest value of the layer, in all its channels.
    darkest, brightest : float
        The values at the ends of the colour map.
    shrunk : int
    """

    uri: str
    width: int
    height: int
    shape: tuple[int, ...]
    channels: tuple[int, ...]
    columns: int
    low: float
    high: float
    darkest: float
    brightest: float
    shrunk: int

    def caption(self) -> str:
        """A description of the sheet, in a sentence or two."""
        if len(self.shape) < 3:
            count = math.prod(self.shape)
            what = "One number." if count == 1 else f"{count} numbers, from left to right, then down."
        else:
            H, W, C = self.shape
            size = f"{H}x{W}" if self.shrunk == 1 else f"{H}x{W}, shown as means of {self.shrunk}x{self.shrunk}"
            if len(self.channels) == C:
                which = f"all {C} channels in order" if C > 1 else "the only channel"
            else:
                which = (
                    f"the {len(self.channels)} of {C} channels that vary most, row by row: {', '.join(map(str, self.channels))}"
                )
            what = f"Maps of {size}: {which}."
        return f"{what} {describe_range(self.low, self.high, self.darkest, self.brightest)}"


def describe_range(low: float, high: float, darkest: float, brightest: float) -> str:
    """The range of values and what the colours mean, as a sentence."""
    if not low < high:
        return f"All values are {low:.4g}."
    return f"Values from {low:.4g} to {high:.4g}; dark blue is {darkest:.4g} or less, yellow {brightest:.4g} or more."


def sheet(values: Array, most_channels: int = 24, columns: int = 8) -> Sheet:
    """The values of a layer for one image, [H,W,C], [C] or a number, as a sheet of pictures with one scale for all.

    If there are many channels, those that vary most are shown; large maps are averaged down to keep the file small.
    """
    values = np.asarray(values, np.float32)
    shape = values.shape
    low, high = _range(values)
    if values.ndim == 3:
        chosen = _most_varied(values, most_channels)
        maps = values[:, :, chosen]
        shrunk = max(1, math.ceil(math.sqrt(shape[0] * shape[1] * len(chosen) / MOST_PIXELS)))
        maps = _averaged(maps, shrunk).transpose(2, 0, 1)
    else:
        chosen, shrunk = np.arange(values.size), 1
        maps, columns = values.reshape(-1, 1, 1), 64
    columns = min(columns, len(maps))
    seen = maps[np.isfinite(maps)]
    darkest, brightest = (float(v) for v in np.percentile(seen, (CLIPPED, 100 - CLIPPED))) if seen.size else (0.0, 0.0)
    if not darkest < brightest:
        darkest, brightest = low, high
    canvas = _arranged(_levels(maps, darkest, brightest), columns, GAP if values.ndim == 3 else 0)
    return Sheet(
        png_uri(canvas, colors()), canvas.shape[1], canvas.shape[0], shape, tuple(chosen.tolist()), columns,
        low, high, darkest, brightest, shrunk,
    )  # fmt: skip


def _arranged(maps: Array, columns: int, gap: int) -> Array:
    """Maps [n,H,W] side by side, `columns` in a row, with a gap between them; empty pixels have the level LEVELS."""
    n, H, W = maps.shape
    rows = math.ceil(n / columns)
    canvas = np.full((rows * columns, H + gap, W + gap), LEVELS, np.uint8)
    canvas[:n, :H, :W] = maps
    canvas = canvas.reshape(rows, columns, H + gap, W + gap).transpose(0, 2, 1, 3).reshape(rows * (H + gap), columns * (W + gap))
    return np.asarray(canvas[: rows * (H + gap) - gap, : columns * (W + gap) - gap])


def _range(values: Array) -> tuple[float, float]:
    """The smallest and the largest value, ignoring NaN and infinities."""
    low, high = float(values.min()), float(values.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _most_varied(values: Array, count: int) -> Array:
    """The indices, in order, of the channels with the largest variance; large maps are subsampled."""
    step = max(1, math.isqrt(values.shape[0] * values.shape[1] // 4096))
    variance = np.nan_to_num(values[::step, ::step].var(axis=(0, 1), dtype=np.float64))
    return np.sort(np.argsort(-variance, kind="stable")[:count])


def _averaged(maps: Array, factor: int) -> Array:
    """Means of factor x factor values, or of fewer at the right and bottom edges."""
    if factor == 1:
        return maps
    starts = [np.arange(0, n, factor) for n in maps.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), starts[0], axis=0), starts[1], axis=1)
    counts = [np.diff([*start, n]) for start, n in zip(starts, maps.shape[:2], strict=True)]
    return np.asarray(sums / (counts[0][:, None, None] * counts[1][None, :, None]))


def sheet_figure(name: str, shown: Sheet) -> Markup:
    """A sheet of maps with its caption; small ones are enlarged, their pixels kept square and sharp."""
    if len(shown.shape) == 3:
        zoom = max(1, min(24, 640 // shown.width, 480 // shown.height))
        width, height = shown.width * zoom, shown.height * zoom
    else:
        width, height = shown.width * 10, shown.height * 24
    picture = element(
        "img",
        src=shown.uri,
        alt=f"Feature maps of {name}" if len(shown.shape) == 3 else f"Values of {name} as coloured bars",
        width=width,
        height=height,
        style="max-width:100%;height:auto;image-rendering:pixelated",
    )
    return element("figure", picture, element("figcaption", join([shown.caption()])), style="margin:.5em 0")
