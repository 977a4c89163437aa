"""`npfaceapi show NET`: the layers of a network, from its recorded graph, as a table, as data or as a picture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from npfaceapi.commands.networks import parts
from npfaceapi.commands.options import add_net, add_shared, size
from npfaceapi.display.plain_table import format_table
from npfaceapi.graph import Graph, shape_text

__all__ = ["add_arguments", "run"]

FORMATS = ("table", "json", "dot", "mermaid", "svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_net(parser)
    add_shared(parser, "--size", type=size, default=())
    own = (
        "table (the default) and json list every operation, json with all that a port needs (docs/porting.md); dot (Graphviz), "
        "mermaid and svg are pictures of the blocks, repeated ones drawn once"
    )
    add_shared(parser, "--format", own, choices=FORMATS, default="table")


def run(arguments: argparse.Namespace) -> int:
    if arguments.format in ("table", "json"):
        from npfaceapi.export.specification import specification

        stated = specification(arguments.net, *arguments.size)
        if arguments.format == "json":
            print(json.dumps(stated, indent=1))
        else:
            for part, graph in zip(parts(arguments.net), stated["graphs"], strict=True):
                _print_table(graph, part.graph(*arguments.size))
        return 0
    from npfaceapi.graph_pictures import svg, text

    writers = {"dot": text.graphs_dot, "mermaid": text.graphs_mermaid, "svg": svg.graphs_svg}
    print(writers[arguments.format]([part.graph(*arguments.size) for part in parts(arguments.net)]))
    return 0


def _print_table(graph: Mapping[str, Any], recorded: Graph) -> None:
    from npfaceapi.inspection.receptive_field import seen

    sees = {node.name: text for node, text in seen(recorded).items()}
    rows: list[tuple[object, ...]] = [
        (
            node["name"], node["op"], shape_text(node["shape"]), sees.get(node["name"], ""), f"{node['parameters']:,}",
            f"{node['macs']:,}",
        )
        for node in graph["nodes"]
    ]  # fmt: skip
    rows.append(("total", "", "", "", f"{graph['parameters']:,}", f"{graph['macs']:,}"))
    macs = f"{graph['macs'] / 1e6:,.1f} million MACs (multiply-accumulates) per image"
    print(f"{graph['network']}: {macs}, {graph['parameters']:,} parameters")
    means = [f"{mean:.6g}" for mean in graph["normalization"]["mean"]]
    mean = means[0] if len({*means}) == 1 else f"({', '.join(means)})"
    print(f"  input: {graph['input']['channels']} in 0..255; (x - {mean}) / {graph['normalization']['divisor']:.6g}")
    print("  sees: the largest receptive field of the layer, in pixels of the input, rows x columns")
    print(format_table(("name", "operation", "output", "sees", "parameters", "MACs"), rows, right=(4, 5), indent="  "))
