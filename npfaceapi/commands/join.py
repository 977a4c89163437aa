"""`npfaceapi join`: say that several groups are one person."""

from __future__ import annotations

import argparse

from npfaceapi.commands.index_file import add_file, opened, whole_number
from npfaceapi.errors import InvalidArgument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument(
        "groups", nargs="+", type=whole_number, metavar="GROUP", help="number of a group, as npfaceapi groups shows it"
    )


def run(arguments: argparse.Namespace) -> int:
    if len(set(arguments.groups)) < 2:
        raise InvalidArgument(f"expected two or more groups, got {arguments.groups[0]}")
    with opened(arguments.file) as index:
        index.join(*arguments.groups)
    print(f"groups {', '.join(map(str, arguments.groups))} are one person")
    return 0
