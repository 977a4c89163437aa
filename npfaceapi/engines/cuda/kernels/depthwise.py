"""Depthwise convolution: each channel with its own filter.

`make_depthwise_strip` is for 3x3 filters: a thread computes some neighbouring results of one channel, so that it computes
their addresses once, and an input serves several of them.  `depthwise` is for filters of any size; a thread computes one number.
Neighbouring threads are neighbouring channels, so a warp reads 128 bytes in a row.  Both sum row by row, from zero.
"""

from __future__ import annotations

from typing import Any

from npfaceapi.engines.cuda.jit import ZERO, fma, index, kernel, quotient, within
from npfaceapi.engines.cuda.kernels.store import epilogue
from npfaceapi.engines.cuda.toolchain import cuda, float32

__all__ = ["depthwise", "make_depthwise_strip"]


def make_depthwise_strip(STRIDE: int, ROWS: int, COLUMNS: int) -> Any:
    """The kernel for 3x3 filters; a thread takes ROWS x COLUMNS results, in `bands` times `strips` groups per image.

    Grid: groups of all images and channels / threads.  Inputs below `lowest` count as `lowest`: 0 for a relu before the
    convolution, else minus infinity.
    """
    WIDE, HIGH, RESULTS = (COLUMNS - 1) * STRIDE + 3, (ROWS - 1) * STRIDE + 3, ROWS * COLUMNS

    @kernel
    def depthwise_strip(
        memory, weights, x, H, W, C, filters, size, Ho, Wo, bands, strips, top, left, lowest, constants, highest, out
    ):  # fmt: skip
        i = cuda.grid(1)
        if i < size:
            w = cuda.local.array(9, float32)
            row = cuda.local.array(WIDE, float32)
            totals = cuda.local.array(RESULTS, float32)
            q = quotient(i, C)
            c = i - q * C
            band = quotient(q, strips)
            n = quotient(band, bands)
            h0, v0 = (band - n * bands) * ROWS, (q - band * strips) * COLUMNS
            for k in range(9):
                w[k] = weights[index(filters + k * C + c)]
            for k in range(RESULTS):
                totals[k] = ZERO
            first_h, first_v = h0 * STRIDE - top, v0 * STRIDE - left
            at = x + ((n * H + first_h) * W + first_v) * C + c
            for r in range(HIGH):
                for k in range(WIDE):
                    inside = within(first_h + r, H) and within(first_v + k, W)
                    value = memory[index(at + k * C)] if inside else ZERO
                    row[k] = lowest if value < lowest else value
                at += W * C
                for o in range(ROWS):
                    if r >= o * STRIDE and r < o * STRIDE + 3:
                        for p in range(COLUMNS):
                            for k in range(3):
                                t = o * COLUMNS + p
                                totals[t] = fma(row[p * STRIDE + k], w[3 * (r - o * STRIDE) + k], totals[t])
            to = out + ((n * Ho + h0) * Wo + v0) * C + c
            for o in range(ROWS):
                for p in range(COLUMNS):
                    if h0 + o < Ho and v0 + p < Wo:
                        y = epilogue(totals[o * COLUMNS + p], weights, constants + c, C, ZERO, highest)
                        memory[index(to + (o * Wo + p) * C)] = y

    return depthwise_strip


@kernel
def depthwise(memory, weights, x, H, W, C, filters, KH, KW, size, Ho, Wo, stride, top, left, lowest, constants, highest, out):
    """Grid: results / threads."""
    i = cuda.grid(1)
    if i < size:
        pixel = quotient(i, C)
        c = i - pixel * C
        q = quotient(pixel, Wo)
        n = quotient(q, Ho)
        h0, v0 = (q - n * Ho) * stride - top, (pixel - q * Wo) * stride - left
        total = ZERO
        for j in range(KH):
            for k in range(KW):
                h, v = h0 + j, v0 + k
                if within(h, H) and within(v, W):
                    value = memory[index(x + ((n * H + h) * W + v) * C + c)]
                    value = lowest if value < lowest else value
                    total = fma(value, weights[index(filters + (j * KW + k) * C + c)], total)
        memory[index(out + i)] = epilogue(total, weights, constants + c, C, ZERO, highest)
