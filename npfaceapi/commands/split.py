"""`npfaceapi split`: say that some faces of a group are another person."""

from __future__ import annotations

import argparse

from npfaceapi.commands.index_file import add_file, opened, whole_number

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("group", type=whole_number, metavar="GROUP", help="number of a group, as npfaceapi groups shows it")
    parser.add_argument(
        "faces",
        nargs="+",
        type=whole_number,
        metavar="FACE",
        help="number of a face, as in the contact sheets (of those that are another person)",
    )


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.file) as index:
        index.split(arguments.group, arguments.faces)
    count = len(set(arguments.faces))
    faces, are = ("face", "is") if count == 1 else ("faces", "are")
    print(f"{count} {faces} of group {arguments.group} {are} another person")
    return 0
