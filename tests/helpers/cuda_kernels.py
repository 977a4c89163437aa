"""A graph on the CUDA kernels, simulated or compiled for this processor, compared with the float64 reference."""

from __future__ import annotations

from helpers import comparing
from helpers.comparing import assert_close
from npfaceapi.engines.cuda import launches
from npfaceapi.engines.cuda.kernels.product import Tile, make_product
from npfaceapi.engines.cuda.program import plan

TINY = Tile(4, 4, 4, 4)  # 16 x 16 sums on 16 threads: the simulator's threads are slow to start
TINY_PRODUCT, TINY_POINTWISE = make_product(TINY), make_product(TINY, POINTWISE=True)


def use_tile(monkeypatch, name):
    """Run every product with one tile: a real one by name, or `tiny`."""
    tile, product, pointwise = TINY, TINY_PRODUCT, TINY_POINTWISE
    if name != "tiny":
        tile, product, pointwise = launches.TILES[name], launches.PRODUCTS.get(name), launches.POINTWISE[name]
    names = launches.TILES
    for table, chosen in (("TILES", tile), ("PRODUCTS", product), ("POINTWISE", pointwise)):
        monkeypatch.setattr(launches, table, dict.fromkeys(names, chosen))


def run_both(*args, N=1, **kwargs):
    """Values on the kernels, and in float64; see `comparing.run_both`."""
    return comparing.run_both(plan, *args, N=N, **kwargs)


def check(*args, **kwargs):
    actual, expected = run_both(*args, **kwargs)
    for a, b in zip(actual, expected, strict=True):
        assert_close(a, b)
    return actual
