"""A port that is a program: questions go to its standard input as JSON lines, answers come back as JSON lines.

    → {"case": "raw/…", "level": "raw", "net": "…", "attributes": {…}, "inputs": {"batch": {"file": "/…", "dtype": "float32",
       "shape": [1, 112, 112, 3]}}, "answers": ["points"], "folder": "/…"}
    ← {"case": "raw/…", "answers": {"points": {"file": "points.bin", "dtype": "float32", "shape": [1, 136]}}}

Files are raw little-endian numbers or `.npy`; those of the answers lie in `folder`.  `{"case", "skip": "why"}` claims nothing,
`{"case", "error": "why"}` fails.  One question is open at a time.  A program that crashes, hangs or writes what is no answer
fails that case and is started anew for the next; after MAX_FAILURES such cases in a row, the rest fails unasked.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npfaceapi.conformance.ports import Answers, NotClaimed, PortFailed
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tensor_files import BadAnswer, read_answer, write_tensor
from npfaceapi.errors import InvalidArgument, one_line

__all__ = ["ProgramPort"]

MAX_FAILURES = 5
LONGEST_LINE = 64 * 2**20  # bytes; big tensors belong into files
_GRACE = 5.0  # seconds to end after its input has ended


class ProgramPort:
    """A program that answers questions.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    time_limit : float
        Seconds for one case; the start of the program counts to the first.
    form : {"raw", "npy"}
        How inputs are written.

    Raises
    ------
    InvalidArgument
        There is no such program.
    """

    def __init__(self, command: Sequence[str], time_limit: float = 60.0, form: str = "raw") -> None:
        if not command:
            raise InvalidArgument("expected a program after --, got none")
        if shutil.which(command[0]) is None:
            raise InvalidArgument(f"expected a program that can be run, got {command[0]!r}")
        self.title = " ".join(command)
        self._command, self._time_limit, self._form = list(command), time_limit, form
        self._process: _Process | None = None
        self._failures = 0
        self._folder = Path(tempfile.mkdtemp(prefix="npfaceapi-conform-"))

    def answer(self, question: Question) -> Answers:
        if self._failures >= MAX_FAILURES:
            raise PortFailed(f"not asked: the program failed {MAX_FAILURES} cases in a row")
        place = self._folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        out = place / "answers"
        out.mkdir(parents=True)
        inputs = {}
        for name, value in question.inputs.items():
            inputs[name] = write_tensor(place / "inputs", name, value, self._form)
            inputs[name]["file"] = str(place / "inputs" / inputs[name]["file"])
        line = {
            "case": question.name, "level": question.level, "net": question.net, "attributes": question.attributes,
            "inputs": inputs, "answers": question.answers, "folder": str(out),
        }  # fmt: skip
        try:
            text = self._ask(json.dumps(line))
            reply = self._parse(text, question.name)
        except PortFailed:
            self._failures += 1
            self._stop()
            raise
        self._failures = 0
        if "skip" in reply:
            raise NotClaimed(one_line(str(reply["skip"])))
        if "error" in reply:
            raise PortFailed(f"the program says: {one_line(str(reply['error']))}")
        try:
            return {name: read_answer(out, stated) for name, stated in reply["answers"].items()}
        except BadAnswer as error:
            raise PortFailed(str(error)) from None

    def _ask(self, line: str) -> str:
        if self._process is None:
            self._process = _Process(self._command)
        return self._process.ask(line, self._time_limit)

    def _parse(self, text: str, case: str) -> dict[str, Any]:
        try:
            reply = json.loads(text)
        except (ValueError, RecursionError):
            raise PortFailed(f"expected a JSON line, got {one_line(text)[:80]!r}") from None
        if not isinstance(reply, dict) or reply.get("case") != case:
            raise PortFailed(f'expected an answer to "{case}", got {one_line(text)[:80]!r}')
        if not ("skip" in reply or "error" in reply or isinstance(reply.get("answers"), dict)):
            raise PortFailed(f'expected "answers", "skip" or "error", got {one_line(text)[:80]!r}')
        return reply

    def _stop(self) -> None:
        if self._process is not None:
            self._process.end(0)
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.end(_GRACE)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)


class _Process:
    """The running program, with a thread each that reads its output and its errors, so that nothing can block."""

    def __init__(self, command: list[str]) -> None:
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise PortFailed(f"expected a program that can be run, got: {error.strerror or error}") from None
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._errors = b""
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read_lines, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read_lines(self) -> None:
        assert self._child.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := self._child.stdout.readline(LONGEST_LINE):
                self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while part := os.read(self._child.stderr.fileno(), 4096):
                self._errors = (self._errors + part)[-4096:]

    def ask(self, line: str, time_limit: float) -> str:
        writer = threading.Thread(target=self._write, args=(line.encode() + b"\n",), daemon=True)
        writer.start()  # a program that does not read would block a long line for ever
        try:
            answer = self._lines.get(timeout=time_limit)
        except queue.Empty:
            raise PortFailed(f"no answer within {time_limit:g} s{self._last_words()}") from None
        if answer is None:
            self.end(1.0)
            raise PortFailed(f"the program ended ({self._status()}) without an answer{self._last_words()}")
        return answer.decode("utf-8", "replace")

    def _write(self, data: bytes) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._child.stdin.write(data)
            self._child.stdin.flush()

    def _status(self) -> str:
        code = self._child.poll()
        if code is None:
            return "its output closed"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _last_words(self) -> str:
        lines = [line for line in self._errors.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"; its last words: {one_line(lines[-1])[:200]}" if lines else ""

    def end(self, grace: float) -> None:
        """Close its input, wait a little, then end it and all that it started."""
        assert self._child.stdin is not None
        if grace:
            with contextlib.suppress(OSError, ValueError):
                self._child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace or 0.01)
        self._kill()
        self._child.wait()
        for thread in self._threads:
            thread.join(1.0)
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()

    def _kill(self) -> None:
        with contextlib.suppress(OSError, ProcessLookupError):
            if os.name == "posix":
                os.killpg(self._child.pid, signal.SIGKILL)
            else:
                self._child.kill()
