"""Building blocks that several networks share.  Shapes are [H, W, C] of one image.

Source: face-api.js 0.22.2, `common/depthwiseSeparableConv`, `faceFeatureExtractor/`, by Vincent Mühler.  Separable convolutions:
    Chollet, Xception (arXiv:1610.02357).  Dense blocks: after Huang et al., DenseNet (arXiv:1608.06993).
"""

from __future__ import annotations

from npfaceapi import ops
from npfaceapi.graph import Node, ParamTree, block

__all__ = ["FEATURE_MEAN_RGB", "YOLO_MEAN_RGB", "dense_block", "face_features", "separable_conv2d"]

#: The mean that the face networks subtract (landmarks, expression, age/gender, recognition).
FEATURE_MEAN_RGB = (122.782, 117.001, 104.298)
#: The mean that the Tiny YOLO detectors subtract.
YOLO_MEAN_RGB = (117.001, 114.697, 97.404)


@block
def separable_conv2d(x: Node, p: ParamTree, *, stride: int = 1) -> Node:
    """Depthwise 3x3, then pointwise 1x1 with bias; no bias or activation in between.

    Quirk: 'same' padding puts the odd pixel after the image, so stride 2 on an even size pads right and bottom only.
    """
    x = ops.depthwise_conv2d(x, p["depthwise_filter"], stride=stride)  # [H,W,Ci] -> [ceil(H/stride),ceil(W/stride),Ci]
    return ops.conv2d(x, p["pointwise_filter"], p["bias"])  # -> [ceil(H/stride),ceil(W/stride),Co]


@block
def _first_conv(x: Node, p: ParamTree) -> Node:
    return ops.conv2d(x, p["filters"], p["bias"], stride=2)  # [H,W,3] -> [H/2,W/2,Co]


@block
def dense_block(x: Node, p: ParamTree, *, layers: int, is_first: bool = False) -> Node:
    """`layers` convolutions, each applied to the relu of the sum of all before it.

    The first has stride 2; it is a plain convolution on the photo (`is_first`) and a separable one elsewhere.
    Quirk: DenseNet concatenates the outputs of its layers; here they are summed, so the number of channels stays the same.
    Quirk: the sums associate from the right, o1 + (o2 + (o3 + o4)), and only o1 goes through a relu before it is summed.
    """
    first = _first_conv(x, p["conv0"]) if is_first else separable_conv2d(x, p["conv0"], stride=2)  # [H,W,Ci] -> [H/2,W/2,Co]
    outs = [ops.relu(first)]
    y = outs[0]
    for i in range(1, layers):
        outs.append(separable_conv2d(y, p[f"conv{i}"]))
        total = outs[-1]
        for earlier in reversed(outs[:-1]):
            total = ops.add(earlier, total)
        y = ops.relu(total)
    return y


def face_features(x: Node, p: ParamTree) -> Node:
    """The body shared by FaceLandmark68Net and FaceExpressionNet: from a face crop of 0..255 to 256 features.

    Quirk: divides by 255, where recognition, age/gender and the YOLO detectors divide by 256.
    """
    x = ops.divide(ops.subtract(x, FEATURE_MEAN_RGB), 255.0)
    x = dense_block(x, p["dense0"], layers=4, is_first=True)  # [112,112,3] -> [56,56,32]
    x = dense_block(x, p["dense1"], layers=4)  # -> [28,28,64]
    x = dense_block(x, p["dense2"], layers=4)  # -> [14,14,128]
    x = dense_block(x, p["dense3"], layers=4)  # -> [7,7,256]
    x = ops.avg_pool(x, 7, stride=2)  # -> [1,1,256]
    x = ops.reshape(x, (-1,))  # -> [256]
    return x
