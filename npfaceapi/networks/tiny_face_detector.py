"""TinyFaceDetector: the small and fast face detector.

Six convolutions and pools shrink the photo to a grid of S/32 x S/32 cells; a seventh predicts, for every cell and each of 5
anchors (boxes of fixed shape), whether the centre of a face is in the cell, and the face's box.  `decode` is that of TinyYolov2:
with C = S/32, at row r, column c, for an anchor of aw x ah cells

    score = sigmoid(objectness)
    centre = ((c + sigmoid(tx)) / C, (r + sigmoid(ty)) / C),  width = exp(tw) * aw / C,  height = exp(th) * ah / C

all as fractions of the square; boxes that overlap a better one by more than 0.4 are dropped.

Source: face-api.js 0.22.2, `tinyFaceDetector/`, by Vincent Mühler, after the tiny variant of Redmon and Farhadi, YOLO9000
    (arXiv:1612.08242), with separable convolutions (Chollet, Xception, arXiv:1610.02357).
Weights: tiny_face_detector_model (193,321 parameters).
Input: [N,S,S,3] RGB in 0..255, S a multiple of 32 (default 416), the photo in the top left corner of a black square.
Output: grid [N,S/32,S/32,25]: for each of 5 anchors tx, ty, tw, th, objectness (before any sigmoid).
"""

from __future__ import annotations

from npfaceapi import ops
from npfaceapi.graph import Node, ParamTree, block
from npfaceapi.networks.blocks import YOLO_MEAN_RGB
from npfaceapi.networks.options import TinyFaceDetectorOptions
from npfaceapi.networks.tiny_yolov2 import ALPHA, SEPARABLE, YoloDetector, separable_layer

__all__ = ["TinyFaceDetector"]


@block
def first_layer(x: Node, p: ParamTree) -> Node:
    """Quirk: no padding, whereas all other layers (and TinyYolov2's first) keep the size."""
    return ops.leaky_relu(ops.conv2d(x, p["filters"], p["bias"], padding="valid"), ALPHA)  # [S,S,3] -> [S-2,S-2,16]


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The network on one image of 0..255."""
    x = ops.divide(ops.subtract(x, YOLO_MEAN_RGB), 256.0)
    x = first_layer(x, p["conv0"])  # [S,S,3] -> [S-2,S-2,16]
    x = ops.max_pool(x, 2, stride=2)  # -> [S/2-1,S/2-1,16]
    for i in range(1, 5):
        x = separable_layer(x, p[f"conv{i}"])  # depthwise, pointwise, leaky relu: -> [S/2-1,S/2-1,32] -> ... -> [S/16,S/16,256]
        x = ops.max_pool(x, 2, stride=2)  # half of S/2-1 is rounded up: -> [S/4,S/4,32] -> [S/8,S/8,64] -> ... -> [S/32,S/32,256]
    x = separable_layer(x, p["conv5"])  # -> [S/32,S/32,512]
    x = ops.max_pool(x, 2, stride=1)  # Quirk: stride 1, with padding at the right and bottom
    return {"grid": ops.conv2d(x, p["conv8"]["filters"], p["conv8"]["bias"])}  # 1x1: -> [S/32,S/32,25]


class TinyFaceDetector(YoloDetector):
    """The tiny face detector: small, fast, a little less accurate than SSD.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> nets.tiny_face_detector.locate_faces(np.zeros((60, 80, 3), np.uint8))
    []
    """

    model_name = "tiny_face_detector_model"
    definition = staticmethod(forward)
    config = SEPARABLE
    options = TinyFaceDetectorOptions
