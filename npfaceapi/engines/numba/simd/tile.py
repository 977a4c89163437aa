"""The matrix product's micro-kernel: ROWS output pixels x PANEL vectors of output channels, all accumulators in registers.

Every convolution and dense layer is an indirect matrix product.  In a zero-haloed NHWC image the inputs of one output pixel
are a few runs of contiguous numbers (a run is one row of the filter, KW * Ci long, or one of its pixels, Ci long):

    s[m, :] = sum over runs t, sum over r of x[pixel[m] + run[t] + r] * w[t, r, :]
    y[m, :] = act((s[m, :] + before) * scale + after + residual[m, :])

`pixel[m]` is a table, so the pixels of a tile may lie anywhere: a tile crosses the ends of rows.  One iteration of the inner
loop loads PANEL vectors of weights, and for each of the ROWS pixels broadcasts one input into PANEL multiply-adds: with 6 x 2
vectors 12 multiply-adds for 8 loads, where the processor can do 2 of the former and 2 or 3 of the latter per cycle.

Accuracy: the error of a sum in float32 grows with its number of terms.  So it is made of `partials` partial sums of `runs` runs
each (some 64 numbers, 150 at most: see lowering/product.py); each starts from zero, and they are added up.
The bias comes last, for a sum that starts at a large bias loses the digits of its small products; and a batch norm's scale is
not folded into the weights, which would round each of them once more: on a blank photo those roundings do not cancel.
The order of additions depends on the layer alone, never on the tile's shape, so any cut of the work gives the same bits.

Prefetching: a tile computes from what lies in the L1 and L2 caches, and meanwhile main-memory bandwidth would be idle.  So with
each partial sum, some 400 cycles of work, it prefetches a few cache lines of what will be read later: the weights of the next
panel and the inputs of the next band.  More at once would stall the processor, which tracks some 20 outstanding lines; and the
hardware prefetcher detects a stream only after several accesses.  Measured with AVX2: recognition 16 %, SSD 20 % faster.
Where a layer has few pixels, the next panel comes so soon that even the share of a partial sum is too much at once: then each
input prefetches a line or two.  Measured with AVX-512: recognition 9 % faster.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from npfaceapi.engines.numba.simd import plain
from npfaceapi.engines.numba.simd.emit import FLOAT, FLOATS, INT, INTS, Emitter, address_intrinsic
from npfaceapi.engines.numba.simd.target import LANES, PANELS

__all__ = ["LINE", "MOST_WITH_INPUT", "make_tile"]

LINE = 16  # floats of a cache line
MOST_WITH_INPUT = max(1, PANELS[0] * LANES // LINE // 2)  # cache lines, half of what the widest panel has for an input

# x, pixel, run, partials, runs, R, w, constants, N, epilogue, highest, out, out_pixel, residual (0: none), residual_pixel,
# inputs that are read later and how many floats of them to prefetch with each partial sum, the same of weights, and how many
# floats of weights to prefetch with each input instead (widest panel only).
# constants is [4,N]: before, scale, after, alpha; `epilogue` as in emit.py
_ARGUMENTS = [
    FLOATS, INTS, INTS, INT, INT, INT, FLOATS, FLOATS, INT, INT, FLOAT, FLOATS, INTS, FLOATS, INTS, FLOATS, INT, FLOATS, INT, INT,
]  # fmt: skip


def make_tile(ROWS: int, PANEL: int) -> Any:
    """The intrinsic for ROWS pixels and PANEL vectors."""

    def build(e: Emitter) -> None:
        x, pixel, run, partials, runs, R, w = e.function.args[:7]
        inputs, share_of_inputs, following, share_of_weights, with_input = e.function.args[15:]
        b = e.builder
        pixels = [e.at(x, e.load_int(pixel, m)) for m in range(ROWS)]

        def one_input(r: Any, carried: list[Any], rows: list[Any]) -> list[Any]:
            weights, acc = carried[0], carried[1:]
            vectors = [e.load(e.at(weights, v * LANES)) for v in range(PANEL)]
            for m in range(ROWS):
                broadcast = e.splat(b.load(e.at(rows[m], r)))
                for v in range(PANEL):
                    acc[m * PANEL + v] = e.fma(broadcast, vectors[v], acc[m * PANEL + v])
            return [e.at(weights, PANEL * LANES), *acc]

        def one_run(t: Any, carried: list[Any]) -> list[Any]:
            offset = e.load_int(run, t)
            rows = [e.at(p, offset) for p in pixels]
            next_weights, *others = carried

            def alone() -> list[Any]:
                return [next_weights, *e.repeat(R, others, lambda r, c: one_input(r, c, rows))]

            def prefetching() -> list[Any]:
                def body(r: Any, c: list[Any]) -> list[Any]:
                    for line in range(MOST_WITH_INPUT):
                        e.prefetch(e.at(c[0], line * LINE))
                    return [e.at(c[0], with_input), *one_input(r, c[1:], rows)]

                return e.repeat(R, carried, body)

            return e.choose(b.icmp_signed(">", with_input, e.const(0)), prefetching, alone) if PANELS[0] == PANEL else alone()

        def one_partial(c: Any, carried: list[Any]) -> list[Any]:
            next_weights, weights = carried[:2]
            _prefetch(e, e.at(inputs, b.mul(c, share_of_inputs)), share_of_inputs)
            _prefetch(e, next_weights, share_of_weights)
            first, zeros = b.mul(c, runs), [e.zero] * (ROWS * PANEL)
            next_weights = e.at(next_weights, share_of_weights)
            next_weights, weights, *sums = e.repeat(
                runs, [next_weights, weights, *zeros], lambda t, s: one_run(b.add(first, t), s)
            )
            kept = [e.at(totals, k * LANES) for k in range(ROWS * PANEL)]
            add = lambda s: [b.fadd(e.load(k), v) for k, v in zip(kept, s, strict=True)]  # noqa: E731
            sums = e.when(b.icmp_signed(">", c, e.const(0)), sums, add)
            with b.if_then(b.icmp_signed("<", c, b.sub(partials, e.const(1)))):
                for k, v in zip(kept, sums, strict=True):
                    e.store(v, k)
            return [next_weights, weights, *sums]

        totals = b.alloca(
            FLOAT, e.const(ROWS * PANEL * LANES)
        )  # of the partial sums before; most layers with few channels have one
        _, _, *sums = e.repeat(partials, [following, w], one_partial)
        _store(e, sums, ROWS, PANEL)

    return address_intrinsic(f"tile_{ROWS}x{PANEL}", _ARGUMENTS, build, partial(plain.tile, ROWS, PANEL))


def _prefetch(e: Emitter, pointer: Any, floats: Any) -> None:
    """Prefetch every cache line of `floats` floats."""

    def line(i: Any, _: list[Any]) -> list[Any]:
        e.prefetch(e.at(pointer, i))
        return []

    e.loop(e.const(0), floats, LINE, [], line)


def _store(e: Emitter, sums: list[Any], ROWS: int, PANEL: int) -> None:
    """Add the residual if there is one, activate, store."""
    constants, N, epilogue, highest, out, out_pixel, residual, residual_pixel = e.function.args[7:15]
    b = e.builder

    def table(k: int, i: int) -> Any:
        return e.load(e.at(e.at(constants, b.mul(N, e.const(k))), i % PANEL * LANES))

    def residual_of(i: int) -> Any:
        return e.load(e.at(e.at(residual, e.load_int(residual_pixel, i // PANEL)), i % PANEL * LANES))

    has_residual = b.icmp_unsigned("!=", b.ptrtoint(residual, INT), e.const(0))
    ys = e.epilogue(sums, epilogue, table, highest, (has_residual, residual_of))
    for m in range(ROWS):
        target = e.at(out, e.load_int(out_pixel, m))
        for v in range(PANEL):
            e.store(ys[m * PANEL + v], e.at(target, v * LANES))
