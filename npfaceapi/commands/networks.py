"""Networks by their command-line names; each variant and each part of MTCNN has its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npfaceapi.networks import registry

if TYPE_CHECKING:
    from npfaceapi.networks.network_weights import NetworkWeights
    from npfaceapi.networks.neural_network import NeuralNetwork

__all__ = ["NETS", "network", "parts"]

NETS = registry.all_names()


def network(name: str) -> NetworkWeights:
    """The loaded network of that name, or MTCNN with its three networks."""
    from npfaceapi import nets

    net: NetworkWeights = nets.network_named(name)
    return net


def parts(name: str) -> list[NeuralNetwork]:
    """The networks of that name: three for MTCNN, else one."""
    from npfaceapi import nets

    return [nets.network_named(part) for part in registry.proper(name)]
