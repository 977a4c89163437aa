"""`npfaceapi forget`: remove a person or a photo from an index without a trace."""

from __future__ import annotations

import argparse

from npfaceapi.commands.index_file import add_file, opened

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument("who", metavar="NAME|PHOTO", help="name of a person in the index, or path of a photo in it")


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.file) as index:
        removed = index.forget(arguments.who)
    print(f"{arguments.file}: {removed:,} face{'' if removed == 1 else 's'} removed and overwritten")
    return 0
