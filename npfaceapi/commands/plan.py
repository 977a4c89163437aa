"""`npfaceapi plan NET`: the steps in which a backend computes a network."""

from __future__ import annotations

import argparse

from npfaceapi.commands.networks import parts
from npfaceapi.commands.options import add_net, add_shared, size
from npfaceapi.networks.registry import proper

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_net(parser)
    add_shared(parser, "--size", type=size, default=())
    add_shared(parser, "--backend", "numba or cuda; default: numba", choices=("numba", "cuda"), default="numba")


def run(arguments: argparse.Namespace) -> int:
    for name, net in zip(proper(arguments.net), parts(arguments.net), strict=True):
        graph, program = net.graph(*arguments.size), net.plan(*arguments.size, backend=arguments.backend)
        print(f"{name}: {len(graph)} operations in {len(program.steps)} steps")
        print(program.describe())
    return 0
