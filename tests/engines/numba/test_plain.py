"""The kernels as plain Python, for stepping through them: one small shape each, against the reference.

python -m pytest tests/engines/numba/test_plain.py -k max_pool --trace
"""

from __future__ import annotations

import numpy as np
import pytest

from helpers.comparing import assert_close, weights_for
from npfaceapi import ops
from npfaceapi.engines.numba.jit import Kernel
from npfaceapi.engines.numba.kernels import convolve, memory, pool, resample, resize, rows, winograd
from npfaceapi.engines.numba.program import plan
from npfaceapi.engines.numba.resizing import resample_squares, resize_in_squares
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record

TILES = dict.fromkeys(("a", "b"), (3, 3, 32, 32))
DEPTHWISE = {"depthwise": (3, 3, 8, 1), "pointwise": (1, 1, 8, 20), "bias": (20,)}
CASES = {
    "convolution": ((5, 6, 3), {"w": (3, 3, 3, 20)}, lambda x, p: ops.relu(ops.conv2d(x, p["w"], stride=2))),
    "long sums": ((3, 3, 70), {"w": (3, 3, 70, 5)}, lambda x, p: ops.relu6(ops.conv2d(x, p["w"]))),
    "wide": ((3, 3, 8), {"w": (1, 1, 8, 140)}, lambda x, p: ops.leaky_relu(ops.conv2d(x, p["w"]), 0.1)),
    "residual": ((4, 5, 16), {"w": (3, 3, 16, 16)}, lambda x, p: ops.add(ops.conv2d(ops.relu(x), p["w"]), x)),
    "tiles of 2": ((9, 8, 32), TILES, lambda x, p: ops.relu(ops.add(ops.conv2d(ops.conv2d(x, p["a"]), p["b"]), x))),
    "tiles of 4": ((13, 12, 32), TILES, lambda x, p: ops.conv2d(ops.relu(ops.conv2d(x, p["a"])), p["b"])),
    "depthwise": ((6, 7, 8), DEPTHWISE, lambda x, p: ops.depthwise_conv2d(ops.relu(x), p["depthwise"])),
    "separable": (
        (6, 7, 8),
        DEPTHWISE,
        lambda x, p: ops.conv2d(ops.depthwise_conv2d(x, p["depthwise"], stride=2), p["pointwise"]),
    ),
    "pool behind": ((8, 9, 3), {"w": (3, 3, 3, 8)}, lambda x, p: ops.max_pool(ops.conv2d(x, p["w"]), 3, stride=2)),
    "dense": ((1, 1, 40), {"w": (40, 7)}, lambda x, p: ops.dense(ops.reshape(x, (-1,)), p["w"])),
    "max_pool": ((5, 6, 9), {}, lambda x, p: ops.max_pool(x, 3, stride=2)),
    "avg_pool": ((5, 6, 9), {}, lambda x, p: ops.avg_pool(x, 2, stride=2)),
    "mean": ((3, 4, 9), {}, lambda x, p: ops.mean(x)),
    "affine": ((3, 4, 5), {}, lambda x, p: ops.divide(ops.subtract(x, 2.0), 3.0)),
    "affine strip": ((3, 4, 32), {}, lambda x, p: ops.multiply(ops.relu(x), 3.0)),
    "pair": ((3, 4, 5), {}, lambda x, p: ops.divide(x, ops.add(ops.relu(x), 1.0))),
    "pad": ((3, 4, 5), {}, lambda x, p: ops.pad(x, rows=(1, 2), columns=(0, 1), channels=(2, 0))),
    "pad strip": ((3, 4, 32), {}, lambda x, p: ops.pad(x, rows=(1, 2), columns=(0, 1), channels=(2, 0))),
    "sigmoid": ((3, 4, 5), {}, lambda x, p: ops.sigmoid(x)),
    "softmax": ((3, 4, 5), {}, lambda x, p: ops.softmax(x)),
    "concat": ((3, 4, 10), {}, lambda x, p: ops.concat([ops.reshape(x, (-1, 5)), ops.reshape(ops.relu(x), (-1, 5))])),
}


@pytest.mark.slow_after(8)
@pytest.mark.parametrize("case", CASES)
def test_kernel_in_python(case):
    size, shapes, forward = CASES[case]
    graph, weights = record("test", lambda x, p: {"y": forward(x, p)}, shapes, size), weights_for(shapes)
    outputs = list(graph.outputs.values())
    image = np.random.default_rng(1).standard_normal(size).astype(np.float32)
    program = plan(graph, weights, outputs)
    (actual,), (expected,) = program.in_python(image), ReferenceProgram(graph, weights, outputs, np.float64)(image[None])
    assert_close(actual, expected[0], 4e-6)
    assert_close(actual, program(image[None])[0][0], 4e-6)  # as compiled


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("half_pixel", [False, True])
def test_resizing_in_python(dtype, half_pixel):
    """Here the bits are equal: both compute in float64."""
    image = np.random.default_rng(2).integers(0, 256, (5, 7, 3)).astype(dtype)
    expected, actual = np.full((2, 4, 6, 3), np.nan, np.float32)  # all is written, the padding too
    resize_in_squares([image], [(1, 0, 7, 7)], [expected], half_pixel)
    values = np.zeros(1, resize.RESIZE)
    values[0] = (
        image.ctypes.data, dtype == np.float32, image.strides[0], 5, 7, 1, 0, 7, 7,
        actual.ctypes.data, 6, 0, 0, 4, 6, half_pixel, 0, 4,
    )  # fmt: skip
    scratch = np.zeros(resize.scratch_bytes(6), np.uint8)
    resize.resize.plain(values, 0, scratch.ctypes.data, 0, 1)
    np.testing.assert_array_equal(actual, expected)
    assert np.isfinite(actual).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_resampling_in_python(dtype):
    image = np.random.default_rng(2).integers(0, 256, (5, 7, 3)).astype(dtype)
    expected, actual = np.zeros((2, 4, 4, 3), np.float32)
    resample_squares([image], [(1.5 + 0.5j, -1 + 0.25j)], [2], [expected])
    values = np.zeros(1, resample.RESAMPLE)
    values[0] = (
        image.ctypes.data, dtype == np.float32, image.strides[0], 5, 7, actual.ctypes.data, 4, 2, 1.5, 0.5, -1, 0.25,
    )  # fmt: skip
    scratch = np.zeros(resample.scratch_bytes(2), np.uint8)
    resample.resample.plain(values, 0, scratch.ctypes.data, 0, 1)
    np.testing.assert_array_equal(actual, expected)
    assert expected.any()


def test_every_kernel_of_a_step_is_run_in_python():
    """Every kernel has a case here."""
    there = {k for file in (convolve, memory, pool, rows, winograd) for k in vars(file).values() if isinstance(k, Kernel)}
    tried = set()
    for size, shapes, forward in CASES.values():
        graph = record("test", lambda x, p, f=forward: {"y": f(x, p)}, shapes, size)
        program = plan(graph, weights_for(shapes), list(graph.outputs.values()))
        tried |= {kernel for kernel, _ in program._params}
    assert {kernel.name for kernel in there - tried} == set()
