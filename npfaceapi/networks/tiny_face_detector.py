"""TinyFaceDetector: the small and fast face detector.

Source: a Tiny YOLO v2 (arXiv:1612.08242) of seven layers; face-api.js 0.22.2, `tinyFaceDetector/`, by Vincent Mühler.
Weights: tiny_face_detector_model (193,321 parameters).
Input: [N,S,S,3] RGB in 0..255, S a multiple of 32 (default 416), the photo in the top left corner of a black square.
Output: grid [N,S/32,S/32,25]: for each of 5 anchors tx, ty, tw, th, objectness.
"""

from __future__ import annotations

from npfaceapi import ops
from npfaceapi.graph import Node, ParamTree, block
from npfaceapi.networks.blocks import YOLO_MEAN_RGB
from npfaceapi.networks.neural_network import NeuralNetwork, Shapes
from npfaceapi.networks.tiny_yolov2 import ALPHA, SEPARABLE, TinyYolov2, separable_layer

__all__ = ["TinyFaceDetector"]


@block
def first_layer(x: Node, p: ParamTree) -> Node:
    """Quirk: pads nothing, where all other layers (and TinyYolov2's first) keep the size."""
    return ops.leaky_relu(ops.conv2d(x, p["filters"], p["bias"], padding="valid"), ALPHA)


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The network on one image of 0..255."""
    x = ops.divide(ops.subtract(x, YOLO_MEAN_RGB), 256.0)
    x = first_layer(x, p["conv0"])  # [S,S,3] -> [S-2,S-2,16]
    x = ops.max_pool(x, 2, stride=2)  # -> [S/2-1,S/2-1,16]
    for i in range(1, 5):
        x = separable_layer(x, p[f"conv{i}"])
        x = ops.max_pool(x, 2, stride=2)  # odd sizes are rounded up: for S=416 207 -> 104 -> 52 -> 26 -> 13, [13,13,256]
    x = separable_layer(x, p["conv5"])  # -> [S/32,S/32,512]
    x = ops.max_pool(x, 2, stride=1)  # Quirk: stride 1, reaching out at the right and bottom
    return {"grid": ops.conv2d(x, p["conv8"]["filters"], p["conv8"]["bias"])}  # -> [S/32,S/32,25]


class TinyFaceDetector(TinyYolov2):
    """The tiny face detector: small, fast, a little less accurate than SSD.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> nets.tiny_face_detector.locate_faces(np.zeros((60, 80, 3), np.uint8))
    []
    """

    def __init__(self, *, bundled: bool = False) -> None:
        super().__init__(bundled=bundled)
        self.config = SEPARABLE
        self.model_name = "tiny_face_detector_model"
        self.definition = forward

    def shapes(self) -> Shapes:
        return NeuralNetwork.shapes(self)

    def _load_bundled(self) -> None:
        NeuralNetwork._load_bundled(self)

    def _refuse_without_weights(self) -> None:
        NeuralNetwork._refuse_without_weights(self)
