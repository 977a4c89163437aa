"""The data of the report: what the networks saw and computed for one photo."""

from __future__ import annotations

from dataclasses import dataclass

from npfaceapi.inspection.cascade import CascadeTrace
from npfaceapi.inspection.detectors import DetectorTrace
from npfaceapi.inspection.faces import FaceReport
from npfaceapi.inspection.layers import NetworkReport
from npfaceapi.photos.net_input import Pixels

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """The fields of an `Inspection`, described there."""

    photo: Pixels
    name: str
    detector: str
    detection: DetectorTrace | CascadeTrace
    faces: tuple[FaceReport, ...]
    networks: tuple[NetworkReport, ...]
    backend: str
