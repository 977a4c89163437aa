"""Dense layer: y[o] = act((sum over c of x[c] * w[c,o] + before[o]) * scale[o] + after[o]), a convolution of a single pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.numba.convolution import accumulate, activate
from npfaceapi.engines.numba.jit import kernel

__all__ = ["dense"]

Array = np.ndarray[Any, Any]


@kernel
def dense(
    x: Array,
    w: Array,
    before: Array,
    scale: Array,
    after: Array,
    alpha: Array,
    highest: float,
    out: Array,
    start: int,
    stop: int,
) -> None:
    """Images start..stop: x [N,Ci] times w [Ci,Co] to out [N,Co]."""
    for n in range(start, stop):
        out[n, :] = 0
        accumulate(out[n], x[n], w)
        for o in range(w.shape[1]):
            out[n, o] = (out[n, o] + before[o]) * scale[o] + after[o]
        activate(out[n], alpha, highest)
