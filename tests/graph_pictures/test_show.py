"""`npfaceapi show`: graphs as pictures that fit a page."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from npfaceapi import ops
from npfaceapi.commands.networks import NETS, parts
from npfaceapi.graph import block, record
from npfaceapi.graph_pictures.folding import fold
from npfaceapi.graph_pictures.layout import lay_out
from npfaceapi.graph_pictures.svg import graphs_svg
from npfaceapi.graph_pictures.text import graphs_dot, graphs_mermaid

A4 = 190, 277  # millimetres inside the margins
POINT = 0.3528  # millimetres
SVG = "{http://www.w3.org/2000/svg}"


def graphs_of(name):
    return [part.graph() for part in parts(name)]


# ------------------------------------------------------------------ folding


@pytest.mark.parametrize("name", NETS)
def test_folding_loses_nothing(name):
    for graph in graphs_of(name):
        boxes = fold(graph)
        assert sum(box.macs for box in boxes) == graph.macs
        assert sum(box.parameters for box in boxes) == graph.parameters
        assert sorted(output for box in boxes for output in box.outputs) == sorted(graph.outputs)
        assert boxes[0].name == "input"
        assert all(box.inputs for box in boxes[1:])
        assert all(max(box.inputs, default=-1) < i for i, box in enumerate(boxes))
        for box in boxes:
            assert len(box.shapes) == box.times


def names(graph):
    return [f"{box.name}{f' x{box.times}' if box.times > 1 else ''}" for box in fold(graph)]


def test_repeated_blocks_are_named_as_in_the_weights():
    (recognition,) = graphs_of("face_recognition_net")
    assert names(recognition) == [
        "input", "subtract", "conv32_down", "max_pool", "conv32_1 … conv32_3 x3", "conv64_down", "conv64_1 … conv64_3 x3",
        "conv128_down", "conv128_1 … conv128_2 x2", "conv256_down", "conv256_1 … conv256_2 x2", "conv256_down_out", "mean", "fc",
    ]  # fmt: skip
    assert fold(recognition)[4].members[0].lines == (
        "conv1: conv2d 3x3, multiply, add, relu",
        "conv2: conv2d 3x3, multiply, add",
        "add, relu",
    )
    (landmarks,) = graphs_of("face_landmark_68_net")
    assert names(landmarks) == ["input", "subtract", "dense0", "dense1 … dense3 x3", "avg_pool", "fc"]
    assert fold(landmarks)[3].result == "28x28x64, 14x14x128, 7x7x256"


def test_pairs_are_folded_too_but_not_past_a_result_that_is_read_elsewhere():
    (ssd,) = graphs_of("ssd_mobilenetv1")
    boxes = fold(ssd)
    path = "MobilenetV1/Conv2d_"
    assert [member.name for member in boxes[3].members] == [
        f"{path}1_depthwise … Conv2d_11_depthwise", f"{path}1_pointwise … Conv2d_11_pointwise",
    ]  # fmt: skip
    assert boxes[3].result == "256x256x64, 128x128x128 (2 times), 64x64x256 (2 times), 32x32x512 (6 times)"
    assert boxes[3].members[0].lines == ("depthwise_conv2d 3x3, batch_norm, relu6",)  # no stride: it differs
    assert [box.name for box in boxes if 3 in box.inputs] == [
        boxes[4].name, "Prediction/BoxPredictor_0/BoxEncodingPredictor", "Prediction/BoxPredictor_0/ClassPredictor",
    ]  # fmt: skip


@block
def layer(x, p):
    return ops.relu(ops.conv2d(x, p["filters"]))


def recorded(forward, depth=4):
    shapes = {f"c{i}/filters": (3, 3, 3, 3) for i in range(depth)}
    return record("Net", forward, shapes, (8, 8, 3))


def test_what_differs_is_not_folded():
    def chain(x, p):
        for i in range(4):
            x = layer(x, p[f"c{i}"])
        return {"y": x}

    assert names(recorded(chain)) == ["input", "c0 … c3 x4"]

    def other_operation(x, p):
        x = layer(layer(x, p["c0"]), p["c1"])
        x = ops.max_pool(layer(x, p["c2"]), 2, stride=2)
        return {"y": layer(x, p["c3"])}

    assert names(recorded(other_operation)) == ["input", "c0 … c2 x3", "max_pool", "c3"]

    def read_twice(x, p):
        a = layer(layer(x, p["c0"]), p["c1"])
        b = layer(layer(a, p["c2"]), p["c3"])
        return {"y": ops.add(a, b)}

    assert names(recorded(read_twice)) == ["input", "c0 … c1 x2", "c2 … c3 x2", "add"]

    def side_by_side(x, p):
        return {f"y{i}": layer(x, p[f"c{i}"]) for i in range(4)}

    assert names(recorded(side_by_side)) == ["input", "c0", "c1", "c2", "c3"]


def test_an_output_inside_of_a_chain_ends_the_folding():
    def inner_output(x, p):
        a = layer(layer(x, p["c0"]), p["c1"])
        return {"early": a, "late": layer(layer(a, p["c2"]), p["c3"])}

    boxes = fold(recorded(inner_output))
    assert [(box.name, box.outputs) for box in boxes[1:]] == [("c0 … c1", ("early",)), ("c2 … c3", ("late",))]


# ------------------------------------------------------------------ the picture


@pytest.mark.parametrize("name", NETS)
def test_the_picture_fits_a_page(name):
    root = ET.fromstring(graphs_svg(graphs_of(name)))
    _, _, width, height = map(float, root.get("viewBox").split())
    scale = max(min(A4[0] / width, A4[1] / height), min(A4[1] / width, A4[0] / height))  # upright or turned
    assert 10.5 * min(scale, 0.3) / POINT > 4.7  # the height of its letters in points


@pytest.mark.parametrize("name", NETS)
def test_no_box_covers_another_or_a_line(name):
    for graph in graphs_of(name):
        boxes = fold(graph)
        layout = lay_out(boxes)
        assert len(layout.ways) == sum(len(box.inputs) for box in boxes)
        corners = [(b.x, b.y, b.x + b.width, b.y + b.height) for b in layout.boxes]
        for i, (left, top, right, bottom) in enumerate(corners):
            assert left >= 0
            assert right <= layout.width + 1
            assert bottom <= layout.height + 1
            for other in corners[:i]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            for way in layout.ways:
                for (x0, y0), (x1, y1) in itertools.pairwise(way):
                    assert x0 == x1 or y0 == y1
                    beside = max(x0, x1) <= left or min(x0, x1) >= right or max(y0, y1) <= top or min(y0, y1) >= bottom
                    assert beside, (graph.name, boxes[i].name)


def test_lines_begin_and_end_at_their_boxes():
    (graph,) = graphs_of("ssd_mobilenetv1")
    boxes = fold(graph)
    layout = lay_out(boxes)
    ends = iter(layout.ways)
    for i, box in enumerate(boxes):
        for j in box.inputs:
            start, *_, end = next(ends)
            giver, reader = layout.boxes[j], layout.boxes[i]
            assert start == (giver.x + giver.width / 2, giver.y + giver.height)
            assert end == (reader.x + reader.width / 2, reader.y)


def test_the_svg_says_all_that_is_in_the_boxes():
    graphs = graphs_of("mtcnn")
    root = ET.fromstring(graphs_svg(graphs))
    assert root.find(f"{SVG}title").text == "Layers of Mtcnn.pnet, Mtcnn.rnet, Mtcnn.onet"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert [text for text in texts if ", input " in text] == [
        "Mtcnn.pnet, input 12x12x3", "Mtcnn.rnet, input 24x24x3", "Mtcnn.onet, input 48x48x3",
    ]  # fmt: skip
    joined = " ".join(" ".join(texts).split())
    for graph in graphs:
        for box in fold(graph):
            assert box.result in joined
            assert all(line in joined for member in box.members for line in member.lines)
    assert joined.count("output: regions") == 3
    assert root.findall(f".//{SVG}script") == []


# ------------------------------------------------------------------ DOT, Mermaid


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("write", "arrow"), [(graphs_dot, "->"), (graphs_mermaid, "-->")])
def test_text_pictures_have_every_box_and_line(name, write, arrow):
    graphs = graphs_of(name)
    text = write(graphs)
    declared = set(re.findall(r"^ +(n\d+_\d+) ?\[", text, re.MULTILINE))
    drawn = re.findall(rf"^ +(n\d+_\d+) {arrow} (n\d+_\d+)$", text, re.MULTILINE)
    expected = [(f"n{k}_{j}", f"n{k}_{i}") for k, g in enumerate(graphs) for i, box in enumerate(fold(g)) for j in box.inputs]
    assert drawn == expected
    assert declared == {f"n{k}_{i}" for k, g in enumerate(graphs) for i in range(len(fold(g)))}
    assert text.count('"') % 2 == 0


def test_labels_are_escaped():
    def forward(x, p):
        return {'a "quoted" <name> \\ #1': layer(x, p["c0"])}

    graph = recorded(forward)
    assert r"output: a \"quoted\" <name> \\ #1" in graphs_dot([graph])
    assert "output: a #quot;quoted#quot; #lt;name#gt; \\ #35;1" in graphs_mermaid([graph])
    assert ET.fromstring(graphs_svg([graph])) is not None


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz here")
@pytest.mark.parametrize("name", NETS)
def test_graphviz_draws_it(name):
    done = subprocess.run(["dot", "-Tsvg"], input=graphs_dot(graphs_of(name)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('class="node"') == sum(len(fold(graph)) for graph in graphs_of(name))


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize("form", ["json", "dot", "mermaid", "svg"])
def test_the_command_prints_one_document(run, form):
    status, out, err = run("show", "mtcnn_rnet", "--format", form)
    assert (status, err) == (0, "")
    starts = {"json": '{\n "format": 1,\n', "dot": "digraph", "mermaid": "flowchart TD\n", "svg": "<svg "}
    assert out.startswith(starts[form])


def test_another_size(run):
    _, out, _ = run("show", "tiny_face_detector", "--size", "224", "--format", "json")
    assert json.loads(out)["graphs"][0]["nodes"][-1]["shape"] == [7, 7, 25]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("show", "mtcnn", "--format", "png"), "argument --format: invalid choice: 'png'"),
        (("show", "nose_net", "--format", "svg"), "argument NET: expected a network out of ssd_mobilenetv1|ssd, "),
        (("show", "face_recognition_net", "--size", "2", "--format", "svg"), "expected an input of at least 7x7 pixels"),
    ],
)
def test_wrong_usage(run, argv, message):
    status, out, err = run(*argv)
    assert (status, out) == (2, "")
    assert message in err.splitlines()[-1]
