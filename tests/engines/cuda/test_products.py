"""Convolutions and dense layers: every tile, across all its edges, and the partial sums; the kernels run on this processor."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from helpers.comparing import assert_close, weights_for
from helpers.cuda_kernels import check, run_both, use_tile
from helpers.cuda_on_cpu import cuda_on_cpu, needed
from npfaceapi import ops
from npfaceapi.engines.cuda import launches
from npfaceapi.engines.cuda.kernels import narrow as narrow_kernels
from npfaceapi.engines.cuda.kernels.product import BK, PARTIAL_INPUTS

pytestmark = [pytest.mark.slow, needed]
NARROW = narrow_kernels.narrow


@pytest.fixture(autouse=True, scope="module")
def on_cpu():
    with cuda_on_cpu():
        yield


@pytest.fixture(params=["small", "square", "tall"])
def tile(request, monkeypatch):
    """Every product with one tile, whatever its size."""
    use_tile(monkeypatch, request.param)


BELOW_ZERO = {"mean": -0.0, "variance": 1.0, "offset": -0.0, "scale": -1.0}  # for a batch norm that turns 0.0 into -0.0


def pointwise(x, p):
    return ops.conv2d(x, p["filters"], p["bias"])


@pytest.mark.parametrize("name", list(launches.TILES))
def test_edges_of_a_tile(monkeypatch, name):
    tile = launches.TILES[name]
    use_tile(monkeypatch, name)
    for pixels in (1, tile.BM - 1, tile.BM, tile.BM + 1, 2 * tile.BM + 1):
        for Co in (1, tile.BN - 1, tile.BN, tile.BN + 1, 2 * tile.BN + 1):
            check(pointwise, (1, pixels, 5), {"filters": (1, 1, 5, Co), "bias": (Co,)})


@pytest.mark.parametrize("name", list(launches.TILES))
@pytest.mark.parametrize(
    "Ci", [1, BK - 1, BK, BK + 1, PARTIAL_INPUTS - 1, PARTIAL_INPUTS, PARTIAL_INPUTS + 1, 2 * PARTIAL_INPUTS + 3]
)
def test_edges_of_slices_and_partial_sums(monkeypatch, Ci, name):
    use_tile(monkeypatch, name)
    check(pointwise, (1, 3, Ci), {"filters": (1, 1, Ci, 5), "bias": (5,)})


@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("KH", "KW", "Ci", "Co"), [(3, 3, 3, 5), (2, 2, 5, 3), (5, 5, 2, 3), (1, 3, 4, 2), (2, 4, 1, 1)])
def test_windows(tile, KH, KW, Ci, Co, stride, padding):
    def forward(x, p):
        return ops.conv2d(x, p["filters"], p["bias"], stride=stride, padding=padding)

    check(forward, (7, 6, Ci), {"filters": (KH, KW, Ci, Co), "bias": (Co,)}, N=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (6, 1)])
def test_small_images(tile, size):
    check(pointwise, (*size, 4), {"filters": (3, 3, 4, 6), "bias": (6,)}, N=3)


def test_everything_that_goes_into_the_store(tile):
    """Batch norm, scale and shift, a residual, an activation; one alpha per channel."""
    shapes = {
        "f": (3, 3, 6, 6), "bias": (6,), "mean": (6,), "variance": (6,), "offset": (6,), "scale": (6,), "y": (6,), "alpha": (6,),
    }  # fmt: skip

    def forward(x, p):
        y = ops.conv2d(x, p["f"], p["bias"])
        y = ops.batch_norm(y, **{k: p[k] for k in ("mean", "variance", "offset", "scale")}, epsilon=0.001)
        z = ops.add(ops.multiply(ops.conv2d(y, p["f"]), p["y"]), p["bias"])
        return {"y": y, "z": ops.prelu(ops.add(z, x), p["alpha"]), "w": ops.relu6(ops.conv2d(z, p["f"]))}

    check(forward, (4, 3, 6), shapes, N=2)


@pytest.mark.parametrize(("Ci", "Co"), [(1, 1), (6, 2), (130, 20), (70, 7)])
def test_dense(tile, Ci, Co):
    def forward(x, p):
        return ops.dense(ops.reshape(x, (-1,)), p["weights"], p["bias"])

    check(forward, (1, 1, Ci), {"weights": (Ci, Co), "bias": (Co,)}, N=3)


@pytest.mark.parametrize("share", [1, 2, 3])
def test_shared_partial_sums_give_the_same_bits(monkeypatch, tile, share):
    """One block adds all partial sums, or several write them to memory: the order is the same, so the bits are."""

    def forward(x, p):
        return ops.relu(ops.add(ops.conv2d(x, p["filters"], p["bias"]), x))

    shapes = {"filters": (3, 3, 30, 30), "bias": (30,)}
    monkeypatch.setattr(launches, "choose_tile", lambda M, Co, partials, *_: ("small", partials))
    (alone,), (expected,) = run_both(forward, (2, 2, 30), shapes, N=2)
    monkeypatch.setattr(launches, "choose_tile", lambda M, Co, partials, *_: ("small", share))
    (shared,), _ = run_both(forward, (2, 2, 30), shapes, N=2)
    assert shared.tobytes() == alone.tobytes()
    assert_close(shared, expected)


def test_shared_partial_sums_keep_the_sign_of_zero(monkeypatch, tile):
    weights = {
        "f": np.zeros((1, 1, 2 * PARTIAL_INPUTS, 3), np.float32),
        **{k: np.float32([v] * 3) for k, v in BELOW_ZERO.items()},
    }

    def forward(x, p):
        return ops.batch_norm(ops.conv2d(x, p["f"]), **{k: p[k] for k in BELOW_ZERO}, epsilon=0.001)

    for share in (2, 1):
        monkeypatch.setattr(launches, "choose_tile", lambda *_, share=share: ("small", share))
        (y,), _ = run_both(forward, (1, 2, 2 * PARTIAL_INPUTS), {k: w.shape for k, w in weights.items()}, weights=weights)
        assert np.signbit(y).all()


def test_every_tile_gives_the_same_bits(monkeypatch):
    for size, names in ((1, launches.POINTWISE), (3, launches.PRODUCTS)):
        shapes = {"filters": (size, size, 90, 70), "bias": (70,)}
        found = set()
        for name in names:
            with monkeypatch.context() as patch:
                use_tile(patch, name)
                found.add(run_both(pointwise, (9, 8, 90), shapes)[0][0].tobytes())
        assert len(found) == 1


def test_the_comparison_of_bits_can_fail(monkeypatch, tile):
    shapes = {"filters": (1, 1, 2 * PARTIAL_INPUTS, 3), "bias": (3,)}
    before = run_both(pointwise, (1, 4, 2 * PARTIAL_INPUTS), shapes)[0][0]
    monkeypatch.setattr(launches, "PARTIAL_INPUTS", 2 * PARTIAL_INPUTS)
    assert run_both(pointwise, (1, 4, 2 * PARTIAL_INPUTS), shapes)[0][0].tobytes() != before.tobytes()


@pytest.fixture
def narrow(monkeypatch):
    """Run convolutions with few channels on the kernel for them, however small; yields a list with an entry per use."""
    used, bound = [], type(NARROW).bound

    def noted(self, *arguments):
        if self is NARROW:
            used.append(self)
        return bound(self, *arguments)

    monkeypatch.setattr(launches, "ENOUGH_THREADS", 0)
    monkeypatch.setattr(type(NARROW), "bound", noted)
    return used


@pytest.mark.parametrize("padding", ["same", "valid", 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("KH", "KW", "Ci", "Co"), [(3, 3, 3, 8), (5, 5, 2, 17), (1, 3, 21, 9), (1, 1, 1, 32)])
def test_narrow_windows_have_the_bits_of_a_product(narrow, tile, monkeypatch, KH, KW, Ci, Co, stride, padding):
    def forward(x, p):
        return ops.relu6(ops.conv2d(x, p["filters"], p["bias"], stride=stride, padding=padding))

    shapes = {"filters": (KH, KW, Ci, Co), "bias": (Co,)}
    (y,) = check(forward, (7, 6, Ci), shapes, N=2)
    assert len(narrow) == 1
    monkeypatch.setattr(launches, "ENOUGH_THREADS", 1 << 30)
    assert run_both(forward, (7, 6, Ci), shapes, N=2)[0][0].tobytes() == y.tobytes()
    assert len(narrow) == 1


@pytest.mark.parametrize("Co", [8, 15, 16, 17, 31, 32])
@pytest.mark.parametrize("pixels", [1, 127, 129, 257])
def test_edges_of_a_narrow_block(narrow, pixels, Co):
    check(pointwise, (1, pixels, 5), {"filters": (1, 1, 5, Co), "bias": (Co,)})
    assert len(narrow) == 1


@pytest.mark.parametrize("Ci", [PARTIAL_INPUTS - 1, PARTIAL_INPUTS])
def test_the_longest_narrow_convolution(narrow, tile, monkeypatch, Ci):
    shapes = {"filters": (1, 1, Ci, 9), "bias": (9,)}
    (y,) = check(pointwise, (1, 3, Ci), shapes)
    monkeypatch.setattr(launches, "ENOUGH_THREADS", 1 << 30)
    assert run_both(pointwise, (1, 3, Ci), shapes)[0][0].tobytes() == y.tobytes()
    assert len(narrow) == 1


def test_what_is_not_narrow(narrow, tile):
    for Co in (7, 33):
        check(pointwise, (1, 3, 5), {"filters": (1, 1, 5, Co), "bias": (Co,)})
    check(pointwise, (1, 2, PARTIAL_INPUTS + 1), {"filters": (1, 1, PARTIAL_INPUTS + 1, 9), "bias": (9,)})
    shapes = {"filters": (1, 1, 9, 9), "bias": (9,)}
    check(lambda x, p: ops.add(ops.conv2d(x, p["filters"], p["bias"]), x), (3, 3, 9), shapes)
    assert not narrow


def test_tiles_and_shares_are_chosen_to_fill_the_gpu():
    H200 = 132
    assert launches.choose_tile(16, 256, 36, H200) == ("small", 1)  # 8 blocks would be missing: 36 shares
    assert launches.choose_tile(1, 128, 4, H200) == ("small", 1)
    assert launches.choose_tile(64 * 35 * 35, 32, 5, H200) == ("tall", 5)
    assert launches.choose_tile(56 * 56 * 64, 64, 1, H200) == ("wide", 1)
    assert launches.choose_tile(64 * 64 * 8, 128, 2, H200)[0] == "wide"
    for M in (1, 40, 1000, 100_000):
        for Co in (1, 25, 64, 1024):
            for partials in (1, 7, 144):
                name, share = launches.choose_tile(M, Co, partials, H200)
                assert 1 <= share <= partials
                assert (-(-partials // share) - 1) * share < partials  # no block without work
                assert -(-Co // launches.TILES[name].BN) <= 65535


def test_a_wrong_result_is_noticed():
    with pytest.raises(AssertionError):
        assert_close(np.float32([1, 1 + 1e-5]), np.ones(2))
    with pytest.raises(AssertionError):
        assert_close(np.ones(2), np.ones(2))
    assert weights_for({"a": (3,)})["a"].dtype == np.float32
