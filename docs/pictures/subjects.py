"""The subjects of the pictures: the photo, its face, and the networks' outputs, each computed once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

import npfaceapi as faceapi
from npfaceapi.networks import mtcnn_stages as stages, ssd_mobilenetv1 as ssd

Array = np.ndarray[Any, Any]
PHOTO = Path(__file__).resolve().parents[2] / "golden" / "images" / "astronaut.png"


@functools.cache
def photo() -> Array:
    return np.asarray(faceapi.load_image(PHOTO))


@functools.cache
def face() -> Any:
    return faceapi.detect_single_face(photo()).with_face_landmarks().with_face_descriptor().run()


@functools.cache
def rects() -> dict[str, tuple[int, int, int, int]]:
    """x, y, width, height of the three crops, in whole pixels."""
    from npfaceapi.photos.net_input import crop_rect

    boxes = {
        "detection": face().detection.box,
        "aligned": face().aligned_rect.box,
        "dlib": face().landmarks.align(use_dlib_alignment=True),
    }
    return {name: crop_rect(box, 512, 512) for name, box in boxes.items()}


def crop(name: str) -> Array:
    x, y, w, h = rects()[name]
    return photo()[y : y + h, x : x + w]


@functools.cache
def ssd_answers() -> tuple[Array, Array]:
    """Boxes [5118,4] as left, top, right, bottom in pixels, and scores [5118]."""
    net = faceapi.nets.ssd_mobilenetv1
    raw = net.run_net(net.to_batch(photo()))
    boxes = ssd.decode_boxes(raw["box_encodings"][0], net.priors)
    return boxes[:, [1, 0, 3, 2]] * 512, ssd.decode_scores(raw["class_logits"][0])


@functools.cache
def yolo_cells() -> Array:
    net = faceapi.nets.tiny_face_detector
    grid = net.run_net(net.to_batch(photo()))["grid"][0]
    return np.asarray(grid.reshape(13, 13, 5, 5), np.float64)


@functools.cache
def mtcnn_steps() -> dict[str, Any]:
    """The results of MTCNN's stages, as boxes x, y, width, height; `levels` holds scale, image and candidates of each scale."""
    image, mtcnn = photo(), faceapi.nets.mtcnn
    levels = []
    for scale in stages.usable_scales(stages.pyramid_scales(512, 512, 20, 0.709), 512, 512, 10):
        level = stages.pyramid_image(image, scale)
        out = mtcnn.pnet.run_net(level[None])
        levels.append((scale, level, stages.stage1_scale(out["prob"][0], out["regions"][0], scale, 0.6)))
    first, _ = stages.stage1_all([candidates for _, _, candidates in levels])
    batch, inside = stages.patches(image, first, 24)
    out = mtcnn.rnet.run_net(batch)
    second, scores = stages.stage2(first[inside], out["prob"], out["regions"], 0.7)
    batch, inside = stages.patches(image, second, 48)
    out = mtcnn.onet.run_net(batch)
    third, _, points, _ = stages.stage3(second[inside], out["prob"], out["regions"], out["points"], 0.7)
    return {"levels": levels, "boxes": (first, second, third), "scores": scores, "points": points}
