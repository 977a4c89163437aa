"""Networks written to files: ONNX graphs whose ONNX Runtime outputs are golden, and weights that load again."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi.commands.networks import NETS, network
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.ports import BackendPort, PythonPort
from npfaceapi.conformance.runner import chosen_cases, run_case_on, run_cases
from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.conformance.tolerance import GRADES, STORED
from npfaceapi.engines import dispatch
from npfaceapi.export.onnx_model import to_onnx
from npfaceapi.networks.tiny_yolov2 import full_shapes, separable_shapes

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

GOLDEN = GoldenCases()
GRAPHS = [name for name in NETS if name != "mtcnn"]


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxProgram:
    """A graph exported to ONNX and run by ONNX Runtime, as a backend."""

    def __init__(self, graph, weights, outputs):
        named = {f"output{k}": node for k, node in enumerate(outputs)}
        self._session = session(to_onnx(graph, weights, named).SerializeToString())

    def __call__(self, batch):
        return self._session.run(None, {"input": batch})


@pytest.fixture
def onnx_backend(monkeypatch):
    backend = dispatch._Backend(lambda: dispatch.BackendStatus(True, "ONNX Runtime"), OnnxProgram)
    monkeypatch.setitem(dispatch._BACKENDS, "onnxruntime", backend)
    with dispatch.use_backend("onnxruntime"):
        yield


@pytest.fixture
def run(run):
    return functools.partial(run, "export")


def ready(name):
    """The network of that name; Tiny YOLO with synthetic weights."""
    net = network(name)
    if name.startswith("tiny_yolov2"):
        shapes = full_shapes() if name == "tiny_yolov2_full" else separable_shapes()
        net = faceapi.TinyYolov2(name == "tiny_yolov2")
        net.load_from_weight_map({n: synthetic(i, shape, -0.1, 0.1) for i, (n, shape) in enumerate(shapes.items())})
    return net


# ------------------------------------------------------------------ ONNX


CASES = [case for case in GOLDEN.cases if case.level in ("operations", "raw", "taps")]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_onnx_runtime_gives_the_golden_values(onnx_backend, case):
    if case.attributes.get("op") == "resize_bilinear":
        pytest.skip("no operation of a network")
    result = run_case_on(BackendPort(GOLDEN, "onnxruntime"), GOLDEN, case, STORED)
    assert result.status == "passed", result.problem


DYNAMIC = ("tiny_face_detector", "tiny_yolov2", "tiny_yolov2_full", "mtcnn_pnet")


class OnnxPort:
    """One ONNX model per network, of dynamic size."""

    def __init__(self):
        self.nets, self.made = {}, {}

    def load_weights(self, network, tensors):
        self.nets[network] = ready(network)
        self.nets[network].load_from_weight_map(tensors)
        self.made.clear()

    def run(self, network, batch, names=()):
        if (network, names) not in self.made:
            net = self.nets.get(network) or ready(network)
            graph = net.graph()
            outputs = {name: graph.find(name) for name in names} or None
            model = to_onnx(graph, net.tensors, outputs, dynamic=True)
            self.made[network, names] = session(model.SerializeToString())
        made = self.made[network, names]
        return dict(zip([o.name for o in made.get_outputs()], made.run(None, {"input": batch}), strict=True))

    def taps(self, network, batch, names):
        return self.run(network, batch, tuple(names))


@pytest.mark.slow
def test_one_model_of_dynamic_size_passes_the_cases_of_all_sizes():
    cases = [case for case in chosen_cases(GOLDEN, levels=["raw", "taps"]) if case.net in DYNAMIC and not case.weights]
    report = run_cases(PythonPort(OnnxPort()), GOLDEN, cases, GRADES["float32"], diagnose=False)
    assert [result.problem for result in report.results if result.status != "passed"] == []
    assert {result.net for result in report.results} == set(DYNAMIC)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("name", DYNAMIC)
def test_dynamic_height_and_width(name, layout, tmp_path):
    net = ready(name)
    model = session(str(faceapi.export_net(net, tmp_path / "net.onnx", layout=layout, dynamic=True)))
    assert model.get_inputs()[0].shape == (["N", "H", "W", 3] if layout == "NHWC" else ["N", 3, "H", "W"])
    for H, W in ((64, 64), (96, 64), (33, 40), (47, 71), (61, 128)):
        batch = synthetic(H, (2, H, W, 3), 0, 255)
        found = model.run(None, {"input": batch if layout == "NHWC" else batch.transpose(0, 3, 1, 2)})
        for value, truth in zip(found, net.run_net(batch, backend="reference64").values(), strict=True):
            assert value.shape == truth.shape
            assert np.abs(value - truth).max() <= 1e-5 * np.abs(truth).max()


@pytest.mark.parametrize("name", [name for name in GRAPHS if name not in DYNAMIC])
def test_networks_of_one_size_are_not_made_dynamic(name, tmp_path):
    with pytest.raises(faceapi.InvalidArgument, match="expected a network that takes any height and width for dynamic, got "):
        faceapi.export_net(ready(name), tmp_path / "net.onnx", dynamic=True)
    with pytest.raises(faceapi.InvalidType, match="expected dynamic to be True or False, got 1"):
        faceapi.export_net(ready(name), tmp_path / "net.onnx", dynamic=1)


def test_every_network_is_among_the_golden_cases():
    assert {case.net for case in CASES if case.level == "raw"} == set(GRAPHS)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("name", GRAPHS)
def test_any_batch_size_in_either_layout(name, layout, tmp_path):
    net = ready(name)
    size = (61, 48) if name == "mtcnn_pnet" else 96 if name.startswith("tiny") else None
    path = faceapi.export_net(net, tmp_path / "net.onnx", size=size, layout=layout)
    model = session(str(path))
    H, W, _ = net.graph(*((size, size) if isinstance(size, int) else size or (None,))).input.shape
    for N in (1, 3):
        batch = synthetic(N, (N, H, W, 3), 0, 255)
        found = model.run(None, {"input": batch if layout == "NHWC" else batch.transpose(0, 3, 1, 2)})
        expected = net.run_net(batch, backend="reference64")
        assert [output.name for output in model.get_outputs()] == list(expected)
        for value, truth in zip(found, expected.values(), strict=True):
            assert value.shape == truth.shape
            assert np.abs(value - truth).max() <= 1e-5 * np.abs(truth).max()


def test_a_change_of_one_weight_is_seen():
    """The comparison above can fail."""
    net = faceapi.nets.face_expression_net
    batch = synthetic(1, (1, 112, 112, 3), 0, 255)
    wrong = {**net.tensors, "fc/bias": net.tensors["fc/bias"] + np.float32(1e-3)}
    (found,) = session(to_onnx(net.graph(), wrong).SerializeToString()).run(None, {"input": batch})
    truth = net.run_net(batch, backend="reference64")["logits"]
    assert np.abs(found - truth).max() > 1e-5 * np.abs(truth).max()


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("name", GRAPHS)
def test_names_are_those_of_the_graph_and_the_weights(name):
    net = ready(name)
    graph = net.graph()
    model = to_onnx(graph, net.tensors).graph
    assert {node.name for node in model.node} >= {node.name for node in graph.nodes[1:]}
    initializers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.initializer}
    assert set(initializers) >= set(graph.params)
    for param in graph.params:
        assert initializers[param].size == net.tensors[param].size
        assert initializers[param].dtype == np.float32
    assert all(initializers[f"relu6/{limit}"].shape == () for limit in ("low", "high") if "relu6/low" in initializers)


def test_taps_are_given_in_the_layout_of_the_graph(tmp_path, run):
    net = faceapi.nets.face_recognition_net
    names = ["conv32_1/conv1", "conv256_down_out/add", "mean", "fc", "descriptor"]  # an image, its pad, a vector, a tensor's name
    path = tmp_path / "net.onnx"
    assert run("face_recognition_net", "--out", path, "--taps", ",".join(names))[0] == 0
    model, batch = session(str(path)), synthetic(5, (2, 150, 150, 3), 0, 255)
    found = dict(zip([o.name for o in model.get_outputs()], model.run(None, {"input": batch}), strict=True))
    expected = net.taps(batch, names, backend="reference64")
    assert set(found) == set(names)
    for name, truth in expected.items():
        assert found[name].shape == truth.shape
        assert np.abs(found[name] - truth).max() <= 1e-5 * np.abs(truth).max()


@pytest.mark.slow
def test_onnx_runtime_folds_what_can_be_folded(tmp_path):
    """For a fair benchmark, ONNX Runtime must fuse scales, batch norms and activations into its convolutions."""
    for name in ("ssd_mobilenetv1", "face_recognition_net", "tiny_face_detector"):
        net, optimized = ready(name), str(tmp_path / f"{name}.onnx")
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = optimized, 3
        blob = to_onnx(net.graph(), net.tensors).SerializeToString()
        onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
        left = [node.op_type for node in onnx.load(optimized).graph.node]
        assert not {"BatchNormalization", "Clip", "LeakyRelu"} & set(left), left
        assert left.count("Mul") + left.count("Sub") + left.count("Div") <= 2, left  # the operations on the input


# ------------------------------------------------------------------ weights


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
@pytest.mark.parametrize("name", NETS)
def test_weights_load_again(name, kind, tmp_path):
    net = ready(name)
    path = faceapi.export_net(net, tmp_path / f"weights.{kind}")
    if kind == "npz":
        with np.load(path) as file:
            tensors = dict(file)
    else:
        from safetensors.numpy import load_file

        tensors = load_file(path)
    if name.startswith("mtcnn_"):
        assert set(tensors) < set(faceapi.nets.mtcnn.tensors)
        tensors = {**faceapi.nets.mtcnn.tensors, **tensors}
        other = faceapi.Mtcnn()
    else:
        other = faceapi.TinyYolov2(False) if name == "tiny_yolov2_full" else type(net)()
    other.load_from_weight_map(tensors)
    for key, tensor in net.tensors.items():
        np.testing.assert_array_equal(other.tensors[key], tensor)


# ------------------------------------------------------------------ the command, and what goes wrong


def test_the_command(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("face_landmark_68_tiny_net")
    assert (status, err) == (0, "")
    assert out.startswith("face_landmark_68_tiny_net.onnx: face_landmark_68_tiny_net, onnx, 77,224 parameters, ")
    assert run("mtcnn", "--format", "npz")[0] == 0
    assert run("tiny_face_detector", "--size", "96x64", "--out", "small.onnx")[0] == 0
    assert session("small.onnx").get_inputs()[0].shape == ["N", 96, 64, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face_landmark_68_tiny_net.onnx", "mtcnn.npz", "small.onnx"]
    if os.name == "posix":
        assert (tmp_path / "small.onnx").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: NET"),
        (["dog_net"], "argument NET|INDEX: expected a network out of ssd_mobilenetv1|ssd, "),
        (["mtcnn"], "expected a network of one graph, got Mtcnn"),
        (["face_expression_net", "--format", "tflite"], "invalid choice: 'tflite'"),
        (["face_expression_net", "--out", "net.pb"], "expected a name that ends in .onnx, .npz, .safetensors"),
        (["face_expression_net", "--size", "0"], "expected a number of pixels, or HEIGHTxWIDTH, got '0'"),
        (["face_expression_net", "--size", "64"], "expected an input"),
        (["face_expression_net", "--format", "npz", "--size", "112"], "with --format onnx only"),
        (
            ["face_expression_net", "--format", "npz", "--dynamic"],
            "expected --size, --dynamic, --taps and --layout with --format",
        ),
        (["face_expression_net", "--dynamic"], "got FaceExpressionNet, whose "),
        (["mtcnn_pnet", "--dynamic", "--size", "64"], "expected --size or --dynamic, got both"),
        (["face_expression_net", "--taps", "nose"], "expected the name of a node, block or output, got 'nose'"),
        (["face_expression_net", "--taps", "input"], "expected outputs that are computed, got the input"),
        (["face_expression_net", "--out", "."], "expected a name that ends in"),
        (["face_expression_net", "--out", ".", "--format", "npz"], "expected a file to write to, got: Is a directory"),
        (["face_expression_net", "--out", "no/net.onnx"], "expected a file to write to, got: no such folder"),
        (
            ["face_expression_net", "--weights", "nowhere"],
            "weights_manifest.json: expected a file that can be read, got: No",
        ),
        (["tiny_yolov2"], "TinyYolov2: expected weights to be loaded, got none"),
    ],
)
def test_wrong_usage(run, argv, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*argv)
    assert status == (1 if "weight" in message else 2)
    assert out == ""
    assert message in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [None, "face_expression_net", faceapi.FaceExpressionNet])
def test_what_is_no_network(wrong, tmp_path):
    with pytest.raises(faceapi.InvalidType, match="export_net: expected a network"):
        faceapi.export_net(wrong, tmp_path / "a.onnx")


def test_what_is_no_file_or_format(tmp_path):
    net = faceapi.nets.face_expression_net
    with pytest.raises(faceapi.InvalidType, match="expected the path of a file, got NoneType"):
        faceapi.export_net(net, None)
    with pytest.raises(faceapi.InvalidArgument, match="expected a format out of onnx, npz, safetensors, got ''"):
        faceapi.export_net(net, tmp_path / "a")
    with pytest.raises(faceapi.InvalidArgument, match="expected the layout NHWC or NCHW, got 'CHW'"):
        faceapi.export_net(net, tmp_path / "a.onnx", layout="CHW")
    with pytest.raises(faceapi.InvalidArgument, match=r"expected a file to write to, got: .*embedded null"):
        faceapi.export_net(net, "a\0b", "npz")


@pytest.mark.parametrize(("package", "kind"), [("onnx", "onnx"), ("safetensors", "safetensors")])
def test_a_package_that_is_not_installed(run, monkeypatch, tmp_path, package, kind):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    status, out, err = run("face_expression_net", "--out", tmp_path / f"a.{kind}")
    assert (status, out) == (1, "")
    assert err.endswith(f'expected the package {package}, got none installed; pip install "npfaceapi[{package}]"\n')
    assert err.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="no limit on the size of files there")
def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path):
    path = tmp_path / "net.npz"
    faceapi.export_net(faceapi.nets.face_landmark_68_tiny_net, path)
    old = path.read_bytes()
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from npfaceapi.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", limited, "export", "face_expression_net", "--out", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == f"npfaceapi export: {path}: expected a file to write to, got: File too large\n"
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]
    assert path.read_bytes() == old
