"""A port that is a program: questions go to its standard input as JSON lines, answers come back as JSON lines.

    → {"case": "raw/…", "level": "raw", "net": "…", "attributes": {…}, "inputs": {"batch": {"file": "/…", "dtype": "float32",
       "shape": [1, 112, 112, 3]}}, "answers": ["points"], "folder": "/…"}
    ← {"case": "raw/…", "answers": {"points": {"file": "points.bin", "dtype": "float32", "shape": [1, 136]}}}

Files are raw little-endian numbers or `.npy`; those of the answers lie in `folder`.  With `{"case", "skip": "why"}` the program
does not claim the case; with `{"case", "error": "why", "details": "…"}` it fails the case.  One question is open at a time.

A program that crashes, hangs or writes an invalid answer fails that case and is restarted for the next.  After MAX_FAILURES such
cases in a row of one level and network, the remaining cases of that level and network fail without being asked.  All remaining
cases do if the program has never answered, or has hung MAX_HANGS times.

`class_port.py` runs a Python class as such a program.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from npfaceapi.conformance.ports import Answers, NotClaimed, PortFailed
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tensor_files import BadAnswer, read_answer, write_tensor
from npfaceapi.errors import InvalidArgument, one_line
from npfaceapi.reading.json_text import read_json

__all__ = ["ClassPort", "ProgramPort"]

MAX_FAILURES = 5
MAX_HANGS = 10
LONGEST_LINE = 16 * 2**20  # bytes; big tensors belong in files
_GRACE = 5.0  # seconds for the program to exit after its input is closed
_PIECE = 2**16  # bytes of its output


class Hung(PortFailed):
    """The program did not answer in time."""


class ProgramPort:
    """A program that answers questions.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    time_limit : float
        Seconds for one case; the first includes the start of the program.
    form : {"raw", "npy"}
        How inputs are written.

    Raises
    ------
    InvalidArgument
        There is no such program.
    """

    _says = "the program says: "

    def __init__(self, command: Sequence[str], time_limit: float = 60.0, form: str = "raw") -> None:
        if not command:
            raise InvalidArgument("expected a program after --, got none")
        if shutil.which(command[0]) is None:
            raise InvalidArgument(f"expected a program that can be run, got {command[0]!r}")
        self.title = one_line(" ".join(command))
        self._command, self._time_limit, self._form = list(command), time_limit, form
        self._process: _Process | None = None
        self._failures: Counter[tuple[str, str]] = Counter()  # in a row, by level and network
        self._hangs, self._has_answered = 0, False
        self._folder = Path(tempfile.mkdtemp(prefix="npfaceapi-conform-"))

    def answer(self, question: Question) -> Answers:
        if self._hangs >= MAX_HANGS:
            raise PortFailed(f"not asked: the program hung {MAX_HANGS} times")
        if not self._has_answered and self._failures.total() >= MAX_FAILURES:
            raise PortFailed(f"not asked: the program failed {MAX_FAILURES} cases in a row")
        if self._failures[question.level, question.net] >= MAX_FAILURES:
            raise PortFailed(f"not asked: the program failed {MAX_FAILURES} cases of this level and network in a row")
        place = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            return self._answer(question, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _answer(self, question: Question, place: Path) -> Answers:
        out = place / "answers"
        out.mkdir()
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
        except PortFailed as failure:
            self._failures[question.level, question.net] += 1
            self._hangs += isinstance(failure, Hung)
            self._stop()
            raise
        self._failures[question.level, question.net], self._has_answered = 0, True
        if "skip" in reply:
            raise NotClaimed(one_line(str(reply["skip"])))
        if "error" in reply:
            details = reply.get("details", "")
            raise PortFailed(self._says + one_line(str(reply["error"])), details if isinstance(details, str) else "")
        try:
            return {name: read_answer(out, stated) for name, stated in reply["answers"].items()}
        except BadAnswer as error:
            raise PortFailed(str(error)) from None

    def _ask(self, line: str) -> str:
        if self._process is None:
            self._start()
        assert self._process is not None
        return self._process.ask(line, self._time_limit)

    def _start(self) -> None:
        self._process = _Process(self._command)

    def _parse(self, text: str, case: str) -> dict[str, Any]:
        try:
            reply = read_json(text)
        except ValueError:
            raise PortFailed(f"expected a JSON line, got {one_line(text[:200])[:80]!r}") from None
        if not isinstance(reply, dict) or reply.get("case") != case:
            raise PortFailed(f'expected an answer to "{case}", got {one_line(text[:200])[:80]!r}')
        if not ("skip" in reply or "error" in reply or isinstance(reply.get("answers"), dict)):
            raise PortFailed(f'expected "answers", "skip" or "error", got {one_line(text[:200])[:80]!r}')
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


_RUN_CLASS = "import sys; sys.path[:] = sys.argv[2:]; from npfaceapi.conformance import class_port; class_port.main(sys.argv[1])"


class ClassPort(ProgramPort):
    """A Python class, `MODULE:CLASS` or `FILE.py:CLASS`, in a separate process with the same `sys.path`.

    Raises
    ------
    InvalidArgument
        The class cannot be created.
    """

    _says = ""

    def __init__(self, where: str, time_limit: float = 60.0) -> None:
        super().__init__([sys.executable, "-c", _RUN_CLASS, where, *sys.path], time_limit)
        self.title = one_line(where)
        try:
            self._start()
        except PortFailed as error:
            self._stop()
            self.close()
            wrong = str(error) if str(error).startswith("--python") else f"--python {self.title}: {error}"
            raise InvalidArgument(wrong) from None

    def _start(self) -> None:
        """Start the process and read the line in which it reports whether the class could be created."""
        super()._start()
        assert self._process is not None
        reply = json.loads(self._process.ask("", self._time_limit))
        if reply is not None:
            raise PortFailed(reply)


def _waiting(deadline: float) -> float:
    """Seconds to wait, at most as many as a thread can."""
    return min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX)


class _Process:
    """The running program.

    One thread each reads its output and its errors, and a third writes its input, so that nothing can block.  A child of the
    program can outlive it and hold the pipes open: then a thread keeps waiting on its pipe.
    """

    def __init__(self, command: list[str]) -> None:
        try:
            self._child = subprocess.Popen(
                command,
                bufsize=0,  # a waiting thread would hold the lock of a buffer
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise PortFailed(f"expected a program that can be run, got: {error.strerror or error}") from None
        self._over = threading.Event()
        self._questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._output: queue.Queue[bytes] = queue.Queue(16)  # pieces; the last one is empty
        self._rest, self._is_closed = b"", False  # bytes after the last complete line, and whether the output has ended
        self._errors = b""
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _write(self) -> None:
        pipe = cast("io.FileIO", self._child.stdin)
        with contextlib.suppress(OSError), pipe:
            while data := self._questions.get():
                rest = memoryview(data)
                while rest:
                    rest = rest[pipe.write(rest) :]

    def _read(self) -> None:
        pipe = cast("io.FileIO", self._child.stdout)
        with contextlib.suppress(OSError), pipe:
            piece = b"first"
            while piece:
                piece = pipe.read(_PIECE)
                while not self._over.is_set():
                    with contextlib.suppress(queue.Full):
                        self._output.put(piece, timeout=0.1)
                        break
                else:
                    return

    def _read_errors(self) -> None:
        pipe = cast("io.FileIO", self._child.stderr)
        with contextlib.suppress(OSError), pipe:
            while not self._over.is_set() and (piece := pipe.read(_PIECE)):
                self._errors = (self._errors + piece)[-4096:]

    def ask(self, line: str, time_limit: float) -> str:
        deadline = time.monotonic() + time_limit
        self._questions.put(line.encode() + b"\n")
        answer = bytearray(self._rest)
        while b"\n" not in answer[-_PIECE:]:
            try:
                piece = b"" if self._is_closed else self._output.get(timeout=_waiting(deadline))
            except queue.Empty:
                raise Hung(f"no answer within {time_limit:g} s{self._last_error()}", self._tail()) from None
            if not piece:
                self._is_closed = True
                if answer:
                    break  # the last line needs no newline
                self.end(1.0)
                raise PortFailed(f"the program ended ({self._status()}) without an answer{self._last_error()}", self._tail())
            answer += piece
            if len(answer) > LONGEST_LINE:
                raise PortFailed(f"expected a line of at most {LONGEST_LINE} bytes, got a longer one")
        first, _, self._rest = bytes(answer).partition(b"\n")
        return first.decode("utf-8", "replace")

    def _status(self) -> str:
        code = self._child.poll()
        if code is None:
            return "its output closed"
        if code >= 0:
            return f"exit status {code}"
        names = [one.name for one in signal.Signals if one == -code]
        return f"signal {names[0] if names else -code}"

    def _tail(self) -> str:
        return self._errors.decode("utf-8", "replace")

    def _last_error(self) -> str:
        lines = [line.strip() for line in self._tail().splitlines() if line.strip()]
        last = -1
        for i, line in enumerate(lines[:-1]):  # Python reports a crash from the innermost frame outwards
            last = i + 1 if line.endswith("(most recent call first):") else last
        return f"; on standard error: {one_line(lines[last])[:200]}" if lines else ""

    def end(self, grace: float) -> None:
        """Close its input, wait up to `grace` seconds, then kill it and its session."""
        self._questions.put(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace or 0.01)
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_GRACE)
        self._threads[-1].join(1.0)  # for the rest of its errors
        self._over.set()
        for thread in self._threads:
            thread.join(0.2)

    def _kill(self) -> None:
        with contextlib.suppress(OSError, ProcessLookupError):
            if os.name == "posix":
                os.killpg(self._child.pid, signal.SIGKILL)
            else:
                self._child.kill()
