"""What each micro-kernel computes, in NumPy: for a reader, and for kernels that run as plain Python (see `Kernel.plain`).

The arguments are those of the vector code beside which each is named; addresses are integers.  Only the order of additions
and the rounding of products differ.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from npfaceapi.engines.numba.simd.emit import CLAMPED, LIMITED, SCALED, SLOPED
from npfaceapi.engines.numba.simd.target import LANES, PANELS

__all__ = [
    "affine", "copy", "depthwise", "doubles", "floats", "integers", "max_pool", "multiply_adds", "pair", "read_buffer",
    "sum_window", "tile", "winograd_input", "winograd_output", "write_buffer",
]  # fmt: skip

Array = np.ndarray[Any, Any]


def _view(kind: Any) -> Callable[[int, int], Array]:
    def view(address: int, count: int) -> Array:
        """An array [count] on the memory at that address."""
        array: Array = np.ctypeslib.as_array((kind * int(count)).from_address(int(address)))
        return array

    return view


floats, doubles, integers = _view(ctypes.c_float), _view(ctypes.c_double), _view(ctypes.c_int64)


def _activated(y: Array, alpha: Array, highest: float) -> Array:
    activated: Array = np.minimum(np.maximum(y, 0) + alpha * np.minimum(y, 0), highest)
    return activated


def _epilogue(sums: Array, constants: int, N: int, epilogue: int, highest: float, residual: Array | None = None) -> Array:
    """act((sum + before) * scale + after + residual); rows of constants [4,N] that `epilogue` does not name may be missing."""

    def constant(k: int) -> Array:
        return floats(constants + 4 * k * N, sums.shape[-1])

    y = sums + constant(0)
    if epilogue & SCALED:
        y = y * constant(1) + constant(2)
    if residual is not None:
        y = y + residual
    alpha = np.zeros(1) if epilogue & CLAMPED else constant(3) if epilogue & SLOPED else np.ones(1)
    return _activated(y, alpha, highest if epilogue & LIMITED else np.inf)


def tile(
    ROWS: int, PANEL: int, x: int, pixel: int, run: int, partials: int, runs: int, R: int, w: int, constants: int, N: int,
    epilogue: int, highest: float, out: int, out_pixel: int, residual: int, residual_pixel: int, *_prefetch: int,
) -> None:  # fmt: skip
    """ROWS pixels and PANEL vectors of channels of the matrix product of tile.py."""
    channels = PANEL * LANES
    starts, weights = integers(run, partials * runs), floats(w, partials * runs * R * channels).reshape(-1, R, channels)
    for m in range(ROWS):
        sums = np.zeros(channels, np.float32)
        for k in range(partials):
            partial = np.zeros(channels, np.float32)
            for t in range(k * runs, (k + 1) * runs):
                partial += floats(x + 4 * (integers(pixel, ROWS)[m] + starts[t]), R) @ weights[t]
            sums += partial
        shortcut = floats(residual + 4 * integers(residual_pixel, ROWS)[m], channels) if residual else None
        target = floats(out + 4 * integers(out_pixel, ROWS)[m], channels)
        target[:] = _epilogue(sums, constants, N, epilogue, highest, shortcut)


def depthwise(
    ROWS: int, PIXELS: int, STRIDE: int, x: int, row: int, C: int, w: int, constants: int, epilogue: int, highest: float,
    lowest: float, out: int, out_row: int,
) -> None:  # fmt: skip
    """ROWS x PIXELS outputs of a depthwise 3x3 convolution, all C channels."""
    weights = floats(w, 9 * C).reshape(3, 3, C)
    for h in range(ROWS):
        for v in range(PIXELS):
            sums = np.zeros(C, np.float32)
            for i in range(3):
                for j in range(3):
                    inputs = floats(x + 4 * ((h * STRIDE + i) * row + (v * STRIDE + j) * C), C)
                    sums += np.maximum(inputs, lowest) * weights[i, j]
            floats(out + 4 * (h * out_row + v * C), C)[:] = _epilogue(sums, constants, C, epilogue, highest)


def copy(x: int, n: int, out: int) -> None:
    floats(out, n)[:] = floats(x, n)


def pair(operation: str, x: int, y: int, n: int, alpha: int, highest: float, out: int) -> None:
    operations: dict[str, Any] = {"fadd": np.add, "fsub": np.subtract, "fmul": np.multiply, "fdiv": np.divide}
    floats(out, n)[:] = _activated(operations[operation](floats(x, n), floats(y, n)), floats(alpha, n), highest)


def affine(x: int, n: int, before: int, scale: int, after: int, alpha: int, highest: float, out: int) -> None:
    y = (floats(x, n) + floats(before, n)) * floats(scale, n) + floats(after, n)
    floats(out, n)[:] = _activated(y, floats(alpha, n), highest)


def max_pool(SIZE: int, x: int, row: int, C: int, window_stride: int, n: int, out: int, out_stride: int) -> None:
    for k in range(n):
        corner = x + 4 * k * window_stride
        window = [floats(corner + 4 * (i * row + j * C), C) for i in range(SIZE) for j in range(SIZE)]
        floats(out + 4 * k * out_stride, C)[:] = np.max(window, axis=0)


def sum_window(x: int, row: int, C: int, H: int, W: int, scale: float, out: int) -> None:
    window = [[floats(x + 4 * (i * row + j * C), C) for j in range(W)] for i in range(H)]
    floats(out, C)[:] = np.sum(window, axis=(0, 1)) * scale


def winograd_input(BT: Array, x: int, row: int, C: int, out: int, plane: int) -> None:
    """B' x B, element number k to out + k * plane."""
    n = len(BT)
    tile = np.array([[floats(x + 4 * (i * row + j * C), C) for j in range(n)] for i in range(n)])
    for k, values in enumerate(np.einsum("ai,ijc,bj->abc", BT, tile, BT).reshape(-1, C)):
        floats(out + 4 * k * plane, C)[:] = values


def winograd_output(
    AT: Array, u: int, plane: int, N: int, constants: int, epilogue: int, highest: float, out: int, out_row: int, rows: int,
    columns: int, residual: int, residual_row: int,
) -> None:  # fmt: skip
    """A' u A, and the epilogue; the outputs inside the feature map are stored."""
    n = AT.shape[1]
    elements = np.array([floats(u + 4 * k * plane, N) for k in range(n * n)]).reshape(n, n, N)
    sums = np.einsum("ai,ijc,bj->abc", AT, elements, AT)
    for i in range(rows):
        for j in range(columns):
            shortcut = floats(residual + 4 * (i * residual_row + j * N), N) if residual else None
            floats(out + 4 * (i * out_row + j * N), N)[:] = _epilogue(sums[i, j], constants, N, epilogue, highest, shortcut)


def multiply_adds(out: int, times: int) -> None:
    x = floats(out, LANES)
    x[:] = 6 * PANELS[0] * times * x * x


def read_buffer(x: int, n: int, times: int, out: int) -> None:
    floats(out, LANES)[:] = times * floats(x, n).reshape(-1, LANES).sum(axis=0)


def write_buffer(value: int, n: int, times: int, out: int) -> None:
    floats(out, n).reshape(-1, LANES)[:] = floats(value, LANES)
