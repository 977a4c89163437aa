"""Recording a graph: names, shapes, costs, and the errors of shapes that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from npfaceapi import ops
from npfaceapi.engines.reference import OPERATIONS, ReferenceProgram
from npfaceapi.errors import InvalidArgument
from npfaceapi.graph import Param, ParamTree, block, record

SHAPES = {"a/filters": (3, 3, 3, 4), "a/bias": (4,), "b/c/filters": (1, 1, 4, 2), "fc": (2, 5)}


@block
def layer(x, p, padding="same"):
    return ops.relu(ops.conv2d(x, p["filters"], p.get("bias"), padding=padding))


def forward(x, p):
    x = layer(x, p["a"])
    x = ops.add(x, x)
    x = layer(x, p["b"]["c"])
    return {"y": ops.dense(ops.mean(x), p["fc"])}


def test_nodes_are_named_after_the_weights():
    graph = record("Net", forward, SHAPES, (6, 8, 3))
    assert [node.name for node in graph] == ["input", "a/conv2d", "a/relu", "add", "b/c/conv2d", "b/c/relu", "mean", "fc/dense"]
    assert graph.blocks["b/c"].name == "b/c/relu"
    assert graph.find("a") is graph.find("a/relu")
    assert graph.find("y").shape == (5,)
    assert list(graph.params) == ["a/filters", "a/bias", "b/c/filters", "fc"]


def test_costs():
    graph = record("Net", forward, SHAPES, (6, 8, 3))
    assert graph.find("a/conv2d").macs == 6 * 8 * 3 * 3 * 3 * 4
    assert graph.macs == 48 * 108 + 48 * 8 + 10
    assert graph.parameters == 108 + 4 + 8 + 10
    assert graph.find("fc/dense").bytes == 4 * (2 + 10 + 5)


def test_every_operation_of_the_vocabulary_has_a_reference():
    assert set(OPERATIONS) == set(ops.__all__) - {"window_padding"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda x, p: ops.conv2d(x, p["b"]["c"]["filters"]),
            "conv2d: expected b/c/filters of shape [1, 1, 3, 2], got [1, 1, 4, 2]",
        ),
        (lambda x, p: ops.dense(x, p["fc"]), "dense: expected an input [2] for fc, got [6, 8, 3]"),
        (lambda x, p: ops.add(x, layer(x, p["a"])), "add: expected two inputs of one shape, got [6, 8, 3] and [6, 8, 4]"),
        (lambda x, p: ops.subtract(x, (1.0, 2.0)), "subtract: expected 3 numbers, one per channel, got 2"),
        (
            lambda x, p: ops.max_pool(x, 9, stride=1, padding="valid"),
            "max_pool: expected an input of at least 9x9 pixels, got 6x8",
        ),
        (
            lambda x, p: ops.max_pool(x, 2, stride=1, padding="full"),
            'padding: expected "same", "valid" or a number of pixels, got \'full\'',
        ),
        (lambda x, p: ops.reshape(x, (7, -1)), "reshape: expected a shape of 144 numbers, got [7, -1]"),
    ],
)
def test_shapes_that_do_not_fit(wrong, message):
    with pytest.raises(InvalidArgument) as error:
        record("Net", lambda x, p: {"y": wrong(x, p)}, SHAPES, (6, 8, 3))
    assert str(error.value) == message


def test_unknown_names():
    graph = record("Net", forward, SHAPES, (6, 8, 3))
    with pytest.raises(InvalidArgument, match="expected the name of a node, block or output, got 'nose'"):
        graph.find("nose")
    with pytest.raises(KeyError, match="a/nose"):
        ParamTree(SHAPES)["a"]["nose"]
    assert ParamTree(SHAPES)["b"]["c"]["filters"] == Param("b/c/filters", (1, 1, 4, 2))


def test_the_reference_runs_what_is_wanted_and_nothing_else():
    graph = record("Net", forward, SHAPES, (6, 8, 3))
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    batch = rng.normal(size=(3, 6, 8, 3)).astype(np.float32)
    inner, y = ReferenceProgram(graph, weights, [graph.find("a"), graph.find("y")])(batch)
    assert inner.shape == (3, 6, 8, 4)
    assert inner.dtype == np.float32
    del weights["fc"]  # not needed for the first block
    (alone,) = ReferenceProgram(graph, weights, [graph.find("a")], np.float64)(batch)
    assert alone.dtype == np.float64
    np.testing.assert_allclose(alone, inner, atol=1e-5)
    hidden = np.maximum(np.einsum("nhwc,co->nhwo", 2 * alone, weights["b/c/filters"][0, 0]), 0).mean((1, 2))
    weights["fc"] = np.eye(2, 5, dtype=np.float32)
    (after,) = ReferenceProgram(graph, weights, [graph.find("y")], np.float64)(batch)
    np.testing.assert_allclose(after[:, :2], hidden, atol=1e-12)
    assert not np.allclose(after[:, :2], y[:, :2])
