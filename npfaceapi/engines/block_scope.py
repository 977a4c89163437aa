"""What a choice for a `with` block has in common: it holds in this thread or asyncio task alone, and does nothing before."""

from __future__ import annotations

import warnings
from contextvars import ContextVar
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["BlockScope"]

Scope = TypeVar("Scope", bound="BlockScope[Any]")
Value = TypeVar("Value")


class BlockScope(Generic[Value]):
    """A value that `innermost()` gives while a `with` block runs.

    A subclass names its context variable and, for the warning, what to call instead for the whole process.
    """

    _blocks: ClassVar[ContextVar[tuple[BlockScope[Any], ...]]]  # those that are entered, the innermost last
    _instead: ClassVar[str]
    _was_entered = True  # unless __init__ completes

    def __init__(self, value: Value) -> None:
        self._value = value
        self._was_entered = False

    @classmethod
    def innermost(cls) -> Value | None:
        """The value of the innermost block of this thread or asyncio task; None outside all."""
        blocks = cls._blocks.get()
        return blocks[-1]._value if blocks else None

    def __enter__(self: Scope) -> Scope:
        self._was_entered = True
        self._blocks.set((*self._blocks.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        """Leave this block, which need not be the innermost: generators end in any order, and perhaps in another task."""
        blocks = self._blocks.get()
        mine = max((i for i, block in enumerate(blocks) if block is self), default=None)
        if mine is not None:
            self._blocks.set(blocks[:mine] + blocks[mine + 1 :])

    def __del__(self) -> None:
        if not self._was_entered:
            text = f"{type(self).__name__} only acts in a with block; use {self._instead}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
