"""`npfaceapi backends`: what can run the networks here, and why not."""

from __future__ import annotations

import argparse

from npfaceapi.display.plain_table import format_table

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # takes none


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.engines.dispatch import available_backends, current_backend
    from npfaceapi.engines.thread_count import get_num_threads
    from npfaceapi.errors import BackendUnavailable

    try:
        current, error = current_backend(), None
    except BackendUnavailable as missing:  # the one that NPFACEAPI_BACKEND names: the table says what it lacks
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
