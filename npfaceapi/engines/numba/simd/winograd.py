"""Winograd's convolution F(m x m, 3 x 3): the transformations of a tile, a vector of channels at a time.

m x m outputs of a 3 x 3 filter depend on (m+2) x (m+2) inputs.  A product of polynomials of degree m+1 is known from its values
at m+2 points, one of them infinity: g * y = B [(G g) * (A y)], where G and A evaluate and B interpolates.  A filter slid over
an image is that product transposed (Cook and Toom; Lavin and Gray, arXiv:1509.09308):

    Y = A' [ (G w G') * (B' x B) ] A,      * element by element, summed over input channels

takes (m+2)^2 products per tile and pair of channels instead of 9 m^2: 36 for 144 at m = 4, 16 for 36 at m = 2.  The
products are a matrix product for each of the (m+2)^2 elements; the transformations cost additions and a few products.
The points decide the rounding error of the additions: with 0, 1, -1, 1/2, -2 it is a third of that with 0, 1, -1, 2, -2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from npfaceapi.engines.numba.simd import plain
from npfaceapi.engines.numba.simd.emit import FLOAT, FLOATS, INT, Emitter, address_intrinsic
from npfaceapi.engines.numba.simd.target import LANES

__all__ = ["make_input_transform", "make_output_transform", "operations", "transform_filters"]

Array = np.ndarray[Any, Any]

_POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 1.0, -1.0, 0.5, -2.0)}


def _matrices(m: int) -> tuple[Array, Array, Array]:
    """B', G and A' of F(m, 3)."""
    points, n = _POINTS[m], m + 2
    BT, G, AT = np.zeros((n, n)), np.zeros((n, 3)), np.zeros((m, n))
    for j, p in enumerate(points):
        others = [q for q in points if q != p]
        BT[j, : n - 1] = np.poly(others)[::-1]
        G[j] = np.power(p, range(3)) / np.prod([p - q for q in others])
        AT[:, j] = np.power(p, range(m))
    BT[n - 1], G[n - 1, 2], AT[m - 1, n - 1] = np.poly(points)[::-1], 1, 1
    for j in range(n):  # a row's smallest constant becomes 1
        smallest = np.abs(BT[j][BT[j] != 0]).min()
        BT[j], G[j] = BT[j] / smallest, G[j] * smallest
    return BT, G, AT


def transform_filters(w: Array, m: int) -> Array:
    """Filters [3,3,Ci,Co] to [(m+2)^2,Ci,Co], in float64."""
    G = _matrices(m)[1]  # G w G' is one matrix product with w as a column of its 9 numbers
    transformed: Array = np.kron(G, G) @ w.reshape(9, -1).astype(np.float64)
    return transformed.reshape(-1, *w.shape[2:])


def operations(m: int) -> tuple[int, int]:
    """Additions and multiply-adds, one instruction each, of the transformation of a tile's inputs and outputs, per channel."""
    BT, _, AT = _matrices(m)
    n = m + 2
    return 2 * n * _sums(BT), (n + m) * _sums(AT)


def _sums(matrix: Array) -> int:
    """Instructions for the sums of all rows: see `_combine`."""
    return int(np.count_nonzero(matrix)) - len(matrix)


def _combine(e: Emitter, coefficients: Sequence[float], vectors: Sequence[Any]) -> Any:
    """The sum of coefficient * vector; those that are 1 come first and cost no product."""
    total = None
    for k in sorted(range(len(vectors)), key=lambda k: coefficients[k] != 1):
        factor, x = float(coefficients[k]), vectors[k]
        if factor == 0:
            continue
        if total is None:
            total = x if factor == 1 else e.builder.fmul(x, e.vector(factor))
        elif abs(factor) == 1:
            total = e.builder.fadd(total, x) if factor == 1 else e.builder.fsub(total, x)
        else:
            total = e.fma(x, e.vector(factor), total)
    return total


def make_input_transform(m: int) -> Any:
    """Intrinsic (x, row, C, out, plane): B' x B of one tile; element k goes to out + k * plane."""
    BT, n = _matrices(m)[0], m + 2

    def build(e: Emitter) -> None:
        x, row, C, out, plane = e.function.args
        b = e.builder

        def channels(c: Any, _: list[Any]) -> list[Any]:
            rows: list[list[Any]] = [[] for _ in range(n)]
            for j in range(n):
                top = e.at(x, b.add(c, b.mul(C, e.const(j))))
                column = [e.load(e.at(top, b.mul(row, e.const(i)))) for i in range(n)]
                for i in range(n):
                    rows[i].append(_combine(e, BT[i], column))
            for i in range(n):
                for j in range(n):
                    e.store(_combine(e, BT[j], rows[i]), e.at(out, b.add(c, b.mul(plane, e.const(i * n + j)))))
            return []

        e.loop(e.const(0), C, LANES, [], channels)

    return address_intrinsic(f"winograd_input_{m}", [FLOATS, INT, INT, FLOATS, INT], build, partial(plain.winograd_input, BT))


def make_output_transform(m: int) -> Any:
    """Intrinsic (u, plane, N, constants, epilogue, highest, out, out_row, rows, columns, residual (0: none), residual_row).

    A' u A of one tile, then what the tile of `tile.py` does with its sums; rows x columns of the m x m outputs are stored;
    of the residual, whole rows of m are read.
    """
    AT, n = _matrices(m)[2], m + 2

    def build(e: Emitter) -> None:
        u, plane, N, constants, epilogue, highest, out, out_row, rows, columns, residual, residual_row = e.function.args
        b = e.builder
        has_residual = b.icmp_unsigned("!=", b.ptrtoint(residual, INT), e.const(0))

        def channels(c: Any, _: list[Any]) -> list[Any]:
            halves: list[list[Any]] = [[] for _ in range(m)]
            for j in range(n):
                column = [e.load(e.at(u, b.add(c, b.mul(plane, e.const(i * n + j))))) for i in range(n)]
                for i in range(m):
                    halves[i].append(_combine(e, AT[i], column))
            table = [e.load(e.at(constants, b.add(c, b.mul(N, e.const(k))))) for k in range(4)]
            offsets = [b.add(c, b.mul(N, e.const(j))) for j in range(m)]
            for i in range(m):
                with b.if_then(b.icmp_signed(">", rows, e.const(i))):
                    here, target = (e.at(p, b.mul(row, e.const(i))) for p, row in ((residual, residual_row), (out, out_row)))
                    shortcut = (has_residual, lambda j, here=here: e.load(e.at(here, offsets[j])))
                    sums = [_combine(e, AT[j], halves[i]) for j in range(m)]
                    ys = e.epilogue(sums, epilogue, lambda k, _: table[k], highest, shortcut)
                    for j in range(m):
                        with b.if_then(b.icmp_signed(">", columns, e.const(j))):
                            e.store(ys[j], e.at(target, offsets[j]))
            return []

        e.loop(e.const(0), N, LANES, [], channels)

    arguments = [FLOATS, INT, INT, FLOATS, INT, FLOAT, FLOATS, INT, INT, INT, FLOATS, INT]
    return address_intrinsic(f"winograd_output_{m}", arguments, build, partial(plain.winograd_output, AT))
