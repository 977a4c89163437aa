"""Every operation alone, on the numba backend, against the float64 reference, with awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.comparing import TOLERANCE, assert_close, run_both
from npfaceapi import ops
from npfaceapi.engines.numba.program import plan
from npfaceapi.engines.numba.simd import winograd
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record

WINOGRAD_TOLERANCE = 4e-6  # its transformations add and subtract numbers larger than the result


def check(*args, tolerance=TOLERANCE, **kwargs):
    actual, expected = run_both(plan, *args, **kwargs)
    for a, b in zip(actual, expected, strict=True):
        assert_close(a, b, tolerance)
    return actual


@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel", "Ci", "Co"), [(1, 1, 1), (1, 33, 50), (3, 3, 10), (3, 16, 32), (3, 37, 25), (2, 5, 65), (7, 3, 17), (5, 8, 136)]
)
def test_conv2d(kernel, Ci, Co, stride, padding):
    check(
        lambda x, p: ops.conv2d(x, p["filters"], p["bias"], stride=stride, padding=padding),
        (13, 10, Ci),
        {"filters": (kernel, kernel, Ci, Co), "bias": (Co,)},
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (5, 4), (6, 6), (16, 1)])
def test_conv2d_on_small_images(size):
    shapes = {"filters": (3, 3, 4, 24), "bias": (24,)}
    check(lambda x, p: ops.conv2d(x, p["filters"], p["bias"]), (*size, 4), shapes)


@pytest.mark.parametrize(
    ("size", "Ci", "Co"), [((35, 35), 32, 32), ((17, 17), 64, 64), ((8, 8), 128, 128), ((4, 4), 256, 256), ((9, 6), 64, 40)]
)
def test_conv2d_with_a_long_sum(size, Ci, Co):
    check(lambda x, p: ops.conv2d(x, p["filters"]), (*size, Ci), {"filters": (3, 3, Ci, Co)}, tolerance=WINOGRAD_TOLERANCE)


@pytest.mark.parametrize("size", [(12, 12), (13, 21), (17, 14), (8, 10), (9, 9), (7, 7)])
def test_conv2d_by_tiles_with_bias_sum_and_activation(size):
    """Sizes that are no multiples of tiles, and images with a halo in recycled memory."""

    def forward(x, p):
        y = ops.relu(ops.conv2d(x, p["first"], p["bias"]))
        y = ops.relu(ops.add(ops.conv2d(y, p["second"], p["bias"]), x))
        return ops.relu6(ops.conv2d(y, p["third"], p["bias"]))

    filters = dict.fromkeys(("first", "second", "third"), (3, 3, 32, 32))
    check(forward, (*size, 32), {**filters, "bias": (32,)}, N=3, tolerance=WINOGRAD_TOLERANCE)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_conv2d_whose_taps_meet_only_padding(kernel, size, stride):
    """Some taps, or all (1x1 filter, stride 2, padding 1, an image of one pixel), meet only padding."""
    shapes = {"filters": (kernel, kernel, 8, 20), "bias": (20,)}
    check(lambda x, p: ops.conv2d(x, p["filters"], p["bias"], stride=stride, padding=1), (*size, 8), shapes)


@pytest.mark.parametrize("m", [2, 4])
def test_transformed_tiles_are_a_convolution(m):
    """A' [(G w G') * (B' x B)] A, in float64, against direct convolution."""
    rng = np.random.default_rng(m)
    x, w = rng.normal(size=(m + 2, m + 2)), rng.normal(size=(3, 3, 1, 1))
    BT, _, AT = winograd._matrices(m)
    y = AT @ (winograd.transform_filters(w, m).reshape(m + 2, m + 2) * (BT @ x @ BT.T)) @ AT.T
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))
    assert np.allclose(y, (windows * w[..., 0, 0]).sum(axis=(2, 3)), rtol=0, atol=1e-12)


def test_conv2d_1x1_with_many_channels():
    check(lambda x, p: ops.conv2d(x, p["filters"]), (3, 5, 1030), {"filters": (1, 1, 1030, 70)})


@pytest.mark.parametrize("kernel", [(1, 3), (3, 1), (2, 4)])
def test_conv2d_with_an_oblong_filter(kernel):
    check(lambda x, p: ops.conv2d(x, p["filters"]), (7, 9, 6), {"filters": (*kernel, 6, 11)})


@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize(("size", "C"), [((5, 5), 1), ((12, 9), 16), ((14, 17), 37), ((8, 21), 64)])
def test_depthwise_conv2d(size, C, kernel, stride, padding):
    check(
        lambda x, p: ops.depthwise_conv2d(x, p["filters"], p["bias"], stride=stride, padding=padding),
        (*size, C),
        {"filters": (kernel, kernel, C, 1), "bias": (C,)},
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("size", "C", "Co"), [((1, 1), 3, 5), ((11, 7), 20, 33), ((28, 30), 64, 128)])
def test_depthwise_then_pointwise(size, C, Co, stride):
    def separable(x, p):
        return ops.relu(ops.conv2d(ops.depthwise_conv2d(x, p["depthwise"], stride=stride), p["pointwise"], p["bias"]))

    check(separable, (*size, C), {"depthwise": (3, 3, C, 1), "pointwise": (1, 1, C, Co), "bias": (Co,)})


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "stride"), [(2, 1), (2, 2), (3, 2), (3, 1), (4, 3)])
@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 7, 32), (12, 11, 21)])
def test_max_pool(shape, size, stride, padding):
    check(lambda x, p: ops.max_pool(x, size, stride=stride, padding=padding), shape)


@pytest.mark.parametrize("size", [2, 3])
def test_max_pool_of_negative_numbers_ignores_the_padding(size):
    (y,) = check(lambda x, p: ops.max_pool(ops.subtract(x, 100.0), size, stride=2), (5, 5, 3))
    assert y.max() < -50


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (7, 2), (3, 1)])
@pytest.mark.parametrize("C", [1, 32, 45])
def test_avg_pool(size, stride, C):
    check(lambda x, p: ops.avg_pool(x, size, stride=stride), (9, 7, C))


@pytest.mark.parametrize("shape", [(1, 1, 5), (2, 2, 256), (13, 6, 31)])
def test_mean(shape):
    check(lambda x, p: ops.mean(x), shape)


@pytest.mark.parametrize(("Ci", "Co"), [(1, 1), (6, 2), (256, 136), (576, 130), (1152, 7)])
def test_dense(Ci, Co):
    def forward(x, p):
        return ops.dense(ops.reshape(x, (-1,)), p["weights"], p["bias"])

    check(forward, (1, 1, Ci), {"weights": (Ci, Co), "bias": (Co,)}, N=3)


@pytest.mark.parametrize("C", [1, 16, 23])
def test_batch_norm(C):
    def forward(x, p):
        return ops.batch_norm(x, **{k: p[k] for k in ("mean", "variance", "offset", "scale")}, epsilon=0.001)

    check(forward, (4, 5, C), dict.fromkeys(("mean", "variance", "offset", "scale"), (C,)))


@pytest.mark.parametrize("op", [ops.add, ops.subtract, ops.multiply, ops.divide])
@pytest.mark.parametrize("operand", [2.5, (122.782, 117.001, 104.298), "param"])
def test_operations_with_constants(op, operand):
    check(lambda x, p: op(x, p["y"] if operand == "param" else operand), (4, 5, 3), {"y": (3,)}, scale=100)


@pytest.mark.parametrize("op", [ops.add, ops.subtract, ops.multiply, ops.divide])
@pytest.mark.parametrize("C", [3, 16, 35])
def test_operations_of_two_nodes(op, C):
    check(lambda x, p: op(x, ops.add(ops.relu(x), 1.0)), (4, 5, C))


@pytest.mark.parametrize("op", [ops.relu, ops.relu6, ops.sigmoid, ops.softmax, lambda x: ops.leaky_relu(x, 0.1)])
@pytest.mark.parametrize("shape", [(4, 5, 3), (3, 2, 40)])
def test_functions(op, shape):
    check(lambda x, p: op(x), shape, scale=5)


def test_prelu():
    check(lambda x, p: ops.prelu(x, p["alpha"]), (4, 5, 19), {"alpha": (19,)})


def test_sigmoid_and_softmax_of_huge_numbers():
    for y in check(lambda x, p: {"a": ops.sigmoid(x), "b": ops.softmax(x)}, (4, 4, 6), scale=1e4):
        assert y.min() >= 0
        assert y.max() <= 1


@pytest.mark.parametrize("C", [7, 16, 19, 32])
@pytest.mark.parametrize("channels", [(0, 0), (2, 5), (0, 32)])
def test_pad(C, channels):
    check(lambda x, p: ops.pad(x, rows=(1, 2), columns=(1, 3), channels=channels), (4, 5, C))


def test_concat_and_reshape():
    def forward(x, p):
        parts = [ops.reshape(ops.multiply(x, float(k)), (-1, 5)) for k in (1, 2, 3)]
        return ops.concat([*parts, ops.reshape(ops.avg_pool(x, 2, stride=2), (-1, 5))])

    check(forward, (4, 6, 10))


@pytest.mark.parametrize(
    "op", [ops.relu, ops.relu6, lambda x: ops.max_pool(x, 3, stride=1), lambda x: ops.add(x, x), ops.softmax]
)
def test_nan_stays_nan(op):
    graph = record("test", lambda x, p: {"y": op(x)}, {}, (5, 5, 20))
    batch = np.zeros((1, 5, 5, 20), np.float32)
    batch[0, 2, 2, 3] = np.nan
    (y,) = plan(graph, {}, list(graph.outputs.values()))(batch)
    (expected,) = ReferenceProgram(graph, {}, list(graph.outputs.values()), np.float64)(batch)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))


def test_the_comparison_can_fail():
    """A result with one number off by 1e-5, or with another shape, does not pass."""
    good = np.ones((2, 3), np.float32)
    bad = good.copy()
    bad[1, 1] += 1e-5
    for wrong in (bad, good[:1], good.astype(np.float64)):
        with pytest.raises(AssertionError):
            assert_close(wrong, good)
