"""`npfaceapi inspect PHOTO`: what the networks see in a photo, as one HTML page."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from npfaceapi.commands.options import add_overwrite, add_shared, name_among, weights_read
from npfaceapi.commands.photos import (
    DEFAULT_DETECTOR,
    add_detector_choice,
    chosen_backend,
    detector_options,
    load_detector,
    photo_limit,
    read_photo,
)
from npfaceapi.errors import InvalidArgument, printable
from npfaceapi.networks.registry import DETECTORS, NETS, listed
from npfaceapi.output_files import Output, check_outputs, generator, is_text_with

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="image file or URL (or - for standard input)")
    own = f"one of {listed(NETS)}; default: the detector and all networks of the face"
    add_shared(parser, "--net", own, type=name_among(NETS))
    add_shared(parser, "--out", "default: report.html", type=Path, default=Path("report.html"))
    add_overwrite(parser)
    add_detector_choice(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.inspection.inspecting import inspect

    if arguments.net in DETECTORS:
        if arguments.detector not in (None, arguments.net):
            net = arguments.net
            raise InvalidArgument(f"--detector: expected {net} or nothing with --net {net}, got {arguments.detector}")
        arguments.detector = arguments.net
    arguments.detector = arguments.detector or DEFAULT_DETECTOR
    check_outputs(
        [Output("--out", arguments.out, is_text_with(generator("inspect")))],
        [arguments.photo, *weights_read(arguments)],
        overwrite=arguments.overwrite,
    )
    load_detector(arguments)
    with photo_limit(arguments.max_megapixels), chosen_backend(arguments.backend):
        photo = read_photo("-") if arguments.photo == "-" else arguments.photo
        report = inspect(photo, detector_options(arguments), net=arguments.net)
    report.save(arguments.out)
    size = os.path.getsize(arguments.out) / 1e6 if arguments.out.is_file() else 0.0
    count = f"{len(report.faces)} face{'' if len(report.faces) == 1 else 's'}"
    print(f"{printable(arguments.photo)}: {count}; {arguments.out}: {size:.1f} MB, open it in a browser")
    return 0
