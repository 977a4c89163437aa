"""FaceRecognitionNet: a descriptor of 128 numbers that tells faces apart.

A ResNet: 14 residual blocks, y = relu(x + f(x)) where f is two 3x3 convolutions; four of the blocks halve the image.  One dense
layer without bias takes the mean over the last 2x2 pixels.

Source: `dlib_face_recognition_resnet_model_v1` by Davis King, a ResNet of 29 convolutions after He et al., Deep Residual Learning
    (arXiv:1512.03385), with half the filters of their ResNet-34; face-api.js 0.22.2, `faceRecognitionNet/`.
Weights: face_recognition_model (5,614,592 parameters).
Input: [N,150,150,3] RGB in 0..255, an aligned face crop centred in a black square, resized.
Output: descriptor [N,128].  Two faces of the same person are less than about 0.6 apart (Euclidean distance).
Quirk: the descriptor is not normalized to length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from npfaceapi import ops
from npfaceapi.graph import Node, ParamTree, block
from npfaceapi.networks.blocks import FEATURE_MEAN_RGB
from npfaceapi.networks.face_crops import tell_what_is_no_crop
from npfaceapi.networks.neural_network import NeuralNetwork
from npfaceapi.photos.many import few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, to_net_input
from npfaceapi.taps import Values

__all__ = ["FaceRecognitionNet"]

SIZE = 150


@block
def conv(x: Node, p: ParamTree, *, stride: int = 1, padding: str = "same", activate: bool = True) -> Node:
    """Convolution with bias, then a scale and a shift per channel (a folded batch norm)."""
    x = ops.conv2d(x, p["conv"]["filters"], p["conv"]["bias"], stride=stride, padding=padding)  # [H,W,Ci] -> [Ho,Wo,Co]
    x = ops.add(ops.multiply(x, p["scale"]["weights"]), p["scale"]["biases"])
    return ops.relu(x) if activate else x


@block
def residual(x: Node, p: ParamTree) -> Node:
    """relu(x + f(x)); the shape stays the same."""
    y = conv(conv(x, p["conv1"]), p["conv2"], activate=False)
    return ops.relu(ops.add(y, x))


@block
def residual_down(x: Node, p: ParamTree) -> Node:
    """A residual block that halves the image; its shortcut is an average pool.

    Quirk: the stride-2 convolution pads nothing, so it can end up one pixel smaller than the pool; then a row of zeros
    is added at the bottom and a column at the right.  Zeros are appended to the shortcut as its new channels.
    """
    y = conv(x, p["conv1"], stride=2, padding="valid")  # [H,W,Ci] -> [floor((H-1)/2),floor((W-1)/2),Co]
    y = conv(y, p["conv2"], activate=False)
    shortcut = ops.avg_pool(x, 2, stride=2)  # [H,W,Ci] -> [floor(H/2),floor(W/2),Ci]
    rows, columns, channels = (a - b for a, b in zip(shortcut.shape, y.shape, strict=True))
    if rows or columns:
        y = ops.pad(y, rows=(0, rows), columns=(0, columns))  # [floor((H-1)/2),floor((W-1)/2),Co] -> [H/2,W/2,Co]
    if channels:
        shortcut = ops.pad(shortcut, channels=(0, -channels))  # [floor(H/2),floor(W/2),Ci] -> [floor(H/2),floor(W/2),Co]
    return ops.relu(ops.add(shortcut, y))


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The network on one image of 0..255.

    Quirk: divides by 256; the landmark and expression networks divide by 255.  The first two layers have no padding.
    """
    x = ops.divide(ops.subtract(x, FEATURE_MEAN_RGB), 256.0)
    x = conv(x, p["conv32_down"], stride=2, padding="valid")  # [150,150,3] -> [72,72,32]
    x = ops.max_pool(x, 3, stride=2, padding="valid")  # -> [35,35,32]
    x = residual(x, p["conv32_1"])
    x = residual(x, p["conv32_2"])
    x = residual(x, p["conv32_3"])
    x = residual_down(x, p["conv64_down"])  # -> [17,17,64]
    x = residual(x, p["conv64_1"])
    x = residual(x, p["conv64_2"])
    x = residual(x, p["conv64_3"])
    x = residual_down(x, p["conv128_down"])  # -> [8,8,128]
    x = residual(x, p["conv128_1"])
    x = residual(x, p["conv128_2"])
    x = residual_down(x, p["conv256_down"])  # -> [4,4,256]
    x = residual(x, p["conv256_1"])
    x = residual(x, p["conv256_2"])
    x = residual_down(x, p["conv256_down_out"])  # -> [2,2,256]
    return {"descriptor": ops.dense(ops.mean(x), p["fc"])}  # [2,2,256] -> [256] -> [128]


class FaceRecognitionNet(NeuralNetwork):
    """Computes the 128-number descriptor of a face crop.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> black = nets.face_recognition_net.forward(np.zeros((150, 150, 3), np.uint8))
    >>> print(f"{np.linalg.norm(black):.3f}")
    1.308
    """

    model_name = "face_recognition_model"
    definition = staticmethod(forward)
    input_size = SIZE
    is_center_inputs = True

    def from_flat(self, name: str, values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Quirk: this network's flat form has filters as [Co,Ci,KH,KW] and the dense layer as [Co,Ci]."""
        if name == "fc":
            return np.asarray(values.reshape(shape[::-1]).T)
        if len(shape) == 4:
            return np.asarray(values.reshape(shape[3], shape[2], shape[0], shape[1]).transpose(2, 3, 1, 0))
        return values.reshape(shape)

    def to_flat(self, name: str, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        if name == "fc":
            tensor = tensor.T
        elif tensor.ndim == 4:
            tensor = tensor.transpose(3, 2, 0, 1)
        return tensor.reshape(-1)

    def forward_input(self, net_input: NetInput) -> Values:
        """Descriptors [N,128]."""
        return self.run_net(to_net_input(net_input).to_batch_tensor(SIZE, True))["descriptor"]

    def forward(self, photos: Photos) -> Values:
        """`forward_input` of one photo or a list of them."""
        return self.forward_input(to_net_input(photos))

    @overload
    def compute_face_descriptor(self, photos: Photo) -> NDArray[np.float32]: ...
    @overload
    def compute_face_descriptor(self, photos: Sequence[Photo]) -> list[NDArray[np.float32]]: ...
    @overload
    def compute_face_descriptor(self, photos: Photos) -> NDArray[np.float32] | list[NDArray[np.float32]]: ...
    def compute_face_descriptor(self, photos: Photos) -> object:
        """The descriptor of one face crop, or of each in a list.

        Parameters
        ----------
        photos : photo or list of photos
            Aligned crops with one face each.

        Returns
        -------
        ndarray
            float32 [128]; a list of them if a list was given.

        Warns
        -----
        PhotoWarning
            If a crop has a single colour, or the first one shows more than a face.
        """
        looked_at_first = False

        def describe(crops: NetInput) -> list[NDArray[np.float32]]:
            nonlocal looked_at_first
            tell_what_is_no_crop(crops.image_tensors, not looked_at_first)
            looked_at_first = True
            return list(self.forward_input(crops).astype(np.float32))

        return few_at_a_time(photos, describe)
