"""The halo of a feature map: the params of kernels/memory.py."""

from __future__ import annotations

from npfaceapi.engines.numba.kernels.memory import HALO, zero_halo
from npfaceapi.engines.numba.planner import Call
from npfaceapi.engines.numba.workspace import FeatureMap

__all__ = ["halo"]


def halo(feature_map: FeatureMap) -> list[Call]:
    """Zeros around the feature map, if it has a halo."""
    if not any(feature_map.halo):
        return []
    sides = dict(zip(("top", "bottom", "left", "right"), feature_map.halo, strict=True))
    values = {"offset": feature_map.offset, "H": feature_map.H, "W": feature_map.W, "C": feature_map.cp, **sides}
    return [Call(zero_halo, HALO, values)]
