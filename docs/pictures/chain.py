"""Draw the way from a photo to every answer, with the sizes of what is passed on: chain.svg.

python docs/pictures/chain.py

The sizes are those of the networks' graphs.
"""

from __future__ import annotations

from pathlib import Path

from svg_file import svg_file, write_svg

import npfaceapi as faceapi

PICTURE = Path(__file__).resolve().parent / "chain.svg"
WIDTH, HEIGHT = 390, 620

STYLE = """
text { font: 12px system-ui, "DejaVu Sans", Arial, sans-serif; fill: #1d2733; text-anchor: middle }
.size { fill: #44505e }
.left { text-anchor: start }
rect { stroke-width: 1.2 }
.network { fill: #e7f0fa; stroke: #2e6d8e }
.step { fill: #fff4e5; stroke: #a35a00 }
.answer { fill: #eaf5ec; stroke: #2c7a3f }
.arrow { fill: none; stroke: #44505e; marker-end: url(#head) }
"""


def box(kind: str, x: float, y: float, width: float, *lines: str) -> str:
    """A box 18 px high a line, and 10 px more, around the middle x."""
    height = 10 + 18 * len(lines)
    texts = "".join(f'<text x="{x:g}" y="{y + 18 + 18 * i:g}">{line}</text>' for i, line in enumerate(lines))
    return f'<rect class="{kind}" x="{x - width / 2:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4"/>{texts}'


def arrow(x0: float, y0: float, x1: float, y1: float, size: str = "") -> str:
    """A straight arrow, and beside it what it carries."""
    text = f'<text class="size left" x="{(x0 + x1) / 2 + 8:g}" y="{(y0 + y1) / 2 + 3:g}">{size}</text>' if size else ""
    return f'<path class="arrow" d="M{x0:g},{y0:g}L{x1:g},{y1:g}"/>{text}'


def shape(*numbers: int) -> str:
    return "×".join(map(str, numbers))


def svg() -> str:
    """The picture."""
    nets = faceapi.nets
    ssd, points, descriptor, expression, age = (
        net.graph()
        for net in (
            nets.ssd_mobilenetv1, nets.face_landmark_68_net, nets.face_recognition_net,
            nets.face_expression_net, nets.age_gender_net,
        )
    )  # fmt: skip
    tiny = nets.tiny_face_detector.graph()
    middle, columns = WIDTH / 2, (68, 195, 322)
    anchors, (numbers,) = ssd.outputs["box_encodings"].shape[0], points.outputs["points"].shape
    parts = [
        box("answer", middle, 8, 190, "photo"),
        arrow(middle, 36, middle, 70, f"resized to {shape(*ssd.input.shape)}"),
        box(
            "network",
            middle,
            70,
            250,
            "detector: SSD MobileNet v1 (page 4)",
            f"or tiny, {shape(*tiny.input.shape)} (5); MTCNN (3)",
        ),
        arrow(middle, 116, middle, 150, f"{anchors} boxes with scores"),
        box("step", middle, 150, 250, "threshold, non-max suppression (6)"),
        arrow(middle, 178, middle, 212, "a box per face"),
        box("step", middle, 212, 250, "cut out, padded to a square"),
        arrow(middle, 240, middle, 274, shape(*points.input.shape)),
        box("network", middle, 274, 250, "landmarks (7)"),
        arrow(middle, 302, middle, 336, f"{numbers} numbers: {numbers // 2} points"),
        box("step", middle, 336, 250, "alignment: a better box (8)"),
    ]
    last = (
        (descriptor, ("descriptor (9)",), shape(*descriptor.outputs["descriptor"].shape), ("whose face:", "distances")),
        (expression, ("expression (10)",), shape(*expression.outputs["logits"].shape), ("seven", "probabilities")),
        (age, ("age, gender (10)",), f"1 and {shape(*age.outputs['gender_logits'].shape)}", ("years,", "a probability")),
    )
    for x, (graph, name, carried, answer) in zip(columns, last, strict=True):
        parts += [
            arrow(middle + (x - middle) * 0.6, 364, x, 420),
            f'<text class="size" x="{x}" y="436">{shape(*graph.input.shape)}</text>',
            box("network", x, 444, 118, *name),
            arrow(x, 472, x, 506, carried),
            box("answer", x, 506, 118, *answer),
        ]
    parts += [
        box("network", 68, 580, 84, "network"), box("step", 195, 580, 84, "computed"), box("answer", 322, 580, 84, "in and out"),
    ]  # fmt: skip
    return svg_file(WIDTH, HEIGHT, "From a photo to every answer", STYLE, parts)


if __name__ == "__main__":
    write_svg(PICTURE, svg())
