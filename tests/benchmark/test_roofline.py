"""The limits of a network by the roofline model: what the steps do, by hand, and what the machine can do."""

from __future__ import annotations

import functools
import json
import math

import pytest

from helpers.comparing import weights_for
from npfaceapi import ops
from npfaceapi.benchmark.entries import Entry
from npfaceapi.benchmark.roofline import Access, Level, Machine, StepWork, cache_sizes, limit_of, roofline_section, work_of
from npfaceapi.engines.numba.planner import MemoryPlan
from npfaceapi.engines.numba.simd.winograd import operations
from npfaceapi.graph import record

KB = 1024


def planned(forward, shapes, size):
    graph = record("test", lambda x, p: {"y": forward(x, p)}, shapes, size)
    return MemoryPlan(graph, weights_for(shapes), tuple(graph.outputs.values()))


# ------------------------------------------------------------------ the model


def test_each_access_is_at_the_bandwidth_of_the_smallest_level_that_holds_what_is_in_use():
    machine = Machine(1e9, [Level("L1", 100, 50, read=10, write=5), Level("memory", math.inf, 400, read=2, write=1)])
    assert machine.seconds(Access(20, in_use=100)) == 2
    assert machine.seconds(Access(20, in_use=100, writes=True)) == 4
    assert machine.seconds(Access(20, in_use=101)) == 10
    assert machine.seconds(Access(20, in_use=101, writes=True)) == 20


def test_the_limit_is_the_sum_over_steps_of_the_larger_of_compute_and_memory():
    machine = Machine(10, [Level("memory", math.inf, 400, read=2, write=1)])
    work = [StepWork("a", 50, (Access(2, 0), Access(3, 0, writes=True))), StepWork("b", 0, (Access(6, 0),))]
    assert limit_of(work, machine) == (5, 4 + 3, 5 + 3)


# ------------------------------------------------------------------ what the steps do


def test_the_work_of_a_small_graph():
    """8x8x3 to 8x8x4 by a convolution with bias and relu, an average pool to 4x4x4, a 1x1 convolution to 4x4x2."""
    shapes = {"a": (3, 3, 3, 4), "bias": (4,), "b": (1, 1, 4, 2)}

    def forward(x, p):
        y = ops.relu(ops.conv2d(x, p["a"], p["bias"]))
        return ops.conv2d(ops.avg_pool(y, 2, stride=2), p["b"])

    plan = planned(forward, shapes, (8, 8, 3))
    first, pool, last = work_of(plan)
    x, y, pooled, z = (4 * n for n in (8 * 8 * 3, 8 * 8 * 4, 4 * 4 * 4, 4 * 4 * 2))
    a, b = 4 * (108 + 4), 4 * 8
    everything = plan.scratch + a + b
    assert first[1:] == (8 * 8 * 108, (Access(a, everything), Access(x, x + y + a), Access(y, x + y + a + pooled, True)))
    assert pool[1:] == (0, (Access(0, everything), Access(y, x + y + a + pooled), Access(pooled, y + pooled + z + b, True)))
    assert last[1:] == (4 * 4 * 8, (Access(b, everything), Access(pooled, y + pooled + z + b), Access(z, pooled + z + b, True)))


def test_what_is_joined_stays_inside_of_its_step():
    """A depthwise convolution, 1x1 products and a residual are one step; a convolution and its max pool are another."""
    shapes = {"w": (3, 3, 3, 8), "depthwise": (3, 3, 8, 1), "pointwise": (1, 1, 8, 8)}

    def forward(x, p):
        y = ops.max_pool(ops.conv2d(x, p["w"]), 2, stride=2)
        return ops.add(ops.conv2d(ops.depthwise_conv2d(y, p["depthwise"]), p["pointwise"]), y)

    first, second = work_of(planned(forward, shapes, (8, 8, 3)))
    assert [access.size for access in first.accesses] == [4 * 216, 4 * 8 * 8 * 3, 4 * 4 * 4 * 8]
    assert [access.size for access in second.accesses] == [4 * (72 + 64), 4 * 4 * 4 * 8, 4 * 4 * 4 * 8]
    assert second.multiply_adds == 4 * 4 * (72 + 64)


@pytest.mark.parametrize(("side", "m"), [(9, 2), (13, 4)])
def test_winograds_method(side, m):
    """Whole tiles; (m+2)^2 products of each pair of channels for 9 m^2, and the transformations."""
    shapes = {"w": (3, 3, 32, 64)}
    plan = planned(lambda x, p: ops.conv2d(x, p["w"]), shapes, (side, side, 32))
    (step,), (into, out_of) = work_of(plan), operations(m)
    tiles, elements = math.ceil(side / m) ** 2, (m + 2) ** 2
    assert step.multiply_adds == tiles * (elements * 32 * 64 + into * 32 + out_of * 64)
    weights, x, y, V, U = (
        4 * n for n in (elements * 2048, side**2 * 32, side**2 * 64, elements * tiles * 32, elements * tiles * 64)
    )
    used = weights + x + y + V + U
    assert step.accesses == (
        Access(weights, plan.scratch + weights), Access(x, used), Access(y, used, True), Access(V, used, True), Access(V, used),
        Access(U, used, True), Access(U, used),
    )  # fmt: skip


# ------------------------------------------------------------------ what the machine can do


def caches(folder, *rows):
    for i, row in enumerate(rows):
        (folder / f"index{i}").mkdir()
        for name, text in zip(("level", "type", "size"), row, strict=True):
            (folder / f"index{i}" / name).write_text(f"{text}\n")
    return folder


def test_the_sizes_of_the_caches(tmp_path):
    rows = [(1, "Instruction", "64K"), (3, "Unified", "8192K"), (2, "Unified", "1024K"), (1, "Data", "48K")]
    assert cache_sizes(caches(tmp_path, *rows)) == [48 * KB, 1024 * KB, 8192 * KB]


@pytest.mark.parametrize("rows", [[], [(1, "Data", "large")], [(1, "Instruction", "64K")]])
def test_usual_caches_where_the_system_does_not_tell(tmp_path, rows):
    assert cache_sizes(caches(tmp_path, *rows)) == [32 * KB, 512 * KB, 8192 * KB]


# ------------------------------------------------------------------ both together


@pytest.fixture
def quick(monkeypatch):
    """Small buffers, no pauses."""
    monkeypatch.setattr("npfaceapi.benchmark.timing.PAUSE", 0)
    monkeypatch.setattr("npfaceapi.benchmark.timing.ROUNDS", 2)
    monkeypatch.setattr("npfaceapi.benchmark.roofline.cache_sizes", lambda: [32 * KB, 256 * KB])


@pytest.mark.slow
def test_no_network_is_faster_than_the_peak(quick):
    entries = [Entry("mtcnn_rnet", 24, 24), Entry("face_landmark_68_tiny_net", 112, 112)]
    section = roofline_section(entries, seconds=0.05)
    machine, *nets = section.records
    assert [level["level"] for level in machine["levels"]] == ["L1", "L2", "memory"]
    assert [level["bytes"] for level in machine["levels"]] == [32 * KB, 256 * KB, None]
    assert [level["buffer_bytes"] for level in machine["levels"]] == [16 * KB, 128 * KB, 1024 * KB]
    assert all(level["write_gb_s"] > 0 and 0 < level["read_gb_s"] < 1e4 for level in machine["levels"])
    assert [net["net"] for net in nets] == [entry.name for entry in entries]
    for net in nets:
        assert 2 * net["multiply_adds"] / net["ms_min"] / 1e6 < machine["peak_gflops"]
        assert net["ms_at_peak"] == pytest.approx(2 * net["multiply_adds"] / machine["peak_gflops"] / 1e6)
        assert max(net["ms_at_peak"], net["ms_at_bandwidth"]) <= net["ms_limit"]
        assert net["ms_limit"] <= net["ms_at_peak"] + net["ms_at_bandwidth"]
        assert net["share_median"] == pytest.approx(net["ms_limit"] / net["ms_median"])
        assert 0 < net["share_median"] <= net["share_min"] < 1


@pytest.mark.slow
def test_the_command(run, quick, tmp_path):
    bench = functools.partial(run, "bench", "--roofline", "--net", "mtcnn_rnet", "--seconds", 0.01)
    status, out, err = bench("--threads", 1, "--json", tmp_path / "a.json")
    assert (status, err) == (0, "")
    title, header, row, *summary = out.splitlines()
    assert title == "How near the networks are to the machine's limits, 1 thread"
    assert header.split()[:4] == ["network", "input", "numba", "ms"]
    assert row.split()[:2] == ["mtcnn_rnet", "1x24x24x3"]
    machine, net = json.loads((tmp_path / "a.json").read_text())
    assert row.split()[-4:] == [f"{100 * net['share_min']:.0f}", "%", f"{100 * net['share_median']:.0f}", "%"]
    assert f"peak of multiply-adds on registers: {machine['peak_gflops']:.0f} GFLOP/s" in summary[0]
    assert [line.split(" of ")[0].strip() for line in summary[1:3]] == ["L1", "L2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threads", "2"), "expected --threads 1 with --roofline, got 2"),
        (("--backend", "reference"), "expected the numba backend with --roofline, got reference"),
    ],
)
def test_only_for_one_thread_of_the_numba_backend(run, options, message):
    status, out, err = run("bench", "--roofline", *options)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].endswith(message)
