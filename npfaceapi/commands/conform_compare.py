"""`npfaceapi conform compare`: two reports side by side."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from npfaceapi.commands.options import add_overwrite, add_shared
from npfaceapi.display.plain_table import format_table
from npfaceapi.output_files import Output, check_outputs, is_json, write_whole

__all__ = ["add_arguments", "run"]

MOST = 20  # answers that are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="BEFORE", help="a report that --json wrote")
    parser.add_argument("after", metavar="AFTER", help="a later one, or one of another machine")
    add_shared(parser, "--verbose", action="store_true")
    add_shared(parser, "--json")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.conformance.compare import compare, read_report

    if arguments.json:
        check_outputs(
            [Output("--json", arguments.json, is_json("before", "after", "changes"))],
            [arguments.before, arguments.after],
            overwrite=arguments.overwrite,
        )
    found = compare(read_report(Path(arguments.before)), read_report(Path(arguments.after)))
    if arguments.json != "-":
        changed = [change for change in found.changes if change.what != "same"]
        shown = found.changes if arguments.verbose else changed[:MOST]
        header = ("", "case", "answer", "before", "after")
        print(f"before: {found.before}")
        print(f"after:  {found.after}")
        if shown:
            print(format_table(header, [change.row for change in shown], right=(3, 4)))
        if len(changed) > len(shown):
            print(f"{len(changed) - len(shown)} more changed; --verbose shows all")
        print(", ".join(f"{count} {what}" for what, count in found.counts.items() if count) or "no case")
    if arguments.json:
        text = json.dumps(found.to_dict(), indent=1) + "\n"
        if arguments.json == "-":
            sys.stdout.write(text)
        else:
            write_whole(arguments.json, text)
    return 1 if found.broken else 0
