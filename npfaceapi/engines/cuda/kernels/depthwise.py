"""Depthwise convolution: each channel with its own filter; a thread computes one number.

There is nothing to share but the inputs of neighbouring windows, 9 loads for 9 multiply-adds, and those the first-level cache
gives: neighbouring threads are neighbouring channels, so a warp reads 128 bytes in a row.  The time is that of moving the image
through memory once.
"""

from __future__ import annotations

from typing import Any

from npfaceapi.engines.cuda.jit import ZERO, fma, index, kernel, quotient
from npfaceapi.engines.cuda.kernels.store import finished
from npfaceapi.engines.cuda.toolchain import cuda

__all__ = ["make_depthwise"]


def make_depthwise(SIDE: int) -> Any:
    """The kernel for filters of SIDE x SIDE, or, if that is 0, of any size; grid: results / threads.

    Inputs below `lowest` count as `lowest`: 0 for a relu before the convolution, else minus infinity.
    """

    @kernel
    def depthwise(memory, weights, x, H, W, C, filters, KH, KW, size, Ho, Wo, stride, top, left, lowest, constants, highest, out):
        i = cuda.grid(1)
        if i < size:
            pixel = quotient(i, C)
            c = i - pixel * C
            q = quotient(pixel, Wo)
            n = quotient(q, Ho)
            h0, v0 = (q - n * Ho) * stride - top, (pixel - q * Wo) * stride - left
            total = ZERO
            for j in range(SIDE if SIDE > 0 else KH):
                for k in range(SIDE if SIDE > 0 else KW):
                    h, v = h0 + j, v0 + k
                    if h >= 0 and h < H and v >= 0 and v < W:
                        value = memory[index(x + ((n * H + h) * W + v) * C + c)]
                        value = lowest if value < lowest else value
                        at = filters + (j * (SIDE if SIDE > 0 else KW) + k) * C + c
                        total = fma(value, weights[index(at)], total)
            memory[index(out + i)] = finished(total, weights, constants + c, C, ZERO, highest)

    return depthwise
