"""The epilogue of a sum before it is stored: constants, residual, activation."""

from __future__ import annotations

from typing import Any

from npfaceapi.engines.cuda.jit import device_function, fma, index

__all__ = ["activated", "epilogue"]


@device_function
def activated(y: Any, alpha: Any, highest: Any) -> Any:
    """min(y if y > 0 else alpha * y, highest), where NaN stays NaN."""
    v = y if y > 0 else alpha * y
    return highest if v > highest else v


@device_function
def epilogue(total: Any, weights: Any, at: Any, C: Any, added: Any, highest: Any) -> Any:
    """act((total + before) * scale + after + added), with before, scale, after, alpha at weights[at], [at + C], ..."""
    y = fma(total + weights[index(at)], weights[index(at + C)], weights[index(at + 2 * C)])
    return activated(y + added, weights[index(at + 3 * C)], highest)
