"""Winograd's method: the params that the three kernels of kernels/winograd.py share."""

from __future__ import annotations

import numpy as np

from npfaceapi.engines.numba.kernels.winograd import WINOGRAD, products, tiles_in, tiles_out
from npfaceapi.engines.numba.lowering.context import LoweringContext, chunks_for
from npfaceapi.engines.numba.lowering.product import product
from npfaceapi.engines.numba.planner import Call, PlannedStep, pixels_of
from npfaceapi.engines.numba.simd.winograd import transform_filters
from npfaceapi.engines.numba.workspace import FeatureMap

__all__ = ["convolution_by_tiles"]


def convolution_by_tiles(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    w, x = step.params["filters"], context.feature_map(step.inputs[0])
    H, W = pixels_of(step.first.shape)[:2]
    Ci, N = w.shape[2:]
    m, (rows, columns) = step.tile, step.tiles
    V, U = context.memory_plan.tiles[step.node]
    residual = context.feature_map(step.residual) if step.residual is not None else None
    context.need_scratch(4 * m * N)  # the last tile reads that far past the residual
    tiles, one_run = np.arange(rows * columns), (np.zeros(1, np.int64), Ci)
    values = {
        **product(context, step, transform_filters(w, m), one_run, tiles * Ci, N),
        "identity": context.address(np.zeros(N)), "out_pixel": context.address(tiles * N, np.int64),
        "x": x.at(-1, -1), "row": x.row, "C": Ci, "m": m, "tiles_h": rows, "tiles_w": columns, "v": V.offset, "u": U.offset,
        "out": out.at(), "out_row": out.row, "H": H, "W": W,
        "residual": -1 if residual is None else residual.at(), "residual_row": 0 if residual is None else residual.row,
    }  # fmt: skip
    work = (m + 2) ** 2 * rows * columns * Ci * N
    return [
        Call(tiles_in, WINOGRAD, values, chunks_for(V.bytes * 8, rows * columns)),
        Call(products, WINOGRAD, values, chunks_for(work, (m + 2) ** 2)),
        Call(tiles_out, WINOGRAD, values, chunks_for(U.bytes * 8, rows * columns)),
    ]
