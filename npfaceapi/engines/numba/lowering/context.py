"""What the params of all kernels point to: constants, tables of pixels, packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npfaceapi.engines.fusion import Fused
from npfaceapi.engines.numba.planner import Call, MemoryPlan
from npfaceapi.engines.numba.simd.emit import CLAMPED, LIMITED, SCALED, SLOPED
from npfaceapi.engines.numba.workspace import ALIGNMENT, FeatureMap, round_up
from npfaceapi.graph import Node

__all__ = ["LoweringContext", "chunks_for"]

Array = np.ndarray[Any, Any]

CHUNK_WORK = 100_000  # multiply-adds that are worth a chunk, 1 to 3 microseconds


def chunks_for(work: int, most: int) -> int:
    """Into how many chunks a call may be cut, by its multiply-adds, and at most `most`."""
    return max(1, min(work // CHUNK_WORK, most))


class LoweringContext:
    """The memory plan, and the constants of its calls.

    Attributes
    ----------
    kept : list of ndarray
        What the addresses in params point to.
    scratch_bytes : int
        Scratch memory per thread.
    """

    def __init__(self, memory_plan: MemoryPlan) -> None:
        self.memory_plan = memory_plan
        self.kept: list[Array] = []
        self._packed: list[Array] = []
        self._packed_bytes = 0
        self.scratch_bytes = 64

    def feature_map(self, node: Node) -> FeatureMap:
        """The feature map that holds a node's value."""
        return self.memory_plan.feature_maps[node]

    def need_scratch(self, size: int) -> None:
        """A call needs `size` bytes of scratch memory per thread."""
        self.scratch_bytes = max(self.scratch_bytes, size)

    def address(self, values: Array, dtype: Any = np.float32) -> int:
        """The address of a constant."""
        self.kept.append(np.ascontiguousarray(values, dtype))
        return int(self.kept[-1].ctypes.data)

    def weights(self, packed: Array) -> int:
        """Where packed weights will lie in the block that `place_weights` makes, in bytes from its start."""
        offset = self._packed_bytes
        self._packed.append(packed)
        self._packed_bytes += round_up(packed.nbytes, ALIGNMENT)
        return offset

    def place_weights(self, calls: Sequence[Call]) -> list[Call]:
        """All packed weights in one block, in the order in which the calls read them: see kernels/gemm.py for why."""
        block: Array = np.empty(self._packed_bytes + ALIGNMENT, np.uint8)
        block = block[-block.ctypes.data % ALIGNMENT :]
        self.kept.append(block)
        offset, start = 0, block.ctypes.data
        for packed in self._packed:
            block[offset : offset + packed.nbytes] = packed.reshape(-1).view(np.uint8)
            offset += round_up(packed.nbytes, ALIGNMENT)
        self._packed.clear()
        placed = [{**call.values, "w": start + call.values["w"]} if "w" in call.values else call.values for call in calls]
        return [call._replace(values=values) for call, values in zip(calls, placed, strict=True)]

    def row_of(self, values: Array, feature_map: FeatureMap) -> int:
        """The address of one number per float of a row of the feature map, from one per channel."""
        pixel = np.zeros(feature_map.cp, np.float32)
        pixel[: values.size] = values
        return self.address(np.tile(pixel, feature_map.W))

    def constants_of(self, step: Fused, C: int) -> int:
        """The address of [4,C]: before (the bias included), scale, after, alpha of a step."""
        constants, bias = step.constants, step.params.get("bias", np.zeros(1))
        table = np.zeros((4, C), np.float32)
        table[:, : constants.scale.size] = (constants.before + bias, constants.scale, constants.after, step.activation.alpha)
        return self.address(table)

    @staticmethod
    def epilogue_of(step: Fused) -> int:
        """Flags for the parts of the epilogue that do something."""
        scale, after, alpha = step.constants.scale, step.constants.after, step.activation.alpha
        epilogue = SCALED if (scale != 1).any() or after.any() else 0
        if not alpha.any():
            epilogue |= CLAMPED
        elif (alpha != 1).any():
            epilogue |= SLOPED
        return epilogue | LIMITED if np.isfinite(step.activation.highest) else epilogue
