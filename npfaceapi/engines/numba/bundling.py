"""Writing the folder that `bundle.py` reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from npfaceapi.engines.kernel_folder import BUNDLE
from npfaceapi.engines.numba import program, resizing  # noqa: F401  # with all modules that have kernels
from npfaceapi.engines.numba.bundle import MANIFEST, PACKAGE, families, features_of, made_for, runnable
from npfaceapi.engines.numba.jit import KERNELS
from npfaceapi.engines.numba.kernels import limits  # noqa: F401
from npfaceapi.engines.trusted_folder import trusted_folder
from npfaceapi.errors import BackendUnavailable, InvalidArgument, reason_of

__all__ = ["compile_all", "write_bundle"]

_COMPILE = f"from {__name__} import compile_all; compile_all()"


def compile_all() -> None:
    """Have every kernel compiled and kept."""
    for kernel in KERNELS:
        kernel.prepare()


def write_bundle(folder: Path, processor: str | None = None) -> str:
    """Compile every kernel for a family of processors, and write them into a folder.

    Parameters
    ----------
    folder : Path
        A new or empty one, or that of an earlier bundle.
    processor : str, optional
        One of `families()`; default: the newest that this processor belongs to.

    Returns
    -------
    str
        The family.

    Raises
    ------
    InvalidArgument
        It is another folder, or cannot be written, or others could write there.
    BackendUnavailable
        Numba cannot compile here.
    """
    processor = processor or runnable()[-1]
    if processor not in families():
        raise InvalidArgument(f"processor: expected one of {', '.join(families())}, got {processor!r}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.listdir(folder) and not (folder / MANIFEST).is_file():
            raise InvalidArgument(f"{folder}: expected an empty folder or an earlier bundle, got another folder")
        with trusted_folder(folder) as opened, tempfile.TemporaryDirectory() as place:
            opened.try_to_write()
            kept = _compiled(processor, place)
            for path in kept.iterdir():
                opened.write(path.name, path.read_bytes())
            manifest = {**made_for(), "processor": processor, "kernels": kept.name}
            opened.write(MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
    except OSError as error:
        raise InvalidArgument(f"{folder}: expected a folder that we alone can write to, got: {reason_of(error)}") from None
    return processor


def _compiled(processor: str, place: str) -> Path:
    """The folder below `place` in which another process has kept all kernels, with Numba set to compile for that family."""
    told = {
        "NUMBA_CACHE_DIR": place,
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in features_of(processor)),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PACKAGE.parents[2]), os.environ.get("PYTHONPATH")))),
    }
    others = {name: value for name, value in os.environ.items() if name != BUNDLE and not name.startswith("NUMBA_")}
    command = [sys.executable, "-c", _COMPILE]
    done = subprocess.run(command, env={**others, **told}, capture_output=True, text=True, check=False)
    kept = list(Path(place).iterdir())
    if done.returncode or len(kept) != 1 or {kernel.name for kernel in KERNELS} - {path.name for path in kept[0].iterdir()}:
        reason = (done.stderr.strip().splitlines() or ["kernels could not be kept"])[-1]
        raise BackendUnavailable(f"kernels: expected Numba to compile them for {processor}, got: {reason}")
    return kept[0]
