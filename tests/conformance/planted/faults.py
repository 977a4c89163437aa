"""The faults planted in the port of `numpy_port.py`: what is replaced, in which case, and which names are right.

Each is written as a porter would make it, independently of the kit.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from conformance.planted.numpy_port import MEAN_OF_PIXELS, NumpyPort, sigmoid, softmax, windows

LAND, TINY, REC = (f"raw/{net}/cut" for net in ("face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net"))
AGE, EXPR = "raw/age_gender_net/cut", "raw/face_expression_net/cut"
THREE = "raw/face_landmark_68_tiny_net/astronaut+tall+tiny"
TFD, SSD, YOLO = "raw/tiny_face_detector/tiny_128", "raw/ssd_mobilenetv1/cut@96", "raw/tiny_yolov2/cut+noise_224@64"
PNET, RNET, ONET = "raw/mtcnn_pnet/astronaut_min_60_2", "raw/mtcnn_rnet/astronaut_min_60", "raw/mtcnn_onet/astronaut_min_60"
D_SSD, D_TFD = "decode/ssd_mobilenetv1/synthetic_wide", "decode/tiny_face_detector/synthetic_wide"
D_YOLO, D_FULL = "decode/tiny_yolov2/synthetic_tall", "decode/tiny_yolov2_full/synthetic_tall"
CHAIN, CHAIN_SSD = "chain/tiny_416/group", "chain/ssd/cut"


@dataclass(frozen=True)
class Planted:
    """A fault in one case: the methods that are replaced, and the names under which a diagnosis is right."""

    what: str
    case: str
    right: frozenset[str]
    methods: tuple[tuple[str, object], ...]

    @property
    def id(self):
        return f"{self.what} in {self.case}"

    def port(self):
        return type("Faulty", (NumpyPort,), dict(self.methods))()


PLANTED: list[Planted] = []


def plant(what, right, *cases, **methods):
    PLANTED.extend(Planted(what, case, frozenset(right.split()), tuple(methods.items())) for case in cases)


def after(name, change):
    """The right step with a changed result."""
    method = getattr(NumpyPort, name)
    return lambda self, *args, **kwargs: change(method(self, *args, **kwargs))


def before(name, change):
    """The right step on a changed first argument."""
    method = getattr(NumpyPort, name)
    return lambda self, first, *args, **kwargs: method(self, change(first), *args, **kwargs)


def entering(change):
    return lambda self, network, batch: change(batch)


def leaving(change, *names):
    return lambda self, network, outputs: {k: change(v) if not names or k in names else v for k, v in outputs.items()}


def reread(change):
    return lambda self, network, tensors: {name: change(name, w) for name, w in tensors.items()}


def on_node(op, change):
    """An operation with another result: change(port, node, right result, x, parameters)."""
    method = getattr(NumpyPort, op)

    def run(self, node, *xs, **p):
        return change(self, node, method, xs, p)

    return run


def in_block(block, op, change):
    """An operation changed in one block only."""
    method = getattr(NumpyPort, op)

    def run(self, node, *xs, **p):
        return change(self, node, method, xs, p) if node["block"] == block else method(self, node, *xs, **p)

    return run


def with_attributes(op, **other):
    return on_node(
        op, lambda self, node, run, xs, p: run(self, {**node, "attributes": {**node["attributes"], **other}}, *xs, **p)
    )


# ------------------------------------------------------------------ the picture on its way to the network

plant("BGR for RGB", "bgr", REC, AGE, TFD, SSD, ONET, enter=entering(lambda x: x[..., ::-1]))
plant("picture not transposed", "not_transposed filters_wh", RNET, PNET, enter=entering(lambda x: x.transpose(0, 2, 1, 3)))
plant("picture mirrored", "mirrored", TINY, AGE, TFD, enter=entering(lambda x: x[:, :, ::-1]))
plant("picture upside down", "upside_down", EXPR, TFD, enter=entering(lambda x: x[:, ::-1]))
plant(
    "mean left out",
    "mean_missing",
    TINY,
    TFD,
    AGE,
    subtract=on_node("subtract", lambda self, node, run, xs, p: xs[0] if len(xs) == 1 and not p else run(self, node, *xs, **p)),
)


def division(change):
    return on_node("divide", lambda self, node, run, xs, p: change(xs[0], node["attributes"]["y"]))


plant("255 for 256", "divisor_255", REC, TFD, AGE, divide=division(lambda x, y: x / 255))
plant("256 for 255", "divisor_256", LAND, EXPR, divide=division(lambda x, y: x / 256))
plant("division left out", "division_missing", TINY, REC, TFD, YOLO, divide=division(lambda x, y: x))
plant(
    "scale left out",
    "division_missing",
    RNET,
    SSD,
    multiply=on_node("multiply", lambda self, node, run, xs, p: run(self, node, *xs, **p) if p else xs[0]),
)
plant("scaled to 0..1 before the mean", "scaled_before_mean", TINY, REC, TFD, enter=entering(lambda x: x / 255))


def divided_first(self, node, run, xs, p):
    return xs[0] / 255 - self.constant(node, None) if len(xs) == 1 and not p else run(self, node, *xs, **p)


plant(
    "divided before the mean is subtracted",
    "divided_before_mean scaled_before_mean",
    LAND,
    TFD,
    subtract=on_node("subtract", divided_first),
    divide=division(lambda x, y: x),
)


def wrapped(self, node, run, xs, p):
    if p or len(xs) > 1:
        return run(self, node, *xs, **p)
    return (xs[0].astype(np.int64) - self.constant(node, None).astype(np.int64)).astype(np.uint8).astype(np.float32)


def wrapped_after(self, node, run, xs, p):
    return run(self, node, *xs, **p).astype(np.int64).astype(np.uint8).astype(np.float32) if not p else run(self, node, *xs, **p)


plant("mean subtracted in uint8", "uint8_wrapped", TINY, AGE, TFD, subtract=on_node("subtract", wrapped))
plant("difference stored as uint8", "uint8_wrapped", EXPR, subtract=on_node("subtract", wrapped_after))
plant(
    "mean in BGR order",
    "mean_in_bgr",
    TINY,
    TFD,
    subtract=on_node("subtract", lambda self, node, run, xs, p: xs[0] - np.float32(node["attributes"]["y"])[::-1]),
)
plant("0..1 instead of -1..1", "scaled_0_1", SSD, enter=entering(lambda x: x / 2 + np.float32(MEAN_OF_PIXELS)))
plant("batch cut to bytes", "resize_truncated", TINY, EXPR, enter=entering(np.floor))
plant("batch rounded to bytes", "resize_in_bytes", TINY, REC, enter=entering(lambda x: np.floor(x + 0.5)))

# ------------------------------------------------------------------ layers


def symmetric(self, node, x, size, value=0.0):
    a = node["attributes"]
    if a.get("padding") == "same" and a.get("stride", 1) == 2:
        return np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)), constant_values=value)
    return NumpyPort.padded(self, node, x, size, value)


plant("padding=1 where the stride is 2", "symmetric_padding", TINY, SSD, EXPR, padded=symmetric)
plant(
    "pools round odd sizes down",
    "pool_floor",
    TFD,
    "taps/mtcnn_pnet/noise",
    max_pool=on_node(
        "max_pool",
        lambda self, node, run, xs, p: windows(
            xs[0] if node["attributes"]["stride"] == 2 else self.padded(node, xs[0], node["attributes"]["size"], -np.inf),
            node["attributes"]["size"],
            node["attributes"]["stride"],
        ).max(axis=(3, 4)),
    ),
)
plant(
    "pools pad with 0",
    "pool_zero_padding",
    AGE,
    RNET,
    max_pool=on_node(
        "max_pool",
        lambda self, node, run, xs, p: windows(
            self.padded(node, xs[0], node["attributes"]["size"]), node["attributes"]["size"], node["attributes"]["stride"]
        ).max(axis=(3, 4)),
    ),
)
plant("relu for relu6", "relu6_as_relu", SSD, "operations/relu6/1", relu6=lambda self, node, x: np.maximum(x, 0))
plant("relu6 for relu", "relu_as_relu6", TINY, REC, AGE, relu=lambda self, node, x: np.clip(x, 0, 6))
plant("leaky slope 0.2", "leaky_slope", TFD, YOLO, "operations/leaky_relu/1", leaky_relu=with_attributes("leaky_relu", alpha=0.2))
plant("leaky slope 0.01", "leaky_slope", TFD, leaky_relu=with_attributes("leaky_relu", alpha=0.01))
plant("relu for leaky relu", "leaky_as_relu", TFD, YOLO, leaky_relu=lambda self, node, x: np.maximum(x, 0))
plant("relu for prelu", "prelu_as_relu", RNET, PNET, prelu=lambda self, node, x, alpha: np.maximum(x, 0))
plant("epsilon 1e-5", "batch_norm_epsilon", SSD, batch_norm=with_attributes("batch_norm", epsilon=1e-5))
plant("epsilon 0", "batch_norm_epsilon", SSD, "operations/batch_norm/1", batch_norm=with_attributes("batch_norm", epsilon=0.0))
plant("relu left out", "relu_missing", TINY, REC, AGE, relu=lambda self, node, x: x)
plant("relu6 left out", "relu_missing", SSD, relu6=lambda self, node, x: x)


def no_shortcut(self, node, run, xs, p):
    """A sum without the block's input; other sums are unchanged."""
    own = [name.startswith(node["block"]) for name in node["inputs"]]
    return xs[own.index(True)] if sorted(own) == [False, True] else run(self, node, *xs, **p)


def longest(self, node, run, xs, p):
    """Only the last convolution of the sums of a dense block."""
    return xs[1] if len(xs) > 1 else run(self, node, *xs, **p)


plant("shortcuts left out", "residual_missing", REC, AGE, add=on_node("add", no_shortcut))
plant("sums of dense blocks left out", "no_dense_sums residual_missing", TINY, EXPR, add=on_node("add", longest))
plant(
    "sum for average",
    "sum_for_mean",
    AGE,
    EXPR,
    "operations/avg_pool/1",
    avg_pool=on_node("avg_pool", lambda self, node, run, xs, p: run(self, node, *xs) * node["attributes"]["size"] ** 2),
)
plant("sum for mean", "sum_for_mean", REC, "operations/mean/1", mean=lambda self, node, x: x.sum(axis=(1, 2)))
plant(
    "max for average",
    "max_for_mean",
    AGE,
    EXPR,
    avg_pool=lambda self, node, x: windows(x, node["attributes"]["size"], node["attributes"]["stride"]).max(axis=(3, 4)),
)
plant("softmax left out", "softmax_missing", RNET, ONET, softmax=lambda self, node, x: x)
plant(
    "argmax for softmax",
    "argmax_for_softmax",
    RNET,
    ONET,
    PNET,
    softmax=lambda self, node, x: np.eye(x.shape[-1], dtype=np.float32)[x.argmax(axis=-1)],
)
plant(
    "softmax over the wrong axis", "softmax_axis", RNET, PNET, softmax=lambda self, node, x: softmax(x, 0 if x.ndim == 2 else 1)
)

# ------------------------------------------------------------------ weights


def pytorch(name, w):
    if w.ndim == 4 and w.shape[3] == 1 and "depthwise" in name:
        return w.reshape(w.shape[2], 1, *w.shape[:2]).transpose(2, 3, 0, 1)
    if w.ndim == 4:
        return w.reshape(w.shape[3], w.shape[2], *w.shape[:2]).transpose(2, 3, 1, 0)
    return w.reshape(w.shape[::-1]).T if w.ndim == 2 else w


plant("all weights in PyTorch's layout", "weights_pytorch filters_oihw", TINY, REC, RNET, SSD, reread=reread(pytorch))
plant(
    "filters as [Co,Ci,KH,KW]",
    "filters_oihw",
    TINY,
    LAND,
    reread=reread(lambda name, w: pytorch(name, w) if w.ndim == 4 and "depthwise" not in name else w),
)
plant(
    "depthwise filters as [C,KH,KW]",
    "depthwise_chw",
    AGE,
    TFD,
    reread=reread(lambda name, w: pytorch(name, w) if "depthwise" in name and w.ndim == 4 else w),
)
plant(
    "dense weights as [Co,Ci]",
    "dense_transposed",
    AGE,
    RNET,
    reread=reread(lambda name, w: pytorch(name, w) if w.ndim == 2 else w),
)
plant(
    "filters turned",
    "filters_wh not_transposed",
    TINY,
    reread=reread(lambda name, w: w.transpose(1, 0, 2, 3) if w.ndim == 4 else w),
)
plant(
    "flattened channels first",
    "flatten_chw",
    RNET,
    ONET,
    reshape=lambda self, node, x: (
        np.moveaxis(x, -1, 1).reshape(len(x), -1)
        if x.ndim == 4 and len(node["attributes"]["shape"]) == 1
        else NumpyPort.reshape(self, node, x)
    ),
)
plant(
    "biases left out",
    "bias_missing",
    TINY,
    TFD,
    conv2d=on_node("conv2d", lambda self, node, run, xs, p: run(self, node, *xs, filters=p["filters"])),
    dense=on_node("dense", lambda self, node, run, xs, p: run(self, node, *xs, weights=p["weights"])),
)
plant(
    "biases added twice",
    "bias_twice",
    TINY,
    SSD,
    RNET,
    reread=reread(lambda name, w: w * 2 if name.rpartition("/")[2] in ("bias", "biases", "convolution_bn_offset") else w),
)


def exchanged(first, second):
    def change(self, network, tensors):
        return {**tensors, first: tensors[second], second: tensors[first]}

    return change


D0, D1 = "dense0/conv1/pointwise_filter", "dense0/conv2/pointwise_filter"
plant("two layers' weights exchanged", "weights_exchanged", TINY, LAND, EXPR, reread=exchanged(D0, D1))
plant(
    "two layers' weights exchanged",
    "weights_exchanged",
    REC,
    reread=exchanged("conv32_1/conv1/conv/filters", "conv32_1/conv2/conv/filters"),
)


def quantized(rounding):
    """The weights decoded differently; `q`, `scale` and `least` as stored."""
    return lambda self, q, scale, least: np.float32(rounding(q.astype(np.float64), scale, least))


plant(
    "zero point rounded",
    "zero_point_rounded",
    "weights/face_recognition_net",
    "weights/ssd_mobilenetv1",
    REC,
    SSD,
    dequantized=quantized(lambda q, scale, least: (q - np.round(-least / scale)) * scale),
)
plant(
    "dequantized in float32",
    "decoded_in_float32 decoded_in_float32_params",
    "weights/face_expression_net",
    "weights/age_gender_net",
    dequantized=lambda self, q, scale, least: q.astype(np.float32) * np.float32(scale) + np.float32(least),
)
plant("min left out", "min_missing", "weights/age_gender_net", dequantized=quantized(lambda q, scale, least: q * scale))
plant("numbers not decoded", "not_decoded", "weights/face_recognition_net", dequantized=quantized(lambda q, scale, least: q))
plant(
    "filters given as [Co,Ci,KH,KW]",
    "weights_oihw",
    "weights/face_landmark_68_tiny_net",
    weights=after("weights", lambda found: {k: v.transpose(3, 2, 0, 1) if v.ndim == 4 else v for k, v in found.items()}),
)


def bfloat16(w):
    bits = np.ascontiguousarray(w, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


plant("weights in float16", "weights_float16", TINY, REC, reread=reread(lambda name, w: w.astype(np.float16).astype(np.float32)))
plant("weights in bfloat16", "weights_bfloat16", TINY, AGE, reread=reread(lambda name, w: bfloat16(w)))

# ------------------------------------------------------------------ one block alone

T_TINY, T_REC, T_AGE = (f"taps/{net}/noise" for net in ("face_landmark_68_tiny_net", "face_recognition_net", "age_gender_net"))


def without_bias(self, node, run, xs, p):
    return run(self, node, *xs, filters=p["filters"])


def twice_bias(self, node, run, xs, p):
    return run(self, node, *xs, **p) + p["bias"]


plant("one bias left out", "bias_missing", T_TINY, conv2d=in_block("dense1/conv2", "conv2d", without_bias))
plant("one bias left out", "bias_missing", T_AGE, conv2d=in_block("entry_flow/conv_in", "conv2d", without_bias))
plant("one bias twice", "bias_twice", T_TINY, conv2d=in_block("dense1/conv1", "conv2d", twice_bias))
plant("one bias twice", "bias_twice", T_AGE, conv2d=in_block("entry_flow/conv_in", "conv2d", twice_bias))
plant(
    "one residual left out",
    "residual_missing no_dense_sums",
    T_REC,
    add=in_block("conv64_2", "add", lambda self, node, run, xs, p: run(self, node, *xs, **p) if p else xs[0]),
)
plant(
    "one residual left out",
    "residual_missing no_dense_sums",
    T_AGE,
    add=in_block("middle_flow/main_block_0", "add", lambda self, node, run, xs, p: xs[0]),
)
plant("one relu left out", "relu_missing", T_REC, relu=in_block("conv64_1/conv1", "relu", lambda self, node, run, xs, p: xs[0]))
plant(
    "one relu left out", "relu_missing", T_AGE, relu=in_block("entry_flow/conv_in", "relu", lambda self, node, run, xs, p: xs[0])
)
plant(
    "one convolution padded on the wrong side",
    "symmetric_padding",
    T_TINY,
    padded=lambda self, node, x, size, value=0.0: (symmetric if node["block"] == "dense1/conv0" else NumpyPort.padded)(
        self, node, x, size, value
    ),
)
plant(
    "one layer's filters as [Co,Ci,KH,KW]",
    "filters_oihw",
    T_REC,
    conv2d=in_block(
        "conv64_1/conv1",
        "conv2d",
        lambda self, node, run, xs, p: run(self, node, *xs, **{**p, "filters": pytorch("", p["filters"])}),
    ),
)
plant("two layers' weights exchanged", "weights_exchanged", T_TINY, reread=exchanged(D0, D1))
plant("one bias left out", "bias_missing", TINY, conv2d=in_block("dense1/conv2", "conv2d", without_bias))
plant("one relu left out", "relu_missing", AGE, relu=in_block("entry_flow/conv_in", "relu", lambda self, node, run, xs, p: xs[0]))
plant(
    "one residual left out",
    "residual_missing no_dense_sums",
    REC,
    add=in_block("conv64_2", "add", lambda self, node, run, xs, p: run(self, node, *xs, **p) if p else xs[0]),
)

# ------------------------------------------------------------------ outputs

plant("batch reversed", "batch_reversed", THREE, "raw/age_gender_net/astronaut+tall+tiny", leave=leaving(lambda v: v[::-1]))
plant("first picture for all", "first_for_all", THREE, RNET, leave=leaving(lambda v: np.repeat(v[:1], len(v), axis=0)))


def remembered(case):
    """The port's previous answers, to another picture."""
    return lambda self, network, batch: case_of(f"raw/{network}/{case}")[2].inputs["batch"]


plant("the previous case's answer", "answer_of_another_case", TINY, AGE, enter=remembered("noise"))
plant(
    "descriptor of length 1", "descriptor_normalized", REC, leave=leaving(lambda v: v / np.linalg.norm(v, axis=1, keepdims=True))
)
plant("age rounded", "age_rounded", AGE, leave=leaving(np.round, "age"))
plant("softmax of logits", "softmax_twice", EXPR, leave=leaving(softmax))
plant("sigmoid of logits", "sigmoid_applied", SSD, leave=leaving(sigmoid, "class_logits"))
plant("boxes (x, y) for (y, x)", "x_before_y", SSD, leave=leaving(lambda v: v[..., [1, 0, 3, 2]], "box_encodings"))
ALPHABET = [3, 5, 4, 1, 0, 2, 6]  # angry, disgusted, fearful, happy, neutral, sad, surprised
plant("expressions by the alphabet", "classes_alphabetical", EXPR, leave=leaving(lambda v: v[:, ALPHABET]))
plant("points (y, x)", "points_yx", TINY, LAND, leave=leaving(lambda v: v.reshape(-1, 68, 2)[..., ::-1].reshape(-1, 136)))
plant("points in pixels", "points_in_pixels", TINY, LAND, leave=leaving(lambda v: v * 112))
plant("channels first", "output_nchw", TFD, leave=leaving(lambda v: v.transpose(0, 3, 1, 2)))

# ------------------------------------------------------------------ pictures: the level prepare

P_ONE, P_THREE = "prepare/to_batch/wide_112_center", "prepare/to_batch/wide+tall+tiny_32_center"


def half_pixel(self, length, wanted):
    return (np.arange(wanted) + 0.5) * length / wanted - 0.5


plant("half-pixel centres", "resize_half_pixel", P_ONE, "operations/resize_bilinear/5", positions=half_pixel)
plant(
    "aligned corners",
    "resize_align_corners",
    P_ONE,
    "operations/resize_bilinear/2",
    positions=lambda self, length, wanted: np.linspace(0, length - 1, wanted),
)


def cubic(a, half=True):
    def resize(self, image, height, width):
        value = image.astype(np.float64)
        for axis, (n, m) in enumerate(zip(image.shape[:2], (height, width), strict=True)):
            at = (np.arange(m) + 0.5) * n / m - 0.5
            low = np.floor(at).astype(int)
            total = 0.0
            for k in range(-1, 3):
                d = np.abs(at - (low + k))
                near = (a + 2) * d**3 - (a + 3) * d**2 + 1
                far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
                weight = np.where(d <= 1, near, far).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
                total = total + weight * value.take(np.clip(low + k, 0, n - 1), axis)
            value = total
        return value.astype(np.float32)

    return resize


plant("bicubic", "resize_bicubic", P_ONE, resize=cubic(-0.75))
plant("bicubic with a = -0.5", "resize_bicubic", P_ONE, resize=cubic(-0.5))


@functools.cache
def case_of(name):
    """(inputs, attributes, question) of a golden case."""
    from npfaceapi.conformance.golden import GoldenCases
    from npfaceapi.conformance.questions import question_of

    golden = GoldenCases()
    case = next(one for one in golden.all_cases if one.name == name)
    return golden.inputs(case), case.attributes, question_of(golden, case)


def by_pillow(self, image, height, width):
    """As with bytes and Pillow."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).astype(np.float32)


plant("resized by Pillow", "resize_pillow_bytes", P_ONE, P_THREE, resize=by_pillow)


def taking_pictures(case, **methods):
    """A port that takes the pictures, with faulty preprocessing."""

    def enter(self, network, batch):
        pictures, a, _ = case_of(case)
        return self.batch(pictures, a["size"], a["center"])

    return {"enter": enter, **methods}


for _case in (THREE, "raw/face_recognition_net/cut"):
    plant("resized by Pillow", "resize_pillow_bytes", _case, **taking_pictures(_case, resize=by_pillow))
    plant("bicubic", "resize_bicubic", _case, **taking_pictures(_case, resize=cubic(-0.5)))
    plant("picture stretched", "padding_missing", _case, **taking_pictures(_case, square=lambda self, image, center: image))
    plant(
        "padded with grey",
        "padding_colour",
        _case,
        **taking_pictures(_case, fill=lambda self, image, pad: np.pad(image, pad, constant_values=128)),
    )
    plant(
        "padded on the other side",
        "padding_other_side",
        _case,
        **taking_pictures(_case, square=lambda self, image, center: NumpyPort.square(self, image, not center)),
    )
plant("padded with grey", "padding_colour", P_ONE, fill=lambda self, image, pad: np.pad(image, pad, constant_values=127))
plant(
    "padded by replication", "padding_replicated", P_ONE, P_THREE, fill=lambda self, image, pad: np.pad(image, pad, mode="edge")
)
plant("batch reversed", "batch_reversed", P_THREE, batch=before("batch", lambda pictures: pictures[::-1]))
plant("first picture for all", "first_for_all", P_THREE, batch=before("batch", lambda pictures: pictures[:1] * len(pictures)))
plant("BGR", "bgr", P_ONE, P_THREE, batch=after("batch", lambda batch: batch[..., ::-1]))


def cropped(change):
    return lambda self, box, W, H: change(*NumpyPort.crop(self, box, W, H))


def rounded_crop(self, box, W, H):
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[0] + box[2], W), min(box[1] + box[3], H)
    return tuple(math.floor(v + 0.5) for v in (left, top, right - left, bottom - top))


CROPS = ("prepare/crop/boxes_wide", "prepare/crop/boxes_tiny")
plant("crop one pixel to the right and below", "crop_off_by_one", *CROPS, crop=cropped(lambda x, y, w, h: (x + 1, y + 1, w, h)))
plant("crop one pixel larger", "crop_off_by_one", *CROPS, crop=cropped(lambda x, y, w, h: (x, y, w + 1, h + 1)))
plant("crop one pixel smaller", "crop_off_by_one", CROPS[0], crop=cropped(lambda x, y, w, h: (x, y, w - 1, h - 1)))
plant("crop rounded", "crop_rounded", *CROPS, crop=rounded_crop)
plant(
    "crop as floored edges",
    "crop_edges_floored",
    CROPS[0],
    crop=lambda self, box, W, H: (
        int(max(box[0], 0)),
        int(max(box[1], 0)),
        int(min(box[0] + box[2], W)) - int(max(box[0], 0)),
        int(min(box[1] + box[3], H)) - int(max(box[1], 0)),
    ),
)

# ------------------------------------------------------------------ decoding

AT = {"passes": lambda self, scores, threshold: scores >= threshold}
plant(
    "score >= threshold",
    "score_at_threshold",
    "decode/ssd_mobilenetv1/all_at_threshold",
    "decode/ssd_mobilenetv1/some_at_threshold",
    "decode/tiny_face_detector/some_at_threshold",
    "decode/tiny_yolov2/some_at_threshold",
    "decode/tiny_yolov2_full/some_at_threshold",
    "decode/mtcnn_stage2/score_at_threshold",
    "decode/mtcnn_stage3/score_at_threshold",
    **AT,
)
plant(
    "score > threshold in stage 1",
    "score_at_threshold",
    "decode/mtcnn_stage1/score_at_threshold",
    passes_stage1=lambda self, scores, threshold: scores > threshold,
)
plant(
    "overlap >= threshold",
    "nms_threshold_drops",
    "decode/non_max_suppression/coarse_min_0.5",
    "decode/ssd_non_max_suppression/coarse_max_100",
    survives=lambda self, overlaps, threshold: overlaps < threshold,
)


def ties_reversed(self, edges, scores, threshold, over_union=True, earlier_first=False, most=10**9):
    turned = NumpyPort.suppress(self, edges[::-1], scores[::-1], threshold, over_union, earlier_first, most)
    return [len(scores) - 1 - i for i in turned]


plant(
    "the other box of equal scores",
    "nms_ties",
    "decode/ssd_mobilenetv1/ties",
    "decode/tiny_face_detector/ties",
    "decode/non_max_suppression/coarse_min_0.5",
    suppress=ties_reversed,
)


def larger_areas(self, edges):
    return (edges[:, 2] - edges[:, 0] + 1) * (edges[:, 3] - edges[:, 1] + 1)


def larger_common(self, edges, others):
    sizes = np.minimum(edges[2:], others[:, 2:]) - np.maximum(edges[:2], others[:, :2]) + 1
    return np.maximum(sizes[:, 0], 0) * np.maximum(sizes[:, 1], 0)


plant(
    "areas with + 1",
    "nms_plus_one",
    "decode/non_max_suppression/random_iou_0.5",
    "decode/non_max_suppression/random_min_0.3",
    "decode/ssd_non_max_suppression/random_max_100",
    "decode/mtcnn_stage1/group",
    areas=larger_areas,
    common=larger_common,
)
plant(
    "the other area",
    "nms_other_area",
    "decode/non_max_suppression/random_min_0.5",
    suppress=lambda self, *args, **kwargs: NumpyPort.suppress(self, *args[:3], not args[3]),
)
plant("SSD's suppression at 0.4", "nms_threshold", D_SSD, "decode/ssd_mobilenetv1/group_min_0.02", ssd_iou=0.4)
plant("SSD's suppression at 0.6", "nms_threshold", D_SSD, ssd_iou=0.6)
plant("suppression at 0.5", "nms_threshold", D_TFD, D_YOLO, yolo_iou=0.5)
plant("suppression at 0.3", "nms_threshold", D_TFD, yolo_iou=0.3)
plant(
    "encodings undivided",
    "variances_missing",
    D_SSD,
    "decode/ssd_mobilenetv1/astronaut",
    ssd_boxes=before("ssd_boxes", lambda e: e * np.float32([10, 10, 5, 5])),
)
plant(
    "encodings divided by 10 alone",
    "variances_partial",
    D_SSD,
    ssd_boxes=before("ssd_boxes", lambda e: e * np.float32([1, 1, 5, 5])),
)
plant("encodings (x, y, w, h)", "x_before_y", D_SSD, ssd_boxes=before("ssd_boxes", lambda e: e[:, [1, 0, 3, 2]]))
plant("class 0", "class_column_0", D_SSD, ssd_scores=lambda self, logits: sigmoid(logits[:, 0]))
plant("softmax for sigmoid", "softmax_for_sigmoid", D_SSD, ssd_scores=lambda self, logits: softmax(logits)[:, 1])
plant(
    "boxes clipped to the picture",
    "clipped_to_picture",
    "decode/ssd_mobilenetv1/synthetic_tall",
    D_SSD,
    clipped=lambda self, corners, inner, size: np.clip(corners, 0, np.tile([inner[1] / size, inner[0] / size], 2)),
)
plant("boxes not clipped", "not_clipped", D_SSD, clipped=lambda self, corners, inner, size: corners)
plant("padding not undone", "padding_not_undone", D_SSD, D_TFD, unpadded=lambda self, boxes, inner, size: boxes)
plant("sigmoid left out", "sigmoid_missing", D_TFD, yolo_center=lambda self, t: t)
plant("sigmoid of scores left out", "sigmoid_missing", D_TFD, D_YOLO, yolo_scores=lambda self, logits: logits)
plant(
    "sigmoid of scores left out", "sigmoid_missing", "decode/ssd_mobilenetv1/synthetic_wide", ssd_scores=lambda self, x: x[:, 1]
)
plant("anchors shifted by one", "anchors_order", D_TFD, D_YOLO, anchors=after("anchors", lambda a: [*a[1:], a[0]] * np.ones(1)))
plant("anchors backwards", "anchors_order", D_TFD, D_FULL, anchors=after("anchors", lambda a: a[::-1]))
plant("nothing suppressed", "nms_missing", D_TFD, D_SSD, D_YOLO, survives=lambda self, overlaps, threshold: overlaps < 9)
plant("anchors exchanged", "anchors_exchanged rows_for_columns", D_TFD, anchors=after("anchors", lambda a: a[:, ::-1]))


def answering(change):
    return lambda self, boxes, scores, W, H: {
        "boxes": change(boxes, W, H).astype(np.float64),
        "scores": scores.astype(np.float64),
    }


EACH = (D_SSD, D_TFD, D_FULL)
plant(
    "boxes as corners",
    "boxes_as_corners",
    *EACH,
    given=answering(lambda b, W, H: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1)),
)
plant("boxes relative to the picture", "boxes_relative", *EACH, given=answering(lambda b, W, H: b / [W, H, W, H]))
plant("boxes rounded", "boxes_rounded", *EACH, given=answering(lambda b, W, H: np.round(b)))
plant("boxes (y, x, height, width)", "boxes_yx", *EACH, given=answering(lambda b, W, H: b[:, [1, 0, 3, 2]]))
plant(
    "boxes (y, x) corners",
    "boxes_yx_corners",
    D_SSD,
    D_TFD,
    given=answering(lambda b, W, H: np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1)[:, [1, 0, 3, 2]]),
)
plant(
    "boxes by their centre",
    "boxes_by_centre",
    D_SSD,
    D_TFD,
    given=answering(lambda b, W, H: np.concatenate([b[:, :2] + b[:, 2:] / 2, b[:, 2:]], axis=1)),
)


def left_to_right(self, boxes, scores, W, H):
    order = np.argsort(boxes[:, 0], kind="stable")
    return {"boxes": boxes[order].astype(np.float64), "scores": scores[order].astype(np.float64)}


plant("faces from left to right", "faces_left_to_right", D_SSD, D_TFD, "decode/tiny_face_detector/synthetic", given=left_to_right)
plant(
    "padding of landmarks not undone",
    "padding_not_undone",
    "decode/face_landmark_68_net/synthetic",
    landmarks=lambda self, points, w, h: points.astype(np.float64).reshape(68, 2),
)
plant(
    "points planar",
    "points_planar",
    "decode/face_landmark_68_tiny_net/synthetic",
    landmarks=lambda self, points, w, h: NumpyPort.landmarks(self, points.reshape(2, 68).T, w, h),
)
PROBABLE = ("decode/face_expression_net/synthetic", "decode/age_gender_net/synthetic")
plant(
    "argmax for softmax",
    "argmax_for_softmax",
    *PROBABLE,
    probabilities=lambda self, logits: np.eye(logits.shape[-1], dtype=np.float32)[logits.argmax(axis=-1)],
)
plant("female for male", "classes_exchanged", PROBABLE[1], male=1)
plant(
    "expressions by the alphabet",
    "classes_alphabetical",
    PROBABLE[0],
    probabilities=after("probabilities", lambda v: v[:, ALPHABET]),
)
plant("softmax over the wrong axis", "softmax_axis", *PROBABLE, probabilities=lambda self, logits: softmax(logits, 0))
plant("softmax twice", "softmax_twice", *PROBABLE, probabilities=after("probabilities", softmax))
plant("softmax left out", "softmax_missing", PROBABLE[0], probabilities=lambda self, logits: logits)
plant("sigmoid for softmax", "softmax_for_sigmoid", PROBABLE[1], probabilities=lambda self, logits: sigmoid(logits))
plant(
    "regions (top, left, …)",
    "regions_y_first",
    "decode/mtcnn_stage2/group",
    "decode/mtcnn_stage3/group",
    regions=lambda self, r: r[:, [1, 0, 3, 2]],
)
plant(
    "regions left out", "regions_missing", "decode/mtcnn_stage1/group", "decode/mtcnn_stage3/group", regions=lambda self, r: r * 0
)
plant(
    "boxes one larger",
    "off_by_one",
    "decode/mtcnn_stage2/group",
    finished=after("finished", lambda b: b + np.array([0, 0, 1, 1])),
)
plant(
    "points interleaved",
    "points_interleaved",
    "decode/mtcnn_stage3/group",
    five_points=before("five_points", lambda p: p.reshape(-1, 5, 2).transpose(0, 2, 1).reshape(-1, 10)),
)

# ------------------------------------------------------------------ the chain

plant(
    "landmarks not shifted",
    "landmarks_unshifted",
    CHAIN,
    CHAIN_SSD,
    placed=lambda self, points, rects: [p - 0 for p in points],
    shifted=lambda self, points, box, rect: points,
)
plant(
    "landmarks relative to the box",
    "landmarks_relative",
    CHAIN,
    CHAIN_SSD,
    placed=lambda self, points, rects: [(p - r[:2]) / r[2:] for p, r in zip(points, np.array(rects), strict=True)],
)
plant(
    "landmarks at the crop's corner",
    "shift_floored shift_at_crop",
    CHAIN,
    shifted=lambda self, points, box, rect: points + rect[:2],
)
plant("faces from left to right", "faces_left_to_right", CHAIN, given=left_to_right)
plant(
    "boxes as corners",
    "boxes_as_corners",
    CHAIN_SSD,
    chain=after(
        "chain",
        lambda out: {**out, "boxes": np.concatenate([out["boxes"][:, :2], out["boxes"][:, :2] + out["boxes"][:, 2:]], axis=1)},
    ),
)
plant("age rounded", "age_rounded", CHAIN, age=lambda self, age: np.round(age))
plant(
    "aligned box without padding",
    "align_padding_missing",
    CHAIN_SSD,
    aligned=lambda self, points, box: np.concatenate([points.min(axis=0), points.max(axis=0) - points.min(axis=0)]),
)
plant(
    "descriptor from the aligned box",
    "descriptor_from_aligned",
    CHAIN,
    described=lambda self, points, box, w, h: self.aligned(points, box),
)
plant("age from the detection", "seen_as_detection", CHAIN_SSD, seen=lambda self, points, box, w, h: box)
plant("female for male", "classes_exchanged", CHAIN_SSD, male=1)
plant("crop one pixel to the right and below", "crop_off_by_one", CHAIN, crop=cropped(lambda x, y, w, h: (x + 1, y + 1, w, h)))

# ------------------------------------------------------------------ matches

MATCHER = "json/face_matcher_1.2"
plant(
    "distance <= threshold",
    "distance_at_threshold",
    "json/face_matcher_at_threshold",
    known=lambda self, distance, threshold: distance <= threshold,
)
plant("nearest descriptor", "nearest_descriptor", MATCHER, of_person=lambda self, distances: min(distances))
plant(
    "squared distance",
    "distance_squared",
    "json/euclidean_distance",
    MATCHER,
    distance=lambda self, a, b: float(np.square(a.astype(np.float64) - b).sum()),
)
plant(
    "cosine distance",
    "distance_cosine",
    "json/euclidean_distance",
    distance=lambda self, a, b: float(
        1 - np.dot(a.astype(np.float64), b) / (np.linalg.norm(a.astype(np.float64)) * np.linalg.norm(b.astype(np.float64)))
    ),
)
plant(
    "sum of absolute differences",
    "distance_manhattan",
    "json/euclidean_distance",
    MATCHER,
    distance=lambda self, a, b: float(np.abs(a.astype(np.float64) - b).sum()),
)
plant(
    "distance rounded",
    "label_rounded",
    "json/face_match",
    text=lambda self, label, distance: f"{label} ({round(distance * 100) / 100:g})",
)
