"""The weights of a network in memory, and the programs that backends made from them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from npfaceapi.engines.dispatch import Program
from npfaceapi.locks import ForkSafeLock

__all__ = ["MAX_PROGRAMS", "Loaded", "Made", "Tensors"]

Tensors = dict[str, NDArray[np.float32]]
Made = tuple[Program, tuple[str, ...]]  # a program and the names of its outputs

#: How many programs, one per input shape, outputs and backend, a network keeps; MTCNN's pyramid needs about ten.
MAX_PROGRAMS = 24
#: Tensors of more bytes in total are not kept beside the program made from them, which holds packed copies.
KEPT_BYTES = 8_000_000


class Loaded:
    """The tensors of a network and the programs made from them; replaced as a whole when other weights are loaded.

    Large tensors that can be read again are released once the first program is made.  If they, or another program, are needed
    later, they are read again and then kept.

    Parameters
    ----------
    tensors : dict of str to ndarray
    read_again : callable, optional
        Returns the same tensors again.
    always : sequence of str
        Names of tensors that decoding needs at every call.

    Attributes
    ----------
    is_bundled : bool
        Whether the tensors are the bundled ones, which can be read again.
    """

    def __init__(self, tensors: Tensors, read_again: Callable[[], Tensors] | None = None, always: Sequence[str] = ()) -> None:
        large = sum(tensor.nbytes for tensor in tensors.values()) > KEPT_BYTES
        self.is_bundled = read_again is not None
        self._tensors: Tensors | None = tensors
        self._read_again = read_again if large else None
        self._always = {name: tensors[name] for name in always}
        self.programs: OrderedDict[Hashable, Made] = OrderedDict()
        self._lock = ForkSafeLock()

    @property
    def tensors(self) -> Tensors:
        """All tensors by name; once asked for, they are kept."""
        with self._lock:
            if self._tensors is None:
                assert self._read_again is not None
                self._tensors = self._read_again()
            self._read_again = None
            return self._tensors

    def tensor(self, name: str) -> NDArray[np.float32]:
        """One tensor."""
        return self._always[name] if name in self._always else self.tensors[name]

    def program(self, key: Hashable, make: Callable[[Tensors], Made]) -> Made:
        """The program for a key, made from the tensors on first use."""
        with self._lock:
            if key not in self.programs:
                self.programs[key] = make(self._tensors or self.tensors)
                if self._read_again is not None:
                    self._tensors = None
            self.programs.move_to_end(key)
            while len(self.programs) > MAX_PROGRAMS:
                self.programs.popitem(last=False)
            return self.programs[key]
