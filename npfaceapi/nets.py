"""The ready networks, `npfaceapi.nets.ssd_mobilenetv1` and so on; made, and their bundled weights read, on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from npfaceapi.locks import ForkSafeLock

if TYPE_CHECKING:
    from npfaceapi.networks.age_gender_net import AgeGenderNet
    from npfaceapi.networks.face_expression_net import FaceExpressionNet
    from npfaceapi.networks.face_landmark_68_net import FaceLandmark68Net, FaceLandmark68TinyNet
    from npfaceapi.networks.face_recognition_net import FaceRecognitionNet
    from npfaceapi.networks.mtcnn import Mtcnn
    from npfaceapi.networks.ssd_mobilenetv1 import SsdMobilenetv1
    from npfaceapi.networks.tiny_face_detector import TinyFaceDetector
    from npfaceapi.networks.tiny_yolov2 import TinyYolov2

    ssd_mobilenetv1: SsdMobilenetv1
    tiny_face_detector: TinyFaceDetector
    tiny_yolov2: TinyYolov2
    mtcnn: Mtcnn
    face_landmark_68_net: FaceLandmark68Net
    face_landmark_68_tiny_net: FaceLandmark68TinyNet
    face_recognition_net: FaceRecognitionNet
    face_expression_net: FaceExpressionNet
    age_gender_net: AgeGenderNet

__all__ = [
    "age_gender_net",
    "face_expression_net",
    "face_landmark_68_net",
    "face_landmark_68_tiny_net",
    "face_recognition_net",
    "mtcnn",
    "ssd_mobilenetv1",
    "tiny_face_detector",
    "tiny_yolov2",
]

_CLASSES = {
    "ssd_mobilenetv1": ("ssd_mobilenetv1", "SsdMobilenetv1"),
    "tiny_face_detector": ("tiny_face_detector", "TinyFaceDetector"),
    "tiny_yolov2": ("tiny_yolov2", "TinyYolov2"),
    "mtcnn": ("mtcnn", "Mtcnn"),
    "face_landmark_68_net": ("face_landmark_68_net", "FaceLandmark68Net"),
    "face_landmark_68_tiny_net": ("face_landmark_68_net", "FaceLandmark68TinyNet"),
    "face_recognition_net": ("face_recognition_net", "FaceRecognitionNet"),
    "face_expression_net": ("face_expression_net", "FaceExpressionNet"),
    "age_gender_net": ("age_gender_net", "AgeGenderNet"),
}
_lock = ForkSafeLock()


if not TYPE_CHECKING:  # the names above are all there are

    def __getattr__(name: str) -> Any:
        if name not in _CLASSES:
            raise AttributeError(f"module 'npfaceapi.nets' has no attribute {name!r}; it has {', '.join(__all__)}")
        module, cls = _CLASSES[name]
        with _lock:
            if name not in globals():
                globals()[name] = getattr(importlib.import_module(f"npfaceapi.networks.{module}"), cls)(bundled=True)
        return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)
