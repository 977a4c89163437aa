"""`npfaceapi verify`: the golden cases of face-api.js on an installed backend."""

from __future__ import annotations

import argparse
import fnmatch
import time

from npfaceapi.commands.photos import with_progress
from npfaceapi.display.plain_table import format_table
from npfaceapi.errors import InvalidArgument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", metavar="NAME", help="default: the one in use; npfaceapi backends lists them")
    parser.add_argument("--golden", metavar="DIR", help="folder of golden cases (default: those of the checkout or the package)")
    parser.add_argument(
        "--only", metavar="PATTERN", default="*", help='names of cases, with wildcards, for example "raw/*" (default: all)'
    )
    parser.add_argument("--all", action="store_true", help="print a line for each case, not only for each level")


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.conformance.golden import GoldenCases
    from npfaceapi.conformance.verification import Outcome, verify_case
    from npfaceapi.engines.dispatch import current_backend, use_backend

    golden = GoldenCases(arguments.golden)
    cases = {case.name: case for case in golden.cases if fnmatch.fnmatchcase(case.name, arguments.only)}
    if not cases:
        raise InvalidArgument(f"expected --only to match one of {len(golden.cases)} golden cases, got {arguments.only!r}")
    start = time.perf_counter()
    with use_backend(arguments.backend or current_backend()):
        backend = current_backend()
        outcomes = [verify_case(golden, cases[name]) for name in with_progress(list(cases))]
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.case.name if arguments.all else outcome.case.level, []).append(outcome)
    rows = []
    for name, group in groups.items():
        worst = max(group, key=lambda outcome: outcome.worst)
        where = f"{worst.case.name} {worst.worst_name}" if worst.worst else "-"
        rows.append((name, len(group), sum(not o.passed for o in group), f"{worst.worst:.3f}", where))
    print(
        format_table(
            ("case" if arguments.all else "level", "cases", "failed", "largest error / bound", "in"), rows, right=(1, 2, 3)
        )
    )
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        print(f"FAILED {outcome.case.name}: {outcome.failures[0]}")
    faces, let_off = sum(o.faces for o in outcomes), sum(o.let_off for o in outcomes)
    print(
        f"{backend}: {len(outcomes) - len(failed)} of {len(outcomes)} cases passed in {time.perf_counter() - start:.1f} s", end=""
    )
    print(f"; {let_off} of {faces} faces let off as ambiguous" if faces else "")
    if golden.missing:
        print(f"{golden.missing} more cases are not in {golden.folder}; --golden names another folder")
    if let_off > 0.02 * faces:
        print(f"FAILED: expected at most 2 % of the faces to be ambiguous, got {let_off} of {faces}")
        return 1
    return 1 if failed else 0
