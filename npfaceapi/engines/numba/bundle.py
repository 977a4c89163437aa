"""Kernels compiled elsewhere, for a whole family of processors: reading them needs llvmlite, but not Numba.

`bundling.py` writes such a folder: kernels as `cache.py` keeps them, and a manifest that says for which

    sources      of this package, which lay out what the kernels read
    llvmlite     that loads them
    system       LLVM's triple
    processor    family, by the name that LLVM and the x86-64 psABI give it

Python and NumPy may be others.  A folder that does not fit is refused; nothing is compiled in its place.
"""

from __future__ import annotations

import functools
import json
import os
import platform
from pathlib import Path
from typing import NamedTuple

import llvmlite
import llvmlite.binding as llvm

from npfaceapi.engines.kernel_folder import BUNDLE, version_of
from npfaceapi.engines.trusted_folder import trusted_folder
from npfaceapi.errors import BackendUnavailable, reason_of

__all__ = ["MANIFEST", "Bundle", "bundle_in_use", "families", "features_of", "made_for", "runnable"]

PACKAGE = Path(__file__).parent
MANIFEST = "manifest.json"
#: The levels of x86-64, and the features that each adds to the one before, by LLVM's names.
_LEVELS = {
    "x86-64": "sse2",
    "x86-64-v2": "cx16 popcnt sahf sse3 sse4.1 sse4.2 ssse3",
    "x86-64-v3": "avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave",
    "x86-64-v4": "avx512bw avx512cd avx512dq avx512f avx512vl",
}


class Bundle(NamedTuple):
    """A folder of kernels that fit, for which processors, and the version under which each is kept."""

    folder: Path
    processor: str
    version: str


def families() -> list[str]:
    """The families of this kind of processor, the oldest first; "generic" is what all have."""
    return [*_LEVELS] if platform.machine() in ("x86_64", "AMD64") else ["generic"]


def features_of(family: str) -> list[str]:
    """The features of its processors, by LLVM's names."""
    levels = [*_LEVELS]
    return (
        [feature for level in levels[: levels.index(family) + 1] for feature in _LEVELS[level].split()]
        if family in levels
        else []
    )


def runnable() -> list[str]:
    """The families whose code this processor runs, the oldest first."""
    here = {name for name, is_there in llvm.get_host_cpu_features().items() if is_there} if len(families()) > 1 else set()
    return [family for family in families() if here.issuperset(features_of(family))]


def made_for() -> dict[str, str | None]:
    """What a bundle has to fit besides the processor."""
    return {"sources": version_of(PACKAGE), "llvmlite": llvmlite.__version__, "system": llvm.get_process_triple()}


@functools.cache
def bundle_in_use() -> Bundle | None:
    """What NPFACEAPI_KERNELS names; None where it names nothing.

    Raises
    ------
    BackendUnavailable
        It does not fit.
    """
    path = os.environ.get(BUNDLE)
    if not path:
        return None
    try:
        with trusted_folder(Path(path)) as folder:
            manifest = json.loads(folder.read(MANIFEST))
        found = {key: str(manifest[key]) for key in (*made_for(), "processor", "kernels")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        wanted = "a folder that npfaceapi warmup --bundle wrote and nobody else can change"
        raise BackendUnavailable(f"{BUNDLE}: {path}: expected {wanted}, got: {reason_of(error)}") from None
    for key, here in made_for().items():
        if found[key] != here:
            raise BackendUnavailable(
                f"{BUNDLE}: {path}: expected kernels for {key} {here}, got some for {found[key]}: write it anew"
            )
    if found["processor"] not in runnable():
        families = " or ".join(runnable())
        raise BackendUnavailable(
            f"{BUNDLE}: {path}: expected kernels for {families} processors, got some for {found['processor']}"
        )
    return Bundle(Path(path), found["processor"], found["kernels"])
