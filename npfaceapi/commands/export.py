"""`npfaceapi export`: a network as an ONNX graph, its weights alone, or the faces of an index as a table."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from npfaceapi.commands.networks import network
from npfaceapi.commands.options import add_overwrite, add_shared, name_among, size, weights_read
from npfaceapi.errors import InvalidArgument
from npfaceapi.networks.registry import all_names, listed
from npfaceapi.output_files import Output, check_outputs, is_npz, is_onnx, is_safetensors

__all__ = ["add_arguments", "run"]

FORMATS = ("onnx", "npz", "safetensors")
TABLES = ("parquet", "csv", "jsonl", "labels")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = all_names()
    parser.add_argument(
        "net",
        type=_net_or_index,
        metavar="NET|INDEX",
        help=f"the network (one of {listed(names)}), or an index that npfaceapi index made",
    )
    own = f"of a network {', '.join(FORMATS)}; of an index {', '.join(TABLES)}; default: by the suffix of FILE, else onnx"
    add_shared(parser, "--format", own, choices=(*FORMATS, *TABLES))
    add_shared(parser, "--out", "default for a network: NET.FORMAT in the current folder", type=Path)
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


def _net_or_index(text: str) -> str:
    """For argparse: the name of a network, or the path of an index, which SQLite's header tells."""
    with contextlib.suppress(OSError, ValueError), open(text, "rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            return text
    try:
        return name_among(all_names())(text)
    except argparse.ArgumentTypeError as error:
        if os.path.isfile(text) and os.path.getsize(text):
            return text  # opening it says in one line what is wrong
        raise argparse.ArgumentTypeError(f"{error}, which is no index either") from None


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.export.files import export_net

    if arguments.net not in all_names():
        return _export_index(arguments)
    if arguments.format in TABLES:
        raise InvalidArgument(f"--format {arguments.format}: expected an index with it, got the network {arguments.net}")
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


def _export_index(arguments: argparse.Namespace) -> int:
    from npfaceapi.commands.index_file import opened

    out: Path | None = arguments.out
    if out is None:
        raise InvalidArgument("expected --out FILE for an index, got none")
    kind = arguments.format or out.suffix.removeprefix(".")
    if kind not in TABLES:
        raise InvalidArgument(f"--out {out}: expected --format {', '.join(TABLES)}, or a name that ends in one, got neither")
    check_outputs([Output("--out", out, _is_no_output)], [arguments.net], overwrite=arguments.overwrite)
    with opened(Path(arguments.net)) as index:
        count = index.export(out, kind)
    print(f"{out}: {count:,} face{'' if count == 1 else 's'}, {kind}, {out.stat().st_size:,} bytes")
    return 0


def _is_no_output(path: str) -> bool:
    """Tables are for other programs, so they bear no mark of ours: a file that exists is replaced only with --overwrite."""
    return False
