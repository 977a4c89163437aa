"""Calibration: right engines pass, faults planted in one of them are caught and named; the bounds are as documented."""

from __future__ import annotations

import importlib.util
import json
import shutil

import numpy as np
import pytest

from helpers import ROOT
from helpers.conform_engines import OnnxPort, TorchPort, planted
from npfaceapi.conformance.deviations import _stored, deviations_of, digest, measure
from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.judge import judge
from npfaceapi.conformance.orders import evaluate, to_bfloat16, to_eight_bits, to_float16
from npfaceapi.conformance.ports import BackendPort, PythonPort
from npfaceapi.conformance.program import ProgramPort
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.runner import chosen_cases, run_cases
from npfaceapi.conformance.tolerance import GRADES

pytestmark = pytest.mark.slow

GOLDEN = GoldenCases()
CASES = {case.name: case for case in GOLDEN.all_cases}
FLOAT32 = GRADES["float32"]
NODE_PORT = ROOT / "golden" / "generate" / "port.js"

needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")), reason="onnx and onnxruntime are not installed"
)
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE_PORT.parent / "node_modules" / "face-api.js").is_dir(),
    reason="Node, or face-api.js in golden/generate/node_modules, is missing (npm ci there installs it)",
)

# networks of every kind on the photo, and taps of the small ones; tests/export/test_export.py has all golden cases
NETWORKS = [
    "raw/[afs]*/astronaut", "raw/*/astronaut_224", "raw/mtcnn_?net/astronaut_min_60*", "taps/*tiny_net/noise",
    "taps/mtcnn_?net/noise*",
]  # fmt: skip


def judged(port, patterns, grade=FLOAT32, diagnose=False):
    return run_cases(port, GOLDEN, chosen_cases(GOLDEN, patterns), grade, diagnose=diagnose)


# ------------------------------------------------------------------ engines that must pass


@needs_onnx
def test_onnx_runtime_passes():
    report = judged(PythonPort(OnnxPort()), NETWORKS)
    assert report.counts["failed"] == 0, [r.problem for r in report.results if r.problem]
    assert len({r.net for r in report.results if r.status == "passed"}) == 10


@needs_torch
def test_pytorch_passes():
    patterns = [
        "raw/face*/cut",
        "raw/age*/noise",
        "raw/mtcnn_?net/astronaut_min_60*",
        "raw/tiny_f*/tiny*",
        "taps/face_rec*/noise",
    ]
    report = judged(PythonPort(TorchPort()), patterns)
    assert report.counts["failed"] == 0, [r.problem for r in report.results if r.problem]
    assert report.counts["passed"] > 12


@needs_node
def test_face_api_js_itself_passes_to_the_bit():
    patterns = [
        "weights/*", "operations/*", "taps/mtcnn_rnet/*", "taps/face_landmark_68_tiny_net/noise", "raw/face_landmark_68*/tall",
        "raw/mtcnn_?net/astronaut_min_60*", "decode/[fns]*", "prepare/crop/*", "prepare/resize/*", "prepare/to_batch/*_16_*",
    ]  # fmt: skip
    report = judged(ProgramPort(["node", str(NODE_PORT)], 60.0), patterns, GRADES["exact"])
    assert report.counts["failed"] == 0, [r.problem for r in report.results if r.status == "failed"]
    assert report.counts["passed"] == len(report.results) > 130


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_our_backends_pass_on_every_level(backend):
    patterns = ["weights/*tiny_net", "operations/*", "taps/face*/astronaut", "raw/face*/noise", "decode/*", "prepare/*", "json/*",
                "chain/tiny_416/[a-t]*", "chain/mtcnn_points/tiny"]  # fmt: skip
    report = judged(BackendPort(GOLDEN, backend), patterns)
    assert report.counts["failed"] == 0, [r.problem for r in report.results if r.status == "failed"]
    assert len(report.levels) == 8


def test_what_face_api_js_gave_lies_within_the_bounds():
    """`expected_of` refuses golden values out of bounds; every operation, tap and raw output is checked."""
    for case in GOLDEN.all_cases:
        if case.level == "operations" or case.name.startswith(("taps/face", "raw/mtcnn_onet", "raw/age_gender")):
            expected_of(GOLDEN, case, question_of(GOLDEN, case), FLOAT32)


# ------------------------------------------------------------------ faults planted in another engine


def _conv_padded_symmetrically(port, node, inputs, p):
    import torch.nn.functional as F

    k, depthwise = p["filters"].shape[0], node.op == "depthwise_conv2d"
    turned = p["filters"].permute(2, 3, 0, 1) if depthwise else p["filters"].permute(3, 2, 0, 1)
    padding = k // 2 if node.attributes["padding"] == "same" else 0
    x = inputs[0]
    return F.conv2d(x, turned, p.get("bias"), node.attributes["stride"], padding, groups=x.shape[1] if depthwise else 1)


def _flattened_channels_first(port, node, inputs, p):
    return inputs[0].reshape(len(inputs[0]), *node.attributes["shape"])


def _pool_floored(port, node, inputs, p):
    import torch.nn.functional as F

    size, stride = node.attributes["size"], node.attributes["stride"]
    return F.max_pool2d(inputs[0], size, stride) if stride == 2 else TorchPort.max_pool(port, node, inputs, p)


def _pool_zeros(port, node, inputs, p):
    import torch.nn.functional as F

    size = node.attributes["size"]
    return F.max_pool2d(TorchPort.padded(port, node, inputs[0], size), size, node.attributes["stride"])


PLANTED = {
    "symmetric_padding": (
        "face_landmark_68_tiny_net",
        {"conv2d": _conv_padded_symmetrically, "depthwise_conv2d": _conv_padded_symmetrically},
    ),
    "bgr": ("face_recognition_net", {"enter": lambda port, x: x.flip(1)}),
    "divisor_255": ("face_recognition_net", {"divide": lambda port, node, inputs, p: inputs[0] / 255}),
    "mean_missing": ("age_gender_net", {"subtract": lambda port, node, inputs, p: inputs[0]}),
    "leaky_slope": (
        "tiny_face_detector",
        {"leaky_relu": lambda port, node, inputs, p: inputs[0].maximum(inputs[0] * 0.01)},
    ),
    "flatten_chw": ("mtcnn_rnet", {"reshape": _flattened_channels_first}),
    "pool_floor": ("tiny_face_detector", {"max_pool": _pool_floored}),
    "pool_zero_padding": ("age_gender_net", {"max_pool": _pool_zeros}),
    "dense_transposed": (
        "face_recognition_net",
        {"dense": lambda port, node, inputs, p: inputs[0] @ p["weights"].reshape(128, 256).T},
    ),
    "softmax_missing": ("mtcnn_rnet", {"softmax": lambda port, node, inputs, p: inputs[0]}),
    "not_transposed": ("mtcnn_pnet", {"enter": lambda port, x: x.transpose(2, 3)}),
}
SMALL = {"tiny_face_detector": "tiny_128", "mtcnn_rnet": "astronaut_min_60", "mtcnn_pnet": "tall_3"}


@needs_torch
@pytest.mark.parametrize("fault", PLANTED)
def test_a_fault_planted_in_pytorch_is_caught_and_named(fault):
    net, methods = PLANTED[fault]
    case = f"raw/{net}/{SMALL.get(net, 'cut')}"
    sound, result = (judged(PythonPort(port), [case], diagnose=True).results[0] for port in (TorchPort(), planted(**methods)))
    assert sound.status == "passed"
    assert result.status == "failed"
    assert result.diagnosis, result.problem
    assert result.diagnosis[0].name == fault, [match.text for match in result.diagnosis]


@needs_torch
def test_a_fault_in_one_layer_is_named_with_its_layer():
    def padded(port, node, inputs, p):
        once = node.block.startswith("dense1")
        return (_conv_padded_symmetrically if once else TorchPort.depthwise_conv2d)(port, node, inputs, p)

    port = PythonPort(planted(depthwise_conv2d=padded))
    result = judged(port, ["taps/face_landmark_68_tiny_net/noise"], diagnose=True).results[0]
    assert result.first.name == "dense1"
    assert result.diagnosis[0].name == "symmetric_padding"
    assert result.diagnosis[0].title.endswith("in dense1 alone")


@needs_torch
def test_the_first_diverging_layer_is_named():
    def spoilt(port, node, inputs, p):
        y = TorchPort.conv2d(port, node, inputs, p)
        return y * 1.0001 if node.name.startswith("conv128_1/conv2") else y

    result = judged(PythonPort(planted(conv2d=spoilt)), ["taps/face_recognition_net/noise"]).results[0]
    assert result.first.name == "conv128_1"
    assert [finding.name for finding in result.findings if not finding.problem][-1] == "conv128_down"


# ------------------------------------------------------------------ the bounds


@pytest.mark.parametrize(
    "name", ["raw/face_landmark_68_tiny_net/cut", "raw/mtcnn_rnet/astronaut_min_60", "taps/mtcnn_pnet/noise"]
)
def test_kept_deviations_are_those_that_are_measured(name):
    case = CASES[name]
    question = question_of(GOLDEN, case)
    kept, fresh = deviations_of(case, question), measure(case, question)
    assert digest(case) == _stored()[name]["digest"]
    for answer, numbers in fresh.items():
        for evaluation in ("largest", "sequential", "pairwise"):  # BLAS and the rest differ by machine
            assert kept[answer][evaluation] == pytest.approx(numbers[evaluation], rel=2e-3), (answer, evaluation)
        assert kept[answer]["blas"] == pytest.approx(numbers["blas"], rel=1.0, abs=2e-7 * numbers["largest"])


def test_deviations_are_kept_for_every_golden_case():
    cases = [case for case in GOLDEN.all_cases if case.level in ("raw", "taps")]
    assert {case.name: digest(case) for case in cases} == {name: kept["digest"] for name, kept in _stored().items()}


def test_a_changed_case_is_measured_anew():
    import dataclasses

    case = CASES["raw/mtcnn_rnet/astronaut_min_60"]
    other = dataclasses.replace(case, attributes={"note": 1})
    assert digest(other) != digest(case)
    found = deviations_of(other, question_of(GOLDEN, other))
    assert set(found) == {"prob", "regions"}


def test_orders_of_sums_are_orders_of_sums():
    """With numbers that are exact in float64 all agree; in float32 each differs from the others."""
    from npfaceapi import nets

    net = nets.mtcnn.rnet
    graph = net.graph()
    nodes = list(graph.outputs.values())
    batch = np.floor(np.random.default_rng(1).uniform(0, 255, (2, 24, 24, 3))).astype(np.float32)
    values = dict(evaluate(graph, net.tensors, nodes, batch, ("sequential", "pairwise", "blas")))
    truth = net.run_net(batch, backend="reference64")
    for name, found in values.items():
        for value, exact in zip(found, truth.values(), strict=True):
            error = np.abs(value - exact).max()
            assert 0 < error < 1e-5 * np.abs(exact).max(), name
    assert not np.array_equal(values["sequential"][1], values["pairwise"][1])
    small = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    from npfaceapi.conformance.orders import EVALUATIONS

    for name in ("sequential", "pairwise"):
        filters = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2)
        found = EVALUATIONS[name][0]["conv2d"](small, filters, np.float32([1, 2]), padding="valid")
        assert found.ravel().tolist() == [float((small.ravel() * filters[..., o].ravel()).sum() + 1 + o) for o in (0, 1)]


def test_narrow_numbers():
    x = np.float32([0, 1, 1 + 2**-8, 1 + 2**-7, -3.14159, 65504, 1e-3])
    assert to_float16(x).tolist() == x.astype(np.float16).astype(float).tolist()
    assert to_bfloat16(np.float32([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-7])).tolist() == [1.0, 1 + 2**-6, 1 + 2**-7]  # ties to even
    eight = to_eight_bits(np.linspace(-1, 3, 1000, dtype=np.float32))
    assert len(np.unique(eight)) == 256
    assert 0 in eight
    assert np.abs(eight - np.linspace(-1, 3, 1000)).max() <= 4 / 255 * 0.51 + 4 / 255


def test_the_bound_of_an_operation_is_the_formula():
    case = CASES["operations/conv2d/2"]
    question = question_of(GOLDEN, case)
    one = expected_of(GOLDEN, case, question, FLOAT32)[0]
    x, w = (np.abs(question.inputs[name].astype(np.float64)) for name in ("x", "filters"))
    # the window of the output at [1, 1] with stride 2 and no padding before
    total = (x[0, 2:5, 2:5, :, None] * w).sum(axis=(0, 1, 2))
    expected = 8 * np.sqrt(27) * 2.0**-24 * total
    assert one.bound["absolute"][0, 1, 1].tolist() == pytest.approx(expected.tolist())
    off = one.value.astype(np.float32)
    off[0, 1, 1, 0] += np.float32(3 * expected[0])
    assert judge(case, question, [one], {"output": off}, FLOAT32).first is not None


def test_the_bound_of_raw_outputs_is_the_formula():
    case = CASES["raw/face_recognition_net/cut"]
    question = question_of(GOLDEN, case)
    one = expected_of(GOLDEN, case, question, FLOAT32)[0]
    kept = json.loads((ROOT / "npfaceapi/conformance/deviations.json").read_text())[case.name]["answers"]["descriptor"]
    largest, *deviations = kept[:4]
    assert one.bound["absolute"] == max(8 * max(deviations), 2e-6 * largest)
