"""The reference engine against SciPy and plain loops, and the arithmetic of its vocabulary."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage, special

from npfaceapi.engines import reference
from npfaceapi.ops import window_padding


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def naive_windows(x, KH, KW, stride, padding):
    """Every window of x [N,H,W,C] by plain loops: yields (n, row, column, window [kh,kw,C] cut at the border, its offset)."""
    before_r, _, Ho = window_padding(x.shape[1], KH, stride, padding)
    before_c, _, Wo = window_padding(x.shape[2], KW, stride, padding)
    for n, h, w in itertools.product(range(len(x)), range(Ho), range(Wo)):
        top, left = h * stride - before_r, w * stride - before_c
        y0, x0 = max(top, 0), max(left, 0)
        yield n, h, w, x[n, y0 : top + KH, x0 : left + KW], (y0 - top, x0 - left), (Ho, Wo)


GEOMETRIES = [
    (k, s, p, size)
    for k, s, p, size in itertools.product((1, 2, 3, 7), (1, 2), ("same", "valid", 1), ((7, 8), (9, 7), (8, 13)))
    if not (p == 1 and k in (1, 7))  # a window of only padding has no maximum
]


@pytest.mark.slow_after(15)
@pytest.mark.parametrize(("k", "stride", "padding", "size"), GEOMETRIES)
def test_convolutions_and_pools_equal_plain_loops(k, stride, padding, size):
    x, filters, bias = random(2, *size, 3), random(k, k, 3, 5, seed=1), random(5, seed=2)
    depthwise = random(k, k, 3, 1, seed=3)
    full = reference.conv2d(x, filters, bias, stride=stride, padding=padding)
    each = reference.depthwise_conv2d(x, depthwise, stride=stride, padding=padding)
    largest = reference.max_pool(x, size=k, stride=stride, padding=padding)
    count = 0
    for n, h, w, window, (i, j), shape in naive_windows(x, k, k, stride, padding):  # noqa: B007
        kh, kw = window.shape[:2]
        part = filters[i : i + kh, j : j + kw]
        np.testing.assert_allclose(full[n, h, w], np.einsum("ijc,ijco->o", window, part) + bias, rtol=0, atol=1e-12)
        each_part = depthwise[i : i + kh, j : j + kw, :, 0]
        np.testing.assert_allclose(each[n, h, w], (window * each_part).sum((0, 1)), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(largest[n, h, w], window.max((0, 1)))
        count += 1
    assert full.shape[:3] == each.shape[:3] == largest.shape[:3] == (2, *shape)
    assert count == 2 * shape[0] * shape[1]


def test_a_convolution_of_integers_is_not_cut_to_integers():
    x, filters = np.arange(2 * 5 * 5 * 3).reshape(2, 5, 5, 3), random(3, 3, 3, 2)
    np.testing.assert_array_equal(reference.conv2d(x, filters), reference.conv2d(x.astype(np.float64), filters))


def test_an_image_has_the_same_bits_alone_and_in_a_batch():
    x, filters = random(3, 9, 8, 5).astype(np.float32), random(3, 3, 5, 7, seed=1).astype(np.float32)
    alone = np.concatenate([reference.conv2d(image[np.newaxis], filters) for image in x])
    np.testing.assert_array_equal(reference.conv2d(x, filters), alone)


def test_convolution_equals_scipy():
    x, filters = random(1, 12, 11, 4), random(3, 3, 4, 6, seed=1)
    expected = [sum(ndimage.correlate(x[0, :, :, c], filters[:, :, c, o], mode="constant") for c in range(4)) for o in range(6)]
    np.testing.assert_allclose(reference.conv2d(x, filters)[0], np.stack(expected, axis=-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "window", "stride", "expected"),
    [
        (8, 3, 2, (0, 1, 4)),  # the odd pixel comes after, unlike in symmetric padding
        (7, 3, 2, (1, 1, 4)),
        (8, 3, 1, (1, 1, 8)),
        (207, 2, 2, (0, 1, 104)),
        (13, 2, 1, (0, 1, 13)),
        (5, 1, 2, (0, 0, 3)),
    ],
)
def test_same_padding_puts_the_odd_pixel_after(size, window, stride, expected):
    assert window_padding(size, window, stride, "same") == expected


def test_average_pool_mean_and_dense():
    x = random(2, 7, 8, 3)
    np.testing.assert_allclose(reference.avg_pool(x, size=7, stride=2)[:, 0, 0], x[:, :, :7].mean((1, 2)), atol=1e-14)
    np.testing.assert_allclose(reference.mean(x), x.mean((1, 2)), atol=1e-14)
    a, w, b = random(4, 9), random(9, 5, seed=1), random(5, seed=2)
    np.testing.assert_allclose(reference.dense(a, w, b), np.einsum("ni,io->no", a, w) + b, atol=1e-13)


def test_batch_norm_and_activations():
    x, mean, offset, scale = random(2, 3, 3, 4) * 5, random(4, seed=1), random(4, seed=3), random(4, seed=4)
    variance = np.abs(random(4, seed=2))
    expected = offset + (x - mean) * scale / np.sqrt(variance + 0.001)
    np.testing.assert_allclose(reference.batch_norm(x, mean, variance, offset, scale, epsilon=0.001), expected, atol=1e-13)
    np.testing.assert_array_equal(reference.relu6(x), np.minimum(np.maximum(x, 0), 6))
    np.testing.assert_allclose(reference.leaky_relu(x, alpha=0.1), np.where(x > 0, x, 0.1 * x), atol=1e-14)
    alpha = random(4, seed=5)
    np.testing.assert_allclose(reference.prelu(x, alpha), np.where(x > 0, x, alpha * x), atol=1e-14)
    np.testing.assert_allclose(reference.sigmoid(x), special.expit(x), atol=1e-15)
    np.testing.assert_allclose(reference.softmax(x), special.softmax(x, axis=-1), atol=1e-15)


def test_sigmoid_of_extremes_is_silent():
    np.testing.assert_array_equal(reference.sigmoid(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])


def test_pad_reshape_concat():
    x = random(2, 2, 3, 1)
    padded = reference.pad(x, rows=(0, 1), columns=(2, 0), channels=(0, 3))
    assert padded.shape == (2, 3, 5, 4)
    np.testing.assert_array_equal(padded[:, :2, 2:, :1], x)
    assert np.count_nonzero(padded) == x.size
    np.testing.assert_array_equal(reference.reshape(x, shape=(3, 2)).ravel(), x.ravel())
    np.testing.assert_array_equal(reference.concat(x, x + 1), np.concatenate([x, x + 1], axis=1))
