"""The matrix product behind every convolution and dense layer: tiles in shared memory, accumulators in registers.

A convolution is a matrix product: rows are the output pixels m of ALL images of the batch, columns the output channels o, and
the sum runs over k = (filter element, input channel):

    s[m, o] = sum over k of x[pixel(m) + offset(k)] * w[k, o]          (x outside its image counts as 0)
    y[m, o] = act((s[m, o] + before[o]) * scale[o] + after[o] + residual[m, o])

A block of threads computes a tile of BM x BN sums.  It walks through k in slices of BK: the slice of x (BM x BK) and of w
(BK x BN) is brought into shared memory once and then read by all threads, each of which holds TM x TN accumulators in registers.
With the tile `wide`, 128 x 64 x 16, a slice costs 3,072 loads from global memory for 131,072 multiply-adds, and one k
12 loads from shared memory (three of 16 bytes) for 32 multiply-adds of a thread.  Slices are double-buffered: the loads of
the next one run while this one is multiplied, and one barrier per slice is enough.

Which pixel of x an input belongs to is looked up: `lookup[k]` holds (row, column, offset) relative to the first pixel under the
window, so 1x1, 3x3, any stride, any padding and dense layers (a 1x1 window) are one kernel.

Accuracy and equality: a sum is made of partial sums of PARTIAL_INPUTS inputs.  Each starts from zero, and they are added in
order, which depends on the layer alone.  So every tile gives the same bits, and so does a product whose partial sums are shared
among blocks (few pixels, many channels: a batch of one late in a network; known as split-k): those write the partial sums to
memory, and `add_partials` adds them in the same order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npfaceapi.engines.cuda.jit import (
    SHARED_ALIGNMENT,
    ZERO,
    Kernel,
    device_function,
    fma,
    index,
    kernel,
    quotient,
    remainder,
    short,
    unrolled,
    within,
)
from npfaceapi.engines.cuda.kernels.store import activated, epilogue
from npfaceapi.engines.cuda.toolchain import cuda, float32, int32, int64

__all__ = ["BK", "NOTHING", "NOWHERE", "PARTIAL_INPUTS", "Tile", "add_partials", "make_product"]

BK = 16  # inputs of a slice
PARTIAL_INPUTS = 4 * BK  # inputs of a partial sum
NOTHING = np.float32(-0.0)  # added to any number it leaves that as it is; 0.0 would turn -0.0 into 0.0
NOWHERE = -(1 << 24)  # a row outside every image, whatever is added


class Tile(NamedTuple):
    """A tile of PM x PN threads with TM x TN accumulators each."""

    TM: int
    TN: int
    PM: int
    PN: int

    @property
    def threads(self) -> int:
        return self.PM * self.PN

    @property
    def BM(self) -> int:
        return self.TM * self.PM

    @property
    def BN(self) -> int:
        return self.TN * self.PN


def make_product(tile: Tile, POINTWISE: bool = False) -> Any:
    """The kernel for a tile; grid: (tiles of pixels, tiles of channels, shares of the partial sums).

    If POINTWISE, it is for windows of one pixel without stride or padding, and looks nothing up.
    """
    TM, TN, PN = tile.TM, tile.TN, tile.PN
    BM, BN, THREADS = tile.BM, tile.BN, tile.threads
    A_EACH, A_STRIDE = BM * BK // THREADS, THREADS // BK
    B_EACH, B_STRIDE = BK * BN // THREADS, THREADS // BN
    ROW = BM + 4  # of the slice of x in shared memory: 4 more keep 16-byte alignment and spread the banks
    A_SIZE, B_SIZE, SUMS = BK * ROW, BK * BN, TM * TN
    A_BOTH, B_BOTH = 2 * A_SIZE, 2 * B_SIZE
    LOOKED_UP = 1 if POINTWISE else A_EACH
    assert A_EACH * A_STRIDE == BM  # every thread loads the same number of values
    assert B_EACH * B_STRIDE == BK

    @device_function
    def one_input(k, a_slices, a_from, b_slices, b_from, acc):
        a = cuda.local.array(TM, float32)
        b = cuda.local.array(TN, float32)
        for i in range(TM):
            a[i] = a_slices[index(a_from + k * ROW + i)]
        for j in range(TN):
            b[j] = b_slices[index(b_from + k * BN + j)]
        for i in range(TM):
            for j in range(TN):
                acc[i * TN + j] = fma(a[i], b[j], acc[i * TN + j])

    multiply = unrolled(one_input, BK)

    def product(
        memory, weights, table, x, H, W, C, lookup, w, slices, partial_slices, share, M, Ho, Wo, Co, stride, top, left,
        constants, highest, out, residual, partials_at,
    ):  # fmt: skip
        a_slices = cuda.shared.array(A_BOTH, float32, SHARED_ALIGNMENT)
        b_slices = cuda.shared.array(B_BOTH, float32, SHARED_ALIGNMENT)
        rows = cuda.local.array(LOOKED_UP, int32)
        columns = cuda.local.array(LOOKED_UP, int32)
        pixels = cuda.local.array(LOOKED_UP, int32)
        a_next = cuda.local.array(A_EACH, float32)
        b_next = cuda.local.array(B_EACH, float32)
        acc = cuda.local.array(SUMS, float32)
        total = cuda.local.array(SUMS, float32)

        thread = cuda.threadIdx.x
        first_m, first_o = int64(cuda.blockIdx.x) * BM, cuda.blockIdx.y * BN
        first, last = cuda.blockIdx.z * share * partial_slices, min(slices, (cuda.blockIdx.z + 1) * share * partial_slices)

        # what this thread loads of every slice: input a_k of the pixels a_m, a_m + A_STEP, ...; weights of channel b_o
        a_k, a_m = thread % BK, thread // BK
        b_k, b_o = thread // BN, thread % BN
        a_at, a_real = x + (first_m + a_m) * C + first * BK + a_k, M - first_m - a_m
        for i in range(0 if POINTWISE else A_EACH):
            m = first_m + a_m + i * A_STRIDE
            n = quotient(m, Ho * Wo)
            r = m - n * (Ho * Wo)
            h = quotient(r, Wo)
            v = r - h * Wo
            rows[i] = h * stride - top if m < M else NOWHERE
            columns[i] = v * stride - left
            pixels[i] = ((n * H + h * stride - top) * W + v * stride - left) * C
        b_at = w + (first * BK + b_k) * Co + first_o + b_o
        b_real = first_o + b_o < Co

        # and what it computes: pixels m0, m0 + 1, ... and channels o0, o0 + 1, ...
        m0, o0 = (thread // PN) * TM, (thread % PN) * TN
        for i in range(SUMS):
            acc[i] = ZERO
            total[i] = ZERO

        for s in range(first, last + 1):
            if s < last:  # load the next slice into registers
                if POINTWISE:
                    is_channel = s * BK + a_k < C
                    for i in range(A_EACH):
                        inside = is_channel and i * A_STRIDE < a_real
                        a_next[i] = memory[index(a_at + i * A_STRIDE * C)] if inside else ZERO
                    a_at += BK
                else:
                    k = lookup + 3 * (s * BK + a_k)
                    row, column, offset = table[index(k)], table[index(k + 1)], table[index(k + 2)]
                    for i in range(A_EACH):
                        inside = within(short(rows[i] + row), H) and within(short(columns[i] + column), W)
                        a_next[i] = memory[index(x + pixels[i] + offset)] if inside else ZERO
                for i in range(B_EACH):
                    b_next[i] = weights[index(b_at + i * B_STRIDE * Co)] if b_real else ZERO
                b_at += BK * Co
            if s > first:  # multiply the slice that is in shared memory
                a_from, b_from = ((s - 1 - first) & 1) * A_SIZE + m0, ((s - 1 - first) & 1) * B_SIZE + o0
                multiply(0, a_slices, a_from, b_slices, b_from, acc)
                if s % partial_slices == 0 or s == last:  # a partial sum ends
                    if partials_at >= 0:
                        at = partials_at + ((s - 1) // partial_slices * M + first_m + m0) * Co + first_o + o0
                        for i in range(TM):
                            for j in range(TN):
                                if first_m + m0 + i < M and first_o + o0 + j < Co:
                                    memory[index(at + i * Co + j)] = acc[i * TN + j]
                    for i in range(SUMS):
                        total[i] += acc[i]
                        acc[i] = ZERO
            if s < last:  # the other slice is free: all threads that read it have passed the barrier
                a_to, b_to = ((s - first) & 1) * A_SIZE + a_k * ROW + a_m, ((s - first) & 1) * B_SIZE + b_k * BN + b_o
                for i in range(A_EACH):
                    a_slices[index(a_to + i * A_STRIDE)] = a_next[i]
                for i in range(B_EACH):
                    b_slices[index(b_to + i * B_STRIDE * BN)] = b_next[i]
            cuda.syncthreads()

        if partials_at < 0:
            at = (first_m + m0) * Co + first_o + o0
            m_real, o_real = M - first_m - m0, Co - first_o - o0
            for j in range(TN):
                o = constants + min(first_o + o0 + j, Co - 1)
                before, scale, after = weights[index(o)], weights[index(o + Co)], weights[index(o + 2 * Co)]
                alpha = weights[index(o + 3 * Co)]
                for i in range(TM):
                    if i < m_real and j < o_real:
                        y = fma(total[i * TN + j] + before, scale, after)
                        if residual >= 0:
                            y += memory[index(residual + at + i * Co + j)]
                        memory[index(out + at + i * Co + j)] = activated(y, alpha, highest)

    return Kernel(product, THREADS, 2 if SUMS > 4 else 4)  # blocks at once, which leave each thread 128 or 64 registers


@kernel
def add_partials(memory, weights, partials_at, partials, size, Co, constants, highest, out, residual):
    """The partial sums [partials, size] of a product that is shared among blocks, added in order; grid: size / threads."""
    i = cuda.grid(1)
    if i < size:
        total = ZERO
        for c in range(partials):
            total += memory[index(partials_at + c * size + i)]
        added = memory[index(residual + i)] if residual >= 0 else NOTHING
        memory[index(out + i)] = epilogue(total, weights, constants + remainder(i, Co), Co, added, highest)
