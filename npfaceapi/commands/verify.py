"""`npfaceapi verify`: check an installed backend against the golden cases of face-api.js."""

from __future__ import annotations

import argparse

from npfaceapi.commands.cases import golden_cases, lacking_weights, no_case
from npfaceapi.commands.options import IN_USE, add_case_arguments, add_shared, add_verbose
from npfaceapi.commands.photos import with_progress
from npfaceapi.display.plain_table import format_table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, "--backend", IN_USE)
    add_case_arguments(parser)
    add_verbose(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.conformance.ports import BackendPort, patterns_match
    from npfaceapi.conformance.report import CaseResult
    from npfaceapi.conformance.runner import run_cases
    from npfaceapi.conformance.tolerance import STORED
    from npfaceapi.engines.dispatch import current_backend, use_backend

    golden = golden_cases(arguments)
    cases = {case.name: case for case in golden.cases if patterns_match(case.name, arguments.case)}
    if not cases:
        raise no_case(golden, arguments)
    with use_backend(arguments.backend or current_backend()):
        backend = current_backend()
        one_by_one = (cases[name] for name in with_progress(list(cases)))
        report = run_cases(BackendPort(golden, backend), golden, one_by_one, STORED, diagnose=False)
    groups: dict[str, list[CaseResult]] = {}
    for result in report.results:
        groups.setdefault(result.name if arguments.verbose else result.level, []).append(result)
    rows = []
    for name, group in groups.items():
        ratio, where = max(((r.worst.ratio, f"{r.name} {r.worst.name}") for r in group if r.worst), default=(0.0, "-"))
        failed = sum(r.status == "failed" for r in group)
        rows.append((name, len(group), failed, f"{ratio:.3f}", where if ratio else "-"))
    header = ("case" if arguments.verbose else "level", "cases", "failed", "largest error / bound", "in")
    print(format_table(header, rows, right=(1, 2, 3)))
    for result in report.results:
        if result.status == "failed":
            print(f"FAILED {result.name}: {result.problem}")
    print(f"{backend}: {report.counts['passed']} of {len(cases)} cases passed in {report.seconds:.1f} s", end="")
    print(f"; {report.ambiguous} of {report.faces} ambiguous faces excused" if report.faces else "")
    if golden.missing:
        print(f"{golden.missing} more cases are not in {golden.folder}; --golden names another folder")
    if lacking := lacking_weights(golden, arguments):
        print(lacking)
    if report.too_many_ambiguous:
        print(f"FAILED: expected at most 2 % of the faces to be ambiguous, got {report.ambiguous} of {report.faces}")
    return 0 if report.passed and not report.too_many_ambiguous else 1
