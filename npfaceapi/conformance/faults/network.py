"""Faults inside a network: one change to its graph, its weights or its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npfaceapi import ops
from npfaceapi.conformance.faults.fault import Answers, Weights, network_fault
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.rewrite import Change, again
from npfaceapi.faces.predictions import FACE_EXPRESSION_LABELS
from npfaceapi.graph import Graph, Node
from npfaceapi.networks.blocks import FEATURE_MEAN_RGB, YOLO_MEAN_RGB
from npfaceapi.networks.neural_network import sigmoid, softmax
from npfaceapi.ops import window_padding

__all__ = ["NETWORK_FAULTS", "alphabetical"]

Array = np.ndarray[Any, Any]
New = Mapping[Node, Node]


# ------------------------------------------------------------------ graph


def _window_of(node: Node) -> tuple[int, int]:
    """(Window, stride) of a convolution or pool."""
    size = node.attributes["size"] if "size" in node.attributes else node.params["filters"].shape[0]
    return int(size), int(node.attributes.get("stride", 1))


def _same_of(node: Node) -> tuple[int, int]:
    """Rows of 'same' padding before and after the input of a node; (0, 0) for other padding."""
    if node.attributes.get("padding") != "same":
        return 0, 0
    return window_padding(node.inputs[0].shape[0], *_window_of(node), "same")[:2]


def _symmetric(*kinds: str) -> Change:
    def change(node: Node, new: New) -> Node | None:
        if node.op not in kinds:
            return None
        before, after = _same_of(node)
        return again(node, new, padding=_window_of(node)[0] // 2) if before != after else None

    return change


def zero_padded_pool(node: Node, new: New) -> Node | None:
    rows, columns = _same_of(node), _same_of(node)
    if node.op != "max_pool" or rows == (0, 0):
        return None
    size, stride = _window_of(node)
    columns = window_padding(node.inputs[0].shape[1], size, stride, "same")[:2]
    return again(node, new, x=ops.pad(new[node.inputs[0]], rows, columns), padding="valid")


def floored_pool(node: Node, new: New) -> Node | None:
    halves = node.op == "max_pool" and _window_of(node)[1] == 2 and node.attributes["padding"] == "same"
    return again(node, new, padding="valid") if halves else None


def skipped_pool(node: Node, new: New) -> Node | None:
    return new[node.inputs[0]] if node.op == "max_pool" and _window_of(node)[1] == 1 else None


def padded_valid(node: Node, new: New) -> Node | None:
    valid = node.op == "conv2d" and node.attributes["padding"] == "valid" and _window_of(node)[0] > 1
    return again(node, new, padding="same") if valid else None


def _activation(op: str, other: Any) -> Change:
    return lambda node, new: other(node, new) if node.op == op else None


def _tuple_of(node: Node) -> tuple[float, ...] | None:
    y = node.attributes.get("y")
    return y if node.op == "subtract" and isinstance(y, tuple) else None


def no_mean(node: Node, new: New) -> Node | None:
    constant = node.op == "subtract" and "y" in node.attributes
    return new[node.inputs[0]] if constant else None


def mean_in_bgr(node: Node, new: New) -> Node | None:
    mean = _tuple_of(node)
    return None if mean is None else again(node, new, y=mean[::-1])


def other_mean(node: Node, new: New) -> Node | None:
    mean = _tuple_of(node)
    return None if mean is None else again(node, new, y=YOLO_MEAN_RGB if mean == FEATURE_MEAN_RGB else FEATURE_MEAN_RGB)


def _divisor(of: float, instead: float) -> Change:
    return lambda node, new: again(node, new, y=instead) if node.op == "divide" and node.attributes.get("y") == of else None


def scaled_to_one(node: Node, new: New) -> Node | None:
    """Scale the input to 0..1 instead of -1..1."""
    if node.op == "multiply" and isinstance(node.attributes.get("y"), float):
        x = node.inputs[0] if node.inputs[0].op != "subtract" else node.inputs[0].inputs[0]
        return again(node, new, x=new[x], y=1 / 255)
    minus_one = node.op == "subtract" and node.attributes.get("y") == 1.0
    return new[node.inputs[0]] if minus_one else None


def batch_norm_order(node: Node, new: New) -> Node | None:
    """Conv, bias, norm instead of conv, norm, bias (full Tiny YOLO v2); conv, scale, bias instead of conv, bias, scale."""
    product = node.inputs[0] if node.op == "add" and "y" in node.params else None
    if product is None or product.op != "multiply" or "y" not in product.params:
        return None
    first = product.inputs[0]
    if first.op == "subtract" and "y" in first.params:
        shifted = ops.subtract(ops.add(new[first.inputs[0]], node.params["y"]), first.params["y"])
        return ops.multiply(shifted, product.params["y"])
    if first.op == "conv2d" and "bias" in first.params:
        plain = ops.conv2d(new[first.inputs[0]], first.params["filters"], None, **first.attributes)
        scaled = ops.multiply(plain, product.params["y"])
        return ops.add(ops.add(scaled, first.params["bias"]), node.params["y"])
    return None


def shortcut_padded_before(node: Node, new: New) -> Node | None:
    if node.op != "pad":
        return None
    return again(node, new, **{key: value[::-1] for key, value in node.attributes.items()})


def activated_shortcut(node: Node, new: New) -> Node | None:
    shortcut = node.op == "conv2d" and node.block.endswith("expansion_conv")
    return again(node, new, x=ops.relu(new[node.inputs[0]])) if shortcut else None


def relu_between(node: Node, new: New) -> Node | None:
    pointwise = node.op == "conv2d" and node.inputs[0].op == "depthwise_conv2d"
    return again(node, new, x=ops.relu(new[node.inputs[0]])) if pointwise else None


def _convolutions(node: Node) -> set[Node]:
    """The convolutions that a value comes from."""
    found, waiting = set(), [node]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += one.inputs
    return {one for one in found if one.op == "conv2d"}


def _no_shortcut(identities: bool) -> Change:
    """Drop the shorter branch of a sum; `identities` selects the sums where that is the block's input."""

    def change(node: Node, new: New) -> Node | None:
        if node.op != "add" or len(node.inputs) != 2:
            return None
        short, long = sorted(node.inputs, key=lambda one: len(_convolutions(one)))
        return new[long] if (short.block != long.block and not short.block.startswith(node.block)) or not identities else None

    return change


def no_activation(node: Node, new: New) -> Node | None:
    return new[node.inputs[0]] if node.op in ("relu", "relu6", "leaky_relu", "prelu") else None


def no_division(node: Node, new: New) -> Node | None:
    constant = node.op in ("divide", "multiply") and "y" in node.attributes
    return new[node.inputs[0]] if constant else None


def _divided_first(by: float | None = None) -> Change:
    """x / d - mean instead of (x - mean) / d."""

    def change(node: Node, new: New) -> Node | None:
        x = node.inputs[0] if node.op == "divide" and "y" in node.attributes else None
        if x is None or x.op != "subtract" or "y" not in x.attributes:
            return None
        return ops.subtract(ops.divide(new[x.inputs[0]], by or node.attributes["y"]), x.attributes["y"])

    return change


def _summed(*kinds: str) -> Change:
    def change(node: Node, new: New) -> Node | None:
        if node.op not in kinds:
            return None
        window = node.attributes["size"] ** 2 if node.op == "avg_pool" else np.prod(node.inputs[0].shape[:2])
        return ops.multiply(again(node, new), float(window))

    return change


def no_dense_sums(node: Node, new: New) -> Node | None:
    summed = node.op == "add" and len(node.inputs) == 2 and node.block.startswith("dense")
    return new[node.inputs[1]] if summed else None


def no_bias(node: Node, new: New) -> Node | None:
    return again(node, new, bias=None) if "bias" in node.params else None


def no_softmax(node: Node, new: New) -> Node | None:
    return new[node.inputs[0]] if node.op == "softmax" else None


def max_for_mean(node: Node, new: New) -> Node | None:
    if node.op != "avg_pool":
        return None
    return ops.max_pool(new[node.inputs[0]], node.attributes["size"], stride=node.attributes["stride"], padding="valid")


# ------------------------------------------------------------------ weights


def _filters(*ops_wanted: str) -> Any:
    """The names of the filters that operations of these kinds read."""
    return lambda graph: {
        node.params[key].name for node in graph for key in ("filters", "weights") if node.op in ops_wanted and key in node.params
    }


def _reread(kinds: tuple[str, ...], turn: Any) -> Any:
    def change(graph: Graph, weights: Weights) -> Weights:
        names = _filters(*kinds)(graph)
        turned = {name: turn(weights[name]) for name in names}
        return {**weights, **{name: w for name, w in turned.items() if w.shape == weights[name].shape
                              and not np.array_equal(w, weights[name])}}  # fmt: skip

    return change


def _as_oihw(w: Array) -> Array:
    KH, KW, Ci, Co = w.shape
    return np.asarray(w.reshape(Co, Ci, KH, KW).transpose(2, 3, 1, 0))


def _as_chw(w: Array) -> Array:
    KH, KW, C, _ = w.shape
    return np.asarray(w.reshape(C, KH, KW).transpose(1, 2, 0)[..., None])


def _as_ohwi(w: Array) -> Array:
    KH, KW, Ci, Co = w.shape
    return np.asarray(w.reshape(Co, KH, KW, Ci).transpose(1, 2, 3, 0))


def _as_pytorch(*also: str) -> Any:
    """All filters, and those of `also`, read in PyTorch's layout; nothing if that equals one of the single faults."""
    turns = {"conv2d": _as_oihw, "depthwise_conv2d": _as_chw, "dense": lambda w: w.reshape(w.shape[::-1]).T}

    def change(graph: Graph, weights: Weights) -> Weights:
        if not {"conv2d", *also} <= {node.op for node in graph}:
            return weights
        out = weights
        for kind in ("conv2d", *also):
            out = _reread((kind,), turns[kind])(graph, out)
        return out

    return change


def doubled_bias(graph: Graph, weights: Weights) -> Weights:
    names = {node.params["bias"].name for node in graph if "bias" in node.params}
    return {name: w * np.float32(2) if name in names and w.any() else w for name, w in weights.items()}


def channels_first_flatten(graph: Graph, weights: Weights) -> Weights:
    """Flatten as [C,H,W] instead of [H,W,C], by reordering the rows of the next layer."""
    out = dict(weights)
    for node in graph:
        source = node.inputs[0] if node.op == "dense" else None
        if source is not None and source.op == "reshape" and len(source.inputs[0].shape) == 3:
            H, W, C = source.inputs[0].shape
            if H * W > 1:
                name = node.params["weights"].name
                out[name] = weights[name].reshape(C, H, W, -1).transpose(1, 2, 0, 3).reshape(weights[name].shape)
    return out


def exchanged_norm(graph: Graph, weights: Weights) -> Weights:
    """Exchange the scale and the offset of a batch norm."""
    out = dict(weights)
    for node in graph:
        if node.op == "batch_norm":
            scale, offset = node.params["scale"].name, node.params["offset"].name
            out[scale], out[offset] = weights[offset], weights[scale]
    return out


# ------------------------------------------------------------------ outputs


def _on(names: tuple[str, ...], change: Any) -> Any:
    def outputs(case: Case, answers: Answers) -> Answers:
        return {name: change(value) if name in names else value for name, value in answers.items()}

    return outputs


def _chosen(x: Array) -> Array:
    """1 for the largest, else 0."""
    return np.asarray(np.eye(x.shape[-1], dtype=np.float32)[x.argmax(axis=-1)])


def _softmax_over(axis: int) -> Any:
    def change(x: Array) -> Array:
        return np.moveaxis(softmax(np.moveaxis(x, axis, -1)), -1, axis) if axis < x.ndim - 1 else softmax(x)

    return change


def _normalized(x: Array) -> Array:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True), np.float32)


def alphabetical(x: Array) -> Array:
    """Put the expressions, the last classes, in alphabetical order."""
    return np.asarray(x[..., np.argsort(FACE_EXPRESSION_LABELS)])


def _y_first(x: Array) -> Array:
    return np.asarray(x.reshape(*x.shape[:-1], -1, 2)[..., ::-1].reshape(x.shape))


def heads_channels_first(case: Case, answers: Answers) -> Answers:
    """Reshape SSD's predictors as [C,H,W], as in channels-first frameworks."""
    if case.net != "ssd_mobilenetv1":
        return answers
    out: Answers = {}
    for name, value in answers.items():
        parts, at, side = [], 0, -(-case.attributes["size"] // 8)
        for anchors in (3, 6, 6, 6, 6, 6):
            side = -(-side // 2)  # 32, 16, 8, 4, 2, 1 for an input of 512
            rows = side * side * anchors
            part = value[:, at : at + rows].reshape(len(value), side, side, -1)
            parts.append(part.transpose(0, 3, 1, 2).reshape(len(value), rows, -1))
            at += rows
        out[name] = np.concatenate(parts, axis=1)
    return out


def channels_first_output(case: Case, answers: Answers) -> Answers:
    return {name: np.moveaxis(value, -1, 1) if value.ndim == 4 else value for name, value in answers.items()}


NETWORK_FAULTS = (
    network_fault("symmetric_padding",
                  "symmetric instead of asymmetric 'same' padding in convolutions of stride 2 (as padding=1)",
                  graph=_symmetric("conv2d", "depthwise_conv2d")),
    network_fault("symmetric_pool_padding", "symmetric instead of asymmetric 'same' padding in max pools",
                  graph=_symmetric("max_pool")),
    network_fault("pool_zero_padding", "max pools that count padding as 0", graph=zero_padded_pool),
    network_fault("pool_floor", "max pools that round odd sizes down", graph=floored_pool),
    network_fault("pool_stride_1_skipped", "the last max pool, of stride 1, left out", graph=skipped_pool),
    network_fault("same_for_valid", "'same' padding where the network pads nothing ('valid')", graph=padded_valid),
    *(network_fault("leaky_slope", f"leaky relu with slope {slope} instead of 0.1",
                    graph=_activation("leaky_relu", lambda node, new, slope=slope: again(node, new, alpha=slope)))
      for slope in (0.01, 0.2, 0.3)),
    network_fault("leaky_as_relu", "relu instead of leaky relu",
                  graph=_activation("leaky_relu", lambda node, new: ops.relu(new[node.inputs[0]]))),
    network_fault("prelu_as_relu", "relu instead of prelu",
                  graph=_activation("prelu", lambda node, new: ops.relu(new[node.inputs[0]]))),
    network_fault("relu6_as_relu", "relu instead of relu6 (not clipped at 6)",
                  graph=_activation("relu6", lambda node, new: ops.relu(new[node.inputs[0]]))),
    network_fault("relu_as_relu6", "relu6 instead of relu (clipped at 6)",
                  graph=_activation("relu", lambda node, new: ops.relu6(new[node.inputs[0]]))),
    network_fault("relu_missing", "the activations left out", graph=no_activation),
    *(network_fault("batch_norm_epsilon", f"batch norm with epsilon {epsilon:g} instead of 0.001",
                    graph=_activation("batch_norm", lambda node, new, epsilon=epsilon: again(node, new, epsilon=epsilon)))
      for epsilon in (1e-5, 0.0)),
    network_fault("batch_norm_order", "batch norm (or scale) before the bias instead of after it, or the other way round",
                  graph=batch_norm_order),
    network_fault("batch_norm_exchanged", "scale and offset of batch norms exchanged", weights=exchanged_norm),
    network_fault("divisor_256", "divided by 256 instead of 255", graph=_divisor(255.0, 256.0)),
    network_fault("divisor_255", "divided by 255 instead of 256", graph=_divisor(256.0, 255.0)),
    network_fault("division_missing", "not divided (the scale of the input left out)", graph=no_division),
    *(network_fault("divided_before_mean", "divided before the mean is subtracted", graph=_divided_first(by))
      for by in (None, 255.0)),
    network_fault("mean_missing", "the mean not subtracted", graph=no_mean),
    network_fault("mean_in_bgr", "the mean subtracted in BGR order", graph=mean_in_bgr),
    network_fault("mean_of_others", "the mean of other networks subtracted", graph=other_mean),
    network_fault("scaled_0_1", "input scaled to 0..1 instead of -1..1", graph=scaled_to_one),
    network_fault("shortcut_padded_before", "zeros of the shortcut put before instead of after", graph=shortcut_padded_before),
    network_fault("activated_shortcut", "the shortcut taken after the relu instead of before it", graph=activated_shortcut),
    network_fault("relu_between", "an activation between depthwise and pointwise convolution", graph=relu_between),
    network_fault("no_dense_sums", "the sums of dense blocks left out", graph=no_dense_sums),
    *(network_fault("residual_missing", "the shortcuts of residual blocks left out", graph=_no_shortcut(identities))
      for identities in (False, True)),
    network_fault("bias_missing", "the biases left out", graph=no_bias),
    network_fault("bias_twice", "the biases added twice", weights=doubled_bias),
    *(network_fault("sum_for_mean", "the sum instead of the average in pooling", graph=_summed(*kinds))
      for kinds in (("avg_pool",), ("mean",), ("avg_pool", "mean"))),
    network_fault("max_for_mean", "max instead of average pooling", graph=max_for_mean),
    network_fault("softmax_missing", "the softmax left out", graph=no_softmax),
    network_fault("filters_oihw", "filters read as [Co,Ci,KH,KW] instead of [KH,KW,Ci,Co]",
                  weights=_reread(("conv2d",), _as_oihw)),
    network_fault("filters_ohwi", "filters read as [Co,KH,KW,Ci] instead of [KH,KW,Ci,Co]",
                  weights=_reread(("conv2d",), _as_ohwi)),
    *(network_fault("weights_pytorch", "all weights read in PyTorch's layout ([Co,Ci,KH,KW], [C,1,KH,KW], dense [Co,Ci])",
                    weights=_as_pytorch(*also))
      for also in (("depthwise_conv2d", "dense"), ("depthwise_conv2d",), ("dense",))),
    network_fault("depthwise_chw", "depthwise filters read as [C,KH,KW] instead of [KH,KW,C]",
                  weights=_reread(("depthwise_conv2d",), _as_chw)),
    network_fault("filters_wh", "rows and columns of the filters exchanged",
                  weights=_reread(("conv2d", "depthwise_conv2d"), lambda w: w.transpose(1, 0, 2, 3))),
    network_fault("filters_flipped", "filters flipped (convolution instead of cross-correlation)",
                  weights=_reread(("conv2d", "depthwise_conv2d"), lambda w: w[::-1, ::-1])),
    network_fault("dense_transposed", "dense weights read as [Co,Ci] instead of [Ci,Co]",
                  weights=_reread(("dense",), lambda w: w.reshape(w.shape[::-1]).T)),
    network_fault("flatten_chw", "flattened as [C,H,W] instead of [H,W,C]", weights=channels_first_flatten),
    network_fault("softmax_twice", "softmax of the outputs applied once too often (on raw logits, or twice)",
                  outputs=_on(("logits", "gender_logits", "class_logits", "prob"), softmax)),
    network_fault("argmax_for_softmax", "1 for the largest and 0 for the others instead of the softmax",
                  outputs=_on(("logits", "gender_logits", "prob"), _chosen)),
    *(network_fault("softmax_axis", "softmax over another axis than the last", graph=no_softmax,
                    outputs=_on(("prob",), _softmax_over(axis)))
      for axis in (0, 1, 2)),
    network_fault("age_rounded", "the age rounded to whole years", outputs=_on(("age",), lambda v: np.floor(v + 0.5))),
    network_fault("sigmoid_applied", "sigmoid applied to raw outputs", outputs=_on(("class_logits", "grid", "points"), sigmoid)),
    network_fault("descriptor_normalized", "the descriptor normalized to length 1", outputs=_on(("descriptor",), _normalized)),
    network_fault("classes_exchanged", "the classes in reverse order",
                  outputs=_on(("gender_logits", "prob", "class_logits", "logits"), lambda v: v[..., ::-1])),
    network_fault("classes_alphabetical", "the expressions in alphabetical order", outputs=_on(("logits",), alphabetical)),
    network_fault("points_yx", "points as y0, x0, y1, … instead of x0, y0, x1, …", outputs=_on(("points",), _y_first)),
    network_fault("x_before_y", "box encodings as (x, y, w, h) instead of (y, x, h, w), or the other way round",
                  outputs=_on(("box_encodings", "regions"), lambda v: v[..., [1, 0, 3, 2]])),
    network_fault("points_in_pixels", "points in pixels of the 112 square instead of fractions of it",
                  outputs=_on(("points",), lambda v: v * np.float32(112))),
    network_fault("heads_channels_first", "SSD's predictors reshaped channels first", outputs=heads_channels_first),
    network_fault("output_nchw", "outputs as [N,C,H,W] instead of [N,H,W,C]", outputs=channels_first_output),
)  # fmt: skip
