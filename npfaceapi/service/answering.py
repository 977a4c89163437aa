"""What a worker does for one photo: decode it, find its faces, and give them as JSON.

The process that listens imports this module, too, and runs none of its functions: they import what they need, so that it
starts in half the time.
"""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npfaceapi.errors import InvalidArgument, PhotoWarning
from npfaceapi.networks.options import MtcnnOptions
from npfaceapi.service.limits import Limits
from npfaceapi.service.questions import Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Answer", "answer", "begin"]


@dataclass(frozen=True)
class Answer:
    """The faces of a photo.

    Attributes
    ----------
    width, height : int
        Of the photo, in pixels.
    rotation : int
        As in `Faces`.
    faces : list of str
        `to_json()` of each `FaceResult`.
    detections : list of dict
        `to_dict()` of each detection.
    descriptors : list of float32 array [128] or None
    milliseconds : dict
        "decode" and "analyze".
    """

    width: int
    height: int
    rotation: int
    faces: list[str]
    detections: list[dict[str, Any]]
    descriptors: list[NDArray[np.float32] | None]
    milliseconds: dict[str, float]

    def best(self) -> int | None:
        """The number of the face with the highest score."""
        scores = [detection["score"] for detection in self.detections]
        return max(range(len(scores)), key=scores.__getitem__, default=None)


def begin(backend: str, megapixels: float, weights: str | os.PathLike[str] | None) -> None:
    """Set up a worker: one thread, all bundled networks ready to run, and Tiny YOLO v2 if its weights are in a folder."""
    from npfaceapi import nets
    from npfaceapi.collection.processes import set_up
    from npfaceapi.global_api import warmup
    from npfaceapi.networks.tiny_yolov2 import variant_in

    set_up(backend, megapixels)
    warnings.simplefilter("ignore", PhotoWarning)
    warmup()
    if weights is not None:
        nets.tiny_yolov2 = variant_in(weights)
        warmup(["tiny_yolov2"])


def answer(name: str, photo: bytes, asked: Question, limits: Limits) -> Answer:
    """The faces of an image file; raises NpFaceApiError, with the name, if it is none, or the options do not fit it."""
    from npfaceapi.faces.results import FaceResult
    from npfaceapi.photos.loading import load_image
    from npfaceapi.tasks import detect_all_faces

    start = time.perf_counter()
    image = load_image(photo, name)
    decoded = time.perf_counter()
    _check_work(name, image.shape[1], image.shape[0], asked, limits)
    task: Any = detect_all_faces(image, asked.options, asked.any_rotation)
    if asked.parts & {"landmarks", "descriptors"}:
        task = task.with_face_landmarks(asked.tiny_landmarks)
    if "expressions" in asked.parts:
        task = task.with_face_expressions()
    if "age-gender" in asked.parts:
        task = task.with_age_and_gender()
    if "descriptors" in asked.parts:
        task = task.with_face_descriptors(asked.alignment, asked.average_mirror)
    found = task.run()
    faces = [face if isinstance(face, FaceResult) else FaceResult(face) for face in found]
    done = time.perf_counter()
    height, width = image.shape[:2]
    return Answer(
        width,
        height,
        found.rotation,
        [face.to_json() for face in faces],
        [face.detection.to_dict() for face in faces],
        [face.descriptor for face in faces],
        {"decode": round(1e3 * (decoded - start), 1), "analyze": round(1e3 * (done - decoded), 1)},
    )


def _check_work(name: str, width: int, height: int, asked: Question, limits: Limits) -> None:
    """Raise InvalidArgument if MTCNN would search more than the limits allow."""
    if not isinstance(asked.options, MtcnnOptions):
        return
    from npfaceapi.networks.mtcnn import scales_of

    scales = scales_of(asked.options, width, height)
    pixels = sum(int(width * scale) * int(height * scale) for scale in scales) * (4 if asked.any_rotation else 1)
    if pixels > limits.mtcnn_pixels:
        raise InvalidArgument(
            f"{name}: expected MTCNN to search at most {limits.mtcnn_pixels / 1e6:g} megapixels, all sizes together, "
            f"got {pixels / 1e6:.0f} in {len(scales)} sizes: a larger min_face_size gives less, or a smaller max_num_scales"
        )
