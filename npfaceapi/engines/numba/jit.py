"""How every kernel is compiled: the only place with Numba's flags and with the folder of compiled kernels.

Flags, and why:
* nogil: other Python threads go on while a network runs; our own helper threads need it.  (A kernel that is called through
  its address holds no lock of its own.)
* error_model "numpy": a division by zero gives inf or NaN as in NumPy, and the check for it would stop vectorization.
* fastmath {"contract"} alone: a product and a sum may become one fused multiply-add.  Nothing that changes the order
  of sums is allowed, so the same input gives the same bits, however the work is cut into ranges.
* boundscheck off: kernels are called with what the planner laid out, which has checked all shapes.
* no parallel=True: the default threading layer aborts the process when two Python threads call at once.

Compiled kernels are kept on disk, see engines/kernel_folder.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.extending
import numpy as np
from numba import types

from npfaceapi.engines.kernel_folder import kernel_folder
from npfaceapi.locks import ForkSafeLock

__all__ = ["Kernel", "cache_folder", "carray", "intrinsic", "jitted", "kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])

_FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "boundscheck": False}
_compiling = ForkSafeLock()

# Numba's annotations are those of the undecorated functions, which jitted code does not call as Python would
_untyped: Any = numba
carray, intrinsic = _untyped.carray, _untyped.extending.intrinsic


def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None if no folder can be written, and then every process compiles its own."""
    return kernel_folder(Path(__file__).parent)


def _compile(decorator: Callable[..., Any], function: Callable[..., Any], **flags: Any) -> Any:
    """`decorator(cache=…, **flags)(function)`, with the folder of compiled kernels if there is one."""
    folder = cache_folder()
    if folder is None:
        return decorator(**flags)(function)
    config: Any = numba.config
    with _compiling:
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)  # read while decorating; no argument says it
        try:
            return decorator(cache=True, **flags)(function)
        except (RuntimeError, OSError):  # Numba cannot write where we just could
            return decorator(**flags)(function)
        finally:
            config.CACHE_DIR = before


def jitted(*signature: Any, exact: bool = False) -> Callable[[Function], Function]:
    """Compile a function that other jitted code or Python calls; at once if a signature is given, else at its first call.

    `exact` code rounds after each operation, as NumPy does: no fused multiply-adds.
    """
    flags = {**_FLAGS, "fastmath": False} if exact else _FLAGS
    return lambda function: _compile(functools.partial(numba.njit, *signature), function, **flags, nogil=True)


class Kernel:
    """A function compiled on its own, on first need, and called through its address.

    Linking it into every caller would compile it again each time.  The address is different in every process, so it stands
    in the tables that are built at run time, never in cached code.
    """

    def __init__(self, function: Callable[..., None], signature: Any) -> None:
        self._function, self._signature = function, signature
        self._compiled: Any = None

    @property
    def address(self) -> int:
        with _compiling:
            if self._compiled is None:
                self._compiled = _compile(functools.partial(numba.cfunc, self._signature), self._function, **_FLAGS)
        return int(self._compiled.address)


def kernel(params: np.dtype[Any]) -> Callable[[Callable[..., None]], Kernel]:
    """Make `function(params, memory, scratch, chunk, chunks)` a step's kernel; `params` points to a record of that dtype."""
    record = types.CPointer(numba.from_dtype(params))
    return lambda function: Kernel(function, types.void(record, types.int64, types.int64, types.int64, types.int64))
