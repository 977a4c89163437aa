"""The command line: `npfaceapi COMMAND …`.

Exit status: 0 when all went well, 1 when something failed (a bad photo, a failed case), 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from npfaceapi._version import __version__
from npfaceapi.commands.photos import complain
from npfaceapi.display.standard_error import say
from npfaceapi.errors import InvalidArgument, InvalidType, NpFaceApiError, PhotoWarning, is_out_of_memory, reason_of
from npfaceapi.photos.limits import own_pillow
from npfaceapi.photos.messages import own_standard_error

__all__ = ["main"]

_COMMANDS = {
    "analyze": "detect the faces of photos and videos: box, landmarks, expression, age, gender, descriptor",
    "anonymize": "hide the faces of photos, and strip their metadata",
    "match": "identify the faces of photos among known people",
    "index": "index a photo collection: its faces, in one SQLite file that is brought up to date with each run",
    "find": "find the faces of an index that are nearest to those of a photo, or the photos of a person",
    "groups": "group the faces of an index by person, as a table, as JSON lines and as contact sheets",
    "name": "say who the faces of a group are",
    "join": "say that several groups are one person",
    "split": "say that some faces of a group are another person",
    "not-the-same": "say that two faces are two people, for ever",
    "forget": "remove a person or a photo from an index, overwriting every trace",
    "serve": "serve a page and a web service on this machine: photos, videos and the camera",
    "evaluate": "measure accuracy on public data sets or on a folder of photos of known people",
    "calibrate": "calibrate descriptor distances on photos of your own people, for match --calibration",
    "show": "print the layers of a network, as a table, as data or as a picture",
    "plan": "print how the fast engine runs a network: fused steps with shapes, cost and time here",
    "inspect": "look inside the networks for a photo: one HTML page with their inputs and all that they compute",
    "export": "write a network as an ONNX graph, its weights as npz or safetensors, or the faces of an index as a table",
    "verify": "check the results of a backend against golden outputs of face-api.js",
    "conform": "verify a port of these networks, in any language, and find its faults",
    "backends": "list the backends available here",
    "bench": "measure speed, accuracy, cold start and memory here, against other engines",
    "warmup": "compile all kernels ahead of the first photo",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Never write to standard output, which argparse does if there is no standard error."""
        say(f"{self.format_usage()}{self.prog}: error: {message}")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="npfaceapi",
        description="The networks of face-api.js in NumPy and Numba.",
        epilog="See npfaceapi COMMAND --help for the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"npfaceapi {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        module = importlib.import_module(f"npfaceapi.commands.{name.replace('-', '_')}")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    where, results = "npfaceapi", _Results(sys.stdout)
    with contextlib.redirect_stdout(results), _warnings_in_a_line(lambda: where):
        try:
            try:
                arguments = _parser().parse_args(argv)
                where = f"npfaceapi {arguments.command}"
                if argv is None:  # this process is the command
                    own_standard_error()
                    own_pillow()
                return int(arguments.run(arguments))
            finally:
                results.flush()  # so that a full disk or a closed pipe shows here, not at exit
        except NpFaceApiError as error:
            say(f"{where}: {error}")
            return 2 if isinstance(error, (InvalidArgument, InvalidType)) else 1
        except BrokenPipeError:  # `npfaceapi … | head`
            results.drop_if_broken()
            return 1
        except (ImportError, MemoryError, OSError) as error:
            expected = "to write the results" if isinstance(error, OSError) else "the packages that it needs"
            expected = "enough memory" if is_out_of_memory(error) else expected
            say(f"{where}: expected {expected}, got: {getattr(error, 'strerror', None) or reason_of(error)}")
            results.drop_if_broken()
            return 1
        except KeyboardInterrupt:
            say(f"{where}: interrupted")
            return 130


@contextlib.contextmanager
def _warnings_in_a_line(where: Callable[[], str]) -> Iterator[None]:
    """Show warnings to the user as one line each; ours stay warnings even if Python is told to raise them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("default", "npfaceapi ")
        warnings.filterwarnings("always", category=PhotoWarning)
        show = warnings.showwarning

        def show_in_a_line(
            message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: str | None = None
        ) -> None:
            if issubclass(category, (RuntimeWarning, UserWarning)):
                complain(str(message).removeprefix("npfaceapi "), where() if category is PhotoWarning else "npfaceapi")
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = show_in_a_line
        yield


class _Results:
    """Standard output while a command runs; results that cannot be written always raise an OSError at the end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._failure: OSError | None = None
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # file names can hold what the terminal's encoding cannot

    def write(self, text: str) -> int:
        if self._stream is None or getattr(self._stream, "closed", False):  # a command still writes its files
            self._failure = OSError(errno.EBADF, os.strerror(errno.EBADF)) if text else self._failure
        else:
            self._call("write", text)
        return len(text)

    def flush(self) -> None:
        if self._failure is not None:
            raise self._failure
        if hasattr(self._stream, "flush"):
            self._call("flush")

    def _call(self, method: str, *arguments: str) -> None:
        try:
            getattr(self._stream, method)(*arguments)
        except Exception as error:  # an application's own stream may raise anything
            self._failure = error if isinstance(error, OSError) else OSError(errno.EBADF, reason_of(error))
            raise self._failure from None  # argparse ignores an OSError

    def drop_if_broken(self) -> None:
        """Discard what is still buffered, so that Python does not complain about it at exit."""
        if self._failure is not None:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def isatty(self) -> bool:
        """False, for a terminal too: argparse writes colours to one from Python 3.14 on, and a closed stream would raise."""
        return False

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


if __name__ == "__main__":
    sys.exit(main())
