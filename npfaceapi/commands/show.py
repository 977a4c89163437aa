"""`npfaceapi show NET`: the layers of a network, from its recorded graph."""

from __future__ import annotations

import argparse

from npfaceapi.commands.networks import NETS, network
from npfaceapi.commands.table import format_table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", choices=NETS, metavar="NET", help=f"one of {', '.join(NETS)}")
    parser.add_argument("--size", type=int, metavar="S", help="side of the input in pixels, where the network takes any")


def run(arguments: argparse.Namespace) -> int:
    name: str = arguments.net
    names = ["mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet"] if name == "mtcnn" else [name]
    for graph in [network(part).graph(arguments.size) for part in names]:
        rows: list[tuple[object, ...]] = [
            (node.name, node.op, "x".join(map(str, node.shape)) or "1", f"{node.parameters:,}", f"{node.macs:,}")
            for node in graph
        ]
        rows.append(("total", "", "", f"{graph.parameters:,}", f"{graph.macs:,}"))
        print(
            f"{graph.name}: {graph.macs / 1e6:,.1f} million MACs (multiply-accumulates) an image, {graph.parameters:,} parameters"
        )
        print(format_table(("name", "operation", "output", "parameters", "MACs"), rows, right=(3, 4), indent="  "))
    return 0
