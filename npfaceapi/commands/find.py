"""`npfaceapi find`: the faces of an index that are nearest to those of a photo, or the photos of a named person."""

from __future__ import annotations

import argparse
import json
import math
import os
from typing import TYPE_CHECKING, cast

from npfaceapi.commands.index_file import add_file, opened, whole_number
from npfaceapi.commands.json_lines import json_lines
from npfaceapi.commands.match import distance
from npfaceapi.commands.options import add_shared
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import InvalidArgument, printable

if TYPE_CHECKING:
    from npfaceapi.collection.face_index import FoundFace

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument(
        "query", metavar="PHOTO|NAME", help="name of a person in the index, or else an image file with faces to look for"
    )
    parser.add_argument(
        "-k", type=whole_number, metavar="N", help="at most so many faces (default: 10 for each in a photo, all of a person)"
    )
    parser.add_argument(
        "--max-distance", type=distance, metavar="D", help="largest distance to a face in the photo (default: 0.6)"
    )
    add_shared(parser, "--json", "one line per face that was looked for")


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments.file) as index, json_lines(arguments.json) as lines:
        try:
            found = [index.faces_of(arguments.query)[: arguments.k]]
        except InvalidArgument:
            if not os.path.exists(arguments.query):
                raise
            most = 0.6 if arguments.max_distance is None else arguments.max_distance
            found = cast("list[list[FoundFace]]", index.search(arguments.query, arguments.k or 10, most))
        for number, faces in enumerate(found, 1):
            if lines is not None:
                record = {
                    "photo": arguments.query,
                    "face": number,
                    "found": [{**face._asdict(), "box": face.box.to_dict()} for face in faces],
                }
                print(json.dumps(record), file=lines)
            if arguments.json != "-":
                if len(found) > 1:
                    print(f"face {number}:")
                rows = [
                    (
                        f"{face.distance:.3f}" if math.isfinite(face.distance) else "-",
                        face.face,
                        face.person or "-",
                        printable(face.path) + ("" if face.time is None else f" at {face.time:.1f} s"),
                    )
                    for face in faces
                ]
                print(format_table(("distance", "face", "name", "photo"), rows, right=(0, 1)) if rows else "no such face")
        if not found and arguments.json != "-":
            print("no face in the photo")
    return 0
