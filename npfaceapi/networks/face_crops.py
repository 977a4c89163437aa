"""Detecting inputs of the descriptor network that are not crops of a face."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import cast

from npfaceapi.faces.detection import FaceDetection
from npfaceapi.networks.options import TinyFaceDetectorOptions
from npfaceapi.networks.tiny_face_detector import TinyFaceDetector
from npfaceapi.photos.messages import tell
from npfaceapi.photos.net_input import NetInput, Pixels

__all__ = ["tell_what_is_no_crop"]

#: The side of a face relative to that of the image: above 0.73 in crops, below 0.67 in uncropped photos of LFW.
SMALLEST_FACE = 0.7
REMEDY = "detect_all_faces(photo).with_face_landmarks().with_face_descriptors() finds, aligns and crops faces"


@functools.cache
def _detector() -> TinyFaceDetector:
    return TinyFaceDetector(bundled=True)


def tell_what_is_no_crop(crops: Sequence[Pixels], look_for_face: bool) -> None:
    """Warn of images of a single colour, and, if `look_for_face`, of a first image in which the face is only a part.

    The messages contain no numbers, so that Python shows each once per line of the caller.
    """
    remarks = []
    if any(crop.min() == crop.max() for crop in crops):
        black = any(crop.max() == 0 for crop in crops)
        remarks.append(f"face descriptor: expected a crop of a face, got one that is {'all black' if black else 'of one gray'}")
    if look_for_face and crops[0].min() != crops[0].max():
        found = _detector().locate_faces(NetInput.of_pixels(crops[:1]), TinyFaceDetectorOptions(input_size=224))
        faces = cast("list[list[FaceDetection]]", found)[0]
        if faces and max(face.relative_box.area for face in faces) < SMALLEST_FACE**2:
            remarks.append(f"face descriptor: expected a crop of a face, got a photo of which the face is only a part: {REMEDY}")
    tell(remarks)
