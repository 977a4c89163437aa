"""Faces as HTML: boxes and landmarks over their photo, expressions as bars, a descriptor as a bar code.

All styles are inline, so that it looks the same in a notebook and in a page.  Results are used only through their fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from npfaceapi.display.feature_maps import describe_range, picture
from npfaceapi.display.markup import Markup, element, join, jpeg_uri

__all__ = [
    "PART_LOOKS",
    "box_mark",
    "descriptor_bars",
    "expression_bars",
    "face_list",
    "landmark_marks",
    "legend",
    "photo_with_marks",
    "result_lines",
]

Array = np.ndarray[Any, Any]

#: The colour of each part of a face, and whether the line through its points is closed.
PART_LOOKS = {
    "jaw": ("#ffffff", False),
    "left brow": ("#e69f00", False),
    "right brow": ("#f0e442", False),
    "nose": ("#56b4e9", False),
    "left eye": ("#00d69a", True),
    "right eye": ("#a6ff7a", True),
    "mouth, outer": ("#ff7b52", True),
    "mouth, inner": ("#ff9fd6", True),
    "eyes": ("#00d69a", False),
    "corners of the mouth": ("#ff7b52", False),
}
BOX_COLOR = "#ffd400"
EVERYTHING = {"points": slice(None)}  # for landmarks without parts


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def photo_with_marks(
    marks: Iterable[Markup], size: tuple[float, float], photo: Array | None, alt: str, width: int = 512, uri: str | None = None
) -> Markup:
    """Marks, in pixels of a photo of (width, height), over the photo, or over an empty frame if the photo is unavailable.

    `uri` is the photo as a `data:` URI, if there is one already; `width` is the maximum width shown, in CSS pixels.
    """
    W, H = size
    scale = min(width / W, width / H)
    shown = max(1, round(W * scale)), max(1, round(H * scale))
    if uri is None and photo is not None:
        uri = jpeg_uri(photo, width)
    fill = f"width:{shown[0]}px;max-width:100%;display:block;height:auto"
    unit = max(W, H) / width  # a CSS pixel in pixels of the photo
    strokes = {"stroke_width": _number(1.5 * unit), "font_size": _number(13 * unit), "fill": "none", "font_family": "sans-serif"}
    if uri is None:
        frame = element("rect", width=_number(W), height=_number(H), fill="#555555")
        return element(
            "svg", frame, *marks, view_box=f"0 0 {_number(W)} {_number(H)}", style=fill, role="img", aria_label=alt, **strokes
        )
    image = element("img", src=uri, alt=alt, width=shown[0], height=shown[1], style=fill)
    over = element(
        "svg",
        *marks,
        view_box=f"0 0 {_number(W)} {_number(H)}",
        preserveAspectRatio="none",
        style="position:absolute;left:0;top:0;width:100%;height:100%;overflow:hidden",
        aria_hidden="true",
        **strokes,
    )
    return element("div", image, over, style=f"position:relative;width:{shown[0]}px;max-width:100%")


def box_mark(
    box: Any, unit: float, label: object = None, color: str = BOX_COLOR, dashed: bool = False, weight: float = 2
) -> Markup:
    """A box in pixels of the photo, `unit` of which are a CSS pixel, outlined so that it is visible on any photo."""
    place = {"x": _number(box.x), "y": _number(box.y), "width": _number(box.width), "height": _number(box.height)}
    dash = f"{_number(4 * unit)} {_number(3 * unit)}" if dashed else None
    parts = [
        element("rect", **place, stroke="#000000", stroke_opacity=0.6, stroke_width=_number((weight + 2) * unit)),
        element("rect", **place, stroke=color, stroke_width=_number(weight * unit), stroke_dasharray=dash),
    ]
    if label is not None:
        y = box.y - 4 * unit if box.y > 18 * unit else box.y + 14 * unit
        at = {"x": _number(max(box.x, 0) + 3 * unit), "y": _number(y)}
        outline = {"stroke": "#000000", "stroke_width": _number(3 * unit), "paint_order": "stroke"}
        parts.append(element("text", label, **at, fill=color, font_weight="bold", **outline))
    return join(parts)


def landmark_marks(points: Array, parts: Mapping[str, slice], unit: float) -> Markup:
    """Landmarks [n,2] in pixels, each part of the face in its colour; 68 points are joined by lines."""
    marks = []
    for name, part in (parts or EVERYTHING).items():
        color, closed = PART_LOOKS.get(name, (BOX_COLOR, False))
        group = points[part]
        if len(points) == 68 and parts:
            way = " ".join(f"{_number(x)},{_number(y)}" for x, y in ([*group, group[0]] if closed else group))
            for stroke, width in (("#000000", 2.5), (color, 1.2)):
                marks.append(element("polyline", points=way, stroke=stroke, stroke_width=_number(width * unit)))
        dot = {"fill": color, "stroke": "#000000", "stroke_width": _number(0.6 * unit), "r": _number(2.2 * unit)}
        marks += [element("circle", cx=_number(x), cy=_number(y), **dot) for x, y in group]
    return join(marks)


def legend(parts: Mapping[str, slice]) -> Markup:
    """The legend of the colours of landmarks, with the indices of the points."""
    items = []
    for name, part in parts.items():
        color, _ = PART_LOOKS[name]
        swatch = element(
            "span", style=f"display:inline-block;width:.8em;height:.8em;margin-right:.4em;border:1px solid;background:{color}"
        )
        numbers = f"{part.start} to {part.stop - 1}" if part.stop - part.start > 1 else str(part.start)
        items.append(element("li", swatch, f"{name} ({numbers})", style="display:inline-block;margin-right:1.2em"))
    return element("ul", *items, style="list-style:none;padding:0;margin:.3em 0")


def expression_bars(expressions: Any, logits: Iterable[float] | None = None) -> Markup:
    """The probabilities of expressions as bars, with the network's logits if they are given."""
    rows = []
    columns: list[list[str]] = [] if logits is None else [[f"{logit:.2f}" for logit in logits]]
    for i, (name, probability) in enumerate(expressions.items()):
        bar = element(
            "span",
            style=f"display:inline-block;height:.8em;width:{max(probability, 0) * 5:.2f}em;min-width:1px;background:#2e6d8e",
        )
        cells = [element("th", name, scope="row", style="text-align:left;font-weight:normal")]
        cells += [element("td", column[i], style="text-align:right") for column in columns]
        shown = f"{probability:.4f}" if probability >= 1e-4 or not probability else f"{probability:.1e}"
        cells += [element("td", bar), element("td", shown, style="text-align:right")]
        rows.append(element("tr", *cells))
    titles = ("expression", *(("logit",) if columns else ()), "bar", "probability")
    head = element("tr", *(element("th", text, scope="col", style="text-align:left") for text in titles))
    return element("table", element("thead", head), element("tbody", *rows))


def descriptor_bars(descriptor: Array, name: str = "this face") -> Markup:
    """A descriptor as a bar code: its numbers from left to right, as colours."""
    values = np.asarray(descriptor, np.float64).reshape(1, -1)
    reach = float(np.abs(values).max()) or 1.0
    image = element(
        "img",
        src=picture(values, -reach, reach),
        alt=f"Descriptor of {name}: {values.size} numbers as coloured bars",
        width=values.size * 4,
        height=48,
        style="width:100%;max-width:640px;height:48px;image-rendering:pixelated;display:block",
    )
    length = float(np.linalg.norm(values))
    text = f"{values.size} numbers, length {length:.3f}. "
    lowest, highest = float(np.min(values)), float(np.max(values))
    text += describe_range(lowest, highest, -reach, reach)
    return element("figure", image, element("figcaption", text), style="margin:.5em 0")


def result_lines(face: Any) -> list[str]:
    """A summary of a face in a few short lines."""
    detection = getattr(face, "detection", face)
    box = detection.box
    lines = [f"score {detection.score:.3f}, box {box.x:.0f}, {box.y:.0f}, {box.width:.0f} x {box.height:.0f}"]
    if getattr(face, "age", None) is not None:
        gender = f", {face.gender} ({face.gender_probability:.2f})" if face.gender_probability is not None else ""
        lines.append(f"age {face.age:.0f}{gender}")
    if getattr(face, "expressions", None) is not None:
        lines.append("{} ({:.2f})".format(*face.expressions.as_sorted_array()[0]))
    return lines


def face_list(faces: Sequence[Any], size: tuple[float, float] | None, photo: Array | None) -> Markup:
    """Results of one photo: the photo with their boxes and landmarks, and a summary of each."""
    count = f"{len(faces)} face{'' if len(faces) == 1 else 's'}"
    if size is None:
        return element("p", f"{count}.")
    width = 480
    unit = max(size) / width
    boxes = [getattr(face, "detection", face).box for face in faces]
    marks = [box_mark(box, unit, label=i if len(faces) > 1 else None) for i, box in enumerate(boxes, 1)]
    known = [face.landmarks for face in faces if getattr(face, "landmarks", None) is not None]
    marks += [landmark_marks(landmarks.positions, landmarks.PARTS, unit) for landmarks in known]
    alt = f"{count} on an empty frame" if photo is None else f"The photo with {count}"
    note = None if photo is not None else element("p", "The photo is no longer available, so an empty frame is shown.")
    items = [element("li", "; ".join(result_lines(face))) for face in faces]
    listed = element("ol", *items) if items else element("p", "No face was found.")
    return element("div", photo_with_marks(marks, size, photo, alt, width), note, listed)
