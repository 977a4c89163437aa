"""`npfaceapi warmup`: compile all kernels and read all weights once, for a container image or before a benchmark."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from npfaceapi.commands.options import IN_USE, add_shared
from npfaceapi.commands.photos import with_progress
from npfaceapi.errors import InvalidArgument

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, "--backend", IN_USE)
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="FOLDER",
        help="write the compiled kernels there, for machines without Numba (see docs/containers.md)",
    )
    parser.add_argument(
        "--processor",
        metavar="FAMILY",
        help="with --bundle: for example x86-64-v3 (default: the newest that this processor supports)",
    )


def run(arguments: argparse.Namespace) -> int:
    from npfaceapi.engines.dispatch import current_backend, use_backend
    from npfaceapi.global_api import warmup
    from npfaceapi.networks.registry import bundled_names

    names = bundled_names()
    start = time.perf_counter()
    if arguments.processor is not None and arguments.bundle is None:
        raise InvalidArgument(f"--processor: expected --bundle FOLDER with it, got {arguments.processor} alone")
    if arguments.bundle is not None:
        with use_backend("numba"):  # raises if something is missing
            from npfaceapi.engines.numba.bundling import write_bundle

            processor = write_bundle(arguments.bundle, arguments.processor)
        print(f"kernels for {processor} written to {arguments.bundle} in {time.perf_counter() - start:.1f} s")
        return 0
    with use_backend(arguments.backend or current_backend()):
        for name in with_progress(names):
            warmup([name])
        print(f"{len(names)} networks ready on {current_backend()} in {time.perf_counter() - start:.1f} s")
    return 0
