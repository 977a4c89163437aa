"""FaceLandmark68Net and FaceLandmark68TinyNet: 68 points of a face, from a crop of it.

Dense blocks halve the face crop four times (in the tiny network: three times); the mean of the features over all pixels goes
through one dense layer.  A dense block is 4 (3) separable convolutions, each applied to the relu of the sum of all before it; a
separable convolution is a depthwise 3x3 and a pointwise 1x1.

Source: face-api.js 0.22.2, `faceLandmarkNet/` and `faceFeatureExtractor/`, by Vincent Mühler; the dense blocks follow Huang et
    al., DenseNet (arXiv:1608.06993), the separable convolutions Chollet, Xception (arXiv:1610.02357).
Weights: face_landmark_68_model (356,840 parameters), face_landmark_68_tiny_model (77,224).
Input: [N,112,112,3] RGB in 0..255, the face crop centred in a black square, resized.
Output: points [N,136] = x0, y0, x1, y1, ... as fractions of the padded 112 square; they can be outside 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from npfaceapi import ops
from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.points import as_dimensions
from npfaceapi.graph import Node, ParamTree
from npfaceapi.networks.blocks import FEATURE_MEAN_RGB, dense_block, face_features
from npfaceapi.networks.network_weights import as_array
from npfaceapi.networks.neural_network import NeuralNetwork, sizes_of
from npfaceapi.photos.many import few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, to_net_input
from npfaceapi.taps import Values

__all__ = ["FaceLandmark68Net", "FaceLandmark68TinyNet", "FaceLandmarkNet"]

SIZE = 112


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The large network on one image of 0..255."""
    # subtract the mean, divide by 255 (Quirk: recognition and age/gender divide by 256), four dense blocks of four
    # convolutions, mean over all pixels
    x = face_features(x, p)  # [112,112,3] -> [56,56,32] -> [28,28,64] -> [14,14,128] -> [7,7,256] -> [256]
    return {"points": ops.dense(x, p["fc"]["weights"], p["fc"]["bias"])}  # -> [136]


def forward_tiny(x: Node, p: ParamTree) -> dict[str, Node]:
    """The tiny network on one image of 0..255: three dense blocks of three.

    Quirk: divides by 255, like the large one; recognition and age/gender divide by 256.
    """
    x = ops.divide(ops.subtract(x, FEATURE_MEAN_RGB), 255.0)
    x = dense_block(x, p["dense0"], layers=3, is_first=True)  # [112,112,3] -> [56,56,32]
    x = dense_block(x, p["dense1"], layers=3)  # -> [28,28,64]
    x = dense_block(x, p["dense2"], layers=3)  # -> [14,14,128]
    x = ops.avg_pool(x, 14, stride=2)  # -> [1,1,128]
    x = ops.reshape(x, (-1,))  # -> [128]
    return {"points": ops.dense(x, p["fc"]["weights"], p["fc"]["bias"])}  # -> [136]


def unpad_points(points: Values, width: float, height: float) -> Values:
    """Points [136] relative to the padded square to [68,2] relative to the crop of width x height; keeps the dtype.

    Quirk: assumes half of the padding before the image, although an odd padding has its larger half after it.
    """
    scale = SIZE / max(width, height)
    size = np.array([width * scale, height * scale])
    padding = np.maximum(0, size[::-1] - size) / 2
    in_pixels = points.reshape(68, 2) * np.float32(SIZE) - padding.astype(np.float32)
    return np.asarray(in_pixels / size.astype(np.float32))


class FaceLandmark68Net(NeuralNetwork):
    """Finds 68 landmarks in a face crop.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> nets.face_landmark_68_net.detect_landmarks(np.zeros((90, 90, 3), np.uint8)).positions.shape
    (68, 2)
    """

    model_name = "face_landmark_68_model"
    definition = staticmethod(forward)
    input_size = SIZE
    is_center_inputs = True

    def post_process(self, points: Values, sizes: list[tuple[int, int]]) -> Values:
        """Raw `points` [N,136] to points [N,136] relative to crops of the given (width, height) in pixels."""
        raw, where = as_array(points), f"{self._where()}.post_process"
        if (
            not isinstance(sizes, (list, tuple))
            or raw.ndim != 2
            or raw.shape[1] != 136
            or raw.dtype.kind not in "fiu"
            or len(raw) != len(sizes)
        ):
            given = f"{raw.dtype} {list(raw.shape)} and {shown(sizes)}"
            raise InvalidArgument(f"{where}: expected points [N,136] and N sizes, got {given}")
        relative = []
        for each, size in zip(raw, sizes, strict=True):
            width, height = as_dimensions(size, where)
            if width <= 0 or height <= 0:
                raise InvalidArgument(f"{where}: expected width and height above 0, got {width} x {height}")
            relative.append(unpad_points(each, width, height).reshape(-1))
        return np.stack(relative) if relative else raw

    def forward_input(self, net_input: NetInput) -> Values:
        """Landmarks [N,136] relative to each crop, as face-api.js's `forwardInput` returns them."""
        net_input = to_net_input(net_input)
        points = self.run_net(net_input.to_batch_tensor(SIZE, True))["points"]
        return self.post_process(points, sizes_of(net_input))

    def forward(self, photos: Photos) -> Values:
        """`forward_input` of one photo or a list of them."""
        return self.forward_input(to_net_input(photos))

    @overload
    def detect_landmarks(self, photos: Photo) -> FaceLandmarks68: ...
    @overload
    def detect_landmarks(self, photos: Sequence[Photo]) -> list[FaceLandmarks68]: ...
    @overload
    def detect_landmarks(self, photos: Photos) -> FaceLandmarks68 | list[FaceLandmarks68]: ...
    def detect_landmarks(self, photos: Photos) -> object:
        """The landmarks of one face crop, or of each in a list.

        Parameters
        ----------
        photos : photo or list of photos
            Crops with one face each.

        Returns
        -------
        FaceLandmarks68
            In pixels of the crop; a list if a list was given.
        """
        return few_at_a_time(photos, lambda crops: landmarks_of(self.forward_input(crops), sizes_of(crops)))


def landmarks_of(relative: Values, sizes: list[tuple[int, int]]) -> list[FaceLandmarks68]:
    """`FaceLandmarks68` of crops of the given (width, height), from relative points [N,136]."""
    return [FaceLandmarks68(p.reshape(68, 2).astype(np.float64), size) for p, size in zip(relative, sizes, strict=True)]


class FaceLandmark68TinyNet(FaceLandmark68Net):
    """Finds 68 landmarks in a face crop, with a fifth of the parameters of `FaceLandmark68Net`.

    Examples
    --------
    >>> import numpy as np
    >>> FaceLandmark68TinyNet(bundled=True).detect_landmarks(np.zeros((90, 70, 3), np.uint8)).positions.shape
    (68, 2)
    """

    model_name = "face_landmark_68_tiny_model"
    definition = staticmethod(forward_tiny)


FaceLandmarkNet = FaceLandmark68Net
