"""Which way a face looks, from its 68 points.

A mean face in three dimensions is turned, scaled, shifted and seen from far away (scaled orthographic projection), so that its
points fall on those of the face as well as can be, by least squares.  The jaw, the brows and most of the mouth take no part: the
jaw is an outline, which moves over the head as it turns, and the others move with the expression.

The mean face was derived by `.ci/mean_face.py` from photos of LFW (View 1); the derivation stands there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.landmarks import FaceLandmarks68

__all__ = ["MEAN_FACE_3D", "MIRRORED", "HeadPose", "head_pose"]

#: For each of the 68 points the one at the same place of the other side of the face.
MIRRORED = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),  # jaw, brows, nose
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
        *(*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)),  # mouth
    ]
)
#: Those that the pose is found by: nose, eyes, corners of the mouth.
POSE_POINTS = [*range(27, 48), 48, 54]
#: x to the right, y down, z away from the viewer; in units of the distance of the outer corners of the eyes; [68,3].
MEAN_FACE_3D = np.array(
    [
        [-0.868, -0.451, 0.754], [-0.854, -0.228, 0.704], [-0.817, -0.021, 0.675], [-0.774, 0.166, 0.663],
        [-0.695, 0.369, 0.623], [-0.577, 0.529, 0.525], [-0.439, 0.632, 0.388], [-0.265, 0.738, 0.219],
        [0.000, 0.805, 0.171], [0.265, 0.738, 0.219], [0.439, 0.632, 0.388], [0.577, 0.529, 0.525],
        [0.695, 0.369, 0.623], [0.774, 0.166, 0.663], [0.817, -0.021, 0.675], [0.854, -0.228, 0.704],
        [0.868, -0.451, 0.754], [-0.670, -0.658, 0.249], [-0.570, -0.725, 0.127], [-0.439, -0.747, 0.047],
        [-0.320, -0.736, -0.011], [-0.214, -0.700, -0.041], [0.214, -0.700, -0.041], [0.320, -0.736, -0.011],
        [0.439, -0.747, 0.047], [0.570, -0.725, 0.127], [0.670, -0.658, 0.249], [0.000, -0.458, -0.070],
        [0.000, -0.310, -0.169], [0.000, -0.173, -0.275], [0.000, -0.047, -0.298], [-0.139, 0.035, -0.059],
        [-0.079, 0.053, -0.106], [0.000, 0.072, -0.123], [0.079, 0.053, -0.106], [0.139, 0.035, -0.059],
        [-0.500, -0.484, 0.192], [-0.427, -0.517, 0.101], [-0.318, -0.520, 0.100], [-0.222, -0.469, 0.126],
        [-0.307, -0.439, 0.102], [-0.420, -0.439, 0.126], [0.222, -0.469, 0.126], [0.318, -0.520, 0.100],
        [0.427, -0.517, 0.101], [0.500, -0.484, 0.192], [0.420, -0.439, 0.126], [0.307, -0.439, 0.102],
        [-0.312, 0.307, 0.119], [-0.204, 0.253, -0.025], [-0.067, 0.211, -0.108], [0.000, 0.226, -0.108],
        [0.067, 0.211, -0.108], [0.204, 0.253, -0.025], [0.312, 0.307, 0.119], [0.202, 0.403, 0.021],
        [0.102, 0.450, -0.031], [0.000, 0.464, -0.045], [-0.102, 0.450, -0.031], [-0.202, 0.403, 0.021],
        [-0.291, 0.307, 0.118], [-0.097, 0.285, -0.042], [0.000, 0.283, -0.073], [0.097, 0.285, -0.042],
        [0.291, 0.307, 0.118], [0.094, 0.355, -0.030], [0.000, 0.364, -0.047], [-0.094, 0.355, -0.030],
    ]
)  # fmt: skip


class HeadPose(NamedTuple):
    """Which way a face looks, in degrees; all are 0 where it looks straight at the camera.

    Attributes
    ----------
    yaw : float
        Above 0 where the nose points to the right of the photo.
    pitch : float
        Above 0 where the face looks up.  0 is the mean of LFW.
    roll : float
        Above 0 where the head leans clockwise in the photo; in -180..180.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: FaceLandmarks68) -> HeadPose:
    """Which way a face looks, from its 68 points.

    The head turns by the yaw first, then by the pitch, then by the roll.

    Parameters
    ----------
    landmarks : FaceLandmarks68
        In pixels of the photo, or of a crop of it.

    Raises
    ------
    InvalidType, InvalidArgument
        On other landmarks, and on points that all lie at one place.

    Examples
    --------
    >>> points = MEAN_FACE_3D[:, :2] + 2  # as they are seen from the front
    >>> [abs(round(angle, 3)) for angle in head_pose(FaceLandmarks68(points, (100, 100)))]
    [0.0, 0.0, 0.0]
    """
    from scipy.optimize import least_squares

    if not isinstance(landmarks, FaceLandmarks68):
        raise InvalidType(f"head_pose: expected FaceLandmarks68, got {shown(landmarks)}")
    face, seen = MEAN_FACE_3D[POSE_POINTS], landmarks.positions[POSE_POINTS]
    face, seen = face - face.mean(axis=0), seen - seen.mean(axis=0)
    size = float(np.abs(seen).max())
    if not size > 0:
        raise InvalidArgument("head_pose: expected the points of a face, got 68 at one place")
    seen = seen / size  # or the squares of large numbers would overflow

    def misses(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
        missed: NDArray[np.float64] = face @ _turn(quaternion)[:2].T - seen
        return missed.ravel()

    front = complex(np.vdot(face[:, :2] @ (1, 1j), seen @ (1, 1j)))  # as if seen from the front: a turn in the photo
    half = np.sqrt(front / np.square(face[:, :2]).sum())
    turn = _turn(least_squares(misses, [half.real, 0, 0, half.imag], method="lm").x)
    turn /= np.cbrt(np.linalg.det(turn))
    yaw, pitch = np.arctan2(turn[2, 0], turn[2, 2]), -np.arcsin(np.clip(turn[2, 1], -1, 1))
    roll = np.arctan2(-turn[0, 1], turn[1, 1])
    return HeadPose(*(float(angle) for angle in np.degrees([yaw, pitch, roll])))


def _turn(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix [3,3] of a quaternion: a turn, and a scale that is the square of the quaternion's length."""
    w, x, y, z = quaternion
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )
