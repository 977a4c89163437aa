"""`npfaceapi groups`: groups of faces that are probably one person."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from npfaceapi.commands.index_file import add_file, opened, whole_number
from npfaceapi.commands.match import distance
from npfaceapi.commands.options import add_overwrite, add_shared
from npfaceapi.commands.photos import complain
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import printable
from npfaceapi.output_files import Output, check_folder, check_outputs, generator, is_json_lines, is_text_with

__all__ = ["add_arguments", "run"]

LISTED = 20  # groups in the table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    parser.add_argument(
        "--cut", type=distance, metavar="D", help="largest distance of groups that are joined; a smaller one splits more"
    )
    parser.add_argument("--smallest", type=whole_number, default=2, metavar="N", help="smallest group to show (default: 2)")
    add_shared(parser, "--out", "a folder here, of contact sheets: index.html, and a page per group", type=Path)
    add_shared(parser, "--json", "one line per group")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.commands.json_lines import json_lines

    outputs = []
    if arguments.json is not None:
        outputs.append(Output("--json", arguments.json, is_json_lines("faces")))
    if arguments.out is not None:
        check_folder("--out", arguments.out, (".html", ".htm"))
    if arguments.out is not None and arguments.out.is_dir():
        outputs.append(Output("--out", arguments.out / "index.html", is_text_with(generator("groups"))))
    check_outputs(outputs, [arguments.file], overwrite=arguments.overwrite)
    with opened(arguments.file) as index:
        groups = index.groups(arguments.cut)
        moved = index.changes()
        shown = [group for group in groups if len(group.faces) >= arguments.smallest]
        with json_lines(arguments.json) as lines:
            for group in shown if lines is not None else ():
                print(json.dumps({"group": group.number, "name": group.name, "faces": group.faces}), file=lines)
        if arguments.json != "-":
            rows = [(group.number, len(group.faces), printable(group.name or "-")) for group in shown[:LISTED]]
            if rows:
                print(format_table(("group", "faces", "name"), rows, right=(0, 1)))
            if len(shown) > LISTED:
                print(f"and {len(shown) - LISTED:,} more")
            singles = sum(len(group.faces) == 1 for group in groups)
            many, moves = "" if len(groups) == 1 else "s", "" if len(moved) == 1 else "s"
            print(f"{len(groups):,} group{many}, {singles:,} of one face; {len(moved):,} face{moves} moved to another group")
        if arguments.out is not None:
            failed = index.contact_sheets(arguments.out, arguments.smallest, arguments.cut)
            if failed:
                faces = "face" if failed == 1 else "faces"
                complain(f"{failed:,} {faces} could not be cut out, as the photo cannot be read")
            if arguments.json != "-":
                print(f"{arguments.out / 'index.html'}: open it in a browser")
            return 1 if failed else 0
    return 0
