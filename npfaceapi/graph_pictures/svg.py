"""Graphs as one SVG that fits a page."""

from __future__ import annotations

from collections.abc import Sequence

from npfaceapi.display.markup import Markup, element
from npfaceapi.graph import Graph, shape_text
from npfaceapi.graph_pictures.folding import fold
from npfaceapi.graph_pictures.layout import CHARACTER, LINE, PADDING, Layout, Placed, lay_out

__all__ = ["graphs_svg"]

MARGIN = 16
HEADING = 34
HEADING_CHARACTER = 9.5  # about the width of one
_STYLE = """
text { font: 10.5px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1d2733; white-space: pre }
.heading { font: bold 15px system-ui, "DejaVu Sans", sans-serif }
.name { font-weight: bold }
.times { fill: #1f5673; font-style: italic }
.path, .cost { fill: #55606e }
.output { fill: #7a3a00; font-weight: bold }
.box { fill: #f5f8fb; stroke: #6b7a8c }
.gives { fill: #fff4e5; stroke: #a35a00 }
.repeats { fill: #e7f0fa; stroke: #2e6d8e; stroke-width: 1.5 }
.line { fill: none; stroke: #44505e; marker-end: url(#arrow) }
"""


def graphs_svg(graphs: Sequence[Graph]) -> Markup:
    """The graphs side by side as an SVG file; blocks that repeat are one box, with the names in the weights."""
    left = float(MARGIN)
    parts: list[Markup] = []
    bottom = 0.0
    for graph in graphs:
        boxes = fold(graph)
        layout = lay_out(boxes, left, MARGIN + HEADING)
        title = f"{graph.name}, input {shape_text(graph.input.shape)}"
        parts.append(element("text", title, x=left, y=MARGIN + 14, class_="heading"))
        parts += _drawn(layout, [box.times > 1 for box in boxes], [bool(box.outputs) for box in boxes])
        left += max(layout.width, len(title) * HEADING_CHARACTER) + 2 * MARGIN
        bottom = max(bottom, MARGIN + HEADING + layout.height)
    width, height = round(left - MARGIN), round(bottom + MARGIN)
    arrow = element(
        "marker",
        element("path", d="M0,0L7,3.5L0,7z", fill="#44505e"),
        id="arrow", view_box="0 0 7 7", refX=6.5, refY=3.5, markerWidth=7, markerHeight=7, orient="auto",
    )  # fmt: skip
    names = ", ".join(graph.name for graph in graphs)
    return element(
        "svg",
        element("title", f"Layers of {names}"),
        element("style", Markup(_STYLE)),
        element("defs", arrow),
        element("rect", width=width, height=height, fill="#ffffff"),
        *parts,
        xmlns="http://www.w3.org/2000/svg", view_box=f"0 0 {width} {height}", width=width, height=height, role="img",
    )  # fmt: skip


def _drawn(layout: Layout, repeats: Sequence[bool], gives: Sequence[bool]) -> list[Markup]:
    ways = [element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in way), class_="line") for way in layout.ways]
    kinds = ["gives" if given else "repeats" if repeated else "box" for repeated, given in zip(repeats, gives, strict=True)]
    return [*ways, *(_box(box, kind) for box, kind in zip(layout.boxes, kinds, strict=True))]


def _box(box: Placed, kind: str) -> Markup:
    place = {"x": f"{box.x:.1f}", "y": f"{box.y:.1f}", "width": f"{box.width:.1f}", "height": f"{box.height:.1f}"}
    lines = [
        element(
            "text", line.text, class_=line.kind, x=f"{box.x + PADDING:.1f}", y=f"{box.y + PADDING + LINE * i + 7:.1f}",
            textLength=f"{len(line.text) * CHARACTER:.1f}", lengthAdjust="spacingAndGlyphs",
        )
        for i, line in enumerate(box.lines)
    ]  # fmt: skip
    return element("g", element("rect", **place, rx=4, class_=kind), *lines)
