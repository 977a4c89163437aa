"""Pictures of what is computed from a face: landmarks, crops, descriptors, expressions, ages."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from sheet import BLUE, GRAY, GREEN, INK, LIGHT, ORANGE, PURPLE, RED, SIGNED, SKY, WHITE, YELLOW, Array, Sheet, colored
from subjects import PHOTO, crop, face, photo, rects

import npfaceapi as faceapi

GROUPS = [
    ("jaw", 0, 17, WHITE, False),
    ("brows", 17, 22, YELLOW, False),
    ("brows", 22, 27, YELLOW, False),
    ("nose", 27, 36, SKY, False),
    ("eyes", 36, 42, (150, 230, 160), True),
    ("eyes", 42, 48, (150, 230, 160), True),
    ("mouth", 48, 60, (255, 150, 150), True),
    ("mouth", 60, 68, (255, 150, 150), True),
]
#: Points that are labelled with their number, and the label's place.
NUMBERED = {
    0: (-13, 0), 4: (-13, 6), 8: (0, 14), 12: (13, 6), 16: (14, 0), 17: (-10, -9), 21: (6, -11), 22: (-4, -11), 26: (10, -9),
    27: (14, 0), 30: (14, -4), 31: (-12, 0), 35: (13, 0), 36: (-14, 0), 39: (14, 0), 42: (-14, 0), 45: (14, 0),
    48: (-14, 0), 51: (0, -11), 54: (15, 0), 57: (0, 13),
}  # fmt: skip


def landmarks() -> Image.Image:
    sheet = Sheet(900, 590)
    x0, y0, w, h, zoom = 156, 68, 124, 118, 4.8
    sheet.picture((photo()[y0 : y0 + h, x0 : x0 + w] * 0.8).astype(np.uint8), 10, 12, w * zoom, h * zoom)
    points = (face().landmarks.positions - (x0, y0)) * zoom + (10, 12)
    names: dict[str, list[int]] = {}
    for name, start, stop, color, closed in GROUPS:
        part = [(float(x), float(y)) for x, y in points[start:stop]]
        sheet.line([*part, part[0]] if closed else part, color, 1)
        for i, (x, y) in enumerate(part, start):
            sheet.disc(x, y, 2.4, color)
            if i in NUMBERED:
                dx, dy = NUMBERED[i]
                sheet.text(x + dx, y + dy, str(i), 13, color, "mm", outline=(60, 50, 45))
        names.setdefault(name, []).extend([start, stop - 1])
    sheet.text(632, 20, "68 points", 17, bold=True)
    for k, (name, numbers) in enumerate(names.items()):
        color = next(group[3] for group in GROUPS if group[0] == name)
        sheet.disc(640, 66 + k * 28, 7, INK)
        sheet.disc(640, 66 + k * 28, 5.5, color)
        sheet.text(656, 66 + k * 28, f"{name}: {min(numbers)} to {max(numbers)}", 15, INK, "lm")
    sheet.text(632, 222, "Left and right are\nthose of the photo.\nNot all numbers\nare shown.", 13, GRAY)
    return sheet.finished()


def dense_block() -> Image.Image:
    sheet = Sheet(900, 250)
    sheet.text(15, 10, "a dense block; every + adds all that arrives, then relu", 16, bold=True)
    middle = 150
    xs = [110, 320, 530, 740]
    sheet.text(20, middle, "x", 17, INK, "lm")
    sheet.arrow(36, middle, 70, middle)
    for k, x in enumerate(xs):
        name = ["conv0, stride 2\n+ relu", "conv1", "conv2", "conv3"][k]
        sheet.box(x - 40, middle - 24, 96, 48, BLUE, (222, 235, 247))
        for n, part in enumerate(name.split("\n")):
            sheet.text(x + 8, middle + n * 18 - (9 if "\n" in name else 0), part, 13, INK, "mm")
        sheet.text(x + 62, middle + 20, f"o{k + 1}", 13, GRAY, "la")
    plus = [408, 618, 828]
    sheet.arrow(166, middle, 280, middle)
    for k, x in enumerate(plus):
        sheet.arrow(xs[k + 1] + 56, middle, x - 11, middle)
        sheet.disc(x, middle, 11, INK)
        sheet.disc(x, middle, 9.5, WHITE)
        sheet.text(x, middle, "+", 16, INK, "mm")
        sheet.arrow(x + 11, middle, x + 48 if k == 2 else xs[k + 2] - 40, middle)
    sheet.text(884, middle, "y", 17, INK, "lm")
    for start, color, height, targets in [(190, ORANGE, 92, plus), (390, GREEN, 108, plus[1:]), (600, PURPLE, 124, plus[2:])]:
        sheet.line([(start, middle), (start, height), (targets[-1], height)], color)
        sheet.disc(start, middle, 2.5, color)
        for x in targets:
            shift = {ORANGE: 0, GREEN: -4, PURPLE: 4}[color] if len(plus) else 0
            sheet.line([(x + shift, height), (x + shift, middle - 18)], color)
            sheet.arrow(x + shift, middle - 20, x + shift, middle - 10, color)
    sheet.text(15, 205, "FaceLandmark68Net has four such blocks, of 32, 64, 128 and 256 channels.", 14, GRAY)
    return sheet.finished()


BOXES = [("detection", ORANGE, "landmarks"), ("aligned", SKY, "expression, age, gender"), ("dlib", YELLOW, "descriptor")]


def alignment() -> Image.Image:
    sheet = Sheet(900, 500)
    x0, y0, w, h, zoom = 145, 55, 150, 140, 3.2
    sheet.picture(photo()[y0 : y0 + h, x0 : x0 + w], 10, 30, w * zoom, h * zoom)
    sheet.text(10, 8, "three rectangles, one face", 15, bold=True)
    for name, color, _ in BOXES:
        x, y, bw, bh = rects()[name]
        sheet.box(10 + (x - x0) * zoom, 30 + (y - y0) * zoom, bw * zoom, bh * zoom, color, None, 2.5)
    for x, y in face().landmarks.positions:
        sheet.disc(10 + (x - x0) * zoom, 30 + (y - y0) * zoom, 1.6, WHITE)
    nets = faceapi.nets
    sizes = {"detection": nets.face_landmark_68_net, "aligned": nets.face_expression_net, "dlib": nets.face_recognition_net}
    for k, (name, color, use) in enumerate(BOXES):
        batch = sizes[name].to_batch(crop(name))[0]
        y = 30 + k * 152
        sheet.picture(batch.round().astype(np.uint8), 520, y, 140, 140)
        sheet.box(520, y, 140, 140, color, None, 2.5)
        _, _, bw, bh = rects()[name]
        side = batch.shape[0]
        sheet.text(675, y + 30, f"{name}: {bw}×{bh} px", 15, bold=True)
        sheet.text(675, y + 54, f"seen as {side}×{side}", 14)
        sheet.text(675, y + 76, f"for {use}", 14)
    sheet.text(520, 8, "what the networks see", 15, bold=True)
    return sheet.finished()


def _descriptor(image: Image.Image) -> Array:
    return np.asarray(faceapi.detect_single_face(image).with_face_landmarks().with_face_descriptor().run().descriptor)


def descriptor() -> Image.Image:
    image = Image.open(PHOTO).convert("RGB")
    pixels = np.asarray(image)
    usual = _descriptor(image)
    rows = {
        "the photo": usual,
        "mirrored": _descriptor(ImageOps.mirror(image)),
        "gray": _descriptor(ImageOps.grayscale(image)),
        "turned by 20°": _descriptor(image.rotate(20, Image.Resampling.BICUBIC)),
        "blurred by 2 px": _descriptor(image.filter(ImageFilter.GaussianBlur(2))),
        "the shuttle": faceapi.nets.face_recognition_net.compute_face_descriptor(pixels[100:206, 350:456]),
    }
    sheet = Sheet(900, 306)
    sheet.text(12, 8, "128 numbers as colours, from -0.4 (orange) over 0 (white) to 0.4 (blue)", 15, bold=True)
    for k, (name, values) in enumerate(rows.items()):
        y = 36 + k * 44
        sheet.text(140, y + 18, name, 14, INK, "rm")
        sheet.picture(colored(values[None], -0.4, 0.4, SIGNED), 150, y, 640, 36, smooth=False)
        sheet.box(150, y, 640, 36, LIGHT, None, 1)
        distance = faceapi.euclidean_distance(usual, values)
        if k:
            sheet.text(802, y + 18, f"{distance:.2f} away", 14, RED if distance > 0.6 else INK, "lm")
    return sheet.finished()


def occlusion() -> Image.Image:
    """Gray squares are laid over the crop one by one; each pixel gets the mean change of all squares that cover it."""
    image = crop("aligned")
    H, W = image.shape[:2]
    size, step = 27, 6
    spots = [(y, x) for y in range(-size // 2, H, step) for x in range(-size // 2, W, step)]
    covered = []
    for y, x in spots:
        one = image.copy()
        one[max(0, y) : y + size, max(0, x) : x + size] = 128
        covered.append(one)
    expression, age = faceapi.nets.face_expression_net, faceapi.nets.age_gender_net
    happy = expression.run_net(expression.to_batch([image, *covered]))["logits"][:, 1]
    years = age.run_net(age.to_batch([image, *covered]))["age"]
    sheet = Sheet(900, 330)
    views = [("the crop", None), ('change of the logit of "happy"', happy), ("change of the age, in years", years)]
    for k, (name, values) in enumerate(views):
        x0 = 10 + k * 298
        sheet.text(x0, 8, name, 15, bold=True)
        sheet.picture(image, x0, 32, 285, 285 * H / W)
        if values is None:
            sheet.box(x0 + 8, 40, size * 285 / W, size * 285 / W, INK, (128, 128, 128), 1)
            continue
        total, count = np.zeros((H, W)), np.zeros((H, W))
        for (y, x), value in zip(spots, values[1:], strict=True):
            where = slice(max(0, y), y + size), slice(max(0, x), x + size)
            total[where] += value - values[0]
            count[where] += 1
        heat = colored(total / np.maximum(count, 1), -12, 12, SIGNED)
        blended = (heat * 0.72 + image.mean(axis=2, keepdims=True) * 0.28).astype(np.uint8)
        sheet.picture(blended, x0, 32, 285, 285 * H / W)
    for k in (1, 2):
        x0 = 10 + k * 298
        for i in range(100):
            sheet.box(x0 + i * 1.6, 310, 1.6, 9, None, tuple(int(v) for v in colored(np.array(i), 0, 99, SIGNED)))
        sheet.text(x0 + 168, 314, "-12 to +12", 12, GRAY, "lm")
    sheet.text(10, 308, "gray square: what is laid over the face", 12, GRAY)
    return sheet.finished()


PICTURES = {
    "landmarks": landmarks,
    "dense-block": dense_block,
    "alignment": alignment,
    "descriptor": descriptor,
    "occlusion": occlusion,
}
