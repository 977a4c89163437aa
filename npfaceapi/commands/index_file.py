"""Shared by the commands on an index: its argument, and opening it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from npfaceapi.errors import InvalidArgument

if TYPE_CHECKING:
    from npfaceapi.collection.face_index import FaceIndex

__all__ = ["add_file", "opened", "whole_number"]


def add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="an index that npfaceapi index made")


def opened(path: Path) -> FaceIndex:
    """The index in a file; unlike `FaceIndex` it makes none."""
    from npfaceapi.collection.face_index import FaceIndex

    if not path.is_file():
        raise InvalidArgument(f"{path}: expected an index, got {'a folder' if path.is_dir() else 'no such file'}")
    if not path.stat().st_size:  # which `FaceIndex` would make an index
        raise InvalidArgument(f"{path}: expected an index, got an empty file")
    return FaceIndex(path)


def whole_number(text: str) -> int:
    """For argparse: a number from 1 up."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 up, got {text!r}")
    return int(text)
