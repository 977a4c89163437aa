"""`npfaceapi serve`: a page and a web service on this machine."""

from __future__ import annotations

import argparse
import contextlib
import secrets
from pathlib import Path

from npfaceapi.commands.index_file import whole_number
from npfaceapi.commands.options import IN_USE, add_shared, weights_read
from npfaceapi.commands.photos import chosen_backend, megapixels, photo_limit
from npfaceapi.errors import BackendUnavailable, InvalidArgument

__all__ = ["add_arguments", "run"]


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=8000, metavar="N", help="port (0 takes a free one; default: 8000)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (0.0.0.0: all of this machine's, which needs a token; default: 127.0.0.1, this machine only)",
    )
    parser.add_argument(
        "--token", metavar="TEXT", help="what requests must send as Authorization: Bearer TEXT (default, with --host: a new one)"
    )
    parser.add_argument(
        "--people",
        type=Path,
        metavar="KNOWN_DIR|INDEX",
        help="known people for /v1/match and the page: a folder as for npfaceapi match, or an index with names",
    )
    parser.add_argument("--workers", type=whole_number, metavar="N", help="number of processes (default: one per core)")
    parser.add_argument(
        "--max-megapixels",
        type=megapixels,
        metavar="N",
        help="largest photo in million pixels; raise it for trusted photos only (default: NPFACEAPI_MAX_MEGAPIXELS, else 89)",
    )
    add_shared(parser, "--weights", "with those of the detector tiny_yolov2, which are not bundled")
    add_shared(parser, "--backend", IN_USE)


def run(arguments: argparse.Namespace) -> int:
    try:
        from npfaceapi.service.guard import is_loopback
        from npfaceapi.service.server import bound, serve
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            f'expected the package {error.name}, got none installed; pip install "npfaceapi[serve]"'
        ) from None
    from npfaceapi.engines.dispatch import current_backend
    from npfaceapi.engines.usable_cpus import usable_cpus
    from npfaceapi.photos.limits import max_pixels
    from npfaceapi.service.app import Settings

    token = arguments.token
    if token is None and not is_loopback(arguments.host):
        token = secrets.token_urlsafe(24)
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token and len(token) >= 8):
        raise InvalidArgument("--token: expected at least 8 printable ASCII characters, got another text")
    folders = weights_read(arguments)
    if folders:
        from npfaceapi.networks.tiny_yolov2 import variant_in

        variant_in(folders[0])  # what is wrong is said here, not by each worker
    people = None
    with photo_limit(arguments.max_megapixels), chosen_backend(arguments.backend):
        if arguments.people is not None:
            from npfaceapi.service.people import People

            people = People(arguments.people)
        settings = Settings(
            workers=arguments.workers or usable_cpus(),
            backend=current_backend(),
            megapixels=max_pixels() / 1e6,
            weights=Path(folders[0]) if folders else None,
            people=people,
            token=token,
        )
        listener = bound(arguments.host, arguments.port)
        host, port = listener.getsockname()[:2]
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
        print(f"{address}{'' if token is None else f'#token={token}'} (Ctrl-C ends it)", flush=True)
        if token is not None:
            print(f"Requests need the header Authorization: Bearer {token}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            serve(listener, settings)
    return 0
