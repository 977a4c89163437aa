"""The command line: `npfaceapi COMMAND …`.

Exit status: 0 when all went well, 1 when something failed (a bad photo, a failed case), 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence

from npfaceapi._version import __version__
from npfaceapi.commands.photos import complain
from npfaceapi.errors import InvalidArgument, InvalidType, NpFaceApiError, PhotoWarning
from npfaceapi.photos.limits import own_pillow
from npfaceapi.photos.messages import own_standard_error

__all__ = ["main"]

_COMMANDS = {
    "analyze": "detect the faces of photos: box, landmarks, expression, age, gender, descriptor",
    "match": "tell which known person each face of some photos is",
    "show": "print the layers of a network, as a table, as data or as a picture",
    "plan": "print what the fast engine makes of a network: fused steps with shapes, cost and time here",
    "inspect": "look inside the networks at work on a photo: one HTML page with everything they see and compute",
    "export": "write a network as an ONNX graph, or its weights as npz or safetensors",
    "verify": "check the results of a backend against golden outputs of face-api.js",
    "conform": "prove a port of these networks, in any language, and find its faults",
    "backends": "list what can run the networks here",
    "bench": "measure speed, accuracy, cold start and memory here, against other engines",
    "warmup": "compile all kernels ahead of the first photo",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="npfaceapi",
        description="The networks of face-api.js in NumPy and Numba.",
        epilog="npfaceapi COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"npfaceapi {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        module = importlib.import_module(f"npfaceapi.commands.{name}")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is returned."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names can hold what the terminal's encoding cannot
    where = "npfaceapi"
    try:
        try:
            arguments = _parser().parse_args(argv)
            where = f"npfaceapi {arguments.command}"
            if argv is None:  # this process is the command
                own_standard_error()
                own_pillow()
            with _warnings_as_lines(where):
                return int(arguments.run(arguments))
        finally:
            print(end="", flush=True)  # so that a full disk or a closed pipe shows here, not at exit
    except NpFaceApiError as error:
        print(f"{where}: {error}", file=sys.stderr)
        return 2 if isinstance(error, (InvalidArgument, InvalidType)) else 1
    except BrokenPipeError:  # `npfaceapi … | head`
        _drop_output()
        return 1
    except OSError as error:
        print(f"{where}: expected to write the results, got: {error.strerror or error}", file=sys.stderr)
        _drop_output()
        return 1
    except KeyboardInterrupt:
        print(f"{where}: interrupted", file=sys.stderr)
        return 130


@contextlib.contextmanager
def _warnings_as_lines(where: str) -> Iterator[None]:
    """A warning is one line on standard error, without the line of code that gave it."""

    def show(message: Warning | str, *_: object) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # closed or full: a warning is not worth an error
            complain(message, where)

    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        warnings.simplefilter("always", PhotoWarning)  # under `-W error` too: the photo has been read
        yield


def _drop_output() -> None:
    """What is still buffered goes nowhere, so that Python does not complain about it at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
