"""`npfaceapi inspect PHOTO`: what the networks see in a photo, as one HTML page."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from npfaceapi.commands.photos import DEFAULT_DETECTOR, add_detector_choice, chosen_backend, detector_options
from npfaceapi.errors import InvalidArgument
from npfaceapi.export.writing import check_place
from npfaceapi.networks.registry import DETECTORS, NETS

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="image file or URL")
    parser.add_argument(
        "--net",
        choices=tuple(NETS),
        metavar="NET",
        help=f"show one network only: {', '.join(NETS)} (default: the detector and all networks of the face)",
    )
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html")
    add_detector_choice(parser)
    parser.add_argument(
        "--weights", metavar="DIR", help="folder with the weights of the detector yolo, which has none of its own"
    )


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi import nets
    from npfaceapi.inspection.inspecting import inspect

    if arguments.net in DETECTORS:
        own = DETECTORS[arguments.net].called
        if arguments.detector not in (None, own):
            raise InvalidArgument(f"--detector: expected {own} or nothing with --net {arguments.net}, got {arguments.detector}")
        arguments.detector = own
    arguments.detector = arguments.detector or DEFAULT_DETECTOR
    if arguments.weights is not None:
        if arguments.detector != "yolo":
            raise InvalidArgument(f"--weights: expected --detector yolo with it, got {arguments.detector}")
        nets.tiny_yolov2.load_from_disk(arguments.weights)
    check_place("--out", arguments.out)
    with chosen_backend(arguments.backend):
        report = inspect(arguments.photo, detector_options(arguments), net=arguments.net)
    report.save(arguments.out)
    size = os.path.getsize(arguments.out) / 1e6 if arguments.out.is_file() else 0.0
    count = f"{len(report.faces)} face{'' if len(report.faces) == 1 else 's'}"
    print(f"{arguments.photo}: {count}; {arguments.out}: {size:.1f} MB, open it in a browser")
    return 0
