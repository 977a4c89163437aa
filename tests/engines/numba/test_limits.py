"""The kernels that measure what a core can do: they do what they count, as machine code and as plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from npfaceapi.engines.numba.kernels import limits
from npfaceapi.engines.numba.simd.limits import SUMS, UNROLLED
from npfaceapi.engines.numba.simd.target import LANES
from npfaceapi.engines.numba.simd.winograd import operations

WAYS = {"compiled": lambda kernel: kernel, "plain": lambda kernel: kernel.plain}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def vector():
    return np.arange(1, LANES + 1, dtype=np.float32)


def test_every_multiply_add_is_done(way):
    out = vector()
    way(limits.peak)(out.ctypes.data, 5)
    np.testing.assert_array_equal(out, SUMS * 5 * vector() ** 2)


def test_every_float_is_read_each_time(way):
    x, out = np.arange(3 * UNROLLED, dtype=np.float32), vector()
    way(limits.read)(x.ctypes.data, x.size, 2, out.ctypes.data)
    np.testing.assert_array_equal(out, 2 * x.reshape(-1, LANES).sum(axis=0))


def test_every_float_is_written_and_none_behind(way):
    value, out = vector(), np.full(3 * UNROLLED, -1, np.float32)
    way(limits.write)(value.ctypes.data, 2 * UNROLLED, 2, out.ctypes.data)
    np.testing.assert_array_equal(out[: 2 * UNROLLED].reshape(-1, LANES), np.tile(vector(), (2 * UNROLLED // LANES, 1)))
    assert (out[2 * UNROLLED :] == -1).all()


def test_operations_of_winograds_transformations():
    """F(2x2, 3x3): 32 additions for a tile of inputs, 24 for its outputs (Lavin and Gray, section 4.1)."""
    assert operations(2) == (32, 24)
    assert operations(4)[0] > 6 * 32
