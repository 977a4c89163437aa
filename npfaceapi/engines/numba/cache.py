"""Compiled kernels on disk, and machine code from there made ready to be called, without Numba.

Importing Numba and having it look at a function costs most of a second, so a process whose kernels are all on disk does
neither: LLVM loads their machine code.  Kernels lie in a folder whose name is a hash of everything that they depend on, so
that nothing stale is ever run:

    the sources of this package                      (an upgrade)
    the versions of Python, NumPy, Numba, llvmlite   (the compiler)
    the processor's name and features                (a home folder that several machines share)
    Numba's settings: NUMBA_CPU_NAME, NUMBA_OPT, ... and its settings file

A file is a SHA-256 of where it belongs and of the rest, the name of the function, and an object file.  It is written under
another name and then renamed, so it is there whole or not at all.  One that is damaged all the same, or lies under another's
name, is compiled again.  Anyone with write access could have code run here, so only folders are used that
no other user can write to: `trusted_folder.py`.

Where NPFACEAPI_KERNELS names a bundle (`bundle.py`), kernels are read from there alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from npfaceapi.engines.kernel_folder import kernel_folder, kernel_folders, version_of
from npfaceapi.engines.numba import numba_internals
from npfaceapi.engines.numba.bundle import bundle_in_use
from npfaceapi.engines.trusted_folder import trusted_folder
from npfaceapi.errors import BackendUnavailable

__all__ = ["cache_folder", "keep", "load", "read", "write"]

_PACKAGE = Path(__file__).parent
_NOT_IN_THE_CODE = ("NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT", "NUMBA_NUM_THREADS", "NUMBA_CUDA", "NUMBA_ENABLE_CUDA")
_DIGEST_BYTES = 32


@functools.cache
def _compiler() -> bytes:
    """All that the code depends on besides the sources."""
    known: list[Any] = [sys.version, np.__version__, llvmlite.__version__, llvm.get_process_triple(), llvm.get_host_cpu_name()]
    known += sorted((k, v) for k, v in os.environ.items() if k.startswith("NUMBA_") and not k.startswith(_NOT_IN_THE_CODE))
    with contextlib.suppress(RuntimeError):  # LLVM does not know them for every processor
        known.append(llvm.get_host_cpu_features().flatten())
    known.append(numba_internals.installed_version())
    with contextlib.suppress(OSError):
        known.append(Path(".numba_config.yaml").read_bytes())
    return repr(known).encode()


def cache_folder() -> Path | None:
    """Where this process keeps what it compiles; None if no folder can be written, and then every process compiles its own."""
    return kernel_folder(_PACKAGE, _compiler())


def read(name: str) -> bytes | None:
    """What is kept under that name, in any folder; None if there is nothing, or something damaged.

    Raises
    ------
    BackendUnavailable
        A bundle is in use, and has nothing under that name, or something damaged.
    """
    bundle = bundle_in_use()
    for path in kernel_folders(_PACKAGE, _compiler()) if bundle is None else [bundle.folder]:
        with contextlib.suppress(OSError), trusted_folder(path) as folder:
            kept = folder.read(name)
            digest, data = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
            if digest == _digest(name, data):
                return data
    if bundle is not None:
        raise BackendUnavailable(
            f"{bundle.folder / name}: expected a kernel as npfaceapi warmup --bundle wrote it, got none or another"
        )
    return None


def write(name: str, data: bytes) -> None:
    """Keep the data, if some folder can be written to."""
    path = cache_folder()
    if path is not None:
        with contextlib.suppress(OSError), trusted_folder(path) as folder:  # a full disk: then without
            folder.write(name, _digest(name, data) + data)


def _digest(name: str, data: bytes) -> bytes:
    bundle = bundle_in_use()
    version = version_of(_PACKAGE, _compiler()) if bundle is None else bundle.version
    return hashlib.sha256(f"{version}/{name}".encode() + b"\0" + data).digest()


def keep(name: str, symbol: str, machine_code: bytes) -> None:
    """Keep a kernel: an object file and the name of the function in it."""
    write(name, symbol.encode() + b"\0" + machine_code)


def load(name: str) -> int | None:
    """The address of a kernel that was kept, now in memory; None if it was not."""
    data = read(name)
    if data is None:
        return None
    symbol, _, machine_code = data.partition(b"\0")
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(symbol.decode()))


_engines: list[Any] = []  # kept: machine code lives as long as its engine


def _engine() -> Any:
    """LLVM's loader, set up as Numba sets up its own; one for each kernel, so that no name in one can mean another's."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(reloc="static" if x86 else "default", codemodel="jitdefault", jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
