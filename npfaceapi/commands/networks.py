"""The networks by the names that commands take, each variant and each part of MTCNN by its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npfaceapi.networks.neural_network import NeuralNetwork

__all__ = ["NETS", "network", "parts"]

NETS = (
    "ssd_mobilenetv1", "tiny_face_detector", "tiny_yolov2", "tiny_yolov2_full", "mtcnn", "mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet",
    "face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net", "face_expression_net", "age_gender_net",
)  # fmt: skip


def network(name: str) -> NeuralNetwork:
    """The ready network of that name."""
    from npfaceapi import nets
    from npfaceapi.networks.tiny_yolov2 import TinyYolov2

    if name.startswith("mtcnn_"):
        part: NeuralNetwork = getattr(nets.mtcnn, name.removeprefix("mtcnn_"))
        return part
    if name == "tiny_yolov2_full":
        return TinyYolov2(with_separable_convs=False)
    ready: NeuralNetwork = getattr(nets, name)
    return ready


def parts(name: str) -> list[NeuralNetwork]:
    """The networks of that name: MTCNN has three."""
    return [network(f"mtcnn_{part}") for part in ("pnet", "rnet", "onet")] if name == "mtcnn" else [network(name)]
