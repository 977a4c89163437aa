"""`npfaceapi calibrate`: what descriptor distances mean, measured on the user's own photos."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from npfaceapi.commands.evaluate import add_descriptor_arguments, progress_line
from npfaceapi.commands.options import add_overwrite, add_shared, weights_read
from npfaceapi.commands.photos import (
    DEFAULT_DETECTOR,
    add_detector_choice,
    chosen_backend,
    complain,
    detector_options,
    load_detector,
    photo_limit,
)
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import InvalidArgument
from npfaceapi.output_files import Output, check_outputs, is_text_with, write_whole

if TYPE_CHECKING:
    from npfaceapi.faces.calibration import Estimate

__all__ = ["add_arguments", "run"]

RATES = (1e-2, 1e-3, 1e-4, 1e-5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("known", type=Path, metavar="KNOWN_DIR", help="folder of known people (a subfolder of photos per person)")
    add_detector_choice(parser, DEFAULT_DETECTOR)
    add_descriptor_arguments(parser)
    add_shared(parser, "--out", "a JSON file", type=Path, required=True)
    parser.add_argument("--source", metavar="TEXT", help="what the photos are; recorded in the file (default: the folder's name)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep computed results there, and reuse them")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.evaluation.calibrating import calibrate
    from npfaceapi.evaluation.folders import people_of
    from npfaceapi.evaluation.people import Describe

    output = Output("--out", arguments.out, is_text_with('{"source": '))
    check_outputs([output], [arguments.known, *weights_read(arguments)], overwrite=arguments.overwrite)
    load_detector(arguments)
    named = people_of(arguments.known)
    describe = Describe(detector_options(arguments), arguments.alignment, arguments.average_mirror)
    with photo_limit(arguments.max_megapixels), chosen_backend(arguments.backend):
        described = describe.photos([photo for photos in named.values() for photo in photos], arguments.cache, progress_line())
    found = [(photo, name) for name, photos in named.items() for photo in photos if photo in described.descriptors]
    if not found:
        raise InvalidArgument(f"{arguments.known}: expected photos with a face, got none")
    source = f"{arguments.source or arguments.known.resolve().name}, {datetime.date.today().isoformat()}"
    calibration = calibrate(
        [described.descriptors[photo] for photo, _ in found], [name for _, name in found], source,
        arguments.alignment, arguments.average_mirror,
    )  # fmt: skip
    write_whole(arguments.out, calibration.to_json() + "\n")
    pairs = f"{calibration.same:,} pairs of the same person, {calibration.different:,} of different people"
    print(f"{len(found):,} photos of {calibration.people:,} people; {pairs}")
    print(f"{len(described.without_face):,} photos without a face, {len(described.unreadable):,} unreadable")
    for reason in described.unreadable.values():
        complain(reason)
    rows = []
    for rate in RATES:
        try:
            distance = calibration.threshold(rate)
        except InvalidArgument:
            rows.append((f"{rate:g}", "too few pairs", "-"))
            continue
        try:
            misses = _with_interval(calibration.miss_rate(distance.value))
        except InvalidArgument:
            misses = "too few pairs"
        rows.append((f"{rate:g}", _with_interval(distance), misses))
    print(format_table(("false match rate", "threshold", "miss rate"), rows, right=(1, 2)))
    return 1 if described.unreadable else 0


def _with_interval(estimate: Estimate) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*estimate)
