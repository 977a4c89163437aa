"""68 landmarks that stand nowhere near a face."""

from __future__ import annotations

import numpy as np

from npfaceapi.faces.landmarks import FaceLandmarks68


def pseudo_random_points(count: int) -> np.ndarray:
    """Points in [0, 1), the same as the program made that asked face-api.js."""
    state, numbers = 12345, []
    for _ in range(2 * count):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append((state >> 8) / 16777216)
    return np.array(numbers).reshape(-1, 2)


POINTS = pseudo_random_points(68)
LANDMARKS = FaceLandmarks68(POINTS, (101, 83), (7.5, -3.25))
