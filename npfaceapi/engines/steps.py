"""What the steps of a planned network do, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from npfaceapi.graph import Node

__all__ = ["Step", "table_of_steps"]


class Step(NamedTuple):
    """What one step of a program does: `name` is that of the node whose value it stores, `nodes` are all that it computes."""

    name: str
    nodes: tuple[Node, ...]
    shape: tuple[int, ...]
    macs: int
    method: str = ""  # how, where there is a choice


def table_of_steps(steps: Sequence[Step], microseconds: Sequence[float] | None = None) -> str:
    """One line per step: what is computed together, the shape of the result, multiply-accumulates for one image, time."""
    from npfaceapi.display.plain_table import format_table

    header = ["step", "computes", "shape", "MACs"]
    rows: list[list[object]] = []
    for step in steps:
        operations = " + ".join(n.op for n in step.nodes) + (f" ({step.method})" if step.method else "")
        rows.append([step.name, operations, "x".join(map(str, step.shape)) or "1", f"{step.macs:,}"])
    rows.append(["all steps", "", "", f"{sum(step.macs for step in steps):,}"])
    if microseconds is None:
        return format_table(header, rows, right=(3,))
    macs, total = [step.macs for step in steps], sum(microseconds)
    for row, n, time in zip(rows, [*macs, sum(macs)], [*microseconds, total], strict=True):
        row += [f"{time:,.1f}", f"{100 * time / total:.1f}" if total else "", f"{2 * n / time / 1e3:.1f}" if n and time else ""]
    return format_table([*header, "µs", "% of time", "GFLOP/s"], rows, right=(3, 4, 5, 6))
