"""`npfaceapi export NET`: a network as an ONNX graph, or its weights alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from npfaceapi.commands.networks import network
from npfaceapi.commands.options import add_net, add_overwrite, add_shared, size, weights_read
from npfaceapi.errors import InvalidArgument
from npfaceapi.output_files import Output, check_outputs, is_npz, is_onnx, is_safetensors

__all__ = ["add_arguments", "run"]

FORMATS = ("onnx", "npz", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_net(parser)
    add_shared(parser, "--format", f"{', '.join(FORMATS)}; default: by the suffix of FILE, else onnx", choices=FORMATS)
    add_shared(parser, "--out", "default: NET.FORMAT in the current folder", type=Path)
    add_overwrite(parser)
    add_shared(parser, "--weights", "default: the bundled weights")
    add_shared(parser, "--size", "onnx only", type=size)
    parser.add_argument(
        "--dynamic", action="store_true", help="let the model take any height and width, if the network does (onnx only)"
    )
    parser.add_argument(
        "--taps", default="", metavar="NAMES", help="nodes or blocks to add to the outputs, separated by commas (onnx only)"
    )
    parser.add_argument(
        "--layout", choices=("NHWC", "NCHW"), default="NHWC", help="order of the input's axes (onnx only; default: NHWC)"
    )


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.export.files import export_net

    out: Path | None = arguments.out
    kind = arguments.format or ("onnx" if out is None else out.suffix.removeprefix("."))
    if kind not in FORMATS:
        raise InvalidArgument(f"--out {out}: expected a name that ends in .{', .'.join(FORMATS)}, or --format; got neither")
    if kind != "onnx" and (arguments.size or arguments.dynamic or arguments.taps or arguments.layout != "NHWC"):
        raise InvalidArgument(f"expected --size, --dynamic, --taps and --layout with --format onnx only, got {kind}")
    if arguments.size and arguments.dynamic:
        raise InvalidArgument("expected --size or --dynamic, got both")
    path = out or Path(f"{arguments.net}.{kind}")
    is_earlier = {"onnx": is_onnx, "npz": is_npz, "safetensors": is_safetensors}[kind]
    check_outputs([Output("--out", path, is_earlier)], weights_read(arguments), overwrite=arguments.overwrite)
    net = network(arguments.net)
    if arguments.weights is not None:
        net.load_from_disk(arguments.weights)
    taps = [name for name in arguments.taps.split(",") if name]
    export_net(net, path, kind, size=arguments.size, taps=taps, layout=arguments.layout, dynamic=arguments.dynamic)
    count = sum(tensor.size for tensor in net.tensors.values())
    print(f"{path}: {arguments.net}, {kind}, {count:,} parameters, {path.stat().st_size:,} bytes")
    return 0
