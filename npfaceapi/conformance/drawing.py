"""Random questions: inputs of operations, networks, decoders and preprocessing, with new shapes and values.

Values come from a few kinds that reveal faults: small integers (with ties), uniform numbers of several magnitudes, and
constants; zeros of both signs, denormal numbers and infinities are mixed in where the operation is defined for them.  Values
compared with a threshold lie exactly on it or far from it, in numbers that float32 holds exactly (logit 0, overlaps of boxes
with integer coordinates, whole pixels), so that a correct port has one answer in any arithmetic.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.comparison import overlap
from npfaceapi.networks import mtcnn_stages as stages, ssd_mobilenetv1, tiny_yolov2

__all__ = ["KINDS", "Example", "draw"]

Array = np.ndarray[Any, Any]
NO_FACE = -8.0  # the logit of a cell or prior without a face


@dataclass(frozen=True)
class Example:
    """One random question.

    Attributes
    ----------
    axes : tuple of str
        One letter per axis of each input.  Axes with the same letter have the same length, and are cut together when a
        failure is shrunk; a dot is an axis that keeps its length.
    lists : dict of str to str
        Attributes that are lists along an axis, with the letter of that axis.
    neutral : float
        The value that shrinking puts in place of others.
    kind : str
        One of `KINDS`.
    """

    attributes: dict[str, Any]
    inputs: tuple[Array, ...]
    axes: tuple[str, ...]
    net: str = ""
    lists: dict[str, str] = field(default_factory=dict)
    neutral: float = 0.0
    kind: str = ""

    @property
    def level(self) -> str:
        return self.kind.partition("/")[0]


class Chance:
    """Random numbers from a seed, the same with every version of NumPy."""

    def __init__(self, *seeds: int, narrow: bool = False) -> None:
        self.narrow = narrow
        self.state = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seeds)))

    def pick(self, values: Sequence[Any]) -> Any:
        return values[self.state.randint(len(values))]

    def whole(self, low: int, high: int, shape: Sequence[int] = ()) -> Any:
        """Integers in low..high, both included."""
        drawn = self.state.randint(low, high + 1, shape or None)
        return drawn if shape else int(drawn)

    def happens(self, probability: float) -> bool:
        return bool(self.state.random_sample() < probability)

    def grid(self, low: int, high: int, shape: Sequence[int], step: float) -> Array:
        """float32 multiples of `step`, a power of two, with factors in low..high."""
        return np.asarray(self.whole(low, high, shape) * step, np.float32)

    def values(self, shape: Sequence[int], special: Sequence[float] = (0.0, -0.0, 1e-40, -1e-40)) -> Array:
        """float32 numbers, some of them from `special`; for ports with narrow numbers only values that float16 holds."""
        if self.narrow:
            return self.grid(-256, 256, shape, 1 / 64)
        way, size = self.pick(("uniform", "uniform", "whole", "one")), self.pick((0.01, 1.0, 8.0, 300.0))
        if way == "whole":
            drawn = np.asarray(self.whole(-9, 9, shape), np.float32)
        elif way == "one":
            drawn = np.full(shape, size * self.state.uniform(-1, 1), np.float32)
        else:
            drawn = self.state.uniform(-size, size, shape).astype(np.float32)
        if special and self.happens(0.5):
            chosen = self.state.random_sample(shape) < self.pick((0.05, 0.5))
            drawn = np.where(chosen, np.asarray(special, np.float32)[self.state.randint(len(special), size=tuple(shape))], drawn)
        return drawn.astype(np.float32)

    def picture(self, H: int, W: int) -> Array:
        """RGB bytes [H,W,3]: noise, one colour, black or white, an edge, a gradient."""
        way = self.pick(("noise", "noise", "one", "extremes", "edge", "gradient"))
        drawn: Any
        if way == "one":
            drawn = np.broadcast_to(self.pick((0, 128, 255, self.whole(0, 255, (3,)))), (H, W, 3))
        elif way == "extremes":
            drawn = 255 * self.whole(0, 1, (H, W, 3))
        elif way == "edge":
            left = np.arange(W)[None, :, None] < self.whole(0, W)
            drawn = np.broadcast_to(np.where(left, self.whole(0, 255, (3,)), self.whole(0, 255, (3,))), (H, W, 3))
        elif way == "gradient":
            drawn = (np.arange(H)[:, None, None] * 7 + np.arange(W)[None, :, None] * 3 + np.arange(3) * 50) % 256
        else:
            drawn = self.whole(0, 255, (H, W, 3))
        return np.ascontiguousarray(drawn, np.uint8)

    def boxes(self, count: int, most: int = 12) -> Array:
        """Boxes [count,4] of integer x, y, width and height in a small field, so that many overlap, some equally."""
        smallest, largest = self.pick(((3, 3), (4, 4), (2, 4), (1, 12)))
        parts = self.whole(0, most, (count, 2)), self.whole(smallest, largest, (count, 2))
        return np.asarray(np.concatenate(parts, axis=1), np.float32)


CHANNELS = (1, 2, 3, 4, 5, 8, 9, 16, 17)


# ------------------------------------------------------------------ operations


def _maps(c: Chance, least: int = 1) -> tuple[int, int, int, int]:
    return c.pick((1, 1, 2)), c.whole(least, least + 8), c.whole(least, least + 8), c.pick(CHANNELS)


def _conv2d(c: Chance) -> Example:
    return _convolution(c, c.pick((1, 2, 3, 3, 3, 5, 7)), False)


def _depthwise_conv2d(c: Chance) -> Example:
    return _convolution(c, 3, True)


def _convolution(c: Chance, k: int, depthwise: bool) -> Example:
    padding = c.pick(("same", "same", "valid", *((0, 1) if k > 1 and not depthwise else ())))
    shape = _maps(c, 1 if padding == "same" else k)
    filters = (k, k, shape[-1], 1 if depthwise else c.pick(CHANNELS))
    attributes = {"stride": c.pick((1, 2)), "padding": padding}
    return Example(attributes, (c.values(shape), c.values(filters)), ("NHWC", "..C." if depthwise else "..CO"))


def _max_pool(c: Chance) -> Example:
    size, padding = c.pick((2, 2, 3)), c.pick(("same", "valid"))
    x = c.values(
        _maps(c, 1 if padding == "same" else size), (0.0, -0.0, 1e-40, np.inf)
    )  # engines differ in the maximum of nothing but -inf
    return Example({"size": size, "stride": c.pick((1, 2)), "padding": padding}, (x,), ("NHWC",))


def _avg_pool(c: Chance) -> Example:
    size = c.pick((2, 3, 7))
    return Example({"size": size, "stride": 2, "padding": "valid"}, (c.values(_maps(c, size)),), ("NHWC",))


def _dense(c: Chance) -> Example:
    Ci, Co = c.pick((*CHANNELS, 100)), c.pick(CHANNELS)
    return Example({}, (c.values((c.whole(1, 3), Ci)), c.values((Ci, Co))), ("NC", "CO"))


def _batch_norm(c: Chance) -> Example:
    shape = _maps(c)
    variance = np.abs(c.values((shape[-1],), (0.0, 1e-40)))
    mean, offset, scale = (c.values((shape[-1],)) for _ in range(3))
    attributes = {"epsilon": float(np.float32(1e-3))}
    return Example(attributes, (c.values(shape), mean, variance, offset, scale), ("NHWC", *"CCCC"))


def _prelu(c: Chance) -> Example:
    shape, letters = c.pick(((_maps(c), "NHWC"), ((c.whole(1, 3), c.pick(CHANNELS)), "NC")))
    return Example({}, (c.values(shape), c.values((shape[-1],))), (letters, "C"))


def _elementwise(c: Chance, divide: bool = False) -> Example:
    shape = _maps(c)
    y_shape, letters = c.pick((((shape[-1],), "C"), ((), ""), *(() if divide else ((shape, "NHWC"),))))
    y = c.values(y_shape)
    if divide:
        y = np.asarray(c.whole(1, 600, y_shape) * c.pick((0.5, -0.25, 1.0)), np.float32)
    return Example({}, (c.values(shape), y), ("NHWC", letters), neutral=1.0 if divide else 0.0)


def _of_one(*special: float) -> Callable[[Chance], Example]:
    return lambda c: Example({}, (c.values(_maps(c), (0.0, -0.0, 1e-40, -1e-40, *special)),), ("NHWC",))


def _softmax(c: Chance) -> Example:
    shape, letters = c.pick((((c.whole(1, 4), c.whole(1, 9)), "NC"), (_maps(c), "NHWC")))
    x = c.values(shape, (0.0, -0.0, -np.inf, 88.0))
    x[..., 0] = np.where(np.isinf(x[..., 0]), 1.0, x[..., 0])  # the softmax of nothing but -inf is undefined
    return Example({}, (x,), (letters,))


def _concat(c: Chance) -> Example:
    N, _, W, C = _maps(c)
    inputs = tuple(c.values((N, c.whole(1, 5), W, C)) for _ in range(c.whole(2, 3)))
    return Example({"axis": 1}, inputs, tuple(f"N{letter}WC" for letter in "HIJ"[: len(inputs)]))


def _pad(c: Chance) -> Example:
    paddings = [[0, 0], *([c.whole(0, 3), c.whole(0, 3)] for _ in range(3))]
    return Example({"paddings": paddings}, (c.values(_maps(c), (0.0, -0.0, 1e-40, np.inf)),), ("NHWC",))


def _mean(c: Chance) -> Example:
    return Example({"axes": [1, 2]}, (c.values(_maps(c)),), ("NHWC",))


def _resize_bilinear(c: Chance) -> Example:
    N, H, W, _ = _maps(c)
    x = np.stack([c.picture(H, W) for _ in range(N)]).astype(np.float32)
    return Example({"height": c.whole(1, 16), "width": c.whole(1, 16)}, (x,), ("NHW.",))


# ------------------------------------------------------------------ networks


def _network(name: str, center: bool, *sizes: int) -> Callable[[Chance], Example]:
    def drawn(c: Chance) -> Example:
        pictures = tuple(c.picture(c.whole(1, 48), c.whole(1, 48)) for _ in range(c.pick((1, 1, 2))))
        letters = ("HW.", "IJ.")[: len(pictures)]
        return Example({"size": c.pick(sizes), "center": center}, pictures, letters, name)

    return drawn


def _pnet(c: Chance) -> Example:
    attributes = {"scale": 1.0, "height": c.whole(12, 40), "width": c.whole(12, 40)}
    return Example(attributes, (c.picture(c.whole(1, 48), c.whole(1, 48)),), ("HW.",), "mtcnn_pnet")


def _patch_network(name: str, size: int) -> Callable[[Chance], Example]:
    def drawn(c: Chance) -> Example:
        patches = np.stack([c.picture(size, size) for _ in range(c.whole(1, 3))]).astype(np.int32)
        return Example({}, (patches,), ("N...",), name)

    return drawn


# ------------------------------------------------------------------ decoding


def _overlaps(boxes: Array, by_smaller: bool = False) -> Array:
    """Pairwise overlaps [n,n] of boxes [n,4] (x, y, width, height), relative to the union or to the smaller box."""
    i, j = np.triu_indices(len(boxes), 1)
    overlaps = overlap(boxes[i].astype(np.float64), boxes[j].astype(np.float64))
    if by_smaller:
        areas = boxes[:, 2:].astype(np.float64).prod(axis=1)
        overlaps = np.round(overlaps / (1 + overlaps) * (areas[i] + areas[j])) / np.minimum(areas[i], areas[j])
    return overlaps


def _clear(overlaps: Array, threshold: float) -> bool:
    """Whether no overlap is within rounding of a threshold without being equal to it."""
    return not (np.abs(overlaps - threshold) < 1e-4).any()


def _threshold(c: Chance, overlaps: Array) -> float:
    """A threshold that float32 holds exactly; mostly equal to one of the overlaps."""
    met = [one for one in np.unique(overlaps).tolist() if 0 < one < 1 and one * 64 == int(one * 64)]
    return float(c.pick(met)) if met and c.happens(0.75) else float(c.pick((0.25, 0.5, 0.75)))


def _suppression(c: Chance) -> Example:
    count, is_iou = c.whole(1, 12), c.happens(0.5)
    boxes = c.boxes(count)
    attributes = {"op": "non_max_suppression", "iou_threshold": _threshold(c, _overlaps(boxes, not is_iou)), "is_iou": is_iou}
    return Example(attributes, (boxes, c.grid(0, 8, (count,), 0.125)), ("B.", "B"), neutral=1.0)


def _ssd_suppression(c: Chance) -> Example:
    count = c.whole(1, 12)
    boxes = c.boxes(count)
    corners = np.concatenate([boxes[:, 1::-1], (boxes[:, :2] + boxes[:, 2:])[:, ::-1]], axis=1) / 16
    attributes = {"op": "ssd_non_max_suppression", "max_output_size": c.pick((1, 3, 100)),
                  "iou_threshold": _threshold(c, _overlaps(boxes)), "score_threshold": c.pick((0.25, 0.5, 0.75))}  # fmt: skip
    return Example(attributes, (corners, c.grid(0, 8, (count,), 0.125)), ("B.", "B"), neutral=1.0)


def _sides(c: Chance, most: int, size: int) -> tuple[int, int]:
    """Height and width of a picture whose sides, resized to fit `size`, do not round differently by rounding error."""
    while True:
        H, W = c.whole(most // 10, most), c.whole(most // 10, most)
        scale = size / max(H, W)
        if scale * 2**20 == int(scale * 2**20) or abs(min(H, W) * scale % 1 - 0.5) > 1e-3:
            return H, W


def _picture_size(c: Chance, size: int) -> dict[str, int]:
    H, W = _sides(c, 300, size)
    return {"image_height": H, "image_width": W}


def _ssd(c: Chance) -> Example:
    while True:
        encodings = np.zeros((1, 5118, 4), np.float32)
        logits = np.full((1, 5118, 3), NO_FACE, np.float32)
        chosen = c.state.choice(5118, c.whole(0, 6), replace=False)
        encodings[0, chosen] = c.grid(-32, 32, (len(chosen), 4), 1 / 16)
        logits[0, chosen] = c.grid(-8, 8, (len(chosen), 3), 0.25)
        at = c.state.random_sample(len(chosen)) < 0.3
        logits[0, chosen[at], 1] = 0.0  # a score of 0.5, which is the threshold
        edges = ssd_mobilenetv1.decode_boxes(encodings[0, chosen].astype(np.float64), nets.ssd_mobilenetv1.priors[chosen])
        inside = ((edges[:, 2:] > 0.01) & (edges[:, :2] < 0.99)).all()
        if inside and _clear(_overlaps(np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)), 0.5):
            break
    attributes = {**_picture_size(c, ssd_mobilenetv1.SIZE), "min_confidence": 0.5, "max_results": c.pick((1, 100))}
    return Example(attributes, (encodings, logits), ("...", "..."), "ssd_mobilenetv1", neutral=NO_FACE)


def _yolo(name: str) -> Callable[[Chance], Example]:
    config = {"tiny_yolov2": tiny_yolov2.SEPARABLE, "tiny_yolov2_full": tiny_yolov2.FULL}.get(name)

    def drawn(c: Chance) -> Example:
        own = config or nets.tiny_face_detector.config
        cells = c.whole(1, 6)
        size = _picture_size(c, 32 * cells)
        while True:
            grid = np.full((cells, cells, len(own.anchors), own.box_encoding_size), NO_FACE, np.float32)
            count = c.whole(0, min(6, cells * cells))
            rows, columns = np.divmod(c.state.choice(cells * cells, count, replace=False), cells)
            anchors = c.whole(0, len(own.anchors) - 1, (count,)) if count else np.zeros(0, int)
            numbers = c.grid(-8, 8, (count, own.box_encoding_size), 0.25)
            numbers[c.state.random_sample(count) < 0.3, 4] = 0.0  # a score of 0.5, which is the threshold
            grid[rows, columns, anchors] = numbers
            grid = grid.reshape(1, cells, cells, -1)
            seen: list[Array] = []
            tiny_yolov2.decode(grid[0], own, (1, 1), (1, 1), 1, 0.01, lambda _, **found: seen.append(found["boxes"]))  # noqa: B023
            if _clear(_overlaps(seen[0]), own.iou_threshold):
                break
        attributes = {**size, "input_size": 32 * cells, "score_threshold": 0.5}
        return Example(attributes, (grid,), ("....",), name, neutral=NO_FACE)

    return drawn


def _points(name: str) -> Callable[[Chance], Example]:
    def drawn(c: Chance) -> Example:
        count = c.whole(1, 4)
        sizes = [[c.whole(30, 300), c.whole(30, 300)] for _ in range(count)]
        points = c.state.uniform(-0.2, 1.2, (count, 136)).astype(np.float32)
        return Example({"image_dims": sizes}, (points,), ("N.",), name, {"image_dims": "N"})

    return drawn


def _logits(name: str, classes: int) -> Callable[[Chance], Example]:
    return lambda c: Example({}, (c.values((c.whole(1, 4), classes), (0.0, -0.0, 88.0)),), ("N.",), name)


def _pyramid(c: Chance) -> Example:
    sides = [c.pick((60, 96, 192, c.whole(60, 200))) for _ in range(2)]
    attributes = {"stage": 0, "height": sides[0], "width": sides[1], "max_num_scales": c.pick((2, 10)),
                  "score_thresholds": [0.5, 0.75, 0.75], "min_face_size": c.pick((6, 12, 24, 48)),
                  "scale_factor": c.pick((0.5, 0.75))}  # fmt: skip
    return Example(attributes, (), (), "mtcnn")


def _stage1(c: Chance) -> Example:
    count = c.whole(1, 3)
    scales, inputs = [1.0, 0.5, 0.25][:count], []
    for _ in scales:
        nx, ny = c.whole(1, 5), c.whole(1, 5)
        seen = np.where(c.state.random_sample((1, nx, ny)) < 0.3, c.grid(4, 8, (1, nx, ny), 0.125), np.float32(0))
        inputs += [np.stack([1 - seen, seen], axis=-1), c.grid(-8, 8, (1, nx, ny, 4), 1 / 32)]
    return _stage(c, 1, inputs, [letters for one in "NMO"[:count] for letters in (f".{one}{one.lower()}.",) * 2], scales=scales)


def _later_stage(number: int) -> Callable[[Chance], Example]:
    def drawn(c: Chance) -> Example:
        while True:
            count = c.whole(1, 10)
            boxes, regions = c.boxes(count) * 4, c.grid(-8, 8, (count, 4), 1 / 64)
            # compared uncorrected in stage 2; corrected, relative to the smaller box, in stage 3
            compared = stages.calibrate(boxes.astype(np.float64), regions) if number == 3 else boxes
            if _clear(_overlaps(compared, number == 3), 0.7):
                break
        seen = c.grid(2, 8, (count,), 0.125)
        inputs = [boxes, np.stack([1 - seen, seen], axis=-1), regions]
        if number == 3:
            inputs.append(c.state.random_sample((count, 10)).astype(np.float32))
        return _stage(c, number, inputs, ["B."] * len(inputs))

    return drawn


def _stage(c: Chance, number: int, inputs: list[Array], letters: list[str], **more: Any) -> Example:
    attributes = {"stage": number, **more, "score_threshold": c.pick((0.5, 0.625, 0.75))}
    return Example(attributes, tuple(inputs), tuple(letters), "mtcnn")


# ------------------------------------------------------------------ preparing


def _to_batch(c: Chance) -> Example:
    size = c.pick((8, 16, 24, 33))
    pictures = tuple(c.picture(*_sides(c, 48, size)) for _ in range(c.pick((1, 1, 2))))
    attributes = {"op": "to_batch", "size": size, "center": c.happens(0.5)}
    return Example(attributes, pictures, ("HW.", "IJ.")[: len(pictures)])


def _resize(c: Chance) -> Example:
    attributes = {"op": "resize", "height": c.whole(1, 40), "width": c.whole(1, 40)}
    return Example(attributes, (c.picture(c.whole(1, 40), c.whole(1, 40)),), ("HW.",))


def _crop(c: Chance) -> Example:
    H, W = c.whole(2, 40), c.whole(2, 40)
    corner = np.array([c.whole(-16, 8 * (side - 2)) / 8 for side in (W, H) for _ in range(3)]).reshape(2, 3).T
    size = np.maximum(c.whole(16, 320, (3, 2)) / 8, 2 - corner)  # at least one pixel lies inside
    boxes = np.concatenate([corner, size], axis=1)
    relative = c.happens(0.3)
    if relative:
        boxes = np.stack([[c.whole(0, 24), c.whole(0, 24), c.whole(32, 96), c.whole(32, 96)] for _ in range(3)]) / 64
    name = "relative_boxes" if relative else "boxes"
    return Example({"op": "crop", name: boxes.tolist()}, (c.picture(H, W),), ("...",), "", {name: "B"})


def _patches(size: int) -> Callable[[Chance], Example]:
    """MTCNN's patches; resized by powers of two, so that every sum and its rounding are exact."""

    def drawn(c: Chance) -> Example:
        H, W = 48, 48
        sides = []
        for _ in range(4):
            for whole in (W, H):
                length = c.pick((3, 6, 12, 24))
                start = c.pick((0, c.whole(0, whole - length), whole - length))
                box_start = c.whole(-4, 1) if start == 0 else start + 1
                beyond = c.whole(0, 4) if start + length == whole else 0
                sides.append((box_start, start + length + beyond - box_start))
        boxes = [[x, y, w, h] for (x, w), (y, h) in zip(sides[::2], sides[1::2], strict=True)]
        inputs = (c.picture(H, W), np.asarray(boxes, np.float32))
        return Example({"op": "mtcnn_patches", "size": size}, inputs, ("...", "B."), "mtcnn")

    return drawn


# ------------------------------------------------------------------ the matcher


def _matcher(c: Chance) -> Example:
    """Vectors, some of them exactly the threshold apart."""
    length, threshold = c.pick((2, 8, 128)), c.pick((0.25, 0.5, 1.0))
    vectors = [c.grid(-4, 4, (length,), 1 / 16) for _ in range(c.whole(1, 3))]
    known = len(vectors)
    for _ in range(c.whole(1, 3)):
        vectors.append(c.pick(vectors[:known]).copy())
        vectors[-1][c.whole(0, length - 1)] += threshold * c.pick((1, 1, -1, 0.5, 2))
    labeled = [{"label": f"person {i}", "descriptors": [i]} for i in range(known)]
    attributes = {"op": "face_matcher", "labeled": labeled, "queries": [*range(known, len(vectors))],
                  "distance_threshold": threshold}  # fmt: skip
    return Example(attributes, tuple(vectors), ("C",) * len(vectors), "", {"queries": "Q"})


#: The functions that draw each kind, by name: LEVEL/WHAT.
KINDS: dict[str, Callable[[Chance], Example]] = {
    "operations/conv2d": _conv2d,
    "operations/depthwise_conv2d": _depthwise_conv2d,
    "operations/dense": _dense,
    "operations/batch_norm": _batch_norm,
    "operations/max_pool": _max_pool,
    "operations/avg_pool": _avg_pool,
    "operations/mean": _mean,
    "operations/relu": _of_one(np.inf),
    "operations/relu6": _of_one(np.inf, 6.0),
    "operations/leaky_relu": _of_one(),
    "operations/prelu": _prelu,
    "operations/sigmoid": _of_one(np.inf, -np.inf, 88.0, -88.0),
    "operations/softmax": _softmax,
    "operations/add": _elementwise,
    "operations/subtract": _elementwise,
    "operations/multiply": _elementwise,
    "operations/divide": lambda c: _elementwise(c, divide=True),
    "operations/concat": _concat,
    "operations/pad": _pad,
    "operations/resize_bilinear": _resize_bilinear,
    "raw/tiny_face_detector": _network("tiny_face_detector", False, 32, 64, 96),
    "raw/face_landmark_68_net": _network("face_landmark_68_net", True, 112),
    "raw/face_landmark_68_tiny_net": _network("face_landmark_68_tiny_net", True, 112),
    "raw/face_expression_net": _network("face_expression_net", True, 112),
    "raw/age_gender_net": _network("age_gender_net", True, 112),
    "raw/face_recognition_net": _network("face_recognition_net", True, 150),
    "raw/mtcnn_pnet": _pnet,
    "raw/mtcnn_rnet": _patch_network("mtcnn_rnet", 24),
    "raw/mtcnn_onet": _patch_network("mtcnn_onet", 48),
    "decode/ssd_mobilenetv1": _ssd,
    "decode/tiny_face_detector": _yolo("tiny_face_detector"),
    "decode/tiny_yolov2": _yolo("tiny_yolov2"),
    "decode/tiny_yolov2_full": _yolo("tiny_yolov2_full"),
    "decode/face_landmark_68_net": _points("face_landmark_68_net"),
    "decode/face_landmark_68_tiny_net": _points("face_landmark_68_tiny_net"),
    "decode/face_expression_net": _logits("face_expression_net", 7),
    "decode/age_gender_net": _logits("age_gender_net", 2),
    "decode/non_max_suppression": _suppression,
    "decode/ssd_non_max_suppression": _ssd_suppression,
    "decode/mtcnn_pyramid": _pyramid,
    "decode/mtcnn_stage1": _stage1,
    "decode/mtcnn_stage2": _later_stage(2),
    "decode/mtcnn_stage3": _later_stage(3),
    "prepare/to_batch": _to_batch,
    "prepare/resize": _resize,
    "prepare/crop": _crop,
    "prepare/mtcnn_patches_24": _patches(24),
    "prepare/mtcnn_patches_48": _patches(48),
    "json/face_matcher": _matcher,
}


def draw(kind: str, seed: int, number: int, narrow: bool = False) -> Example:
    """The example of a kind for a seed and a number, always the same; `narrow` avoids values that narrow formats lose."""
    example = KINDS[kind](Chance(seed, zlib.crc32(kind.encode()), number, narrow=narrow))
    more = {"op": kind.partition("/")[2]} if kind.startswith("operations/") else {}
    return replace(example, kind=kind, attributes={**more, **example.attributes})
