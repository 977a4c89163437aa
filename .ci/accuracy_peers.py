"""Comparison with dlib on the pairs of LFW: its detector, points and descriptor, and combinations with ours.

    python .ci/accuracy_peers.py LFW_FOLDER OUT_FOLDER [--cache DIR] [--cnn PHOTOS]

Needs dlib-bin and face_recognition_models.  Descriptors of each kind are evaluated by the same protocol, View 2 with ten folds;
a photo without a face has distance infinity to all:

    dlib                 dlib's HOG detector, its five points, its chips, its float32 network
    dlib, our network    the same chips, the network of this package with its quantized weights
    our chips, dlib's    the detector that docs/accuracy.md recommends, our points and chips (alignment "dlib"), dlib's network
    our                  the same chips, our network

Also: the distance of our 68 points from those of dlib's predictor on the same boxes, relative to the distance of the eyes; and
the number of the first `--cnn` photos in which dlib's CNN detector (about 16 s per photo), HOG and ours find a face.
"""

from __future__ import annotations

import argparse
import functools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.evaluation.kept_results import kept_results, packed, unpacked
from npfaceapi.evaluation.lfw import figures_of_pairs, photos_folder, read_pairs
from npfaceapi.evaluation.people import DescribedPhotos, nearest_to_the_middle
from npfaceapi.evaluation.verification import fold_accuracy
from npfaceapi.faces.alignment import CHIP_POINTS
from npfaceapi.networks.options import TinyFaceDetectorOptions
from npfaceapi.photos.chips import extract_face_chip
from npfaceapi.photos.loading import load_image
from npfaceapi.tasks import detect_all_faces

DETECTOR = TinyFaceDetectorOptions(input_size=320, score_threshold=0.1)  # recommended for photos of one person
WAYS = ("dlib", "dlib, our network", "our chips, dlib's network", "our")
EYES = (slice(36, 42), slice(42, 48))  # among the 68 points


@functools.cache
def dlib_models() -> dict[str, Any]:
    """dlib's models, loaded once per process."""
    import dlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # face_recognition_models imports a deprecated part of setuptools
        import face_recognition_models as files
    return {
        "detect": dlib.get_frontal_face_detector(),
        "five": dlib.shape_predictor(files.pose_predictor_five_point_model_location()),
        "points": dlib.shape_predictor(files.pose_predictor_model_location()),
        "describe": dlib.face_recognition_model_v1(files.face_recognition_model_location()),
        "cnn": files.cnn_face_detector_model_location(),
    }


def nearest(boxes: Any, width: int, height: int) -> Any:
    """The one of dlib's boxes nearest to the centre; None if there are none."""
    return min(boxes, key=lambda b: np.hypot(b.center().x - width / 2, b.center().y - height / 2), default=None)


def described_by_dlib(chip: np.ndarray) -> np.ndarray:
    bytes_ = np.ascontiguousarray(np.clip(np.rint(chip), 0, 255).astype(np.uint8))
    return np.array(dlib_models()["describe"].compute_face_descriptor(bytes_))


def each_way(path: str) -> dict[str, Any]:
    """The descriptors of a photo by each method, and the distance of the points."""
    import dlib

    models, image = dlib_models(), np.ascontiguousarray(load_image(path))
    height, width, _ = image.shape
    found: dict[str, Any] = {}
    box = nearest(models["detect"](image, 1), width, height)
    if box is not None:
        chip = dlib.get_face_chip(image, models["five"](image, box), 150, 0.25)
        found["dlib"] = packed(described_by_dlib(chip))
        found["dlib, our network"] = packed(nets.face_recognition_net.compute_face_descriptor(chip))
    face = nearest_to_the_middle(detect_all_faces(image, DETECTOR).with_face_landmarks().run(), width, height)
    if face is not None and face.landmarks is not None:
        chip = extract_face_chip(image, face.landmarks)
        found["our chips, dlib's network"] = packed(described_by_dlib(chip))
        found["our"] = packed(nets.face_recognition_net.compute_face_descriptor(chip))
        ours = face.landmarks.positions
        if box is not None:
            theirs = np.array([(p.x, p.y) for p in models["points"](image, box).parts()])
            eyes = np.linalg.norm(theirs[EYES[0]].mean(0) - theirs[EYES[1]].mean(0))
            found["points"] = packed(np.linalg.norm(ours - theirs, axis=1) / eyes)
    return found


def found_by_cnn(path: str) -> dict[str, Any]:
    import dlib

    detect = dlib.cnn_face_detection_model_v1(dlib_models()["cnn"])
    image = np.ascontiguousarray(load_image(path))
    return {
        "cnn": len(detect(image, 1)),
        "hog": len(dlib_models()["detect"](image, 1)),
        "ssd above 0.5": len(detect_all_faces(image).run()),
        "tiny at 320 above 0.1": len(detect_all_faces(image, DETECTOR).run()),
    }


def figures_of_points(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Distances of our points from dlib's on photos where both found about the same face."""
    each = np.array([unpacked(result["points"]) for result in results.values() if "points" in result])
    same_face = each[np.median(each, axis=1) < 0.5]
    means = same_face.mean(axis=1)
    return {
        "photos": len(each), "photos_of_one_face": len(same_face), "mean": float(means.mean()), "median": float(np.median(means)),
        "share_above_0.1": float((means > 0.1).mean()), "by_point": same_face.mean(axis=0).round(4).tolist(),
        "mean_of_the_chips_five": float(same_face[:, list(CHIP_POINTS)].mean()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--cnn", type=int, default=0)
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.lfw / "pairs.txt", photos_folder(arguments.lfw))
    names = sorted({photo for pair in pairs.photos for photo in pair})

    def tell(done: int, of: int) -> None:
        if done % 500 == 0 or done == of:
            print(f"{done} of {of}", flush=True)

    results = kept_results(names, each_way, "peers", arguments.cache, tell)
    figures: dict[str, Any] = {}
    everywhere = np.array([all(set(WAYS) <= set(results[photo]) for photo in pair) for pair in pairs.photos])
    for way in WAYS:
        of_way = {path: {"descriptor": result[way]} if way in result else {} for path, result in results.items()}
        described = DescribedPhotos(of_way)
        distances = described.distances(pairs.photos)
        common = fold_accuracy(distances[everywhere], pairs.is_same[everywhere], pairs.fold[everywhere])
        figures[way] = {**figures_of_pairs(pairs, described), "accuracy_of_pairs_found_in_every_way": common.accuracy}
    figures["pairs_found_in_every_way"] = int(everywhere.sum())
    figures["points"] = figures_of_points(results)
    if arguments.cnn:
        counts = list(kept_results(names[: arguments.cnn], found_by_cnn, "cnn", arguments.cache, tell).values())
        figures["photos_with_a_face"] = {name: sum(count[name] > 0 for count in counts) for name in counts[0]}
        figures["photos_with_a_face"]["photos"] = len(counts)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "peers.json").write_text(json.dumps(figures, indent=1) + "\n")
    for way in WAYS:
        print(f"{way}: {figures[way]['accuracy']:.4f} (found: {figures[way]['accuracy_found']:.4f})")


if __name__ == "__main__":
    main()
