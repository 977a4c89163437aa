"""What the planner fuses and what it must not fuse; fusion changes no values."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.comparing import assert_close, weights_for
from helpers.small_network import SHAPES, network
from npfaceapi import ops
from npfaceapi.engines.numba.kernels.memory import HALO, zero_halo
from npfaceapi.engines.numba.lowering import convolve
from npfaceapi.engines.numba.planner import Call
from npfaceapi.engines.numba.program import plan
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record


@pytest.fixture(scope="module")
def graph():
    return record("test", network, SHAPES, (22, 19, 3))


@pytest.fixture(scope="module")
def weights():
    return weights_for(SHAPES)


def batches(graph, count, N=2):
    return [np.random.default_rng(seed).standard_normal((N, *graph.input.shape)).astype(np.float32) for seed in range(count)]


def test_fusion_shortens_the_graph_and_keeps_the_values(graph, weights):
    outputs = list(graph.outputs.values())
    program = plan(graph, weights, outputs)
    assert len(program.steps) < 0.6 * len(graph)
    for batch in batches(graph, 4):  # several inputs on ONE plan: what a recycled buffer keeps from the last call shows here
        for actual, expected in zip(program(batch), ReferenceProgram(graph, weights, outputs, np.float64)(batch), strict=True):
            assert_close(actual, expected)


def test_convolution_takes_batch_norm_and_activation_into_its_step(graph, weights):
    program = plan(graph, weights, list(graph.outputs.values()))
    fused = [{node.op for node in step.nodes} for step in program.steps]
    assert {"conv2d", "batch_norm", "relu6"} in fused
    assert any({"conv2d", "multiply", "add", "prelu"} <= ops_ for ops_ in fused)
    assert any({"conv2d", "add", "relu"} <= ops_ for ops_ in fused)
    assert {"subtract", "divide"} in fused


def test_every_node_can_be_tapped_alone(graph, weights):
    (batch,) = batches(graph, 1)
    nodes = list(graph)
    truth = ReferenceProgram(graph, weights, nodes, np.float64)(batch)
    for node, expected in zip(nodes, truth, strict=True):
        (actual,) = plan(graph, weights, [node])(batch)
        assert_close(actual, expected)


def test_all_nodes_can_be_tapped_at_once(graph, weights):
    (batch,) = batches(graph, 1)
    nodes = list(graph)
    actual = plan(graph, weights, nodes)(batch)
    for node, a, b in zip(nodes, actual, ReferenceProgram(graph, weights, nodes, np.float64)(batch), strict=True):
        assert a.shape == (2, *node.shape)
        assert_close(a, b)


def test_a_tap_stops_fusion(graph, weights):
    convolution = next(node for node in graph if node.op == "conv2d")
    outputs = list(graph.outputs.values())
    assert all(step.name != convolution.name for step in plan(graph, weights, outputs).steps)
    assert any(step.name == convolution.name for step in plan(graph, weights, [*outputs, convolution]).steps)


def heads(x, p):
    a = ops.relu(ops.add(ops.conv2d(x, p["a"]), p["a_bias"]))
    b = ops.conv2d(x, p["b"], p["b_bias"])
    c = ops.conv2d(x, p["c"])  # of other pixels
    joined = ops.concat([ops.reshape(a, (20, 4)), ops.reshape(b, (100, 4))])
    return {"joined": joined, "probabilities": ops.softmax(b), "c": c, "both": ops.relu(ops.conv2d(ops.relu(a), p["d"]))}


HEADS = {"a": (1, 1, 6, 4), "a_bias": (4,), "b": (1, 1, 6, 20), "b_bias": (20,), "c": (3, 3, 6, 2), "d": (1, 1, 4, 2)}


@pytest.mark.parametrize(
    "taken", [("joined",), ("joined", "probabilities"), ("joined", "c", "probabilities"), ("joined", "both")]
)
def test_two_heads_of_the_same_pixels_are_one_product(taken):
    graph = record("test", heads, HEADS, (4, 5, 6))
    weights, outputs = weights_for(HEADS), [graph.outputs[name] for name in taken]
    program = plan(graph, weights, outputs)
    products = [[node.op for node in step.nodes].count("conv2d") for step in program.steps]
    assert max(products) == (1 if "both" in taken else 2)  # a head that another convolution reads has channels that are padded
    for batch in batches(graph, 3):
        for actual, expected in zip(program(batch), ReferenceProgram(graph, weights, outputs, np.float64)(batch), strict=True):
            assert_close(actual, expected)


def test_an_output_asked_for_twice_comes_twice(graph, weights):
    out = graph.outputs["out"]
    (batch,) = batches(graph, 1)
    a, b = plan(graph, weights, [out, out])(batch)
    np.testing.assert_array_equal(a, b)
    assert not np.shares_memory(a, b)


def test_results_are_the_callers_own(graph, weights):
    first, second = batches(graph, 2)
    program = plan(graph, weights, [graph.input, graph.outputs["total"]])
    given = program(first)
    kept = [a.copy() for a in given]
    program(second)
    for a, b in zip(given, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    given[0][:] = 0
    assert first.any()


def test_sums_of_a_node_with_itself(weights):
    def forward(x, p):
        y = ops.conv2d(x, p["first"]["filters"])
        return {"y": ops.relu(ops.add(y, y))}

    graph = record("test", forward, SHAPES, (6, 6, 3))
    (batch,) = batches(graph, 1)
    outputs = list(graph.outputs.values())
    assert_close(plan(graph, weights, outputs)(batch)[0], ReferenceProgram(graph, weights, outputs, np.float64)(batch)[0])


def test_right_associated_sums_as_in_the_dense_block(weights):
    def forward(x, p):
        outs = [ops.relu(ops.conv2d(x, p["first"]["filters"]))]
        y = outs[0]
        for _ in range(3):
            y = ops.conv2d(ops.depthwise_conv2d(y, p["depthwise"]), p["pointwise"])
            y = ops.conv2d(y, p["back"])
            outs.append(y)
            total = outs[-1]
            for earlier in reversed(outs[:-1]):
                total = ops.add(earlier, total)
            y = ops.relu(total)
        return {"y": y}

    shapes = {**SHAPES, "back": (1, 1, 24, 16)}
    graph = record("test", forward, shapes, (9, 8, 3))
    weights = weights_for(shapes)
    for batch in batches(graph, 3):
        outputs = list(graph.outputs.values())
        assert_close(plan(graph, weights, outputs)(batch)[0], ReferenceProgram(graph, weights, outputs, np.float64)(batch)[0])
    kinds = [{node.op for node in step.nodes} for step in plan(graph, weights, outputs).steps]
    assert sum("add" in kind for kind in kinds) == 3  # each sum only adds one summand to the previous sum,
    assert all("conv2d" in kind for kind in kinds)  # and fused into a convolution


def test_every_field_of_a_record_is_given_and_no_other():
    values = {"offset": 0, "H": 2, "W": 3, "C": 8, "top": 1, "bottom": 1, "left": 1, "right": 1}
    assert Call(zero_halo, HALO, values).params().item() == (0, 2, 3, 8, 1, 1, 1, 1)
    forgotten = {name: value for name, value in values.items() if name != "top"}
    with pytest.raises(
        TypeError, match=r"^record of kernel memory\.zero_halo: fields not given: top; fields that it has not: none$"
    ):
        Call(zero_halo, HALO, forgotten).params()
    with pytest.raises(TypeError, match=r"fields not given: none; fields that it has not: depth, rihgt$"):
        Call(zero_halo, HALO, {**values, "rihgt": 1, "depth": 1}).params()


def test_describe_names_every_step(graph, weights):
    program = plan(graph, weights, list(graph.outputs.values()))
    text = program.describe()
    for step in program.steps:
        assert step.name in text
    assert sum(step.macs for step in program.steps) == graph.macs
    assert "conv2d + batch_norm + relu6" in text


def test_measured_times_are_those_of_the_steps(graph, weights):
    program = plan(graph, weights, list(graph.outputs.values()))
    times = program.measure(rounds=3)
    assert len(times) == len(program.steps)
    assert all(time >= 0 for time in times)
    heaviest = max(range(len(times)), key=lambda i: program.steps[i].macs)
    assert times[heaviest] > 0
    assert "GFLOP/s" in program.describe()
    assert "GFLOP/s" not in program.describe(timed=False)


def test_a_plan_says_which_steps_winograd_computes():
    shapes = {"filters": (3, 3, 32, 32)}
    graph = record("test", lambda x, p: {"y": ops.conv2d(x, p["filters"])}, shapes, (16, 16, 32))
    assert "Winograd F(4x4, 3x3)" in plan(graph, weights_for(shapes), list(graph.outputs.values())).describe(timed=False)


POOLS = [(2, 2, "same"), (2, 2, "valid"), (3, 2, "same"), (3, 2, "valid"), (3, 2, 1), (3, 3, "same")]


@pytest.mark.slow_after(12)
@pytest.mark.parametrize("band", [1, 4096, 1 << 20], ids=["one-row", "some-rows", "whole"])
@pytest.mark.parametrize("separable", [False, True], ids=["conv", "separable"])
@pytest.mark.parametrize(("size", "stride", "padding"), POOLS)
def test_pools_are_computed_with_the_convolution_before(size, stride, padding, separable, band, monkeypatch):
    """In bands of any height: overlapping windows need the last rows of the previous band."""
    monkeypatch.setattr(convolve, "BAND_BYTES", band)

    def forward(x, p):
        x = ops.conv2d(x, p["first"]["filters"], p["first"]["bias"])
        if separable:
            x = ops.conv2d(ops.depthwise_conv2d(x, p["depthwise"], stride=2), p["pointwise"], p["bias"])
        x = ops.leaky_relu(ops.subtract(x, 3.0), 0.1)  # negative numbers too, which must exceed the padding
        return {"y": ops.max_pool(x, size, stride=stride, padding=padding)}

    for shape in ((15, 12, 3), (8, 21, 3)):
        graph, weights = record("test", forward, SHAPES, shape), weights_for(SHAPES)
        (pool,) = graph.outputs.values()
        program, apart = plan(graph, weights, [pool]), plan(graph, weights, [pool, pool.inputs[0]])
        assert len(program.steps) == len(apart.steps) - 1
        assert {"conv2d", "max_pool"} <= {node.op for node in program.steps[-1].nodes}
        for batch in batches(graph, 3):
            (y,) = program(batch)
            assert_close(y, ReferenceProgram(graph, weights, [pool], np.float64)(batch)[0])
            np.testing.assert_array_equal(y, apart(batch)[0])


@pytest.mark.parametrize(("size", "stride"), [(2, 1), (3, 1)])
def test_pools_with_much_overlap_stay_apart(size, stride):
    def forward(x, p):
        return {"y": ops.max_pool(ops.conv2d(x, p["first"]["filters"]), size, stride=stride)}

    graph = record("test", forward, SHAPES, (8, 8, 3))
    program = plan(graph, weights_for(SHAPES), list(graph.outputs.values()))
    assert [[node.op for node in step.nodes] for step in program.steps][-1] == ["max_pool"]
