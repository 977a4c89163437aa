"""`npfaceapi show NET`: the layers of a network, from its recorded graph."""

from __future__ import annotations

import argparse
from typing import Any

from npfaceapi.commands.table import format_table

__all__ = ["add_arguments", "run"]

NETS = (
    "ssd_mobilenetv1", "tiny_face_detector", "tiny_yolov2", "tiny_yolov2_full", "mtcnn", "mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet",
    "face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net", "face_expression_net", "age_gender_net",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", choices=NETS, metavar="NET", help=f"one of {', '.join(NETS)}")
    parser.add_argument("--size", type=int, metavar="S", help="side of the input in pixels, where the network takes any")


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi import nets
    from npfaceapi.networks.tiny_yolov2 import TinyYolov2

    name: str = arguments.net
    parts: list[Any]
    if name == "mtcnn":
        parts = [nets.mtcnn.pnet, nets.mtcnn.rnet, nets.mtcnn.onet]
    elif name.startswith("mtcnn_"):
        parts = [getattr(nets.mtcnn, name.removeprefix("mtcnn_"))]
    elif name == "tiny_yolov2_full":
        parts = [TinyYolov2(with_separable_convs=False)]
    else:
        parts = [getattr(nets, name)]
    for graph in [part.graph(arguments.size) for part in parts]:
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
