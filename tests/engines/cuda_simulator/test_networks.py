"""Every layer of every network, with few channels on a small image (test_whole_networks.py runs two networks unchanged)."""

from __future__ import annotations

import math

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers.comparing import TOLERANCE, assert_close, weights_for
from helpers.simulated import use_tile
from npfaceapi import ops
from npfaceapi.engines.cuda.program import plan
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.graph import record
from npfaceapi.networks import face_recognition_net
from npfaceapi.networks.tiny_yolov2 import TinyYolov2


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    use_tile(monkeypatch, "tiny")


def fewer(channels):
    """The logarithm of the number of channels: it keeps their order, and most results are odd."""
    if channels in (576, 1152):  # MTCNN's dense layers read 3 x 3 pixels
        return 9 * fewer(channels // 9)
    return channels if channels < 8 else round(math.log2(channels))


def shrunk(shapes):
    """The shapes of a network's tensors with fewer channels; SSD's predictors keep theirs, which are numbers of anchors."""
    small = {}
    for name, shape in shapes.items():
        kernel, channels = (shape[:2], shape[2:]) if len(shape) == 4 else ((), shape)
        anchors = channels[-1:] if "BoxPredictor" in name else ()
        small[name] = (*kernel, *map(fewer, channels[: len(channels) - len(anchors)]), *anchors)
    return small


def recognition(x, p):
    """The first half of the recognition network, which has every kind of its layers; the second half needs a large image."""
    net = face_recognition_net
    x = net.conv(ops.divide(ops.subtract(x, net.FEATURE_MEAN_RGB), 256.0), p["conv32_down"], stride=2, padding="valid")
    x = net.residual(ops.max_pool(x, 3, stride=2, padding="valid"), p["conv32_1"])
    x = net.residual(net.residual_down(x, p["conv64_down"]), p["conv64_1"])
    return {"features": x, "descriptor": ops.dense(ops.mean(x), p["fc"])}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ssd_mobilenetv1", 36), ("face_landmark_68_net", 18), ("face_landmark_68_tiny_net", 17), ("face_recognition_net", 35),
        ("face_expression_net", 17), ("age_gender_net", 18), ("pnet", 15), ("onet", 48), ("tiny_yolov2", 32),
        ("tiny_yolov2_full", 32),
    ],
)  # fmt: skip
def test_every_layer(monkeypatch, name, size):
    pool = ops.avg_pool
    monkeypatch.setattr(ops, "avg_pool", lambda x, size, *, stride: pool(x, min(size, *x.shape[:2]), stride=stride))
    if name.startswith("tiny_yolov2"):
        net = TinyYolov2(name == "tiny_yolov2")
    else:
        net = getattr(faceapi.nets, name) if hasattr(faceapi.nets, name) else getattr(faceapi.nets.mtcnn, name)
    definition, shapes = net.definition, shrunk(net.shapes())
    if name == "face_recognition_net":
        definition = recognition
        shapes["fc"] = (fewer(64), 5)
    graph = record(name, definition, shapes, (size, size, 3), net.root)
    weights = weights_for(shapes)
    batch = np.random.default_rng(1).uniform(0, 255, (1, size, size, 3)).astype(np.float32)
    outputs = list(graph.outputs.values())
    expected = ReferenceProgram(graph, weights, outputs, np.float64)(batch)
    for a, b in zip(plan(graph, weights, outputs)(batch), expected, strict=True):
        assert_close(a, b, TOLERANCE * 2)  # a network deep
