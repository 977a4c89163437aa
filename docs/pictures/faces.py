"""Pictures of what is computed from a face: landmarks, crops, descriptors, expressions, ages."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from sheet import GRAY, INK, LIGHT, ORANGE, RED, SIGNED, SKY, WHITE, YELLOW, Array, Sheet, colored
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
    27: (-14, 0), 30: (14, -4), 31: (-12, 0), 35: (13, 0), 36: (-14, 0), 39: (14, 0), 42: (-14, 0), 45: (14, 0),
    48: (-14, 0), 51: (0, -11), 54: (15, 0), 57: (0, 13),
}  # fmt: skip


def landmarks() -> Sheet:
    sheet = Sheet(716, 868)
    x0, y0, w, h, zoom = 156, 68, 124, 118, 5.65
    sheet.picture((photo()[y0 : y0 + h, x0 : x0 + w] * 0.8).astype(np.uint8), 8, 8, w * zoom, h * zoom)
    points = (face().landmarks.positions - (x0, y0)) * zoom + (8, 8)
    names: dict[str, list[int]] = {}
    for name, start, stop, color, closed in GROUPS:
        part = [(float(x), float(y)) for x, y in points[start:stop]]
        sheet.line([*part, part[0]] if closed else part, color, 1.5)
        for i, (x, y) in enumerate(part, start):
            sheet.disc(x, y, 3.5, color)
            if i in NUMBERED:
                dx, dy = NUMBERED[i]
                sheet.text(x + 1.5 * dx, y + 1.5 * dy, str(i), 22, color, "mm", outline=(60, 50, 45))
        names.setdefault(name, []).extend([start, stop - 1])
    sheet.tells(f"{len(points)} points in {len(names)} colours")
    for k, (name, numbers) in enumerate(names.items()):
        color = next(group[3] for group in GROUPS if group[0] == name)
        x, y = 20 + k % 3 * 240, 714 + k // 3 * 42
        sheet.disc(x, y, 11, INK)
        sheet.disc(x, y, 9, color)
        sheet.text(x + 22, y, f"{name}: {min(numbers)} to {max(numbers)}", 22, INK, "lm")
    sheet.text(8, 788, "Left and right are those of the photo.\nNot all numbers are shown.", 22, GRAY)
    return sheet


BOXES = [("detection", ORANGE, "landmarks"), ("aligned", SKY, "expression,\nage, gender"), ("dlib", YELLOW, "descriptor")]


def alignment() -> Sheet:
    sheet = Sheet(716, 1020)
    x0, y0, w, h, zoom = 145, 55, 150, 130, 4.66
    sheet.picture(photo()[y0 : y0 + h, x0 : x0 + w], 8, 8, w * zoom, h * zoom)
    for name, color, _ in BOXES:
        x, y, bw, bh = rects()[name]
        sheet.box(8 + (x - x0) * zoom, 8 + (y - y0) * zoom, bw * zoom, bh * zoom, color, None, 4)
    for x, y in face().landmarks.positions:
        sheet.disc(8 + (x - x0) * zoom, 8 + (y - y0) * zoom, 2.5, WHITE)
    nets = faceapi.nets
    sizes = {"detection": nets.face_landmark_68_net, "aligned": nets.face_expression_net, "dlib": nets.face_recognition_net}
    sheet.text(8, 628, "what the networks see", 24)
    sheet.tells(f"{len(BOXES)} boxes, {len(BOXES)} crops")
    for k, (name, color, use) in enumerate(BOXES):
        batch = sizes[name].to_batch(crop(name))[0]
        x = 8 + k * 239
        sheet.picture(batch.round().astype(np.uint8), x, 666, 222, 222)
        sheet.box(x, 666, 222, 222, color, None, 4)
        _, _, bw, bh = rects()[name]
        side = batch.shape[0]
        sheet.text(x, 898, f"{name}: {bw}×{bh}\nseen as {side}×{side}\nfor {use}", 22)
    return sheet


def _descriptor(image: Image.Image) -> Array:
    return np.asarray(faceapi.detect_single_face(image).with_face_landmarks().with_face_descriptor().run().descriptor)


def descriptor() -> Sheet:
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
    sheet = Sheet(716, 588)
    sheet.text(8, 8, "128 numbers, from -0.4 (orange) over 0 (white) to 0.4 (blue)", 22)
    sheet.tells(f"{len(rows) - 2} changed versions")
    for k, (name, values) in enumerate(rows.items()):
        y = 56 + k * 89
        sheet.text(8, y, name, 22)
        sheet.picture(colored(values[None], -0.4, 0.4, SIGNED), 8, y + 30, 700, 40, smooth=False)
        sheet.box(8, y + 30, 700, 40, LIGHT, None, 1)
        distance = faceapi.euclidean_distance(usual, values)
        if k:
            sheet.text(708, y, f"{distance:.2f} away", 22, RED if distance > 0.6 else INK, "ra")
    return sheet


def occlusion() -> Sheet:
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
    sheet, side = Sheet(716, 796), 346
    views = [("the crop, with one square", None), ('the logit of "happy"', happy), ("the age in years", years)]
    sheet.tells(f"{len(views) - 1} heat maps")
    for k, (name, values) in enumerate(views):
        x0, y0 = 8 + k % 2 * 354, 42 + k // 2 * 396
        sheet.text(x0, y0 - 32, name, 24)
        if values is None:
            sheet.picture(image, x0, y0, side, side * H / W)
            sheet.box(x0 + 10, y0 + 10, size * side / W, size * side / W, INK, (128, 128, 128), 1)
            continue
        total, count = np.zeros((H, W)), np.zeros((H, W))
        for (y, x), value in zip(spots, values[1:], strict=True):
            where = slice(max(0, y), y + size), slice(max(0, x), x + size)
            total[where] += value - values[0]
            count[where] += 1
        heat = colored(total / np.maximum(count, 1), -12, 12, SIGNED)
        blended = (heat * 0.72 + image.mean(axis=2, keepdims=True) * 0.28).astype(np.uint8)
        sheet.picture(blended, x0, y0, side, side * H / W)
    sheet.text(374, 450, "how much a gray square\nchanges the answer:", 22)
    sheet.scale(374, 530, 330, 24, colored(np.arange(330), 0, 329, SIGNED))
    for x, anchor, text in ((374, "la", "-12"), (539, "ma", "0"), (704, "ra", "+12")):
        sheet.text(x, 562, text, 22, INK, anchor)
    return sheet


PICTURES = {
    "landmarks": landmarks,
    "alignment": alignment,
    "descriptor": descriptor,
    "occlusion": occlusion,
}
