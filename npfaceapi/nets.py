"""The ready-made networks, `npfaceapi.nets.ssd_mobilenetv1` and so on; created, and bundled weights read, on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.locks import ForkSafeLock
from npfaceapi.networks import registry

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

__all__ = sorted(registry.NETS)

_lock = ForkSafeLock()


def _ready(name: str) -> Any:
    cls = registry.NETS[name].cls
    with _lock:
        if name not in globals():
            net = cls(bundled=True)
            net._found_by = network_named, (name,)
            globals()[name] = net
    return globals()[name]


if not TYPE_CHECKING:  # a type checker must not accept other names than those above

    def __getattr__(name: str) -> Any:
        if name not in registry.NETS:
            raise AttributeError(f"module 'npfaceapi.nets' has no attribute {name!r}; it has {', '.join(__all__)}")
        return _ready(name)


def network_named(name: str) -> Any:
    """The ready-made network of that name; variants and parts have their own names: `tiny_yolov2_full`, `mtcnn_pnet`."""
    found = registry.split(name)
    if found is None:
        raise InvalidArgument(f"expected a network out of {', '.join(registry.all_names())}, got {shown(name)}")
    net, end = found
    if end in net.variants:
        return net.cls(False, bundled=True)
    ready = _ready(net.name)
    return getattr(ready, end) if end else ready


def __dir__() -> list[str]:
    return sorted(__all__)
