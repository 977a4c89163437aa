"""What the networks saw and computed for one photo, as plain fields: what the page is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi.inspection.cascade import CascadeTrace
from npfaceapi.inspection.detectors import DetectorTrace
from npfaceapi.inspection.faces import FaceReport
from npfaceapi.inspection.layers import NetworkReport

__all__ = ["Report"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Report:
    """The fields of an `Inspection`, which tells what each is."""

    photo: Array
    name: str
    detector: str
    detection: DetectorTrace | CascadeTrace
    faces: tuple[FaceReport, ...]
    networks: tuple[NetworkReport, ...]
    backend: str
