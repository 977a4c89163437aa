"""Pictures of the detectors: pyramid, anchors, grid, and non-max suppression."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sheet import BLUE, CYAN, GRAY, GREEN, INK, ORANGE, PURPLE, RED, SKY, WHITE, YELLOW, Sheet, colored
from subjects import mtcnn_steps, photo, ssd_answers, yolo_cells

import npfaceapi as faceapi


def mtcnn_pyramid() -> Image.Image:
    sheet = Sheet(900, 386)
    sheet.text(10, 6, "the photo at ten scales; cyan: a window of 12×12 pixels that P-Net takes for a face", 14, bold=True)
    x, y = 10.0, 32.0
    for k, (scale, level, (boxes, _, _)) in enumerate(mtcnn_steps()["levels"]):
        side = level.shape[0] * 1.05
        if k == 4:
            x, y = 345.0, 284.0
        pixels = level.transpose(1, 0, 2)[..., ::-1].round().astype(np.uint8)
        sheet.picture(pixels, x, y, side, side, smooth=False)
        for bx, by, bw, bh in boxes * scale * 1.05:
            sheet.box(x + bx, y + by, bw, bh, CYAN, None, 1)
        sheet.text(x, y + side + 3, f"{level.shape[0]} px: {len(boxes)}", 12)
        x += max(side, 62) + 13
    return sheet.finished()


def mtcnn_stages() -> Image.Image:
    sheet = Sheet(900, 330)
    steps = mtcnn_steps()
    for k, boxes in enumerate(steps["boxes"]):
        x0, zoom = 8 + k * 299, 285 / 512
        sheet.picture(photo(), x0, 32, 285, 285)
        count = len(boxes)
        sheet.text(x0, 8, f"stage {k + 1}: {count} box{'es' if count > 1 else ''}", 15, bold=True)
        for x, y, w, h in boxes * zoom:
            left, top = max(x, 0), max(y, 0)
            sheet.box(x0 + left, 32 + top, min(x + w, 285) - left, min(y + h, 285) - top, CYAN, None, 1.2 if count > 9 else 2)
        if k == 1:
            for (x, y, w, _), score in zip(boxes * zoom, steps["scores"], strict=True):
                if y > 60:
                    sheet.text(x0 + x + w, 32 + y - 3, f"{score:.2f}", 12, WHITE, "rs", bold=True)
    for x, y in steps["points"][0] * 285 / 512:
        sheet.disc(8 + 2 * 299 + x, 32 + y, 2.4, YELLOW)
    return sheet.finished()


GRIDS = [(32, 3), (16, 6), (8, 6), (4, 6), (2, 6), (1, 6)]


def ssd_anchors() -> Image.Image:
    sheet = Sheet(900, 640)
    priors = faceapi.nets.ssd_mobilenetv1.priors[:, [1, 0, 3, 2]]
    start, side = 0, 270
    pale = (photo() * 0.45 + 255 * 0.55).astype(np.uint8)
    colors = [ORANGE, BLUE, GREEN, PURPLE, RED, INK]
    for k, (cells, each) in enumerate(GRIDS):
        x0, y0 = 15 + k % 3 * 297, 34 + k // 3 * 312
        sheet.picture(pale, x0, y0, side, side)
        if cells < 32:
            for i in range(cells + 1):
                sheet.line([(x0 + i * side / cells, y0), (x0 + i * side / cells, y0 + side)], GRAY, 0.5)
                sheet.line([(x0, y0 + i * side / cells), (x0 + side, y0 + i * side / cells)], GRAY, 0.5)
        row, column = int(124 / 512 * cells), int(222 / 512 * cells)
        sheet.box(x0 + column * side / cells, y0 + row * side / cells, side / cells, side / cells, ORANGE, (*ORANGE, 90), 1)
        first = start + (row * cells + column) * each
        for a in range(each):
            left, top, right, bottom = np.clip(priors[first + a] * side, 1, side - 1)
            sheet.box(x0 + left, y0 + top, right - left, bottom - top, colors[a], None, 1.6)
        sheet.text(x0, y0 - 22, f"{cells}×{cells} cells, {each} anchors", 15, bold=True)
        start += cells * cells * each
    return sheet.finished()


def ssd_scores() -> Image.Image:
    sheet = Sheet(900, 212)
    scores, start, side = ssd_answers()[1], 0, 136
    for k, (cells, each) in enumerate(GRIDS):
        best = scores[start : start + cells * cells * each].reshape(cells, cells, each).max(axis=2)
        x0 = 12 + k * 149
        sheet.picture(colored(best, 0, 1), x0, 34, side, side, smooth=False)
        sheet.text(x0, 10, f"{cells}×{cells}", 15, bold=True)
        sheet.text(x0, 174, f"highest {best.max():.3f}", 13)
        start += cells * cells * each
    for i in range(100):
        sheet.box(12 + i * 2, 198, 2, 8, None, tuple(int(v) for v in colored(np.array(i / 99), 0, 1)))
    sheet.text(220, 202, "0 to 1", 12, GRAY, "lm")
    return sheet.finished()


def yolo_grid() -> Image.Image:
    sheet = Sheet(900, 470)
    cells = yolo_cells()
    scores = 1 / (1 + np.exp(-cells[..., 4]))
    side = 430
    cell = side / 13
    sheet.picture(photo(), 10, 30, side, side)
    sheet.text(10, 8, "the grid, and the box that its one lit cell gives", 15, bold=True)
    for i in range(14):
        sheet.line([(10 + i * cell, 30), (10 + i * cell, 30 + side)], (255, 255, 255), 0.5)
        sheet.line([(10, 30 + i * cell), (10 + side, 30 + i * cell)], (255, 255, 255), 0.5)
    row, column, anchor = (int(v) for v in np.unravel_index(scores.argmax(), scores.shape))
    sheet.box(10 + column * cell, 30 + row * cell, cell, cell, YELLOW, (*YELLOW, 110), 2)
    tx, ty, tw, th, _ = cells[row, column, anchor]
    cx, cy = (column + 1 / (1 + np.exp(-tx))) * cell, (row + 1 / (1 + np.exp(-ty))) * cell
    for k, (w, h) in enumerate(faceapi.nets.tiny_face_detector.anchors):
        w, h = w * cell, h * cell
        left, top = max(cx - w / 2, 1), max(cy - h / 2, 1)
        right, bottom = min(cx + w / 2, side - 1), min(cy + h / 2, side - 1)
        sheet.box(10 + left, 30 + top, right - left, bottom - top, SKY if k == anchor else WHITE, None, 1.5 if k == anchor else 1)
    w, h = (np.exp(t) * a * cell for t, a in zip((tw, th), faceapi.nets.tiny_face_detector.anchors[anchor], strict=True))
    sheet.box(10 + cx - w / 2, 30 + cy - h / 2, w, h, ORANGE, None, 3)
    sheet.disc(10 + cx, 30 + cy, 3.5, ORANGE)
    sheet.picture(colored(np.log10(scores.max(axis=2)), -4, 0), 460, 30, side, side, smooth=False)
    sheet.text(460, 8, "the highest score of each cell, by order of magnitude", 15, bold=True)
    for i, j in np.ndindex(13, 13):
        value = scores[i, j].max()
        if value > 0.02:
            sheet.text(460 + (j + 0.5) * cell, 30 + (i + 0.5) * cell, f"{value:.2f}", 12, INK if value > 0.1 else WHITE, "mm")
    return sheet.finished()


def nms() -> Image.Image:
    sheet = Sheet(900, 390)
    boxes, scores = ssd_answers()
    x0, y0, width, height, zoom = 158, 48, 134, 134, 2.6
    view = (photo()[y0 : y0 + height, x0 : x0 + width] * 0.75).astype(np.uint8)
    colors = [ORANGE, SKY, YELLOW, WHITE, (150, 230, 160), (240, 150, 220), (255, 110, 100)]
    order = [int(i) for i in np.argsort(-scores) if scores[i] > 0.5]
    for k, chosen in enumerate((order, order[:1])):
        left = 12 + k * 520
        sheet.picture(view, left, 32, width * zoom, height * zoom)
        sheet.text(left, 9, ["before: seven boxes above 0.5", "after: the best one"][k], 15, bold=True)
        for n, i in reversed(list(enumerate(chosen))):
            x, y, right, bottom = (boxes[i] - (x0, y0, x0, y0)) * zoom
            sheet.box(left + x, 32 + y, right - x, bottom - y, colors[n], None, 2.5 if n == 0 else 1.5)
    for n, i in enumerate(order):
        y = 60 + n * 30
        sheet.box(378, y, 16, 16, INK, colors[n], 1)
        sheet.text(402, y + 8, f"{i}: {scores[i]:.3f}", 14, INK, "lm")
    sheet.arrow(385, 300, 515, 300, INK, 2)
    return sheet.finished()


PICTURES = {
    "mtcnn-pyramid": mtcnn_pyramid,
    "mtcnn-stages": mtcnn_stages,
    "ssd-anchors": ssd_anchors,
    "ssd-scores": ssd_scores,
    "yolo-grid": yolo_grid,
    "nms": nms,
}
