"""Everything that is not a sum of products: constants, sums of two images, pooling, functions, copies.

A thread computes one number (of softmax and sigmoid: see there); neighbouring threads are neighbouring channels, so loads and
stores are whole rows of memory.  Grid: `size` / threads, where `size` counts the numbers of the whole batch.
"""

from __future__ import annotations

import math
from typing import Any

from npfaceapi.engines.cuda.jit import LOWEST, ZERO, index, kernel, quotient, remainder, within
from npfaceapi.engines.cuda.kernels.store import activated, epilogue
from npfaceapi.engines.cuda.toolchain import cuda, float32, float64

__all__ = ["affine", "avg_pool", "copy", "max_pools", "pad", "pairs", "sigmoid", "softmax"]


@kernel
def affine(memory, weights, x, size, C, constants, highest, out):
    """y = act((x + before) * scale + after)."""
    i = cuda.grid(1)
    if i < size:
        memory[index(out + i)] = epilogue(memory[index(x + i)], weights, constants + remainder(i, C), C, ZERO, highest)


def _make_pair(operation):
    @kernel
    def pair(memory, weights, x, y, size, C, alphas, highest, out):
        """act(x operation y)."""
        i = cuda.grid(1)
        if i < size:
            a, b = memory[index(x + i)], memory[index(y + i)]
            if operation == 0:
                z = a + b
            elif operation == 1:
                z = a - b
            elif operation == 2:
                z = a * b
            else:
                z = a / b
            memory[index(out + i)] = activated(z, weights[index(alphas + remainder(i, C))], highest)

    return pair


pairs = {name: _make_pair(k) for k, name in enumerate(("add", "subtract", "multiply", "divide"))}


def make_max_pool(SIDE: int) -> Any:
    """The kernel for windows of SIDE x SIDE, or, if that is 0, of any size."""

    @kernel
    def max_pool(memory, x, H, W, C, side_h, side_w, size, Ho, Wo, stride, top, left, out):
        """The largest number of a window, or NaN if it holds one; what lies outside the image does not count."""
        i = cuda.grid(1)
        if i < size:
            pixel = quotient(i, C)
            q = quotient(pixel, Wo)
            n = quotient(q, Ho)
            h, v = (q - n * Ho) * stride - top, (pixel - q * Wo) * stride - left
            at = x + ((n * H + h) * W + v) * C + i - pixel * C
            best = LOWEST
            for j in range(SIDE if SIDE > 0 else side_h):
                for k in range(SIDE if SIDE > 0 else side_w):
                    if within(h + j, H) and within(v + k, W):
                        value = memory[index(at + (j * W + k) * C)]
                        best = value if value > best or value != value else best
            memory[index(out + i)] = best

    return max_pool


max_pools = {side: make_max_pool(side) for side in (2, 3, 0)}


@kernel
def avg_pool(memory, x, H, W, C, side_h, side_w, size, Ho, Wo, stride, top, left, out):
    """The mean of a window, which lies inside the image; also the mean of a whole image."""
    i = cuda.grid(1)
    if i < size:
        pixel = quotient(i, C)
        q = quotient(pixel, Wo)
        n = quotient(q, Ho)
        at = x + ((n * H + (q - n * Ho) * stride - top) * W + (pixel - q * Wo) * stride - left) * C + i - pixel * C
        total = ZERO
        for j in range(side_h):
            row = ZERO
            for k in range(side_w):
                row += memory[index(at + (j * W + k) * C)]
            total += row
        memory[index(out + i)] = total / float32(side_h * side_w)


@kernel
def pad(memory, x, H, W, C, top, left, first, size, Ho, Wo, Co, out):
    """The image x set into zeros, at row `top`, column `left`, channel `first`."""
    i = cuda.grid(1)
    if i < size:
        pixel = quotient(i, Co)
        q = quotient(pixel, Wo)
        n = quotient(q, Ho)
        h, v, c = q - n * Ho - top, pixel - q * Wo - left, i - pixel * Co - first
        inside = h >= 0 and h < H and v >= 0 and v < W and c >= 0 and c < C
        memory[index(out + i)] = memory[index(x + ((n * H + h) * W + v) * C + c)] if inside else ZERO


@kernel
def copy(memory, x, size, each, skip, out_each, out):
    """The `each` numbers of every image into another whose images hold `out_each`, from number `skip` on."""
    i = cuda.grid(1)
    if i < size:
        n = quotient(i, each)
        memory[index(out + n * out_each + skip + i - n * each)] = memory[index(x + i)]


@kernel
def sigmoid(memory, x, size, out):
    """Evaluated in float64, as face-api.js does."""
    i = cuda.grid(1)
    if i < size:
        value = float64(memory[index(x + i)])
        e = math.exp(-abs(value))  # which cannot overflow
        memory[index(out + i)] = float32((e if value < 0 else float64(1)) / (float64(1) + e))


@kernel
def softmax(memory, x, size, C, out):
    """A thread takes a pixel, `size` of them; networks use it on two channels."""
    i = cuda.grid(1)
    if i < size:
        at, to = x + i * C, out + i * C
        highest = memory[index(at)]
        for c in range(C):
            value = memory[index(at + c)]
            highest = value if value > highest or value != value else highest
        total = float64(0)
        for c in range(C):
            total += math.exp(memory[index(at + c)] - highest)
        for c in range(C):
            memory[index(to + c)] = float32(math.exp(memory[index(at + c)] - highest) / total)
