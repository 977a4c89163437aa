"""Results of a rotated photo (by quarter turns), converted to the original photo."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from npfaceapi.faces.detection import FaceDetection, Source, seen_in
from npfaceapi.faces.landmarks import FaceLandmarks
from npfaceapi.faces.points import Dimensions
from npfaceapi.faces.results import FaceResult

__all__ = ["turned_back"]

AnyFace = TypeVar("AnyFace", FaceDetection, FaceResult)
AnyLandmarks = TypeVar("AnyLandmarks", bound=FaceLandmarks)


def turned_back(face: AnyFace, turns: int, source: Source | None = None) -> AnyFace:
    """A face found in `numpy.rot90(photo, turns)`, converted to the coordinates of `photo`.

    Parameters
    ----------
    face : FaceDetection or FaceResult
    turns : int
        Quarter turns, counterclockwise.
    source : PhotoSource or None
        Of the original photo.
    """
    if turns % 4 == 0:
        return face
    if isinstance(face, FaceDetection):
        return seen_in(source, _detection(face, turns))
    photo = face.detection.image_dims
    aligned, landmarks, unshifted = face.aligned_rect, face.landmarks, face.unshifted_landmarks
    return dataclasses.replace(
        face,
        detection=turned_back(face.detection, turns, source),
        landmarks=None if landmarks is None else _landmarks(landmarks, turns, photo),
        unshifted_landmarks=None if unshifted is None else _landmarks(unshifted, turns, unshifted.image_dims),
        aligned_rect=None if aligned is None else turned_back(aligned, turns, source),
    )


def _points(points: NDArray[np.float64], turns: int, width: float, height: float) -> NDArray[np.float64]:
    """Points [n,2] of an image of that size, rotated clockwise with it."""
    x, y = points.T
    for _ in range(turns % 4):
        x, y, width, height = height - y, x, height, width
    return np.stack([x, y], axis=1)


def _size(dims: Dimensions, turns: int) -> Dimensions:
    return Dimensions(dims.height, dims.width) if turns % 2 else dims


def _corner(x: float, y: float, size: Dimensions, turns: int, photo: Dimensions) -> NDArray[np.float64]:
    """The upper left corner of a rectangle, rotated with its photo."""
    corners = np.array([[x, y], [x + size.width, y + size.height]])
    corner: NDArray[np.float64] = _points(corners, turns, photo.width, photo.height).min(axis=0)
    return corner


def _detection(face: FaceDetection, turns: int) -> FaceDetection:
    box = face.relative_box
    unit = Dimensions(1, 1)
    x, y = _corner(box.x, box.y, Dimensions(box.width, box.height), turns, unit)
    width, height = _size(Dimensions(box.width, box.height), turns)
    return FaceDetection(face.score, {"x": x, "y": y, "width": width, "height": height}, _size(face.image_dims, turns))


def _landmarks(landmarks: AnyLandmarks, turns: int, photo: Dimensions) -> AnyLandmarks:
    dims, shift = landmarks.image_dims, landmarks.shift
    relative = _points(landmarks.relative_positions, turns, 1, 1)
    return type(landmarks)(relative, _size(dims, turns), _corner(shift.x, shift.y, dims, turns, photo))
