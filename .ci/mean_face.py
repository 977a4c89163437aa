"""Derives the 3-D mean face of npfaceapi/faces/pose.py from photos: python .ci/mean_face.py LFW [--cache DIR].

Depth comes from factorization (Tomasi and Kanade, 1992); symmetry makes it robust to faces that are not rigid.  Take the 68
points of many faces, rotate each so that its mirrored pairs are level on average, and divide by the height from the eyes to the
corners of the mouth.  With yaw t, pitch p and R = Rx(p) Ry(t), a point (X, Y, Z) is projected to

    x = X cos t + Z sin t        for any pitch

Its mirror image has -X.  So half of the difference of a pair is X cos t, half of its sum is Z sin t: the asymmetric part of x
depends only on depth and yaw.  Expressions and the proportions of a face are symmetric and do not affect it.

1. A face's coefficient of the first singular vector of all parts Z sin t is its sin t, up to a factor.  Mirrored pairs are level
   except for sin p sin t, which adds a part proportional to y; it is removed here.  Regression on sin t then gives the whole
   depth, since sin p sin t is uncorrelated with sin t if the mean of p is 0.
2. The factor: cos^2 + sin^2 = 1, so faces get narrower as the part Z sin t grows.  The slope of width^2 over (Z sin t)^2 gives
   it, and its standard error.  Noise in the widths has no effect, as it does not depend on the yaw; noise in the height by which
   a face was divided makes the depth about 3 % too large (tests/test_measuring.py has heads of known depth).
3. X and Y are means, so a pitch of 0 is the mean pitch of the photos.

The jaw is left out of 1 and 2: its points are an outline, which moves over the head as it turns.  Its depth follows from the
yaws of the other points.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from npfaceapi.evaluation.kept_results import unpacked
from npfaceapi.evaluation.lfw import photos_folder, read_pairs
from npfaceapi.evaluation.people import Describe
from npfaceapi.faces.pose import MIRRORED

EYES = [36, 39, 42, 45]
CORNERS_OF_THE_MOUTH = [48, 54]
INNER = slice(27, 68)  # nose, eyes, mouth: the depth comes from these
UPPER = slice(17, 48)  # brows, nose, eyes: the width comes from these


def main() -> None:
    parser = argparse.ArgumentParser(description="The mean face of npfaceapi/faces/pose.py, from View 1 of LFW.")
    parser.add_argument("lfw", type=Path, help="folder of LFW, laid out as in docs/accuracy.md")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="cache of npfaceapi evaluate")
    parser.add_argument("--photos", type=int, metavar="N", help="use only the first N")
    arguments = parser.parse_args()
    files = (arguments.lfw / name for name in ("pairsDevTrain.txt", "pairsDevTest.txt"))
    photos = photos_folder(arguments.lfw)
    names = sorted({photo for file in files for pair in read_pairs(file, photos).photos for photo in pair})
    described = Describe().photos(names[: arguments.photos], arguments.cache, lambda *_: None)
    found = (result["landmarks"] for result in described.results.values() if "landmarks" in result)
    points = np.array([unpacked(landmarks).reshape(68, 2) for landmarks in found])
    mean_face, error = derived(points)
    print(f"# from {len(points)} faces; the depth's factor has a relative standard error of {error:.3f}")
    for at in range(0, len(mean_face), 4):
        print("   ", " ".join(f"[{x:.3f}, {y:.3f}, {z:.3f}]," for x, y, z in mean_face[at : at + 4] + 0.0))


def derived(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The mean face [68,3] of faces [n,68,2], and the relative standard error of its depth.

    The distance of the outer corners of the eyes is 1, the mean of the points 27 to 67 the origin.
    """
    face = points @ (1, 1j)
    pairs = np.arange(68) < MIRRORED
    face *= np.exp(-1j * np.angle((face[:, MIRRORED[pairs]] - face[:, pairs]).sum(axis=1)))[:, np.newaxis]
    face -= face[:, INNER].mean(axis=1, keepdims=True)
    face /= (face[:, CORNERS_OF_THE_MOUTH].mean(axis=1) - face[:, EYES].mean(axis=1)).imag[:, np.newaxis]
    x, y = face.real, face.imag
    symmetric, other = (x - x[:, MIRRORED]) / 2, (x + x[:, MIRRORED]) / 2

    upright = y[:, INNER].mean(axis=0)
    part = other[:, INNER] - np.outer(other[:, INNER] @ upright, upright) / (upright @ upright)
    amount = part @ np.linalg.svd(part, full_matrices=False)[2][0]  # sin t, times a factor
    mean = symmetric.mean(axis=0)
    width = symmetric[:, UPPER] @ mean[UPPER] / (mean[UPPER] @ mean[UPPER])  # cos t, times a factor
    terms = np.stack([np.ones(len(face)), amount**2], axis=1)
    (widest, slope), residual = np.linalg.lstsq(terms, width**2, rcond=None)[:2]
    variance = residual[0] / (len(face) - 2) * np.linalg.inv(terms.T @ terms)[1, 1]

    X = (symmetric / width[:, np.newaxis]).mean(axis=0) * np.sqrt(widest)
    Y = (y + y[:, MIRRORED]).mean(axis=0) / 2
    Z = other.T @ amount / (amount @ amount) / np.sqrt(-slope)
    if Z[30] > Z[36]:  # a singular vector has no sign; the tip of the nose is nearer than the eyes
        Z = -Z
    mean_face = np.stack([X, Y, Z], axis=1)
    return (mean_face - mean_face[INNER].mean(axis=0)) / (X[45] - X[36]), float(np.sqrt(variance) / -slope / 2)


if __name__ == "__main__":
    main()
