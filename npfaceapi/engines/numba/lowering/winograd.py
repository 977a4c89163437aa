"""Winograd's method: the record that the three kernels of kernels/winograd.py share."""

from __future__ import annotations

import numpy as np

from npfaceapi.engines.numba.kernels.winograd import WINOGRAD, products, tiles_in, tiles_out
from npfaceapi.engines.numba.lowering.product import product
from npfaceapi.engines.numba.lowering.records import Records, chunks_for
from npfaceapi.engines.numba.planner import Call, PlannedStep, pixels_of
from npfaceapi.engines.numba.simd.winograd import transform_filters
from npfaceapi.engines.numba.workspace import Image

__all__ = ["convolution_by_tiles"]


def convolution_by_tiles(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    w, x = step.params["filters"], records.image(step.inputs[0])
    H, W = pixels_of(step.first.shape)[:2]
    Ci, N = w.shape[2:]
    m, (rows, columns) = step.tile, step.tiles
    V, U = records.layout.tiles[step.node]
    residual = records.image(step.residual) if step.residual is not None else None
    records.need_scratch(4 * m * N)  # the last tile reads so far past the residual
    tiles, one_run = np.arange(rows * columns), (np.zeros(1, np.int64), Ci)
    values = {
        **product(records, step, transform_filters(w, m), one_run, tiles * Ci, N),
        "identity": records.address(np.zeros(N)), "out_pixel": records.address(tiles * N, np.int64),
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
