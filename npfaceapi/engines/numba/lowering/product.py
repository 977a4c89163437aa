"""What the matrix product of kernels/gemm.py reads of a record: its sums cut to chains, its weights packed."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.fusion import Fused
from npfaceapi.engines.numba.kernels.gemm import gemm, pack_weights
from npfaceapi.engines.numba.lowering.records import Records
from npfaceapi.engines.numba.workspace import Image

__all__ = ["product", "runs_of"]

Array = np.ndarray[Any, Any]

CHAIN = 64  # the usual length of a chain of additions: see simd/tile.py
LONGEST_CHAIN = 150  # where the usual length does not fit; the recognition net's error stays below that of ONNX Runtime


def product(records: Records, step: Fused, w: Array, runs: tuple[Array, int], pixels: Array, N: int) -> dict[str, Any]:
    """The part of a record that says which products are added up, and what follows the sum.

    Parameters
    ----------
    w : ndarray
        Weights [...,K,Co].
    runs : (ndarray, int)
        Where the runs of inputs of one output start, and their length.
    pixels : ndarray
        Where the inputs of each output pixel start.
    N : int
        Output channels, padded.
    """
    starts, R, chained = _chains(*runs)
    return {
        "gemm": gemm.address, "pixel": records.address(pixels, np.int64), "run": records.address(starts, np.int64),
        "chains": len(starts) // chained, "runs": chained, "R": R, "w": records.weights(pack_weights(w, N)), "N": N,
        "constants": records.constants_of(step, N), "finish": records.finish_of(step), "highest": step.activation.highest,
    }  # fmt: skip


def runs_of(x: Image, w: Array) -> tuple[Array, int]:
    """Where the runs of inputs of one output start, relative to its first input, and their length."""
    KH, KW, Ci, _ = w.shape
    if x.cp == Ci:
        return np.arange(KH) * x.row, KW * Ci
    return (np.arange(KH)[:, None] * x.row + np.arange(KW) * x.cp).reshape(-1), Ci


def _chains(starts: Array, R: int) -> tuple[Array, int, int]:
    """Runs cut to at most CHAIN numbers, and how many of them make a chain."""
    length = next(d for d in range(min(R, CHAIN), 0, -1) if R % d == 0)
    if length < CHAIN // 8:  # no good divisor: leave the runs whole
        length = R
    starts = (starts[:, None] + np.arange(0, R, length)).reshape(-1)
    divisors = [n for n in range(1, len(starts) + 1) if len(starts) % n == 0]
    chained = max(n for n in divisors if n == 1 or n * length <= CHAIN)
    if chained * length < CHAIN // 2:  # adding up so many short chains costs more than a longer one errs
        chained = max(n for n in divisors if n == chained or n * length <= LONGEST_CHAIN)
    return starts, length, chained
