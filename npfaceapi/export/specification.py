"""The complete description of a network as data: graph, preprocessing and decoding; `npfaceapi show NET --format json`.

`specification.schema.json` in this folder defines the format, and docs/porting.md explains it.  Numbers are taken from the
constants of the code where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npfaceapi import nets
from npfaceapi._version import __version__
from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces import landmarks
from npfaceapi.faces.matcher import DEFAULT_THRESHOLD
from npfaceapi.faces.predictions import FACE_EXPRESSION_LABELS
from npfaceapi.graph import Graph, Node
from npfaceapi.networks import mtcnn_stages, registry, ssd_mobilenetv1, tiny_yolov2
from npfaceapi.networks.neural_network import NeuralNetwork
from npfaceapi.networks.options import MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions, TinyYolov2Options
from npfaceapi.ops import window_padding

__all__ = ["FORMAT", "normalization", "specification"]

#: Incremented when a field moves or changes its meaning.
FORMAT = 1
#: Fixed properties of operations; no node has them as attributes.
_ALWAYS: dict[str, dict[str, Any]] = {
    "avg_pool": {"padding": "valid"},
    "mean": {"axes": [0, 1]},
    "concat": {"axis": 0},
    "softmax": {"axis": -1},
}
_BILINEAR, _HALF_PIXEL = (
    {"rule": "bilinear", "coordinates": "asymmetric", "rounded_to_bytes": False},
    {"rule": "bilinear", "coordinates": "half_pixel", "rounded_to_bytes": True},
)


def specification(name: str, height: int | None = None, width: int | None = None) -> dict[str, Any]:
    """All that a port of a network needs except the values of its weights, in plain JSON types.

    Parameters
    ----------
    name : str
        One of `npfaceapi.networks.registry.all_names()`.
    height, width : int, optional
        Size in pixels of the input that the graph is recorded for; default: the network's own.

    Raises
    ------
    InvalidArgument
        An unknown name, or a size that the network does not take.

    Examples
    --------
    >>> specification("face_recognition_net")["graphs"][0]["normalization"]["divisor"]
    256.0
    """
    found = registry.split(name)
    if found is None:
        raise InvalidArgument(f"specification: expected a network out of {', '.join(registry.all_names())}, got {shown(name)}")
    net = nets.network_named(name)
    used = {*net.flat_order()}
    return {
        "format": FORMAT,
        "npfaceapi": __version__,
        "network": name,
        "does": found[0].does,
        "weights": {
            "model": net.model_name,
            "bundled": found[0].is_bundled,
            "tensors": {tensor: list(shape) for tensor, shape in net.shapes().items() if tensor in used},
        },
        "preparation": _preparation(name),
        "graphs": [_graph(part, height, width) for part in registry.proper(name)],
        "decoding": _decoding(name),
    }


def normalization(graph: Graph) -> dict[str, Any]:
    """The normalization of 0..255 by the first nodes of a graph, `(x - mean) / divisor`, and the names of those nodes."""
    scale, shift, node, names = 1.0, [0.0, 0.0, 0.0], graph.input, []
    for following in graph.nodes[1:]:
        if following.op not in ("add", "subtract", "multiply", "divide") or following.inputs != (node,) or following.params:
            break
        y = following.attributes["y"]
        values = list(y) if isinstance(y, tuple) else [y] * 3
        if following.op in ("multiply", "divide"):
            factor = values[0] if following.op == "multiply" else 1 / values[0]
            scale, shift = scale * factor, [x * factor for x in shift]
        else:
            sign = 1 if following.op == "add" else -1
            shift = [x + sign * value for x, value in zip(shift, values, strict=True)]
        node = following
        names.append(node.name)
    return {"mean": [0.0 - x / scale for x in shift], "divisor": 1 / scale, "nodes": names}


def _graph(name: str, height: int | None, width: int | None) -> dict[str, Any]:
    net: NeuralNetwork = nets.network_named(name)
    graph = net.graph(height, width)
    is_mtcnn = name.startswith("mtcnn_")
    sizes = "any" if name == "mtcnn_pnet" else "multiples of 32" if name.startswith("tiny_") else "fixed"
    layers = {node.block: node for node in graph if node.block}  # includes single layers, such as a final dense layer
    blocks = {path: node.name for path, node in {**layers, **graph.blocks}.items()}
    order = {node.name: i for i, node in enumerate(graph)}
    return {
        "network": name,
        "name": graph.name,
        "input": {
            "shape": list(graph.input.shape),
            "axes": ["x", "y", "channel"] if is_mtcnn else ["y", "x", "channel"],
            "channels": "BGR" if is_mtcnn else "RGB",
            "dtype": "float32",
            "range": [0, 255],
            "sizes": sizes,
        },
        "normalization": normalization(graph),
        "outputs": {output: node.name for output, node in graph.outputs.items()},
        "blocks": dict(sorted(blocks.items(), key=lambda item: order[item[1]])),
        "parameters": graph.parameters,
        "macs": graph.macs,
        "nodes": [_node(node, sizes) for node in graph],
    }


def _node(node: Node, sizes: str) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "block": node.block,
        "inputs": [x.name for x in node.inputs],
        "shape": list(node.shape),
        "attributes": _attributes(node, sizes),
        "params": {key: {"name": p.name, "shape": list(p.shape)} for key, p in node.params.items()},
        "parameters": node.parameters,
        "macs": node.macs,
        "bytes": node.bytes,
    }


def _attributes(node: Node, sizes: str) -> dict[str, Any]:
    """Recorded attributes, fixed properties of the operation, and the padding in pixels unless it varies with the size."""
    known = {**node.attributes, **_ALWAYS.get(node.op, {})}
    attributes = {key: _plain(value) for key, value in known.items()}
    if "padding" in known and (sizes != "any" or known["padding"] == "valid" or known["stride"] == 1):
        size = known.get("size")
        windows = (size, size) if size else node.params["filters"].shape[:2]
        pads = [
            window_padding(n, k, known["stride"], known["padding"]) for n, k in zip(node.inputs[0].shape, windows, strict=False)
        ]
        attributes["pads"] = [[before, after] for before, after, _ in pads]
    return attributes


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# ------------------------------------------------------------------ before and after the graph


def _preparation(name: str) -> dict[str, Any]:
    if name.startswith("mtcnn"):
        window = mtcnn_stages.CELL_SIZE
        parts = {
            "mtcnn_pnet": {"of": "the photo at each scale", "window": window, "resize": _BILINEAR},
            **{
                f"mtcnn_{part}": {
                    "of": "a patch of each box",
                    "size": nets.network_named(f"mtcnn_{part}").input_size,
                    "extra_pixels_before": 1,
                    "beyond_the_photo": "cut",
                    "resize": _HALF_PIXEL,
                }
                for part in ("rnet", "onet")
            },
        }
        return {"kind": "cascade", "parts": {part: parts[part] for part in registry.proper(name)}}
    net: NeuralNetwork = nets.network_named(name)
    return {
        "kind": "square",
        "of": _CROPS.get(name, "the photo"),
        "padding": "both sides, the larger half after" if net.is_center_inputs else "after",
        "padding_value": 0,
        "padded": "before resizing",
        "size": net.input_size,
        "resize": _BILINEAR,
    }


_CROPS = {
    "face_landmark_68_net": "the crop of the detection",
    "face_landmark_68_tiny_net": "the crop of the detection",
    "face_expression_net": "the crop of the aligned box",
    "age_gender_net": "the crop of the aligned box",
    "face_recognition_net": "the crop of dlib's square",
}


def _suppression(threshold: float, *, of_smaller: bool = False, earlier_first: bool = False) -> dict[str, Any]:
    return {
        "overlap": "intersection over the smaller area" if of_smaller else "intersection over union",
        "dropped_above": threshold,
        "of_equal_scores_first": "earlier" if earlier_first else "later",
    }


def _decoding(name: str) -> dict[str, Any]:
    if name.startswith("mtcnn"):
        return _mtcnn()
    if name.startswith("tiny_"):
        return _yolo(name)
    return _DECODING[name]


def _mtcnn() -> dict[str, Any]:
    options, overlap = MtcnnOptions(), _suppression(mtcnn_stages.OVERLAP)
    return {
        "kind": "cascade",
        "window": mtcnn_stages.CELL_SIZE,
        "window_stride": mtcnn_stages.CELL_STRIDE,
        "prob": ["not a face", "face"],
        "regions": ["left", "top", "right", "bottom"],
        "points": "x0..x4, y0..y4",
        "stages": [
            {
                "score_kept": ">=",
                "suppression_of_each_scale": _suppression(mtcnn_stages.OVERLAP_OF_A_SCALE),
                "suppression": overlap,
                "regions_applied": "after the suppression",
            },
            {"score_kept": ">", "suppression": overlap, "regions_applied": "after the suppression"},
            {
                "score_kept": ">",
                "suppression": _suppression(mtcnn_stages.OVERLAP, of_smaller=True),
                "regions_applied": "before the suppression",
            },
        ],
        "options": {
            "min_face_size": options.min_face_size,
            "scale_factor": options.scale_factor,
            "max_num_scales": options.max_num_scales,
            "score_thresholds": list(options.score_thresholds),
        },
    }


def _yolo(name: str) -> dict[str, Any]:
    config = tiny_yolov2.FULL if name == "tiny_yolov2_full" else tiny_yolov2.SEPARABLE
    options = TinyFaceDetectorOptions() if name == "tiny_face_detector" else TinyYolov2Options()
    return {
        "kind": "grid",
        "stride": 32,
        "anchors": [list(anchor) for anchor in config.anchors],
        "anchor": ["tx", "ty", "tw", "th", "objectness", "class"][: config.box_encoding_size],
        "score": "sigmoid",
        "score_kept": ">",
        "suppression": _suppression(config.iou_threshold),
        "options": {"input_size": options.input_size, "score_threshold": options.score_threshold},
    }


_SSD = SsdMobilenetv1Options()
_LANDMARKS = {
    "kind": "landmarks",
    "points": "x0, y0, x1, y1, …",
    "count": 68,
    "relative_to": "the padded square",
    "aligned_box": {"padding": landmarks.MIN_BOX_PADDING, "of": "width and height in all, half on each side"},
    "dlib_square": {
        "centre": [landmarks.DLIB_CENTRE_X, landmarks.DLIB_CENTRE_Y],
        "eye_to_mouth": landmarks.DLIB_EYE_TO_MOUTH,
        "points": {
            part: [points.start, points.stop]
            for part, points in zip(("left_eye", "right_eye", "mouth"), landmarks.EYES_AND_MOUTH, strict=True)
        },
    },
}
_DECODING: Mapping[str, dict[str, Any]] = {
    "ssd_mobilenetv1": {
        "kind": "anchors",
        "priors": {"tensor": "Output/extra_dim", "order": ["ymin", "xmin", "ymax", "xmax"]},
        "encodings": {
            "order": ["ty", "tx", "th", "tw"],
            "divisors": [ssd_mobilenetv1.CENTRE_DIVISOR] * 2 + [ssd_mobilenetv1.SIZE_DIVISOR] * 2,
        },
        "classes": ["background", "face", "unused"],
        "score": "sigmoid",
        "score_kept": ">",
        "clipped_to": [0, 1],
        "suppression": _suppression(ssd_mobilenetv1.IOU_THRESHOLD, earlier_first=True),
        "options": {"min_confidence": _SSD.min_confidence, "max_results": _SSD.max_results},
    },
    "face_landmark_68_net": _LANDMARKS,
    "face_landmark_68_tiny_net": _LANDMARKS,
    "face_expression_net": {"kind": "classes", "score": "softmax", "classes": list(FACE_EXPRESSION_LABELS)},
    "age_gender_net": {
        "kind": "age and gender",
        "age": "years",
        "score": "softmax",
        "classes": ["male", "female"],
        "male_if_above": 0.5,
    },
    "face_recognition_net": {
        "kind": "descriptor",
        "normalized": False,
        "distance": "euclidean",
        "options": {"distance_threshold": DEFAULT_THRESHOLD},
        "known_if": "<",
    },
}
