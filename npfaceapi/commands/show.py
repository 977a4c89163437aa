"""`npfaceapi show NET`: the layers of a network, from its recorded graph, as a table, as data or as a picture."""

from __future__ import annotations

import argparse
from typing import Any

from npfaceapi.commands.networks import NETS, parts
from npfaceapi.display.plain_table import format_table

__all__ = ["add_arguments", "run"]

FORMATS = ("table", "json", "dot", "mermaid", "svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", choices=NETS, metavar="NET", help=f"one of {', '.join(NETS)}")
    parser.add_argument("--size", type=int, metavar="S", help="side of the input in pixels, where the network takes any")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="table (default) and json list every operation; dot (Graphviz), mermaid and svg are pictures of the blocks, "
        "repeated ones drawn once",
    )


def run(arguments: argparse.Namespace) -> int:
    graphs = [part.graph(arguments.size) for part in parts(arguments.net)]
    if arguments.format == "table":
        for graph in graphs:
            _print_table(graph)
        return 0
    from npfaceapi.graph_pictures import svg, text

    writers = {"json": text.graphs_json, "dot": text.graphs_dot, "mermaid": text.graphs_mermaid, "svg": svg.graphs_svg}
    print(writers[arguments.format](graphs))
    return 0


def _print_table(graph: Any) -> None:
    rows: list[tuple[object, ...]] = [
        (node.name, node.op, "x".join(map(str, node.shape)) or "1", f"{node.parameters:,}", f"{node.macs:,}") for node in graph
    ]
    rows.append(("total", "", "", f"{graph.parameters:,}", f"{graph.macs:,}"))
    print(f"{graph.name}: {graph.macs / 1e6:,.1f} million MACs (multiply-accumulates) an image, {graph.parameters:,} parameters")
    print(format_table(("name", "operation", "output", "parameters", "MACs"), rows, right=(3, 4), indent="  "))
