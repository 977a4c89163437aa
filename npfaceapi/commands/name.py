"""`npfaceapi name`: say who the faces of a group are."""

from __future__ import annotations

import argparse

from npfaceapi.commands.index_file import add_file, opened, whole_number
from npfaceapi.errors import printable

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("group", type=whole_number, metavar="GROUP", help="number of a group, as npfaceapi groups shows it")
    parser.add_argument("name", metavar="NAME", help="name of the person")


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.file) as index:
        index.name(arguments.group, arguments.name)
    print(f"group {arguments.group} is {printable(arguments.name)}")
    return 0
