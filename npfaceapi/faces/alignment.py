"""dlib's face chips: the similarity transform that aligns a face as in the training data of the recognition network.

Source: dlib 19 and later, `get_face_chip_details`, with its mean face of five points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.points import as_number

__all__ = ["ALIGNMENTS", "Similarity", "chip_similarity"]

#: How a face is cropped for its descriptor: face-api.js's axis-aligned square, or dlib's chip, rotated upright and scaled.
ALIGNMENTS = ("face-api", "dlib")

#: The points of the 68 that define dlib's chip: the corners of the eyes and the bottom of the nose.
CHIP_POINTS = (45, 42, 36, 39, 33)
#: Their positions in dlib's mean face, in units of its side.
MEAN_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
#: As in the training of dlib's recognition network: the side in pixels, and the margin on each side in units of the mean face.
CHIP_SIZE, CHIP_PADDING = 150, 0.25
LARGEST_CHIP = 4096


class Similarity(NamedTuple):
    """Rotation, scale and shift: the point (x, y) of a chip lies at the complex number `turn * (x + iy) + shift` of the photo."""

    turn: complex
    shift: complex

    @property
    def scale(self) -> float:
        """Pixels of the photo per pixel of the chip."""
        return abs(self.turn)


def chip_similarity(landmarks: FaceLandmarks68, size: int = CHIP_SIZE, padding: float = CHIP_PADDING) -> Similarity:
    """The similarity from the pixels of a face's chip to those of the photo: the least-squares fit of five points.

    Parameters
    ----------
    landmarks : FaceLandmarks68
        In pixels of the photo.
    size : int
        The side of the chip in pixels, 1 to 4096.
    padding : float
        The margin on each side, in units of the mean face, from 0 up.

    Raises
    ------
    InvalidArgument, InvalidType
        If an argument is invalid.
    """
    if not isinstance(landmarks, FaceLandmarks68):
        raise InvalidType(f"chip of a face: expected FaceLandmarks68, got {shown(landmarks)}")
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= LARGEST_CHIP:
        raise InvalidArgument(f"chip of a face: expected a size of 1 to {LARGEST_CHIP} pixels, got {shown(size)}")
    padding = as_number(padding, "chip of a face: padding")
    if padding < 0:
        raise InvalidArgument(f"chip of a face: expected a padding from 0 up, got {padding:g}")
    chip = ((MEAN_FACE + padding) / (1 + 2 * padding) * size - 0.5) @ (1, 1j)  # integer coordinates are pixel centres
    photo = landmarks.positions[list(CHIP_POINTS)] @ (1, 1j)
    spread = chip - chip.mean()
    with np.errstate(all="ignore"):
        turn = complex(np.vdot(spread, photo - photo.mean()) / np.vdot(spread, spread).real)
        shift = complex(photo.mean()) - turn * complex(chip.mean())
    if not np.isfinite([turn, shift]).all():
        raise InvalidArgument(f"chip of a face: expected points in pixels of a photo, got {landmarks.positions[CHIP_POINTS[0]]}")
    return Similarity(turn, shift)
