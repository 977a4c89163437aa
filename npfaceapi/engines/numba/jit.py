"""How every kernel is compiled: the only place with Numba's flags.

Flags, and why:
* nogil: other Python threads go on while a network runs; our own helper threads need it.  (A kernel that is called through
  its address holds no lock of its own.)
* error_model "numpy": a division by zero gives inf or NaN as in NumPy, and the check for it would stop vectorization.
* fastmath {"contract"} alone: a product and a sum may become one fused multiply-add.  Nothing that changes the order
  of sums is allowed, so the same input gives the same bits, however the work is cut into ranges.
* boundscheck off: kernels are called with what the planner laid out, which has checked all shapes.
* no parallel=True: the default threading layer aborts the process when two Python threads call at once.
* no reference counts: arrays are views of memory that another object owns.
* no wrappers: a kernel is called through its address, by other kernels or by ctypes, never as a Python function.

Numba itself is imported when the first kernel has to be compiled, which `cache.py` makes rare.  So what the kernels' files
take from Numba is a `Later`, and a kernel is compiled from a copy of its function whose globals are the real things.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, get_type_hints

import numpy as np

from npfaceapi.engines.numba import cache, numba_internals
from npfaceapi.engines.numba.numba_internals import COMPILES_NOTHING, HIDDEN_ARGUMENTS
from npfaceapi.errors import BackendUnavailable
from npfaceapi.locks import ForkSafeLock

__all__ = [
    "ADDRESS", "FLOAT32", "INT64", "KERNELS", "Kernel", "Later", "cgutils", "compiled", "float32", "float64", "int64",
    "intrinsic", "jitted", "kernel", "numba_type", "types", "uintp",
]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])

_FLAGS: dict[str, Any] = {
    "error_model": "numpy", "fastmath": {"contract"}, "boundscheck": False, "nogil": True, **numba_internals.BARE,
}  # fmt: skip
INT64, FLOAT32, ADDRESS = ctypes.c_int64, ctypes.c_float, ctypes.c_size_t  # what kernels take
_AS_NUMBA = {INT64: "int64", FLOAT32: "float32", ADDRESS: "uintp"}
_MAY_CALL = {"sched_yield", "usleep"}  # besides LLVM's own functions, which are those of libm; anything else may be Numba's

KERNELS: list[Kernel] = []  #: all, as their modules are imported

_unused = (ctypes.c_int64 * HIDDEN_ARGUMENTS)()
_HIDDEN = [ctypes.addressof(_unused) + 8 * k for k in range(HIDDEN_ARGUMENTS)]  # for what a kernel returns or raises: nothing
_compiling = ForkSafeLock()


class Later:
    """Something that is made when the first kernel that needs it is compiled.

    Attributes
    ----------
    plain
        What stands for it where a kernel runs as plain Python; None where no kernel of a step uses it.
    """

    def __init__(self, make: Callable[[], Any], plain: Any = None) -> None:
        self._make: Callable[[], Any] | None = make
        self._value: Any = None
        self.plain = plain

    @property
    def value(self) -> Any:
        if self._make is not None:
            self._value, self._make = self._make(), None
        return self._value


def _from_numba(name: str, plain: Any = None) -> Any:
    return Later(lambda: getattr(importlib.import_module("numba"), name), plain)


float32, float64 = _from_numba("float32", np.float32), _from_numba("float64", float)
int64, uintp, types = _from_numba("int64", int), _from_numba("uintp", int), _from_numba("types")
cgutils: Any = Later(numba_internals.code_building)

_scopes: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}  # a module's globals, and these with the real things
_incomplete: list[int] = []


def _bound(function: Callable[..., Any]) -> Any:
    """A copy of the function, in the scope that `_complete` will fill."""
    assert isinstance(function, FunctionType)
    names = function.__globals__
    if id(names) not in _scopes:
        _scopes[id(names)] = names, {}
        _incomplete.append(id(names))
    scope = _scopes[id(names)][1]
    return FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)


def _complete() -> None:
    """Fill all scopes; functions in them add their own."""
    while _incomplete:
        names, scope = _scopes[_incomplete.pop()]
        scope.update({name: value.value if isinstance(value, Later) else value for name, value in list(names.items())})


_plain_scopes: dict[int, dict[str, Any]] = {}


def _plain(function: Any) -> Any:
    """A copy of the function that Python runs: what it calls is plain too."""
    names = function.__globals__
    scope = _plain_scopes.get(id(names))
    if scope is None:
        scope = {name: value.plain if isinstance(value, Later) else value for name, value in list(names.items())}
        _plain_scopes[id(names)] = scope  # whole: another thread may take it now
    return FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Numba's intrinsic: a function that jitted code calls, given as LLVM instructions; its `plain` may be set."""

    def make() -> Any:
        from numba.extending import intrinsic as numbas

        decorate: Any = numbas  # its annotations are those of an undecorated function
        return decorate(_bound(function))

    return Later(make)


def jitted(*, exact: bool = False) -> Callable[[Function], Function]:
    """A function that kernels call, compiled with them.

    `exact` code rounds after each operation, as NumPy does: no fused multiply-adds.
    """

    def decorate(function: Any) -> Any:
        return Later(lambda: _njit(function, exact), lambda *arguments: _plain(function)(*arguments))

    return decorate


def _njit(function: Callable[..., Any], exact: bool, *signature: Any) -> Any:
    import numba

    if numba_internals.compiles_nothing():  # by what has changed since this backend was chosen
        raise BackendUnavailable(f"numba: {COMPILES_NOTHING}")
    bound = _bound(function)
    if signature:  # it is compiled at once
        _complete()
    return numba.njit(*signature, **{**_FLAGS, "fastmath": False} if exact else _FLAGS)(bound)


def numba_type(argument: Any) -> Any:
    """Numba's type of a kernel's argument.

    A dtype stands for a pointer to a struct of that dtype; a named tuple, whose fields are annotated with what kernels take,
    for its fields one after the other.
    """
    from numba import from_dtype, types

    if isinstance(argument, np.dtype):
        return types.CPointer(from_dtype(argument))
    if issubclass(argument, tuple):
        kinds = get_type_hints(argument, include_extras=True).values()
        return types.NamedTuple([numba_type(kind.__metadata__[0]) for kind in kinds], argument)
    return getattr(types, _AS_NUMBA[argument])


class Kernel:
    """A function compiled on its own, on first need, and called through its address.

    Linking it into every caller would compile it again each time.  The address is different in every process, so it stands
    in the tables that are built at run time, never in cached code.

    A native function of Numba's takes addresses before its own arguments (see HIDDEN_ARGUMENTS), for what a kernel does not
    have: a result, and something to raise.
    """

    def __init__(self, function: Callable[..., None], *arguments: Any, exact: bool = False) -> None:
        self._function, self._arguments, self._exact = function, arguments, exact
        self._address = 0
        self._call: Callable[..., Any] | None = None
        KERNELS.append(self)
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"

    def prepare(self) -> None:
        """Have it compiled, or loaded if it was compiled before."""
        if not self._address:
            with _compiling:
                self._address = self._address or cache.load(self.name) or self._compile()

    @property
    def plain(self) -> Callable[..., None]:
        """The same as Python runs it, line by line in a debugger; where the machine code takes the address of params, the params.

        What it computes is rounded a little differently; simd/plain.py stands for the vector code.
        """
        function: Callable[..., None] = _plain(self._function)
        return function

    @property
    def address(self) -> int:
        self.prepare()
        return self._address

    def __call__(self, *arguments: Any) -> None:
        """Call it from Python, with integers and addresses; other threads go on meanwhile."""
        if self._call is None:
            kinds = [ADDRESS if isinstance(a, np.dtype) else a for a in self._arguments]
            self._call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ADDRESS] * HIDDEN_ARGUMENTS, *kinds)(self.address)
        self._call(*_HIDDEN, *arguments)

    def _compile(self) -> int:
        _announce()
        from numba import types

        signature = types.void(*map(numba_type, self._arguments))
        dispatcher = _njit(self._function, self._exact, signature)
        self._dispatcher = dispatcher  # owns the code
        code = numba_internals.machine_code(dispatcher, signature.args)
        if _stands_alone(code.module):
            cache.keep(self.name, code.symbol, code.object_file)
        return code.address


def _stands_alone(module: str) -> bool:
    """Whether the code calls nothing that only a process with Numba has: LLVM aborts the process at an unknown symbol."""
    import llvmlite.binding as llvm

    functions = llvm.parse_assembly(module).functions
    called = {f.name for f in functions if f.is_declaration and not f.name.startswith("llvm.")}
    return called <= _MAY_CALL


def kernel(params: np.dtype[Any], *, exact: bool = False) -> Callable[[Callable[..., None]], Kernel]:
    """Make `function(params, memory, scratch, chunk, chunks)` a step's kernel; `params` points to a struct of that dtype."""
    return lambda function: Kernel(function, params, INT64, INT64, INT64, INT64, exact=exact)


def compiled(*arguments: Any, exact: bool = False) -> Callable[[Callable[..., None]], Kernel]:
    """Make a function a kernel with these arguments, INT64, FLOAT32 or ADDRESS each."""
    return lambda function: Kernel(function, *arguments, exact=exact)


@functools.cache
def _announce() -> None:
    """Say at a terminal why nothing happens for some seconds; and everywhere if that will be so in every process."""
    from npfaceapi.display.standard_error import is_terminal, say

    if cache.cache_folder() is None:
        say("npfaceapi: compiling kernels, in each process anew: there is no folder to keep them that we alone can write")
    elif is_terminal():
        say("compiling kernels, once on this machine…")
