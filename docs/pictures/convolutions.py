"""Pictures of convolutions: by hand, on the photo, in depth and pointwise; weights; Winograd."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sheet import BLUE, GRAY, INK, LIGHT, ORANGE, PALE, SIGNED, SKY, WHITE, YELLOW, Array, Color, Sheet, colored
from subjects import photo
from svg_file import Drawing

import npfaceapi as faceapi
from npfaceapi.engines import reference

EXAMPLE = np.array([[1, 1, 2, 8, 9], [1, 2, 3, 9, 9], [0, 1, 4, 9, 8], [1, 1, 3, 8, 9], [2, 1, 2, 9, 9]], np.float32)
EDGES = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)


def convolution() -> Drawing:
    drawing = Drawing(480, 520, "A convolution by hand")
    cell = 40
    result = reference.conv2d(EXAMPLE.reshape(1, 5, 5, 1), EDGES.reshape(3, 3, 1, 1))[0, :, :, 0]
    window = EXAMPLE[1:4, 1:4]
    for name, values, x, y, fills, marked in (
        ("image, 5×5", EXAMPLE, 10, 40, colored(EXAMPLE, -4, 10, np.array([(120, 120, 120), (255, 255, 255)])), (1, 1, 3)),
        ("filter, 3×3", EDGES, 320, 80, colored(EDGES, -3, 3, SIGNED), (0, 0, 3)),
        ("result, 5×5", result, 260, 300, colored(result, -40, 40, SIGNED), (2, 2, 1)),
    ):
        drawing.text(x, y - 30, name, 17, bold=True)
        drawing.numbers(values, x, y, cell, size=17, fills=fills)
        column, row, side = marked
        drawing.box(x + column * cell, y + row * cell, side * cell, side * cell, ORANGE, None, 4)
    drawing.arrow(218, 140, 312, 140, ORANGE, 2)
    drawing.arrow(400, 208, 400, 262, ORANGE, 2)
    drawing.tells(f"the {window.shape[0]}×{window.shape[1]} window", f"the sum of {EDGES.size} products, {result[2, 2]:g}")
    drawing.text(10, 284, "the marked window:", 16, ORANGE)
    for i in range(3):
        products = " + ".join(f"{a:g}·{b:g}".replace("·-", "·−") for a, b in zip(window[i], EDGES[i], strict=True))
        drawing.text(10, 318 + 62 * i, products, 16)
        drawing.text(10, 341 + 62 * i, f"= {(window[i] * EDGES[i]).sum():g}", 16)
    drawing.text(10, 504, f"sum: {(window * EDGES).sum():g}", 16, ORANGE, bold=True, anchor="ls")
    return drawing


def learning() -> Sheet:
    """As page 0 does it."""
    x = np.asarray(Image.fromarray(photo()).convert("L").resize((64, 64)), float).reshape(1, 64, 64, 1) / 255
    windows = np.lib.stride_tricks.sliding_window_view(x[0, :, :, 0], (3, 3))
    wanted = np.einsum("ijkl,kl->ij", windows, EDGES)
    weights, steps, losses = np.zeros((3, 3)), (0, 10, 100, 1000), []
    sheet = Sheet(716, 1000)
    for y, row in ((46, "weights"), (258, "gradient"), (470, "edges")):
        sheet.text(10, y, row, 22, GRAY)
    for step in range(1001):
        result = np.einsum("ijkl,kl->ij", windows, weights)
        gradient = np.einsum("ij,ijkl->kl", 2 * (result - wanted), windows) / result.size
        losses.append(np.mean((result - wanted) ** 2))
        if step in steps:
            left = 10 + 178 * steps.index(step)
            sheet.text(left, 8, f"{step} steps", 24)
            sheet.numbers(np.round(weights, 1) + 0.0, left, 78, 54, size=22, fills=colored(weights, -3, 3, SIGNED))
            short = np.array([[f"{value:.2f}".replace("0.", ".") for value in row] for row in np.round(gradient, 2) + 0.0])
            sheet.numbers(short, left, 290, 54, size=22, fills=colored(gradient, -0.3, 0.3, SIGNED))
            sheet.picture(colored(result, -2, 2, SIGNED), left, 502, 162, 162)
        weights = weights - 0.3 * gradient
    sheet.tells(f"{weights.size} weights", f"loss {losses[0]:.1f} to {losses[-1]:.4f}")
    sheet.text(10, 690, "loss", 24)
    left, top, width, height = 110.0, 730.0, 580.0, 190.0
    for power in (0, -2, -4):  # both axes logarithmic; the first step stands at 1
        y = top - power / 4.2 * height
        sheet.line([(left, y), (left + width, y)], LIGHT, 1)
        sheet.text(left - 10, y, f"{10.0**power:g}", 22, GRAY, "rm")
    for step in (1, 10, 100, 1000):
        anchor = "mt" if step < 1000 else "rt"
        sheet.text(left + np.log10(step) / 3 * width, top + height + 14, f"{step:,} step" + "s" * (step > 1), 22, GRAY, anchor)
    points = [
        (left + np.log10(step) / 3 * width, top - np.log10(loss) / 4.2 * height) for step, loss in enumerate(losses) if step
    ]
    sheet.line([(float(a), float(b)) for a, b in points], BLUE, 3)
    return sheet


def first_layer() -> Sheet:
    net = faceapi.nets.tiny_face_detector
    maps = net.taps(net.to_batch(photo()), ["conv0/conv2d"])["conv0/conv2d"][0]
    count, side = maps.shape[2], 172
    sheet = Sheet(716, 292 + 4 * (side + 8))
    sheet.picture(photo(), 4, 10, 266, 266)
    sheet.text(294, 30, f"the photo, and its\n{count} feature maps", 28)
    sheet.text(294, 130, "orange: negative\nwhite: 0\nblue: positive\nEach has a scale of its own.", 22)
    sheet.colors |= {ORANGE, BLUE}
    for k in range(count):
        x, y = 4 + k % 4 * (side + 6), 292 + k // 4 * (side + 8)
        limit = float(np.percentile(np.abs(maps[..., k]), 99))
        sheet.picture(colored(maps[..., k], -limit, limit, SIGNED), x, y, side, side)
        sheet.box(x + 3, y + 3, 34, 28, None, (255, 255, 255, 220))
        sheet.text(x + 20, y + 18, str(k), 22, INK, "mm")
    return sheet


def _channels(drawing: Drawing, x: float, y: float, lit: dict[int, set[tuple[int, int]]], color: Color) -> None:
    """Three channels of 5x5 pixels, side by side; `lit` names the pixels of each that are read or written."""
    cell = 12
    for c in range(3):
        drawing.box(x + c * 70, y, 5 * cell, 5 * cell, GRAY, WHITE, 1)
        for i in range(1, 5):
            drawing.line([(x + c * 70 + i * cell, y), (x + c * 70 + i * cell, y + 5 * cell)], LIGHT, 1)
            drawing.line([(x + c * 70, y + i * cell), (x + c * 70 + 5 * cell, y + i * cell)], LIGHT, 1)
        for i, j in sorted(lit.get(c, ())):
            drawing.box(x + c * 70 + j * cell, y + i * cell, cell, cell, GRAY, color, 1)


def separable() -> Drawing:
    drawing = Drawing(480, 452, "What one number of a convolution is computed from")
    window = {(i, j) for i in (1, 2, 3) for j in (1, 2, 3)}
    one = {(2, 2)}
    drawing.tells(f"{len({i for i, _ in window})}×{len({j for _, j in window})} pixels")
    for k, (name, read, cost) in enumerate((
        ("full convolution", dict.fromkeys(range(3), window), "9 · channels in: everything at once"),
        ("depthwise", {0: window}, "9: what is around?"),
        ("pointwise", dict.fromkeys(range(3), one), "channels in: what does it mean?"),
    )):  # fmt: skip
        y = 8 + 136 * k
        drawing.text(8, y, name, 17, bold=True)
        _channels(drawing, 8, y + 26, read, SKY)
        drawing.arrow(216, y + 56, 262, y + 56)
        _channels(drawing, 270, y + 26, {0: one}, YELLOW)
        drawing.text(8, y + 96, f"products: {cost}")
    drawing.text(8, 424, "blue: read; yellow: the number that is computed")
    return drawing


def separable_macs() -> Drawing:
    graph = faceapi.nets.ssd_mobilenetv1.graph()
    drawing = Drawing(480, 474, "MACs of MobileNet's layers")
    drawing.text(8, 8, "MACs of MobileNet's layers, in millions", 17, bold=True)
    left, unit, ratios = 208, 222 / 2416, []
    for i in range(1, 14):
        depthwise = graph.find(f"MobilenetV1/Conv2d_{i}_depthwise/depthwise_conv2d").macs / 1e6
        node = graph.find(f"MobilenetV1/Conv2d_{i}_pointwise/conv2d")
        pointwise, full = node.macs / 1e6, node.macs * 9 / 1e6
        ratios.append(full / (depthwise + pointwise))
        y = 14 + i * 28
        H, _, Co = node.shape
        Ci = node.params["filters"].shape[2]
        drawing.text(left - 8, y + 10, f"{i}: {H}×{H}, {Ci} to {Co}", 15, INK, "rm")
        drawing.box(left, y, full * unit, 20, GRAY, PALE, 1)
        drawing.box(left, y, (depthwise + pointwise) * unit, 20, None, BLUE)
        drawing.box(left, y, max(1.0, depthwise * unit), 20, None, ORANGE)
        drawing.text(left + full * unit + 5, y + 10, f"{full:.0f}", 15, GRAY, "lm")
        drawing.text(left + (depthwise + pointwise) * unit + 5, y + 10, f"{depthwise + pointwise:.0f}", 15, INK, "lm")
    drawing.tells(f"{len(ratios)} layers, as full convolutions {min(ratios):.1f} to {max(ratios):.1f} times")
    for x, y, color, text in (
        (8, 416, ORANGE, "depthwise"), (128, 416, BLUE, "pointwise"), (8, 444, PALE, "if it were a full 3×3 convolution"),
    ):  # fmt: skip
        drawing.box(x, y, 16, 16, GRAY, color, 1)
        drawing.text(x + 24, y + 8, text, 15, INK, "lm")
    return drawing


def quantization() -> Drawing:
    weights = faceapi.nets.face_recognition_net.tensors["conv128_1/conv1/conv/filters"]
    levels, counts = np.unique(weights, return_counts=True)
    drawing = Drawing(480, 346, "The weights of a layer by value")
    drawing.text(8, 8, f"the {weights.size:,} weights of conv128_1/conv1", 17, bold=True)
    drawing.text(8, 34, f"by value: {len(levels)} different ones of {2**8} possible")
    low, high, bottom = float(levels[0]), float(levels[-1]), 310

    def x_of(value: float) -> float:
        return 12 + 456 * (value - low) / (high - low)

    for value, count in zip(levels, counts, strict=True):
        x = x_of(value)
        drawing.line([(x, bottom), (x, bottom - 220 * count / counts.max())], ORANGE if value == 0 else BLUE, 1.2)
    drawing.line([(8, bottom), (472, bottom)], GRAY, 1)
    for value in np.arange(-0.03, 0.025, 0.01):
        drawing.line([(x_of(value), bottom), (x_of(value), bottom + 5)], GRAY, 1)
        drawing.text(x_of(value), bottom + 10, "0" if abs(value) < 1e-9 else f"{value:.2f}".replace("-", "−"), 15, INK, "ma")
    drawing.text(x_of(0) + 26, 74, f"exactly 0: {counts[levels == 0][0]:,}", 15, ORANGE)
    drawing.line([(x_of(0) + 22, 82), (x_of(0) + 3, 94)], ORANGE, 1)
    drawing.text(8, 116, f"one step: {np.diff(levels).min():.5f},\nthe same at the ends")
    return drawing


def winograd() -> Drawing:
    """On page 1's image, with its last row and column twice."""
    from npfaceapi.engines.numba.simd.winograd import _matrices

    tile = np.pad(EXAMPLE, (0, 1), mode="edge")
    BT, G, AT = _matrices(4)
    transformed, U = BT @ tile @ BT.T, G @ EDGES @ G.T
    products = U * transformed
    result = (AT @ products @ AT.T).round(9) + 0.0
    drawing = Drawing(480, 628, "Winograd's convolution of a tile")
    cell = 37
    grids: list[tuple[int, int, str, Array, Array]] = [
        (8, 8, "tile x, 6×6", tile, colored(tile, -4, 10, np.array([(120, 120, 120), (255, 255, 255)]))),
        (254, 8, "Bᵀ x B: sums", transformed, colored(transformed, -60, 60, SIGNED)),
        (8, 284, f"∘ U: {products.size} products", products, colored(products, -30, 30, SIGNED)),
        (254, 284, "Aᵀ [ ] A: result, 4×4", result, colored(result, -40, 40, SIGNED)),
    ]
    for x, y, name, values, paint in grids:
        drawing.text(x, y, name, 17, bold=True)
        short = [[f"{v:.1f}".removesuffix(".0") if abs(v) < 9.95 else f"{v:.0f}" for v in row] for row in values.round(1) + 0.0]
        drawing.numbers(np.array(short), x, y + 26, cell, size=15, fills=paint)
    drawing.arrow(231, 142, 253, 142)
    drawing.arrow(253, 258, 231, 284)
    drawing.arrow(231, 418, 253, 418)
    drawing.tells(f"{len(grids)} grids")
    drawing.text(8, 544, "U = G w Gᵀ: page 1's filter, transformed once")
    drawing.text(8, 568, f"directly: {result.size} · {EDGES.size} = {result.size * EDGES.size} products; here: {products.size}")
    drawing.text(8, 592, "The numbers between tile and result are rounded.", 15, GRAY)
    return drawing


PICTURES = {
    "learning": learning,
    "convolution": convolution,
    "first-layer": first_layer,
    "separable": separable,
    "separable-macs": separable_macs,
    "quantization": quantization,
    "winograd": winograd,
}
