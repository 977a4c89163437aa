"""MTCNN: a face detector in three stages, each a small network, with 5 landmarks.

P-Net (proposals) slides over the photo at many scales and marks windows that may be faces.  R-Net (refinement) judges each of
them again; O-Net (output) judges those that R-Net keeps, on larger patches, and adds five points.  Each stage corrects the boxes
and suppresses those that overlap better ones: `mtcnn_stages.py` does this; the networks and their order are here.

Source: Zhang et al., Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional Networks (arXiv:1604.02878);
    face-api.js 0.22.2, `mtcnn/` (deprecated there).
Weights: mtcnn_model (495,850 parameters for the three networks).
Input: P-Net [N,W,H,3], R-Net [N,24,24,3], O-Net [N,48,48,3], in 0..255; the networks subtract 127.5 and divide by 128.
Output: P-Net, with w = ceil(W/2) - 5 and h = ceil(H/2) - 5 cells: prob [N,w,h,2] (not a face, face), regions [N,w,h,4]
    (corrections of the left, top, right and bottom edges in units of the window); R-Net and O-Net: prob [N,2], regions [N,4];
    O-Net also points [N,10] = x0..x4, y0..y4 in units of the window.
Quirk: all three networks see BGR, and the image transposed: [N, x, y, 3].
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi import ops
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.landmarks import FaceLandmarks5
from npfaceapi.faces.results import FaceDetection, FaceResult, extend_with_face_landmarks
from npfaceapi.graph import Node, Param, ParamTree, block
from npfaceapi.networks import mtcnn_stages as stages
from npfaceapi.networks.loaded import Loaded
from npfaceapi.networks.network_weights import NetworkWeights, Shapes
from npfaceapi.networks.neural_network import NeuralNetwork, See, options_or_default, unseen
from npfaceapi.networks.options import MtcnnOptions, check_enlargement
from npfaceapi.photos.many import few_at_a_time
from npfaceapi.photos.net_input import NetInput, Photo, Photos, Pixels, to_net_input
from npfaceapi.taps import Values
from npfaceapi.weights import bundled_weights_shapes

__all__ = ["Mtcnn", "MtcnnAnswer", "MtcnnNet", "MtcnnStats", "scales_of"]

Float64 = NDArray[np.float64]

MAX_PATCHES = 512  # per batch of R-Net or O-Net


class MtcnnStats(TypedDict):
    """Statistics of the three stages for a photo; times are in milliseconds from the start, sizes are (height, width)."""

    scales: list[float]
    pyramid: list[tuple[int, int]]
    total_stage1: float
    stage1_num_boxes: int
    total_stage2: float
    stage2_num_boxes: int
    total_stage3: float
    stage3_num_boxes: int
    total: float


class MtcnnAnswer(TypedDict):
    """The result of `Mtcnn.forward_with_stats`."""

    results: list[FaceResult]
    stats: MtcnnStats


@block
def conv(x: Node, p: ParamTree, alpha: Param) -> Node:
    return ops.prelu(ops.conv2d(x, p["weights"], p["bias"], padding="valid"), alpha)  # K x K: [W,H,Ci] -> [W-K+1,H-K+1,Co]


@block
def linear(x: Node, p: ParamTree) -> Node:
    """A dense layer; on an image [W,H,C] it applies to every pixel, as a 1x1 convolution."""
    if len(x.shape) == 3:
        return ops.conv2d(x, p["weights"], p["bias"], padding="valid")  # [W,H,Ci] -> [W,H,Co]
    return ops.dense(x, p["weights"], p["bias"])  # [Ci] -> [Co]


@block
def hidden(x: Node, p: ParamTree, alpha: Param) -> Node:
    return ops.prelu(linear(x, p), alpha)  # [Ci] -> [Co]


def normalize(x: Node) -> Node:
    """0..255 to about -1..1; 0.0078125 is 1 / 128."""
    return ops.multiply(ops.subtract(x, 127.5), 0.0078125)


def pnet(x: Node, p: ParamTree) -> dict[str, Node]:
    """P-Net on an image of any size; each output cell covers 12x12 pixels; cells are 2 pixels apart."""
    x = normalize(x)
    x = conv(x, p["conv1"], p["prelu1_alpha"])  # [W,H,3] -> [W-2,H-2,10]
    x = ops.max_pool(x, 2, stride=2)  # -> [ceil(W/2)-1,ceil(H/2)-1,10]
    x = conv(x, p["conv2"], p["prelu2_alpha"])  # -> [ceil(W/2)-3,ceil(H/2)-3,16]
    x = conv(x, p["conv3"], p["prelu3_alpha"])  # -> [w,h,32], w = ceil(W/2)-5, h = ceil(H/2)-5
    return {"prob": ops.softmax(linear(x, p["conv4_1"])), "regions": linear(x, p["conv4_2"])}  # [w,h,32] -> [w,h,2], [w,h,4]


def rnet(x: Node, p: ParamTree) -> dict[str, Node]:
    """R-Net on a patch of 24x24."""
    x = normalize(x)
    x = conv(x, p["conv1"], p["prelu1_alpha"])  # [24,24,3] -> [22,22,28]
    x = ops.max_pool(x, 3, stride=2)  # -> [11,11,28]
    x = conv(x, p["conv2"], p["prelu2_alpha"])  # -> [9,9,48]
    x = ops.max_pool(x, 3, stride=2, padding="valid")  # -> [4,4,48]
    x = conv(x, p["conv3"], p["prelu3_alpha"])  # -> [3,3,64]
    x = ops.reshape(x, (-1,))  # -> [576]
    x = hidden(x, p["fc1"], p["prelu4_alpha"])  # -> [128]
    return {"prob": ops.softmax(linear(x, p["fc2_1"])), "regions": linear(x, p["fc2_2"])}  # -> [2], [4]


def onet(x: Node, p: ParamTree) -> dict[str, Node]:
    """O-Net on a patch of 48x48."""
    x = normalize(x)
    x = conv(x, p["conv1"], p["prelu1_alpha"])  # [48,48,3] -> [46,46,32]
    x = ops.max_pool(x, 3, stride=2)  # -> [23,23,32]
    x = conv(x, p["conv2"], p["prelu2_alpha"])  # -> [21,21,64]
    x = ops.max_pool(x, 3, stride=2, padding="valid")  # -> [10,10,64]
    x = conv(x, p["conv3"], p["prelu3_alpha"])  # -> [8,8,64]
    x = ops.max_pool(x, 2, stride=2)  # -> [4,4,64]
    x = conv(x, p["conv4"], p["prelu4_alpha"])  # -> [3,3,128]
    x = ops.reshape(x, (-1,))  # -> [1152]
    x = hidden(x, p["fc1"], p["prelu5_alpha"])  # -> [256]
    points = linear(x, p["fc2_3"])  # [256] -> [10] = x0..x4, y0..y4
    return {"prob": ops.softmax(linear(x, p["fc2_1"])), "regions": linear(x, p["fc2_2"]), "points": points}  # [256] -> [2], [4]


class MtcnnNet(NeuralNetwork):
    """One of MTCNN's three networks; its weights belong to its `Mtcnn`."""

    model_name = "mtcnn_model"
    is_center_inputs = False

    def __init__(
        self, owner: Mtcnn, root: str, definition: Callable[[Node, ParamTree], dict[str, Node]], input_size: int
    ) -> None:
        super().__init__()
        self._owner, self.root, self.definition, self.input_size = owner, root, definition, input_size  # type: ignore[misc]

    def shapes(self) -> Shapes:
        return {
            name: shape for name, shape in bundled_weights_shapes(self.model_name).items() if name.startswith(f"{self.root}/")
        }

    def _ready(self) -> Loaded:
        return self._owner._part(self.root)

    def _set(self, weights: Mapping[str, ArrayLike], where: str, *, ours: bool = False) -> None:
        raise InvalidArgument(
            f"{self._where()}: expected weights for all of MTCNN, got some for one network: load them into the Mtcnn"
        )

    @property
    def is_loaded(self) -> bool:
        return self._owner.is_loaded

    def __reduce__(self) -> tuple[object, ...]:
        return getattr, (self._owner, self.root)

    def __copy__(self) -> MtcnnNet:
        copied: MtcnnNet = getattr(copy.copy(self._owner), self.root)
        return copied

    def to_batch(self, photos: Photos) -> NDArray[np.float32]:
        """Whole photos as float32 [N,x,y,3] BGR in 0..255, resized to the input size (P-Net: unchanged, all of one size)."""
        images = [as_bytes(image) for image in to_net_input(photos).image_tensors]
        if self.root == "pnet":
            if len({image.shape for image in images}) > 1:
                raise InvalidArgument(
                    f"{self._where()}.to_batch: expected photos of one size, got {[i.shape[:2] for i in images]}"
                )
            return np.stack([stages.pyramid_image(image, 1.0) for image in images])
        whole = [stages.patches(i, np.array([[0.0, 0.0, i.shape[1], i.shape[0]]]), self.input_size)[0] for i in images]
        return np.concatenate(whole)

    def _where(self) -> str:
        return f"Mtcnn.{self.root}"


def as_bytes(image: Pixels) -> NDArray[np.uint8]:
    whole = image if image.dtype == np.uint8 else np.floor(np.clip(image, 0, 255) + 0.5)
    return whole.astype(np.uint8, copy=False)


def scales_of(options: MtcnnOptions, width: int, height: int) -> list[float]:
    """The sizes of a photo that MTCNN searches, relative to it."""
    steps = options.scale_steps
    if steps is None:
        steps = tuple(stages.pyramid_scales(width, height, options.min_face_size, options.scale_factor, options.max_num_scales))
    return stages.usable_scales(list(steps), width, height, options.max_num_scales)


class Mtcnn(NetworkWeights):
    """The MTCNN face detector, with 5 landmarks (eyes, nose, corners of the mouth).

    Its three networks are `pnet`, `rnet` and `onet`; this class holds the weights of all three and runs the stages.

    Examples
    --------
    >>> import numpy as np
    >>> from npfaceapi import nets
    >>> nets.mtcnn.forward(np.zeros((60, 80, 3), np.uint8))
    []
    """

    model_name = "mtcnn_model"
    options = MtcnnOptions

    def __init__(self, *, bundled: bool = False) -> None:
        super().__init__(bundled=bundled)
        self.pnet = MtcnnNet(self, "pnet", pnet, 12)
        self.rnet = MtcnnNet(self, "rnet", rnet, 24)
        self.onet = MtcnnNet(self, "onet", onet, 48)
        self._parts: tuple[Loaded, dict[str, Loaded]] | None = None

    def _part(self, root: str) -> Loaded:
        whole = self._ready()
        with self._lock:
            if self._parts is None or self._parts[0] is not whole:
                roots = {name.partition("/")[0] for name in whole.tensors}
                self._parts = (
                    whole,
                    {r: Loaded({name: t for name, t in whole.tensors.items() if name.startswith(f"{r}/")}) for r in roots},
                )
            return self._parts[1][root]

    if not TYPE_CHECKING:  # so that a type checker reports unknown attributes

        def __getattr__(self, name: str) -> NoReturn:
            hint = ": use mtcnn.pnet, mtcnn.rnet or mtcnn.onet" if hasattr(NeuralNetwork, name) else ""
            raise AttributeError(f"Mtcnn: expected one of its attributes, got {name!r}{hint}")

    def detect_arrays(
        self, image: NDArray[np.uint8], options: MtcnnOptions, see: See = unseen
    ) -> tuple[Float64, Float64, Float64, Float64, MtcnnStats]:
        """The three stages on one photo uint8 [H,W,3]: (boxes, scores, landmarks, face-api.js's landmarks, stats).

        `see("tile" | "scale" | "stage1" | "stage2" | "stage3", ...)` is called with the inputs and outputs of each stage.
        """
        options = options_or_default(options, MtcnnOptions, "Mtcnn.detect_arrays", see)
        if (
            not isinstance(image, np.ndarray)
            or image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] != 3
            or not image.size
        ):
            raise InvalidType(f"Mtcnn.detect_arrays: expected a photo uint8 [H,W,3], got {shown(image)}")
        H, W = image.shape[:2]
        check_enlargement(options, W, H)
        started = time.perf_counter()
        scales = scales_of(options, W, H)
        thresholds = options.score_thresholds
        took: list[float] = []
        counts: list[int] = []

        def finish(count: int) -> None:
            took.append((time.perf_counter() - started) * 1000)
            counts.append(count)

        candidates = []
        for scale in scales:
            tiles = []
            for first, tile in stages.pyramid_tiles(image, scale):
                out = self.pnet.run_net(tile[None])
                tiles.append(stages.cells_above(out["prob"][0], out["regions"][0], thresholds[0], first))
                see("tile", first=first, batch=tile[None], prob=out["prob"])
            candidates.append(stages.stage1_candidates(tiles, scale))
            see("scale", scale=scale, boxes=candidates[-1][0], scores=candidates[-1][1])
        boxes, scores = stages.stage1_all(candidates)
        finish(len(boxes))
        see("stage1", boxes=boxes, scores=scores)

        judged, out = _judge(self.rnet, image, boxes)
        boxes, scores = stages.stage2(judged, out["prob"], out["regions"], thresholds[1])
        finish(len(boxes))
        see("stage2", boxes=boxes, scores=scores, judged=judged, prob=out["prob"])

        judged, out = _judge(self.onet, image, boxes)
        boxes, scores, landmarks, faithful = stages.stage3(judged, out["prob"], out["regions"], out["points"], thresholds[2])
        finish(len(boxes))
        see("stage3", boxes=boxes, scores=scores, judged=judged, prob=out["prob"], points=landmarks)
        stats: MtcnnStats = {
            "scales": scales,
            "pyramid": [(int(H * s), int(W * s)) for s in scales],
            "total_stage1": took[0],
            "stage1_num_boxes": counts[0],
            "total_stage2": took[1],
            "stage2_num_boxes": counts[1],
            "total_stage3": took[2],
            "stage3_num_boxes": counts[2],
            "total": (time.perf_counter() - started) * 1000,
        }
        return boxes, scores, landmarks, faithful, stats

    def forward_with_stats(self, photo: Photo | NetInput, options: MtcnnOptions | None = None) -> MtcnnAnswer:
        """`{"results": ..., "stats": ...}` for one photo; the stats are scales, image sizes, box counts and times in ms."""
        net_input = to_net_input(photo)
        if net_input.batch_size != 1:
            raise InvalidArgument(f"Mtcnn.forward_with_stats: expected one photo, got {net_input.batch_size}")
        image = as_bytes(net_input.image_tensors[0])
        boxes, scores, landmarks, _, stats = self.detect_arrays(image, options_or_default(options, MtcnnOptions, "Mtcnn.forward"))
        return {"results": results_of(boxes, scores, landmarks, image.shape[1], image.shape[0]), "stats": stats}

    @overload
    def forward(self, photos: Photo, options: MtcnnOptions | None = None) -> list[FaceResult]: ...
    @overload
    def forward(self, photos: Sequence[Photo], options: MtcnnOptions | None = None) -> list[list[FaceResult]]: ...
    @overload
    def forward(self, photos: Photos, options: MtcnnOptions | None = None) -> list[FaceResult] | list[list[FaceResult]]: ...
    def forward(self, photos: Photos, options: MtcnnOptions | None = None) -> object:
        """Detect the faces of a photo, with 5 landmarks each.

        Parameters
        ----------
        photos : photo or list of photos
            See `npfaceapi.load_image` for what a photo can be.
        options : MtcnnOptions, optional

        Returns
        -------
        list of FaceResult
            With `detection`, `landmarks`, `unshifted_landmarks` and `aligned_rect`; a list of such lists if a list was given.

        Notes
        -----
        Difference: each face has its own landmarks.  In some photos, face-api.js takes those of another candidate.
        """
        return few_at_a_time(
            photos, lambda net_input: [self.forward_with_stats(image, options)["results"] for image in net_input.image_tensors], 1
        )

    @overload
    def locate_faces(self, photos: Photo, options: MtcnnOptions | None = None, *, see: See = unseen) -> list[FaceDetection]: ...
    @overload
    def locate_faces(
        self, photos: Sequence[Photo], options: MtcnnOptions | None = None, *, see: See = unseen
    ) -> list[list[FaceDetection]]: ...
    @overload
    def locate_faces(
        self, photos: Photos, options: MtcnnOptions | None = None, *, see: See = unseen
    ) -> list[FaceDetection] | list[list[FaceDetection]]: ...
    def locate_faces(self, photos: Photos, options: MtcnnOptions | None = None, *, see: See = unseen) -> object:
        """Only the detections of `forward`: a list of FaceDetection, or a list of such lists; `see` as in `detect_arrays`."""
        chosen = options_or_default(options, MtcnnOptions, "Mtcnn.locate_faces", see)
        return few_at_a_time(photos, lambda net_input: [self._faces(image, chosen, see) for image in net_input.image_tensors], 1)

    def _faces(self, image: Pixels, options: MtcnnOptions, see: See) -> list[FaceDetection]:
        boxes, scores, *_ = self.detect_arrays(as_bytes(image), options, see)
        return detections_of(boxes, scores, image.shape[1], image.shape[0])


def _judge(net: MtcnnNet, image: NDArray[np.uint8], boxes: Float64) -> tuple[Float64, dict[str, Values]]:
    """The outputs of R-Net or O-Net for the boxes that have a pixel inside the photo, and these boxes."""
    judged, outs = [], []
    for start in range(0, max(1, len(boxes)), MAX_PATCHES):
        some = boxes[start : start + MAX_PATCHES]
        batch, inside = stages.patches(image, some, net.input_size)
        judged.append(some[inside])
        outs.append(net.run_net(batch))
    return np.concatenate(judged), {name: np.concatenate([out[name] for out in outs]) for name in outs[0]}


def detections_of(boxes: Float64, scores: Float64, width: int, height: int) -> list[FaceDetection]:
    """The detections in a photo of width x height, from boxes [n,4] in pixels and scores [n]."""
    return [
        FaceDetection(score, Rect(x / width, y / height, w / width, h / height), (width, height))
        for (x, y, w, h), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]


def results_of(boxes: Float64, scores: Float64, landmarks: Float64, width: int, height: int) -> list[FaceResult]:
    """The results for a photo of width x height, from boxes [n,4], scores [n] and landmarks [n,5,2] in pixels."""
    results = []
    for detection, (x, y, w, h), points in zip(
        detections_of(boxes, scores, width, height), boxes.tolist(), landmarks, strict=True
    ):
        relative = (points - (x, y)) / (w, h)
        results.append(extend_with_face_landmarks(FaceResult(detection), FaceLandmarks5(relative, (w, h))))
    return results
