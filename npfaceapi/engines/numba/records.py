"""Each kind of fused step as kernel calls: weights folded and packed, tables of pixels, chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.fusion import Activation, Constants, Fused
from npfaceapi.engines.numba.kernels import convolve as kc
from npfaceapi.engines.numba.kernels import gemm as kg
from npfaceapi.engines.numba.kernels import memory as km
from npfaceapi.engines.numba.kernels import pool as kp
from npfaceapi.engines.numba.kernels import rows as kr
from npfaceapi.engines.numba.kernels import winograd as kw
from npfaceapi.engines.numba.planner import Call, Layout, PlannedStep, Window, pixels_of, window_of
from npfaceapi.engines.numba.simd.emit import CLAMPED, LIMITED, SCALED, SLOPED
from npfaceapi.engines.numba.simd.target import LANES
from npfaceapi.engines.numba.simd.winograd import transform_filters
from npfaceapi.engines.numba.workspace import ALIGNMENT, Image, round_up
from npfaceapi.graph import Node
from npfaceapi.ops import window_padding

__all__ = ["Records"]

Array = np.ndarray[Any, Any]

CHAIN = 64  # the usual length of a chain of additions: see simd/tile.py
LONGEST_CHAIN = 150  # where the usual length does not fit; the recognition net's error stays below that of ONNX Runtime
CHUNK_WORK = 100_000  # multiply-adds worth a chunk of their own, 1 to 3 microseconds
BAND_BYTES = 256 * 1024  # what lies between the parts of a band, in the second-level cache
BLOCK_BYTES = 192 * 1024  # inputs of a block of pixels
FEW_PIXELS = 48  # with fewer, threads share the channels


class Records:
    """Makes the calls of a layout's steps, and keeps their constants.

    Attributes
    ----------
    kept : list of ndarray
        What the records' addresses point to.
    scratch_bytes : int
        How much memory of its own a thread needs.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.kept: list[Array] = []
        self._packed: list[Array] = []
        self._packed_bytes = 0
        self.scratch_bytes = 64

    def address(self, values: Array, dtype: Any = np.float32) -> int:
        """The address of a constant."""
        self.kept.append(np.ascontiguousarray(values, dtype))
        return int(self.kept[-1].ctypes.data)

    def weights(self, packed: Array) -> int:
        """Where packed weights will lie in the block that `place_weights` makes, in bytes from its start."""
        offset = self._packed_bytes
        self._packed.append(packed)
        self._packed_bytes += round_up(packed.nbytes, ALIGNMENT)
        return offset

    def place_weights(self, calls: Sequence[Call]) -> list[Call]:
        """All packed weights in one block, in the order in which the calls read them: see kernels/gemm.py for why."""
        block = np.empty(self._packed_bytes + ALIGNMENT, np.uint8)
        block = block[-block.ctypes.data % ALIGNMENT :]
        self.kept.append(block)
        offset, start = 0, block.ctypes.data
        for packed in self._packed:
            block[offset : offset + packed.nbytes] = packed.reshape(-1).view(np.uint8)
            offset += round_up(packed.nbytes, ALIGNMENT)
        self._packed.clear()
        placed = [{**call.values, "w": start + call.values["w"]} if "w" in call.values else call.values for call in calls]
        return [call._replace(values=values) for call, values in zip(calls, placed, strict=True)]

    def row_of(self, values: Array, image: Image) -> int:
        """The address of one number for each float of a row of the image, from one a channel."""
        pixel = np.zeros(image.cp, np.float32)
        pixel[: values.size] = values
        return self.address(np.tile(pixel, image.W))

    def constants_of(self, step: Fused, C: int) -> int:
        """The address of [4,C]: before (the bias included), scale, after, alpha of a step."""
        constants, bias = step.constants, step.params.get("bias", np.zeros(1))
        table = np.zeros((4, C), np.float32)
        table[:, : constants.scale.size] = (constants.before + bias, constants.scale, constants.after, step.activation.alpha)
        return self.address(table)

    @staticmethod
    def finish_of(step: Fused) -> int:
        """What is not idle of a step's constants and activation."""
        scale, after, alpha = step.constants.scale, step.constants.after, step.activation.alpha
        finish = SCALED if (scale != 1).any() or after.any() else 0
        if not alpha.any():
            finish |= CLAMPED
        elif (alpha != 1).any():
            finish |= SLOPED
        return finish | LIMITED if np.isfinite(step.activation.highest) else finish

    def of(self, step: PlannedStep) -> list[Call]:
        """The calls of a step."""
        out = self.layout.images[step.node]
        return [*self.halo(out), *_KINDS[step.kind](self, step, out)]

    def halo(self, image: Image) -> list[Call]:
        if not any(image.halo):
            return []
        sides = dict(zip(("top", "bottom", "left", "right"), image.halo, strict=True))
        return [Call(km.zero_halo, km.HALO, {"offset": image.offset, "H": image.H, "W": image.W, "C": image.cp, **sides})]

    def load(self) -> list[Call]:
        """The caller's image into the workspace, if some step needs it there."""
        if not self.layout.loads_input:
            return []
        out = self.layout.images[self.layout.input]
        return [*self.halo(out), self.affine(self.layout.input, out, Constants.none(out.C), Activation(np.ones(out.C)))]

    def store(self, k: int, node: Node) -> Call:
        """Output number k into the caller's array."""
        image = self.layout.images[node]
        slot = self.layout.slots + 8 * (1 + k)
        return self.copy(image, out=slot, slot=1, out_row=image.W * image.C, out_cp=image.C, out_W=image.W, out_C=image.C, skip=0)

    # ------------------------------------------------------------------ rows of numbers

    def affine(self, source: Node, out: Image, constants: Constants, activation: Activation) -> Call:
        parts = (constants.before, constants.scale, constants.after)
        before, scale, after = (self.row_of(values, out) for values in parts)
        values = {
            "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
            "before": before, "scale": scale, "after": after,
            "alpha": self.row_of(activation.alpha, out), "highest": activation.highest,
        }  # fmt: skip
        if source is self.layout.input:  # straight from the caller's array
            values |= {"x": self.layout.slots, "row": out.W * out.C, "x_C": out.C, "slot": 1}
        else:
            x = self.layout.images[source]
            values |= {"x": x.at(), "row": x.row, "x_C": x.cp, "slot": 0}
        return Call(kr.affine, kr.AFFINE, values, self._chunks(out.H * out.W * out.cp * 8, out.H))

    def copy(self, x: Image, **target: int) -> Call:
        return Call(kr.copy, kr.COPY, {"x": x.at(), "row": x.row, "x_C": x.cp, "H": x.H, "W": x.W, "C": x.C, **target})

    @staticmethod
    def _chunks(work: int, most: int) -> int:
        return max(1, min(work // CHUNK_WORK, most))

    # ------------------------------------------------------------------ convolutions

    def depthwise(self, step: Fused, source: Image, window: Window) -> dict[str, Any]:
        """The part of a record that a depthwise convolution fills."""
        C, w = source.cp, step.params["filters"]
        weights = np.zeros((9, C), np.float32)
        weights[:, : source.C] = w.reshape(9, -1)
        return {
            "x": source.at(-window.halo[0], -window.halo[2]), "row": source.row, "C": C, "stride": window.stride,
            "dw": self.address(weights), "dw_constants": self.constants_of(step, C), "dw_finish": self.finish_of(step),
            "dw_highest": step.activation.highest, "dw_lowest": 0.0 if step.clamp else -np.inf,
        }  # fmt: skip

    def product(self, step: Fused, w: Array, runs: tuple[Array, int], pixels: Array, out: Image) -> dict[str, Any]:
        """The part of a record that the matrix product fills; `w` is [K,Co], `runs` their starts and their length."""
        starts, R, chained = _chains(*runs)
        N = round_up(out.C, LANES)
        H, W = pixels_of(step.first.shape)[:2]
        residual = self.layout.images[step.residual] if step.residual is not None else None
        out_pixels = self.address(out.pixels(H, W) if step.pool is None else np.arange(H * W) * N, np.int64)
        return {
            "gemm": kg.gemm.address, "pixel": self.address(pixels, np.int64), "run": self.address(starts, np.int64),
            "chains": len(starts) // chained, "runs": chained, "R": R, "w": self.weights(kg.pack_weights(w, N)),
            "constants": self.constants_of(step, N), "finish": self.finish_of(step), "highest": step.activation.highest,
            "N": N, "out": out.offset, "out_pixel": out_pixels, "residual": -1 if residual is None else residual.offset,
            "residual_pixel": out_pixels if residual is None else self.address(residual.pixels(H, W), np.int64), "H": H, "W": W,
        }  # fmt: skip

    def banded(self, step: Fused, out: Image, N: int, between: int) -> dict[str, int]:
        """The part of a record that says how a step is cut to bands; `between` floats a pixel lie before the product.

        A step with neither a depthwise part nor a pool is one band.
        """
        H, W = pixels_of(step.first.shape)[:2]
        if step.pool is None:
            band = max(1, min(H, BAND_BYTES // (4 * W * between))) if between else H
            self.scratch_bytes = max(self.scratch_bytes, 4 * band * W * between)
            return {**kc.NO_POOL, "band": band, "out_H": H, "out_W": W}
        size, stride, padding = (step.pool.attributes[k] for k in ("size", "stride", "padding"))
        rows = max(size, BAND_BYTES // (4 * W * (between + N)))
        band = max(1, (rows - size) // stride + 1)
        rows = (band - 1) * stride + size
        buffer = round_up(4 * rows * W * between, ALIGNMENT)
        self.scratch_bytes = max(self.scratch_bytes, buffer + 4 * rows * W * N)
        top, left = (window_padding(n, size, stride, padding)[0] for n in (H, W))
        return {
            "band": band, "pool": size, "pool_stride": stride, "pool_top": top, "pool_left": left, "buffer": buffer,
            "out": out.at(), "out_row": out.row, "out_H": out.H, "out_W": out.W,
        }  # fmt: skip


def _chains(starts: Array, R: int) -> tuple[Array, int, int]:
    """Runs cut to at most CHAIN numbers, and how many of them make a chain."""
    length = next(d for d in range(min(R, CHAIN), 0, -1) if R % d == 0)
    if length < CHAIN // 8:  # no good divisor: leave the runs whole
        length = R
    starts = (starts[:, None] + np.arange(0, R, length)).reshape(-1)
    divisors = [n for n in range(1, len(starts) + 1) if len(starts) % n == 0]
    chained = max(n for n in divisors if n == 1 or n * length <= CHAIN)
    if chained * length < CHAIN // 2:  # adding up so many short chains costs more than a longer one errs
        chained = max(n for n in divisors if n == chained or n * length <= LONGEST_CHAIN)
    return starts, length, chained


def _runs(x: Image, w: Array) -> tuple[Array, int]:
    """Where the runs of inputs of one output start, relative to its first input, and their length."""
    KH, KW, Ci, _ = w.shape
    if x.cp == Ci:
        return np.arange(KH) * x.row, KW * Ci
    return (np.arange(KH)[:, None] * x.row + np.arange(KW) * x.cp).reshape(-1), Ci


def _met(outputs: int, size: int, taps: int, stride: int, before: int) -> tuple[int, int]:
    """From which to which tap a filter meets the image, not only its padding: the middle one alone if that is one pixel."""
    met = [t for t in range(taps) if any(0 <= h * stride + t - before < size for h in range(outputs))]
    return (met[0], met[-1] + 1) if met else (0, 1)


def _convolution(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    w, x = step.params["filters"], records.layout.images[step.inputs[0]]
    if step.depthwise is not None:
        return [_separable(records, step, w, x, out)]
    if step.tile:
        return _winograd(records, step, w, x, out)
    return [_plain(records, step, w, x, window_of(step.first, *w.shape[:2]), out)]


def _plain(records: Records, step: Fused, w: Array, x: Image, window: Window, out: Image) -> Call:
    H, W = pixels_of(step.first.shape)[:2]
    top, left = window.halo[::2]
    (i0, i1), (j0, j1) = _met(H, x.H, window.KH, window.stride, top), _met(W, x.W, window.KW, window.stride, left)
    w, top, left = w[i0:i1, j0:j1], top - i0, left - j0
    rows = (np.arange(H)[:, None] * window.stride + x.halo[0] - top) * x.row
    pixels = (rows + (np.arange(W) * window.stride + x.halo[2] - left) * x.cp).reshape(-1)
    values = records.product(step, w.reshape(-1, w.shape[3]), _runs(x, w), pixels, out)
    by_channels = H * W < FEW_PIXELS and step.pool is None
    block = max(48, BLOCK_BYTES // (4 * x.cp * window.stride**2) // 12 * 12)
    most = -(-values["N"] // kg.WIDE) if by_channels else out.H
    values |= records.banded(step, out, values["N"], 0)
    values |= {**kc.NO_DEPTHWISE, "x": x.offset, "block": block, "by_channels": by_channels}
    work = max(H * W, 16) * w.size  # with fewer pixels, reading the weights takes as long
    return Call(kc.convolve, kc.CONVOLVE, values, records._chunks(work, most))


def _separable(records: Records, step: Fused, w: Array, x: Image, out: Image) -> Call:
    assert step.depthwise is not None
    H, W = pixels_of(step.first.shape)[:2]
    window = window_of(step.depthwise.first, 3, 3)
    weights = np.zeros((x.cp, w.shape[3]), np.float32)
    weights[: x.C] = w[0, 0]
    values = records.product(step, weights, (np.zeros(1, np.int64), x.cp), np.arange(H * W) * x.cp, out)
    values |= {**records.depthwise(step.depthwise, x, window), **records.banded(step, out, values["N"], x.cp)}
    values |= {"block": 1 << 30, "by_channels": False}
    return Call(kc.convolve, kc.CONVOLVE, values, records._chunks(H * W * weights.size, max(1, out.H // 2)))


def _winograd(records: Records, step: PlannedStep, w: Array, x: Image, out: Image) -> list[Call]:
    H, W = pixels_of(step.first.shape)[:2]
    Ci, N = w.shape[2:]
    m, (rows, columns) = step.tile, step.tiles
    V, U = records.layout.tiles[step.node]
    residual = records.layout.images[step.residual] if step.residual is not None else None
    starts, R, chained = _chains(np.zeros(1, np.int64), Ci)
    records.scratch_bytes = max(records.scratch_bytes, 4 * m * N)  # the last tile reads so far past the residual
    tiles = np.arange(rows * columns)
    values = {
        "x": x.at(-1, -1), "row": x.row, "C": Ci, "m": m, "tiles_h": rows, "tiles_w": columns, "v": V.offset, "u": U.offset,
        "gemm": kg.gemm.address, "pixel": records.address(tiles * Ci, np.int64), "run": records.address(starts, np.int64),
        "w": records.weights(kg.pack_weights(transform_filters(w, m), N)),
        "chains": len(starts) // chained, "runs": chained, "R": R, "identity": records.address(np.zeros(N)),
        "out_pixel": records.address(tiles * N, np.int64), "N": N, "constants": records.constants_of(step, N),
        "finish": records.finish_of(step), "highest": step.activation.highest, "out": out.at(), "out_row": out.row,
        "H": H, "W": W, "residual": -1 if residual is None else residual.at(),
        "residual_row": 0 if residual is None else residual.row,
    }  # fmt: skip
    work = (m + 2) ** 2 * rows * columns * Ci * N
    return [
        Call(kw.tiles_in, kw.WINOGRAD, values, records._chunks(V.bytes * 8, rows * columns)),
        Call(kw.products, kw.WINOGRAD, values, records._chunks(work, (m + 2) ** 2)),
        Call(kw.tiles_out, kw.WINOGRAD, values, records._chunks(U.bytes * 8, rows * columns)),
    ]


def _depthwise(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    filters = step.params["filters"]
    window = window_of(step.first, *filters.shape[:2])
    x = records.layout.images[step.inputs[0]]
    if (window.KH, window.KW) != (3, 3) or window.stride > 2 or x.cp != out.cp:  # as a convolution whose channels do not mix
        channels = np.arange(x.C)
        full = np.zeros((window.KH, window.KW, x.C, x.C), np.float32)
        full[:, :, channels, channels] = filters[..., 0]
        return [_plain(records, step, full, x, window, out)]
    values = {**records.depthwise(step, x, window), "H": out.H, "W": out.W, "out": out.at(), "out_row": out.row}
    return [Call(kc.depthwise, kc.DEPTHWISE, values, records._chunks(out.H * out.W * 9 * x.cp, out.H))]


def _dense(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    """A convolution with one output pixel, whose filter covers the image."""
    x = records.layout.images[step.inputs[0]]
    window = Window(x.H, x.W, 1, (0, 0, 0, 0))
    return [_plain(records, step, step.params["weights"].reshape(x.H, x.W, x.C, -1), x, window, out)]


def _affine(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    return [records.affine(step.inputs[0], out, step.constants, step.activation)]


def _pair(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    x, y = records.layout.images[step.inputs[0]], records.layout.images[step.inputs[-1]]
    values = {
        "x": x.at(), "row": x.row, "y": y.at(), "y_row": y.row, "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W,
        "C": out.cp, "real_C": out.C, "operation": ("add", "subtract", "multiply", "divide").index(step.kind),
        "alpha": records.row_of(step.activation.alpha, out), "highest": step.activation.highest,
    }  # fmt: skip
    return [Call(kr.pair, kr.PAIR, values, records._chunks(out.H * out.W * out.cp * 8, out.H))]


def _pool(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    x, attributes = records.layout.images[step.inputs[0]], step.first.attributes
    size_h, size_w = (x.H, x.W) if step.kind == "mean" else (attributes["size"],) * 2
    stride, padding = attributes.get("stride", 1), attributes.get("padding", "valid")
    values = {
        "x": x.at(), "row": x.row, "IH": x.H, "IW": x.W, "size_h": size_h, "size_w": size_w, "stride": stride,
        "top": window_padding(x.H, size_h, stride, padding)[0], "left": window_padding(x.W, size_w, stride, padding)[0],
        "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
    }  # fmt: skip
    kernel = kp.max_pool if step.kind == "max_pool" else kp.avg_pool
    return [Call(kernel, kp.POOL, values, records._chunks(out.H * out.W * out.cp * size_h * size_w, out.H))]


def _pad(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    x, attributes = records.layout.images[step.inputs[0]], step.first.attributes
    before = {"top": attributes["rows"][0], "left": attributes["columns"][0], "first": attributes["channels"][0]}
    values = {
        "x": x.at(), "row": x.row, "x_C": x.cp, "x_H": x.H, "x_W": x.W, "real_C": x.C, **before,
        "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
    }  # fmt: skip
    return [Call(kr.pad, kr.PAD, values, records._chunks(out.H * out.W * out.cp * 8, out.H))]


def _pixelwise(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    x = records.layout.images[step.inputs[0]]
    values = {
        "x": x.at(), "row": x.row, "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp, "real_C": out.C,
    }  # fmt: skip
    return [Call(kr.sigmoid if step.kind == "sigmoid" else kr.softmax, kr.PIXELWISE, values)]


def _joined(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    """concat and reshape: the inputs' numbers one after the other."""
    target = {"out": out.at(), "slot": 0, "out_row": out.row, "out_cp": out.cp, "out_W": out.W, "out_C": out.C}
    calls, skip = [], 0
    for x in step.inputs:
        calls.append(records.copy(records.layout.images[x], **target, skip=skip))
        skip += math.prod(x.shape)
    return calls


_KINDS: dict[str, Callable[[Records, PlannedStep, Image], list[Call]]] = {
    "conv2d": _convolution,
    "depthwise_conv2d": _depthwise,
    "dense": _dense,
    "affine": _affine,
    **dict.fromkeys(("add", "subtract", "multiply", "divide"), _pair),
    **dict.fromkeys(("max_pool", "avg_pool", "mean"), _pool),
    **dict.fromkeys(("sigmoid", "softmax"), _pixelwise),
    **dict.fromkeys(("reshape", "concat"), _joined),
    "pad": _pad,
}
