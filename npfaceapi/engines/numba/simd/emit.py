"""The few operations that the micro-kernels are written in: loads, stores, multiply-adds and loops over vectors of floats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from npfaceapi.engines.numba.jit import Later
from npfaceapi.engines.numba.numba_internals import HIDDEN_ARGUMENTS
from npfaceapi.engines.numba.simd.target import LANES

__all__ = [
    "CLAMPED",
    "FLOAT",
    "FLOATS",
    "INT",
    "INTS",
    "LIMITED",
    "SCALED",
    "SLOPED",
    "VECTOR",
    "Emitter",
    "address_intrinsic",
    "call_address",
]

Value = Any
Body = Callable[[Value, list[Value]], Sequence[Value]]  # of a loop: (index, loop-carried values) to the next carried values

FLOAT, INT = ir.FloatType(), ir.IntType(64)
FLOATS, INTS = FLOAT.as_pointer(), INT.as_pointer()
VECTOR = ir.VectorType(FLOAT, LANES)
_INT32, _INT8 = ir.IntType(32), ir.IntType(8)

#: The parts of `Emitter.epilogue` that do something: a scale or `after`; relu or relu6; any other slope; an upper limit.
SCALED, CLAMPED, SLOPED, LIMITED = 1, 2, 4, 8


class Emitter:
    """Writes the body of one function."""

    def __init__(self, function: Any, builder: Any) -> None:
        self.function, self.builder = function, builder
        self.zero = ir.Constant(VECTOR, None)

    def const(self, value: int) -> Value:
        return ir.Constant(INT, value)

    def vector(self, value: float) -> Value:
        return ir.Constant(VECTOR, [float(value)] * LANES)

    def at(self, pointer: Value, offset: Value | int) -> Value:
        """pointer + offset, in elements."""
        if isinstance(offset, int):
            return pointer if offset == 0 else self.builder.gep(pointer, [self.const(offset)])
        return self.builder.gep(pointer, [offset])

    def load(self, pointer: Value) -> Value:
        """LANES floats; activations and weights may start at any float."""
        return self.builder.load(self.builder.bitcast(pointer, VECTOR.as_pointer()), align=4)

    def store(self, vector: Value, pointer: Value) -> None:
        self.builder.store(vector, self.builder.bitcast(pointer, VECTOR.as_pointer()), align=4)

    def load_int(self, table: Value, index: Value | int) -> Value:
        return self.builder.load(self.at(table, index))

    def splat(self, scalar: Value) -> Value:
        undefined = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT32, LANES), None))

    def _declared(self, name: str, kind: Any) -> Any:
        module = self.function.module
        return module.globals.get(name) or ir.Function(module, kind, name)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once where the processor has an instruction for it."""
        function = self._declared(f"llvm.fmuladd.v{LANES}f32", ir.FunctionType(VECTOR, [VECTOR] * 3))
        return self.builder.call(function, [x, y, z])

    def larger(self, x: Value, y: Value) -> Value:
        """x > y ? x : y, one instruction; y where one of them is NaN."""
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def smaller(self, x: Value, y: Value) -> Value:
        """x < y ? x : y; y where one of them is NaN."""
        return self.builder.select(self.builder.fcmp_ordered("<", x, y), x, y)

    def sloped(self, x: Value, alpha: Value) -> Value:
        """max(x, 0) + alpha * min(x, 0); alpha 1: x itself, 0: relu.  NaN stays NaN, by the order of operands."""
        return self.fma(self.smaller(self.zero, x), alpha, self.larger(self.zero, x))

    def activate(self, x: Value, alpha: Value, highest: Value) -> Value:
        """`sloped`, at most `highest`."""
        return self.smaller(highest, self.sloped(x, alpha))

    def when(self, condition: Value, values: Sequence[Value], body: Callable[[Sequence[Value]], Sequence[Value]]) -> list[Value]:
        """`body(values)` where the condition holds, else the values as they are."""
        return self.choose(condition, lambda: list(body(values)), lambda: list(values))

    def choose(
        self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """The values of `then` or `otherwise`."""
        b = self.builder
        ends = []
        with b.if_else(condition) as branches:
            for branch, body in zip(branches, (then, otherwise), strict=True):
                with branch:
                    ends.append((body(), b.block))
        phis = []
        for k, value in enumerate(ends[0][0]):
            phis.append(b.phi(value.type))
            for values, block in ends:
                phis[-1].add_incoming(values[k], block)
        return phis

    def flag(self, flags: Value, flag: int) -> Value:
        """Whether the bit `flag` is set."""
        return self.builder.icmp_signed("!=", self.builder.and_(flags, self.const(flag)), self.const(0))

    def epilogue(
        self,
        sums: Sequence[Value],
        flags: Value,
        table: Callable[[int, int], Value],
        highest: Value,
        residual: tuple[Value, Callable[[int], Value]] | None = None,
    ) -> list[Value]:
        """What follows the sums of a product: act((sum + before) * scale + after + residual); `flags` skip what does nothing.

        `table(k, i)` is before, scale, after or alpha (k = 0..3) for sum number i; `residual` says whether there is one, and
        gives it for sum number i.
        """
        b = self.builder
        n = range(len(sums))
        ys = [b.fadd(sums[i], table(0, i)) for i in n]
        ys = self.when(self.flag(flags, SCALED), ys, lambda y: [self.fma(y[i], table(1, i), table(2, i)) for i in n])
        if residual is not None:
            ys = self.when(residual[0], ys, lambda y: [b.fadd(y[i], residual[1](i)) for i in n])
        ys = self.when(self.flag(flags, CLAMPED), ys, lambda y: [self.larger(self.zero, y[i]) for i in n])
        ys = self.when(self.flag(flags, SLOPED), ys, lambda y: [self.sloped(y[i], table(3, i)) for i in n])
        return self.when(self.flag(flags, LIMITED), ys, lambda y: [self.smaller(self.splat(highest), y[i]) for i in n])

    def prefetch(self, pointer: Value) -> None:
        """Prefetch a cache line into the L2 cache."""
        bytes_ = _INT8.as_pointer()
        function = self._declared("llvm.prefetch.p0", ir.FunctionType(ir.VoidType(), [bytes_, _INT32, _INT32, _INT32]))
        constants = [ir.Constant(_INT32, v) for v in (0, 2, 1)]  # read, second level, data
        self.builder.call(function, [self.builder.bitcast(pointer, bytes_), *constants])

    def loop(
        self,
        start: Value,
        stop: Value,
        step: int,
        carried: Sequence[Value],
        body: Body,
    ) -> list[Value]:
        """`for i in range(start, stop, step): carried = body(i, carried)`; returns the carried values at the end."""
        b = self.builder
        before = b.block
        head, inside, after = (self.function.append_basic_block(name) for name in ("head", "inside", "after"))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(INT)
        i.add_incoming(start, before)
        phis = []
        for value in carried:
            phi = b.phi(value.type)
            phi.add_incoming(value, before)
            phis.append(phi)
        b.cbranch(b.icmp_signed("<", i, stop), inside, after)
        b.position_at_end(inside)
        new = body(i, list(phis))
        i.add_incoming(b.add(i, self.const(step)), b.block)
        for phi, value in zip(phis, new, strict=True):
            phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return phis

    def repeat(
        self, times: Value, carried: Sequence[Value], body: Callable[[Value, list[Value]], Sequence[Value]]
    ) -> list[Value]:
        """`loop` from 0 for times >= 1: with no test before the first iteration, the last values are still in registers."""
        b = self.builder
        before, inside, after = b.block, *(self.function.append_basic_block(name) for name in ("inside", "after"))
        b.branch(inside)
        b.position_at_end(inside)
        phis = [b.phi(value.type) for value in (times, *carried)]
        for phi, value in zip(phis, (self.const(0), *carried), strict=True):
            phi.add_incoming(value, before)
        new = list(body(phis[0], phis[1:]))
        following = b.add(phis[0], self.const(1))
        for phi, value in zip(phis, (following, *new[: len(carried)]), strict=True):
            phi.add_incoming(value, b.block)
        b.cbranch(b.icmp_signed("<", following, times), inside, after)
        b.position_at_end(after)
        return new


def address_intrinsic(name: str, arguments: Sequence[Any], build: Callable[[Emitter], None], plain: Any) -> Any:
    """A Numba intrinsic whose body `build` emits once per module, as a function of its own.

    `arguments` are LLVM types; a pointer is passed as an unsigned integer, an address.  `plain` does the
    same in NumPy.
    """

    def function_in(module: Any) -> Any:
        symbol = f"npfaceapi_{name}_{LANES}"
        if symbol in module.globals:
            return module.globals[symbol]
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), symbol)
        function.linkage = "internal"
        function.attributes.add("noinline")
        emitter = Emitter(function, ir.IRBuilder(function.append_basic_block("entry")))
        build(emitter)
        emitter.builder.ret_void()
        return function

    def codegen(context: Any, builder: Any, _signature: Any, values: Sequence[Any]) -> Any:
        passed = [builder.inttoptr(v, a) if isinstance(a, ir.PointerType) else v for v, a in zip(values, arguments, strict=True)]
        builder.call(function_in(builder.module), passed)
        return context.get_dummy_value()

    # Numba reads the number of arguments from the signature of the function, so it has to be spelled out
    names = ", ".join(f"a{k}" for k in range(len(arguments)))

    def make() -> Any:
        from numba import types
        from numba.extending import intrinsic

        as_numba = {FLOAT: types.float32, INT: types.intp}
        signature = types.void(*(types.uintp if isinstance(a, ir.PointerType) else as_numba[a] for a in arguments))
        scope: dict[str, Any] = {"typed": lambda: (signature, codegen)}
        exec(f"def {name}(typing_context, {names}):\n    return typed()\n", scope)
        decorate: Any = intrinsic  # its annotations are those of an undecorated function
        return decorate(scope[name])

    return Later(make, plain)


def call_address(builder: Any, address: Value, values: Sequence[Value]) -> None:
    """Call a `Kernel` at that address."""
    with builder.goto_entry_block():  # for what it returns and raises, which is nothing
        unused = [builder.alloca(INT) for _ in range(HIDDEN_ARGUMENTS)]
    kind = ir.FunctionType(_INT32, [*[INTS] * HIDDEN_ARGUMENTS, *[v.type for v in values]])
    builder.call(builder.inttoptr(address, kind.as_pointer()), [*unused, *values])
