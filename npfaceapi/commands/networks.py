"""The networks by the names that commands take, each variant and each part of MTCNN by its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npfaceapi.networks import registry

if TYPE_CHECKING:
    from npfaceapi.networks.neural_network import NeuralNetwork

__all__ = ["NETS", "network", "parts"]

NETS = registry.all_names()


def network(name: str) -> NeuralNetwork:
    """The ready network of that name."""
    from npfaceapi import nets

    net: NeuralNetwork = nets.network_named(name)
    return net


def parts(name: str) -> list[NeuralNetwork]:
    """The networks of that name: MTCNN has three."""
    inside = registry.NETS[name].parts if name in registry.NETS else ()
    return [network(f"{name}_{part}") for part in inside] or [network(name)]
