"""The params that the matrix product of kernels/gemm.py reads: its sums cut into partial sums, its weights packed."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.engines.fusion import Fused
from npfaceapi.engines.numba.kernels.gemm import gemm, pack_weights
from npfaceapi.engines.numba.lowering.context import LoweringContext
from npfaceapi.engines.numba.workspace import FeatureMap

__all__ = ["product", "runs_of"]

Array = np.ndarray[Any, Any]

PARTIAL_LENGTH = 64  # the usual length of a partial sum: see simd/tile.py
LONGEST_PARTIAL = 150  # where the usual length does not fit; the recognition net's error stays below that of ONNX Runtime


def product(context: LoweringContext, step: Fused, w: Array, runs: tuple[Array, int], pixels: Array, N: int) -> dict[str, Any]:
    """The part of the params that says which products are added up, and the epilogue.

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
    starts, R, runs_each = _partial_sums(*runs)
    return {
        "gemm": gemm.address, "pixel": context.address(pixels, np.int64), "run": context.address(starts, np.int64),
        "partials": len(starts) // runs_each, "runs": runs_each, "R": R, "w": context.weights(pack_weights(w, N)), "N": N,
        "constants": context.constants_of(step, N), "epilogue": context.epilogue_of(step), "highest": step.activation.highest,
    }  # fmt: skip


def runs_of(x: FeatureMap, w: Array) -> tuple[Array, int]:
    """Where the runs of inputs of one output start, relative to its first input, and their length."""
    KH, KW, Ci, _ = w.shape
    if x.cp == Ci:
        return np.arange(KH) * x.row, KW * Ci
    return (np.arange(KH)[:, None] * x.row + np.arange(KW) * x.cp).reshape(-1), Ci


def _partial_sums(starts: Array, R: int) -> tuple[Array, int, int]:
    """Runs cut to at most PARTIAL_LENGTH numbers, and how many of them make a partial sum."""
    length = next(d for d in range(min(R, PARTIAL_LENGTH), 0, -1) if R % d == 0)
    if length < PARTIAL_LENGTH // 8:  # no good divisor: leave the runs whole
        length = R
    starts = (starts[:, None] + np.arange(0, R, length)).reshape(-1)
    divisors = [n for n in range(1, len(starts) + 1) if len(starts) % n == 0]
    runs_each = max(n for n in divisors if n == 1 or n * length <= PARTIAL_LENGTH)
    if runs_each * length < PARTIAL_LENGTH // 2:  # many short partial sums cost more time than a longer one costs accuracy
        runs_each = max(n for n in divisors if n == runs_each or n * length <= LONGEST_PARTIAL)
    return starts, length, runs_each
