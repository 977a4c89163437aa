"""The part of the report on each face: the networks' inputs and results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npfaceapi.display.face_markup import descriptor_bars, expression_bars, landmark_marks, legend, photo_with_marks
from npfaceapi.display.markup import Markup, element, join
from npfaceapi.faces.results import FaceResult
from npfaceapi.inspection.faces import Crop, FaceReport
from npfaceapi.inspection.figures import figure, image_figure, scrolling_table
from npfaceapi.photos.net_input import Pixels

__all__ = ["MOST_FACES", "distance_section", "face_sections"]

#: Faces that are shown in detail.
MOST_FACES = 20
SAME_PERSON = 0.6


def face_sections(faces: Sequence[FaceReport], photo: Pixels) -> Markup:
    """A section for each face."""
    parts: list[Markup] = [_face(number, face, photo) for number, face in enumerate(faces[:MOST_FACES], 1)]
    if len(faces) > MOST_FACES:
        parts.append(element("p", f"{len(faces) - MOST_FACES} more faces are not shown in detail."))
    return join(parts)


def _face(number: int, face: FaceReport, photo: Pixels) -> Markup:
    result = face.result
    box = result.detection.box
    facts = [f"Score {result.detection.score:.4f}; box at {box.x:.1f}, {box.y:.1f}, {box.width:.1f} x {box.height:.1f} pixels."]
    if result.age is not None:
        facts.append(f"Age {result.age:.1f} years; {result.gender} with probability {result.gender_probability:.4f}.")
    parts: list[Markup | None] = [
        element("h3", f"Face {number}"),
        element("ul", *(element("li", fact) for fact in facts), class_="facts"),
        element("div", *(_crop(crop, number) for crop in face.crops), class_="pictures") if face.crops else None,
        _landmarks(number, result, photo),
    ]
    if result.expressions is not None:
        parts += [element("h4", "Expressions"), expression_bars(result.expressions)]
    if result.descriptor is not None:
        parts += [element("h4", "Descriptor"), descriptor_bars(result.descriptor, f"face {number}")]
    return element("section", *parts, id=f"face-{number}")


def _crop(crop: Crop, number: int) -> Markup:
    x, y, w, h = crop.rect
    side = crop.batch.shape[1]
    padded = "" if w == h else "padded to a square and "
    caption = (
        f"{', '.join(crop.networks)} saw this ({crop.title}): {w} x {h} pixels of the photo at {x}, {y}, {padded}resized to "
        f"{side} x {side}."
    )
    return image_figure(crop.batch[0], f"Face {number} as {' and '.join(crop.networks)} saw it", caption)


def _landmarks(number: int, result: FaceResult, photo: Pixels) -> Markup | None:
    if result.landmarks is None:
        return None
    H, W = photo.shape[:2]
    points = result.landmarks.positions
    box = result.detection.box
    low = np.floor(np.minimum(points.min(axis=0), (box.x, box.y)) - 0.1 * max(box.width, box.height))
    high = np.ceil(np.maximum(points.max(axis=0), (box.right, box.bottom)) + 0.1 * max(box.width, box.height))
    x0, y0 = (int(v) for v in np.clip(low, 0, (W - 1, H - 1)))
    x1, y1 = (int(v) for v in np.clip(high, (x0 + 1, y0 + 1), (W, H)))
    size = float(x1 - x0), float(y1 - y0)
    marks = [landmark_marks(points - (x0, y0), result.landmarks.PARTS, max(size) / 440)]
    shown = photo_with_marks(marks, size, photo[y0:y1, x0:x1], f"Face {number} with its {len(points)} landmarks", 440)
    caption = join(
        [f"The {len(points)} landmarks on the photo. Left and right are those of the photo; the numbers count the points."]
    )
    return join([element("h4", "Landmarks"), figure(shown, caption, 440), legend(result.landmarks.PARTS)])


def distance_section(faces: Sequence[FaceReport]) -> Markup | None:
    """A table of the distances between the descriptors."""
    known = [(number, face.result.descriptor) for number, face in enumerate(faces[:MOST_FACES], 1)]
    known = [(number, d) for number, d in known if d is not None]
    if len(known) < 2:
        return None
    values = np.array([d for _, d in known], np.float64)
    distances = np.sqrt(((values[:, None] - values[None, :]) ** 2).sum(axis=2))
    rows = [
        (f"face {number}", *("-" if i == j else f"{distances[i, j]:.3f}" for j in range(len(known))))
        for i, (number, _) in enumerate(known)
    ]
    header = ("distance of", *(f"face {number}" for number, _ in known))
    text = f"Faces of the same person are typically less than {SAME_PERSON} apart."
    listed = scrolling_table(header, rows, tuple(range(1, len(header))), "Euclidean distances of the descriptors")
    return element("section", element("h3", "Distances between the faces"), element("p", text), listed)
