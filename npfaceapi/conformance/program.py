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
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from npfaceapi.conformance.ports import Answers, NotClaimed, PortFailed
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tensor_files import BadAnswer, read_answer, write_tensor
from npfaceapi.errors import InvalidArgument, one_line
from npfaceapi.reading.json_text import read_json

__all__ = ["ProgramPort"]

MAX_FAILURES = 5
LONGEST_LINE = 16 * 2**20  # bytes; big tensors belong into files
_GRACE = 5.0  # seconds to end after its input has ended
_PIECE = 2**16  # bytes of its output


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
        self.title = one_line(" ".join(command))
        self._command, self._time_limit, self._form = list(command), time_limit, form
        self._process: _Process | None = None
        self._failures = 0
        self._folder = Path(tempfile.mkdtemp(prefix="npfaceapi-conform-"))

    def answer(self, question: Question) -> Answers:
        if self._failures >= MAX_FAILURES:
            raise PortFailed(f"not asked: the program failed {MAX_FAILURES} cases in a row")
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


class _Process:
    """The running program.

    Its output and its errors are read by a thread each, and written to by a third, so that nothing can block.  What the program
    started can outlive it and hold the pipes open: then a thread is left waiting, with its pipe.
    """

    def __init__(self, command: list[str]) -> None:
        try:
            self._child = subprocess.Popen(
                command,
                bufsize=0,  # a buffer has a lock, which a waiting thread would hold
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
        self._rest, self._is_closed = b"", False  # what came after the last line, and whether no more will
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
                piece = b"" if self._is_closed else self._output.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                raise PortFailed(f"no answer within {time_limit:g} s{self._last_words()}") from None
            if not piece:
                self._is_closed = True
                if answer:
                    break  # a last line needs no end
                self.end(1.0)
                raise PortFailed(f"the program ended ({self._status()}) without an answer{self._last_words()}")
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

    def _last_words(self) -> str:
        lines = [line for line in self._errors.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"; its last words: {one_line(lines[-1])[:200]}" if lines else ""

    def end(self, grace: float) -> None:
        """Close its input, wait a little, then end it and all that it started in its session."""
        self._questions.put(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace or 0.01)
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_GRACE)
        self._threads[-1].join(1.0)  # for its last words
        self._over.set()
        for thread in self._threads:
            thread.join(0.2)

    def _kill(self) -> None:
        with contextlib.suppress(OSError, ProcessLookupError):
            if os.name == "posix":
                os.killpg(self._child.pid, signal.SIGKILL)
            else:
                self._child.kill()
