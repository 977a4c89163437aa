"""The part of the report on each face: the networks' inputs and results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npfaceapi.display.face_markup import descriptor_bars, expression_bars, landmark_marks, legend, photo_with_marks
from npfaceapi.display.markup import Markup, element, join
from npfaceapi.faces.calibration import Calibration
from npfaceapi.faces.matcher import DEFAULT_THRESHOLD
from npfaceapi.faces.results import FaceResult
from npfaceapi.inspection.faces import Crop, FaceReport
from npfaceapi.inspection.figures import docs_page, figure, image_figure, scrolling, scrolling_table
from npfaceapi.photos.net_input import Pixels

__all__ = ["MOST_FACES", "distance_section", "face_sections"]

#: Faces that are shown in detail.
MOST_FACES = 20


def face_sections(faces: Sequence[FaceReport], photo: Pixels) -> Markup:
    """How to read the answers, and a section for each face."""
    parts: list[Markup] = []
    if any(face.result.age is not None for face in faces):
        parts.append(element("p", TRUST, " More on that: ", docs_page(TRUST_PAGE), "."))
    if any(face.expression_logits is not None or face.gender_logits is not None for face in faces):
        parts.append(element("p", SOFTMAX))
    parts += [_face(number, face, photo) for number, face in enumerate(faces[:MOST_FACES], 1)]
    if len(faces) > MOST_FACES:
        parts.append(element("p", f"{len(faces) - MOST_FACES} more faces are not shown in detail."))
    return join(parts)


def _face(number: int, face: FaceReport, photo: Pixels) -> Markup:
    result = face.result
    box = result.detection.box
    facts: list[object] = [
        f"Score {result.detection.score:.4f}; box at {box.x:.1f}, {box.y:.1f}, {box.width:.1f} x {box.height:.1f} pixels."
    ]
    if result.age is not None:
        facts.append(_age_and_gender(face))
    parts: list[Markup | None] = [
        element("h3", f"Face {number}"),
        element("ul", *(element("li", fact) for fact in facts), class_="facts"),
        element("div", *(_crop(crop, number) for crop in face.crops), _landmarks(number, result, photo), class_="pictures"),
    ]
    values = []
    if result.expressions is not None:
        bars = scrolling(expression_bars(result.expressions, face.expression_logits), f"Expressions of face {number}")
        values.append(element("div", element("h4", "Expressions"), bars))
    if result.descriptor is not None:
        values.append(element("div", element("h4", "Descriptor"), descriptor_bars(result.descriptor, f"face {number}")))
    if values:
        parts.append(element("div", *values, class_="columns"))
    return element("section", *parts, id=f"face-{number}")


#: How far to trust the answers; docs/10-expression-age-gender.md has the figures.
TRUST_PAGE = "10-expression-age-gender.md"
TRUST = (
    "How far to trust age and gender: on photos kept from training, face-api.js's README reports ages that are 4.54 years off on "
    "average and 95 % right genders; people who are rare among the photos of the training are judged worse."
)
SOFTMAX = (
    "Softmax makes probabilities of the logits: each probability is e to the power of its logit, divided by the sum of all. A "
    "difference of 1 between two logits is a factor of 2.7 between their probabilities. A probability near 1 says that one logit "
    "is far above the others, not how often such an answer is right."
)


def _age_and_gender(face: FaceReport) -> str:
    result = face.result
    text = f"Age {result.age:.1f} years; {result.gender} with probability {result.gender_probability:.4f}"
    if face.gender_logits is not None:
        male, female = face.gender_logits
        text += f" (logits: male {male:.2f}, female {female:.2f})"
    return f"{text}."


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
    caption = (
        f"The {len(points)} landmarks on the photo. Left and right are those of the photo. In brackets: the places of a part's "
        "points in the list of all, counted from 0."
    )
    return figure(shown, join([caption, legend(result.landmarks.PARTS)]), 440)


def distance_section(faces: Sequence[FaceReport]) -> Markup | None:
    """A table of the distances between the descriptors, and what they mean."""
    known = [(number, face.result.descriptor) for number, face in enumerate(faces[:MOST_FACES], 1)]
    known = [(number, d) for number, d in known if d is not None]
    if len(known) < 2:
        return None
    values = np.array([d for _, d in known], np.float64)
    distances = np.sqrt(((values[:, None] - values[None, :]) ** 2).sum(axis=2))
    calibration = Calibration.bundled()

    def cell(distance: float) -> str:
        return f"{distance:.3f} ({calibration.probability_same(distance).value:.3f})"

    rows = [
        (f"face {number}", *("-" if i == j else cell(distances[i, j]) for j in range(len(known))))
        for i, (number, _) in enumerate(known)
    ]
    header = ("distance of", *(f"face {number}" for number, _ in known))
    false, missed = calibration.false_match_rate(DEFAULT_THRESHOLD).value, calibration.miss_rate(DEFAULT_THRESHOLD).value
    text = (
        f"npfaceapi match takes two faces for the same person if they are less than {DEFAULT_THRESHOLD} apart. On Labeled Faces "
        f"in the Wild, {false * 100:.2g} % of the pairs of different people are that close, and {missed * 100:.2g} % of the "
        "pairs of the same person are not. In brackets: the probability that both are the same person if that was as likely as "
        "not before, measured there too; in one photo it seldom is."
    )
    listed = scrolling_table(header, rows, tuple(range(1, len(header))), "Euclidean distances of the descriptors")
    return element("section", element("h3", "Distances between the faces"), element("p", text), listed)
