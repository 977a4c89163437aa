"""Which backend runs a network: the only place where it is chosen.  `thread_count.py` chooses the number of threads."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from npfaceapi.engines.block_scope import BlockScope
from npfaceapi.engines.kernel_folder import BUNDLE
from npfaceapi.errors import BackendUnavailable, InvalidArgument, is_out_of_memory, reason_of
from npfaceapi.graph import Graph, Node

__all__ = [
    "BackendStatus",
    "Program",
    "available_backends",
    "current_backend",
    "prepare",
    "resampling_kernel",
    "resizing_kernel",
    "set_backend",
    "use_backend",
]


class Program(Protocol):
    """A graph with its weights, ready to run on a backend; safe to call from several threads at once."""

    def __call__(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32 | np.float64]]: ...


class BackendStatus(NamedTuple):
    """Whether a backend can run here, and what it is, or what is missing."""

    available: bool
    detail: str

    def __bool__(self) -> bool:
        return self.available


def _numba_status() -> BackendStatus:
    status = _numba_import()
    if status and not os.environ.get(BUNDLE):
        from npfaceapi.engines.numba.numba_internals import COMPILES_NOTHING, compiles_nothing

        if compiles_nothing():  # checked each time: a program can set it at any time
            return BackendStatus(False, COMPILES_NOTHING)
    return status


@functools.cache
def _numba_import() -> BackendStatus:
    try:
        if not os.environ.get(BUNDLE) and importlib.util.find_spec("numba") is None:
            return BackendStatus(False, "numba is not installed; pip install numba")
        from npfaceapi.engines.numba.simd.target import NUMBA_VERSION  # it imports Numba unless that has worked here before
    except BackendUnavailable as error:  # a bundle that does not fit
        return BackendStatus(False, str(error))
    except Exception as error:  # a NumPy that is too new, a broken LLVM: anything that stops the import
        return BackendStatus(False, _why_not_imported(error))
    return BackendStatus(True, f"hand-written kernels, compiled by numba {NUMBA_VERSION}")


def _why_not_imported(error: Exception) -> str:
    reason = reason_of(error)
    if is_out_of_memory(error):
        return "there is not enough memory to import numba"
    too_old = "numpy" in reason.lower() and "or greater" not in reason and not isinstance(error, ModuleNotFoundError)
    return f"importing numba failed ({reason})" + ("; pip install --upgrade numba" if too_old else "")


def _prepare_reference(dtype: type[Any]) -> Callable[..., Program]:
    def prepare(graph: Graph, weights: Mapping[str, NDArray[np.float32]], outputs: Sequence[Node]) -> Program:
        from npfaceapi.engines.reference import ReferenceProgram

        return ReferenceProgram(graph, weights, outputs, dtype)

    return prepare


def _prepare_numba(graph: Graph, weights: Mapping[str, NDArray[np.float32]], outputs: Sequence[Node]) -> Program:
    from npfaceapi.engines.numba.program import plan

    return plan(graph, weights, outputs)


def _cuda_status() -> BackendStatus:
    from npfaceapi.engines.cuda.availability import status

    return BackendStatus(*status())


def _prepare_cuda(graph: Graph, weights: Mapping[str, NDArray[np.float32]], outputs: Sequence[Node]) -> Program:
    from npfaceapi.engines.cuda.program import plan

    return plan(graph, weights, outputs)


def _numba_resizing() -> ModuleType:
    from npfaceapi.engines.numba import resizing

    return resizing


class _Backend(NamedTuple):
    status: Callable[[], BackendStatus]
    prepare: Callable[..., Program]
    resizing: Callable[[], ModuleType] | None = None


_BACKENDS = {
    "numba": _Backend(_numba_status, _prepare_numba, _numba_resizing),
    "reference": _Backend(
        lambda: BackendStatus(True, f"NumPy {np.__version__}, float32, operation by operation"), _prepare_reference(np.float32)
    ),
    "reference64": _Backend(
        lambda: BackendStatus(True, f"NumPy {np.__version__}, float64, operation by operation"), _prepare_reference(np.float64)
    ),
    "cuda": _Backend(functools.cache(_cuda_status), _prepare_cuda, _numba_resizing),
}

_of_the_process: str | None = None


def available_backends() -> dict[str, BackendStatus]:
    """Every backend by name, with whether it can run here and why not.

    Examples
    --------
    >>> available_backends()["reference"].available
    True
    """
    return {name: backend.status() for name, backend in _BACKENDS.items()}


def _require(name: str, where: str) -> str:
    if not isinstance(name, str) or name not in _BACKENDS:
        raise InvalidArgument(f"{where}: expected a backend out of {', '.join(_BACKENDS)}, got {name!r}")
    status = _BACKENDS[name].status()
    if not status:
        raise BackendUnavailable(f"{where}: backend {name!r} cannot run here: {status.detail}")
    return name


def _default_backend() -> str:
    status = _BACKENDS["numba"].status()
    if status:
        return "numba"
    _warn_once(f"npfaceapi runs on its slow 'reference' backend: {status.detail}")
    return "reference"


@functools.cache
def _warn_once(text: str) -> None:
    from npfaceapi.display.standard_error import warn

    warn(text)


def current_backend() -> str:
    """The backend that runs a network when none is given.

    The innermost `use_backend` block of this thread or asyncio task, else what `set_backend` chose, else
    `NPFACEAPI_BACKEND`, else `numba` (or `reference`, with one warning, where Numba cannot be imported or is told by
    `NUMBA_DISABLE_JIT` to compile nothing).

    Examples
    --------
    >>> with use_backend("reference"):
    ...     current_backend()
    'reference'
    """
    scoped = use_backend.innermost()
    if scoped is not None:
        return scoped
    if _of_the_process is not None:
        return _of_the_process
    from_environment = os.environ.get("NPFACEAPI_BACKEND")
    return _require(from_environment, "NPFACEAPI_BACKEND") if from_environment else _default_backend()


def set_backend(name: str) -> None:
    """Choose the backend for the whole process; `use_backend` blocks come before it.

    Parameters
    ----------
    name : {"numba", "reference", "reference64", "cuda"}
        `numba` is the default; `reference` is NumPy in float32, `reference64` in float64; `cuda` needs an NVIDIA GPU.

    Raises
    ------
    InvalidArgument
        There is no such backend.
    BackendUnavailable
        The backend cannot run here; the message says what to install.

    Examples
    --------
    >>> set_backend("numba")
    >>> current_backend()
    'numba'
    """
    global _of_the_process
    _of_the_process = _require(name, "set_backend")


class use_backend(BlockScope[str]):
    """Choose the backend for a `with` block, and for this thread or asyncio task alone.

    A thread that is started inside the block does not see it (unless Python is told to let threads inherit the context); a
    task of asyncio that is made inside it does, and so do `await task` on a task of ours and `asyncio.to_thread`.  A generator
    that yields inside the block leaves it open to its caller until it goes on.

    Parameters
    ----------
    name : {"numba", "reference", "reference64", "cuda"}
        As for `set_backend`.

    Raises
    ------
    InvalidArgument
        There is no such backend.
    BackendUnavailable
        The backend cannot run here; the message says what to install.

    Warns
    -----
    RuntimeWarning
        The object is dropped without having been entered: it has done nothing.

    Examples
    --------
    >>> with use_backend("reference"):
    ...     current_backend()
    'reference'
    """

    _blocks = ContextVar("npfaceapi_backend", default=())
    _instead = "set_backend(name)"

    def __init__(self, name: str) -> None:
        super().__init__(_require(name, "use_backend"))


def prepare(graph: Graph, weights: Mapping[str, NDArray[np.float32]], outputs: Sequence[Node], backend: str) -> Program:
    """Make a graph and its weights ready to run on a backend."""
    return _BACKENDS[_require(backend, "backend")].prepare(graph, weights, outputs)


def resizing_kernel() -> Callable[..., None] | None:
    """What resizes photos on the current backend, as `engines/numba/resizing.py` does; None: NumPy."""
    return _of_resizing("resize_in_squares")


def resampling_kernel() -> Callable[..., None] | None:
    """What cuts chips out of photos on the current backend, as `engines/numba/resizing.py` does; None: NumPy."""
    return _of_resizing("resample_squares")


def _of_resizing(name: str) -> Callable[..., None] | None:
    resizing = _BACKENDS[current_backend()].resizing
    return None if resizing is None or not _BACKENDS["numba"].status() else getattr(resizing(), name)
