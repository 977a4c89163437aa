"""The whole report as one HTML file that fetches nothing and runs no script."""

from __future__ import annotations

from npfaceapi._version import __version__
from npfaceapi.display.face_markup import box_mark, result_lines
from npfaceapi.display.markup import Markup, element, join, jpeg_uri
from npfaceapi.inspection.cascade import CascadeTrace
from npfaceapi.inspection.detector_page import cascade_sections, detector_sections
from npfaceapi.inspection.face_page import MOST_FACES, distance_section, face_sections
from npfaceapi.inspection.figures import color_scale, figure, marked, plural
from npfaceapi.inspection.network_page import network_section
from npfaceapi.inspection.report import Report
from npfaceapi.inspection.style import STYLE
from npfaceapi.networks.registry import DETECTORS
from npfaceapi.output_files import generator

__all__ = ["page"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: Report) -> str:
    """The report as HTML."""
    title = f"What the networks see in {report.name}"
    contents = [("photo", "The photo"), ("detector", "The detector"), ("faces", "The faces"), ("networks", "Layer by layer")]
    links = [element("li", element("a", text, href=f"#{anchor}")) for anchor, text in contents]
    links += [element("li", element("a", network.name, href=f"#{network.key}")) for network in report.networks]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup(generator("inspect")),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE + _backgrounds(report))),
    )
    body = element(
        "body",
        element("a", "Skip the contents", href="#photo", class_="skip"),
        element("header", element("h1", title), element("nav", element("ul", *links), aria_label="Contents")),
        element("main", _photo(report), _detector(report), _faces(report), _networks(report)),
        element("footer", element("p", f"Made by npfaceapi {__version__}. This page needs no network and runs no script.")),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _backgrounds(report: Report) -> str:
    """The photo and the detector's input, stored once each: pictures that marks or heat maps are drawn over."""
    pictures = {"photo": jpeg_uri(report.photo, 640)}
    if not isinstance(report.detection, CascadeTrace):
        pictures["input"] = jpeg_uri(report.detection.batch[0], 480, quality=75)
    return "".join(f".{name} {{ background-image: url({uri}) }}\n" for name, uri in pictures.items())


def _photo(report: Report) -> Markup:
    H, W = report.photo.shape[:2]
    unit = max(W, H) / 640
    several = len(report.faces) > 1
    marks = [box_mark(face.result.detection.box, unit, i if several else None) for i, face in enumerate(report.faces, 1)]
    count = plural(len(report.faces), "face")
    shown = marked("photo", marks, (W, H), f"The photo with {count} marked", 640)
    caption = f"{report.name}: {W} x {H} pixels, {count}. Results were computed on the backend {report.backend}."
    listed = [
        element("li", element("a", f"Face {i}", href=f"#face-{i}"), ": ", "; ".join(result_lines(face.result)), ".")
        for i, face in enumerate(report.faces[:MOST_FACES], 1)
    ]
    pictures = element("div", figure(shown, caption, 640), element("ul", *listed) if listed else None, class_="pictures")
    return element("section", element("h2", "The photo"), pictures, id="photo")


def _detector(report: Report) -> Markup:
    trace = report.detection
    sections = cascade_sections(trace) if isinstance(trace, CascadeTrace) else detector_sections(trace)
    return element("section", element("h2", DETECTORS[report.detector].does), sections, id="detector")


def _faces(report: Report) -> Markup:
    title = element("h2", "The faces")
    if not report.faces:
        text = "The detector found no face, so the other networks did not run."
        return element("section", title, element("p", text), id="faces")
    return element("section", title, face_sections(report.faces, report.photo), distance_section(report.faces), id="faces")


def _networks(report: Report) -> Markup:
    parts: list[Markup] = [element("h2", "Layer by layer")]
    if not report.networks:
        parts.append(element("p", "The network did not run, because there is no face."))
        return element("section", *parts, id="networks")
    on_face = " The networks for faces are shown on face 1." if report.faces else ""
    parts.append(
        element(
            "p",
            f"Every network layer by layer, with the output of each layer.{on_face} Values are those of the reference engine, "
            "which computes one operation after the other in NumPy. The fast engine computes the same numbers but fuses layers: "
            "a separate table lists its steps, with their times.",
        )
    )
    parts.append(
        element(
            "p",
            "The column \u201csees\u201d is the receptive field: how many rows x columns of the network's input one number of "
            "the layer can depend on, at most. Everything is counted from 0.",
        )
    )
    parts.append(
        element(
            "p",
            "A sheet shows the maps of up to 24 channels, each with the number of its channel. Layers whose channels correspond, "
            "such as the input x of a residual block, f(x) and x + f(x), show the same channels in the same kind of colours. "
            "Each sheet has its own scale, given with it. A reshape or concatenation has no sheet: it computes no new numbers.",
        )
    )
    parts += [color_scale("negative", "positive", True), color_scale("if no value is negative: the smallest", "the largest")]
    return element("section", *parts, join([network_section(network) for network in report.networks]), id="networks")
