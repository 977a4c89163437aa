"""Which calls a step takes, and those before the first step and after the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from npfaceapi.engines.numba.lowering import convolve, pool, rows
from npfaceapi.engines.numba.lowering.context import LoweringContext
from npfaceapi.engines.numba.lowering.memory import halo
from npfaceapi.engines.numba.lowering.winograd import convolution_by_tiles
from npfaceapi.engines.numba.planner import Call, PlannedStep
from npfaceapi.engines.numba.workspace import FeatureMap
from npfaceapi.graph import Node

__all__ = ["calls_of", "load_input", "store_outputs"]


def _convolution(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    return (convolution_by_tiles if step.tile else convolve.convolution)(context, step, out)


_KINDS: dict[str, Callable[[LoweringContext, PlannedStep, FeatureMap], list[Call]]] = {
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


def calls_of(context: LoweringContext, step: PlannedStep) -> list[Call]:
    """The calls of a step."""
    if step.node in context.memory_plan.direct:
        return rows.joined_for_caller(context, step)
    out = context.feature_map(step.node)
    return [*halo(out), *_KINDS[step.kind](context, step, out)]


def load_input(context: LoweringContext) -> list[Call]:
    """The caller's image into the workspace, if some step needs it there."""
    memory_plan = context.memory_plan
    if not memory_plan.loads_input:
        return []
    out = context.feature_map(memory_plan.input)
    return [*halo(out), rows.load(context, memory_plan.input, out)]


def store_outputs(context: LoweringContext, outputs: Sequence[Node]) -> list[Call]:
    """The outputs into the caller's arrays, except those that are there already."""
    return [rows.store(context, k, node) for k, node in enumerate(outputs) if node not in context.memory_plan.direct]
