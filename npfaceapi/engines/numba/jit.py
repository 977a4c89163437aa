"""How every kernel is compiled: the only place with Numba's flags and with the folder of compiled kernels.

Flags, and why:
* nogil: other Python threads go on while a kernel runs; our own helper threads need it.
* error_model "numpy": a division by zero gives inf or NaN as in NumPy, and the check for it would stop vectorization.
* fastmath {"contract"} alone: a product and a sum may become one fused multiply-add.  Nothing that changes the order
  of sums is allowed, so the same input gives the same bits, however the work is cut into ranges.
* boundscheck off: kernels are called by the planner alone, which has checked all shapes.
* no parallel=True: the default threading layer aborts the process when two Python threads call at once.

Compiled kernels are kept on disk.  The folder bears a hash of this package's sources, because Numba itself looks only at
the file that defines a function, not at those that define what it calls: an upgrade must never run stale kernels.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba

__all__ = ["cache_folder", "kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])

_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}, "boundscheck": False}


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _candidates(name: str) -> Iterator[Path]:
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / name
    yield Path(__file__).parent / "__pycache__" / name
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
def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None if no folder can be written, and then every process compiles its own."""
    try:
        name = f"kernels-{_sources_hash()}"
    except OSError:  # the package lies in a zip
        return None
    return next((folder for folder in _candidates(name) if _usable(folder)), None)


def kernel(function: Function) -> Function:
    """Compile `function` at its first call, from the folder of compiled kernels if it is there."""
    folder = cache_folder()
    if folder is None:
        return numba.njit(**_FLAGS)(function)  # type: ignore[no-any-return]
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)  # read while decorating; no argument says it
    try:
        return numba.njit(cache=True, **_FLAGS)(function)  # type: ignore[no-any-return]
    except (RuntimeError, OSError):  # Numba cannot write where we just could
        return numba.njit(**_FLAGS)(function)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = before
