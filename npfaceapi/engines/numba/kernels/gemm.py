"""The indirect matrix product: which tile computes which pixels and channels.

Weights are packed in panels of PANELS[0], then narrower, vectors of output channels, each [K][panel].  A panel of weights
(K * 64 or 128 bytes) and a block of pixels' inputs stay in the caches while the tiles of a panel run over the block.
What is left over at the end of a block is computed by a tile that reaches back over pixels already done: the same values are
stored twice, which costs less than masks.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np

from npfaceapi.engines.numba.jit import ADDRESS, FLOAT32, INT64, Kernel, intrinsic, jitted, numba_type, types, uintp
from npfaceapi.engines.numba.simd.emit import call_address
from npfaceapi.engines.numba.simd.target import LANES, PANELS
from npfaceapi.engines.numba.simd.tile import LINE, MOST_WITH_INPUT, make_tile

__all__ = ["Product", "call_gemm", "gemm", "pack_weights"]

Array = np.ndarray[Any, Any]
Address: TypeAlias = Annotated[int, ADDRESS]
Int: TypeAlias = Annotated[int, INT64]
Float: TypeAlias = Annotated[float, FLOAT32]


class Product(NamedTuple):
    """What `gemm` takes: pixels m0..m1 and channels n0..n1 (whole panels) of a product of K = partials * runs * R inputs each."""

    x: Address  # what `pixel` and `run` count from, in floats
    pixel: Address  # table: where the inputs of each pixel begin
    run: Address  # table: where each run begins, from there
    partials: Int  # partial sums, each of `runs` runs of R inputs
    runs: Int
    R: Int
    w: Address  # the packed weights
    constants: Address  # [4,N]: before, scale, after, alpha
    N: Int  # output channels, padded
    epilogue: Int  # which parts of it do something: see simd/emit.py
    highest: Float
    out: Address
    out_pixel: Address  # table: where each pixel lies from there, in floats
    residual: Address  # what is added before the activation; 0: nothing
    residual_pixel: Address
    m0: Int
    m1: Int
    n0: Int
    n1: Int
    block: Int  # pixels at a time
    prefetch: Address  # what is read next, and how many floats of it
    prefetch_floats: Int


WIDE, NARROW = LANES * PANELS[0], LANES * PANELS[-1]
MIDDLE = LANES * PANELS[1]  # the same as NARROW where there are two widths
FEW_TILES = 8  # of the widest panel; with so few, the next panel's weights are prefetched input by input

wide6, wide4, wide1 = (make_tile(rows, PANELS[0]) for rows in (6, 4, 1))
middle12, middle4, middle1 = (make_tile(rows, PANELS[1]) for rows in (12, 4, 1))
narrow12, narrow1 = (make_tile(rows, PANELS[-1]) for rows in (12, 1))


@jitted()
def _rows_of_tile(left: int, block: int, tall: int, short: int) -> int:
    """A full tile as long as one fits; for the rest a tile that reaches back, if the block is long enough."""
    if left > short and block >= tall:
        return tall
    return short if block >= short else 1


@jitted()
def _in_lines(floats: int, parts: int) -> int:
    """The share of each of `parts` parts in `floats` floats, in whole cache lines."""
    return (floats + parts * LINE - 1) // (parts * LINE) * LINE


def _gemm(p: Product) -> None:
    """`block` pixels at a time.

    The `prefetch_floats` at `prefetch` are read next: each panel of the first block prefetches a share of them, and every
    panel the weights that follow its own.  After the last panel come those of the next step.
    """
    K = p.partials * p.runs * p.R
    share = p.prefetch_floats * WIDE // max(p.n1 - p.n0, WIDE)
    for first in range(p.m0, p.m1, p.block):
        last = min(p.m1, first + p.block)
        n = p.n0
        while n < p.n1:
            skip = uintp(n * 4)
            panel, constants_n, out_n = p.w + skip * uintp(K), p.constants + skip, p.out + skip
            residual_n = p.residual + skip if p.residual != 0 else uintp(0)
            width = WIDE if p.n1 - n >= WIDE else MIDDLE if p.n1 - n >= MIDDLE else NARROW
            tall, short = (6, 4) if width == WIDE else (12, 4) if width == MIDDLE else (12, 1)
            tiles = (last - first + tall - 1) // tall
            next_x = p.prefetch + uintp((n - p.n0) // WIDE * share * 4)
            share_x = _in_lines(share if first == p.m0 else 0, tiles * p.partials)
            next_w, share_w, with_input = panel + uintp(K * width * 4), _in_lines(K * width, tiles * p.partials), 0
            if width == WIDE and tiles <= FEW_TILES:
                share_w, with_input = 0, min((width + tiles - 1) // tiles, MOST_WITH_INPUT * LINE)
            m = first
            while m < last:
                size = _rows_of_tile(last - m, last - first, tall, short)
                t = uintp(max(min(m, last - size), first) * 8)
                args = (
                    p.x, p.pixel + t, p.run, p.partials, p.runs, p.R, panel, constants_n, p.N, p.epilogue, p.highest,
                    out_n, p.out_pixel + t, residual_n, p.residual_pixel + t, next_x, share_x, next_w, share_w, with_input,
                )  # fmt: skip
                if width == WIDE:
                    if size == 6:
                        wide6(*args)
                    elif size == 4:
                        wide4(*args)
                    else:
                        wide1(*args)
                elif width == MIDDLE:
                    if size == 12:
                        middle12(*args)
                    elif size == 4:
                        middle4(*args)
                    else:
                        middle1(*args)
                elif size == 12:
                    narrow12(*args)
                else:
                    narrow1(*args)
                m += size
                next_x += uintp(share_x * p.partials * 4)
                next_w += uintp((share_w * p.partials + with_input * K) * 4)
            n += width


gemm = Kernel(_gemm, Product)


@intrinsic
def call_gemm(context: Any, address: Any, product: Any) -> Any:
    """Call `gemm` at that address with a `Product`."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        call_address(builder, values[0], [builder.extract_value(values[1], k) for k in range(len(Product._fields))])
        return context.get_dummy_value()

    if product != numba_type(Product):
        raise TypeError(f"fields of other types than those of Product: {product}")
    return types.void(types.uintp, product), codegen


call_gemm.plain = lambda _address, product: gemm.plain(product)


def pack_weights(weights: Array, N: int) -> Array:
    """Weights [...,K,Co] as panels [...,K*N] for N >= Co channels, the missing ones zero."""
    *many, K, Co = weights.shape
    packed, n = np.zeros((*many, K * N), np.float32), 0
    while n < N:
        width = next(size * LANES for size in PANELS if N - n >= size * LANES)
        panel = packed[..., K * n : K * (n + width)].reshape(*many, K, width)  # a view
        panel[..., : max(0, Co - n)] = weights[..., n : n + width]
        n += width
    return packed
