"""Micro-kernels over strips of pixels, a vector of channels at a time: depthwise 3x3 convolution, pooling, sums.

Depthwise: PIXELS neighbouring outputs share their inputs.  For each of the 3 rows the (PIXELS-1)*STRIDE+3 columns are loaded
once, and each meets the 3 weights of the row: at stride 1 and 4 outputs, 6 + 3 loads for 12 multiply-adds instead of 24.
Two rows of outputs share two of their four rows of inputs, which come from the L2 cache where rows are long.
The inputs can be clamped from below on load: that is the relu of a producer whose plain value another step needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from npfaceapi.engines.numba.simd import plain
from npfaceapi.engines.numba.simd.emit import FLOAT, FLOATS, INT, Emitter, address_intrinsic
from npfaceapi.engines.numba.simd.target import LANES

__all__ = ["affine_strip", "copy_strip", "make_depthwise_strip", "make_max_pool_strip", "make_pair_strip", "sum_window"]


def make_depthwise_strip(PIXELS: int, STRIDE: int, ROWS: int = 1) -> Any:
    """Intrinsic (x, row, C, w, constants, epilogue, highest, lowest_input, out, out_row): ROWS x PIXELS outputs, all C channels.

    `row` and `out_row` are the distances of rows in floats, w is [9,C], `constants` is [4,C] as for the tile.
    """
    COLUMNS = (PIXELS - 1) * STRIDE + 3

    def build(e: Emitter) -> None:
        x, row, C, w, constants, epilogue, highest, lowest, out, out_row = e.function.args
        b = e.builder
        floor = e.splat(lowest)
        rows = [e.at(x, b.mul(row, e.const(i))) for i in range((ROWS - 1) * STRIDE + 3)]
        targets = [e.at(out, b.mul(out_row, e.const(k))) for k in range(ROWS)]
        columns = [b.mul(C, e.const(k)) for k in range(max(COLUMNS, 9))]

        def channels(c: Any, _: list[Any]) -> list[Any]:
            weights = [e.load(e.at(e.at(w, columns[k]), c)) for k in range(9)]
            sums = [[e.zero] * PIXELS for _ in range(ROWS)]
            for i, start in enumerate(rows):
                here = e.at(start, c)
                inputs = [e.larger(floor, e.load(e.at(here, columns[k]))) for k in range(COLUMNS)]
                for k in range(ROWS):
                    if 0 <= (filter_row := i - k * STRIDE) < 3:
                        for j in range(3):
                            weight = weights[filter_row * 3 + j]
                            sums[k] = [e.fma(inputs[p * STRIDE + j], weight, s) for p, s in enumerate(sums[k])]
            here = e.at(constants, c)
            ys = e.epilogue([s for r in sums for s in r], epilogue, lambda k, _: e.load(e.at(here, columns[k])), highest)
            for k, target in enumerate(targets):
                for p in range(PIXELS):
                    e.store(ys[k * PIXELS + p], e.at(e.at(target, c), columns[p]))
            return []

        e.loop(e.const(0), C, LANES, [], channels)

    arguments = [FLOATS, INT, INT, FLOATS, FLOATS, INT, FLOAT, FLOAT, FLOATS, INT]
    return address_intrinsic(
        f"depthwise_{ROWS}x{PIXELS}_{STRIDE}", arguments, build, partial(plain.depthwise, ROWS, PIXELS, STRIDE)
    )


def _over_floats(e: Emitter, n: Any, body: Callable[[Any], None]) -> None:
    """`body(i)` for vectors at i that cover n >= LANES floats; the last may reach back over floats already done."""
    last = e.builder.sub(n, e.const(LANES))

    def one(i: Any, _: list[Any]) -> list[Any]:
        body(e.builder.select(e.builder.icmp_signed("<", i, last), i, last))
        return []

    e.loop(e.const(0), n, LANES, [], one)


def _build_copy(e: Emitter) -> None:
    x, n, out = e.function.args
    _over_floats(e, n, lambda i: e.store(e.load(e.at(x, i)), e.at(out, i)))


#: Intrinsic (x, n, out): out = x for n >= LANES floats.
copy_strip = address_intrinsic("copy", [FLOATS, INT, FLOATS], _build_copy, plain.copy)


def make_pair_strip(operation: str) -> Any:
    """Intrinsic (x, y, n, alpha, highest, out): out = act(x operation y) for n floats; operation is LLVM's fadd, fsub, ..."""

    def build(e: Emitter) -> None:
        x, y, n, alpha, highest, out = e.function.args
        limit = e.splat(highest)

        def body(i: Any) -> None:
            z = getattr(e.builder, operation)(e.load(e.at(x, i)), e.load(e.at(y, i)))
            e.store(e.activate(z, e.load(e.at(alpha, i)), limit), e.at(out, i))

        _over_floats(e, n, body)

    return address_intrinsic(
        f"pair_{operation}", [FLOATS, FLOATS, INT, FLOATS, FLOAT, FLOATS], build, partial(plain.pair, operation)
    )


def _build_affine(e: Emitter) -> None:
    x, n, before, scale, after, alpha, highest, out = e.function.args
    limit = e.splat(highest)

    def body(i: Any) -> None:
        total = e.builder.fadd(e.load(e.at(x, i)), e.load(e.at(before, i)))
        y = e.fma(total, e.load(e.at(scale, i)), e.load(e.at(after, i)))
        e.store(e.activate(y, e.load(e.at(alpha, i)), limit), e.at(out, i))

    _over_floats(e, n, body)


#: Intrinsic (x, n, before, scale, after, alpha, highest, out): out = act((x + before) * scale + after) for n >= LANES floats.
affine_strip = address_intrinsic(
    "affine", [FLOATS, INT, FLOATS, FLOATS, FLOATS, FLOATS, FLOAT, FLOATS], _build_affine, plain.affine
)


def _largest_or_nan(e: Emitter, values: list[Any]) -> Any:
    """The largest; NaN if one of them is.  One comparison checks two values."""
    b = e.builder
    best, pairs = values[0], [(x, y) for x, y in zip(values[::2], [*values[1::2], values[0]], strict=False)]
    for x in values[1:]:
        best = e.larger(best, x)
    lost = b.fcmp_unordered("uno", *pairs[0])
    for pair in pairs[1:]:
        lost = b.or_(lost, b.fcmp_unordered("uno", *pair))
    return b.select(lost, e.vector(float("nan")), best)


def make_max_pool_strip(SIZE: int) -> Any:
    """Intrinsic (x, row, C, window_stride, n, out, out_stride): n outputs of one row, whole SIZE x SIZE windows, all C channels.

    `window_stride` is the distance of neighbouring windows, `out_stride` that of neighbouring outputs, in floats.
    """

    def build(e: Emitter) -> None:
        x, row, C, window_stride, n, out, out_stride = e.function.args
        b = e.builder

        def pixel(k: Any, _: list[Any]) -> list[Any]:
            corner, target = e.at(x, b.mul(window_stride, k)), e.at(out, b.mul(out_stride, k))
            window = [e.at(corner, b.add(b.mul(row, e.const(i)), b.mul(C, e.const(j)))) for i in range(SIZE) for j in range(SIZE)]

            def channels(c: Any, _: list[Any]) -> list[Any]:
                e.store(_largest_or_nan(e, [e.load(e.at(p, c)) for p in window]), e.at(target, c))
                return []

            e.loop(e.const(0), C, LANES, [], channels)
            return []

        e.loop(e.const(0), n, 1, [], pixel)

    return address_intrinsic(f"max_pool_{SIZE}", [FLOATS, INT, INT, INT, INT, FLOATS, INT], build, partial(plain.max_pool, SIZE))


def _build_sum_window(e: Emitter) -> None:
    x, row, C, H, W, scale, out = e.function.args
    b = e.builder
    factor = e.splat(scale)

    def channels(c: Any, _: list[Any]) -> list[Any]:
        def one_row(i: Any, total: list[Any]) -> list[Any]:
            start = e.at(x, b.add(c, b.mul(row, i)))
            sums = e.loop(e.const(0), W, 1, [e.zero], lambda j, s: [b.fadd(s[0], e.load(e.at(start, b.mul(C, j))))])
            return [b.fadd(total[0], sums[0])]

        (total,) = e.loop(e.const(0), H, 1, [e.zero], one_row)
        e.store(b.fmul(total, factor), e.at(out, c))
        return []

    e.loop(e.const(0), C, LANES, [], channels)


#: Intrinsic (x, row, C, H, W, scale, out): the sum over H x W pixels times `scale`, all C channels; each row summed by itself.
sum_window = address_intrinsic("sum_window", [FLOATS, INT, INT, INT, INT, FLOAT, FLOATS], _build_sum_window, plain.sum_window)
