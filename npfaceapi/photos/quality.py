"""The quality of a face in a photo: its size, sharpness and pose, and the detector's score.

Sharpness is measured on the face chip of dlib's recognition network (`extract_face_chip`) without its margin: 100 x 100 pixels,
whatever the size of the face in the photo.  So a small face, which has to be enlarged, is not sharp either.

A measure is included if descriptors are worse for the faces that it doubts: see `.ci/measure quality`, on View 1 of LFW.
Exposure, contrast, and the share of the box outside the photo were tried, and had no effect there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.alignment import chip_similarity
from npfaceapi.faces.geometry import min_bbox
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.pose import head_pose
from npfaceapi.faces.results import FaceResult
from npfaceapi.photos.chips import resample
from npfaceapi.photos.loading import Photo, load_image

__all__ = ["FaceQuality", "face_quality"]

SIDE = 100  # pixels of the face on a chip of 150
REMEDY = "call .with_face_landmarks()"
LUMA = np.array([0.299, 0.587, 0.114]) / 255  # ITU-R BT.601, for values in 0..255

# The limits: about where misses are twice those of all pairs, see docs/accuracy.md.
SMALLEST_SIZE = 28.0
LEAST_SHARPNESS = 0.1
LARGEST_YAW, LARGEST_PITCH, LARGEST_ROLL = 40.0, 22.0, 12.0
LEAST_DETECTION = 0.4


@dataclasses.dataclass(frozen=True)
class FaceQuality:
    """Measures of a face in a photo.

    Attributes
    ----------
    size : float
        The size of the face in pixels of the photo: the square root of the area of the box around its points.
    sharpness : float
        The standard deviation of the Laplacian of the luminance divided by that of the luminance; 0 for a blank crop.
    yaw, pitch, roll : float
        In degrees; positive if the face looks to the right of the photo, looks up, and leans clockwise: see `head_pose`.
    detection : float
        The detector's score, 0 to 1.

    Examples
    --------
    >>> FaceQuality(size=8, sharpness=5, yaw=0, pitch=0, roll=0, detection=0.9).doubts
    ('8 px wide, descriptors are unreliable below 28',)
    """

    size: float
    sharpness: float
    yaw: float
    pitch: float
    roll: float
    detection: float

    @property
    def score(self) -> float:
        """All measures in one number, 0 to 1: a product in which a measure at its limit is a factor of 1/2."""
        return float(np.prod([1 / (1 + rule.doubt(self) ** 2) for rule in RULES]))

    @property
    def doubts(self) -> tuple[str, ...]:
        """The reasons to distrust the face, a short text each; empty if there are none."""
        return tuple(rule.text(self) for rule in RULES if rule.doubt(self) > 1)

    def to_dict(self) -> dict[str, float | list[str]]:
        """The measures, the score and the doubts in plain JSON types."""
        return {**dataclasses.asdict(self), "score": self.score, "doubts": list(self.doubts)}


class Rule(NamedTuple):
    """The ratio of a measure to its limit (above 1 there is doubt), and the text of the doubt."""

    measure: str
    doubt: Callable[[FaceQuality], float]
    text: Callable[[FaceQuality], str]


def _below(value: float, least: float) -> float:
    return least / value if value > 0 else np.inf


#: One rule for each measure.
RULES = (
    Rule(
        "size",
        lambda q: _below(q.size, SMALLEST_SIZE),
        lambda q: f"{q.size:.0f} px wide, descriptors are unreliable below {SMALLEST_SIZE:g}",
    ),
    Rule(
        "sharpness",
        lambda q: _below(q.sharpness, LEAST_SHARPNESS),
        lambda q: f"blurred, sharpness {q.sharpness:.2f}, descriptors are unreliable below {LEAST_SHARPNESS:g}",
    ),
    Rule(
        "yaw",
        lambda q: abs(q.yaw) / LARGEST_YAW,
        lambda q: (
            f"turned {'right' if q.yaw > 0 else 'left'} by {abs(q.yaw):.0f} degrees, "
            f"descriptors are unreliable beyond {LARGEST_YAW:g}"
        ),
    ),
    Rule(
        "pitch",
        lambda q: abs(q.pitch) / LARGEST_PITCH,
        lambda q: (
            f"looks {'up' if q.pitch > 0 else 'down'} by {abs(q.pitch):.0f} degrees, "
            f"descriptors are unreliable beyond {LARGEST_PITCH:g}"
        ),
    ),
    Rule(
        "roll",
        lambda q: abs(q.roll) / LARGEST_ROLL,
        lambda q: (
            f"leans {'clockwise' if q.roll > 0 else 'counterclockwise'} by {abs(q.roll):.0f} degrees, "
            f'descriptors other than of alignment "dlib" are unreliable beyond {LARGEST_ROLL:g}'
        ),
    ),
    Rule(
        "detection",
        lambda q: _below(q.detection, LEAST_DETECTION),
        lambda q: f"detected with a score of {q.detection:.2f}, descriptors are unreliable below {LEAST_DETECTION:g}",
    ),
)


def face_quality(photo: Photo, face: FaceResult) -> FaceQuality:
    """Measure the quality of a face in a photo.

    Parameters
    ----------
    photo : photo
        The photo in which the face was found, at the same size; see `load_image`.
    face : FaceResult
        With its 68 landmarks.

    Raises
    ------
    InvalidType, InvalidArgument
        If the face is not a result with 68 landmarks, or the photo has another size.
    ImageError, FetchError
        As `load_image`.

    Examples
    --------
    >>> from npfaceapi import detect_single_face
    >>> face = detect_single_face("golden/images/astronaut.png").with_face_landmarks().run()
    >>> quality = face_quality("golden/images/astronaut.png", face)
    >>> print(f"{quality.size:.0f} pixels, yaw {quality.yaw:.0f}", quality.doubts)
    90 pixels, yaw 0 ()
    """
    if not isinstance(face, FaceResult):
        raise InvalidType(f"face_quality: expected a FaceResult with 68 landmarks, got {type(face).__name__}: {REMEDY}")
    landmarks = face.landmarks
    if not isinstance(landmarks, FaceLandmarks68):
        got = "one without landmarks" if landmarks is None else f"one with {len(landmarks)}"
        raise InvalidType(f"face_quality: expected a FaceResult with 68 landmarks, got {got}: {REMEDY}")
    image = load_image(photo)
    H, W, _ = image.shape
    if tuple(face.detection.image_dims) != (W, H):
        w, h = face.detection.image_dims
        raise InvalidArgument(
            f"face_quality: expected the photo of {w:g}x{h:g} in which the face was found, got {W}x{H}: call "
            "resize_results(face, photo) first"
        )
    return quality_of(image, landmarks, face.detection.score)


def quality_of(image: NDArray[np.uint8 | np.float32], landmarks: FaceLandmarks68, score: float) -> FaceQuality:
    """As `face_quality`, from a decoded photo `[H,W,3]`, the points and the detector's score."""
    pose = head_pose(landmarks)
    luminance = resample([image], [chip_similarity(landmarks, SIDE, 0)], SIDE)[0] @ LUMA
    spread = float(luminance.std())
    return FaceQuality(
        size=float(np.sqrt(min_bbox(landmarks.positions).area)),
        sharpness=float(_laplacian(luminance).std() / spread) if spread > 0 else 0.0,
        yaw=pose.yaw,
        pitch=pose.pitch,
        roll=pose.roll,
        detection=float(score),
    )


def _laplacian(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the four neighbours minus four times the pixel, for interior pixels: `[H-2,W-2]`."""
    neighbours: NDArray[np.float64] = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    return neighbours - 4 * image[1:-1, 1:-1]
