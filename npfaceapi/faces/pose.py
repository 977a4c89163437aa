"""Head pose, from the 68 points of a face.

A three-dimensional mean face is rotated, scaled, shifted and projected (scaled orthographic projection) so that its points
fit those of the face by least squares.  The jaw, the brows and most of the mouth are not used: the jaw is an outline, which
moves over the head as it turns, and the others move with the expression.

`.ci/mean_face.py` derives the mean face from photos of LFW (View 1) and explains how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.landmarks import FaceLandmarks68

__all__ = ["MEAN_FACE_3D", "MIRRORED", "HeadPose", "head_pose"]

Vector = NDArray[np.float64]

#: For each of the 68 points, its mirror image on the other side of the face.
MIRRORED = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),  # jaw, brows, nose
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
        *(*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)),  # mouth
    ]
)
#: The points that the pose is fitted to: nose, eyes, corners of the mouth.
POSE_POINTS = [*range(27, 48), 48, 54]
#: The mean face [68,3]: x to the right, y down, z away from the viewer; the outer corners of the eyes are 1 apart.
MEAN_FACE_3D = np.array(
    [
        [-0.868, -0.452, 0.789], [-0.854, -0.228, 0.741], [-0.817, -0.021, 0.715], [-0.774, 0.167, 0.707],
        [-0.695, 0.370, 0.668], [-0.577, 0.530, 0.569], [-0.439, 0.633, 0.428], [-0.265, 0.740, 0.252],
        [0.000, 0.807, 0.203], [0.265, 0.740, 0.252], [0.439, 0.633, 0.428], [0.577, 0.530, 0.569],
        [0.695, 0.370, 0.668], [0.774, 0.167, 0.707], [0.817, -0.021, 0.715], [0.854, -0.228, 0.741],
        [0.868, -0.452, 0.789], [-0.670, -0.659, 0.248], [-0.570, -0.727, 0.117], [-0.439, -0.749, 0.031],
        [-0.320, -0.737, -0.031], [-0.214, -0.702, -0.062], [0.214, -0.702, -0.062], [0.320, -0.737, -0.031],
        [0.439, -0.749, 0.031], [0.570, -0.727, 0.117], [0.670, -0.659, 0.248], [0.000, -0.459, -0.089],
        [0.000, -0.311, -0.190], [0.000, -0.173, -0.300], [0.000, -0.047, -0.323], [-0.139, 0.035, -0.065],
        [-0.079, 0.054, -0.113], [0.000, 0.072, -0.132], [0.079, 0.054, -0.113], [0.139, 0.035, -0.065],
        [-0.500, -0.485, 0.189], [-0.427, -0.519, 0.092], [-0.318, -0.521, 0.091], [-0.222, -0.470, 0.119],
        [-0.307, -0.440, 0.095], [-0.420, -0.440, 0.121], [0.222, -0.470, 0.119], [0.318, -0.521, 0.091],
        [0.427, -0.519, 0.092], [0.500, -0.485, 0.189], [0.420, -0.440, 0.121], [0.307, -0.440, 0.095],
        [-0.312, 0.307, 0.140], [-0.204, 0.254, -0.017], [-0.067, 0.212, -0.110], [0.000, 0.226, -0.110],
        [0.067, 0.212, -0.110], [0.204, 0.254, -0.017], [0.312, 0.307, 0.140], [0.202, 0.404, 0.036],
        [0.102, 0.451, -0.017], [0.000, 0.465, -0.034], [-0.102, 0.451, -0.017], [-0.202, 0.404, 0.036],
        [-0.291, 0.307, 0.138], [-0.097, 0.285, -0.039], [0.000, 0.284, -0.071], [0.097, 0.285, -0.039],
        [0.291, 0.307, 0.138], [0.094, 0.356, -0.019], [0.000, 0.365, -0.037], [-0.094, 0.356, -0.019],
    ]
)  # fmt: skip


class HeadPose(NamedTuple):
    """Head pose in degrees; all angles are 0 if the face looks straight at the camera.

    Attributes
    ----------
    yaw : float
        Positive if the nose points to the right of the photo.
    pitch : float
        Positive if the face looks up; 0 is the mean of LFW.
    roll : float
        Positive if the head leans clockwise in the photo; in -180..180.

    Examples
    --------
    >>> HeadPose(yaw=20.0, pitch=0.0, roll=-5.0).yaw
    20.0
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: FaceLandmarks68) -> HeadPose:
    """Estimate the head pose from the 68 points of a face.

    The head is rotated by the yaw first, then by the pitch, then by the roll.

    Parameters
    ----------
    landmarks : FaceLandmarks68
        In pixels of the photo, or of a crop of it.

    Raises
    ------
    InvalidType, InvalidArgument
        If the landmarks are not `FaceLandmarks68`, or if all points are equal.

    Examples
    --------
    >>> points = MEAN_FACE_3D[:, :2] + 2  # as they are seen from the front
    >>> [abs(round(angle, 3)) for angle in head_pose(FaceLandmarks68(points, (100, 100)))]
    [0.0, 0.0, 0.0]
    """
    if not isinstance(landmarks, FaceLandmarks68):
        raise InvalidType(f"head_pose: expected FaceLandmarks68, got {shown(landmarks)}")
    face, seen = MEAN_FACE_3D[POSE_POINTS], landmarks.positions[POSE_POINTS]
    face, seen = face - face.mean(axis=0), seen - seen.mean(axis=0)
    size = float(np.abs(seen).max())
    if not size > 0:
        raise InvalidArgument("head_pose: expected the points of a face, got 68 at one place")
    seen = seen / size  # so that the squares of large numbers do not overflow

    def misses(quaternion: Vector) -> Vector:
        missed: Vector = face @ _turn(quaternion)[:2].T - seen
        return missed.ravel()

    front = complex(np.vdot(face[:, :2] @ (1, 1j), seen @ (1, 1j)))  # start from a frontal face, rotated in the image plane
    half = np.sqrt(front / np.square(face[:, :2]).sum())
    turn = _turn(_least_squares(misses, np.array([half.real, 0, 0, half.imag])))
    turn /= np.cbrt(np.linalg.det(turn))
    yaw, pitch = np.arctan2(turn[2, 0], turn[2, 2]), -np.arcsin(np.clip(turn[2, 1], -1, 1))
    roll = np.arctan2(-turn[0, 1], turn[1, 1])
    return HeadPose(*(float(angle) for angle in np.degrees([yaw, pitch, roll])))


def _least_squares(misses: Callable[[Vector], Vector], q: Vector) -> Vector:
    """The minimum near q of the sum of squares of `misses`, quadratic functions of q; Levenberg's method (1944)."""
    missed, damping = misses(q), 1e-3
    for _ in range(100):
        slopes = np.array([(misses(q + e) - misses(q - e)) / 2 for e in np.eye(len(q))])  # exact: misses is quadratic
        step = np.linalg.solve(slopes @ slopes.T + damping * np.eye(len(q)), -slopes @ missed)
        tried = misses(q + step)
        if tried @ tried < missed @ missed:
            q, missed, damping = q + step, tried, damping / 10
        else:
            damping *= 10
        if np.abs(step).max() < 1e-7:  # some 1e-5 degrees; much smaller steps do not change the sum in float64
            break
    return q


def _turn(quaternion: Vector) -> NDArray[np.float64]:
    """The matrix [3,3] of a quaternion: a rotation, scaled by the quaternion's squared norm."""
    w, x, y, z = quaternion
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )
