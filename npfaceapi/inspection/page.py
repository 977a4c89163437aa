"""The whole report as one HTML file that fetches nothing and runs no script."""

from __future__ import annotations

from npfaceapi._version import __version__
from npfaceapi.display.face_markup import box_mark, photo_with_marks
from npfaceapi.display.markup import Markup, element, join
from npfaceapi.inspection.cascade import CascadeTrace
from npfaceapi.inspection.detector_page import cascade_sections, detector_sections
from npfaceapi.inspection.face_page import distance_section, face_sections
from npfaceapi.inspection.figures import figure, plural
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
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        element("header", element("h1", title), element("nav", element("ul", *links), aria_label="Contents")),
        element("main", _photo(report), _detector(report), _faces(report), _networks(report)),
        element("footer", element("p", f"Made by npfaceapi {__version__}. This page needs no network and runs no script.")),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _photo(report: Report) -> Markup:
    H, W = report.photo.shape[:2]
    unit = max(W, H) / 640
    several = len(report.faces) > 1
    marks = [box_mark(face.result.detection.box, unit, i if several else None) for i, face in enumerate(report.faces, 1)]
    count = plural(len(report.faces), "face")
    shown = photo_with_marks(marks, (W, H), report.photo, f"The photo with {count} marked", 640)
    caption = f"{report.name}: {W} x {H} pixels, {count}. Results were computed on the backend {report.backend}."
    return element("section", element("h2", "The photo"), figure(shown, caption, 640), id="photo")


def _detector(report: Report) -> Markup:
    trace = report.detection
    sections = cascade_sections(trace, report.photo) if isinstance(trace, CascadeTrace) else detector_sections(trace)
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
            f"Every network layer by layer, with the output of each layer.{on_face} Values and times are those of the reference "
            "engine, which computes one operation after the other in NumPy; times are the shortest of several runs on this "
            "machine. The fast engine computes the same numbers but fuses layers: a separate table lists its steps, with the "
            "times that the engine itself measures.",
        )
    )
    parts.append(
        element(
            "p",
            "Feature maps are coloured with viridis, a perceptually uniform colour map: dark blue is the smallest value, yellow "
            "the largest. Each sheet has its own scale, given below it.",
        )
    )
    return element("section", *parts, join([network_section(network) for network in report.networks]), id="networks")
