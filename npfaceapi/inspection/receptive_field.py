"""Receptive fields: the pixels of the network's input that each position of a layer depends on, from the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from npfaceapi.graph import Graph, Node
from npfaceapi.ops import window_padding

__all__ = ["receptive_fields", "seen"]

Array = np.ndarray[Any, Any]


def receptive_fields(graph: Graph) -> dict[Node, tuple[Array, Array]]:
    """The receptive field of every position of each node.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    dict of Node to (int64 [H,2], int64 [W,2])
        For each row, and for each column, of a node `[H,W,C]`: the first pixel of the input that it depends on, and one
        past the last.  A vector `[C]` and a single number have one row and one column.  Padded zeros depend on no pixel:
        `(0, 0)`.  Nodes reshaped into the rows of a table, such as SSD's predictions, are left out: their positions are no
        longer pixels.

    Examples
    --------
    >>> from npfaceapi import nets
    >>> from npfaceapi.inspection.receptive_field import receptive_fields
    >>> graph = nets.tiny_face_detector.graph()
    >>> rows, columns = receptive_fields(graph)[graph.outputs["grid"]]
    >>> rows.shape, rows[5].tolist()
    ((13, 2), [98, 288])
    """
    fields = {graph.input: tuple(np.arange(n)[:, None] + [0, 1] for n in graph.input.shape[:2])}
    for node in graph:
        if node is not graph.input and all(x in fields for x in node.inputs) and len(node.shape) != 2:
            fields[node] = tuple(_along(node, axis, [fields[x][axis] for x in node.inputs]) for axis in (0, 1))
    return fields  # type: ignore[return-value]  # tuples of two


def seen(graph: Graph) -> dict[Node, str]:
    """The largest receptive field of each node as text, rows x columns: `190x190`."""

    def largest(field: Array) -> int:
        return int((field[:, 1] - field[:, 0]).max())

    return {node: f"{largest(rows)}x{largest(columns)}" for node, (rows, columns) in receptive_fields(graph).items()}


def _along(node: Node, axis: int, inputs: list[Array]) -> Array:
    field = _union(np.stack(inputs))
    if len(node.shape) < 3:  # all positions together
        return _union(field[:, None])
    if node.op == "pad":
        return np.pad(field, (node.attributes["rows" if axis == 0 else "columns"], (0, 0)))
    filters, window = node.params.get("filters"), node.attributes.get("size", 1)
    if filters is not None:
        window = filters.shape[axis]
    stride, padding = node.attributes.get("stride", 1), node.attributes.get("padding", "valid")
    before = window_padding(len(field), window, stride, padding)[0]
    starts = np.arange(node.shape[axis]) * stride - before
    return np.stack([_union(field[max(i, 0) : i + window, None])[0] for i in starts])


def _union(fields: Array) -> Array:
    """[n,positions,2] to [positions,2]: from the first pixel of all to the last, ignoring positions that depend on no pixel."""
    nothing = fields[..., 1] == 0
    first = np.where(nothing, np.iinfo(np.int64).max, fields[..., 0]).min(axis=0)
    last = fields[..., 1].max(axis=0)
    return np.stack([np.where(last == 0, 0, first), last], axis=-1)
