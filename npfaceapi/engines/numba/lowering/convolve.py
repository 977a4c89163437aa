"""Convolutions, dense layers and depthwise convolutions: the params of kernels/convolve.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.fusion import Fused
from npfaceapi.engines.numba.kernels.convolve import CONVOLVE, DEPTHWISE, NO_DEPTHWISE, NO_POOL, convolve, depthwise
from npfaceapi.engines.numba.kernels.gemm import WIDE
from npfaceapi.engines.numba.lowering.context import LoweringContext, chunks_for
from npfaceapi.engines.numba.lowering.product import product, runs_of
from npfaceapi.engines.numba.planner import Call, PlannedStep, Window, pixels_of, window_of
from npfaceapi.engines.numba.simd.target import LANES
from npfaceapi.engines.numba.workspace import ALIGNMENT, FeatureMap, round_up
from npfaceapi.ops import window_padding

__all__ = ["convolution", "dense", "depthwise_convolution"]

Array = np.ndarray[Any, Any]

BAND_BYTES = 256 * 1024  # what lies between the parts of a band, in the L2 cache
BLOCK_BYTES = 192 * 1024  # inputs of a block of pixels
FEW_PIXELS = 48  # with fewer, threads share the channels


def convolution(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    """By the matrix product: of the image, or of what a depthwise convolution right before makes of it."""
    w, x = step.params["filters"], context.feature_map(step.inputs[0])
    if step.depthwise is not None:
        return [_separable(context, step, step.depthwise, w, x, out)]
    return [_plain(context, step, w, x, window_of(step.first, *w.shape[:2]), out)]


def dense(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    """A convolution with one output pixel, whose filter covers the image."""
    x = context.feature_map(step.inputs[0])
    window = Window(x.H, x.W, 1, (0, 0, 0, 0))
    return [_plain(context, step, step.params["weights"].reshape(x.H, x.W, x.C, -1), x, window, out)]


def depthwise_convolution(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    filters = step.params["filters"]
    window = window_of(step.first, *filters.shape[:2])
    x = context.feature_map(step.inputs[0])
    if (window.KH, window.KW) != (3, 3) or window.stride > 2 or x.cp != out.cp:  # as a convolution whose channels do not mix
        channels = np.arange(x.C)
        full = np.zeros((window.KH, window.KW, x.C, x.C), np.float32)
        full[:, :, channels, channels] = filters[..., 0]
        return [_plain(context, step, full, x, window, out)]
    values = {**_depthwise(context, step, x, window), "H": out.H, "W": out.W, "out": out.at(), "out_row": out.row}
    return [Call(depthwise, DEPTHWISE, values, chunks_for(out.H * out.W * 9 * x.cp, out.H))]


def _plain(context: LoweringContext, step: Fused, w: Array, x: FeatureMap, window: Window, out: FeatureMap) -> Call:
    H, W = pixels_of(step.first.shape)[:2]
    top, left = window.halo[::2]
    (i0, i1), (j0, j1) = _met(H, x.H, window.KH, window.stride, top), _met(W, x.W, window.KW, window.stride, left)
    w, top, left = w[i0:i1, j0:j1], top - i0, left - j0
    rows = (np.arange(H)[:, None] * window.stride + x.halo[0] - top) * x.row
    pixels = (rows + (np.arange(W) * window.stride + x.halo[2] - left) * x.cp).reshape(-1)
    N = round_up(w.shape[3], LANES)  # of which `out` may be a part
    by_channels = H * W < FEW_PIXELS and step.pool is None
    values = {
        **product(context, step, w.reshape(-1, w.shape[3]), runs_of(x, w), pixels, N), **_targets(context, step, out, N),
        **_bands(context, step, out, N, 0), **NO_DEPTHWISE, "x": x.offset, "H": H, "W": W,
        "block": max(48, BLOCK_BYTES // (4 * x.cp * window.stride**2) // 12 * 12), "by_channels": by_channels,
    }  # fmt: skip
    work = max(H * W, 16) * w.size  # with fewer pixels, reading the weights takes as long
    return Call(convolve, CONVOLVE, values, chunks_for(work, -(-N // WIDE) if by_channels else out.H))


def _separable(context: LoweringContext, step: Fused, before: Fused, w: Array, x: FeatureMap, out: FeatureMap) -> Call:
    H, W = pixels_of(step.first.shape)[:2]
    weights = np.zeros((x.cp, w.shape[3]), np.float32)
    weights[: x.C] = w[0, 0]
    N = round_up(out.C, LANES)
    runs, pixels = (np.zeros(1, np.int64), x.cp), np.arange(H * W) * x.cp
    values = {
        **product(context, step, weights, runs, pixels, N), **_targets(context, step, out, N),
        **_depthwise(context, before, x, window_of(before.first, 3, 3)),
        **_bands(context, step, out, N, x.cp, before.first.attributes["stride"]),
        "H": H, "W": W, "block": 1 << 30, "by_channels": False,
    }  # fmt: skip
    return Call(convolve, CONVOLVE, values, chunks_for(H * W * weights.size, max(1, out.H // 2)))


def _met(outputs: int, size: int, length: int, stride: int, before: int) -> tuple[int, int]:
    """The range of filter elements, along one axis, that meet more than padding: the middle one alone for a single pixel."""
    met = [t for t in range(length) if any(0 <= h * stride + t - before < size for h in range(outputs))]
    return (met[0], met[-1] + 1) if met else (0, 1)


def _depthwise(context: LoweringContext, step: Fused, source: FeatureMap, window: Window) -> dict[str, Any]:
    """The part of the params that a depthwise convolution fills."""
    C, w = source.cp, step.params["filters"]
    weights = np.zeros((9, C), np.float32)
    weights[:, : source.C] = w.reshape(9, -1)
    return {
        "x": source.at(-window.halo[0], -window.halo[2]), "row": source.row, "C": C, "stride": window.stride,
        "dw": context.address(weights), "dw_constants": context.constants_of(step, C), "dw_epilogue": context.epilogue_of(step),
        "dw_highest": step.activation.highest, "dw_lowest": 0.0 if step.clamp else -np.inf,
    }  # fmt: skip


def _targets(context: LoweringContext, step: Fused, out: FeatureMap, N: int) -> dict[str, Any]:
    """The part of the params that says where the product's results go, and where the residual lies."""
    H, W = pixels_of(step.first.shape)[:2]
    residual = context.feature_map(step.residual) if step.residual is not None else None
    out_pixels = context.address(out.pixels(H, W) if step.pool is None else np.arange(H * W) * N, np.int64)
    return {
        "out": out.offset if step.pool is None else out.at(), "out_pixel": out_pixels,
        "residual": -1 if residual is None else residual.offset,
        "residual_pixel": out_pixels if residual is None else context.address(residual.pixels(H, W), np.int64),
    }  # fmt: skip


def _bands(
    context: LoweringContext, step: Fused, out: FeatureMap, N: int, between: int, between_stride: int = 1
) -> dict[str, int]:
    """The part of the params that says how a step is cut into bands.

    `between` floats per pixel, which a depthwise part of stride `between_stride` makes, are the product's input.

    A step with neither a depthwise part nor a pool is one band.
    """
    H, W = pixels_of(step.first.shape)[:2]
    if step.pool is None:
        # with stride 2 a row of outputs reads four times as much, and what the next band reads is prefetched meanwhile
        band = max(1, min(H, BAND_BYTES // (4 * W * between * between_stride**2))) if between else H
        context.need_scratch(4 * band * W * between)
        return {**NO_POOL, "band": band, "out_H": H, "out_W": W}
    size, stride, padding = (step.pool.attributes[k] for k in ("size", "stride", "padding"))
    rows = max(size, BAND_BYTES // (4 * W * (between + N)))
    band = max(1, (rows - size) // stride + 1)
    rows = (band - 1) * stride + size
    buffer = round_up(4 * rows * W * between, ALIGNMENT)
    context.need_scratch(buffer + 4 * rows * W * N)
    top, left = (window_padding(n, size, stride, padding)[0] for n in (H, W))
    return {
        "band": band, "pool": size, "pool_stride": stride, "pool_top": top, "pool_left": left, "buffer": buffer,
        "out_row": out.row, "out_H": out.H, "out_W": out.W,
    }  # fmt: skip
