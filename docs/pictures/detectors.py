"""Pictures of the detectors: pyramid, anchors, grid, and non-max suppression."""

from __future__ import annotations

import numpy as np
from sheet import BLUE, CYAN, GRAY, GREEN, INK, LIGHT, ORANGE, PURPLE, RED, SKY, WHITE, YELLOW, Sheet, colored
from subjects import mtcnn_steps, photo, ssd_answers, yolo_cells

import npfaceapi as faceapi


def mtcnn_pyramid() -> Sheet:
    levels = mtcnn_steps()["levels"]
    sheet = Sheet(716, 880)
    sheet.text(8, 8, "cyan: 12×12 pixels that P-Net takes for a face", 24)
    counts = [len(boxes) for _, _, (boxes, _, _) in levels]
    sheet.tells(
        f"{len(levels)} scales; {sum(counts[:4])} of {sum(counts)} windows on the four largest",
        f"{len(levels[0][1])} down to {len(levels[-1][1])} pixels",
    )
    x, y = 8.0, 50.0
    for k, (scale, level, (boxes, _, _)) in enumerate(levels):
        side = level.shape[0]
        if k in (3, 7):
            x, y = 8.0, (430.0, 656.0)[k // 7]
        shown = side if k < 3 else 170
        pixels = level.transpose(1, 0, 2)[..., ::-1].round().astype(np.uint8)
        sheet.picture(pixels, x, y, shown, shown, smooth=False)
        for bx, by, bw, bh in boxes * scale * shown / side:
            sheet.box(x + bx, y + by, bw, bh, CYAN, None, 1.5)
        sheet.text(x, y + shown + 5, f"{side} px: {len(boxes)}", 22)
        x += shown + 8
    sheet.text(8, 396, "enlarged:", 22, GRAY)
    sheet.text(x + 8, 690, "after each size,\nthe number\nof windows", 22, GRAY)
    return sheet


def mtcnn_stages() -> Sheet:
    steps = mtcnn_steps()
    sheet, side = Sheet(716, 796), 346
    colors = [ORANGE, SKY, YELLOW, CYAN]
    for k, boxes in enumerate(steps["boxes"]):
        left, top = 8 + k % 2 * 354, 40 + k // 2 * 400
        (u, v), size = ((110, 50), 296) if k == 1 else ((0, 0), 512)
        sheet.picture(photo()[v : v + size, u : u + size], left, top, side, side)
        count = len(boxes)
        sheet.text(left, top - 32, f"stage {k + 1}: {count} box{'es' if count > 1 else ''}", 24)
        for n, (x, y, w, h) in enumerate((boxes - (u, v, 0, 0)) * side / size):
            x0, y0 = max(x, 0), max(y, 0)
            color = colors[n] if k == 1 else CYAN
            sheet.box(left + x0, top + y0, min(x + w, side) - x0, min(y + h, side) - y0, color, None, 1.5 if count > 9 else 3)
    for x, y in steps["points"][0] * side / 512:
        sheet.disc(8 + x, 440 + y, 4, YELLOW)
    sheet.tells(f"the photo {len(steps['boxes'])} times, {len(steps['points'][0])} points")
    sheet.text(380, 444, "scores after stage 2:", 22)
    where = ["the face", "the face", "half of the face", "the collar"]
    for n, score in enumerate(steps["scores"]):
        sheet.box(380, 486 + n * 40, 24, 24, INK, colors[n], 1)
        sheet.text(416, 498 + n * 40, f"{score:.2f}: {where[n]}", 22, INK, "lm")
    return sheet


GRIDS = [(32, 3), (16, 6), (8, 6), (4, 6), (2, 6), (1, 6)]


def ssd_anchors() -> Sheet:
    priors = faceapi.nets.ssd_mobilenetv1.priors[:, [1, 0, 3, 2]]
    sheet, side, margin, start = Sheet(716, 1218), 184, 81, 0
    pale = (photo() * 0.45 + 255 * 0.55).astype(np.uint8)
    colors = [ORANGE, BLUE, GREEN, PURPLE, RED, INK]
    sheet.tells(f"the photo {len(GRIDS)} times")
    for k, (cells, each) in enumerate(GRIDS):
        left, top = 8 + k % 2 * 354, 42 + k // 2 * 394
        sheet.text(left, top - 32, f"{cells}×{cells} cells, {each} anchors", 22)
        sheet.box(left, top, side + 2 * margin, side + 2 * margin, None, (240, 243, 246))
        x0, y0 = left + margin, top + margin
        sheet.picture(pale, x0, y0, side, side)
        if cells < 32:
            for i in range(cells + 1):
                sheet.line([(x0 + i * side / cells, y0), (x0 + i * side / cells, y0 + side)], GRAY, 0.5)
                sheet.line([(x0, y0 + i * side / cells), (x0 + side, y0 + i * side / cells)], GRAY, 0.5)
        row, column = int(124 / 512 * cells), int(222 / 512 * cells)
        sheet.box(x0 + column * side / cells, y0 + row * side / cells, side / cells, side / cells, ORANGE, (*ORANGE, 90), 1)
        first = start + (row * cells + column) * each
        for a in range(each):
            x, y, right, bottom = priors[first + a] * side
            sheet.box(x0 + x, y0 + y, right - x, bottom - y, colors[a], None, 2)
        start += cells * cells * each
    return sheet


def ssd_scores() -> Sheet:
    scores, start, side = ssd_answers()[1], 0, 226
    sheet = Sheet(716, 680)
    highest = []
    for k, (cells, each) in enumerate(GRIDS):
        best = scores[start : start + cells * cells * each].reshape(cells, cells, each).max(axis=2)
        highest.append(best.max())
        x0, y0 = 8 + k % 3 * 236, 42 + k // 3 * 300
        sheet.text(x0, y0 - 32, f"{cells}×{cells}: {best.max():.2g}", 22)
        sheet.picture(colored(np.log10(best), -4, 0), x0, y0, side, side, smooth=False)
        start += cells * cells * each
    sheet.tells(f"{len(GRIDS)} heat maps", f"the {GRIDS[0][0]}×{GRIDS[0][0]} map has scores up to {highest[0]:.2f}")
    sheet.tells(f"the other {len(GRIDS) - 1} maps have scores up to {max(highest[1:]):.2f}")
    sheet.text(8, 634, "The number is the highest score of the map.", 22)
    sheet.text(8, 600, "colours: 0.0001", 22, INK, "lm")
    sheet.scale(190, 588, 300, 24, colored(np.arange(300), 0, 299))
    sheet.text(500, 600, "1; logarithmic", 22, INK, "lm")
    return sheet


def yolo_grid() -> Sheet:
    cells = yolo_cells()
    scores = 1 / (1 + np.exp(-cells[..., 4]))
    row, column, anchor = (int(v) for v in np.unravel_index(scores.argmax(), scores.shape))
    sheet = Sheet(716, 1196)
    side, x0, y0 = 442, 8, 8
    cell = side / 13
    sheet.picture(photo(), x0, y0, side, side)
    for i in range(14):
        sheet.line([(x0 + i * cell, y0), (x0 + i * cell, y0 + side)], LIGHT, 0.5)
        sheet.line([(x0, y0 + i * cell), (x0 + side, y0 + i * cell)], LIGHT, 0.5)
    sheet.box(x0 + column * cell, y0 + row * cell, cell, cell, YELLOW, (*YELLOW, 110), 2)
    tx, ty, tw, th, _ = cells[row, column, anchor]
    cx, cy = (column + 1 / (1 + np.exp(-tx))) * cell, (row + 1 / (1 + np.exp(-ty))) * cell
    anchors = np.array(faceapi.nets.tiny_face_detector.anchors)
    for k, (w, h) in enumerate(anchors * cell):
        left, top, right, bottom = max(cx - w / 2, 1), max(cy - h / 2, 1), min(cx + w / 2, side - 1), min(cy + h / 2, side - 1)
        color, width = (SKY, 3) if k == anchor else (WHITE, 1.5)
        sheet.box(x0 + left, y0 + top, right - left, bottom - top, color, None, width)
    w, h = np.exp([tw, th]) * anchors[anchor] * cell
    sheet.box(x0 + cx - w / 2, y0 + cy - h / 2, w, h, ORANGE, None, 3)
    sheet.disc(x0 + cx, y0 + cy, 4, ORANGE)
    for k, (color, text) in enumerate((
        (YELLOW, "the lit cell"), (SKY, "its chosen anchor"), (WHITE, f"its other {len(anchors) - 1}"), (ORANGE, "the answer"),
    )):  # fmt: skip
        sheet.box(466, 16 + 44 * k, 26, 26, INK, color, 1)
        sheet.text(504, 29 + 44 * k, text, 22, INK, "lm")
    sheet.text(466, 200, "An anchor is cut\nat the photo's border.", 22, GRAY)
    y0, side = 506, 624
    cell = side / 13
    sheet.text(x0, 466, f"the highest score of each of the {13}×{13} cells", 22)
    sheet.picture(colored(np.log10(scores.max(axis=2)), -4, 0), x0, y0, side, side, smooth=False)
    for i, j in np.ndindex(13, 13):
        value = scores[i, j].max()
        if value > 0.02:
            sheet.text(x0 + (j + 0.5) * cell, y0 + (i + 0.5) * cell, f"{value:.2f}", 22, INK if value > 0.1 else WHITE, "mm")
    best = np.sort(scores.max(axis=2), axis=None)
    sheet.tells("the 13×13 grid", f"a score of {best[-1]:.2f} at the face, at most {best[-2]:.2f} elsewhere")
    sheet.text(8, 1162, "colours: 0.0001", 22, INK, "lm")
    sheet.scale(190, 1150, 300, 24, colored(np.arange(300), 0, 299))
    sheet.text(500, 1162, "1; logarithmic", 22, INK, "lm")
    return sheet


def nms() -> Sheet:
    boxes, scores = ssd_answers()
    sheet, side = Sheet(716, 800), 346
    colors = [ORANGE, SKY, YELLOW, WHITE, (150, 230, 160), (240, 150, 220), (255, 110, 100)]
    order = [int(i) for i in np.argsort(-scores) if scores[i] > 0.5]
    whole, corner = (158, 48, 134, 134), (176, 66, 10, 10)
    for title, left, top, chosen, (x0, y0, size, _) in (
        (f"before: {len(order)} boxes", 8, 40, order, whole),
        ("after: the best one", 362, 40, order[:1], whole),
        ("the upper left corner", 8, 432, order, corner),
    ):
        zoom = side / size
        view = (photo()[y0 : y0 + size, x0 : x0 + size] * 0.75).astype(np.uint8)
        sheet.text(left, top - 32, title, 24)
        sheet.picture(view, left, top, side, side, smooth=size > 20)
        for n, i in reversed(list(enumerate(chosen))):
            x, y, right, bottom = np.minimum((boxes[i] - (x0, y0, x0, y0)) * zoom, side)
            if size < 20:
                sheet.line([(left + x, top + side), (left + x, top + y), (left + side, top + y)], colors[n], 4 if n == 0 else 3)
            else:
                sheet.box(left + x, top + y, right - x, bottom - y, colors[n], None, 4 if n == 0 else 2)
    sheet.tells(f"scores from {scores[order[0]]:.3f} down to {scores[order[-1]]:.3f}")
    sheet.text(374, 400, "anchor: score", 24)
    for n, i in enumerate(order):
        y = 446 + n * 42
        sheet.box(374, y, 26, 26, INK, colors[n], 1)
        sheet.text(412, y + 13, f"{i}: {scores[i]:.3f}", 22, INK, "lm")
    return sheet


PICTURES = {
    "mtcnn-pyramid": mtcnn_pyramid,
    "mtcnn-stages": mtcnn_stages,
    "ssd-anchors": ssd_anchors,
    "ssd-scores": ssd_scores,
    "yolo-grid": yolo_grid,
    "nms": nms,
}
