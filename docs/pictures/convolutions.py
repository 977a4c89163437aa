"""Pictures of convolutions: by hand, on the photo, in depth and pointwise; weights; fusion and Winograd."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sheet import BLUE, GRAY, GREEN, INK, LIGHT, ORANGE, PALE, SIGNED, SKY, WHITE, YELLOW, Array, Color, Sheet, colored
from subjects import crop, photo

import npfaceapi as faceapi
from npfaceapi.engines import reference

EXAMPLE = np.array([[1, 1, 2, 8, 9], [1, 2, 3, 9, 9], [0, 1, 4, 9, 8], [1, 1, 3, 8, 9], [2, 1, 2, 9, 9]], np.float32)
EDGES = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)


def convolution() -> Image.Image:
    sheet = Sheet(900, 330)
    cell = 46
    result = reference.conv2d(EXAMPLE.reshape(1, 5, 5, 1), EDGES.reshape(3, 3, 1, 1))[0, :, :, 0]
    sheet.text(20, 14, "image, 5×5", 16, bold=True)
    sheet.numbers(EXAMPLE, 20, 44, cell, fills=colored(EXAMPLE, -4, 10, np.array([(120, 120, 120), (255, 255, 255)])))
    sheet.text(345, 60, "filter, 3×3", 16, bold=True)
    sheet.numbers(EDGES, 345, 90, cell, fills=colored(EDGES, -3, 3, SIGNED))
    sheet.text(640, 14, "result, 5×5", 16, bold=True)
    sheet.numbers(result, 640, 44, cell, fills=colored(result, -40, 40, SIGNED))
    sheet.box(20 + cell, 44 + cell, 3 * cell, 3 * cell, ORANGE, None, 3)
    sheet.box(345, 90, 3 * cell, 3 * cell, ORANGE, None, 3)
    sheet.box(640 + 2 * cell, 44 + 2 * cell, cell, cell, ORANGE, None, 3)
    sheet.arrow(20 + 5 * cell + 8, 44 + 2.5 * cell, 338, 44 + 2.5 * cell, ORANGE, 2)
    sheet.arrow(345 + 3 * cell + 8, 44 + 2.5 * cell, 632, 44 + 2.5 * cell, ORANGE, 2)
    lines = ["2·(-1) + 3·0 + 9·1", "+ 1·(-2) + 4·0 + 9·2", "+ 1·(-1) + 3·0 + 8·1", "= 7 + 16 + 7 = 30"]
    for i, line in enumerate(lines):
        sheet.text(345, 240 + 20 * i, line, 15, INK if i < 3 else ORANGE)
    return sheet.finished()


def learning() -> Image.Image:
    """As page 0 does it, in a width at which a phone shows the text as it is."""
    x = np.asarray(Image.fromarray(photo()).convert("L").resize((64, 64)), float).reshape(1, 64, 64, 1) / 255
    windows = np.lib.stride_tricks.sliding_window_view(x[0, :, :, 0], (3, 3))
    wanted = np.einsum("ijkl,kl->ij", windows, EDGES)
    weights, steps, losses = np.zeros((3, 3)), (0, 10, 100, 1000), []
    sheet = Sheet(440, 570)
    for y, row in ((28, "weights"), (152, "gradient"), (276, "edges")):
        sheet.text(10, y, row, 13, GRAY)
    for step in range(1001):
        result = np.einsum("ijkl,kl->ij", windows, weights)
        gradient = np.einsum("ij,ijkl->kl", 2 * (result - wanted), windows) / result.size
        losses.append(np.mean((result - wanted) ** 2))
        if step in steps:
            left = 10 + 108 * steps.index(step)
            sheet.text(left, 6, f"{step} steps", 14, bold=True)
            sheet.numbers(np.round(weights, 1) + 0.0, left, 46, 32, fills=colored(weights, -3, 3, SIGNED))
            sheet.numbers(np.round(gradient, 2) + 0.0, left, 170, 32, size=12, fills=colored(gradient, -0.3, 0.3, SIGNED))
            sheet.picture(colored(result, -2, 2, SIGNED), left, 294, 96, 96)
        weights = weights - 0.3 * gradient
    sheet.text(10, 398, "loss", 14, bold=True)
    left, top, width, height = 62.0, 420.0, 360.0, 100.0
    for power in (0, -2, -4):  # both axes logarithmic; the first step stands at 1
        y = top - power / 4.2 * height
        sheet.line([(left, y), (left + width, y)], LIGHT, 1)
        sheet.text(left - 8, y, f"{10.0**power:g}", 13, GRAY, "rm")
    for step in (1, 10, 100, 1000):
        sheet.text(left + np.log10(step) / 3 * width, top + height + 12, str(step), 13, GRAY, "mt" if step < 1000 else "rt")
    points = [
        (left + np.log10(step) / 3 * width, top - np.log10(loss) / 4.2 * height) for step, loss in enumerate(losses) if step
    ]
    sheet.line([(float(a), float(b)) for a, b in points], BLUE, 2)
    sheet.text(left + width / 2, top + height + 30, "steps", 13, GRAY, "mt")
    return sheet.finished()


def first_layer() -> Image.Image:
    net = faceapi.nets.tiny_face_detector
    maps = net.taps(net.to_batch(photo()), ["conv0/conv2d"])["conv0/conv2d"][0]
    sheet = Sheet(900, 476)
    sheet.picture(photo(), 10, 30, 380, 380)
    sheet.text(10, 8, "photo", 15, bold=True)
    sheet.text(420, 8, "16 feature maps: orange negative, white 0, blue positive", 15, bold=True)
    side = 108
    for k in range(16):
        x, y = 420 + k % 4 * (side + 8), 30 + k // 4 * (side + 2)
        limit = float(np.percentile(np.abs(maps[..., k]), 99))
        sheet.picture(colored(maps[..., k], -limit, limit, SIGNED), x, y, side, side)
        sheet.box(x + 2, y + 2, 22, 17, None, (255, 255, 255, 210))
        sheet.text(x + 13, y + 11, str(k), 12, INK, "mm")
    sheet.text(10, 420, "Each map has a colour scale of its own.", 13, GRAY)
    return sheet.finished()


def _channels(sheet: Sheet, x: float, y: float, lit: dict[int, set[tuple[int, int]]], color: Color) -> None:
    """Three channels of 5x5 pixels, one below the other; `lit` names the pixels of each that are read or written."""
    cell = 12
    for c in range(3):
        for i, j in np.ndindex(5, 5):
            line, fill = (GRAY, color) if (i, j) in lit.get(c, set()) else (LIGHT, WHITE)
            sheet.box(x + j * cell, y + c * 72 + i * cell, cell, cell, line, fill, 1)


def separable() -> Image.Image:
    sheet = Sheet(900, 330)
    window = {(i, j) for i in (1, 2, 3) for j in (1, 2, 3)}
    one = {(2, 2)}
    parts = [
        ("full convolution", dict.fromkeys(range(3), window), "9 · channels in: everything at once"),
        ("depthwise", {0: window}, "9: what is around?"),
        ("pointwise", dict.fromkeys(range(3), one), "channels in: what does it mean?"),
    ]
    for k, (name, read, cost) in enumerate(parts):
        x = 25 + k * 300
        sheet.text(x, 12, name, 17, bold=True)
        _channels(sheet, x, 48, read, SKY)
        _channels(sheet, x + 170, 48, {0: one}, YELLOW)
        for c in read:
            sheet.arrow(x + 66, 78 + c * 72, x + 164, 78 + 5 * c, INK, 1.5)
        sheet.text(x, 266, f"products for one number\n{cost}", 14)
    sheet.text(25, 310, "blue: read; yellow: the number computed; three channels in and out are drawn", 13, GRAY)
    return sheet.finished()


def separable_macs() -> Image.Image:
    graph = faceapi.nets.ssd_mobilenetv1.graph()
    sheet = Sheet(900, 400)
    sheet.text(15, 10, "multiply-accumulates of MobileNet's layers, in millions", 16, bold=True)
    left, unit = 180, 650 / 2416
    for i in range(1, 14):
        depthwise = graph.find(f"MobilenetV1/Conv2d_{i}_depthwise/depthwise_conv2d").macs / 1e6
        node = graph.find(f"MobilenetV1/Conv2d_{i}_pointwise/conv2d")
        pointwise, full = node.macs / 1e6, node.macs * 9 / 1e6
        y = 20 + i * 25
        H, _, Co = node.shape
        Ci = node.params["filters"].shape[2]
        sheet.text(left - 10, y + 9, f"{i}: {H}×{H}, {Ci} to {Co}", 13, INK, "rm")
        sheet.box(left, y, full * unit, 18, LIGHT, PALE, 1)
        sheet.box(left, y, pointwise * unit, 18, None, BLUE)
        sheet.box(left, y, max(1.0, depthwise * unit), 18, None, ORANGE)
        sheet.text(left + full * unit + 6, y + 9, f"{full:.0f}", 12, GRAY, "lm")
        sheet.text(left + pointwise * unit + 5, y + 9, f"{depthwise + pointwise:.0f}", 12, INK, "lm")
    for x, color, text in [
        (180, ORANGE, "depthwise"),
        (290, BLUE, "pointwise"),
        (400, PALE, "if it were a full 3×3 convolution"),
    ]:
        sheet.box(x, 376, 14, 14, LIGHT, color, 1)
        sheet.text(x + 20, 383, text, 13, INK, "lm")
    return sheet.finished()


def quantization() -> Image.Image:
    weights = faceapi.nets.face_recognition_net.tensors["conv128_1/conv1/conv/filters"]
    levels, counts = np.unique(weights, return_counts=True)
    sheet = Sheet(900, 330)
    sheet.text(15, 10, f"the {weights.size:,} weights of conv128_1/conv1 by value: {len(levels)} different ones", 16, bold=True)
    low, high, top = float(levels[0]), float(levels[-1]), counts.max()
    for value, count in zip(levels, counts, strict=True):
        x = 30 + 840 * (value - low) / (high - low)
        height = 235 * count / top
        sheet.box(x - 0.9, 285 - height, 1.8, height, None, ORANGE if value == 0 else BLUE)
    sheet.line([(20, 286), (880, 286)], GRAY, 1)
    for value in np.arange(-0.03, 0.025, 0.01):
        x = 30 + 840 * (value - low) / (high - low)
        sheet.line([(x, 286), (x, 291)], GRAY, 1)
        sheet.text(x, 296, "0" if abs(value) < 1e-9 else f"{value:.2f}", 13, INK, "ma")
    zero = 30 + 840 * (0 - low) / (high - low)
    sheet.text(zero + 60, 70, f"exactly 0: {counts[levels == 0][0]:,} weights", 14, ORANGE)
    sheet.line([(zero + 56, 78), (zero + 4, 90)], ORANGE, 1)
    step = float(np.diff(levels).min())
    sheet.text(60, 120, f"one step is {step:.5f};\nit is the same at the ends", 14, INK)
    return sheet.finished()


def fusion() -> Image.Image:
    sheet = Sheet(900, 300)
    names = ["conv2d", "multiply", "add", "relu", "conv2d", "multiply", "add", "add", "relu"]
    sheet.text(15, 10, "recorded: nine nodes; each reads an image and writes one", 16, bold=True)
    for k, name in enumerate(names):
        x = 20 + k * 97
        sheet.box(x, 62, 80, 36, BLUE if name == "conv2d" else GRAY, (222, 235, 247) if name == "conv2d" else PALE)
        sheet.text(x + 40, 80, name, 14, INK, "mm")
        if k:
            sheet.arrow(x - 17, 80, x - 1, 80)
    sheet.line([(8, 80), (8, 44), (20 + 7 * 97 + 40, 44)], ORANGE)
    sheet.arrow(20 + 7 * 97 + 40, 44, 20 + 7 * 97 + 40, 61, ORANGE)
    sheet.text(300, 116, "the shortcut (orange) goes to the sum", 13, GRAY)
    sheet.text(15, 155, "planned: two steps; the rest happens in registers, before the result is stored", 16, bold=True)
    for x, w, text in [(20, 371, "conv2d + multiply + add + relu"), (408, 468, "conv2d + multiply + add + add + relu")]:
        sheet.box(x, 207, w, 40, BLUE, (222, 235, 247), 2)
        sheet.text(x + w / 2, 227, text, 15, INK, "mm")
    sheet.arrow(391, 227, 407, 227)
    sheet.line([(8, 227), (8, 189), (700, 189)], ORANGE)
    sheet.arrow(700, 189, 700, 206, ORANGE)
    size = 35 * 35 * 32 * 4
    text = f"An image of conv32_1 has {size:,} bytes: read and written {10 + 9} times above, {3 + 2} times below."
    sheet.text(15, 268, text, 14, GRAY)
    return sheet.finished()


def winograd() -> Image.Image:
    from npfaceapi.engines.numba.simd.winograd import transform_filters

    sheet = Sheet(900, 300)
    cell = 27
    gray = crop("dlib").astype(float).mean(axis=2)[50:56, 40:46].round()
    U = transform_filters(EDGES.reshape(3, 3, 1, 1), 4).reshape(6, 6)
    spots = [(15, 6, "input tile, 6×6"), (270, 6, "transformed: B' x B"), (525, 6, "products: 36"), (780, 4, "result, 4×4")]
    fills: list[Array] = [colored(gray, 0, 255, np.array([(90, 90, 90), (255, 255, 255)]))]
    fills += [np.full((6, 6, 3), SKY), np.full((6, 6, 3), YELLOW), np.full((4, 4, 3), (150, 210, 180))]
    for (x, n, name), fill in zip(spots, fills, strict=True):
        sheet.text(x, 12, name, 14, bold=True)
        for i, j in np.ndindex(n, n):
            sheet.box(x + j * cell, 42 + i * cell, cell, cell, WHITE, tuple(int(v) for v in fill[i, j]), 1)
            if n == 6 and x == 15:
                sheet.text(x + (j + 0.5) * cell, 42 + (i + 0.5) * cell, f"{gray[i, j]:.0f}", 11, INK, "mm")
    for x in (15 + 6 * cell, 270 + 6 * cell, 525 + 6 * cell):
        sheet.arrow(x + 10, 123, x + 80, 123, INK, 2)
    sheet.text(15 + 6 * cell + 45, 108, "sums", 13, INK, "ms")
    sheet.text(270 + 6 * cell + 45, 108, "times U", 13, INK, "ms")
    sheet.text(525 + 6 * cell + 45, 108, "sums", 13, INK, "ms")
    sheet.text(15, 222, "U = G w G': the filter, transformed once, when the network is loaded.", 14)
    sheet.text(15, 244, "The sums are made once for each channel, the products for each pair of a channel in and one out.", 14)
    text = f"Directly: 16 · 9 = 144 products a tile and pair; so: 36. Largest number of U here: {np.abs(U).max():.2f}."
    sheet.text(15, 266, text, 14, GREEN)
    return sheet.finished()


PICTURES = {
    "learning": learning,
    "convolution": convolution,
    "first-layer": first_layer,
    "separable": separable,
    "separable-macs": separable_macs,
    "quantization": quantization,
    "fusion": fusion,
    "winograd": winograd,
}
