"""`npfaceapi inspect PHOTO`: what the networks see in a photo, as one HTML page."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from npfaceapi.commands.options import add_shared, name_among
from npfaceapi.commands.photos import DEFAULT_DETECTOR, add_detector_choice, chosen_backend, detector_options
from npfaceapi.errors import InvalidArgument
from npfaceapi.export.writing import check_place
from npfaceapi.networks.registry import DETECTORS, NETS, shown

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="image file or URL")
    own = f"one of {shown(NETS)}; default: the detector and all networks of the face"
    add_shared(parser, "--net", own, type=name_among(NETS))
    add_shared(parser, "--out", "default: report.html", type=Path, default=Path("report.html"))
    add_detector_choice(parser)
    add_shared(parser, "--weights", "of the detector tiny_yolov2, which has none of its own")


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi import nets
    from npfaceapi.inspection.inspecting import inspect

    if arguments.net in DETECTORS:
        if arguments.detector not in (None, arguments.net):
            net = arguments.net
            raise InvalidArgument(f"--detector: expected {net} or nothing with --net {net}, got {arguments.detector}")
        arguments.detector = arguments.net
    arguments.detector = arguments.detector or DEFAULT_DETECTOR
    if arguments.weights is not None:
        if arguments.detector != "tiny_yolov2":
            raise InvalidArgument(f"--weights: expected --detector tiny_yolov2 with it, got {arguments.detector}")
        nets.tiny_yolov2.load_from_disk(arguments.weights)
    check_place("--out", arguments.out)
    with chosen_backend(arguments.backend):
        report = inspect(arguments.photo, detector_options(arguments), net=arguments.net)
    report.save(arguments.out)
    size = os.path.getsize(arguments.out) / 1e6 if arguments.out.is_file() else 0.0
    count = f"{len(report.faces)} face{'' if len(report.faces) == 1 else 's'}"
    print(f"{arguments.photo}: {count}; {arguments.out}: {size:.1f} MB, open it in a browser")
    return 0
