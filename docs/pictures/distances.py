"""Draw the distances between photos of one person and of two people as two histograms: distances.svg.

python docs/pictures/distances.py

The calibration in the package counts the pairs of photos within each of some distances; a bar is the difference of two counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from svg_file import svg_file, write_svg

import npfaceapi as faceapi

PICTURE = Path(__file__).resolve().parent / "distances.svg"
WIDTH, HEIGHT = 350, 408  # a phone of 390 px leaves 358 for a picture
FIRST, LAST = 0.2, 1.0  # the distances at the margins
LEFT, RIGHT = 8, 342  # the margins in pixels
SCALE = 20  # pixels for 1 % of the pairs per 0.01 of distance
NARROWEST = 0.02  # the distance that a bar spans at least
THRESHOLD = 0.6

STYLE = """
text { font: 12px system-ui, "DejaVu Sans", Arial, sans-serif; fill: #1d2733 }
.small { fill: #44505e }
.middle { text-anchor: middle }
.end { text-anchor: end }
.one { fill: #2e6d8e }
.two { fill: #d08a2e }
.wrong { fill: #c01f2e }
.line { stroke: #44505e }
.threshold { stroke: #1d2733; stroke-dasharray: 5 3 }
.arrow { fill: none; stroke: #44505e; marker-end: url(#head) }
"""


def x_of(distance: float) -> float:
    return LEFT + (distance - FIRST) / (LAST - FIRST) * (RIGHT - LEFT)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:g}">{words}</text>'


def line(kind: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<path class="{kind}" d="M{x0:.1f},{y0:g}L{x1:.1f},{y1:g}"/>'


def bars(kinds: tuple[str, str], edges: Sequence[float], within: Sequence[float], bottom: float) -> list[str]:
    """A histogram from the shares of pairs within the edges; the kinds are those of bars below and above the threshold."""
    parts = []
    for low, high, less, more in zip(edges, edges[1:], within, within[1:], strict=False):
        height = SCALE * (more - less) / (high - low)
        cut = min(max(low, THRESHOLD), high)
        for kind, start, end in zip(kinds, (max(low, FIRST), cut), (cut, high), strict=True):
            if end > start:
                x, width = x_of(start), x_of(end) - x_of(start)
                parts.append(
                    f'<rect class="{kind}" x="{x:.1f}" y="{bottom - height:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
                )
    return parts


def svg() -> str:
    """The picture."""
    calibration = faceapi.Calibration.bundled()
    missed, matched = calibration.miss_rate(THRESHOLD).value, calibration.false_match_rate(THRESHOLD).value
    edges, same, different = [0.0], [0.0], [0.0]
    for d, one, two in zip(calibration.distances, calibration.same_within, calibration.different_within, strict=True):
        if d - edges[-1] >= NARROWEST:
            edges.append(d)
            same.append(one / calibration.same)
            different.append(two / calibration.different)
    middle, end, upper, lower = x_of(THRESHOLD), x_of(edges[-1]) + 6, 186, 346
    parts = [
        text(middle, 22, f"threshold {THRESHOLD}", "middle"),
        line("threshold", middle, 30, middle, lower),
        text(LEFT, 44, "one person:"),
        text(LEFT, 60, f"{calibration.same:,} pairs"),
        *bars(("one", "wrong"), edges, same, upper),
        line("line", LEFT, upper, RIGHT, upper),
        text(middle + 8, upper - 28, f"{100 * missed:.1f} % are farther:"),
        text(middle + 8, upper - 12, "misses"),
        text(LEFT, 222, "two people:"),
        text(LEFT, 238, f"{calibration.different:,} pairs"),
        *bars(("wrong", "two"), edges, different, lower),
        line("line", LEFT, lower, RIGHT, lower),
        text(middle - 8, lower - 28, f"{100 * matched:.1f} % are closer:", "end"),
        text(middle - 8, lower - 12, "false matches", "end"),
        text(end, lower - 68, f"{100 - 100 * different[-1]:.0f} % are", "small"),
        text(end, lower - 54, f"beyond {edges[-1]:.2f}", "small"),
        line("arrow", end, lower - 44, RIGHT, lower - 44),
        *(text(x_of(d / 10), lower + 16, f"{d / 10:.1f}", "small middle") for d in range(3, 10)),
        text((LEFT + RIGHT) / 2, lower + 36, "distance between the two descriptors", "middle"),
        text((LEFT + RIGHT) / 2, lower + 54, "the area of a bar is its share of the pairs", "small middle"),
    ]
    return svg_file(WIDTH, HEIGHT, "Distances between photos of one person and of two people", STYLE, parts)


if __name__ == "__main__":
    write_svg(PICTURE, svg())
