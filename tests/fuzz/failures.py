"""Injects one failure at a time: the n-th file system call, or the n-th allocation of NumPy, fails; for every n, or for some."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

__all__ = ["CountedAllocations", "CountedCalls"]


class CountedCalls(contextlib.AbstractContextManager["CountedCalls"]):
    """Counts the calls of `open`, `write`, `rename`, `fsync` and so on that npfaceapi makes; the one numbered `fails` fails.

    The error is that of a full disk.
    """

    def __init__(self, fails: int = -1) -> None:
        self.fails, self.count, self.failed = fails, 0, ""
        self._patched: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> CountedCalls:
        names = ("open", "replace", "rename", "fsync", "mkdir", "unlink", "write", "stat", "scandir", "fdopen")
        for owner, name in ((builtins, "open"), (io, "open"), *((os, name) for name in names)):
            original = getattr(owner, name)
            self._patched.append((owner, name, original))
            setattr(owner, name, self._counted(name, original))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, original in self._patched:
            setattr(owner, name, original)

    def _counted(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if not _is_ours(sys._getframe(1)):
                return original(*arguments, **keywords)
            self._next(name)
            result = original(*arguments, **keywords)
            if isinstance(result, (io.BufferedWriter, io.TextIOWrapper)) and result.writable():
                return _Writing(result, self._next)
            return result

        return call

    def _next(self, name: str) -> None:
        self.count += 1
        if self.count - 1 == self.fails:
            self.failed = name
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_ours(frame: Any) -> bool:
    """Whether npfaceapi is the caller, directly or through the standard library's file helpers."""
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("pathlib", "shutil", "tempfile", "os"):
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__", "").startswith("npfaceapi")


class _Writing:
    """A file whose writes are counted."""

    def __init__(self, file: Any, before: Callable[[str], None]) -> None:
        self._file, self._before = file, before

    def write(self, data: Any) -> int:
        self._before("write")
        return int(self._file.write(data))

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Allocator(ctypes.Structure):
    """NumPy's PyDataMemAllocator."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")]


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler."""

    _fields_ = [("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator)]


_SET_HANDLER = 304  # in NumPy's table of C functions, since 1.22


def _functions() -> tuple[Any, ...]:
    """malloc, calloc, realloc and free that count in context[0] and fail when that equals context[1]."""
    from numba import carray, cfunc, njit, types

    libc = ctypes.CDLL(None)
    for name, given in (("malloc", 1), ("calloc", 2), ("realloc", 2), ("free", 1)):
        function = getattr(libc, name)
        function.argtypes, function.restype = [ctypes.c_void_p] * given, None if name == "free" else ctypes.c_void_p
    malloc, calloc, realloc, free = libc.malloc, libc.calloc, libc.realloc, libc.free
    pointer, size = types.voidptr, types.uintp

    @njit
    def due(context):
        counts = carray(context, 2, np.int64)
        counts[0] += 1
        return counts[0] - 1 == counts[1]

    @cfunc(pointer(pointer, size))
    def counted_malloc(context, size):
        return malloc(0xFFFFFFFFFFFF) if due(context) else malloc(size)

    @cfunc(pointer(pointer, size, size))
    def counted_calloc(context, count, size):
        return malloc(0xFFFFFFFFFFFF) if due(context) else calloc(count, size)

    @cfunc(pointer(pointer, pointer, size))
    def counted_realloc(context, memory, size):
        return malloc(0xFFFFFFFFFFFF) if due(context) else realloc(memory, size)

    @cfunc(types.void(pointer, pointer, size))
    def counted_free(context, memory, size):
        free(memory)

    return counted_malloc, counted_calloc, counted_realloc, counted_free


class CountedAllocations(contextlib.AbstractContextManager["CountedAllocations"]):
    """Counts NumPy's array allocations in this thread; number `fails` fails."""

    _kept: ClassVar[list[Any]] = []

    def __init__(self, fails: int = -1) -> None:
        self._counts = np.array([0, fails], np.int64)
        if not self._kept:
            self._kept.extend(_functions())
        addresses = [function.address for function in self._kept[:4]]
        self._handler = _Handler(b"counted", 1, _Allocator(self._counts.ctypes.data, *addresses))
        self._kept.append((self._handler, self._counts))  # arrays may be freed through it much later
        api = ctypes.pythonapi
        api.PyCapsule_New.restype = ctypes.py_object
        api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        api.PyCapsule_GetPointer.restype = ctypes.c_void_p
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        table = api.PyCapsule_GetPointer(_numpy_table(), None)
        address = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[_SET_HANDLER]
        self._set = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(address)
        self._capsule = api.PyCapsule_New(ctypes.addressof(self._handler), b"mem_handler", None)

    @property
    def count(self) -> int:
        return int(self._counts[0])

    def __enter__(self) -> CountedAllocations:
        self._old = self._set(self._capsule)
        return self

    def __exit__(self, *_: object) -> None:
        self._set(self._old)


def _numpy_table() -> Any:
    try:
        from numpy._core import _multiarray_umath
    except ImportError:  # NumPy 1
        from numpy.core import _multiarray_umath
    return _multiarray_umath._ARRAY_API
