"""AgeGenderNet: age and gender of a face, from a crop of it.

A small Xception: an entry flow that shrinks the image, a middle flow of residual blocks, and an exit flow, all built from
separable convolutions (a depthwise 3x3 and a pointwise 1x1 with bias).  Two dense layers take the mean over all pixels.

Source: face-api.js 0.22.2, `ageGenderNet/` and `xception/TinyXception`, by Vincent Mühler, after Chollet, Xception
    (arXiv:1610.02357), with 2 middle blocks instead of 8, a sixth of the channels, and no batch norm.
Weights: age_gender_model (421,731 parameters).
Input: [N,112,112,3] RGB in 0..255, the face crop centred in a black square, resized.
Output: age [N] in years, gender_logits [N,2] (male, female); the probabilities are their softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from npfaceapi import ops
from npfaceapi.faces.results import AgeAndGenderPrediction, Gender
from npfaceapi.graph import Node, ParamTree, block
from npfaceapi.networks.blocks import FEATURE_MEAN_RGB, separable_conv2d
from npfaceapi.networks.neural_network import NeuralNetwork, softmax
from npfaceapi.photos.many import few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, to_net_input
from npfaceapi.taps import Values

__all__ = ["AgeGenderNet"]

SIZE = 112


@block
def conv_in(x: Node, p: ParamTree) -> Node:
    return ops.relu(ops.conv2d(x, p["filters"], p["bias"], stride=2))  # 3x3: [H,W,3] -> [H/2,W/2,32]


@block
def expansion_conv(x: Node, p: ParamTree) -> Node:
    return ops.conv2d(x, p["filters"], p["bias"], stride=2)  # 1x1, every other pixel: [H,W,Ci] -> [H/2,W/2,Co]


@block
def reduction_block(x: Node, p: ParamTree, *, activate: bool = True) -> Node:
    """Two separable convolutions and a stride-2 max pool, plus a 1x1 shortcut.

    Quirk: the shortcut takes x before the relu.
    """
    y = ops.relu(x) if activate else x
    y = separable_conv2d(y, p["separable_conv0"])  # [H,W,Ci] -> [H,W,Co]
    y = separable_conv2d(ops.relu(y), p["separable_conv1"])
    y = ops.max_pool(y, 3, stride=2)  # -> [H/2,W/2,Co]
    return ops.add(y, expansion_conv(x, p["expansion_conv"]))  # [H,W,Ci] -> [H/2,W/2,Co]


@block
def main_block(x: Node, p: ParamTree) -> Node:
    """x + f(x), where f is relu and a separable convolution, three times; the shape stays the same."""
    y = separable_conv2d(ops.relu(x), p["separable_conv0"])
    y = separable_conv2d(ops.relu(y), p["separable_conv1"])
    y = separable_conv2d(ops.relu(y), p["separable_conv2"])
    return ops.add(y, x)


@block
def exit_conv(x: Node, p: ParamTree) -> Node:
    return ops.relu(separable_conv2d(x, p))  # [H,W,Ci] -> [H,W,Co]


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The network on one image of 0..255.

    Quirk: divides by 256; the landmark and expression networks divide by 255.
    """
    x = ops.divide(ops.subtract(x, FEATURE_MEAN_RGB), 256.0)
    entry, middle, leave = p["entry_flow"], p["middle_flow"], p["exit_flow"]
    x = conv_in(x, entry["conv_in"])  # [112,112,3] -> [56,56,32]
    x = reduction_block(x, entry["reduction_block_0"], activate=False)  # -> [28,28,64]
    x = reduction_block(x, entry["reduction_block_1"])  # -> [14,14,128]
    x = main_block(x, middle["main_block_0"])
    x = main_block(x, middle["main_block_1"])
    x = reduction_block(x, leave["reduction_block"])  # -> [7,7,256]
    x = exit_conv(x, leave["separable_conv"])  # -> [7,7,512]
    x = ops.avg_pool(x, 7, stride=2)  # -> [1,1,512]
    x = ops.reshape(x, (-1,))  # -> [512]
    age = ops.dense(x, p["fc"]["age"]["weights"], p["fc"]["age"]["bias"])  # -> [1]
    gender = ops.dense(x, p["fc"]["gender"]["weights"], p["fc"]["gender"]["bias"])  # -> [2]
    return {"age": ops.reshape(age, ()), "gender_logits": gender}  # [1] -> []


def decode(age: float, male: float) -> AgeAndGenderPrediction:
    """The prediction from an age in years and the probability of male; "male" if that probability exceeds 0.5."""
    if male > 0.5:
        return AgeAndGenderPrediction(age, Gender.MALE, male)
    return AgeAndGenderPrediction(age, Gender.FEMALE, 1 - male)


class AgeGenderNet(NeuralNetwork):
    """Estimates age and gender from a face crop.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> nets.age_gender_net.predict_age_and_gender(np.zeros((90, 90, 3), np.uint8)).gender in ("male", "female")
    True
    """

    model_name = "age_gender_model"
    definition = staticmethod(forward)
    input_size = SIZE
    is_center_inputs = True

    def forward_input(self, net_input: NetInput) -> dict[str, Values]:
        """`age` [N] in years and `gender` [N,2], the probabilities of male and female."""
        raw = self.run_net(to_net_input(net_input).to_batch_tensor(SIZE, True))
        return {"age": raw["age"], "gender": softmax(raw["gender_logits"])}

    def forward(self, photos: Photos) -> dict[str, Values]:
        """`forward_input` of one photo or a list of them."""
        return self.forward_input(to_net_input(photos))

    @overload
    def predict_age_and_gender(self, photos: Photo) -> AgeAndGenderPrediction: ...
    @overload
    def predict_age_and_gender(self, photos: Sequence[Photo]) -> list[AgeAndGenderPrediction]: ...
    @overload
    def predict_age_and_gender(self, photos: Photos) -> AgeAndGenderPrediction | list[AgeAndGenderPrediction]: ...
    def predict_age_and_gender(self, photos: Photos) -> object:
        """Age and gender of one face crop, or of each in a list.

        Parameters
        ----------
        photos : photo or list of photos
            Crops with one face each.

        Returns
        -------
        AgeAndGenderPrediction
            `age` in years, `gender` "male" or "female", `gender_probability` in 0.5..1; a list if a list was given.
        """
        return few_at_a_time(photos, self._predictions)

    def _predictions(self, crops: NetInput) -> list[AgeAndGenderPrediction]:
        out = self.forward_input(crops)
        return [decode(float(age), float(gender[0])) for age, gender in zip(out["age"], out["gender"], strict=True)]
