"""Operations on single numbers.  Arrays come as [rows, C], where a row is one pixel or one image.

`affine` stands for batch norm and for every sum or product with constants, alone or in a chain:

    y = act((x + before) * scale + after), each of the three one number a channel

A mean is subtracted BEFORE the scaling, as the network does: x * scale - mean * scale would lose digits where x is near the mean.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npfaceapi.engines.numba.convolution import activate
from npfaceapi.engines.numba.jit import kernel

__all__ = ["add", "affine", "divide", "multiply", "sigmoid", "softmax", "subtract"]

Array = np.ndarray[Any, Any]


@kernel
def affine(
    x: Array, before: Array, scale: Array, after: Array, alpha: Array, highest: float, out: Array, start: int, stop: int
) -> None:
    """Rows start..stop of out [rows,C]."""
    for r in range(start, stop):
        for c in range(x.shape[1]):
            out[r, c] = (x[r, c] + before[c]) * scale[c] + after[c]
        activate(out[r], alpha, highest)


@kernel
def add(x: Array, y: Array, alpha: Array, highest: float, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [rows,C]: act(x + y)."""
    for r in range(start, stop):
        for c in range(x.shape[1]):
            out[r, c] = x[r, c] + y[r, c]
        activate(out[r], alpha, highest)


@kernel
def subtract(x: Array, y: Array, alpha: Array, highest: float, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [rows,C]: act(x - y)."""
    for r in range(start, stop):
        for c in range(x.shape[1]):
            out[r, c] = x[r, c] - y[r, c]
        activate(out[r], alpha, highest)


@kernel
def multiply(x: Array, y: Array, alpha: Array, highest: float, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [rows,C]: act(x * y)."""
    for r in range(start, stop):
        for c in range(x.shape[1]):
            out[r, c] = x[r, c] * y[r, c]
        activate(out[r], alpha, highest)


@kernel
def divide(x: Array, y: Array, alpha: Array, highest: float, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [rows,C]: act(x / y)."""
    for r in range(start, stop):
        for c in range(x.shape[1]):
            out[r, c] = x[r, c] / y[r, c]
        activate(out[r], alpha, highest)


@kernel
def sigmoid(x: Array, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [rows,C]; evaluated in float64, as face-api.js does."""
    for r in range(start, stop):
        for c in range(x.shape[1]):
            out[r, c] = 1 / (1 + math.exp(-np.float64(x[r, c])))


@kernel
def softmax(x: Array, out: Array, start: int, stop: int) -> None:
    """Rows start..stop of out [rows,C]; each row sums to 1."""
    for r in range(start, stop):
        highest = x[r, 0]
        for c in range(x.shape[1]):
            highest = max(highest, x[r, c])
        total = np.float64(0)
        for c in range(x.shape[1]):
            out[r, c] = math.exp(x[r, c] - highest)
            total += out[r, c]
        for c in range(x.shape[1]):
            out[r, c] /= total
