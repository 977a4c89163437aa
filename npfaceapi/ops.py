"""All operations that a network may use.

An operation here records a node: it checks the shapes, derives the shape of its result and counts its
multiply-accumulates (MACs).  What it computes is defined by the function of the same name in
`engines/reference.py`.  Layout is NHWC, filters are HWIO; the shapes written below leave N out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.graph import Node, Param

__all__ = [
    "add",
    "avg_pool",
    "batch_norm",
    "concat",
    "conv2d",
    "dense",
    "depthwise_conv2d",
    "divide",
    "leaky_relu",
    "max_pool",
    "mean",
    "multiply",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "reshape",
    "sigmoid",
    "softmax",
    "subtract",
    "window_padding",
]

Operand = Node | Param | float | tuple[float, ...]


def window_padding(size: int, window: int, stride: int, padding: str | int) -> tuple[int, int, int]:
    """The padding and the output size of a window along one dimension: (padding before, padding after, outputs).

    `"same"` gives ceil(size / stride) outputs and puts the odd pixel of padding after the image (TensorFlow's rule);
    `"valid"` pads nothing; an integer pads that many pixels on both sides.
    """
    if padding == "same":
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        before, after = total // 2, total - total // 2
    elif padding == "valid":
        before = after = 0
    elif isinstance(padding, int) and padding >= 0:
        before = after = padding
    else:
        raise InvalidArgument(f'padding: expected "same", "valid" or a number of pixels, got {shown(padding)}')
    return before, after, (size + before + after - window) // stride + 1


def _window(x: Node, size: tuple[int, int], stride: int, padding: str | int, op: str) -> tuple[int, int]:
    if len(x.shape) != 3:
        raise InvalidArgument(f"{op}: expected an input [H, W, C], got {list(x.shape)}")
    H, W = (window_padding(n, k, stride, padding)[2] for n, k in zip(x.shape, size, strict=False))
    if H < 1 or W < 1:
        raise InvalidArgument(f"{op}: expected an input of at least {size[0]}x{size[1]} pixels, got {x.shape[0]}x{x.shape[1]}")
    return H, W


def _check(op: str, param: Param | None, expected: Sequence[int]) -> None:
    if param is not None and tuple(param.shape) != tuple(expected):
        raise InvalidArgument(f"{op}: expected {param.name} of shape {list(expected)}, got {list(param.shape)}")


def conv2d(x: Node, filters: Param, bias: Param | None = None, *, stride: int = 1, padding: str | int = "same") -> Node:
    """Cross-correlation of [H,W,Ci] with filters [KH,KW,Ci,Co], plus bias [Co]."""
    KH, KW, _, Co = filters.shape
    H, W = _window(x, (KH, KW), stride, padding, "conv2d")
    _check("conv2d", filters, (KH, KW, x.shape[2], Co))
    _check("conv2d", bias, (Co,))
    return x.recorder.add(
        "conv2d",
        [x],
        (H, W, Co),
        params={"filters": filters, "bias": bias},
        attributes={"stride": stride, "padding": padding},
        macs=H * W * math.prod(filters.shape),
    )


def depthwise_conv2d(x: Node, filters: Param, bias: Param | None = None, *, stride: int = 1, padding: str | int = "same") -> Node:
    """Cross-correlation of each channel of [H,W,C] with its own filter of [KH,KW,C,1], plus bias [C]."""
    KH, KW, C, _ = filters.shape
    H, W = _window(x, (KH, KW), stride, padding, "depthwise_conv2d")
    _check("depthwise_conv2d", filters, (KH, KW, x.shape[2], 1))
    _check("depthwise_conv2d", bias, (C,))
    return x.recorder.add(
        "depthwise_conv2d",
        [x],
        (H, W, C),
        params={"filters": filters, "bias": bias},
        attributes={"stride": stride, "padding": padding},
        macs=H * W * math.prod(filters.shape),
    )


def max_pool(x: Node, size: int, *, stride: int, padding: str | int = "same") -> Node:
    """Largest value of each size x size window; padding does not count."""
    H, W = _window(x, (size, size), stride, padding, "max_pool")
    return x.recorder.add("max_pool", [x], (H, W, x.shape[2]), attributes={"size": size, "stride": stride, "padding": padding})


def avg_pool(x: Node, size: int, *, stride: int) -> Node:
    """Mean of each size x size window that lies inside the image."""
    H, W = _window(x, (size, size), stride, "valid", "avg_pool")
    return x.recorder.add("avg_pool", [x], (H, W, x.shape[2]), attributes={"size": size, "stride": stride})


def dense(x: Node, weights: Param, bias: Param | None = None) -> Node:
    """[Ci] times weights [Ci,Co], plus bias [Co]."""
    Ci, Co = weights.shape
    if x.shape != (Ci,):
        raise InvalidArgument(f"dense: expected an input [{Ci}] for {weights.name}, got {list(x.shape)}")
    _check("dense", bias, (Co,))
    return x.recorder.add("dense", [x], (Co,), params={"weights": weights, "bias": bias}, macs=Ci * Co)


def batch_norm(x: Node, *, mean: Param, variance: Param, offset: Param, scale: Param, epsilon: float) -> Node:
    """offset + (x - mean) * scale / sqrt(variance + epsilon), all per channel [C]."""
    params = {"mean": mean, "variance": variance, "offset": offset, "scale": scale}
    for param in params.values():
        _check("batch_norm", param, x.shape[-1:])
    return x.recorder.add("batch_norm", [x], x.shape, params=params, attributes={"epsilon": epsilon})


def _elementwise(op: str, x: Node, y: Operand) -> Node:
    if isinstance(y, Node):
        if y.shape != x.shape:
            raise InvalidArgument(f"{op}: expected two inputs of one shape, got {list(x.shape)} and {list(y.shape)}")
        return x.recorder.add(op, [x, y], x.shape)
    if isinstance(y, Param):
        _check(op, y, x.shape[-1:])
        return x.recorder.add(op, [x], x.shape, params={"y": y})
    if isinstance(y, tuple) and len(y) != x.shape[-1]:
        raise InvalidArgument(f"{op}: expected {x.shape[-1]} numbers, one per channel, got {len(y)}")
    return x.recorder.add(op, [x], x.shape, attributes={"y": y})


def add(x: Node, y: Operand) -> Node:
    """x + y; y is another node of the same shape, a parameter [C], one number per channel, or one number."""
    return _elementwise("add", x, y)


def subtract(x: Node, y: Operand) -> Node:
    """x - y, with y as in `add`."""
    return _elementwise("subtract", x, y)


def multiply(x: Node, y: Operand) -> Node:
    """x * y, with y as in `add`."""
    return _elementwise("multiply", x, y)


def divide(x: Node, y: Operand) -> Node:
    """x / y, with y as in `add`."""
    return _elementwise("divide", x, y)


def relu(x: Node) -> Node:
    """max(0, x)."""
    return x.recorder.add("relu", [x], x.shape)


def relu6(x: Node) -> Node:
    """min(max(0, x), 6)."""
    return x.recorder.add("relu6", [x], x.shape)


def leaky_relu(x: Node, alpha: float) -> Node:
    """x where positive, else alpha * x."""
    return x.recorder.add("leaky_relu", [x], x.shape, attributes={"alpha": alpha})


def prelu(x: Node, alpha: Param) -> Node:
    """x where positive, else alpha * x, with one learned alpha per channel."""
    _check("prelu", alpha, x.shape[-1:])
    return x.recorder.add("prelu", [x], x.shape, params={"alpha": alpha})


def sigmoid(x: Node) -> Node:
    """1 / (1 + exp(-x))."""
    return x.recorder.add("sigmoid", [x], x.shape)


def softmax(x: Node) -> Node:
    """exp(x - max) / sum(exp(x - max)) over the last dimension."""
    return x.recorder.add("softmax", [x], x.shape)


def mean(x: Node) -> Node:
    """[H,W,C] to [C]: the mean over all pixels."""
    return x.recorder.add("mean", [x], x.shape[-1:])


def pad(x: Node, rows: tuple[int, int] = (0, 0), columns: tuple[int, int] = (0, 0), channels: tuple[int, int] = (0, 0)) -> Node:
    """[H,W,C] with (before, after) zeros added to each dimension."""
    amounts = (rows, columns, channels)
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, amounts, strict=True))
    return x.recorder.add("pad", [x], shape, attributes={"rows": rows, "columns": columns, "channels": channels})


def reshape(x: Node, shape: Sequence[int]) -> Node:
    """The same numbers, in order, in another shape; one dimension may be -1."""
    known = math.prod(n for n in shape if n != -1)
    full = tuple(math.prod(x.shape) // known if n == -1 else n for n in shape)
    if math.prod(full) != math.prod(x.shape):
        raise InvalidArgument(f"reshape: expected a shape of {math.prod(x.shape)} numbers, got {list(shape)}")
    return x.recorder.add("reshape", [x], full, attributes={"shape": full})


def concat(inputs: Sequence[Node]) -> Node:
    """Inputs [Ri, …] one after the other along their first dimension."""
    first = inputs[0]
    if any(x.shape[1:] != first.shape[1:] for x in inputs):
        raise InvalidArgument(f"concat: expected inputs that differ in the first dimension only, got {[x.shape for x in inputs]}")
    return first.recorder.add("concat", list(inputs), (sum(x.shape[0] for x in inputs), *first.shape[1:]))
