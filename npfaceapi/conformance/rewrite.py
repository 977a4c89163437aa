"""Rewriting a recorded graph: the same network with one change.

The nodes are recorded again, one after the other, by the operations of `ops.py`, which infer the shapes.  A rewrite that makes
shapes incompatible gives None.  The network's own definition is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from npfaceapi import ops
from npfaceapi.errors import InvalidArgument
from npfaceapi.graph import Graph, Node, Recorder

__all__ = ["Change", "again", "rewrite"]

#: (node of the old graph, {old node: new node} so far) to the new node, or None for no change.
Change = Callable[[Node, Mapping[Node, Node]], "Node | None"]


def again(node: Node, new: Mapping[Node, Node], **other: Any) -> Node:
    """Record a node again, with other attributes, parameters (None drops one) or `x`, its first input."""
    inputs = [new[x] for x in node.inputs]
    if "x" in other:
        inputs[0] = other.pop("x")
    params = {**node.params, **{key: value for key, value in other.items() if key in node.params}}
    attributes = {**node.attributes, **{key: value for key, value in other.items() if key not in node.params}}
    if node.op == "concat":
        return ops.concat(inputs)
    if node.op == "reshape":
        wanted = node.attributes["shape"]
        return ops.reshape(inputs[0], (-1, *wanted[1:]) if wanted else wanted)  # the input's size may have changed
    if node.op in ("add", "subtract", "multiply", "divide"):
        y = inputs[1] if len(inputs) > 1 else params.get("y", attributes.get("y"))
        return getattr(ops, node.op)(inputs[0], y)  # type: ignore[no-any-return]
    return getattr(ops, node.op)(*inputs, **{k: v for k, v in params.items() if v is not None}, **attributes)  # type: ignore[no-any-return]


def rewrite(graph: Graph, change: Change) -> tuple[Graph, dict[Node, Node]] | None:
    """Apply `change` to every node: the new graph and a map from old to new nodes; None if nothing changed.

    Examples
    --------
    >>> from npfaceapi import nets
    >>> graph = nets.face_landmark_68_tiny_net.graph()
    >>> wider = lambda node, new: again(node, new, y=256.0) if node.op == "divide" else None
    >>> changed, new = rewrite(graph, wider)
    >>> graph.nodes[2], graph.nodes[2].attributes, changed.nodes[2].attributes
    (<Node divide: divide -> (112, 112, 3)>, {'y': 255.0}, {'y': 256.0})
    """
    recorder = Recorder()
    new: dict[Node, Node] = {graph.input: recorder.add("input", (), graph.input.shape)}
    changed = False
    try:
        for node in graph.nodes[1:]:
            with recorder.inside(node.block):
                other = change(node, new)
                changed = changed or other is not None
                new[node] = again(node, new) if other is None else other
    except (InvalidArgument, ValueError):  # incompatible shapes
        return None
    if not changed:
        return None
    outputs = {name: new[node] for name, node in graph.outputs.items()}
    blocks = {name: new[node] for name, node in graph.blocks.items()}
    return Graph(graph.name, recorder.nodes, outputs, blocks), new
