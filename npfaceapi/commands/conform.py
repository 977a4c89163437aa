"""`npfaceapi conform`: test a port of the networks, in any language, against face-api.js (docs/conformance.md)."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from npfaceapi.commands import conform_compare
from npfaceapi.commands.cases import golden_cases, lacking_weights, no_case
from npfaceapi.commands.options import add_case_arguments, add_overwrite, add_shared, add_verbose, weights_read
from npfaceapi.commands.photos import with_progress
from npfaceapi.display.plain_table import format_table
from npfaceapi.display.standard_error import say
from npfaceapi.errors import InvalidArgument
from npfaceapi.output_files import Output, check_outputs, generator, is_json, is_text_with, write_whole

__all__ = ["add_arguments", "run"]


RAW_OR_NPY = "raw: little-endian numbers, the default; or npy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="conform_command", metavar="inputs|check|run|fuzz|compare", required=True)
    inputs = commands.add_parser("inputs", help="write the inputs of the cases into a folder for a port to read")
    inputs.add_argument("folder", metavar="DIR")
    add_shared(inputs, "--format", RAW_OR_NPY, choices=("raw", "npy"), default="raw")
    check = commands.add_parser("check", help="judge the outputs that a port wrote into the folder of inputs")
    check.add_argument("folder", metavar="DIR")
    ask = commands.add_parser("run", help="ask a program, a Python class or a backend of npfaceapi, and judge its answers")
    fuzz = commands.add_parser("fuzz", help="test a port on random new inputs, and shrink what fails")
    _add_fuzz_arguments(fuzz)
    conform_compare.add_arguments(
        commands.add_parser("compare", help="compare two reports: what got worse, what got better, what is new and what is gone")
    )
    for command in (ask, fuzz):
        command.add_argument(
            "--python", metavar="MODULE:CLASS", help="a class with a method run(network, batch); or FILE.py:CLASS"
        )
        add_shared(command, "--backend", "as the port to judge; npfaceapi backends lists them")
        command.add_argument(
            "--time-limit", metavar="S", type=float, default=60.0, help="seconds per case, for a program or a class (default: 60)"
        )
        add_shared(command, "--format", f"of a program's inputs; {RAW_OR_NPY}", choices=("raw", "npy"), default="raw")
        command.add_argument("program", metavar="-- PROGRAM ARGS…", nargs=argparse.REMAINDER, help="reads and writes JSON lines")
    for command in (inputs, check, ask):
        add_case_arguments(command)
        command.add_argument(
            "--level",
            metavar="LEVEL",
            action="append",
            default=[],
            help="only golden cases of this level (weights, operations, taps, raw, …; may be repeated; default: all)",
        )
    for command in (inputs, check, ask, fuzz):
        add_overwrite(command)
    for command in (check, ask):
        command.add_argument("--xfail", metavar="FILE", help="expected failures: one pattern and reason per line")
        command.add_argument("--no-diagnosis", action="store_true", help="do not diagnose failures")
        command.add_argument(
            "--layers", action="store_true", help="for taps, report the error that each layer adds (for failing cases always)"
        )
    for command in (check, ask, fuzz):
        command.add_argument(
            "--grade",
            metavar="GRADE",
            default="float32",
            help="required accuracy (exact, float32 or mixed[:float16|…]; default: float32)",
        )
        add_verbose(command)
        add_shared(command, "--json", "a report")
        command.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML")
        command.add_argument("--html", metavar="FILE", help="write the report as one HTML page")


def _add_fuzz_arguments(fuzz: argparse.ArgumentParser) -> None:
    fuzz.add_argument("--seed", metavar="N", type=int, help="seed of the random inputs (default: a new one, which is printed)")
    fuzz.add_argument("--examples", metavar="M", type=int, default=200, help="number of inputs (default: 200)")
    add_shared(fuzz, "--case", "examples: operations/*, or one by its name, operations/relu6/17", action="append", default=[])
    fuzz.add_argument(
        "--level",
        metavar="LEVEL",
        action="append",
        default=[],
        help="only golden cases of this level (operations, raw, decode, prepare, json; may be repeated; default: all)",
    )
    add_shared(fuzz, "--golden", "default: those of the checkout or the package")
    fuzz.add_argument("--write", metavar="DIR", help="only write the questions into a folder for a port to read")
    fuzz.add_argument("--answers", metavar="DIR", help="judge the answers in a folder that --write made")
    fuzz.set_defaults(weights=None, xfail=None, no_diagnosis=True)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.conformance.golden import folder_near
    from npfaceapi.conformance.questions import ORDER
    from npfaceapi.conformance.runner import chosen_cases, told_of_cases

    if arguments.conform_command == "compare":
        return conform_compare.run(arguments)
    if arguments.conform_command == "fuzz":
        return _fuzz(arguments)

    for level in arguments.level:
        if level not in ORDER:
            raise InvalidArgument(f"--level: expected one of {', '.join(ORDER)}, got {level!r}")
    found = None if arguments.golden is not None else folder_near(Path.cwd())
    if found is not None:
        arguments.golden = str(found)
    golden = golden_cases(arguments)
    told = told_of_cases(golden, found is not None)  # printed once the arguments are known to be valid
    cases = chosen_cases(golden, arguments.case, arguments.level)
    if not cases:
        raise no_case(golden, arguments)
    if arguments.conform_command == "inputs":
        return _write_inputs(arguments, golden, cases, told)
    return _judge(arguments, golden, cases, told)


def _write_inputs(arguments: argparse.Namespace, golden: Any, cases: list[Any], told: str) -> int:
    from npfaceapi.conformance.folder import write_questions
    from npfaceapi.conformance.questions import question_of

    folder = Path(arguments.folder)
    _check_folder(folder, golden.folder, arguments.overwrite)
    if told:
        say(told)
    count = write_questions(folder, (question_of(golden, case) for case in _one_by_one(cases)), arguments.format)
    print(f"{folder}: questions.json and the inputs of {count} cases")
    print(f"write the answers to {folder / 'outputs'}/CASE/ANSWER.npy, then: npfaceapi conform check {folder}")
    return 0


def _check_folder(folder: Path, golden: Any, overwrite: bool) -> None:
    """Refuse a folder that has files from elsewhere."""
    if folder.exists() and folder.samefile(golden):
        raise InvalidArgument(f"{folder}: expected another folder than that of the golden cases: no input is ever overwritten")
    if overwrite or not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / "questions.json").is_file():
        raise InvalidArgument(
            f"{folder}: expected a new or an empty folder, or one of npfaceapi conform inputs, got one with other files: "
            "--overwrite writes into it"
        )


def _judge(arguments: argparse.Namespace, golden: Any, cases: list[Any], told: str) -> int:
    from npfaceapi.conformance.folder import FolderPort, asked_cases
    from npfaceapi.conformance.report import CaseResult
    from npfaceapi.conformance.runner import not_at_hand, run_cases
    from npfaceapi.conformance.tolerance import grade_of
    from npfaceapi.conformance.xfail import read_xfail
    from npfaceapi.engines.dispatch import use_backend

    _check_outputs(arguments, golden)
    grade = grade_of(arguments.grade)
    xfail = read_xfail(arguments.xfail, [case.name for case in golden.all_cases]) if arguments.xfail else []
    port: Any
    if arguments.conform_command == "check":
        asked = set(asked_cases(Path(arguments.folder)))
        unknown = asked - {case.name for case in golden.all_cases}
        if (Path(arguments.folder) / "fuzz.json").is_file():
            raise InvalidArgument(f"{arguments.folder}: npfaceapi conform fuzz --answers {arguments.folder} judges this folder")
        if unknown:
            raise InvalidArgument(f"{arguments.folder}/questions.json: expected names of golden cases, got {min(unknown)!r}")
        cases = [case for case in cases if case.name in asked]
        if not cases:
            raise InvalidArgument(f"{arguments.folder}: expected --case and --level to match one of its {len(asked)} cases")
        port = FolderPort(Path(arguments.folder))
    else:
        port = _port(arguments, golden)
    if told:
        say(told)
    backend = getattr(arguments, "backend", None)
    with use_backend(backend) if backend else nullcontext():
        report = run_cases(port, golden, _one_by_one(cases), grade, xfail, not arguments.no_diagnosis, arguments.layers)
    report.missing = not_at_hand(golden)
    if isinstance(port, FolderPort) and not arguments.case and not arguments.level:
        report.results += [
            CaseResult(name, "unexpected files", "", "failed", "expected only answers to questions.json, got this as well")
            for name in port.unexpected_files()
        ]
    if arguments.json != "-":
        print_report(report, arguments.verbose)
        if lacking := lacking_weights(golden, arguments):
            print(lacking)
    if arguments.json:
        from npfaceapi.conformance.report import to_dict

        _write(arguments.json, json.dumps(to_dict(report), indent=1) + "\n")
    _write_pages(arguments, report)
    return 0 if report.passed else 1


def _write_pages(arguments: argparse.Namespace, report: Any) -> None:
    from npfaceapi.conformance.html import to_html
    from npfaceapi.conformance.report import to_junit

    if arguments.junit:
        _write(arguments.junit, to_junit(report))
    if arguments.html:
        _write(arguments.html, to_html(report))


def _fuzz(arguments: argparse.Namespace) -> int:
    from npfaceapi.conformance.drawing import KINDS
    from npfaceapi.conformance.fuzz import examples_of, read_drawn, write_drawn
    from npfaceapi.conformance.golden import GoldenCases
    from npfaceapi.conformance.tolerance import grade_of

    grade = grade_of(arguments.grade)
    if grade.exact:
        raise InvalidArgument(
            "fuzz --grade: expected float32 or mixed, got exact: there are no results of face-api.js for random inputs"
        )
    levels = list(dict.fromkeys(kind.partition("/")[0] for kind in KINDS))
    for level in arguments.level:
        if level not in levels:
            raise InvalidArgument(f"--level: expected one of {', '.join(levels)}, got {level!r}")
    if arguments.examples < 1 or (arguments.seed is not None and not 0 <= arguments.seed < 2**32):
        raise InvalidArgument(
            f"expected --examples above 0 and --seed in 0..{2**32 - 1}, got {arguments.examples} and {arguments.seed}"
        )
    golden = GoldenCases(arguments.golden)
    seed = int.from_bytes(os.urandom(4), "little") if arguments.seed is None else arguments.seed
    names = examples_of(arguments.examples, arguments.case, arguments.level)
    if not names:
        chosen = " ".join([*arguments.case, *arguments.level])
        raise InvalidArgument(f"expected --case and --level to match examples such as {next(iter(KINDS))}/0, got {chosen!r}")
    if arguments.write:
        folder = Path(arguments.write)
        _check_folder(folder, golden.folder, arguments.overwrite)
        count = write_drawn(folder, golden, seed, names, grade, arguments.format)
        print(f"{folder}: questions.json and the inputs of {count} examples, seed {seed}")
        print(f"write the answers to {folder / 'outputs'}/CASE/ANSWER.npy, then: npfaceapi conform fuzz --answers {folder}")
        return 0
    if arguments.answers:
        seed, asked = read_drawn(Path(arguments.answers), grade)
        names = [name for name in asked if name in names] if arguments.case or arguments.level else asked
    return _judge_drawn(arguments, golden, seed, names, grade)


def _judge_drawn(arguments: argparse.Namespace, golden: Any, seed: int, names: list[str], grade: Any) -> int:
    from npfaceapi.conformance.folder import FolderPort
    from npfaceapi.conformance.fuzz import fuzz
    from npfaceapi.conformance.ports import BackendPort
    from npfaceapi.conformance.report import to_dict
    from npfaceapi.engines.dispatch import use_backend

    _check_outputs(arguments, golden)
    port = FolderPort(Path(arguments.answers)) if arguments.answers else _port(arguments, golden)
    backend = arguments.backend
    with use_backend(backend) if backend else nullcontext():
        fuzzed = fuzz(
            (lambda drawn: BackendPort(drawn, backend)) if backend else lambda _: port,
            golden, seed, with_progress(names), grade, again=not arguments.answers,
        )  # fmt: skip
    port.close()
    report = fuzzed.report
    report.port = port.title
    again = f"npfaceapi conform fuzz --seed {seed}" + (f" --grade {grade.name}" if grade.name != "float32" else "")
    port_option = f"--python {arguments.python}" if arguments.python else f"--backend {backend}" if backend else "…"
    if arguments.program:
        port_option = f"-- {shlex.join(arguments.program[arguments.program[0] == '--' :])}"
    if arguments.json != "-":
        print_report(report, arguments.verbose)
        for failure in fuzzed.failures:
            print(f"smallest failing example of {failure.example.kind}, from {failure.name} ({failure.asked} tried):")
            print("".join(f"  {line}\n" for line in (*failure.lines, failure.result.problem)), end="")
            print(f"  again: {again} --case {failure.name} {port_option}")
        print(f"seed {seed}")
    if arguments.json:
        found = {**to_dict(report), "seed": seed, "smallest": [failure.to_dict() for failure in fuzzed.failures]}
        _write(arguments.json, json.dumps(found, indent=1) + "\n")
    _write_pages(arguments, report)
    return 0 if report.passed else 1


def _check_outputs(arguments: argparse.Namespace, golden: Any) -> None:
    outputs = [
        ("--json", arguments.json, is_json("grade", "cases")),
        ("--junit", arguments.junit, is_text_with('<testsuites name="npfaceapi conform')),
        ("--html", arguments.html, is_text_with(generator("conform"))),
    ]
    inputs = [
        golden.folder,
        *weights_read(arguments),
        arguments.xfail,
        getattr(arguments, "folder", None),
        getattr(arguments, "answers", None),
        *getattr(arguments, "program", []),
    ]
    if getattr(arguments, "python", None):
        inputs.append(arguments.python.rpartition(":")[0])
    check_outputs(
        [Output(*output) for output in outputs if output[1] is not None],
        [path for path in inputs if path],
        overwrite=arguments.overwrite,
    )


def _one_by_one(cases: list[Any]) -> Iterator[Any]:
    """The cases, with progress shown on a terminal."""
    by_name = {case.name: case for case in cases}
    return (by_name[name] for name in with_progress(list(by_name)))


def _port(arguments: argparse.Namespace, golden: Any) -> Any:
    from npfaceapi.conformance.ports import BackendPort
    from npfaceapi.conformance.program import ClassPort, ProgramPort
    from npfaceapi.engines.dispatch import use_backend

    program = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    given = [bool(arguments.python), bool(arguments.backend), bool(program)]
    if sum(given) != 1:
        raise InvalidArgument(
            "expected one of --python MODULE:CLASS, --backend NAME and -- PROGRAM ARGS…, got " + str(sum(given))
        )
    if arguments.backend:
        with use_backend(arguments.backend):  # raises at once if something is missing
            return BackendPort(golden, arguments.backend)
    if not arguments.time_limit > 0:
        raise InvalidArgument(f"--time-limit: expected seconds above 0, got {arguments.time_limit}")
    if arguments.python:
        return ClassPort(arguments.python, arguments.time_limit)
    return ProgramPort(program, arguments.time_limit, arguments.format)


def print_report(report: Any, each: bool = False) -> None:
    """The report as a table."""
    from npfaceapi.conformance.report import case_lines, look_at_first, summary_rows

    header = ("level", "cases", "passed", "failed", "expected to", "not claimed", "ambiguous", "error / bound", "in")
    print(format_table(header, summary_rows(report), right=tuple(range(1, 8))))
    for result in report.results:
        shown = {"failed": "FAILED", "xpassed": "PASSED UNEXPECTEDLY", "xfailed": "failed as expected"}.get(result.status)
        if shown is None and (each or result.largest_own is not None):
            shown = result.status
        if shown is None:
            continue
        print(f"{shown} {result.name}{': ' if result.problem else ''}{result.problem}")
        for line in case_lines(result):
            print(f"  {line}")
    if faults := look_at_first(report):
        print(f"what to look at first: {'; '.join(faults)}")
    if report.grade_hint:
        print(report.grade_hint)
    counts = report.counts
    told = ", ".join(f"{counts[status]} {status}" for status in counts)
    print(f"{report.port}, grade {report.grade}: {told or 'no case'} in {report.time}; levels: {', '.join(report.levels)}")
    if report.reason and not counts["failed"]:
        print(f"exit status 1: {report.reason}")
    if report.missing:
        print(f"{report.missing} more golden cases are not present; --golden names another folder")


def _write(file: str, text: str) -> None:
    if file == "-":
        sys.stdout.write(text)
    else:
        write_whole(file, text)
