"""The same graph in float32 with other orders of summation, and in narrower formats: how far correct arithmetic can differ.

A sum of n products can be computed in any order, and each order rounds differently.  Three are evaluated here: sequential (a
plain loop), pairwise (a balanced tree), and that of BLAS (the reference backend).  A correct port may deviate from float64 as
much as these do; `tolerance.py` derives bounds from that.  For the `mixed` grades the weights and the results of all
operations are rounded to the narrower format, as such a port stores them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.reference import OPERATIONS, ReferenceProgram, _filter_elements, _windows
from npfaceapi.graph import Graph, Node

__all__ = ["EVALUATIONS", "NARROW", "evaluate"]

Array = np.ndarray[Any, Any]
Sum = Callable[[Sequence[Callable[[], Array]], "Array | None"], Array]


def _in_sequence(terms: Sequence[Callable[[], Array]], bias: Array | None) -> Array:
    """bias + t0 + t1 + …, from the left, as in a plain loop."""
    total = terms[0]() if bias is None else bias + terms[0]()
    for term in terms[1:]:
        total = total + term()
    return total


def _in_pairs(terms: Sequence[Callable[[], Array]], bias: Array | None) -> Array:
    """((t0 + t1) + (t2 + t3)) + …, the bias at the end."""
    if len(terms) == 1:
        total = terms[0]()
    else:
        half = len(terms) // 2
        total = _in_pairs(terms[:half], None) + _in_pairs(terms[half:], None)
    return total if bias is None else total + bias


def _product(x: Array, w: Array) -> Callable[[], Array]:
    return lambda: x * w


def _operations(add_up: Sum, folded: bool) -> dict[str, Callable[..., Array]]:
    """All summing operations with `add_up` as the sum; batch norm and leaky relu as many engines compute them."""

    def conv2d(x: Array, filters: Array, bias: Array | None = None, *, stride: int = 1, padding: str | int = "same") -> Array:
        KH, KW, Ci, _ = filters.shape
        taps = [(tap, filters[i, j]) for i, j, tap in _filter_elements(x, KH, KW, stride, padding)]
        return add_up([_product(tap[..., c, None], w[c]) for tap, w in taps for c in range(Ci)], bias)

    def depthwise_conv2d(
        x: Array, filters: Array, bias: Array | None = None, *, stride: int = 1, padding: str | int = "same"
    ) -> Array:
        KH, KW = filters.shape[:2]
        return add_up([_product(tap, filters[i, j, :, 0]) for i, j, tap in _filter_elements(x, KH, KW, stride, padding)], bias)

    def dense(x: Array, weights: Array, bias: Array | None = None) -> Array:
        return add_up([_product(x[:, c, None], weights[c]) for c in range(len(weights))], bias)

    def avg_pool(x: Array, *, size: int, stride: int) -> Array:
        windows = _windows(x, size, size, stride, "valid", 0)
        one = x.dtype.type(1)
        total = add_up([_product(windows[..., i, j], one) for i in range(size) for j in range(size)], None)
        return np.asarray(total / x.dtype.type(size * size))

    def mean(x: Array) -> Array:
        share = x.dtype.type(1 / (x.shape[1] * x.shape[2]))
        return add_up([_product(x[:, i, j], share) for i in range(x.shape[1]) for j in range(x.shape[2])], None)

    def batch_norm(x: Array, mean: Array, variance: Array, offset: Array, scale: Array, *, epsilon: float) -> Array:
        factor = scale / np.sqrt(variance + x.dtype.type(epsilon))
        return np.asarray(x * factor + (offset - mean * factor) if folded else offset + (x - mean) * factor)

    def leaky_relu(x: Array, *, alpha: float) -> Array:
        return np.where(x > 0, x, x * x.dtype.type(alpha))

    own = (conv2d, depthwise_conv2d, dense, avg_pool, mean, batch_norm, leaky_relu)
    return {function.__name__: function for function in own}


def to_bfloat16(x: Array) -> Array:
    """float32 rounded to the nearest number with 8 bits of mantissa, ties to even."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    with np.errstate(over="ignore"):
        rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return np.asarray(rounded & np.uint32(0xFFFF0000)).view(np.float32)


def to_float16(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(x, np.float32).astype(np.float16).astype(np.float32)


def to_eight_bits(x: Array) -> Array:
    """float32 rounded to 256 steps between its smallest and its largest value (and 0, which stays 0)."""
    x = np.asarray(x, np.float32)
    low, high = min(float(x.min(initial=0)), 0.0), max(float(x.max(initial=0)), 0.0)
    step = (high - low) / 255 or 1.0
    zero = np.round(-low / step)
    return np.asarray((np.clip(np.round(x / step) + zero, 0, 255) - zero) * step, np.float32)


#: Rounding to formats narrower than float32, by the name of their grade.
NARROW: dict[str, Callable[[Array], Array]] = {"float16": to_float16, "bfloat16": to_bfloat16, "quantized": to_eight_bits}


def _rounded(round_to: Callable[[Array], Array]) -> dict[str, Callable[..., Array]]:
    def rounded(operation: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(operation)
        def run(*arguments: Any, **keywords: Any) -> Array:
            # parameters, including scalars, are already rounded: see `evaluate`
            return round_to(operation(*arguments, **keywords))

        return run

    return {name: rounded(operation) for name, operation in OPERATIONS.items()}


#: Every evaluation by name: (operations that replace those of the reference, rounding of the weights).
EVALUATIONS: dict[str, tuple[Mapping[str, Callable[..., Array]], Callable[[Array], Array] | None]] = {
    "sequential": (_operations(_in_sequence, folded=True), None),
    "pairwise": (_operations(_in_pairs, folded=False), None),
    "blas": ({}, None),
    **{name: (_rounded(round_to), round_to) for name, round_to in NARROW.items() if name != "quantized"},
    "quantized": (_rounded(to_eight_bits), lambda w: to_eight_bits(w) if w.ndim > 1 else w),  # biases stay wide
}


def evaluate(
    graph: Graph, weights: Mapping[str, Array], outputs: Sequence[Node], batch: Array, names: Sequence[str] = tuple(EVALUATIONS)
) -> Iterator[tuple[str, list[Array]]]:
    """Run a graph in float32 in each of the named ways: (name, values of `outputs`)."""
    for name in names:
        operations, round_to = EVALUATIONS[name]
        given = weights if round_to is None else {key: round_to(np.asarray(value)) for key, value in weights.items()}
        yield name, ReferenceProgram(graph, given, outputs, np.float32, operations)(batch)
