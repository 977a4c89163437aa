"""The faces of the report: results, and the crops that the networks took as input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npfaceapi import nets
from npfaceapi.faces.results import FaceResult
from npfaceapi.photos.net_input import Pixels
from npfaceapi.taps import Values
from npfaceapi.tasks import FaceInProgress

__all__ = ["Crop", "FaceReport", "report_face"]


@dataclass(frozen=True)
class Crop:
    """A part of the photo that networks took as input.

    Attributes
    ----------
    title : str
        What kind of crop it is.
    networks : tuple of str
        Their names in `npfaceapi.nets`.
    rect : (x, y, width, height)
        In whole pixels of the photo.
    batch : float32 array [1,S,S,3]
        The networks' input: padded to a square and resized.
    """

    title: str
    networks: tuple[str, ...]
    rect: tuple[int, int, int, int]
    batch: NDArray[np.float32]


@dataclass(frozen=True)
class FaceReport:
    """A face with its results and crops; crops wholly outside the photo are left out.

    `expression_logits` [7] and `gender_logits` [2] (male, female) are what the probabilities are computed from.
    """

    result: FaceResult
    crops: tuple[Crop, ...]
    expression_logits: Values | None = None
    gender_logits: Values | None = None

    def batch_of(self, network: str) -> NDArray[np.float32] | None:
        """A network's input for this face."""
        return next((crop.batch for crop in self.crops if network in crop.networks), None)


LANDMARKS = ("face_landmark_68_net", "face_landmark_68_tiny_net")
ALIGNED = ("face_expression_net", "age_gender_net")


def report_face(image: Pixels, result: FaceResult, networks: tuple[str, ...]) -> FaceReport:
    """Cut the input of each network for one face out of a photo [H,W,3]."""
    face = FaceInProgress(image, result)
    is_aligned = result.aligned_rect is not None
    kinds = (
        ("the detector's box", LANDMARKS, face.detection_rect()),
        ("aligned: around the landmarks" if is_aligned else "the detector's box", ALIGNED, face.aligned_rect()),
        ("aligned in dlib's way", ("face_recognition_net",), face.descriptor_rect()),
    )
    crops = []
    for title, possible, rect in kinds:
        used = tuple(name for name in possible if name in networks)
        if used and rect is not None:
            x, y, w, h = rect
            crops.append(Crop(title, used, rect, getattr(nets, used[0]).to_batch(image[y : y + h, x : x + w])))
    face_report = FaceReport(result, tuple(crops))
    expressions, gender = (face_report.batch_of(name) for name in ALIGNED)
    return replace(
        face_report,
        expression_logits=None if expressions is None else nets.face_expression_net.run_net(expressions)["logits"][0],
        gender_logits=None if gender is None else nets.age_gender_net.run_net(gender)["gender_logits"][0],
    )
