"""Every other operation alone, against the float64 reference, with awkward sizes."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.cuda_kernels import check, run_both, use_tile
from npfaceapi import ops
from npfaceapi.engines.cuda import launches
from npfaceapi.engines.cuda.program import plan
from npfaceapi.engines.cuda.resizing import resize_bilinear
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.errors import InvalidArgument
from npfaceapi.graph import record
from npfaceapi.photos.net_input import resize_bilinear as resize_on_the_cpu


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 16 threads, so that there are several and the last is not full."""
    monkeypatch.setattr(launches, "THREADS", 16)
    use_tile(monkeypatch, "tiny")


@pytest.fixture(params=[0, 1 << 30], ids=["as if the GPU were full", "as if it were empty"])
def either_group(request, monkeypatch):
    """A thread of a depthwise convolution computes many results, or one."""
    monkeypatch.setattr(launches, "ENOUGH_THREADS", request.param)


@pytest.mark.usefixtures("either_group")
@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize(("size", "C"), [((5, 5), 1), ((6, 4), 5)])
def test_depthwise_conv2d(size, C, kernel, stride, padding):
    def forward(x, p):
        return ops.depthwise_conv2d(x, p["filters"], p["bias"], stride=stride, padding=padding)

    check(forward, (*size, C), {"filters": (kernel, kernel, C, 1), "bias": (C,)})


def test_depthwise_conv2d_oblong():
    check(lambda x, p: ops.depthwise_conv2d(x, p["filters"]), (5, 4, 3), {"filters": (1, 3, 3, 1)})


@pytest.mark.usefixtures("either_group")
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("size", "C", "Co"), [((1, 1), 3, 5), ((5, 4), 7, 17)])
def test_depthwise_then_pointwise(size, C, Co, stride):
    """With a relu before, which the depthwise part applies when loading, and a batch norm in between."""
    shapes = {"d": (3, 3, C, 1), "f": (1, 1, C, Co), "b": (Co,), **dict.fromkeys(("mean", "variance", "offset", "scale"), (C,))}

    def forward(x, p):
        y = ops.depthwise_conv2d(ops.relu(x), p["d"], stride=stride)
        y = ops.batch_norm(y, **{k: p[k] for k in ("mean", "variance", "offset", "scale")}, epsilon=0.001)
        return ops.relu6(ops.conv2d(ops.relu6(y), p["f"], p["b"]))

    check(forward, (*size, C), shapes, N=2)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "stride"), [(2, 1), (2, 2), (3, 2), (3, 1), (4, 3)])
@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 7, 3)])
def test_max_pool(shape, size, stride, padding):
    check(lambda x, p: ops.max_pool(x, size, stride=stride, padding=padding), shape, N=2)


def test_max_pool_of_windows_outside_of_the_image():
    (y,), (expected,) = run_both(lambda x, p: ops.max_pool(x, 1, stride=1, padding=1), (2, 2, 3))
    assert np.isneginf(y[0, 0]).all()
    np.testing.assert_array_equal(y, expected)


def test_max_pool_of_negative_numbers_ignores_the_padding():
    (y,) = check(lambda x, p: ops.max_pool(ops.subtract(x, 100.0), 3, stride=2), (5, 5, 3))
    assert y.max() < -50


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (4, 2), (3, 1)])
def test_avg_pool(size, stride):
    check(lambda x, p: ops.avg_pool(x, size, stride=stride), (5, 7, 3), N=2)


@pytest.mark.parametrize("shape", [(1, 1, 5), (2, 2, 19), (5, 6, 3)])
def test_mean(shape):
    check(lambda x, p: ops.mean(x), shape, N=2)


def test_batch_norm():
    def forward(x, p):
        return ops.batch_norm(x, **{k: p[k] for k in ("mean", "variance", "offset", "scale")}, epsilon=0.001)

    check(forward, (3, 2, 7), dict.fromkeys(("mean", "variance", "offset", "scale"), (7,)))


@pytest.mark.parametrize("op", [ops.add, ops.subtract, ops.multiply, ops.divide])
@pytest.mark.parametrize("operand", [2.5, (122.782, 117.001, 104.298), "param"])
def test_operations_with_constants(op, operand):
    check(lambda x, p: op(x, p["y"] if operand == "param" else operand), (4, 5, 3), {"y": (3,)}, scale=100)


@pytest.mark.parametrize("op", [ops.add, ops.subtract, ops.multiply, ops.divide])
def test_operations_of_two_nodes(op):
    check(lambda x, p: ops.leaky_relu(op(x, ops.add(ops.relu(x), 1.0)), 0.1), (4, 5, 3), N=2)


@pytest.mark.parametrize("op", [ops.relu, ops.relu6, ops.sigmoid, ops.softmax, lambda x: ops.leaky_relu(x, 0.1)])
def test_functions(op):
    check(lambda x, p: op(x), (3, 2, 7), N=2, scale=5)


def test_prelu():
    check(lambda x, p: ops.prelu(x, p["alpha"]), (2, 3, 7), {"alpha": (7,)})


def test_sigmoid_and_softmax_of_huge_numbers():
    for y in check(lambda x, p: {"a": ops.sigmoid(x), "b": ops.softmax(x)}, (2, 2, 6), scale=1e4):
        assert y.min() >= 0
        assert y.max() <= 1


def test_pad():
    check(lambda x, p: ops.pad(x, rows=(1, 2), columns=(0, 3), channels=(2, 5)), (3, 2, 3), N=2)


def test_concat_and_reshape():
    def forward(x, p):
        parts = [ops.reshape(ops.multiply(x, float(k)), (-1, 5)) for k in (1, 2, 3)]
        return ops.concat([*parts, ops.reshape(ops.avg_pool(x, 2, stride=2), (-1, 5))])

    check(forward, (2, 4, 10), N=2)


@pytest.mark.parametrize(
    "op", [ops.relu, ops.relu6, lambda x: ops.max_pool(x, 3, stride=1), lambda x: ops.add(x, x), ops.softmax, ops.sigmoid]
)
def test_nan_stays_nan_and_in_its_place(op):
    graph = record("test", lambda x, p: {"y": op(x)}, {}, (5, 5, 2))
    batch = np.zeros((2, 5, 5, 2), np.float32)
    batch[0, 2, 2, 1] = np.nan
    (y,) = plan(graph, {}, list(graph.outputs.values()))(batch)
    (expected,) = ReferenceProgram(graph, {}, list(graph.outputs.values()), np.float64)(batch)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))


@pytest.mark.parametrize(("shape", "size"), [((7, 5, 3), (3, 4)), ((3, 4, 3), (5, 5)), ((1, 6, 1), (2, 3)), ((6, 6, 3), (6, 6))])
def test_resizing_has_the_bits_of_the_cpu(shape, size):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert resize_bilinear(image, size).tobytes() == resize_on_the_cpu(image, size).tobytes()


def test_resizing_refuses_what_is_no_image():
    pixels = np.zeros((2, 2, 3), np.uint8)
    for image, size in ((pixels.astype(float), (1, 1)), (pixels[0], (1, 1)), (pixels, (0, 1))):
        with pytest.raises(InvalidArgument, match="resize_bilinear: expected a uint8 image"):
            resize_bilinear(image, size)


def test_the_comparison_can_fail():
    (y,), (expected,) = run_both(lambda x, p: {"y": ops.relu(x)}, (2, 2, 3))
    assert np.abs(y - expected).max() == 0
    (y,), (expected,) = run_both(lambda x, p: {"y": ops.multiply(x, 1 / 3)}, (2, 2, 3))
    assert 0 < np.abs(y - expected).max() < 1e-6
