"""Steps over whole rows of numbers, and the caller's own arrays: the params of kernels/rows.py."""

from __future__ import annotations

import math

import numpy as np

from npfaceapi.engines.fusion import Activation, Constants
from npfaceapi.engines.numba.kernels import rows as kernels
from npfaceapi.engines.numba.lowering.context import LoweringContext, chunks_for
from npfaceapi.engines.numba.planner import Call, PlannedStep, pixels_of
from npfaceapi.engines.numba.workspace import FeatureMap
from npfaceapi.graph import Node

__all__ = ["affine", "joined", "joined_for_caller", "load", "pad", "pair", "pixelwise", "store"]

EXPONENTIAL = 200  # an exponential function and a division take as long as so many multiply-adds
OPERATIONS = ("add", "subtract", "multiply", "divide")  # their numbers in the params


def _chunks(out: FeatureMap) -> int:
    return chunks_for(out.H * out.W * out.cp * 8, out.H)


def affine(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    return [_affine(context, step.inputs[0], out, step.constants, step.activation)]


def load(context: LoweringContext, source: Node, out: FeatureMap) -> Call:
    """The caller's image into the workspace."""
    return _affine(context, source, out, Constants.none(out.C), Activation(np.ones(out.C)))


def _affine(context: LoweringContext, source: Node, out: FeatureMap, constants: Constants, activation: Activation) -> Call:
    parts = (constants.before, constants.scale, constants.after)
    before, scale, after = (context.row_of(values, out) for values in parts)
    values = {
        "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
        "before": before, "scale": scale, "after": after,
        "alpha": context.row_of(activation.alpha, out), "highest": activation.highest,
    }  # fmt: skip
    if source is context.memory_plan.input:  # straight from the caller's array
        values |= {"x": context.memory_plan.slots, "row": out.W * out.C, "x_C": out.C, "slot": 1}
    else:
        x = context.feature_map(source)
        values |= {"x": x.at(), "row": x.row, "x_C": x.cp, "slot": 0}
    return Call(kernels.affine, kernels.AFFINE, values, _chunks(out))


def pair(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    """Two images, number by number."""
    x, y = context.feature_map(step.inputs[0]), context.feature_map(step.inputs[-1])
    values = {
        "x": x.at(), "row": x.row, "y": y.at(), "y_row": y.row, "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W,
        "C": out.cp, "real_C": out.C, "operation": OPERATIONS.index(step.kind),
        "alpha": context.row_of(step.activation.alpha, out), "highest": step.activation.highest,
    }  # fmt: skip
    return [Call(kernels.pair, kernels.PAIR, values, _chunks(out))]


def pad(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    x, attributes = context.feature_map(step.inputs[0]), step.first.attributes
    before = {"top": attributes["rows"][0], "left": attributes["columns"][0], "first": attributes["channels"][0]}
    values = {
        "x": x.at(), "row": x.row, "x_C": x.cp, "x_H": x.H, "x_W": x.W, "real_C": x.C, **before,
        "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
    }  # fmt: skip
    return [Call(kernels.pad, kernels.PAD, values, _chunks(out))]


def pixelwise(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    """sigmoid and softmax."""
    x = context.feature_map(step.inputs[0])
    values = {
        "x": x.at(), "row": x.row, "x_C": x.cp, "out": out.at(), "out_row": out.row, "H": out.H, "W": out.W, "C": out.cp,
        "real_C": out.C,
    }  # fmt: skip
    kernel = kernels.sigmoid if step.kind == "sigmoid" else kernels.softmax
    return [Call(kernel, kernels.PIXELWISE, values, chunks_for(out.H * out.W * out.C * EXPONENTIAL, out.H))]


def joined(context: LoweringContext, step: PlannedStep, out: FeatureMap) -> list[Call]:
    """concat and reshape: the inputs' numbers one after the other."""
    return _joined(
        context, step, {"out": out.at(), "slot": 0, "out_row": out.row, "out_cp": out.cp, "out_W": out.W, "out_C": out.C}
    )


def joined_for_caller(context: LoweringContext, step: PlannedStep) -> list[Call]:
    """The same, into the caller's array."""
    return _joined(context, step, _of_caller(context, context.memory_plan.outputs.index(step.node), step.node))


def _joined(context: LoweringContext, step: PlannedStep, target: dict[str, int]) -> list[Call]:
    calls, skip = [], 0
    for x in step.inputs:
        calls.append(_copy(context.feature_map(x), target, skip))
        skip += math.prod(x.shape)
    return calls


def store(context: LoweringContext, k: int, node: Node) -> Call:
    """Output number k into the caller's array."""
    return _copy(context.feature_map(node), _of_caller(context, k, node), 0)


def _of_caller(context: LoweringContext, k: int, node: Node) -> dict[str, int]:
    """The part of COPY's params that says where the caller's array for output number k lies."""
    _, W, C = pixels_of(node.shape)
    slot = context.memory_plan.slots + 8 * (1 + k)
    return {"out": slot, "slot": 1, "out_row": W * C, "out_cp": C, "out_W": W, "out_C": C}


def _copy(x: FeatureMap, target: dict[str, int], skip: int) -> Call:
    values = {"x": x.at(), "row": x.row, "x_C": x.cp, "H": x.H, "W": x.W, "C": x.C, **target, "skip": skip}
    return Call(kernels.copy, kernels.COPY, values)
