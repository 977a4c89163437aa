"""Comparison of a graph on a backend with the float64 reference: random weights, tolerances, and equal bits."""

from __future__ import annotations

import zlib

import numpy as np

from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record

TOLERANCE = 2e-6  # of the largest value


def weights_for(shapes, seed=0):
    """Normal random parameters, scaled so that sums neither explode nor vanish; variances are positive."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        weights[name] = (np.abs(values) + 0.5 if name.endswith("variance") else values).astype(np.float32)
    return weights


def assert_close(actual, expected, tolerance=TOLERANCE):
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    error = np.abs(actual - expected).max(initial=0)
    assert error <= tolerance * max(np.abs(expected).max(initial=0), 1e-30), error


def assert_same_bits(a, b):
    for x, y in zip(a, b, strict=True):
        assert x.tobytes() == y.tobytes()


def run_both(plan, forward, input_shape, shapes=None, N=2, scale=1.0, weights=None):
    """Values of `forward(x, p)` (one node, or a dict of several) on the planning backend, and in float64."""

    def network(x, p):
        y = forward(x, p)
        return y if isinstance(y, dict) else {"y": y}

    graph = record("test", network, shapes or {}, input_shape)
    weights = weights_for(shapes or {}) if weights is None else weights
    outputs = list(graph.outputs.values())
    rng = np.random.default_rng(zlib.crc32(repr(input_shape).encode()))
    batch = (rng.standard_normal((N, *input_shape)) * scale).astype(np.float32)
    return plan(graph, weights, outputs)(batch), ReferenceProgram(graph, weights, outputs, np.float64)(batch)
