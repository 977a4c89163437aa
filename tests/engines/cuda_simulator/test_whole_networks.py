"""Two unchanged networks with their own weights, and the backend by its name."""

from __future__ import annotations

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers.comparing import assert_close
from helpers.simulated import use_tile


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    use_tile(monkeypatch, "tiny")


def whole(net, size):
    """A network with its own weights, at one size: the raw outputs on the kernels and in float64."""
    batch = np.random.default_rng(2).uniform(0, 255, (1, size, size, 3)).astype(np.float32)
    with faceapi.use_backend("cuda"):
        actual = net.run_net(batch)
    expected = net.run_net(batch, backend="reference64")
    assert actual.keys() == expected.keys()
    for name in expected:
        assert_close(actual[name], expected[name], 3e-6)


def test_rnet_whole():
    whole(faceapi.nets.mtcnn.rnet, 24)


def test_tiny_face_detector_whole_at_32_pixels():
    whole(faceapi.nets.tiny_face_detector, 32)


def test_the_backend_says_that_it_is_simulated():
    status = faceapi.available_backends()["cuda"]
    assert status
    assert "simulator" in status.detail
