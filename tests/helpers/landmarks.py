"""68 landmarks that do not look like a face, and landmarks with five given points."""

from __future__ import annotations

import numpy as np

from npfaceapi.faces.alignment import CHIP_POINTS
from npfaceapi.faces.landmarks import FaceLandmarks68

#: The corners of the eyes and the bottom of the nose in the order of dlib's model of five points, in whole pixels of a photo.
FIVE = {
    "small": [(80, 41), (68, 42), (36, 41), (48, 42), (58, 62)],
    "turned": [(171, 90), (141, 71), (70, 29), (101, 47), (103, 120)],
    "shrunk": [(900, 380), (745, 400), (300, 410), (440, 415), (610, 760)],
    "mirrored": [(36, 41), (48, 42), (80, 41), (68, 42), (58, 62)],
}


def with_five(five: list[tuple[float, float]]) -> FaceLandmarks68:
    """Landmarks in a photo of 1000 x 1000 pixels; those that a face chip does not use are 0."""
    points = np.zeros((68, 2))
    points[list(CHIP_POINTS)] = five
    return FaceLandmarks68(points / 1000, (1000, 1000))


def pseudo_random_points(count: int) -> np.ndarray:
    """Points in [0, 1), the same as in the program that computed the results of face-api.js."""
    state, numbers = 12345, []
    for _ in range(2 * count):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append((state >> 8) / 16777216)
    return np.array(numbers).reshape(-1, 2)


POINTS = pseudo_random_points(68)
LANDMARKS = FaceLandmarks68(POINTS, (101, 83), (7.5, -3.25))
