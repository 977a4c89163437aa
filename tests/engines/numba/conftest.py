"""A network large enough for several threads, planned."""

from __future__ import annotations

import pytest

from helpers.comparing import weights_for
from helpers.small_network import SHAPES, SIZE, network
from npfaceapi.engines.numba.program import plan
from npfaceapi.graph import record


@pytest.fixture(scope="module")
def graph():
    return record("test", network, SHAPES, SIZE)


@pytest.fixture(scope="module")
def program(graph):
    return plan(graph, weights_for(SHAPES), list(graph.outputs.values()))
