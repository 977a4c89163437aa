"""Convolutions with few inputs under the window and few output channels: the first layers of the networks.

There a tile of `product` would be half empty, and shared memory would cost more than it saves.  A thread computes GROUP channels
of one pixel; all threads of a block read the same weights from shared memory, four at a time.  Results go through shared memory
too, so that a warp stores 128 bytes in a row.  The sums have the order of `product`, and so the same bits.
"""

from __future__ import annotations

from typing import Any

from npfaceapi.engines.cuda.jit import SHARED_ALIGNMENT, ZERO, Kernel, fma, index, quotient, short, within
from npfaceapi.engines.cuda.kernels.product import CHAIN
from npfaceapi.engines.cuda.kernels.store import finished
from npfaceapi.engines.cuda.toolchain import cuda, float32, int32, int64

__all__ = ["LONGEST", "THREADS", "make_narrow"]

LONGEST = 192  # inputs under the window
THREADS = 128


def make_narrow(GROUP: int) -> Any:
    """The kernel for GROUP channels a thread; grid: (pixels of all images / THREADS, channels / GROUP)."""
    FILTERS, PLACES, ROW = LONGEST * GROUP, 3 * LONGEST, GROUP + 1
    RESULTS = THREADS * ROW

    def narrow(
        memory, weights, table, x, H, W, C, taps, w, inputs, M, Ho, Wo, Co, stride, top, left, constants, highest, out,
    ):  # fmt: skip
        filters = cuda.shared.array(FILTERS, float32, SHARED_ALIGNMENT)
        places = cuda.shared.array(PLACES, int32)
        results = cuda.shared.array(RESULTS, float32)
        acc = cuda.local.array(GROUP, float32)
        total = cuda.local.array(GROUP, float32)

        thread = cuda.threadIdx.x
        first_m, first_o = int64(cuda.blockIdx.x) * THREADS, cuda.blockIdx.y * GROUP
        for i in range(thread, inputs * GROUP, THREADS):
            k, o = i // GROUP, first_o + i % GROUP
            filters[index(i)] = weights[index(w + k * Co + o)] if o < Co else ZERO
        for i in range(thread, 3 * inputs, THREADS):
            places[index(i)] = table[index(taps + i)]
        cuda.syncthreads()

        m = min(first_m + thread, M - 1)
        n = quotient(m, Ho * Wo)
        r = m - n * (Ho * Wo)
        h = quotient(r, Wo)
        row, column = short(h * stride - top), short((r - h * Wo) * stride - left)
        pixel = x + ((n * H + row) * W + column) * C
        for o in range(GROUP):
            acc[o] = ZERO
            total[o] = ZERO
        for k in range(inputs):
            inside = within(row + places[index(3 * k)], H) and within(column + places[index(3 * k + 1)], W)
            value = memory[index(pixel + places[index(3 * k + 2)])] if inside else ZERO
            for o in range(GROUP):
                acc[o] = fma(value, filters[index(k * GROUP + o)], acc[o])
            if (k + 1) % CHAIN == 0:
                for o in range(GROUP):
                    total[o] += acc[o]
                    acc[o] = ZERO
        for o in range(GROUP):
            at = constants + min(first_o + o, Co - 1)
            results[index(thread * ROW + o)] = finished(total[o] + acc[o], weights, at, Co, ZERO, highest)
        cuda.syncthreads()

        for i in range(thread, THREADS * GROUP, THREADS):
            p, o = i // GROUP, i % GROUP
            if first_m + p < M and first_o + o < Co:
                memory[index(out + (first_m + p) * Co + first_o + o)] = results[index(p * ROW + o)]

    return Kernel(narrow, THREADS, 64 // GROUP + 1)  # blocks at once, which leave each thread the registers that it needs
