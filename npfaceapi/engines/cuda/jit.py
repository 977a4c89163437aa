"""How every CUDA kernel is compiled and launched: the only place with numba-cuda's flags.

Flags, and why:
* the signature is given: arrays are flat and contiguous, integers int64, `highest` and `lowest` float32; so no call can
  make numba-cuda compile a second version, and the tests compile exactly what a GPU runs;
* no fastmath: NaN, infinity and denormal numbers stay what they are, and the same input gives the same bits;
* sums of products are written as `fma`, one rounding each, so the compiler has no choice;
* device functions are always inlined: they take local arrays that must become registers;
* no link-time optimization: machine code comes from the PTX that the tests look at.

Indices: Numba lets a signed index count from the end, which costs a comparison per access and keeps the compiler
from joining neighbouring accesses (four loads instead of one of 16 bytes).  `index(i)` says that i is not negative.  `quotient`
and `remainder` divide numbers below 2**32, which a GPU does some three times faster than 64-bit ones.

The CUDA simulator (NUMBA_ENABLE_CUDASIM=1) runs the same functions as plain Python; there the conversions only
refuse negative indices.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npfaceapi.engines.cuda.toolchain import SIMULATED, cuda, float32, float64, int32, int64, types, uint8, uint32, uint64
from npfaceapi.engines.kernel_folder import kernel_folder

__all__ = [
    "LOWEST", "SHARED_ALIGNMENT", "SIMULATED", "THREADS", "ZERO", "Kernel", "Launch", "device_function", "fma", "index", "kernel",
    "product_rn", "quotient", "remainder", "short", "sum_rn", "unrolled", "within",
]  # fmt: skip

SHARED_ALIGNMENT = None if SIMULATED else 16  # the simulator does not accept it
ZERO = np.float32(0)
LOWEST = np.float32(-np.inf)
THREADS = 256  # default threads per block

_TYPES = {
    "memory": float32[::1], "weights": float32[::1], "table": int32[::1], "photo": uint8[::1], "resized": float32[::1],
    "highest": float32, "lowest": float32, "scale": float32, "row_scale": float64, "column_scale": float64,
}  # fmt: skip


def _not_negative(i: Any) -> Any:
    """In the simulator: a negative index would silently read another number."""
    if i < 0:
        raise IndexError(f"expected an index from 0 up, got {i}")
    return i


index: Any = _not_negative if SIMULATED else uint64
short: Any = (lambda i: i) if SIMULATED else int32
_natural: Any = _not_negative if SIMULATED else uint32


def device_function(function: Callable[..., Any]) -> Any:
    """A function that kernels call.  One that uses `cuda` must stand in the file of its kernel, or the simulator misses it."""
    return function if SIMULATED else cuda.jit(device=True, forceinline=True, lto=False)(function)


@device_function
def quotient(a: Any, b: Any) -> Any:
    """a // b of two numbers from 0 to 2**31 - 1."""
    return short(_natural(a) // _natural(b))


@device_function
def remainder(a: Any, b: Any) -> Any:
    """a % b of two numbers from 0 to 2**31 - 1."""
    return short(_natural(a) % _natural(b))


if SIMULATED:

    def within(i: Any, n: Any) -> Any:
        """Whether 0 <= i < n, for n below 2**31."""
        return 0 <= i < n

else:

    @device_function
    def within(i: Any, n: Any) -> Any:
        """Whether 0 <= i < n, for n below 2**31: one comparison, in which a negative number is a large one."""
        return uint32(i) < uint32(n)


# `fma` is a * b + c with one rounding (in the simulator two); the others are float64 and never joined to a multiply-add
if SIMULATED:
    fma, product_rn, sum_rn = (lambda a, b, c: a * b + c), (lambda a, b: a * b), (lambda a, b: a + b)
else:
    fma, product_rn, sum_rn = (getattr(cuda.libdevice, name) for name in ("fmaf_rn", "dmul_rn", "dadd_rn"))


def unrolled(body: Any, count: int) -> Any:
    """The device function that calls body(k, …), body(k + 1, …), … `count` times, a power of two, without a loop.

    The compiler unrolls only short loops by itself, and in a loop it does not prove that addresses are multiples of 16 bytes.
    The arguments are those of `one_input` in product.py, spelled out, because numba-cuda-mlir inlines no call with `*`.
    """
    if count == 1:
        return body
    half, at = unrolled(body, count // 2), count // 2

    @device_function
    def twice(k: Any, a_slices: Any, a_from: Any, b_slices: Any, b_from: Any, acc: Any) -> None:
        half(k, a_slices, a_from, b_slices, b_from, acc)
        half(k + at, a_slices, a_from, b_slices, b_from, acc)

    return twice


class Launch(NamedTuple):
    """A kernel, its grid, its threads per block, and its arguments by name (except the arrays, which the program has)."""

    kernel: Kernel
    grid: tuple[int, ...]
    threads: int
    values: Mapping[str, Any]


class Kernel:
    """A kernel, compiled on first need; a multiprocessor is to hold `together` blocks of `threads` threads at once."""

    def __init__(self, function: Callable[..., None], threads: int | None = None, together: int = 1) -> None:
        self.launch_bounds = None if threads is None else (threads, together)
        self.function = function
        self.arguments = tuple(inspect.signature(function).parameters)
        self.signature = types.void(*(_TYPES.get(name, int64) for name in self.arguments))

    @functools.cached_property
    def _compiled(self) -> Any:
        if SIMULATED:
            return cuda.jit(self.function)
        with _kernels_kept_on_disk() as cache:
            try:
                return cuda.jit(self.signature, cache=cache, lto=False, launch_bounds=self.launch_bounds)(self.function)
            except (RuntimeError, OSError):  # numba-cuda cannot write to the folder after all
                if not cache:
                    raise
                return cuda.jit(self.signature, lto=False, launch_bounds=self.launch_bounds)(self.function)

    def bound(self, launch: Launch, stream: Any, arrays: Mapping[str, Any]) -> Callable[[Any], None]:
        """The launch as a function of the array that the kernel's first argument names.

        That is the memory, which is replaced when it has to grow; nothing may keep the old one alive.
        """
        with _no_warning_of_small_grids():
            configured = self._compiled[launch.grid, launch.threads, stream]
        rest = [arrays[name] if name in arrays else launch.values[name] for name in self.arguments[1:]]
        if not SIMULATED:
            return lambda memory: configured(memory, *rest)
        return lambda memory: self._compiled[launch.grid, launch.threads](memory, *rest)  # it keeps one grid a kernel


def kernel(function: Callable[..., None]) -> Kernel:
    """Make a function a kernel."""
    return Kernel(function)


@contextmanager
def _setting(name: str, value: Any) -> Iterator[None]:
    """Change one of numba-cuda's settings temporarily, which no argument can."""
    from npfaceapi.engines.cuda.toolchain import config as settings

    before = getattr(settings, name)
    setattr(settings, name, value)
    try:
        yield
    finally:
        setattr(settings, name, before)


@contextmanager
def _kernels_kept_on_disk() -> Iterator[bool]:
    folder = kernel_folder(Path(__file__).parent)
    with _setting("CACHE_DIR", str(folder)) if folder else _setting("CACHE_DIR", ""):
        yield folder is not None


@contextmanager
def _no_warning_of_small_grids() -> Iterator[None]:
    """numba-cuda warns of grids with few blocks, which a batch of one cannot avoid."""
    if SIMULATED:
        yield
        return
    with _setting("CUDA_LOW_OCCUPANCY_WARNINGS", 0):
        yield
