"""`npfaceapi evaluate`: accuracy on public data sets and on the user's own folders of photos."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npfaceapi.commands.options import add_overwrite, add_shared, weights_read
from npfaceapi.commands.photos import (
    DEFAULT_DETECTOR,
    add_detector_choice,
    chosen_backend,
    complain,
    detector_options,
    load_detector,
    photo_limit,
)
from npfaceapi.display.plain_table import format_table
from npfaceapi.display.standard_error import is_terminal, say
from npfaceapi.errors import InvalidArgument
from npfaceapi.output_files import Output, check_folder, check_outputs, is_drawing, is_json, is_text_with, write_whole

__all__ = ["add_arguments", "add_descriptor_arguments", "progress_line", "run"]

#: A copy of that in `faces/alignment.py`, which imports NumPy: `--help` needs none.
ALIGNMENTS = ("face-api", "dlib")
#: What each evaluation measures; see `evaluation/evaluating.py`.
PROTOCOLS = {
    "lfw": "verification on the pairs of Labeled Faces in the Wild",
    "folders": "verification and identification, with a subfolder of photos for each person",
    "wider": "average precision on the validation set of WIDER FACE, with boxes scored 0.02 or more",
    "utkface": "errors of age and gender, on photos named AGE_GENDER_RACE_TIME.jpg",
    "expressions": "accuracy of expressions, with a subfolder of photos for each expression",
}
Progress = Callable[[int, int], None]


def add_descriptor_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for how descriptors are made."""
    parser.add_argument(
        "--alignment",
        choices=ALIGNMENTS,
        default="dlib",
        help="cut out faces as the network was trained (turned and scaled), or as face-api.js does (default: %(default)s)",
    )
    parser.add_argument("--average-mirror", action="store_true", help="average each descriptor with that of the mirror image")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocol", choices=PROTOCOLS, help="; ".join(f"{name}: {what}" for name, what in PROTOCOLS.items()))
    parser.add_argument("folder", type=Path, metavar="DATA_DIR", help="the data set; docs/accuracy.md says where to get each one")
    add_detector_choice(parser, DEFAULT_DETECTOR)
    add_descriptor_arguments(parser)
    parser.add_argument(
        "--view", type=int, choices=(1, 2), default=2, help="lfw only: 1 for development, 2 for reporting (default: 2)"
    )
    parser.add_argument(
        "--detect",
        action="store_true",
        help="utkface and expressions only: find the face first; else the whole picture is taken as the face",
    )
    add_shared(parser, "--json", "the figures")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write plots into a folder, as SVG; needs npfaceapi[evaluate]")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep computed results there, and reuse them")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.evaluation.evaluating import evaluate

    _check_outputs(arguments)
    load_detector(arguments)
    started = time.perf_counter()
    with photo_limit(arguments.max_megapixels), chosen_backend(arguments.backend):
        figures = evaluate(
            arguments.protocol, arguments.folder, _options(arguments), alignment=arguments.alignment,
            average_mirror=arguments.average_mirror, view=arguments.view, detect=arguments.detect, plots=arguments.plots,
            cache=arguments.cache, progress=progress_line(),
        )  # fmt: skip
    figures["seconds"] = round(time.perf_counter() - started, 1)
    for reason in figures["unreadable"]:
        complain(reason)
    text = json.dumps(figures, indent=1, allow_nan=False)
    if arguments.json == "-":
        print(text)
    else:
        print(_as_text({name: value for name, value in figures.items() if name != "unreadable"}))
        if arguments.json is not None:
            write_whole(arguments.json, f"{text}\n")
    return 1 if figures["unreadable"] else 0


def _check_outputs(arguments: argparse.Namespace) -> None:
    from npfaceapi.evaluation.evaluating import PROTOCOLS
    from npfaceapi.evaluation.plots import CREATOR

    outputs = []
    if arguments.plots is not None:
        check_folder("--plots", arguments.plots, (".svg", ".png"))
        try:
            arguments.plots.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(
                f"--plots {arguments.plots}: expected a folder to write to, got: {error.strerror or error}"
            ) from None
        names = PROTOCOLS[arguments.protocol].plots
        is_ours = {".svg": is_text_with(CREATOR), ".png": is_drawing}
        outputs = [Output("--plots", arguments.plots / name, is_ours[Path(name).suffix]) for name in names]
    if arguments.json is not None:
        outputs.append(Output("--json", arguments.json, is_json("protocol")))
    check_outputs(outputs, [arguments.folder, *weights_read(arguments)], overwrite=arguments.overwrite)


def progress_line() -> Progress:
    """Show on a terminal how many photos are done and how long the rest will take, in a line that is overwritten."""
    started: list[tuple[float, int]] = []

    def tell(done: int, of: int) -> None:
        if not started:
            started.append((time.perf_counter(), done))
        if not is_terminal():
            return
        (since, first), now = started[0], time.perf_counter()
        rate = (done - first) / (now - since) if done > first else 0.0
        left = f", {rate:.1f} a second, {(of - done) / rate:.0f} s left" if rate else ""
        say("\r\x1b[K" + (f"{done} of {of} photos{left}" if done < of else ""), end="")

    return tell


def _options(arguments: argparse.Namespace) -> Any:
    options = detector_options(arguments)
    if arguments.protocol == "wider" and arguments.min_confidence is None:
        from npfaceapi.evaluation.wider import all_boxes

        options = all_boxes(options)
    return options


def _as_text(figures: dict[str, Any]) -> str:
    """Single figures in one table; each list or group of figures in a table of its own."""
    blocks, rows = [], []
    for name, value in figures.items():
        if name == "confusion":
            table = format_table(("true, predicted", *figures["labels"]), _confusion(figures), right=range(1, len(value) + 1))
            blocks.append(f"{name}\n{table}")
        elif isinstance(value, dict) and all(isinstance(part, dict) for part in value.values()):
            blocks.append(f"{name}\n{_table([{name: key, **part} for key, part in value.items()])}")
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            blocks.append(f"{name}\n{_table(value)}")
        elif isinstance(value, dict):
            rows += [(f"{name}: {key}", _cell(part)) for key, part in value.items()]
        else:
            rows.append((name, _cell(value)))
    return "\n\n".join([format_table(("figure", "value"), rows), *blocks])


def _table(rows: list[dict[str, Any]]) -> str:
    header = list(dict.fromkeys(key for row in rows for key in row))
    return format_table(header, [tuple(_cell(row.get(key, "-")) for key in header) for row in rows], right=range(len(header)))


def _confusion(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(label, *map(str, row)) for label, row in zip(figures["labels"], figures["confusion"], strict=True)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_cell, value))
    return str(value)
