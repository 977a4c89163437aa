"""SSD MobileNet v1: the accurate face detector, and the default one.

MobileNet (alternating depthwise 3x3 and pointwise 1x1 convolutions) makes feature maps of 32, 16, 8, 4, 2 and 1 cells per side.
Every cell has a few boxes of fixed size and shape, the anchors or priors, 5118 in all.  For each, the network predicts how to
move and stretch it (4 numbers) and its class (3 logits); non-max suppression leaves one box per face.

Source: Liu et al., SSD (arXiv:1512.02325) on Howard et al., MobileNets (arXiv:1704.04861), trained on WIDER FACE
    (arXiv:1511.06523) by yeephycho; face-api.js 0.22.2, `ssdMobilenetv1/`.
Weights: ssd_mobilenetv1_model (5,555,519 parameters; 17 more tensors are constants of the TensorFlow graph, unused).
Input: [N,512,512,3] RGB in 0..255, the photo in the top left corner of a black square, resized.
Output: box_encodings [N,5118,4] (ty, tx, th, tw relative to priors), class_logits [N,5118,3] (background, face, unused).
Quirk: the priors are a tensor of the weights file, not computed; some differ from the formula in the fifth digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from npfaceapi import ops
from npfaceapi.faces.boxes import ssd_non_max_suppression
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.results import FaceDetection
from npfaceapi.graph import Node, ParamTree, block
from npfaceapi.networks.neural_network import (
    NeuralNetwork,
    See,
    options_or_default,
    reshaped_sizes_of,
    sigmoid,
    sizes_of,
    unseen,
)
from npfaceapi.networks.options import SsdMobilenetv1Options
from npfaceapi.photos.many import MAX_PHOTOS, few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, to_net_input
from npfaceapi.taps import Values

__all__ = ["FaceDetectionNet", "SsdMobilenetv1"]

SIZE = 512
SCALE = 0.007843137718737125  # 2 / 255 as float32
EPSILON = 0.0010000000474974513  # 0.001 as float32
IOU_THRESHOLD = 0.5
CENTRE_DIVISOR, SIZE_DIVISOR = 10, 5  # of box encodings
STRIDE_2 = (2, 4, 6, 12)  # the depthwise layers with stride 2


@block
def depthwise(x: Node, p: ParamTree, *, stride: int) -> Node:
    """Quirk: only the depthwise layers have a separate batch norm; elsewhere its scale is folded into the filters."""
    bn = p["BatchNorm"]
    x = ops.depthwise_conv2d(x, p["depthwise_weights"], stride=stride)  # [H,W,C] -> [H/stride,W/stride,C]
    x = ops.batch_norm(
        x, scale=bn["gamma"], offset=bn["beta"], mean=bn["moving_mean"], variance=bn["moving_variance"], epsilon=EPSILON
    )
    return ops.relu6(x)


@block
def pointwise(x: Node, p: ParamTree, *, stride: int = 1) -> Node:
    """A convolution (1x1, or 3x3 despite the name), the bias of a folded batch norm, relu6."""
    return ops.relu6(ops.conv2d(x, p["weights"], p["convolution_bn_offset"], stride=stride))  # [H,W,Ci] -> [H/stride,W/stride,Co]


@block
def predictor(x: Node, p: ParamTree) -> Node:
    return ops.conv2d(x, p["weights"], p["biases"])  # [H,W,Ci] -> [H,W,Co], Co = anchors per cell x 4 or 3


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The network on one image of 0..255."""
    x = ops.subtract(ops.multiply(x, SCALE), 1.0)

    body = p["MobilenetV1"]
    x = pointwise(x, body["Conv2d_0_pointwise"], stride=2)  # [512,512,3] -> [256,256,32]
    features = []
    for i in range(1, 14):
        x = depthwise(x, body[f"Conv2d_{i}_depthwise"], stride=2 if i in STRIDE_2 else 1)  # [256,256,32] -> ... -> [16,16,1024]
        x = pointwise(x, body[f"Conv2d_{i}_pointwise"])  # -> [256,256,64] -> [128,128,128] -> ... -> [16,16,1024]
        if i in (11, 13):
            features.append(x)  # [32,32,512] and [16,16,1024]

    head = p["Prediction"]
    for i in range(0, 8, 2):
        x = pointwise(x, head[f"Conv2d_{i}_pointwise"])  # 1x1: [16,16,1024] -> [16,16,256] -> ... -> [2,2,64]
        x = pointwise(x, head[f"Conv2d_{i + 1}_pointwise"], stride=2)  # 3x3: -> [8,8,512] -> [4,4,256] -> [2,2,256] -> [1,1,128]
        features.append(x)

    boxes, classes = [], []
    for i, feature in enumerate(features):  # 3 anchors per cell on the first, 6 on the others
        box, score = head[f"BoxPredictor_{i}"]["BoxEncodingPredictor"], head[f"BoxPredictor_{i}"]["ClassPredictor"]
        boxes.append(ops.reshape(predictor(feature, box), (-1, 4)))  # [32,32,512] -> [32*32*3,4] -> ... -> [6,4]
        classes.append(ops.reshape(predictor(feature, score), (-1, 3)))  # [32,32,512] -> [32*32*3,3] -> ... -> [6,3]
    return {"box_encodings": ops.concat(boxes), "class_logits": ops.concat(classes)}  # -> [5118,4], [5118,3]


def decode_boxes(box_encodings: Values, priors: NDArray[np.float32]) -> Values:
    """Box encodings [5118,4] to (ymin, xmin, ymax, xmax) [5118,4], relative to the padded square; keeps the dtype.

    The centre moves by ty / 10 and tx / 10 of the prior's height and width; these grow by exp(th / 5) and exp(tw / 5).  10
    and 5 are the scale factors of the box coder used in training.
    """
    ten, five, two = np.float32(CENTRE_DIVISOR), np.float32(SIZE_DIVISOR), np.float32(2)
    y0, x0, y1, x1 = priors.T
    height, width = y1 - y0, x1 - x0
    center_y, center_x = y0 + height / two, x0 + width / two
    ty, tx, th, tw = box_encodings.T
    with np.errstate(over="ignore"):
        half_height = np.exp(th / five) * height / two
        half_width = np.exp(tw / five) * width / two
    y, x = ty / ten * height + center_y, tx / ten * width + center_x
    return np.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)


def decode_scores(class_logits: Values) -> Values:
    """Class logits [5118,3] to scores [5118].

    Quirk: the sigmoid of column 1, not a softmax; column 0 (background) and column 2 are ignored.
    """
    return sigmoid(class_logits[:, 1])


def decode(
    boxes: Values,
    scores: Values,
    image_size: tuple[int, int],
    reshaped_size: tuple[int, int],
    options: SsdMobilenetv1Options,
    see: See = unseen,
) -> list[FaceDetection]:
    """The faces of one photo, best first, from boxes [5118,4] and scores [5118].

    Parameters
    ----------
    boxes, scores : ndarray
        From `decode_boxes` and `decode_scores`.
    image_size, reshaped_size : (width, height)
        Of the photo, and of the photo resized into the 512 square (rounded).
    see : callable
        Called with "candidates": boxes, scores, the indices of those kept, and the sizes.

    Notes
    -----
    Quirk: boxes are clipped to the padded square, not to the photo, so they can extend beyond the photo.
    """
    kept = ssd_non_max_suppression(
        boxes.astype(np.float64), scores.astype(np.float64), options.max_results, IOU_THRESHOLD, options.min_confidence
    )
    see("candidates", boxes=boxes, scores=scores, kept=kept, image_size=image_size, reshaped_size=reshaped_size)
    pad_x, pad_y = SIZE / reshaped_size[0], SIZE / reshaped_size[1]
    faces = []
    for i in kept:
        ymin, xmin, ymax, xmax = (float(v) for v in boxes[i])
        top, bottom = max(0.0, ymin) * pad_y, min(1.0, ymax) * pad_y
        left, right = max(0.0, xmin) * pad_x, min(1.0, xmax) * pad_x
        if right < left or bottom < top:  # a box outside the square; face-api.js throws an error
            continue
        faces.append(FaceDetection(float(scores[i]), Rect(left, top, right - left, bottom - top), image_size))
    return faces


class SsdMobilenetv1(NeuralNetwork):
    """The SSD MobileNet v1 face detector: accurate, and the default.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> nets.ssd_mobilenetv1.locate_faces(np.zeros((60, 80, 3), np.uint8))
    []
    """

    model_name = "ssd_mobilenetv1_model"
    definition = staticmethod(forward)
    input_size = SIZE
    is_center_inputs = False
    decode_params = ("Output/extra_dim",)
    options = SsdMobilenetv1Options

    def flat_order(self) -> list[str]:
        """Quirk: the flat form orders each batch norm as gamma, beta, mean, variance, and has the priors last."""
        order: list[str] = []
        for name in self.graph().params:
            folder, _, leaf = name.rpartition("/")
            if leaf == "gamma":
                order += [f"{folder}/{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance")]
            elif not folder.endswith("/BatchNorm"):
                order.append(name)
        return [*order, *self.decode_params]

    @property
    def priors(self) -> NDArray[np.float32]:
        """The anchors [5118,4] as (ymin, xmin, ymax, xmax), relative to the padded square."""
        return np.asarray(self._ready().tensor("Output/extra_dim")[0])

    def forward_input(self, net_input: NetInput) -> dict[str, list[Values]]:
        """As face-api.js's `forwardInput`: the decoded `boxes` [5118,4] and `scores` [5118] of each photo."""
        return self._decoded(to_net_input(net_input).to_batch_tensor(SIZE, False))

    def _decoded(self, batch: NDArray[np.float32]) -> dict[str, list[Values]]:
        raw = self.run_net(batch)
        return {
            "boxes": [decode_boxes(encodings, self.priors) for encodings in raw["box_encodings"]],
            "scores": [decode_scores(logits) for logits in raw["class_logits"]],
        }

    def forward(self, photos: Photos) -> dict[str, list[Values]]:
        """`forward_input` of one photo or a list of them."""
        return self.forward_input(to_net_input(photos))

    @overload
    def locate_faces(
        self, photos: Photo, options: SsdMobilenetv1Options | None = None, *, see: See = unseen
    ) -> list[FaceDetection]: ...
    @overload
    def locate_faces(
        self, photos: Sequence[Photo], options: SsdMobilenetv1Options | None = None, *, see: See = unseen
    ) -> list[list[FaceDetection]]: ...
    @overload
    def locate_faces(
        self, photos: Photos, options: SsdMobilenetv1Options | None = None, *, see: See = unseen
    ) -> list[FaceDetection] | list[list[FaceDetection]]: ...
    def locate_faces(self, photos: Photos, options: SsdMobilenetv1Options | None = None, *, see: See = unseen) -> object:
        """Detect the faces of a photo.

        Parameters
        ----------
        photos : photo or list of photos
            See `npfaceapi.load_image` for what a photo can be.
        options : SsdMobilenetv1Options, optional
        see : callable
            Called with "input", the batch, and for each photo with "candidates", see `decode`.

        Returns
        -------
        list of FaceDetection
            Best first; a list of such lists if a list was given.
        """
        chosen = options_or_default(options, SsdMobilenetv1Options, "SsdMobilenetv1.locate_faces", see)
        return few_at_a_time(photos, lambda net_input: self._faces(net_input, chosen, see), MAX_PHOTOS)

    def _faces(self, net_input: NetInput, options: SsdMobilenetv1Options, see: See) -> list[list[FaceDetection]]:
        batch = net_input.to_batch_tensor(SIZE, False)
        see("input", batch=batch)
        outputs = self._decoded(batch)
        return [
            decode(boxes, scores, size, reshaped, options, see)
            for boxes, scores, size, reshaped in zip(
                outputs["boxes"], outputs["scores"], sizes_of(net_input), reshaped_sizes_of(net_input, SIZE), strict=True
            )
        ]


FaceDetectionNet = SsdMobilenetv1
