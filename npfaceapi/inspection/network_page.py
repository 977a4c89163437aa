"""The part of the report on each network: a table of its layers, its first filters, and a sheet of feature maps per layer."""

from __future__ import annotations

import math

from npfaceapi.display.feature_maps import filters_figure, sheet_figure
from npfaceapi.display.markup import Markup, element
from npfaceapi.graph import shape_text
from npfaceapi.inspection.figures import docs_page, scrolling_table
from npfaceapi.inspection.layers import ROUNDS, LayerReport, NetworkReport
from npfaceapi.networks.registry import split

__all__ = ["DOCS_PAGES", "network_section"]

#: The page of docs/ that explains a network.
DOCS_PAGES = {
    "ssd_mobilenetv1": "04-ssd.md",
    "tiny_face_detector": "05-tiny-yolo.md",
    "tiny_yolov2": "05-tiny-yolo.md",
    "mtcnn": "03-mtcnn.md",
    "face_landmark_68_net": "07-landmarks.md",
    "face_landmark_68_tiny_net": "07-landmarks.md",
    "face_expression_net": "10-expression-age-gender.md",
    "age_gender_net": "10-expression-age-gender.md",
    "face_recognition_net": "09-descriptor.md",
}


def network_section(report: NetworkReport) -> Markup:
    """The layers of a network, collapsed."""
    H, W = report.batch.shape[1:3]
    text = (
        f"Input {W} x {H} pixels, {len(report.layers)} layers, {report.parameters:,} parameters, {report.macs / 1e6:,.1f} "
        f"million multiply-accumulates (MACs)."
    )
    outputs = ", ".join(f"{name} [{shape_text(value.shape)}]" for name, value in report.outputs.items())
    net, _ = split(report.key) or (None, "")
    explained = None if net is None else element("span", " Explained in ", docs_page(DOCS_PAGES[net.name]), ".")
    is_turned = net is not None and net.name == "mtcnn"
    note = " MTCNN takes the photo transposed, and blue first: its maps and filters lie on their side." if is_turned else None
    names = [_anchor(report, i) for i in range(len(report.layers))]
    rows = [_row(report, layer, anchor) for layer, anchor in zip(report.layers, names, strict=True)]
    header = ("layer", "operation", "output", "sees", "parameters", "MACs", "share of the MACs")
    caption = f"Layers of {report.name}; names link to feature maps"
    sheets = [_sheet(layer, anchor) for layer, anchor in zip(report.layers, names, strict=True) if layer.sheet is not None]
    colors = ("blue", "green", "red") if is_turned else ("red", "green", "blue")
    return element(
        "section",
        element("h3", f"{report.name}: {report.title}"),
        element("p", text, f" Output: {outputs}.", explained, note),
        element(
            "details",
            element("summary", f"Table of the {len(report.layers)} layers"),
            scrolling_table(header, rows, (4, 5), caption, "scroll layers"),
        ),
        _steps(report) if report.steps else None,
        element(
            "details",
            element("summary", "Filters of the first layer"),
            filters_figure(f"the first layer of {report.name}", report.filters, colors),
            class_="sheets",
        ),
        element("details", element("summary", "Feature maps, layer by layer"), *sheets, class_="sheets"),
        id=report.key,
    )


def _steps(report: NetworkReport) -> Markup:
    """A table of the fast engine's steps."""
    rows = [
        (
            step.name,
            step.operations,
            step.shape,
            f"{step.macs:,}",
            f"{step.seconds * 1e6:,.0f}",
            _share(step.seconds, report.step_seconds),
        )
        for step in report.steps
    ]
    caption = (
        f"Steps of {report.name} on the numba engine, {_milliseconds(report.step_seconds)} in all on one thread; each time is "
        f"the median of {ROUNDS} runs of the network, after one that does not count"
    )
    header = ("step", "computes", "output", "MACs", "microseconds", "share of the time")
    title = f"Table of the {len(rows)} steps of the fast engine"
    return element("details", element("summary", title), scrolling_table(header, rows, (3, 4), caption, "scroll layers"))


def _milliseconds(seconds: float) -> str:
    """Three digits, no more: `102 ms`, `5.74 ms`."""
    value = seconds * 1000
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0}f} ms"


def _share(part: float, whole: float) -> Markup:
    share = part / whole if whole else 0.0
    bar = element("span", class_="share", style=f"width:{share * 8:.2f}em", aria_hidden="true")
    return element("span", bar, f"{share * 100:.1f} %")


def _anchor(report: NetworkReport, number: int) -> str:
    return f"{report.key}-{number}"


def _row(report: NetworkReport, item: LayerReport, anchor: str) -> tuple[object, ...]:
    name, operations, shape, parameters, macs = item.layer.row
    link = element("a", name, href=f"#{anchor}") if item.sheet else name
    return link, operations, shape, item.sees, parameters, macs, _share(item.layer.macs, report.macs)


def _sheet(item: LayerReport, anchor: str) -> Markup:
    name = item.layer.name
    assert item.sheet is not None
    title = element("summary", name, " ", element("small", f"{item.layer.summary}; {shape_text(item.layer.output.shape)}"))
    sees = f" Each of its numbers sees at most {item.sees} pixels of the input." if item.sees else ""
    return element("details", title, element("div", sheet_figure(name, item.sheet, sees), id=anchor))
