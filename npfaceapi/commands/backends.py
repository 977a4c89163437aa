"""`npfaceapi backends`: which backends can run here, and what the others lack."""

from __future__ import annotations

import argparse

from npfaceapi.display.plain_table import format_table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # no arguments


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.engines.dispatch import available_backends, current_backend
    from npfaceapi.engines.thread_count import get_num_threads
    from npfaceapi.errors import BackendUnavailable

    try:
        current, error = current_backend(), None
    except BackendUnavailable as missing:  # named by NPFACEAPI_BACKEND; the table says what it lacks
        current, error = "", missing
    rows = [
        (name + (" (in use)" if name == current else ""), "yes" if status else "no", status.detail)
        for name, status in available_backends().items()
    ]
    print(format_table(("backend", "available", "what it is, or what is missing"), rows))
    print(f"threads: {get_num_threads()}")
    if error is not None:
        raise error
    return 0
