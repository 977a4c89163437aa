"""Runs a Python class as a program that answers questions: `npfaceapi conform run --python` starts it, see `ClassPort`.

The class may print, read, exit and crash: only this module uses the pipes of questions and answers.  Standard output goes to
standard error, and so does the interpreter's report of a crash.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from npfaceapi.conformance.ports import Answers, NotClaimed, PortFailed, PythonPort, failure_of, load_python_port
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tensor_files import DTYPES, write_tensor
from npfaceapi.errors import InvalidArgument, one_line

__all__ = ["main"]


def main(where: str) -> None:
    """Create the port, write its error (or null) as a JSON line, then answer questions until the input ends."""
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(2, all_threads=False)
    wrong, port = None, None
    if not where.rpartition(":")[0].endswith(".py"):
        sys.path.insert(0, os.getcwd())  # as `python -m MODULE` does
    try:
        port = load_python_port(where)
    except InvalidArgument as error:
        wrong = str(error)
    print(json.dumps(wrong), file=replies, flush=True)
    for line in questions:
        if port is not None and line.strip():
            question = json.loads(line)
            print(json.dumps({"case": question["case"], **_reply(port, question)}), file=replies, flush=True)


def _reply(port: PythonPort, stated: dict[str, Any]) -> dict[str, Any]:
    inputs = {
        name: np.fromfile(one["file"], DTYPES[one["dtype"]]).reshape(one["shape"]) for name, one in stated["inputs"].items()
    }
    question = Question(stated["case"], stated["level"], stated["net"], stated["attributes"], inputs, stated["answers"])
    try:
        answers = port.answer(question)
        return {"answers": _written(answers, Path(stated["folder"]))}
    except NotClaimed as skipped:
        return {"skip": str(skipped)}
    except (Exception, SystemExit) as error:  # the user's class may raise anything
        failure = error if isinstance(error, PortFailed) else failure_of(error)
        return {"error": str(failure), "details": failure.details}


def _written(answers: Answers, folder: Path) -> dict[str, Any]:
    """The description of each answer: an array is written to a file, anything else is given as JSON."""
    written = {}
    for i, (name, value) in enumerate(answers.items()):
        if isinstance(value, np.ndarray):
            if value.dtype.name not in DTYPES:
                raise PortFailed(f"{one_line(str(name))}: expected a dtype out of {', '.join(DTYPES)}, got {value.dtype}")
            written[str(name)] = write_tensor(folder, str(i), value)
            continue
        try:
            plain = json.loads(json.dumps(value, allow_nan=False, default=_number))
        except (RecursionError, TypeError, ValueError) as error:
            reason = one_line(str(error))
            raise PortFailed(
                f"{one_line(str(name))}: expected an array or JSON values, got {type(value).__name__}: {reason}"
            ) from None
        written[str(name)] = {"value": plain}
    return written


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an object of {type(value).__name__}")
