"""The part of the report on each network: a table of its layers, and a sheet of feature maps per layer."""

from __future__ import annotations

from npfaceapi.display.feature_maps import sheet_figure
from npfaceapi.display.markup import Markup, element
from npfaceapi.graph import shape_text
from npfaceapi.inspection.figures import scrolling_table
from npfaceapi.inspection.layers import LayerReport, NetworkReport

__all__ = ["network_section"]


def network_section(report: NetworkReport) -> Markup:
    """The layers of a network, collapsed."""
    H, W = report.batch.shape[1:3]
    text = (
        f"Input {W} x {H} pixels, {len(report.layers)} layers, {report.parameters:,} parameters, {report.macs / 1e6:,.1f} "
        f"million multiply-accumulates (MACs)."
    )
    outputs = ", ".join(f"{name} [{shape_text(value.shape)}]" for name, value in report.outputs.items())
    names = [_anchor(report, i) for i in range(len(report.layers))]
    rows = [_row(report, layer, anchor) for layer, anchor in zip(report.layers, names, strict=True)]
    header = ("layer", "operation", "output", "parameters", "MACs", "share of the time")
    caption = (
        f"Layers of {report.name}, {report.seconds * 1000:.1f} ms on the reference engine; each name links to its feature maps"
    )
    sheets = [_sheet(layer, anchor) for layer, anchor in zip(report.layers, names, strict=True)]
    return element(
        "section",
        element("h3", f"{report.name}: {report.title}"),
        element("p", text, f" Output: {outputs}."),
        element(
            "details",
            element("summary", f"Table of the {len(report.layers)} layers"),
            scrolling_table(header, rows, (3, 4), caption, "scroll layers"),
        ),
        _steps(report) if report.steps else None,
        element("details", element("summary", "Feature maps, layer by layer"), *sheets),
        id=report.key,
    )


def _steps(report: NetworkReport) -> Markup:
    """A table of the fast engine's steps."""
    rows = [
        (step.name, step.operations, step.shape, f"{step.macs:,}", _share(step.seconds, report.step_seconds))
        for step in report.steps
    ]
    caption = f"Steps of {report.name} on the numba engine, {report.step_seconds * 1000:.2f} ms on one thread"
    header = ("step", "computes", "output", "MACs", "share of the time")
    title = f"Table of the {len(rows)} steps of the fast engine"
    return element("details", element("summary", title), scrolling_table(header, rows, (3,), caption, "scroll layers"))


def _share(seconds: float, whole: float) -> Markup:
    share = seconds / whole if whole else 0.0
    bar = element("span", class_="share", style=f"width:{share * 8:.2f}em", aria_hidden="true")
    return element("span", bar, f"{share * 100:.1f} %")


def _anchor(report: NetworkReport, number: int) -> str:
    return f"{report.key}-{number}"


def _row(report: NetworkReport, item: LayerReport, anchor: str) -> tuple[object, ...]:
    name, operations, shape, parameters, macs = item.layer.row
    return element("a", name, href=f"#{anchor}"), operations, shape, parameters, macs, _share(item.seconds, report.seconds)


def _sheet(item: LayerReport, anchor: str) -> Markup:
    name = item.layer.name
    title = element("summary", name, " ", element("small", f"{item.layer.summary}; {shape_text(item.layer.output.shape)}"))
    return element("details", title, element("div", sheet_figure(name, item.sheet), id=anchor))
