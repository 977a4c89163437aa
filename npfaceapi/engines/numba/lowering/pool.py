"""Pooling: the params of kernels/pool.py."""

from __future__ import annotations

from npfaceapi.engines.numba.kernels.pool import POOL, avg_pool, max_pool
from npfaceapi.engines.numba.lowering.context import LoweringContext, chunks_for
from npfaceapi.engines.numba.planner import Call, PlannedStep
from npfaceapi.engines.numba.workspace import FeatureMap
from npfaceapi.ops import window_padding

__all__ = ["pool"]


def pool(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    """max_pool, avg_pool, and mean: one window."""
    x, attributes = context.feature_map(step.inputs[0]), step.first.attributes
    size_h, size_w = (x.H, x.W) if step.kind == "mean" else (attributes["size"],) * 2
    stride, padding = attributes.get("stride", 1), attributes.get("padding", "valid")
    values = {
        "x": x.at(), "row": x.row, "IH": x.H, "IW": x.W, "size_h": size_h, "size_w": size_w, "stride": stride,
        "top": window_padding(x.H, size_h, stride, padding)[0], "left": window_padding(x.W, size_w, stride, padding)[0],
        "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
    }  # fmt: skip
    kernel = max_pool if step.kind == "max_pool" else avg_pool
    return [Call(kernel, POOL, values, chunks_for(out.H * out.W * out.cp * size_h * size_w, out.H))]
