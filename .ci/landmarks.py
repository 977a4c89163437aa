"""Errors of the 68 points against manual annotations: python .ci/landmarks.py FOLDER [--json FILE]

FOLDER contains NAME.pts, 68 points of iBUG's scheme counted from 1, and photos NAME.jpg, .png or .ppm.  The error of a face is
the mean distance of its points divided by the distance between the outer corners of its eyes (the protocol of 300-W).  Boxes are
those of each detector; a photo's face is the one whose box contains most of the points.  With dlib-bin and
face_recognition_models installed, dlib's detector and predictor are measured too.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from npfaceapi.faces.geometry import Box
from npfaceapi.networks.options import SsdMobilenetv1Options, TinyFaceDetectorOptions
from npfaceapi.photos.loading import load_image
from npfaceapi.tasks import detect_all_faces

OUTER_CORNERS = (36, 45)
Find = Callable[[np.ndarray, np.ndarray], "np.ndarray | None"]


def points_of(file: Path) -> np.ndarray:
    """float64 [68,2] in pixels counted from 0."""
    text = file.read_text("ascii")
    numbers = np.array(re.findall(r"[-\d.]+", text[text.index("{") :]), np.float64)
    if len(numbers) != 136:
        raise SystemExit(f"{file}: expected 68 points, got {len(numbers)} numbers")
    return numbers.reshape(68, 2) - 1


def share_inside(box: Box, points: np.ndarray) -> float:
    inside = (points >= (box.left, box.top)) & (points <= (box.right, box.bottom))
    return float(inside.all(axis=1).mean())


def by(options: SsdMobilenetv1Options | TinyFaceDetectorOptions, use_tiny_model: bool) -> Find:
    def find(image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        faces = detect_all_faces(image, options).with_face_landmarks(use_tiny_model).run()
        face = max(faces, key=lambda face: share_inside(face.detection.box, points), default=None)
        return None if face is None or share_inside(face.detection.box, points) < 0.5 else face.landmarks.positions

    return find


def by_dlib() -> Find | None:
    try:
        import dlib
        import face_recognition_models as files
    except ImportError:
        return None
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(files.pose_predictor_model_location())

    def find(image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        pixels = np.ascontiguousarray(image)
        boxes = [(Box({"x": b.left(), "y": b.top(), "width": b.width(), "height": b.height()}), b) for b in detect(pixels, 1)]
        box, rectangle = max(boxes, key=lambda pair: share_inside(pair[0], points), default=(None, None))
        if box is None or share_inside(box, points) < 0.5:
            return None
        return np.array([(point.x, point.y) for point in predict(pixels, rectangle).parts()], np.float64)

    return find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    ssd, tiny = SsdMobilenetv1Options(0.1), TinyFaceDetectorOptions(320, 0.1)
    ways = {
        "ssd, 68 points": by(ssd, False),
        "tiny at 320, 68 points": by(tiny, False),
        "tiny at 320, tiny 68 points": by(tiny, True),
    }
    dlib = by_dlib()
    if dlib is not None:
        ways["dlib's HOG and 68 points"] = dlib
    errors: dict[str, dict[str, float | None]] = {name: {} for name in ways}
    for file in sorted(arguments.folder.glob("*.pts")):
        photo = next(file.with_suffix(end) for end in (".jpg", ".png", ".ppm") if file.with_suffix(end).is_file())
        image, points = load_image(photo), points_of(file)
        eyes = np.linalg.norm(points[OUTER_CORNERS[0]] - points[OUTER_CORNERS[1]])
        for name, find in ways.items():
            found = find(image, points)
            errors[name][file.stem] = None if found is None else float(np.linalg.norm(found - points, axis=1).mean() / eyes)
    for name, of_way in errors.items():
        known = [error for error in of_way.values() if error is not None]
        print(f"{name:30} {np.mean(known):.3f} mean of {len(known)} of {len(of_way)} faces:", *(f"{e:.3f}" for e in known))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(errors, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
