"""Draw what the programs in examples/ draw: gallery.jpg.

python docs/pictures/gallery.py
"""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from sheet import Sheet

FOLDER = Path(__file__).resolve().parent
EXAMPLES = FOLDER.parents[1] / "examples"
PICTURE = FOLDER / "gallery.jpg"

FACE = (117, 35, 322, 240)  # left, top, right, bottom of what is shown of the photo
MIRRORED = (190, 35, 395, 240)
#: Caption, program, the picture that it writes, and what is shown of it.
CELLS = [
    ("detection", "face_detection", "face_detection", FACE),
    ("68 landmarks", "face_landmark_detection", "face_landmark_detection", FACE),
    ("expression", "face_expression_recognition", "face_expression_recognition", FACE),
    ("age and gender", "age_and_gender_recognition", "age_and_gender_recognition", FACE),
    ("recognition", "face_recognition", "face_recognition_query", MIRRORED),
    ("three detectors", "face_detection_options", "face_detection_options", FACE),
    ("5 points of MTCNN", "mtcnn", "mtcnn", FACE),
    ("an upright crop", "face_extraction", "face_1_upright", None),
    ("hidden", "anonymize", "anonymize_pixels", FACE),
]
SIDE, GAP, CAPTION = 228, 8, 34


def gallery() -> Sheet:
    """Three rows of three pictures; runs each program in a folder of its own."""
    sheet = Sheet(4 * GAP + 3 * SIDE, 3 * (SIDE + CAPTION + GAP))
    for i, (caption, program, picture, part) in enumerate(CELLS):
        x, y = GAP + i % 3 * (SIDE + GAP), i // 3 * (SIDE + CAPTION + GAP)
        sheet.text(x, y + 4, caption, 22)
        sheet.picture(_written(program, picture, part), x, y + CAPTION, SIDE, SIDE)
    return sheet


def _written(program: str, picture: str, part: tuple[int, int, int, int] | None) -> np.ndarray:
    """The pixels that a program writes, or a part of them."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None), mock.patch.object(sys, "argv", [program]):
        os.chdir(folder)
        try:
            runpy.run_path(str(EXAMPLES / f"{program}.py"), run_name="__main__")
            with Image.open(f"out/{picture}.png") as image:
                return np.asarray(image.crop(part) if part else image)
        finally:
            os.chdir(here)


def main() -> None:
    gallery().finished().save(PICTURE, quality=85)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
