"""A whole port in plain NumPy, written for these tests: every step is a method that can be replaced by a faulty one.

Nothing of the package is imported.  The structure of the networks comes from `npfaceapi show NET --format json`, the weights
from their folder.
"""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys

import numpy as np

from helpers import ROOT

MEAN_OF_PIXELS = 127.5
ANCHORS = [(1.603231, 2.094468), (6.041143, 7.080126), (2.882459, 3.518061), (4.266906, 5.178857), (9.041765, 10.66308)]
FULL_ANCHORS = [(0.738768, 0.874946), (2.42204, 2.65704), (4.30971, 7.04493), (10.246, 4.59428), (12.6868, 11.8741)]
CENTRED = ("face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net", "face_expression_net", "age_gender_net")


@functools.cache
def structure_of(network):
    """The graphs of a network, as printed by the command line."""
    command = [sys.executable, "-m", "npfaceapi", "show", network, "--format", "json"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout)["graphs"][0]


def model_of(network):
    return {"ssd_mobilenetv1": "ssd_mobilenetv1_model", "tiny_face_detector": "tiny_face_detector_model"}.get(
        network, network.partition("_pnet")[0].partition("_rnet")[0].partition("_onet")[0].removesuffix("_net") + "_model"
    )


@functools.cache
def stored_weights(model):
    """{name: (numbers as stored, scale, min)}; the scale of floats is None."""
    folder, found = ROOT / "weights", {}
    for group in json.loads((folder / f"{model}-weights_manifest.json").read_text("utf-8")):
        data, at = b"".join((folder / path).read_bytes() for path in group["paths"]), 0
        for entry in group["weights"]:
            how = entry.get("quantization")
            dtype = np.dtype({"float32": "<f4", "int32": "<i4"}[entry["dtype"]] if how is None else how["dtype"])
            count = math.prod(entry["shape"])
            value = np.frombuffer(data, dtype, count, at).reshape(entry["shape"])
            at += count * dtype.itemsize
            found[entry["name"]] = (value, how and how["scale"], how and how["min"])
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def same(length, size, stride):
    """Rows of TensorFlow's padding before and after."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def windows(x, size, stride):
    """[N,H,W,C] to [N,h,w,size,size,C]."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.moveaxis(view, 3, -1)


class NumpyPort:
    # ------------------------------------------------------------------ weights

    def __init__(self):
        self._loaded = {}

    def dequantized(self, q, scale, least):
        return (q.astype(np.float64) * scale + least).astype(np.float32)

    def reread(self, network, tensors):
        """The decoded weights."""
        return tensors

    def load_weights(self, network, tensors):
        self._loaded[network] = dict(tensors)

    def tensors(self, network):
        if network in self._loaded:
            return self._loaded[network]
        stored = stored_weights(model_of(network))
        return {name: v if scale is None else self.dequantized(v, scale, least) for name, (v, scale, least) in stored.items()}

    def weights(self, network, names):
        tensors = self.tensors(network)
        return {name: tensors[name].astype(np.float32) for name in names}

    # ------------------------------------------------------------------ networks

    def graph(self, network):
        return structure_of(network)

    def enter(self, network, batch):
        return batch

    def leave(self, network, outputs):
        return outputs

    def run(self, network, batch):
        outputs = self.graph(network)["outputs"]
        return self.leave(network, self._values(network, batch, outputs))

    def taps(self, network, batch, names):
        blocks = self.graph(network)["blocks"]
        nodes = {node["name"] for node in self.graph(network)["nodes"]}
        last = {node["block"]: node["name"] for node in self.graph(network)["nodes"]}
        return self._values(network, batch, {n: blocks.get(n, n if n in nodes else last.get(n, "")) for n in names})

    def _values(self, network, batch, wanted):
        weights = self.reread(network, self.tensors(network))
        known = {"input": self.enter(network, batch.astype(np.float32))}
        for node in self.graph(network)["nodes"][1:]:
            p = {key: weights[about["name"]] for key, about in node["params"].items()}
            known[node["name"]] = getattr(self, node["op"])(node, *(known[x] for x in node["inputs"]), **p)
        return {name: np.ascontiguousarray(known[node], np.float32) for name, node in wanted.items()}

    # One method per operation: the node (its `attributes` and `block`), its inputs, its parameters.

    def padded(self, node, x, size, value=0.0):
        a = node["attributes"]
        padding, stride = a.get("padding", "valid"), a.get("stride", 1)
        if padding == "valid":
            return x
        rows, columns = (same(n, size, stride) if padding == "same" else (padding, padding) for n in x.shape[1:3])
        return np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=value)

    def conv2d(self, node, x, filters, bias=None):
        size, stride = filters.shape[0], node["attributes"].get("stride", 1)
        x = self.padded(node, x, size)
        patches = x[:, ::stride, ::stride] if size == 1 else windows(x, size, stride)
        rows = patches.reshape(-1, math.prod(filters.shape[:3]))
        y = (rows @ filters.reshape(-1, filters.shape[3])).reshape(*patches.shape[:3], -1)
        return y if bias is None else y + bias

    def depthwise_conv2d(self, node, x, filters):
        x = self.padded(node, x, filters.shape[0])
        return np.einsum("nhwklc,klc->nhwc", windows(x, filters.shape[0], node["attributes"].get("stride", 1)), filters[..., 0])

    def max_pool(self, node, x):
        a = node["attributes"]
        return windows(self.padded(node, x, a["size"], -np.inf), a["size"], a["stride"]).max(axis=(3, 4))

    def avg_pool(self, node, x):
        a = node["attributes"]
        return windows(x, a["size"], a["stride"]).mean(axis=(3, 4))

    def mean(self, node, x):
        return x.mean(axis=(1, 2))

    def dense(self, node, x, weights, bias=0.0):
        return x @ weights + bias

    def batch_norm(self, node, x, mean, variance, offset, scale):
        return (x - mean) / np.sqrt(variance + np.float32(node["attributes"]["epsilon"])) * scale + offset

    def relu(self, node, x):
        return np.maximum(x, 0)

    def relu6(self, node, x):
        return np.clip(x, 0, 6)

    def leaky_relu(self, node, x):
        return np.maximum(x, x * np.float32(node["attributes"]["alpha"]))

    def prelu(self, node, x, alpha):
        return np.maximum(x, 0) + alpha * np.minimum(x, 0)

    def softmax(self, node, x):
        return softmax(x)

    def sigmoid(self, node, x):
        return sigmoid(x)

    def reshape(self, node, x):
        shape = node["attributes"]["shape"]
        return x.reshape(len(x), -1, *shape[1:]) if shape else x.reshape(len(x))

    def concat(self, node, *parts):
        return np.concatenate(parts, axis=1)

    def pad(self, node, x):
        a = node["attributes"]
        return np.pad(x, ((0, 0), a["rows"], a["columns"], a["channels"]))

    def constant(self, node, y):
        return np.float32(node["attributes"]["y"]) if y is None else y

    def add(self, node, x, y=None):
        return x + self.constant(node, y)

    def subtract(self, node, x, y=None):
        return x - self.constant(node, y)

    def multiply(self, node, x, y=None):
        return x * self.constant(node, y)

    def divide(self, node, x, y=None):
        return x / self.constant(node, y)

    def operation(self, op, inputs, attributes):
        x, *others = inputs.values()
        names = {"conv2d": ["filters"], "depthwise_conv2d": ["filters"], "dense": ["weights"], "prelu": ["alpha"],
                 "batch_norm": ["mean", "variance", "offset", "scale"]}.get(op)  # fmt: skip
        if op == "resize_bilinear":
            return np.stack([self.resize(image, attributes["height"], attributes["width"]) for image in x])
        if op == "pad":
            attributes = dict(zip(("_", "rows", "columns", "channels"), attributes["paddings"], strict=True))
        node = {"attributes": attributes, "block": ""}
        if names:
            return getattr(self, op)(node, x, **dict(zip(names, others, strict=True))).astype(np.float32)
        return getattr(self, op)(node, x, *others).astype(np.float32)

    # ------------------------------------------------------------------ pictures

    def positions(self, length, wanted):
        """Source coordinates of the output pixels."""
        return np.arange(wanted) * (length / wanted)

    def resize(self, image, height, width):
        if image.shape[:2] == (height, width):
            return image.astype(np.float32)
        rows, columns = self.positions(image.shape[0], height), self.positions(image.shape[1], width)
        return self.bilinear(image, rows, columns).astype(np.float32)

    def bilinear(self, image, rows, columns):
        value = image.astype(np.float64)
        for axis, at in ((1, columns), (0, rows)):
            at = np.clip(at, 0, image.shape[axis] - 1)
            low = np.floor(at).astype(int)
            part = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
            a, b = value.take(low, axis), value.take(np.minimum(low + 1, image.shape[axis] - 1), axis)
            value = a + (b - a) * part
        return value

    def fill(self, image, pad):
        return np.pad(image, pad)

    def square(self, image, center):
        difference = image.shape[1] - image.shape[0]
        before = abs(difference) // 2 if center else 0
        pad = (before, abs(difference) - before)
        return self.fill(image, (pad, (0, 0), (0, 0)) if difference > 0 else ((0, 0), pad, (0, 0)))

    def batch(self, pictures, size, center):
        return np.stack([self.resize(self.square(picture, center), size, size) for picture in pictures])

    def reshaped(self, width, height, size):
        return tuple(max(1, math.floor(n * (size / max(width, height)) + 0.5)) for n in (width, height))

    def crop(self, box, W, H):
        """(x, y, width, height) in whole pixels."""
        x, y, w, h = box
        left, top = max(x, 0.0), max(y, 0.0)
        return tuple(math.floor(v) for v in (left, top, min(x + w - left, W - left), min(y + h - top, H - top)))

    def patch(self, picture, box, size):
        x, y, w, h = map(int, box)
        H, W = picture.shape[:2]
        part = picture[max(1, y) - 1 : min(y + h, H), max(1, x) - 1 : min(x + w, W)]
        if not part.size:
            return None
        rows, columns = ((np.arange(size) + 0.5) * n / size - 0.5 for n in part.shape[:2])
        return np.floor(self.bilinear(part, rows, columns) + 0.5).astype(np.uint8)

    def prepare(self, op, inputs, a, names):
        pictures = [value for name, value in inputs.items() if name.startswith("picture_")]
        H, W = pictures[0].shape[:2]
        if op == "to_batch":
            dims = [self.reshaped(p.shape[1], p.shape[0], a["size"])[::-1] for p in pictures]
            return {"batch": self.batch(pictures, a["size"], a["center"]), "reshaped_dims": np.array(dims)}
        if op == "resize":
            return {"image": self.resize(pictures[0], a["height"], a["width"])[None]}
        if op == "mtcnn_patches":
            made = [self.patch(pictures[0], box, a["size"]) for box in inputs["boxes"]]
            made = [p for p in made if p is not None]
            return {"patches": np.stack(made) if made else np.zeros((0, a["size"], a["size"], 3), np.uint8)}
        boxes = [*a.get("boxes", ()), *([x * W, y * H, w * W, h * H] for x, y, w, h in a.get("relative_boxes", ()))]
        rects = [self.crop(box, W, H) for box in boxes]
        crops = {f"crop_{i}": pictures[0][y : y + h, x : x + w] for i, (x, y, w, h) in enumerate(rects)}
        return {"rects": np.array(rects), **crops}

    # ------------------------------------------------------------------ decoding

    def passes(self, scores, threshold):
        return scores > threshold

    def areas(self, edges):
        """The overlaps of boxes (left, top, right, bottom)."""
        return (edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])

    def common(self, edges, others):
        sizes = np.minimum(edges[2:], others[:, 2:]) - np.maximum(edges[:2], others[:, :2])
        return np.maximum(sizes[:, 0], 0) * np.maximum(sizes[:, 1], 0)

    def survives(self, overlaps, threshold):
        return overlaps <= threshold

    def suppress(self, edges, scores, threshold, over_union=True, earlier_first=False, most=10**9):
        """Indices of the boxes kept; the later of equal scores comes first (in SSD the earlier)."""
        order = np.lexsort((np.arange(len(scores)) * (1 if earlier_first else -1), -scores))
        areas, kept = self.areas(edges), []
        while len(order) and len(kept) < most:
            best, order = order[0], order[1:]
            kept.append(int(best))
            common = self.common(edges[best], edges[order])
            with np.errstate(all="ignore"):
                whole = areas[best] + areas[order] - common if over_union else np.minimum(areas[best], areas[order])
                overlaps = common / whole
            order = order[self.survives(np.where(np.isnan(overlaps), 0 if earlier_first else np.inf, overlaps), threshold)]
        return kept

    def ssd_suppress(self, corners, scores, most, threshold, least):
        passed = np.flatnonzero(self.passes(scores, least))
        flipped = corners[:, [1, 0, 3, 2]].astype(np.float64)
        kept = self.suppress(flipped[passed], scores[passed], threshold, earlier_first=True, most=most)
        return passed[np.array(kept, int)]

    ssd_iou = 0.5
    yolo_iou = 0.4

    def ssd_boxes(self, encodings, priors):
        """(top, left, bottom, right), relative to the square."""
        size = priors[:, 2:] - priors[:, :2]
        center = priors[:, :2] + size / 2 + encodings[:, :2] / 10 * size
        half = np.exp(encodings[:, 2:] / 5) * size / 2
        return np.concatenate([center - half, center + half], axis=1).astype(np.float32)

    def ssd_scores(self, logits):
        return sigmoid(logits[:, 1])

    def clipped(self, corners, inner, size):
        return np.concatenate([np.maximum(corners[:, :2], 0), np.minimum(corners[:, 2:], 1)], axis=1)

    def unpadded(self, boxes, inner, size):
        """From fractions of the square to fractions of the picture; `inner` is the size of the picture in the square."""
        return boxes * np.tile([size / inner[0], size / inner[1]], 2)

    def given(self, boxes, scores, W, H):
        """The boxes of the answer: x, y, width, height in pixels."""
        return {"boxes": boxes.astype(np.float64), "scores": scores.astype(np.float64)}

    def decode_ssd(self, encodings, logits, priors, a):
        W, H = a["image_width"], a["image_height"]
        corners, scores = self.ssd_boxes(encodings, priors), self.ssd_scores(logits).astype(np.float32)
        kept = self.ssd_suppress(corners, scores, a["max_results"], self.ssd_iou, a["min_confidence"])
        inner = self.reshaped(W, H, 512)
        found = self.clipped(corners[kept].astype(np.float64), inner, 512)[:, [1, 0, 3, 2]]
        inside = (found[:, 2] >= found[:, 0]) & (found[:, 3] >= found[:, 1])
        edges = self.unpadded(found[inside], inner, 512) * [W, H, W, H]
        boxes = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)
        return {"relative_boxes": corners, "all_scores": scores, **self.given(boxes, scores[kept][inside], W, H)}

    def anchors(self, network):
        return np.array(FULL_ANCHORS if network == "tiny_yolov2_full" else ANCHORS)

    def yolo_center(self, t):
        return sigmoid(t)

    def yolo_scores(self, logits):
        return sigmoid(logits)

    def decode_yolo(self, network, grid, a):
        W, H = a["image_width"], a["image_height"]
        cells = grid.shape[0]
        v = grid.astype(np.float64).reshape(cells, cells, 5, -1)
        scores = self.yolo_scores(v[..., 4])
        row, column, anchor = np.nonzero(self.passes(scores, a["score_threshold"]))
        t = v[row, column, anchor]
        center = (np.stack([column, row], axis=1) + self.yolo_center(t[:, :2])) / cells
        size = np.exp(t[:, 2:4]) * self.anchors(network)[anchor] / cells
        inner = self.reshaped(W, H, a["input_size"])
        boxes = self.unpadded(np.concatenate([center - size / 2, size], axis=1), inner, max(inner))
        edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) * a["input_size"]
        kept = self.suppress(edges, scores[row, column, anchor], self.yolo_iou)
        return self.given(boxes[kept] * [W, H, W, H], scores[row, column, anchor][kept], W, H)

    def landmarks(self, points, width, height):
        scale = 112 / max(width, height)
        size = np.array([width * scale, height * scale])
        return (points.astype(np.float64).reshape(68, 2) * 112 - np.maximum(0, size[::-1] - size) / 2) / size

    def probabilities(self, logits):
        return softmax(logits.astype(np.float64)).astype(np.float32)

    male = 0

    def calibrated(self, boxes, regions):
        regions = self.regions(regions.astype(np.float64))
        start = boxes[:, :2] + regions[:, :2] * boxes[:, 2:]
        end = boxes[:, :2] + boxes[:, 2:] + regions[:, 2:] * boxes[:, 2:]
        side = (end - start).max(axis=1, keepdims=True) if len(boxes) else np.zeros((0, 1))
        return np.floor(np.concatenate([start - (side - (end - start)) / 2, side, side], axis=1) + 0.5)

    def regions(self, regions):
        return regions

    def passes_stage1(self, scores, threshold):
        return scores >= threshold

    def stage1(self, given, a):
        found = []
        for i, scale in enumerate(a["scales"]):
            scores = given[f"prob_{i}"][0, ..., 1].astype(np.float64)
            cells = np.argwhere(self.passes_stage1(scores, a["score_threshold"]))
            edges = np.floor(np.concatenate([cells * 2 + 1, cells * 2 + 12], axis=1) / scale + 0.5)
            own = scores[tuple(cells.T)]
            kept = self.suppress(edges, own, 0.5)
            found.append((edges[kept], own[kept], given[f"regions_{i}"][0][tuple(cells.T)][kept]))
        if not found:
            return np.zeros((0, 4)), np.zeros(0)
        edges, scores, regions = map(np.concatenate, zip(*found, strict=True))
        kept = self.suppress(edges, scores, 0.7)
        boxes = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)
        return self.calibrated(boxes[kept], regions[kept]), scores[kept]

    def edges_of(self, boxes):
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

    def stage2(self, given, a):
        boxes, scores = given["boxes"].astype(np.float64), given["prob"][:, 1].astype(np.float64)
        passed = np.flatnonzero(self.passes(scores, a["score_threshold"]))
        kept = passed[np.array(self.suppress(self.edges_of(boxes[passed]), scores[passed], 0.7), int)]
        return self.calibrated(boxes[kept], given["regions"][kept]), scores[kept]

    def five_points(self, points, boxes):
        xy = points.astype(np.float64).reshape(-1, 2, 5).transpose(0, 2, 1)
        return xy * (boxes[:, None, 2:] + 1) + boxes[:, None, :2]

    def stage3(self, given, a):
        scores = given["prob"][:, 1].astype(np.float64)
        passed = np.flatnonzero(self.passes(scores, a["score_threshold"]))
        boxes, scores = self.calibrated(given["boxes"].astype(np.float64)[passed], given["regions"][passed]), scores[passed]
        kept = np.array(self.suppress(self.edges_of(boxes), scores, 0.7, over_union=False), int)
        boxes, scores = boxes[kept], scores[kept]
        points = given["points"]
        return boxes, scores, self.five_points(points[passed[kept]], boxes), self.five_points(points[kept], boxes)

    def finished(self, boxes):
        return boxes.astype(int)

    def decode(self, network, inputs, a, names):
        if a.get("op") == "non_max_suppression":
            edges = self.edges_of(inputs["boxes"].astype(np.float64))
            kept = self.suppress(edges, inputs["scores"].astype(np.float64), a["iou_threshold"], a["is_iou"])
            return {"indices": np.array(kept, int)}
        if a.get("op") == "ssd_non_max_suppression":
            scores = inputs["scores"].astype(np.float64)
            kept = self.ssd_suppress(inputs["boxes"], scores, a["max_output_size"], a["iou_threshold"], a["score_threshold"])
            return {"indices": kept}
        if a.get("stage") == 0:
            return self.pyramid(a)
        if "stage" in a:
            boxes, scores, *points = getattr(self, f"stage{a['stage']}")(inputs, a)
            return {
                "boxes": self.finished(boxes),
                "scores": scores,
                **dict(zip(("landmarks", "landmarks_of_face_api"), points, strict=False)),
            }
        if network == "ssd_mobilenetv1":
            return self.decode_ssd(
                inputs["box_encodings"].reshape(-1, 4), inputs["class_logits"].reshape(-1, 3), inputs["priors"], a
            )
        if "grid" in inputs:
            return self.decode_yolo(network, inputs["grid"][0], a)
        if network == "face_expression_net":
            return {"probabilities": self.probabilities(inputs["logits"])}
        if network == "age_gender_net":
            both = self.probabilities(inputs["gender_logits"])
            return {"gender_probabilities": both, "gender_probability_male": both[:, self.male]}
        made = [self.landmarks(p, W, H).ravel() for p, (H, W) in zip(inputs["points"], a["image_dims"], strict=True)]
        return {"relative_points": np.stack(made).astype(np.float32)}

    def pyramid(self, a):
        scale, scales, side = 12 / a["min_face_size"], [], min(a["width"], a["height"]) * 12 / a["min_face_size"]
        while side >= 12:
            scales.append(scale * a["scale_factor"] ** len(scales))
            side *= a["scale_factor"]
        scales = [s for s in scales if min(int(a["height"] * s), int(a["width"] * s)) > 12][: a["max_num_scales"]]
        return {"scales": scales, "sizes": np.array([(int(a["height"] * s), int(a["width"] * s)) for s in scales])}

    # ------------------------------------------------------------------ the chain

    def detect(self, detector, picture, a):
        H, W = picture.shape[:2]
        about = {**a, "image_width": W, "image_height": H}
        if detector == "ssd_mobilenetv1":
            raw = self.run(detector, self.batch([picture], 512, False))
            priors = self.tensors(detector)["Output/extra_dim"].reshape(-1, 4)
            found = self.decode_ssd(raw["box_encodings"][0], raw["class_logits"][0], priors, about)
        else:
            raw = self.run(detector, self.batch([picture], a["input_size"], False))
            found = self.decode_yolo(detector, raw["grid"][0], about)
        return found["boxes"], found["scores"]

    def shifted(self, points, box, rect):
        return points + box[:2]

    def aligned(self, points, box):
        least, most = points.min(axis=0), np.maximum(points.max(axis=0), 0)
        size = most - least
        return np.concatenate([least - size * 0.1, size * 1.2])

    def dlib_square(self, points, width, height):
        left, right, mouth = (points[part].mean(axis=0) for part in (slice(36, 42), slice(42, 48), slice(48, 68)))
        side = math.floor((np.linalg.norm(mouth - left) + np.linalg.norm(mouth - right)) / 2 / 0.45)
        center = (left + right + mouth) / 3
        x, y = (math.floor(max(0.0, c - share * side)) for c, share in zip(center, (0.5, 0.43), strict=True))
        return np.array([x, y, min(side, width + x), min(side, height + y)], float)

    def seen(self, points, box, width, height):
        """The input of the networks for expression, age and gender."""
        return self.aligned(points, box)

    def described(self, points, box, width, height):
        """The input of the descriptor's network."""
        return self.dlib_square(points, width, height)

    def age(self, age):
        return age

    def placed(self, points, rects):
        """The landmarks of the answer."""
        return points

    def chain(self, detector, picture, a, names):
        boxes, scores = self.detect(detector, picture, a)
        if not len(boxes):
            return {"boxes": boxes, "scores": scores}
        H, W = picture.shape[:2]

        def answers(network, rects, size):
            return self.run(network, self.batch([picture[y : y + h, x : x + w] for x, y, w, h in rects], size, True))

        crops = [self.crop(box, W, H) for box in boxes]
        tiny = "face_landmark_68_tiny_net" if a["use_tiny_landmark_net"] else "face_landmark_68_net"
        raw = answers(tiny, crops, 112)["points"]
        own = [self.landmarks(p, w, h) * [w, h] for p, (_, _, w, h) in zip(raw, crops, strict=True)]
        points = [self.shifted(p, box, rect) for p, box, rect in zip(own, boxes, crops, strict=True)]
        sizes = [rect[2:] for rect in crops]
        seen = [self.crop(self.seen(p, box, *size), W, H) for p, box, size in zip(points, boxes, sizes, strict=True)]
        squares = [self.described(p, box, *size) for p, box, size in zip(points, boxes, sizes, strict=True)]
        squares = [self.crop(square, W, H) for square in squares]
        person = answers("age_gender_net", seen, 112)
        return {
            "boxes": boxes, "scores": scores, "detection_crops": np.array(crops),
            "landmarks": np.stack(self.placed(points, crops)), "unshifted_landmarks": np.stack(own),
            "aligned_boxes": np.stack([self.aligned(p, box) for p, box in zip(points, boxes, strict=True)]),
            "aligned_crops": np.array(seen), "dlib_crops": np.array(squares),
            "descriptors": answers("face_recognition_net", squares, 150)["descriptor"],
            "expressions": self.probabilities(answers("face_expression_net", seen, 112)["logits"]),
            "ages": self.age(person["age"]),
            "gender_probability_male": self.probabilities(person["gender_logits"])[:, self.male],
        }  # fmt: skip

    # ------------------------------------------------------------------ matches

    def distance(self, a, b):
        return float(np.sqrt(np.square(a.astype(np.float64) - b).sum()))

    def of_person(self, distances):
        return sum(distances) / len(distances)

    def known(self, distance, threshold):
        return distance < threshold

    def text(self, label, distance):
        rounded = math.floor(distance * 100) / 100
        return f"{label} ({int(rounded) if rounded == int(rounded) else rounded})"

    def json(self, op, inputs, a, names):
        vectors = list(inputs.values())
        if op == "euclidean_distance":
            return {"distances": [[self.distance(x, y) for y in vectors] for x in vectors]}
        if op == "face_match":
            return {
                "texts": [self.text(*pair) for pair in a["pairs"]],
                "texts_without_distance": [label for label, _ in a["pairs"]],
                "objects": [{"_label": label, "_distance": distance} for label, distance in a["pairs"]],
            }
        if op != "face_matcher":
            raise NotImplementedError(op)
        number, people = 0, []
        for person in a["labeled"]:
            number += person["label"] is None
            people.append((person["label"] or f"person {number}", [vectors[i] for i in person["descriptors"]]))
        matches = []
        for i in a["queries"]:
            of = [(self.of_person([self.distance(vectors[i], v) for v in own]), label) for label, own in people]
            distance, label = min(of, key=lambda pair: pair[0])
            label = label if self.known(distance, a["distance_threshold"]) else "unknown"
            matches.append(
                {"label": label, "distance": distance, "text": self.text(label, distance), "text_without_distance": label}
            )
        described = [{"label": label, "descriptors": [v.tolist() for v in own]} for label, own in people]
        matcher = {"distanceThreshold": a["distance_threshold"], "labeledDescriptors": described}
        answers = {"matches": matches, "matches_after_json": matches, "matcher": matcher}
        return {name: answers[name] for name in names}
