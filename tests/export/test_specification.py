"""A network as data: complete, valid by the schema, and in agreement with the code."""

from __future__ import annotations

import copy
import json

import jsonschema
import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi import nets
from npfaceapi.commands.networks import NETS
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.export.specification import specification

SCHEMA = json.loads((ROOT / "npfaceapi" / "export" / "specification.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
GOLDEN = GoldenCases()


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", NETS)
def test_every_network_is_as_the_schema_says(name):
    VALIDATOR.validate(json.loads(json.dumps(specification(name), allow_nan=False)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.update(format=2),
        lambda s: s.pop("decoding"),
        lambda s: s.update(more=1),
        lambda s: s["graphs"][0]["nodes"][1].update(op="conv3d"),
        lambda s: s["graphs"][0]["normalization"].update(divisor=0),
        lambda s: s["graphs"][0]["input"].update(channels="GBR"),
        lambda s: s["decoding"]["options"].pop("max_results"),
        lambda s: s["decoding"]["encodings"].update(divisors=[10, 5]),
    ],
)
def test_the_schema_refuses_what_is_wrong(spoil):
    wrong = copy.deepcopy(specification("ssd_mobilenetv1"))
    spoil(wrong)
    assert not VALIDATOR.is_valid(wrong)


def test_the_command_prints_it(run):
    status, out, err = run("show", "mtcnn", "--format", "json")
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(specification("mtcnn")))
    with pytest.raises(faceapi.InvalidArgument, match=r"specification: expected a network out of ssd_mobilenetv1, .*, got 'dog'"):
        specification("dog")


@pytest.mark.parametrize("name", ["face_recognition_net", "mtcnn"])
def test_it_holds_the_whole_graph(name):
    graphs = [nets.mtcnn.pnet, nets.mtcnn.rnet, nets.mtcnn.onet] if name == "mtcnn" else [nets.face_recognition_net]
    for data, graph in zip(specification(name)["graphs"], (net.graph() for net in graphs), strict=True):
        assert (data["name"], data["macs"], data["parameters"]) == (graph.name, graph.macs, graph.parameters)
        for entry, node in zip(data["nodes"], graph, strict=True):
            assert (entry["name"], entry["op"], entry["shape"]) == (node.name, node.op, list(node.shape))
            assert entry["inputs"] == [x.name for x in node.inputs]
            assert {key: p["name"] for key, p in entry["params"].items()} == {key: p.name for key, p in node.params.items()}
        assert {graph.find(n) for n in data["outputs"].values()} == set(graph.outputs.values())


@pytest.mark.parametrize("case", [c for c in GOLDEN.cases if c.level in ("taps", "weights")], ids=lambda case: case.name)
def test_every_tap_and_weight_of_the_golden_cases_is_named(case):
    stated = specification(case.net)
    known = stated["weights"]["tensors"] if case.level == "weights" else stated["graphs"][0]["blocks"]
    assert {entry["name"] for entry in case.expected} <= set(known)
    if case.level == "weights":
        assert {entry["name"]: entry["shape"] for entry in case.expected} == known
    else:
        graph = nets.network_named(case.net).graph()
        for entry in case.expected:
            assert known[entry["name"]] == graph.find(entry["name"]).name


def test_padding_in_pixels():
    nodes = {node["name"]: node["attributes"] for node in specification("face_landmark_68_net")["graphs"][0]["nodes"]}
    first = nodes["dense0/conv0/conv2d"]  # 112 to 56 by windows of 3: TensorFlow's rule pads at the bottom and on the right
    assert (first["padding"], first["pads"]) == ("same", [[0, 1], [0, 1]])
    assert nodes["avg_pool"] == {"size": 7, "stride": 2, "padding": "valid", "pads": [[0, 0], [0, 0]]}
    pool = next(node for node in specification("mtcnn_pnet")["graphs"][0]["nodes"] if node["op"] == "max_pool")
    assert pool["attributes"] == {"size": 2, "stride": 2, "padding": "same"}  # one pixel of padding for odd sizes, none for even
    assert specification("ssd_mobilenetv1")["graphs"][0]["nodes"][-1]["attributes"] == {"axis": 0}
    assert {n["op"]: n["attributes"] for n in specification("face_recognition_net")["graphs"][0]["nodes"]}["mean"] == {
        "axes": [0, 1]
    }


@pytest.mark.parametrize("name", [name for name in NETS if name != "mtcnn"])
def test_mean_and_divisor_are_what_the_first_nodes_do(name):
    (stated,) = specification(name)["graphs"]
    seen = stated["normalization"]
    last, (H, W, C) = seen["nodes"][-1], stated["input"]["shape"]
    batch = np.random.default_rng(1).uniform(0, 255, (1, H, W, C)).astype(np.float32)
    net = faceapi.TinyYolov2(name == "tiny_yolov2") if name.startswith("tiny_yolov2") else nets.network_named(name)
    if name.startswith("tiny_yolov2"):
        net.load_from_weight_map({key: np.zeros(shape, np.float32) for key, shape in net.shapes().items()})
    expected = net.taps(batch, [last], backend="reference64")[last]
    assert np.allclose((batch.astype(np.float64) - seen["mean"]) / seen["divisor"], expected, rtol=0, atol=1e-6)
    published = {  # from the source files of face-api.js that the networks' modules name
        "ssd_mobilenetv1": ((127.5, 127.5, 127.5), 127.5), "tiny_face_detector": ((117.001, 114.697, 97.404), 256),
        "tiny_yolov2": ((117.001, 114.697, 97.404), 256), "tiny_yolov2_full": ((0, 0, 0), 256),
        "face_landmark_68_net": ((122.782, 117.001, 104.298), 255),
        "face_landmark_68_tiny_net": ((122.782, 117.001, 104.298), 255),
        "face_expression_net": ((122.782, 117.001, 104.298), 255), "age_gender_net": ((122.782, 117.001, 104.298), 256),
        "face_recognition_net": ((122.782, 117.001, 104.298), 256),
    }.get(name, ((127.5, 127.5, 127.5), 128))  # fmt: skip
    assert np.allclose(seen["mean"], published[0], atol=1e-4)
    assert abs(seen["divisor"] - published[1]) < 1e-4


PAGES = {
    "03-mtcnn": ["mtcnn"], "04-ssd": ["ssd_mobilenetv1"], "07-landmarks": ["face_landmark_68_net", "face_landmark_68_tiny_net"],
    "05-tiny-yolo": ["tiny_face_detector", "tiny_yolov2", "tiny_yolov2_full"], "09-descriptor": ["face_recognition_net"],
    "10-expression-age-gender": ["face_expression_net", "age_gender_net"],
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_the_page_of_a_network_states_mean_and_divisor(page):
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    for name in PAGES[page]:
        seen = specification(name)["graphs"][0]["normalization"]
        means = [f"{mean:.6g}" for mean in seen["mean"]]
        mean = means[0] if len({*means}) == 1 else f"({', '.join(means)})"
        assert ("`x" if mean == "0" else f"`(x − {mean})") + f" / {seen['divisor']:.6g}`" in text


@pytest.mark.parametrize("name", NETS)
def test_the_table_states_mean_and_divisor(run, name):
    status, out, _ = run("show", name)
    assert status == 0
    lines = [line for line in out.splitlines() if line.startswith("  input: ")]
    graphs = specification(name)["graphs"]
    assert len(lines) == len(graphs)
    for line, graph in zip(lines, graphs, strict=True):
        assert line.endswith(f") / {graph['normalization']['divisor']:.6g}")
        assert f"{graph['normalization']['mean'][0]:.6g}" in line
