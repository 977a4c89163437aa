"""Where compiled kernels are kept from one process to the next.

The folder bears a hash of an engine's sources, because Numba itself looks only at the file that defines a function, not at
those that define what it calls: an upgrade must never run stale kernels.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from npfaceapi.engines.trusted_folder import trusted_folder

__all__ = ["BUNDLE", "kernel_folder", "kernel_folders", "version_of"]

#: The variable that names a folder of kernels compiled elsewhere: see numba/bundle.py.
BUNDLE = "NPFACEAPI_KERNELS"

_FOR_ALL, _FOR_US = 0o755, 0o700


@functools.cache
def version_of(package: Path, compiler: bytes = b"") -> str | None:
    """A name for the kernels of the sources in `package` by that compiler; None if the sources cannot be read, as in a zip."""
    try:
        sources = [path.name.encode() + b"\0" + path.read_bytes() for path in sorted(package.rglob("*.py"))]
    except OSError:
        return None
    digest = hashlib.sha256(compiler)
    for source in sources:
        digest.update(hashlib.sha256(source).digest())
    return f"kernels-{digest.hexdigest()[:16]}" if sources else None


def _places(package: Path, compiler: bytes) -> Iterator[tuple[Path, int]]:
    """Where the folder may lie, the best place first, and the permissions with which it is made there."""
    name = version_of(package, compiler)
    if name is None:
        return
    if os.environ.get("NUMBA_CACHE_DIR"):  # there and nowhere else, as Numba means it
        with contextlib.suppress(OSError):  # a relative one, when the current folder has been removed
            yield Path(os.environ["NUMBA_CACHE_DIR"]).absolute() / name, _FOR_US
        return
    if not getattr(sys, "frozen", False):  # PyInstaller unpacks a package for a single run
        yield package / "__pycache__" / name, _FOR_ALL
    home = os.path.expanduser("~")
    caches = os.environ.get("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if os.path.isdir(home) else "")
    if os.path.isabs(caches):
        yield Path(caches) / "npfaceapi" / name, _FOR_US
    with contextlib.suppress(OSError):  # there is none
        user = os.geteuid() if hasattr(os, "geteuid") else "user"
        yield Path(tempfile.gettempdir()) / f"npfaceapi-{user}-{name}", _FOR_US


def kernel_folders(package: Path, compiler: bytes = b"") -> Iterator[Path]:
    """Where the kernels of an engine may lie, the best place first; `trusted_folder` opens them.

    Its sources lie in `package`; what else its kernels depend on is in `compiler`.
    """
    for place, _ in _places(package, compiler):
        yield place
        yield from _with_random_ends(place)


def _with_random_ends(place: Path) -> list[Path]:
    """What was made in that place, if its folder is one that others can write to as well."""
    try:
        names = os.listdir(place.parent)
    except OSError:
        return []
    return [place.parent / name for name in sorted(names) if name.startswith(f"{place.name}-")]


@functools.cache
def kernel_folder(package: Path, compiler: bytes = b"") -> Path | None:
    """The first of those places that can be written, made if it is not there; None if there is none."""
    for place, permissions in _places(package, compiler):
        for path, make in [*((path, None) for path in _with_random_ends(place)), (place, permissions)]:
            with contextlib.suppress(OSError), trusted_folder(path, make) as folder:
                folder.try_to_write()
                return folder.path
    return None
