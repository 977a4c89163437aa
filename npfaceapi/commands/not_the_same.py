"""`npfaceapi not-the-same`: say that two faces are two people, for ever."""

from __future__ import annotations

import argparse

from npfaceapi.commands.index_file import add_file, opened, whole_number

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("face", type=whole_number, metavar="FACE", help="number of a face, as in the contact sheets")
    parser.add_argument(
        "other", type=whole_number, metavar="FACE", help="number of a face, as in the contact sheets (the other one)"
    )


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.file) as index:
        index.not_the_same(arguments.face, arguments.other)
    print(f"faces {arguments.face} and {arguments.other} stay in different groups")
    return 0
