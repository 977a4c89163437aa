"""`python -m tests.fuzz --minutes 60`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the helpers of the tests

from tests.fuzz import campaign
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=campaign.__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="for all targets together (default: 60)")
    parser.add_argument("--target", choices=TARGETS, action="append", help="may be repeated (default: all)")
    parser.add_argument("--seed", type=int, default=None, help="number of the first input (default: of the hour)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), metavar="DIR", help="for inputs that end the process")
    parser.add_argument(
        "--atheris", choices=TARGETS, help="this target, guided by coverage, until interrupted (pip install atheris)"
    )
    arguments, others = parser.parse_known_args()
    if arguments.atheris:
        campaign.guided(arguments.atheris, others)
    if others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    return 1 if campaign.run(arguments.minutes, arguments.target or list(TARGETS), seed, arguments.keep) else 0


if __name__ == "__main__":
    sys.exit(main())
