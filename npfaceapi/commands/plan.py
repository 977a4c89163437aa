"""`npfaceapi plan NET`: what a backend makes of a network, step by step."""

from __future__ import annotations

import argparse

from npfaceapi.commands.networks import NETS, parts

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", choices=NETS, metavar="NET", help=f"one of {', '.join(NETS)}")
    parser.add_argument("--size", type=int, metavar="S", help="side of the input in pixels, where the network takes any")
    parser.add_argument("--backend", choices=("numba", "cuda"), default="numba", help="default: numba")


def run(arguments: argparse.Namespace) -> int:
    for net in parts(arguments.net):
        program = net.plan(arguments.size, backend=arguments.backend)
        print(f"{net.graph(arguments.size).name}: {len(net.graph(arguments.size))} operations in {len(program.steps)} steps")
        print(program.describe())
    return 0
