"""The parts of Numba that this engine uses and that are not public API: the only place where they are named.

A new Numba may change any of it, which is why pyproject.toml has an upper bound: the newest version that was tried.
tests/engines/numba/test_numba_internals.py checks each part on its own.  Numba is imported
in the functions, not with this module.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "BARE", "COMPILES_NOTHING", "HIDDEN_ARGUMENTS", "MachineCode", "code_building", "compiles_nothing", "installed_version",
    "machine_code", "target",
]  # fmt: skip

#: Options of `numba.njit` that no page of Numba's describes: no Python function and no C callback around the machine code, and
#: no reference counts in it.
BARE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}

#: Addresses that a native function takes before its own arguments: of its result and of its exception.  It returns a 32-bit
#: status.
HIDDEN_ARGUMENTS = 2


class MachineCode(NamedTuple):
    """A compiled function: its name in the object file, its address, and that file."""

    symbol: str
    address: int
    object_file: bytes
    module: str  # LLVM IR


def machine_code(dispatcher: Any, arguments: Sequence[Any]) -> MachineCode:
    """What `numba.njit` compiled for arguments of these types."""
    compiled = dispatcher.overloads[tuple(arguments)]
    symbol, library = compiled.fndesc.mangled_name, compiled.library
    _kind, (object_file, _shared) = library.serialize_using_object_code()[1:]
    return MachineCode(symbol, int(library.get_pointer_to_function(symbol)), object_file, library.get_llvm_str())


def target() -> tuple[str, str, str]:
    """What Numba compiles for, by its settings or by detection: LLVM's target triple, the CPU's name and features."""
    from numba.core.registry import cpu_target

    triple, processor, features = cpu_target.target_context.codegen().magic_tuple()
    return triple, processor, features


def code_building() -> Any:
    """Numba's helpers for emitting LLVM IR, with which arrays are made."""
    import numba.core.cgutils

    return numba.core.cgutils


COMPILES_NOTHING = "numba is told to compile nothing (NUMBA_DISABLE_JIT, or numba.config.DISABLE_JIT)"


def compiles_nothing() -> bool:
    """Whether Numba is told to leave functions as they are, by the environment, its settings file or a program.

    It is imported only where something may say so.
    """
    if not ("numba" in sys.modules or os.environ.get("NUMBA_DISABLE_JIT") or _has_settings_file()):
        return False
    from numba import config

    return bool(getattr(config, "DISABLE_JIT", False))


@functools.cache
def _has_settings_file() -> bool:
    return os.path.isfile(".numba_config.yaml")  # Numba itself reads it once, when it is imported


def installed_version() -> bytes:
    """A text that differs between versions of Numba, read without importing it; empty if there is no such file."""
    numba = importlib.util.find_spec("numba")
    if numba is not None and numba.origin:
        with contextlib.suppress(OSError):
            return Path(numba.origin).with_name("_version.py").read_bytes()
    return b""
