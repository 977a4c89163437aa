"""Errors layer by layer: quantiles, and the error that a layer adds by itself, against NumPy and a port with one wrong layer."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from npfaceapi import cli, nets
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.html import to_html
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.report import to_dict
from npfaceapi.conformance.runner import chosen_cases, run_cases
from npfaceapi.conformance.tolerance import GRADES

GOLDEN = GoldenCases()
CASE = "taps/mtcnn_rnet/noise_a"
CASES = chosen_cases(GOLDEN, [CASE])
NAMES = ["rnet/conv1", "rnet/conv2", "rnet/conv3", "rnet/fc1"]


class Port:
    """The reference in float32, with a second convolution off by a thousandth; later layers are computed from that."""

    def run(self, network, batch):
        return {}

    def taps(self, network, batch, names):
        net = nets.network_named(network)
        tensors = {key: value * (1.001 if key.startswith("rnet/conv2") else 1) for key, value in net.tensors.items()}
        from npfaceapi.engines.reference import ReferenceProgram

        graph = net.graph(*batch.shape[1:3])
        values = ReferenceProgram(graph, tensors, [graph.find(name) for name in names], np.float32)(batch)
        return dict(zip(names, values, strict=True))


class Damaged(Port):
    """One layer's values are unusable; the others are still reported."""

    def __init__(self, damage):
        self.damage = damage

    def taps(self, network, batch, names):
        values = super().taps(network, batch, names)
        values["rnet/conv1"] = self.damage(values["rnet/conv1"])
        return values


def judged(port, grade="float32", diagnose=True, **more):
    (result,) = (report := run_cases(PythonPort(port), GOLDEN, CASES, GRADES[grade], (), diagnose, **more)).results
    return report, result


def test_the_layer_that_is_wrong_stands_apart():
    _, result = judged(Port())
    own = {layer.name: layer.own for layer in result.layers}
    assert result.status == "failed"
    assert result.largest_own.name == result.first.name == "rnet/conv2"
    assert own["rnet/conv2"] > 50
    assert max(error for name, error in own.items() if name != "rnet/conv2") < 1
    assert sum(layer.largest > 1 for layer in result.layers) > 1  # the error shows in later layers


def test_quantiles_are_those_of_numpy():
    _, result = judged(Port())
    question = {"batch": GOLDEN.inputs(CASES[0])[0]}
    batch = np.ascontiguousarray(question["batch"][..., ::-1].transpose(0, 2, 1, 3), np.float32)
    net, names = nets.network_named("mtcnn_rnet"), [layer.name for layer in result.layers]
    truth, theirs = net.taps(batch, names, backend="reference64"), Port().taps("mtcnn_rnet", batch, names)
    for layer, finding in zip(result.layers, result.findings, strict=True):
        errors = np.sort(np.abs(truth[layer.name] - theirs[layer.name].astype(np.float64)).reshape(-1)) / finding.bound
        assert layer.largest == finding.ratio == pytest.approx(errors[-1])
        assert errors[int(0.95 * (errors.size - 1))] * 0.999 <= layer.high <= errors[int(0.95 * (errors.size - 1)) + 1] * 1.001
        assert layer.median == pytest.approx(np.median(errors))


@pytest.mark.parametrize("damage", [
    lambda x: x * np.nan, lambda x: x[:, :-1], lambda x: x.astype(int), lambda x: [[1.0]], lambda x: "none",
])  # fmt: skip
def test_a_layer_without_a_usable_answer_is_left_out(damage):
    _, result = judged(Damaged(damage), diagnose=False, layers=True)
    assert "rnet/conv1" not in [layer.name for layer in result.layers]
    assert result.largest_own.name == "rnet/conv2"


def test_own_errors_are_looked_into_where_it_fails_or_is_asked_for():
    class Right(Port):
        def taps(self, network, batch, names):
            return dict(nets.network_named(network).taps(batch, names, backend="reference"))

    _, result = judged(Right())
    assert result.layers
    assert result.largest_own is None
    _, result = judged(Right(), layers=True)
    assert 0 < result.largest_own.own < 1
    assert judged(Port(), diagnose=False)[1].largest_own is None
    assert judged(Port(), "exact", diagnose=False, layers=True)[1].layers == []


@pytest.mark.slow
def test_reports_tell_of_the_layers(tmp_path, capsys):
    report, result = judged(Port())
    told = to_dict(report)["cases"][0]["layers"]
    assert [layer["name"] for layer in told] == [layer.name for layer in result.layers]
    assert set(told[1]["error_in_bounds"]) == {"largest", "95%", "median", "own"}
    json.dumps(told, allow_nan=False)
    page = to_html(report)
    assert "by itself: rnet/conv2 " in page
    plot = page[page.index("<svg") : page.index("</svg>")]
    assert all(f">{layer.name}</text>" in plot for layer in result.layers)  # there is room for all names
    file = tmp_path / "my_port.py"
    file.write_text(
        "from npfaceapi import nets\nclass Port:\n    def run(self, network, batch): return {}\n"
        "    def taps(self, network, batch, names):\n"
        "        return dict(nets.network_named(network).taps(batch, names, backend='reference'))\n"
    )
    assert cli.main(["conform", "run", "--python", f"{file}:Port", "--case", CASE, "--layers"]) == 0
    assert re.search(r"passed taps/mtcnn_rnet/noise_a\n  by itself: rnet/\w+ 0\.\d+ of its bound, ", capsys.readouterr().out)


def test_gross_errors_are_told_apart_in_the_plot():
    class Gross(Port):
        def taps(self, network, batch, names):
            values = super().taps(network, batch, names)
            return {name: value * np.float32(10.0**i) for i, (name, value) in enumerate(values.items())}

    page = to_html(judged(Gross(), diagnose=False)[0])
    heights = [float(one) for one in re.findall(r'<rect x="[\d.]+" y="[\d.]+" width="[\d.]+" height="([\d.]+)"', page)]
    assert heights[1:] == sorted(heights[1:])
    assert len(set(heights[1:])) == len(heights) - 1
