"""Bilinear resizing with face-api.js's rule: sampled at i * in / out, without half-pixel centres and without smoothing.

Source: tfjs 1.7.0, `resizeBilinear`; `npfaceapi/photos/resampling.py` says the same in NumPy.
Quirk: positions and sums are float64, each operation rounded separately, and the result is rounded to float32 once.
"""

from __future__ import annotations

import math
from typing import Any

from npfaceapi.engines.cuda.jit import device_function, index, kernel, product_rn, quotient, sum_rn
from npfaceapi.engines.cuda.toolchain import cuda, float32, float64, int64

__all__ = ["resize"]


@device_function
def _between(a: Any, b: Any, fraction: Any) -> Any:
    return sum_rn(product_rn(float64(b) - float64(a), fraction), float64(a))


@kernel
def resize(photo, resized, H, W, C, row_scale, column_scale, size, Wo):
    """An image uint8 [H,W,C] as float32 [Ho,Wo,C]; a thread computes one number; the scales are H / Ho and W / Wo."""
    i = cuda.grid(1)
    if i < size:
        pixel = quotient(i, C)
        c, row = i - pixel * C, quotient(pixel, Wo)
        h, v = product_rn(float64(row), row_scale), product_rn(float64(pixel - row * Wo), column_scale)
        h0, v0 = int64(math.floor(h)), int64(math.floor(v))
        h1, v1 = min(H - 1, int64(math.ceil(h))), min(W - 1, int64(math.ceil(v)))
        fraction_h, fraction_v = h - float64(h0), v - float64(v0)
        above = _between(photo[index((h0 * W + v0) * C + c)], photo[index((h0 * W + v1) * C + c)], fraction_v)
        below = _between(photo[index((h1 * W + v0) * C + c)], photo[index((h1 * W + v1) * C + c)], fraction_v)
        resized[index(i)] = float32(_between(above, below, fraction_h))
