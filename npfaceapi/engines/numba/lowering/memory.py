"""The halo of an image: the record of kernels/memory.py."""

from __future__ import annotations

from npfaceapi.engines.numba.kernels.memory import HALO, zero_halo
from npfaceapi.engines.numba.planner import Call
from npfaceapi.engines.numba.workspace import Image

__all__ = ["halo"]


def halo(image: Image) -> list[Call]:
    """Zeros around the image, if it has a halo."""
    if not any(image.halo):
        return []
    sides = dict(zip(("top", "bottom", "left", "right"), image.halo, strict=True))
    return [Call(zero_halo, HALO, {"offset": image.offset, "H": image.H, "W": image.W, "C": image.cp, **sides})]
