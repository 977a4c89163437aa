"""How far the face in a photo can be trusted: its size, sharpness, light and pose, and what of it the photo cuts off.

Sharpness, exposure and contrast are measured where the face lies on the chip that dlib's recognition network was trained with
(`extract_face_chip`), without its margin: 100 x 100 pixels, whatever the size of the face in the photo.  So a face that is small,
and has to be blown up, is not sharp either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.alignment import chip_similarity
from npfaceapi.faces.geometry import Box, min_bbox
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.pose import head_pose
from npfaceapi.faces.results import FaceResult
from npfaceapi.photos.chips import resample
from npfaceapi.photos.loading import Photo, load_image

__all__ = ["FaceQuality", "face_quality"]

SIDE = 100  # pixels of the face on the chip of 150
REMEDY = "call .with_face_landmarks()"
LUMA = np.array([0.299, 0.587, 0.114]) / 255  # ITU-R BT.601, of values in 0..255

# Where doubt begins.  Preliminary: `.ci/measure quality` gives the figures to set them by.
SMALLEST_SIZE = 40.0
LEAST_SHARPNESS = 0.05
DARKEST, BRIGHTEST = 0.15, 0.85
LEAST_CONTRAST = 0.06
LARGEST_YAW, LARGEST_PITCH, LARGEST_ROLL = 45.0, 30.0, 45.0
LARGEST_OUTSIDE = 0.2


@dataclasses.dataclass(frozen=True)
class FaceQuality:
    """Measures of a face in a photo.

    Attributes
    ----------
    size : float
        Pixels of the photo from one side of the face to the other: the root of the area of the box around its points.
    sharpness : float
        The standard deviation of the Laplacian of the luminance over that of the luminance; 0 without detail.
    exposure : float
        The mean luminance, 0 (black) to 1 (white).
    contrast : float
        The standard deviation of the luminance, 0 to 0.5; 0 where the crop is blank.
    yaw, pitch, roll : float
        In degrees; above 0 where the face looks to the right of the photo, up, and leans clockwise: see `head_pose`.
    outside : float
        The share of the detection's box that lies outside of the photo, 0 to 1.
    """

    size: float
    sharpness: float
    exposure: float
    contrast: float
    yaw: float
    pitch: float
    roll: float
    outside: float

    @property
    def score(self) -> float:
        """All measures in one number, 0 to 1: a product in which a measure where doubt begins is a factor of 1/2."""
        return float(np.prod([1 / (1 + rule.doubt(self) ** 2) for rule in RULES]))

    @property
    def doubts(self) -> tuple[str, ...]:
        """What to distrust, a short text each; empty where there is no doubt."""
        return tuple(rule.text(self) for rule in RULES if rule.doubt(self) > 1)

    def to_dict(self) -> dict[str, float | list[str]]:
        """The measures, the score and the doubts in plain JSON types."""
        return {**dataclasses.asdict(self), "score": self.score, "doubts": list(self.doubts)}


class Rule(NamedTuple):
    """How far a measure is from where doubt begins, which is 1, and what is said beyond."""

    measure: str
    doubt: Callable[[FaceQuality], float]
    text: Callable[[FaceQuality], str]


def _below(value: float, least: float) -> float:
    return least / value if value > 0 else np.inf


#: A measure that does not help is dropped with its rule and its field.
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
        "exposure",
        lambda q: max((0.5 - q.exposure) / (0.5 - DARKEST), (q.exposure - 0.5) / (BRIGHTEST - 0.5)),
        lambda q: (
            f"too {'dark' if q.exposure < 0.5 else 'bright'}, mean luminance {q.exposure:.2f}, "
            f"descriptors are unreliable outside of {DARKEST:g} to {BRIGHTEST:g}"
        ),
    ),
    Rule(
        "contrast",
        lambda q: _below(q.contrast, LEAST_CONTRAST),
        lambda q: f"nearly blank, contrast {q.contrast:.2f}, descriptors are unreliable below {LEAST_CONTRAST:g}",
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
            f"descriptors are unreliable beyond {LARGEST_ROLL:g}"
        ),
    ),
    Rule(
        "outside",
        lambda q: q.outside / LARGEST_OUTSIDE,
        lambda q: (
            f"cut by the border, {q.outside:.0%} outside of the photo, descriptors are unreliable beyond {LARGEST_OUTSIDE:.0%}"
        ),
    ),
)


def face_quality(photo: Photo, face: FaceResult) -> FaceQuality:
    """Measure how far a face can be trusted.

    Parameters
    ----------
    photo : photo
        As `load_image` takes it: the one in which the face was found, of the same size.
    face : FaceResult
        With its 68 landmarks.

    Raises
    ------
    InvalidType, InvalidArgument
        On other than a result with 68 landmarks, and on a photo of another size.
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
    return quality_of(image, landmarks, face.detection.box)


def quality_of(image: NDArray[np.uint8 | np.float32], landmarks: FaceLandmarks68, box: Box) -> FaceQuality:
    """As `face_quality`, of a photo `[H,W,3]` that is decoded, the points and the detection's box."""
    pose = head_pose(landmarks)
    luminance = resample([image], [chip_similarity(landmarks, SIDE, 0)], SIDE)[0] @ LUMA
    contrast = float(luminance.std())
    around = min_bbox(landmarks.positions)
    return FaceQuality(
        size=float(np.sqrt(around.area)),
        sharpness=float(_laplacian(luminance).std() / contrast) if contrast > 0 else 0.0,
        exposure=float(luminance.mean()),
        contrast=contrast,
        yaw=pose.yaw,
        pitch=pose.pitch,
        roll=pose.roll,
        outside=_share_outside(box, image.shape[1], image.shape[0]),
    )


def _laplacian(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the four neighbours less four times the pixel, of those that have all: `[H-2,W-2]`."""
    neighbours: NDArray[np.float64] = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    return neighbours - 4 * image[1:-1, 1:-1]


def _share_outside(box: Box, width: int, height: int) -> float:
    inside_x = min(box.right, width) - max(box.left, 0)
    inside_y = min(box.bottom, height) - max(box.top, 0)
    return 1 - max(0.0, inside_x) * max(0.0, inside_y) / box.area if box.area > 0 else 0.0
