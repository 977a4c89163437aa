"""Graphs as text for other programs: the folded boxes for DOT (Graphviz) and Mermaid."""

from __future__ import annotations

from collections.abc import Sequence

from npfaceapi.graph import Graph, shape_text
from npfaceapi.graph_pictures.folding import Box, fold

__all__ = ["graphs_dot", "graphs_mermaid"]


def _label(box: Box) -> list[str]:
    lines = [f"repeated {box.times} times:"] if box.times > 1 else []
    for member in box.members:
        lines.append(member.name)
        lines += [line for line in member.lines if line != member.name]
    lines.append(f"→ {box.result}")
    if box.outputs:
        lines.append(f"output: {', '.join(box.outputs)}")
    return lines


def _title(graph: Graph) -> str:
    return f"{graph.name}, input {shape_text(graph.input.shape)}"


def graphs_dot(graphs: Sequence[Graph]) -> str:
    """The folded boxes as a Graphviz file: `npfaceapi show NET --format dot | dot -Tpdf > net.pdf`."""

    def quoted(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    lines = ["digraph network {", "  node [shape=box, style=rounded, fontname=monospace, fontsize=10]"]
    for k, graph in enumerate(graphs):
        boxes = fold(graph)
        lines += [f"  subgraph cluster_{k} {{", f"    label={quoted(_title(graph))}"]
        for i, box in enumerate(boxes):
            label = "\\n".join(quoted(line)[1:-1] for line in _label(box))
            lines.append(f'    n{k}_{i} [label="{label}"{", penwidth=2" if box.times > 1 else ""}]')
        lines += [f"    n{k}_{j} -> n{k}_{i}" for i, box in enumerate(boxes) for j in box.inputs]
        lines.append("  }")
    return "\n".join([*lines, "}"])


def graphs_mermaid(graphs: Sequence[Graph]) -> str:
    """The folded boxes as a Mermaid flowchart, which code hosts draw in Markdown."""

    def escaped(text: str) -> str:
        return text.replace("#", "#35;").replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")

    lines = ["flowchart TD"]
    for k, graph in enumerate(graphs):
        boxes = fold(graph)
        lines.append(f'  subgraph g{k}["{escaped(_title(graph))}"]')
        lines += [f'    n{k}_{i}["{"<br/>".join(map(escaped, _label(box)))}"]' for i, box in enumerate(boxes)]
        lines += [f"    n{k}_{j} --> n{k}_{i}" for i, box in enumerate(boxes) for j in box.inputs]
        lines.append("  end")
    return "\n".join(lines)
