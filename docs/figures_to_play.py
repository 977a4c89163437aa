"""A Sphinx extension: a comment `<!-- figure: NAME -->` in a page becomes a figure to play with on the site.

Its script, `_static/play-NAME.js`, is plain JavaScript and loads nothing. The numbers that it starts from are computed here, by
the package itself. Elsewhere, and without JavaScript, the comment shows nothing.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import npfaceapi as faceapi

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "golden" / "images" / "astronaut.png"
MARKER = re.compile(r"^<!-- figure: (\w+) -->$", re.MULTILINE)


def figures_in(text: str) -> list[str]:
    """The names of the figures in a page."""
    return MARKER.findall(text)


def convolution() -> dict[str, Any]:
    """Page 1: everything is in the script."""
    return {}


def grid() -> dict[str, Any]:
    """Page 5: the tiny face detector's answers for each cell, and what a cell sees."""
    from npfaceapi.inspection.receptive_field import receptive_fields

    net = faceapi.nets.tiny_face_detector
    answers = net.run_net(net.to_batch(PHOTO))["grid"][0].reshape(13, 13, 5, 5).astype(float)
    rows, columns = receptive_fields(net.graph())[net.graph().outputs["grid"]]
    return {
        "photo": _data_uri(faceapi.load_image(PHOTO), 416),
        "anchors": [list(anchor) for anchor in net.anchors],
        "answers": np.round(answers, 4).tolist(),  # [row, column, anchor, (tx, ty, tw, th, score)]
        "rows": rows.tolist(),  # of each row of cells: the first pixel that it sees, and one past the last
        "columns": columns.tolist(),
    }


def suppression() -> dict[str, Any]:
    """Page 6: SSD's boxes above 0.5 in the photo with a second face."""
    from npfaceapi.networks import ssd_mobilenetv1 as ssd

    photo = faceapi.load_image(PHOTO).copy()
    photo[60:190, 300:430] = photo[60:190, 160:290]
    net = faceapi.nets.ssd_mobilenetv1
    raw = net.run_net(net.to_batch(photo))
    corners = ssd.decode_boxes(raw["box_encodings"][0], net.priors) * 512
    scores = ssd.decode_scores(raw["class_logits"][0])
    found = [int(anchor) for anchor in np.argsort(-scores, kind="stable") if scores[anchor] > 0.5]
    boxes = []
    for anchor in found:
        top, left, bottom, right = (round(float(value), 1) for value in corners[anchor])
        box = {"name": anchor, "score": round(float(scores[anchor]), 3), "x": left, "y": top}
        boxes.append({**box, "width": round(right - left, 1), "height": round(bottom - top, 1)})
    left, top, right, bottom = 130, 30, 450, 230
    return {
        "photo": _data_uri(photo[top:bottom, left:right], right - left),
        "view": [left, top, right - left, bottom - top],
        "boxes": boxes,
    }


FIGURES: dict[str, Callable[[], dict[str, Any]]] = {each.__name__: each for each in (convolution, grid, suppression)}


@functools.cache
def html_of(name: str) -> str:
    """What stands in the page: an empty place, and the numbers of the figure."""
    data = json.dumps(FIGURES[name]()).replace("</", "<\\/")
    return f'<div class="play" id="play-{name}"></div>\n<script type="application/json" id="play-{name}-data">{data}</script>'


def _data_uri(pixels: Any, width: int) -> str:
    image = Image.fromarray(pixels)
    file = io.BytesIO()
    image.resize((width, round(image.height * width / image.width))).save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def replace_markers(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = MARKER.sub(lambda match: html_of(match[1]), source[0])


def add_scripts(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    page = ROOT / f"{docname}.md"
    names = figures_in(page.read_text("utf-8")) if doctree is not None and page.exists() else []
    if names:
        app.add_css_file("play.css")
        for script in ("play.js", *(f"play-{name}.js" for name in names)):
            app.add_js_file(script, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", replace_markers)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
