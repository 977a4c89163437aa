"""`npfaceapi export NET`: a network as an ONNX graph, or its weights alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from npfaceapi.commands.networks import NETS, network
from npfaceapi.errors import InvalidArgument

__all__ = ["add_arguments", "run"]

FORMATS = ("onnx", "npz", "safetensors")


def _size(text: str) -> tuple[int, int]:
    parts = text.split("x")
    if not 1 <= len(parts) <= 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected a number of pixels, or HEIGHTxWIDTH, got {text!r}")
    return int(parts[0]), int(parts[-1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("net", choices=NETS, metavar="NET", help=f"one of {', '.join(NETS)}")
    parser.add_argument("--format", choices=FORMATS, help="default: what FILE ends in, else onnx")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: NET.FORMAT in this folder")
    parser.add_argument("--weights", metavar="DIR", help="folder of model files (default: the bundled weights)")
    parser.add_argument("--size", type=_size, metavar="S|HxW", help="onnx: the input's size, where the network takes any")
    parser.add_argument("--taps", default="", metavar="NAMES", help="onnx: nodes or blocks to give as well, separated by commas")
    parser.add_argument("--layout", choices=("NHWC", "NCHW"), default="NHWC", help="onnx: of the input (default: NHWC)")


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.export.files import export_net

    out: Path | None = arguments.out
    kind = arguments.format or ("onnx" if out is None else out.suffix.removeprefix("."))
    if kind not in FORMATS:
        raise InvalidArgument(f"--out {out}: expected a name that ends in .{', .'.join(FORMATS)}, or --format; got neither")
    if kind != "onnx" and (arguments.size or arguments.taps or arguments.layout != "NHWC"):
        raise InvalidArgument(f"expected --size, --taps and --layout with --format onnx only, got {kind}")
    net = network(arguments.net)
    if arguments.weights is not None:
        net.load_from_disk(arguments.weights)
    taps = [name for name in arguments.taps.split(",") if name]
    path = export_net(net, out or Path(f"{arguments.net}.{kind}"), kind, size=arguments.size, taps=taps, layout=arguments.layout)
    count = sum(tensor.size for tensor in net.tensors.values())
    print(f"{path}: {arguments.net}, {kind}, {count:,} parameters, {path.stat().st_size:,} bytes")
    return 0
