"""Is each measure of a face's quality useful?  python .ci/quality.py LFW --out FILE [--cache DIR]

On View 1 of LFW, from which the thresholds of npfaceapi/photos/quality.py are chosen:

discard   Error versus discard (ISO/IEC 29794-1): discard the share of faces with the worst quality, and count the misses among
          the remaining same pairs, at the threshold given by all pairs of different people.  A useful measure lowers them.
          The 95 % interval is a bootstrap of the change over pairs.
size      Misses when one photo of each same pair is shrunk until its face has the given size, with the original points.
rotation  The number of photos whose orientation, out of four, is found by the sum of the detector's scores.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from npfaceapi import nets
from npfaceapi.evaluation.kept_results import unpacked
from npfaceapi.evaluation.lfw import photos_folder, read_pairs
from npfaceapi.evaluation.people import Describe, DescribedPhotos
from npfaceapi.faces.alignment import ALIGNMENTS, CHIP_SIZE
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.networks.options import MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions
from npfaceapi.photos.chips import extract_face_chip
from npfaceapi.photos.loading import load_image
from npfaceapi.photos.net_input import NetInput, extract_face_tensors
from npfaceapi.photos.quality import RULES, FaceQuality, quality_of
from npfaceapi.tasks import detect_all_faces

DETECTOR = TinyFaceDetectorOptions(input_size=320, score_threshold=0.1)  # recommended for photos of one person
FALSE_MATCH_RATE = 1e-3
DISCARDED = (0.01, 0.02, 0.05, 0.1, 0.2)
SIZES = (16, 20, 24, 32, 40, 48, 64, 80)
RESAMPLES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate the quality measures on View 1 of LFW.")
    parser.add_argument("lfw", type=Path, help="folder of LFW, laid out as in docs/accuracy.md")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="cache of npfaceapi evaluate")
    parser.add_argument("--alignment", choices=ALIGNMENTS, default=ALIGNMENTS[0])
    parser.add_argument("--photos", type=int, metavar="N", help="use only the first N, as a trial")
    arguments = parser.parse_args()
    folder = photos_folder(arguments.lfw)
    both = [read_pairs(arguments.lfw / name, folder) for name in ("pairsDevTrain.txt", "pairsDevTest.txt")]
    same = [pair for pairs in both for pair, is_same in zip(pairs.photos, pairs.is_same, strict=True) if is_same]
    names = sorted({photo for pairs in both for pair in pairs.photos for photo in pair})[: arguments.photos]
    described = Describe(DETECTOR, arguments.alignment).photos(names, arguments.cache, lambda *_: None)
    found = described.descriptors
    same = [pair for pair in same if pair[0] in found and pair[1] in found]
    threshold = threshold_of_strangers(found)
    qualities = {
        path: quality_of(load_image(path), landmarks_of(described, path), described.results[path]["score"]) for path in found
    }
    distances = described.distances(same)
    report = {
        "photos": len(names),
        "faces": len(found),
        "same_pairs": len(same),
        "threshold": threshold,
        "fnmr": float((distances > threshold).mean()),
        "discard": discards(qualities, same, distances > threshold),
        "size": misses_by_size(described, same, qualities, threshold, arguments.alignment),
        "rotation": right_orientations(names[:: max(1, len(names) // 500)]),
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    write_tables(report)


def points_of(described: DescribedPhotos, path: str) -> np.ndarray:
    return unpacked(described.results[path]["landmarks"]).reshape(68, 2)


def landmarks_of(described: DescribedPhotos, path: str) -> FaceLandmarks68:
    return FaceLandmarks68(points_of(described, path), (1, 1))


def threshold_of_strangers(descriptors: Mapping[str, np.ndarray]) -> float:
    """The largest threshold at which the share of matching pairs of different people is at most the false match rate."""
    people = np.array([Path(path).parent.name for path in descriptors])
    matrix = np.array(list(descriptors.values()), np.float64)
    distances = []
    for index in range(len(matrix) - 1):
        others = matrix[index + 1 :][people[index + 1 :] != people[index]]
        distances.append(np.linalg.norm(others - matrix[index], axis=1).astype(np.float32))
    ordered = np.sort(np.concatenate(distances))
    return float(ordered[int(FALSE_MATCH_RATE * len(ordered))])


def discards(qualities: Mapping[str, FaceQuality], pairs: list[tuple[str, str]], missed: np.ndarray) -> dict[str, Any]:
    """The FNMR after discarding each share of faces, with the interval of the change; by measure, and for their combination."""
    doubts = {rule.measure: {path: rule.doubt(quality) for path, quality in qualities.items()} for rule in RULES}
    doubts["all"] = {path: -quality.score for path, quality in qualities.items()}
    return {name: discard_curve(doubt, pairs, missed) for name, doubt in doubts.items()}


def discard_curve(doubt: Mapping[str, float], pairs: list[tuple[str, str]], missed: np.ndarray) -> list[dict[str, Any]]:
    """The FNMR of the remaining pairs when the most doubtful faces are discarded; of equally doubtful ones, the last first.

    Parameters
    ----------
    doubt : dict of str to float
        The doubt of each photo.
    pairs : list of pairs of photos
        Pairs of the same person.
    missed : bool array [len(pairs)]
        Whether the pair's distance exceeds the threshold.
    """
    worst_last = sorted(doubt, key=doubt.__getitem__)
    curve = []
    for share in DISCARDED:
        out = set(worst_last[len(worst_last) - round(share * len(worst_last)) :])
        left = np.array([a not in out and b not in out for a, b in pairs])
        random = np.random.default_rng(0)
        drawn = random.integers(0, len(pairs), (RESAMPLES, len(pairs)))
        changes = [missed[d][left[d]].mean() - missed[d].mean() for d in drawn if left[d].any()]
        low, high = np.percentile(changes, (2.5, 97.5))
        fnmr = float(missed[left].mean())
        change = fnmr - float(missed.mean())
        curve.append({"discarded": share, "fnmr": fnmr, "pairs": int(left.sum()), "change": change, "interval": [low, high]})
    return curve


def misses_by_size(
    described: DescribedPhotos,
    pairs: list[tuple[str, str]],
    qualities: Mapping[str, FaceQuality],
    threshold: float,
    alignment: str,
) -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        distances = []
        for a, b in pairs:
            scale = min(1.0, size / qualities[a].size)
            shrunk, landmarks = shrink(a, described, scale)
            if alignment == "dlib":
                crop = extract_face_chip(shrunk, landmarks, CHIP_SIZE)
            else:
                [crop] = extract_face_tensors(shrunk, [landmarks.align(use_dlib_alignment=True)])
            descriptor = nets.face_recognition_net.forward_input(NetInput.of_pixels([crop]))[0]
            distances.append(np.linalg.norm(descriptor.astype(float) - described.descriptors[b]))
        rows.append({"size": size, "fnmr": float((np.array(distances) > threshold).mean())})
    return rows


def shrink(path: str, described: DescribedPhotos, scale: float) -> tuple[np.ndarray, FaceLandmarks68]:
    with Image.open(path) as photo:
        sides = round(photo.width * scale), round(photo.height * scale)
        pixels = np.asarray(photo.convert("RGB").resize(sides, Image.Resampling.LANCZOS))
        ratio = sides[0] / photo.width, sides[1] / photo.height
    points = points_of(described, path) * ratio
    return pixels, FaceLandmarks68(points / sides, sides)


def right_orientations(names: list[str]) -> dict[str, Any]:
    """Counts photos with a face found upright, and those that `any_rotation` leaves upright; other turns are equivalent."""
    detectors = {
        "ssd_mobilenetv1": SsdMobilenetv1Options(),
        "tiny_face_detector": TinyFaceDetectorOptions(),
        "mtcnn": MtcnnOptions(),
    }
    rows = {}
    for name, options in detectors.items():
        photos = [photo for photo in names if detect_all_faces(photo, options).run()]
        kept = sum(detect_all_faces(photo, options, any_rotation=True).run().rotation == 0 for photo in photos)
        rows[name] = {"photos": len(photos), "right": kept}
    return rows


def write_tables(report: dict[str, Any]) -> None:
    write = sys.stdout.write
    write(f"{report['same_pairs']} same pairs, {report['faces']} faces, FNMR {report['fnmr']:.4f} at {report['threshold']:.3f}\n")
    write(f"\n{'left out':10}" + "".join(f"{share:>9.0%}" for share in DISCARDED) + "   change at 5 %\n")
    for name, curve in report["discard"].items():
        at = curve[DISCARDED.index(0.05)]
        low, high = at["interval"]
        write(
            f"{name:10}" + "".join(f"{row['fnmr']:9.4f}" for row in curve) + f"   {at['change']:+.4f} [{low:+.4f}, {high:+.4f}]\n"
        )
    write("\npixels    " + "".join(f"{row['size']:9d}" for row in report["size"]) + "\n")
    write("FNMR      " + "".join(f"{row['fnmr']:9.4f}" for row in report["size"]) + "\n\n")
    for name, row in report["rotation"].items():
        write(f"{name}: {row['right']} of {row['photos']} photos get the correct orientation\n")


if __name__ == "__main__":
    main()
