"""Where compiled kernels are kept from one process to the next.

The folder bears a hash of an engine's sources, because Numba itself looks only at the file that defines a function, not at
those that define what it calls: an upgrade must never run stale kernels.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["kernel_folder"]


def _sources_hash(package: Path) -> str:
    digest = hashlib.sha256()
    sources = sorted(package.rglob("*.py"))
    if not sources:  # in a zip, say: stale kernels could not be told from those of this version
        raise FileNotFoundError(f"no sources in {package}")
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _candidates(package: Path, name: str) -> Iterator[Path]:
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / name
    yield package / "__pycache__" / name
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home):
        yield Path(home) / "npfaceapi" / name
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"npfaceapi-{user}-{name}"


def _usable(folder: Path) -> bool:
    """Whether we can write there and nobody else can: a cached kernel is code that will be run."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            pass
        return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError:
        return False


@functools.cache
def kernel_folder(package: Path) -> Path | None:
    """The folder for the kernels of an engine, whose sources lie in `package`; None if no folder can be written."""
    try:
        name = f"kernels-{_sources_hash(package)}"
    except OSError:
        return None
    return next((folder for folder in _candidates(package, name) if _usable(folder)), None)
