"""The indirect matrix product: which tile computes which pixels and channels.

Weights are packed in panels of PANELS[0], then narrower, vectors of output channels, each [K][panel].  A panel of weights
(K * 64 or 128 bytes) and a block of pixels' inputs stay in the caches while the tiles of a panel run over the block.
What is left over at the end of a block is computed by a tile that reaches back over pixels already done: the same values are
stored twice, which costs less than masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.jit import ADDRESS, FLOAT32, INT64, Kernel, intrinsic, jitted, types, uintp
from npfaceapi.engines.numba.simd.emit import call_address
from npfaceapi.engines.numba.simd.target import LANES, PANELS
from npfaceapi.engines.numba.simd.tile import LINE, MOST_WITH_INPUT, make_tile

__all__ = ["call_gemm", "gemm", "pack_weights"]

Array = np.ndarray[Any, Any]

_u, _i, _f = ADDRESS, INT64, FLOAT32
# The tile's arguments, then: pixels from and to, channels from and to, pixels in a block, what is read next and its length.
_ARGUMENTS = (_u, _u, _u, _i, _i, _i, _u, _u, _i, _i, _f, _u, _u, _u, _u, _i, _i, _i, _i, _i, _u, _i)

WIDE, NARROW = LANES * PANELS[0], LANES * PANELS[-1]
MIDDLE = LANES * PANELS[1]  # the same as NARROW where there are two widths
FEW_TILES = 8  # of the widest panel; with so few, the next panel's weights are asked for input by input

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
    """What each of so many parts takes of so many floats, in whole cache lines."""
    return (floats + parts * LINE - 1) // (parts * LINE) * LINE


def _gemm(
    x: int, pixel: int, run: int, chains: int, runs: int, R: int, w: int, constants: int, N: int, finish: int, highest: float,
    out: int, out_pixel: int, residual: int, residual_pixel: int, m0: int, m1: int, n0: int, n1: int, block: int,
    ahead: int, ahead_floats: int,
) -> None:  # fmt: skip
    """Pixels m0..m1 and channels n0..n1 (whole panels), `block` pixels at a time; `residual` 0 means none.

    The `ahead_floats` at `ahead` are read next: each panel of the first block asks for a share of them, and every panel for
    the weights that follow its own.  Behind the last panel lie those of the next step.
    """
    K = chains * runs * R
    share = ahead_floats * WIDE // max(n1 - n0, WIDE)
    for first in range(m0, m1, block):
        last = min(m1, first + block)
        n = n0
        while n < n1:
            skip = uintp(n * 4)
            panel, constants_n, out_n = w + skip * uintp(K), constants + skip, out + skip
            residual_n = residual + skip if residual != 0 else uintp(0)
            width = WIDE if n1 - n >= WIDE else MIDDLE if n1 - n >= MIDDLE else NARROW
            tall, short = (6, 4) if width == WIDE else (12, 4) if width == MIDDLE else (12, 1)
            tiles = (last - first + tall - 1) // tall
            next_x, share_x = ahead + uintp((n - n0) // WIDE * share * 4), _in_lines(share if first == m0 else 0, tiles * chains)
            next_w, share_w, with_input = panel + uintp(K * width * 4), _in_lines(K * width, tiles * chains), 0
            if width == WIDE and tiles <= FEW_TILES:
                share_w, with_input = 0, min((width + tiles - 1) // tiles, MOST_WITH_INPUT * LINE)
            m = first
            while m < last:
                size = _rows_of_tile(last - m, last - first, tall, short)
                t = uintp(max(min(m, last - size), first) * 8)
                args = (
                    x, pixel + t, run, chains, runs, R, panel, constants_n, N, finish, highest,
                    out_n, out_pixel + t, residual_n, residual_pixel + t, next_x, share_x, next_w, share_w, with_input,
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
                next_x += uintp(share_x * chains * 4)
                next_w += uintp((share_w * chains + with_input * K) * 4)
            n += width


gemm = Kernel(_gemm, *_ARGUMENTS)


@intrinsic
def call_gemm(context: Any, address: Any, args: Any) -> Any:
    """Call `gemm` at that address with a tuple of its arguments."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        call_address(builder, values[0], [builder.extract_value(values[1], k) for k in range(len(_ARGUMENTS))])
        return context.get_dummy_value()

    as_numba = {_u: types.uintp, _i: types.int64, _f: types.float32}
    return types.void(types.uintp, types.Tuple([as_numba[a] for a in _ARGUMENTS])), codegen


call_gemm.plain = lambda _address, arguments: gemm.plain(*arguments)


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
