"""Where compiled kernels are kept from one process to the next.

The folder bears a hash of an engine's sources, because Numba itself looks only at the file that defines a function, not at
those that define what it calls: an upgrade must never run stale kernels.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from pathlib import Path

__all__ = ["kernel_folder", "kernel_folders", "trusted"]


def _name(package: Path, compiler: bytes) -> str | None:
    """None if the sources cannot be read: the package lies in a zip."""
    try:
        sources = [path.name.encode() + b"\0" + path.read_bytes() for path in sorted(package.rglob("*.py"))]
    except OSError:
        return None
    digest = hashlib.sha256(compiler)
    for source in sources:
        digest.update(hashlib.sha256(source).digest())
    return f"kernels-{digest.hexdigest()[:16]}" if sources else None


@functools.cache
def kernel_folders(package: Path, compiler: bytes = b"") -> tuple[Path, ...]:
    """Where the kernels of an engine may lie, the best place first.

    Its sources lie in `package`; what else its kernels depend on is in `compiler`.
    """
    name = _name(package, compiler)
    if name is None:
        return ()
    if os.environ.get("NUMBA_CACHE_DIR"):  # there and nowhere else, as Numba means it
        return (Path(os.environ["NUMBA_CACHE_DIR"]) / name,)
    folders = [package / "__pycache__" / name]
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home):
        folders.append(Path(home) / "npfaceapi" / name)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return (*folders, Path(tempfile.gettempdir()) / f"npfaceapi-{user}-{name}")


def trusted(folder: Path) -> bool:
    """Whether only those can write there whose code runs here anyway: we, the administrator, whoever installed this package."""
    try:
        found = folder.stat()
        owners = {os.getuid(), 0, Path(__file__).stat().st_uid} if hasattr(os, "getuid") else {found.st_uid}
    except OSError:
        return False
    return found.st_uid in owners and not (os.name == "posix" and found.st_mode & 0o022)


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return False
    return trusted(folder)


@functools.cache
def kernel_folder(package: Path, compiler: bytes = b"") -> Path | None:
    """The first of those folders that can be written; None if there is none, and then every process compiles its own."""
    return next((folder for folder in kernel_folders(package, compiler) if _usable(folder)), None)
