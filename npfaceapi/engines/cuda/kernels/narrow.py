"""Convolutions with few inputs under the window and few output channels: the first layers of the networks.

There a tile of `product` would be half empty.  A thread computes GROUP channels of PIXELS pixels, so that a weight, which all
threads of a block read from shared memory at once, serves PIXELS times.  Results go through shared memory too, so that a warp
stores 128 bytes in a row.  Each sum is one partial sum of `product`, and has its bits.
"""

from __future__ import annotations

from npfaceapi.engines.cuda.jit import SHARED_ALIGNMENT, ZERO, Kernel, fma, index, quotient, short, within
from npfaceapi.engines.cuda.kernels.product import NOTHING, NOWHERE, PARTIAL_INPUTS
from npfaceapi.engines.cuda.kernels.store import epilogue
from npfaceapi.engines.cuda.toolchain import cuda, float32, int32, int64

__all__ = ["GROUP", "PIXELS", "THREADS", "narrow"]

GROUP = 16  # channels of a thread
PIXELS = 2  # of a thread, THREADS apart
THREADS = 128
FILTERS, PLACES, ROW, SUMS = PARTIAL_INPUTS * GROUP, 3 * PARTIAL_INPUTS, GROUP + 1, PIXELS * GROUP
RESULTS = THREADS * ROW


def _narrow(memory, weights, table, x, H, W, C, lookup, w, inputs, M, Ho, Wo, Co, stride, top, left, constants, highest, out):
    """Grid: (pixels of all images / PIXELS / THREADS, channels / GROUP)."""
    filters = cuda.shared.array(FILTERS, float32, SHARED_ALIGNMENT)
    places = cuda.shared.array(PLACES, int32)
    results = cuda.shared.array(RESULTS, float32)
    rows = cuda.local.array(PIXELS, int32)
    columns = cuda.local.array(PIXELS, int32)
    pixels = cuda.local.array(PIXELS, int32)
    acc = cuda.local.array(SUMS, float32)

    thread = short(cuda.threadIdx.x)
    first_m, first_o = int64(cuda.blockIdx.x) * (PIXELS * THREADS), cuda.blockIdx.y * GROUP
    for i in range(thread, inputs * GROUP, THREADS):
        k, o = i // GROUP, first_o + i % GROUP
        filters[index(i)] = weights[index(w + k * Co + o)] if o < Co else ZERO
    for i in range(thread, 3 * inputs, THREADS):
        places[index(i)] = table[index(lookup + i)]
    for p in range(PIXELS):
        m = first_m + p * THREADS + thread
        n = quotient(m, Ho * Wo)
        r = m - n * (Ho * Wo)
        h = quotient(r, Wo)
        row, column = h * stride - top, (r - h * Wo) * stride - left
        rows[p] = row if m < M else NOWHERE
        columns[p] = column
        pixels[p] = ((n * H + row) * W + column) * C
    for i in range(SUMS):
        acc[i] = ZERO
    cuda.syncthreads()

    for k in range(inputs):
        row, column, offset = places[index(3 * k)], places[index(3 * k + 1)], places[index(3 * k + 2)]
        for p in range(PIXELS):
            inside = within(short(rows[p] + row), H) and within(short(columns[p] + column), W)
            value = memory[index(x + pixels[p] + offset)] if inside else ZERO
            for o in range(GROUP):
                acc[p * GROUP + o] = fma(value, filters[index(k * GROUP + o)], acc[p * GROUP + o])

    for p in range(PIXELS):
        if p > 0:
            cuda.syncthreads()
        for o in range(GROUP):
            at = constants + min(first_o + o, Co - 1)
            results[index(thread * ROW + o)] = epilogue(ZERO + acc[p * GROUP + o], weights, at, Co, NOTHING, highest)
        cuda.syncthreads()
        for i in range(thread, THREADS * GROUP, THREADS):
            m, o = first_m + p * THREADS + i // GROUP, first_o + i % GROUP
            if m < M and o < Co:
                memory[index(out + m * Co + o)] = results[index((i // GROUP) * ROW + i % GROUP)]


narrow = Kernel(_narrow, THREADS, 4)
