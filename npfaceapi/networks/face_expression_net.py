"""FaceExpressionNet: seven expressions of a face, from a crop of it.

Dense blocks halve the face crop four times; the mean of the features over all pixels goes through one dense layer.
A dense block is 4 separable convolutions, each applied to the relu of the sum of all before it; a separable convolution is a
depthwise 3x3 and a pointwise 1x1.  FaceLandmark68Net has the same body, with other weights.

Source: face-api.js 0.22.2, `faceExpressionNet/` and `faceFeatureExtractor/`, by Vincent Mühler; the dense blocks follow Huang et
    al., DenseNet (arXiv:1608.06993), the separable convolutions Chollet, Xception (arXiv:1610.02357).
Weights: face_expression_model (323,687 parameters).
Input: [N,112,112,3] RGB in 0..255, the face crop centred in a black square, resized.
Output: logits [N,7]: neutral, happy, sad, angry, fearful, disgusted, surprised; the probabilities are their softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from npfaceapi import ops
from npfaceapi.faces.results import FaceExpressions
from npfaceapi.graph import Node, ParamTree
from npfaceapi.networks.blocks import face_features
from npfaceapi.networks.neural_network import NeuralNetwork, softmax
from npfaceapi.photos.many import few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, to_net_input
from npfaceapi.taps import Values

__all__ = ["FaceExpressionNet"]

SIZE = 112


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The network on one image of 0..255."""
    # subtract the mean, divide by 255 (Quirk: age/gender and recognition divide by 256), four dense blocks of four
    # convolutions, mean over all pixels
    x = face_features(x, p)  # [112,112,3] -> [56,56,32] -> [28,28,64] -> [14,14,128] -> [7,7,256] -> [256]
    return {"logits": ops.dense(x, p["fc"]["weights"], p["fc"]["bias"])}  # -> [7]


class FaceExpressionNet(NeuralNetwork):
    """Recognizes seven facial expressions in a face crop.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> expressions = nets.face_expression_net.predict_expressions(np.zeros((90, 90, 3), np.uint8))
    >>> round(sum(expressions.values()), 3)
    1.0
    """

    model_name = "face_expression_model"
    definition = staticmethod(forward)
    input_size = SIZE
    is_center_inputs = True

    def forward_input(self, net_input: NetInput) -> Values:
        """Probabilities [N,7]."""
        return softmax(self.run_net(to_net_input(net_input).to_batch_tensor(SIZE, True))["logits"])

    def forward(self, photos: Photos) -> Values:
        """`forward_input` of one photo or a list of them."""
        return self.forward_input(to_net_input(photos))

    @overload
    def predict_expressions(self, photos: Photo) -> FaceExpressions: ...
    @overload
    def predict_expressions(self, photos: Sequence[Photo]) -> list[FaceExpressions]: ...
    @overload
    def predict_expressions(self, photos: Photos) -> FaceExpressions | list[FaceExpressions]: ...
    def predict_expressions(self, photos: Photos) -> object:
        """The expressions of one face crop, or of each in a list.

        Parameters
        ----------
        photos : photo or list of photos
            Crops with one face each.

        Returns
        -------
        FaceExpressions
            Seven probabilities that add up to 1; a list if a list was given.
        """
        return few_at_a_time(photos, lambda crops: [FaceExpressions(p) for p in self.forward_input(crops)])
