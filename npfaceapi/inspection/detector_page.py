"""The part of the report on the detector."""

from __future__ import annotations

import numpy as np

from npfaceapi.display.face_markup import box_mark, landmark_marks
from npfaceapi.display.markup import Markup, element, join
from npfaceapi.faces.landmarks import FaceLandmarks5
from npfaceapi.inspection.cascade import CascadeTrace, Stage
from npfaceapi.inspection.detectors import NEAR, Candidate, DetectorTrace
from npfaceapi.inspection.figures import color_scale, figure, heat_over, image_figure, marked, plural, scrolling_table

__all__ = ["cascade_sections", "detector_sections"]

MOST_DRAWN = 150
MOST_LISTED = 30
MOST_NEAR = 8
SHOWN = 480
BEATEN = "#ff9f80"
MISSED = "#9fe8ff"


def detector_sections(trace: DetectorTrace) -> Markup:
    """The input of a detector with anchors, its scores, and its candidates before and after suppression."""
    return join([_input(trace), _heat(trace), _suppression(trace), _near_misses(trace)])


def _input(trace: DetectorTrace) -> Markup:
    size = trace.batch.shape[1]
    (W, H), (w, h) = trace.photo_size, trace.inner_size
    if W == H == size:
        text = f"The photo is a square of {size} x {size} pixels, the network's own input size, so it is used unchanged."
    elif W == H:
        text = f"The photo is a square of {W} x {H} pixels; it is resized to {size} x {size}."
    else:
        side = "below" if W > H else "on the right"
        text = f"The photo has {W} x {H} pixels. It is padded with black {side} to a square and resized to {size} x {size}; "
        text += f"the photo itself covers {w} x {h} of these."
    alt = f"The photo padded and resized to {size} x {size} pixels"
    caption = f"The input: {size} x {size} pixels, red, green and blue in 0 to 255."
    shown = figure(marked("input", [], (size, size), alt, 320), caption, 320)
    return element("section", element("h3", "What it sees"), element("p", text), element("div", shown, class_="pictures"))


def _heat(trace: DetectorTrace) -> Markup:
    size = trace.batch.shape[2], trace.batch.shape[1]
    figures = [
        heat_over(
            "input",
            heat.values,
            f"Heat map of the scores: {heat.title}, highest {np.max(heat.values):.3f}",
            f"{heat.title}: {heat.note}. Highest score {np.max(heat.values):.4f}, at row {row}, column {column}.",
            size,
        )
        for heat in trace.heats
        for row, column in [np.unravel_index(np.argmax(heat.values), heat.values.shape)]
    ]
    text = (
        f"The network scores {trace.anchors:,} boxes of fixed position and size in one pass. Each picture shows the best score "
        "in each cell, over the input. Rows and columns are counted from 0, from the upper left."
    )
    return element(
        "section",
        element("h3", "Score heat maps"),
        element("p", text),
        color_scale("score 0", "score 1"),
        element("div", *figures, class_="heats"),
    )


def _suppression(trace: DetectorTrace) -> Markup:
    candidates = trace.candidates
    kept = [c for c in candidates if c.is_kept]
    title = element("h3", "Candidates, before and after suppression")
    if not candidates:
        text = f"No face: the highest score, {trace.best:.4f}, is not above the threshold of {trace.threshold:g}."
        return element("section", title, element("p", text))
    text = (
        f"{plural(len(candidates), 'box')} scored above {trace.threshold:g}. Suppression drops each box that overlaps a better "
        f"kept one by more than {trace.iou_threshold:g} (intersection over union). It keeps {len(kept)} of "
        f"{len(candidates)}."
    )
    size = trace.batch.shape[2], trace.batch.shape[1]
    unit = max(size) / SHOWN
    before = [
        box_mark(c.box, unit, color="#ffd400" if c.is_kept else BEATEN, dashed=not c.is_kept, weight=1.5)
        for c in reversed(candidates[:MOST_DRAWN])
    ]
    numbers = {id(c): i for i, c in enumerate(candidates, 1)}
    after = [box_mark(c.box, unit, f"{numbers[id(c)]}: {c.score:.2f}") for c in kept]
    note = f"The best {MOST_DRAWN} are drawn. " if len(candidates) > MOST_DRAWN else ""
    pictures = element(
        "div",
        figure(
            marked("input", before, size, f"{plural(len(candidates), 'candidate')} drawn over the input", SHOWN),
            f"Before: {plural(len(candidates), 'candidate')}. {note}Dashed boxes are about to be dropped.",
        ),
        figure(
            marked("input", after, size, f"{plural(len(kept), 'box')} left after suppression", SHOWN),
            f"After: {plural(len(kept), 'face')}, with score.",
        ),
        class_="pictures",
    )
    return element("section", title, element("p", text), pictures, _candidate_table(candidates))


def _near_misses(trace: DetectorTrace) -> Markup:
    """The boxes that scored just short of the threshold."""
    near = trace.near_misses[:MOST_NEAR]
    title = element("h3", "Near misses")
    lowest = trace.threshold * NEAR
    if not near:
        text = f"No other box scored between {lowest:g} and the threshold of {trace.threshold:g}."
        return element("section", title, element("p", text))
    text = (
        f"Below the threshold: {plural(len(trace.near_misses), 'box')} scored above {lowest:g}, but not above "
        f"{trace.threshold:g}, and overlapped no better one by more than {trace.iou_threshold:g}. A lower threshold "
        "(--min-confidence) finds more faces, and more that are none."
    )
    size = trace.batch.shape[2], trace.batch.shape[1]
    unit = max(size) / SHOWN
    marks = [box_mark(c.box, unit, f"{c.score:.3f}", MISSED, True, 1.5) for c in reversed(near)]
    listed = ", ".join(_score(c.score, trace.threshold) for c in near)
    caption = f"Scores, best first: {listed}{', …' if len(trace.near_misses) > len(near) else ''}."
    shown = figure(marked("input", marks, size, f"{plural(len(near), 'near miss')} drawn over the input", SHOWN), caption)
    return element("section", title, element("p", text), element("div", shown, class_="pictures"))


def _score(score: float, threshold: float) -> str:
    """A score with as many digits as it takes to see that it is not above the threshold."""
    return next(text for digits in (3, 4, 6, 9, 17) if float(text := f"{score:.{digits}f}") <= threshold or digits == 17)


def _candidate_table(candidates: tuple[Candidate, ...]) -> Markup:
    kept_numbers = [number for number, c in enumerate(candidates, 1)]

    def fate(c: Candidate) -> str:
        if c.is_kept:
            return "kept"
        if c.beaten_by is None:
            return "dropped: beyond the largest number of faces"
        return f"dropped: overlaps number {kept_numbers[c.beaten_by]} by {c.overlap:.3f}"

    rows = [
        (number, f"{c.score:.4f}", f"{c.box.x:.1f}", f"{c.box.y:.1f}", f"{c.box.width:.1f}", f"{c.box.height:.1f}", fate(c))
        for number, c in enumerate(candidates[:MOST_LISTED], 1)
    ]
    more = f"The best {MOST_LISTED} of {len(candidates)} candidates" if len(candidates) > MOST_LISTED else "All candidates"
    header = ("number", "score", "x", "y", "width", "height", "outcome")
    listed = scrolling_table(header, rows, (1, 2, 3, 4, 5), f"{more}, in pixels of the input, best first")
    return element("details", element("summary", f"{more} as a table"), listed)


# ------------------------------------------------------------------ MTCNN


def cascade_sections(trace: CascadeTrace) -> Markup:
    """MTCNN's pyramid and stages."""
    return join([_pyramid(trace), *(_stage(trace, stage) for stage in trace.stages)])


def _pyramid(trace: CascadeTrace) -> Markup:
    title = element("h3", "The pyramid and P-Net")
    if not trace.levels:
        text = "No face: the photo is too small. At no scale is it larger than P-Net's window of 12 x 12 pixels."
        return element("section", title, element("p", text))
    text = (
        "P-Net slides a window of 12 x 12 pixels over the photo at several scales, so that each face fits the window at some "
        "scale. The heat map shows its score at each position."
    )
    figures = []
    for level in trace.levels:
        h, w = level.image.shape[:2]
        caption = (
            f"Scale {level.scale:.3f}: {w} x {h} pixels, windows of {12 / level.scale:.0f} pixels of the photo. Highest score "
            f"{np.max(level.scores):.3f}; {plural(level.candidates, 'candidate')} after suppression within this scale."
        )
        shown = max(48, min(320, round(320 * level.scale / trace.levels[0].scale)))
        alt = f"Heat map of P-Net's scores at scale {level.scale:.3f}"
        figures.append(heat_over("photo", level.scores, alt, caption, (w, h), shown))
    return element(
        "section", title, element("p", text), color_scale("score 0", "score 1"), element("div", *figures, class_="pictures")
    )


def _stage(trace: CascadeTrace, stage: Stage) -> Markup:
    unit = max(trace.photo_size) / SHOWN
    marks = [box_mark(box, unit, weight=1.5) for box in stage.boxes[MOST_DRAWN - 1 :: -1]]
    if stage.points is not None:
        marks += [landmark_marks(points, FaceLandmarks5.PARTS, unit) for points in stage.points]
    near = stage.near_misses[:MOST_NEAR]
    marks += [box_mark(box, unit, f"{score:.3f}", MISSED, True, 1.5) for box, score in reversed(near)]
    left = plural(len(stage.boxes), "box")
    text = {
        "P-Net": f"Suppression across all scales, correction by the regressed offsets, and extension to squares leave {left}.",
        "R-Net": f"Each box is cut out and resized to 24 x 24 pixels. {stage.judged} were scored; {left} scored above "
        f"{stage.threshold:g} and survived suppression.",
        "O-Net": f"Each remaining box is cut out again, at 48 x 48 pixels. {stage.judged} were scored; {left} scored above "
        f"{stage.threshold:g} and survived suppression. O-Net also gives 5 points.",
    }[stage.title]
    parts = [element("h3", f"After {stage.title}"), element("p", text)]
    shown = marked("photo", marks, trace.photo_size, f"The photo with {left} after {stage.title}", SHOWN)
    note = f" The best {MOST_DRAWN} are drawn." if len(stage.boxes) > MOST_DRAWN else ""
    if near:
        listed = ", ".join(_score(score, stage.threshold) for _, score in near)
        note += (
            f" Dashed, with their scores: the best near misses, above {stage.threshold * NEAR:.3g} but not above the threshold, "
            f"and overlapping no better box: {listed}."
        )
    parts.append(element("div", figure(shown, f"{left} after {stage.title}.{note}"), class_="pictures"))
    if stage.patches:
        seen = [
            image_figure(patch.image, f"Patch with score {patch.score:.3f}", f"{patch.score:.3f}", 72, 72)
            for patch in stage.patches
        ]
        count = f"the best {len(seen)} of {stage.judged}" if stage.judged > len(seen) else f"all {stage.judged}"
        parts.append(element("p", f"The inputs of {stage.title}, upright, with their scores: {count}."))
        parts.append(element("div", *seen, class_="pictures"))
    return element("section", *parts)
