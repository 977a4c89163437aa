"""What the simulator's tests share: running a graph on the CUDA kernels and judging it by the reference in float64."""

from __future__ import annotations

import zlib

import numpy as np

from npfaceapi.engines.cuda import launches
from npfaceapi.engines.cuda.jit import SIMULATED
from npfaceapi.engines.cuda.kernels.product import Tile, make_product
from npfaceapi.engines.cuda.program import plan
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record

assert SIMULATED
TOLERANCE = 2e-6  # of the largest value, as for the other backends
TINY = Tile(4, 4, 4, 4)  # 16 x 16 sums on 16 threads: the simulator's threads are slow to start
TINY_PRODUCT, TINY_POINTWISE = make_product(TINY), make_product(TINY, POINTWISE=True)


def weights_for(shapes, seed=0):
    """Standard normal parameters, scaled so that sums neither grow nor vanish; variances are positive."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        weights[name] = (np.abs(values) + 0.5 if name.endswith("variance") else values).astype(np.float32)
    return weights


def use_tile(monkeypatch, name):
    """Let every product run on one tile: one of the real ones by name, or `tiny`."""
    tile, product, pointwise = TINY, TINY_PRODUCT, TINY_POINTWISE
    if name != "tiny":
        tile, product, pointwise = launches.TILES[name], launches.PRODUCTS.get(name), launches.POINTWISE[name]
    names = launches.TILES
    for table, chosen in (("TILES", tile), ("PRODUCTS", product), ("POINTWISE", pointwise)):
        monkeypatch.setattr(launches, table, dict.fromkeys(names, chosen))


def assert_close(actual, expected, tolerance=TOLERANCE):
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    error = np.abs(actual - expected).max(initial=0)
    assert error <= tolerance * max(np.abs(expected).max(initial=0), 1e-30), error


def run_both(forward, input_shape, shapes=None, N=1, scale=1.0, weights=None):
    """`forward(x, p)` of one node, or of several as a dict: values on the kernels, and in float64."""

    def network(x, p):
        y = forward(x, p)
        return y if isinstance(y, dict) else {"y": y}

    graph = record("test", network, shapes or {}, input_shape)
    weights = weights_for(shapes or {}) if weights is None else weights
    outputs = list(graph.outputs.values())
    rng = np.random.default_rng(zlib.crc32(repr(input_shape).encode()))
    batch = (rng.standard_normal((N, *input_shape)) * scale).astype(np.float32)
    return plan(graph, weights, outputs)(batch), ReferenceProgram(graph, weights, outputs, np.float64)(batch)


def check(*args, **kwargs):
    actual, expected = run_both(*args, **kwargs)
    for a, b in zip(actual, expected, strict=True):
        assert_close(a, b)
    return actual
