"""What threads need that Numba does not offer: atomic operations, a pause while spinning, calls through an address.

docs/platforms.md gives the memory order of each access, which matters on processors with a weak memory model.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

from llvmlite import ir

from npfaceapi.engines.numba.jit import intrinsic, types
from npfaceapi.engines.numba.simd.emit import INTS, call_address

__all__ = [
    "atomic_add",
    "atomic_load",
    "atomic_replace",
    "atomic_store",
    "call_kernel",
    "pause",
    "sleep_thread",
    "yield_thread",
]


@intrinsic
def atomic_add(context: Any, address: Any, value: Any) -> Any:
    """Add the value to the int64 at that address; returns what was there before."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", builder.inttoptr(values[0], INTS), values[1], "seq_cst")

    return types.int64(types.uintp, types.int64), codegen


@intrinsic
def atomic_replace(context: Any, address: Any, expected: Any, value: Any) -> Any:
    """Compare and swap: the int64 at that address becomes `value` if it is `expected`; returns what was there before."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pair = builder.cmpxchg(builder.inttoptr(values[0], INTS), values[1], values[2], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 0)

    return types.int64(types.uintp, types.int64, types.int64), codegen


@intrinsic
def atomic_load(context: Any, address: Any) -> Any:
    """The int64 at that address, as last written by any thread."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(values[0], INTS), "seq_cst", 8)

    return types.int64(types.uintp), codegen


@intrinsic
def atomic_store(context: Any, address: Any, value: Any) -> Any:
    """Set the int64 at that address; a thread that sees the value sees all that this one did before."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[1], builder.inttoptr(values[0], INTS), "release", 8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.int64), codegen


def _declared(module: Any, result: Any, name: str, *arguments: Any) -> Any:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, arguments), name)


@intrinsic
def pause(context: Any) -> Any:
    """Tell the processor that this is a spin loop; nothing where it has no such instruction."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if platform.machine() in ("x86_64", "AMD64"):
            builder.call(_declared(builder.module, ir.VoidType(), "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def yield_thread(context: Any) -> Any:
    """Let another thread run on this processor."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if sys.platform != "win32":
            builder.call(_declared(builder.module, ir.IntType(32), "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def sleep_thread(context: Any, microseconds: Any) -> Any:
    """Leave this processor idle for at least so long, so that the system moves a thread that waits elsewhere to it."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if sys.platform != "win32":
            function = _declared(builder.module, ir.IntType(32), "usleep", ir.IntType(32))
            builder.call(function, [builder.trunc(values[0], ir.IntType(32))])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def call_kernel(context: Any, kernel: Any, params: Any, memory: Any, scratch: Any, chunk: Any, chunks: Any) -> Any:
    """Call the kernel at that address: see `kernels/__init__.py` for what all kernels take."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        call_address(builder, values[0], values[1:])
        return context.get_dummy_value()

    return types.void(types.uintp, *[types.int64] * 5), codegen
