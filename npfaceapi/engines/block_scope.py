"""What a choice for a `with` block has in common: it holds in this thread or asyncio task alone, and does nothing before."""

from __future__ import annotations

import warnings
from contextvars import ContextVar
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["BlockScope"]

Value = TypeVar("Value")


class BlockScope(Generic[Value]):
    """A value that `innermost()` gives while a `with` block runs.

    A subclass names its context variable and, for the warning, what to call instead for the whole process.
    """

    _blocks: ClassVar[ContextVar[tuple[Any, Any] | None]]  # the innermost block's value, and the blocks around it
    _instead: ClassVar[str]
    _was_entered = True  # unless the object comes to be made

    def __init__(self, value: Value) -> None:
        self._value = value
        self._was_entered = False

    @classmethod
    def innermost(cls) -> Value | None:
        """The value of the innermost block of this thread or asyncio task; None outside of all."""
        blocks: tuple[Value, object] | None = cls._blocks.get()
        return None if blocks is None else blocks[0]

    def __enter__(self) -> None:
        self._was_entered = True
        self._blocks.set((self._value, self._blocks.get()))

    def __exit__(self, *_: object) -> None:
        blocks = self._blocks.get()
        self._blocks.set(None if blocks is None else blocks[1])

    def __del__(self) -> None:
        if not self._was_entered:
            text = f"{type(self).__name__} only acts in a with block; use {self._instead}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
