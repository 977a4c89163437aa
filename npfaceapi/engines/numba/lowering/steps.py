"""Which calls a step takes, and those before the first step and after the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from npfaceapi.engines.numba.lowering import convolve, pool, rows
from npfaceapi.engines.numba.lowering.memory import halo
from npfaceapi.engines.numba.lowering.records import Records
from npfaceapi.engines.numba.lowering.winograd import convolution_by_tiles
from npfaceapi.engines.numba.planner import Call, PlannedStep
from npfaceapi.engines.numba.workspace import Image
from npfaceapi.graph import Node

__all__ = ["calls_of", "load_input", "store_outputs"]


def _convolution(records: Records, step: PlannedStep, out: Image) -> list[Call]:
    return (convolution_by_tiles if step.tile else convolve.convolution)(records, step, out)


_KINDS: dict[str, Callable[[Records, PlannedStep, Image], list[Call]]] = {
    "conv2d": _convolution,
    "depthwise_conv2d": convolve.depthwise_convolution,
    "dense": convolve.dense,
    "affine": rows.affine,
    **dict.fromkeys(rows.OPERATIONS, rows.pair),
    **dict.fromkeys(("max_pool", "avg_pool", "mean"), pool.pool),
    **dict.fromkeys(("sigmoid", "softmax"), rows.pixelwise),
    **dict.fromkeys(("reshape", "concat"), rows.joined),
    "pad": rows.pad,
}


def calls_of(records: Records, step: PlannedStep) -> list[Call]:
    """The calls of a step."""
    out = records.image(step.node)
    return [*halo(out), *_KINDS[step.kind](records, step, out)]


def load_input(records: Records) -> list[Call]:
    """The caller's image into the workspace, if some step needs it there."""
    layout = records.layout
    if not layout.loads_input:
        return []
    out = records.image(layout.input)
    return [*halo(out), rows.load(records, layout.input, out)]


def store_outputs(records: Records, outputs: Sequence[Node]) -> list[Call]:
    """The outputs into the caller's arrays."""
    return [rows.store(records, k, node) for k, node in enumerate(outputs)]
