"""`npfaceapi show NET`: the layers of a network, from its recorded graph, as a table, as data or as a picture."""

from __future__ import annotations

import argparse
from typing import Any

from npfaceapi.commands.networks import parts
from npfaceapi.commands.options import add_net, add_shared, size
from npfaceapi.display.plain_table import format_table
from npfaceapi.networks.registry import proper

__all__ = ["add_arguments", "run"]

FORMATS = ("table", "json", "dot", "mermaid", "svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_net(parser)
    add_shared(parser, "--size", type=size, default=())
    own = "table, the default, and json list every operation; dot (Graphviz), mermaid and svg are pictures of the blocks, "
    add_shared(parser, "--format", f"{own}repeated ones drawn once", choices=FORMATS, default="table")


def run(arguments: argparse.Namespace) -> int:
    graphs = [part.graph(*arguments.size) for part in parts(arguments.net)]
    if arguments.format == "table":
        for name, graph in zip(proper(arguments.net), graphs, strict=True):
            _print_table(name, graph)
        return 0
    from npfaceapi.graph_pictures import svg, text

    writers = {"json": text.graphs_json, "dot": text.graphs_dot, "mermaid": text.graphs_mermaid, "svg": svg.graphs_svg}
    print(writers[arguments.format](graphs))
    return 0


def _print_table(name: str, graph: Any) -> None:
    rows: list[tuple[object, ...]] = [
        (node.name, node.op, "x".join(map(str, node.shape)) or "1", f"{node.parameters:,}", f"{node.macs:,}") for node in graph
    ]
    rows.append(("total", "", "", f"{graph.parameters:,}", f"{graph.macs:,}"))
    print(f"{name}: {graph.macs / 1e6:,.1f} million MACs (multiply-accumulates) an image, {graph.parameters:,} parameters")
    print(format_table(("name", "operation", "output", "parameters", "MACs"), rows, right=(3, 4), indent="  "))
