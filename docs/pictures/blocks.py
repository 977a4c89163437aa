"""Pictures of blocks of layers: dense, residual, and as the fast engine runs it."""

from __future__ import annotations

import numpy as np
from sheet import BLUE, GRAY, GREEN, INK, ORANGE, PURPLE, WHITE, Color
from svg_file import Drawing

import npfaceapi as faceapi
from npfaceapi.engines.fusion import fuse

FILLED = (222, 235, 247)


def shape(*numbers: int) -> str:
    return "×".join(map(str, numbers))


def step(drawing: Drawing, x: float, y: float, text: str, width: float = 160, height: float = 36, line: Color = BLUE) -> None:
    """A box with a text, its middle at x, its top at y."""
    drawing.box(x - width / 2, y, width, height, line, FILLED if line == BLUE else WHITE)
    drawing.text(x, y + height / 2 - 10 * text.count("\n"), text, 15, INK, "mm")


def plus(drawing: Drawing, x: float, y: float) -> None:
    drawing.disc(x, y, 12, INK, WHITE)
    drawing.text(x, y, "+", 18, INK, "mm")


def dense_block() -> Drawing:
    graph = faceapi.nets.face_landmark_68_net.graph()
    channels = [graph.find(f"dense{k}").shape[-1] for k in range(4)]
    drawing = Drawing(480, 556, "A dense block")
    drawing.text(8, 8, "A dense block: each + adds all that arrives", 17, bold=True)
    x, tops, sums = 130, (74, 148, 256, 370), (0, 226, 340, 452)
    lines = ((300, ORANGE, 124), (355, GREEN, 198), (410, PURPLE, 306))  # where an output goes down, and where it comes from
    drawing.text(x, 36, "x", 17, INK, "ma")
    drawing.arrow(x, 56, x, 74)
    for k, (right, color, start) in enumerate(lines):
        drawing.line([(x, start), (right, start), (right, sums[-1] + 7 * k - 7)], color)
        drawing.disc(x, start, 3, color)
        drawing.text(right + 6, start + 4, f"o{k + 1}", 15, color, "ls")
    for k, (top, total) in enumerate(zip(tops, sums, strict=True)):
        step(drawing, x, top, f"conv{k}" if k else "conv0, stride 2, relu", 180)
        if k:
            drawing.line([(x, top + 36), (x, total - 12)])
            plus(drawing, x, total)
            drawing.text(x - 20, total, "relu", 15, INK, "rm")
            for i, (right, color, _) in enumerate(lines[:k]):
                shift = 7 * i - 7
                drawing.arrow(right, total + shift, x + 12 - abs(shift) / 3, total + shift, color)
        drawing.arrow(x, total + 12 if k else top + 36, x, tops[k + 1] if k < 3 else 490)
    drawing.text(x, 494, "y", 17, INK, "ma")
    drawing.tells(f"{len(tops)} convolutions, {len(lines)} outputs")
    drawing.text(8, 528, f"FaceLandmark68Net: blocks of {', '.join(map(str, channels[:-1]))} and {channels[-1]} channels")
    return drawing


def residual_block() -> Drawing:
    graph = faceapi.nets.face_recognition_net.graph()
    drawing = Drawing(480, 416, "Residual blocks")
    blocks = ((76, 170, "conv64_1", "conv64_down/relu", ""), (276, 416, "conv64_down", "conv32_3/relu", ", stride 2"))
    for x, side, name, before, stride in blocks:
        first, last = graph.find(before).shape, graph.find(name).shape
        filters = [node.params["filters"].shape for node in graph if node.name.startswith(f"{name}/conv") and node.op == "conv2d"]
        drawing.tells(
            f"{len(filters)} convolutions, {shape(*filters[0][:2])}", f"takes {shape(*first)} numbers to {shape(*last)}"
        )
        drawing.text(x - 65, 8, name, 17, bold=True)
        drawing.text(x, 40, f"x: {shape(*first)}", 15, INK, "ma")
        drawing.arrow(x, 62, x, 110)
        step(drawing, x, 110, f"3×3{stride}", 130)
        drawing.text(x + 8, 162, "relu")
        drawing.arrow(x, 146, x, 196)
        step(drawing, x, 196, "3×3", 130)
        drawing.text(x + 8, 242, "f(x)")
        drawing.arrow(x, 232, x, 276)
        drawing.line([(x, 78), (side, 78), (side, 288)], ORANGE)
        drawing.arrow(side, 288, x + 12, 288, ORANGE)
        if stride:
            step(drawing, side, 110, "2×2 mean", 112, line=ORANGE)
            step(drawing, side, 190, f"{last[2] - first[2]} channels\nof zeros", 112, 48, line=ORANGE)
        plus(drawing, x, 288)
        drawing.text(x + 8, 312, "relu")
        drawing.arrow(x, 300, x, 344)
        drawing.text(x, 348, f"y: {shape(*last)}", 15, INK, "ma")
    drawing.tells(f"{len(blocks)} blocks")
    drawing.text(8, 388, "orange: the shortcut")
    return drawing


def fusion() -> Drawing:
    net = faceapi.nets.face_recognition_net
    graph = net.graph()
    nodes = [node for node in graph if node.name.startswith("conv32_1/")]
    fused = fuse(graph, net.tensors, list(graph.outputs.values()), pools=True)
    steps = [step for step in fused if step.nodes[0] in nodes]
    drawing = Drawing(480, 556, "A residual block, recorded and planned")
    left, right, top, pitch = 100, 350, 72, 44
    joined = next(k for k, node in enumerate(nodes) if node.name == "conv32_1/add")
    for x, title, boxes in ((left, f"recorded: {len(nodes)} nodes", [[node] for node in nodes]),
                            (right, f"planned: {len(steps)} steps", [step.nodes for step in steps])):  # fmt: skip
        drawing.text(x, 8, title, 17, bold=True, anchor="ma")
        at = 0
        for box in boxes:
            y, height = top + at * pitch, (len(box) - 1) * pitch + 28
            drawing.arrow(x, y - 16, x, y)
            drawing.box(
                x - 64, y, 128, height, BLUE if box[0].op == "conv2d" else GRAY, FILLED if box[0].op == "conv2d" else WHITE
            )
            for node in box:
                drawing.text(x, top + at * pitch + 14, node.op, 15, INK, "mm")
                at += 1
        drawing.arrow(x, top + at * pitch - 16, x, top + at * pitch)
        drawing.line([(x, top - 14), (x - 90, top - 14), (x - 90, top + joined * pitch + 14)], ORANGE)
        drawing.arrow(x - 90, top + joined * pitch + 14, x - 65, top + joined * pitch + 14, ORANGE)
    traffic = [sum(len(box.inputs) for box in boxes) + len(boxes) for boxes in (nodes, steps)]
    drawing.text(8, 494, "orange: the shortcut")
    size = 4 * int(np.prod(nodes[0].shape))
    drawing.text(8, 518, f"An image, here {size:,} bytes, is read or written")
    drawing.text(8, 538, f"{traffic[0]} times on the left, {traffic[1]} times on the right.")
    return drawing


PICTURES = {"dense-block": dense_block, "residual-block": residual_block, "fusion": fusion}
