"""The benchmark command: fields and tables, wrong answers that are never timed as right ones, and what goes wrong."""

from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from npfaceapi import cli
from npfaceapi.benchmark import chain, gpu, networks, peers, processes
from npfaceapi.benchmark.chain import photo_of_three, run_chain
from npfaceapi.benchmark.entries import ENTRIES, Entry, accuracy_inputs, chosen_entries, noise
from npfaceapi.benchmark.networks import relative_error
from npfaceapi.benchmark.section import Section
from npfaceapi.benchmark.timing import ROUNDS, time_blocks
from npfaceapi.engines import dispatch, thread_count
from npfaceapi.errors import BackendUnavailable

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

FIELDS = [
    "net", "input", "threads", "ours_ms_min", "ours_ms_median", "peers", "max_rel_error", "macs", "peer", "peer_ms_min",
    "peer_ms_median", "gflops",
]  # fmt: skip
QUICK = ("--seconds", "0.01", "--net", "mtcnn_rnet", "--net", "face_landmark_68_tiny_net")


@pytest.fixture
def run(run, monkeypatch):
    monkeypatch.setattr("npfaceapi.benchmark.timing.PAUSE", 0)
    monkeypatch.setattr("npfaceapi.benchmark.timing.ROUNDS", 2)
    threads = thread_count.get_num_threads()
    yield functools.partial(run, "bench")
    assert thread_count.get_num_threads() == threads


@pytest.mark.slow
def test_the_entries_are_those_of_the_published_table():
    assert len(ENTRIES) == 11
    assert [entry.shape() for entry in ENTRIES if entry.name == "tiny_face_detector"] == ["1x416x416x3", "1x224x224x3"]
    (pnet,) = chosen_entries(["mtcnn_pnet@36x48"])
    assert (pnet.height, pnet.width) == (36, 48)
    assert len({batch.tobytes() for batch in accuracy_inputs(pnet)}) == 5
    assert not np.array_equal(noise(pnet, 1, 1), noise(pnet, 1, 2))


@pytest.mark.slow
def test_json(run, tmp_path):
    status, out, err = run(*QUICK, "--threads", 1, "--json", "-")
    assert (status, err) == (0, "")
    records = json.loads(out)
    assert [list(record) for record in records] == [["npfaceapi", *FIELDS]] * 2
    for record in records:
        assert 0 < record["ours_ms_min"] <= record["ours_ms_median"]
        assert 0 < record["peer_ms_min"] <= record["peer_ms_median"]
        assert 0 < record["max_rel_error"] < 1e-5
        assert record["gflops"] == pytest.approx(2 * record["macs"] / record["ours_ms_median"] / 1e6)
        assert (record["threads"], record["peer"]) == (1, "onnxruntime")
    assert [record["input"] for record in records] == ["1x24x24x3", "1x112x112x3"]
    status, out, _ = run(*QUICK, "--against", "none", "--json", tmp_path / "a.json")
    assert "onnxruntime" not in out
    assert json.loads((tmp_path / "a.json").read_text())[0]["peer_ms_min"] is None


@pytest.mark.slow
def test_tables(run, tmp_path):
    page = tmp_path / "benchmarks.md"
    status, out, _ = run(*QUICK, "--threads", 2, "--markdown", page)
    assert status == 0
    assert out.startswith("One image, 2 threads, against onnxruntime\n")
    assert "geometric mean of the median ratios: " in out
    text = page.read_text()
    for part in (
        "# Benchmarks",
        "Made by `npfaceapi ",
        "CPUs usable",
        "numba ",
        "npfaceapi bench --threads 2 --against onnxruntime",
    ):
        assert part in text
    assert text.count("| mtcnn_rnet | 1x24x24x3 |") == 1


@pytest.mark.slow
def test_the_fastest_peer_of_each_row_is_named(run, monkeypatch):
    """A second peer is ONNX Runtime made slow."""

    def slow(*arguments):
        runner = peers._onnxruntime(*arguments)
        return runner._replace(call=lambda fed: (time.sleep(0.02), runner.call(fed))[1])

    monkeypatch.setitem(peers.PEERS, "slow", slow)
    monkeypatch.setattr(peers, "available_peers", lambda: ["slow", "onnxruntime"])
    status, out, _ = run("--net", "mtcnn_onet", "--net", "mtcnn_rnet", "--seconds", 0.05, "--against", "best", "--threads", 1)
    assert status == 0
    assert out.startswith("One image, 1 thread, against the fastest peer\n")
    header, *rows = [line.split() for line in out.splitlines()[1:4]]
    assert header[4:6] == ["fastest", "peer"]
    assert [row[5] for row in rows] == ["onnxruntime"] * 2
    status, out, _ = run("--net", "mtcnn_rnet", "--seconds", 0.05, "--against", "best", "--threads", 1, "--json", "-")
    (record,) = json.loads(out)
    assert record["peers"]["slow"]["ms_min"] > 20 > record["peer_ms_min"] == record["peers"]["onnxruntime"]["ms_min"]


@pytest.mark.slow
def test_openvino_as_a_peer(run):
    pytest.importorskip("openvino")
    status, out, err = run(*QUICK, "--against", "openvino", "--threads", 1, "--json", "-")
    assert (status, err) == (0, "")
    assert all(record["peer"] == "openvino" and record["peer_ms_min"] > 0 for record in json.loads(out))


@pytest.mark.slow
def test_batches(run):
    status, out, _ = run("--batch", 2, "--seconds", 0.01, "--net", "mtcnn_onet", "--net", "face_expression_net", "--json", "-")
    assert status == 0
    onet, _ = json.loads(out)
    assert onet["input"] == "2x48x48x3"
    assert onet["macs"] % 2 == 0
    assert 10e6 < onet["macs"] / 2 < 20e6


def test_accuracy(run):
    status, out, _ = run("--accuracy", *QUICK, "--json", "-")
    assert status == 0
    for record in json.loads(out):
        assert 0 < record["error"] <= 3e-6
        assert 0 < record["peer_error"] <= 3e-6


@pytest.mark.slow
@pytest.mark.parametrize("who", ["numba", "onnxruntime"])
def test_a_wrong_answer_is_no_figure(run, monkeypatch, who):
    def spoilt(outputs):
        return [value + np.float32(1e-3) for value in outputs]

    if who == "numba":
        original = peers.ours
        monkeypatch.setattr(networks, "ours", lambda *a: original(*a)._replace(outputs=lambda out: spoilt(out.values())))
    else:
        monkeypatch.setitem(peers.PEERS, who, lambda *a: peers._onnxruntime(*a)._replace(outputs=spoilt))
    status, out, err = run(*QUICK)
    assert (status, out) == (1, "")
    assert f"mtcnn_rnet on {who}: expected an error of at most 1e-05, got " in err


def test_the_error_is_of_the_worst_output():
    truth = [np.array([[1.0, -100.0]]), np.array([[2.0]])]
    assert relative_error([truth[0] + 1, truth[1]], truth) == 0.01
    assert relative_error([truth[0], truth[1] + 1], truth) == 0.5
    assert relative_error([truth[0] * np.nan, truth[1]], truth) == np.inf


@pytest.mark.slow
def test_blocks_alternate(monkeypatch):
    monkeypatch.setattr("npfaceapi.benchmark.timing.PAUSE", 0)
    calls = []
    times = time_blocks({"a": lambda: calls.append("a") or time.sleep(1e-3), "b": lambda: calls.append("b")}, 0.05)
    changes = sum(x != y for x, y in itertools.pairwise(calls))
    assert changes == 2 * ROUNDS + 1  # one more for the calls that tell how long a call takes
    assert 1 <= times["a"].min <= times["a"].median
    assert times["b"].median < times["a"].min


@pytest.mark.slow
def test_the_chains_photo_has_three_faces():
    photo = photo_of_three()
    assert (photo.shape, photo.dtype) == ((1280, 1920, 3), np.uint8)
    faces = run_chain(photo)
    assert len(faces) == 3
    assert sorted(round(face.detection.box.x // 640) for face in faces) == [0, 1, 2]
    assert all(face.descriptor is not None and face.age is not None and face.expressions is not None for face in faces)


@pytest.mark.slow
def test_chain_and_memory(run):
    status, out, _ = run("--chain", "--memory", "--threads", 1, "--seconds", 0.01, "--json", "-")
    assert status == 0
    chain, memory = json.loads(out)
    assert chain["ratio"] == pytest.approx(chain["chain_ms_median"] / chain["networks_ms_median"])
    assert memory["faces"] == 3
    assert 50e6 < memory["peak_bytes"] < 1e9


@pytest.mark.slow
def test_the_peak_is_that_of_the_process_itself():
    """getrusage of a child counts in what its parent held when it forked."""
    ballast = np.ones(200_000_000, np.uint8)
    source = "from npfaceapi.benchmark.processes import peak_memory as p; a = p(); x = b'1' * 50_000_000; print(a, p())"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < len(ballast)
    assert 45e6 < after - before < 60e6


def test_cold_start_counts_fresh_processes(monkeypatch):
    commands = []

    def python(*arguments, **environment):
        commands.append((arguments[:3], environment))
        return "0.5"

    monkeypatch.setattr(processes, "_python", python)
    section = processes.cold_start_section("numba", runs=3)
    assert [record["runs"] for record in section.records] == [3, 3, 1]
    assert section.records[0]["s_median"] == 0.5
    assert len(commands) == 2 + 3 + 3 + 1
    assert "NUMBA_CACHE_DIR" in commands[-1][1]
    assert all(environment["NPFACEAPI_BACKEND"] == "numba" for _, environment in commands)


@pytest.mark.slow
def test_several_runs_give_their_medians(run):
    def record(mine, ort, other, error):
        peers = {"ort": {"ms_min": ort, "ms_median": ort + 1}, "other": {"ms_min": other, "ms_median": other + 1}}
        return {"net": "a", "macs": 1000, "ours_ms_min": mine, "ours_ms_median": mine + 1, "peers": peers, "max_rel_error": error}

    (merged,) = networks.medians_of_runs([[record(1, 5, 9, 3)], [record(7, 2, 1, 9)], [record(4, 3, 2, 1)]])
    fastest = {"peer": "other", "peer_ms_min": 2, "peer_ms_median": 3}
    assert merged == {**record(4, 3, 2, 9), **fastest, "gflops": 2 * 1000 / 5 / 1e6}
    status, out, _ = run(*QUICK, "--runs", 2, "--against", "none", "--json", "-")
    assert status == 0
    assert len(json.loads(out)) == 2


def test_a_process_that_fails_is_no_figure():
    with pytest.raises(processes.FreshProcessFailed, match="expected a fresh process to succeed, got status 3"):
        processes._python("-c", "raise SystemExit(3)")


def test_all_asks_every_question(monkeypatch, capsys):
    asked = []

    def section(name):
        def make(*arguments, **options):
            asked.append((name, *(options.get(key) for key in ("threads", "batch", "peers") if key in options)))
            return [] if name == "networks" else networks.Section(name, "", ["", "ms"])

        return make

    monkeypatch.setattr("npfaceapi.benchmark.networks.measure_networks", section("networks"))
    monkeypatch.setattr("npfaceapi.benchmark.networks.networks_section", lambda *a: networks.Section("networks", "", ["", "ms"]))
    for module, name in (
        *(("chain", "chain"), ("processes", "cold_start"), ("processes", "memory"), ("accuracy", "accuracy")),
        ("roofline", "roofline"),
    ):
        monkeypatch.setattr(f"npfaceapi.benchmark.{module}.{name}_section", section(name))
    assert cli.main(["bench", "--all", "--against", "onnxruntime"]) == 0
    assert asked == [
        ("networks", 1, 1, ["onnxruntime"]),
        ("networks", 2, 1, ["onnxruntime"]),
        ("networks", 2, 16, ["onnxruntime"]),
        *(("chain",), ("chain",), ("accuracy",), ("roofline",), ("cold_start",), ("memory",)),
    ]


def test_networks_without_bundled_weights_are_timed_where_these_are_at_hand(run, monkeypatch, tmp_path):
    assert chosen_entries([]) == list(ENTRIES)
    status, _, err = run("--net", "tiny_yolov2_full", "--against", "none")
    assert status == 1
    assert err.startswith("npfaceapi bench: TinyYolov2: expected weights to be loaded, got none")
    monkeypatch.setenv("NPFACEAPI_TINY_YOLOV2", str(tmp_path))
    assert chosen_entries([]) == list(ENTRIES)
    with open(tmp_path / "tiny_yolov2_model.weights", "wb") as file:
        file.truncate(4 * 15_767_454)
    assert chosen_entries([]) == [*ENTRIES, Entry("tiny_yolov2_full", 416, 416)]
    assert chosen_entries(["tiny_yolov2"]) == [Entry("tiny_yolov2", 416, 416)]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--net", "dog_net"], "--net: expected a network out of ssd_mobilenetv1|ssd, tiny_face_detector|tiny, "),
        (["--net", "mtcnn_pnet@big"], "expected mtcnn_pnet@SIZE or mtcnn_pnet@HEIGHTxWIDTH, got 'mtcnn_pnet@big'"),
        (["--net", "tiny_face_detector@0"], "expected tiny_face_detector@SIZE"),
        (["--net", "mtcnn_rnet", "--size", "30"], "expected an input [576]"),
        (["--net", "mtcnn_pnet", "--size", "big"], "--size: expected a number of pixels, or HEIGHTxWIDTH, got 'big'"),
        (["--size", "64"], "expected --net with --size, got --size alone"),
        (["--threads", "0"], "expected a whole number from 1 up, got '0'"),
        (["--batch", "x"], "expected a whole number from 1 up, got 'x'"),
        (["--seconds", "-1"], "expected seconds, more than 0 and at most 600, got '-1'"),
        (["--against", "tflite"], "invalid choice: 'tflite'"),
        (["--backend", "abacus"], "expected a backend out of numba, "),
        (
            ["--json", "/no/such/folder/a.json"],
            "--json /no/such/folder/a.json: expected a file to write to, got: no such folder",
        ),
        (["--markdown", "/"], "--markdown /: expected a file to write to, got: Is a directory"),
        (["--runs", "0"], "expected a whole number from 1 up, got '0'"),
    ],
)
def test_wrong_usage(run, argv, message):
    status, _, err = run(*argv)
    assert status == 2
    assert message in err.splitlines()[-1]


def test_a_peer_that_is_not_installed(run, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    status, out, err = run(*QUICK, "--against", "onnxruntime")
    assert (status, out) == (1, "")
    assert err == 'npfaceapi bench: expected the package onnxruntime, got none installed; pip install "npfaceapi[bench]"\n'


@pytest.mark.slow
def test_the_peer_loses_its_pass_over_the_input_and_no_accuracy():
    """`fold_input_scale` must apply to every entry, else the comparison favours us."""
    from npfaceapi.export.onnx_model import to_onnx

    for entry in ENTRIES:
        graph = entry.net.graph(entry.height, entry.width)
        plain, folded = (to_onnx(graph, entry.net.tensors, layout="NCHW") for _ in range(2))
        peers.fold_input_scale(folded)
        assert len(folded.graph.node) == len(plain.graph.node) - 1
        assert [node.op_type for node in folded.graph.node[:2]] == ["Sub", "Conv"]


@pytest.mark.slow
def test_torch_as_a_peer(run):
    pytest.importorskip("torch")
    status, out, err = run(*QUICK, "--against", "torch", "--threads", 1, "--json", "-")
    assert (status, err) == (0, "")
    assert all(record["peer"] == "torch" and record["peer_ms_min"] > 0 for record in json.loads(out))


@pytest.mark.slow
def test_every_network_is_right_on_torch():
    torch = pytest.importorskip("torch")
    from npfaceapi.benchmark.torch_peer import _Module

    for entry in ENTRIES:
        net, graph, batch = entry.net, entry.net.graph(entry.height, entry.width), noise(entry, 2, 3)
        with torch.inference_mode():
            found = _Module(graph, net.tensors)(torch.from_numpy(batch).permute(0, 3, 1, 2))
        truth = list(net.run_net(batch, backend="reference64").values())
        assert relative_error([value.numpy() for value in found], truth) < 1e-5


# ------------------------------------------------------------------ on a GPU


def stand_in(factor=1.0, kind="launches"):
    """An engine for `gpu.measure_on_gpu`: the reference, wrong by a factor."""

    def engine(entry):
        def call(batch):
            return [y * np.float32(factor) for y in entry.net.run_net(batch, backend="reference").values()]

        return gpu.GpuEngine(call, lambda batch, runs: [2.0 * len(batch)] * runs, lambda: kind)

    return engine


@pytest.fixture
def on_gpu(monkeypatch):
    """The cuda backend is there, with a stand-in for a GPU."""
    status = dispatch.BackendStatus(True, "a stand-in for a GPU")
    monkeypatch.setitem(dispatch._BACKENDS, "cuda", dispatch._BACKENDS["cuda"]._replace(status=lambda: status))
    monkeypatch.setattr(gpu, "_ours", stand_in())
    monkeypatch.setattr(gpu, "_torch", stand_in(kind="CUDA graph, NHWC"))
    monkeypatch.setattr(gpu, "LEAST", 1)
    monkeypatch.setattr(gpu, "BLOCKS", 1)


SMALL = ("--backend", "cuda", "--net", "mtcnn_rnet", "--seconds", "0.01")


@pytest.mark.slow
def test_on_a_gpu_three_sizes_of_batch(run, on_gpu, tmp_path):
    status, out, err = run(*SMALL, "--against", "torch", "--json", tmp_path / "a.json", "--markdown", tmp_path / "a.md")
    assert (status, err) == (0, "")
    assert out.count("on a stand-in for a GPU") == 3
    records = json.loads((tmp_path / "a.json").read_text())
    assert [record["input"] for record in records] == ["1x24x24x3", "8x24x24x3", "64x24x24x3"]
    for N, record in zip((1, 8, 64), records, strict=True):
        assert record["ours_gpu_ms_median"] == record["peer_gpu_ms_min"] == 2.0 * N
        assert record["ours_call_ms_median"] > 0
        assert 0 < record["max_rel_error"] < 1e-5
        assert record["gflops"] == pytest.approx(2 * record["macs"] / (2.0 * N) / 1e6)
    page = (tmp_path / "a.md").read_text()
    assert "npfaceapi bench --backend cuda --batch 64 --against torch" in page
    assert "CUDA graph, NHWC" in page


def test_on_a_gpu_without_a_peer(run, on_gpu):
    status, out, _ = run(*SMALL, "--batch", 2, "--against", "none", "--json", "-")
    assert status == 0
    (record,) = json.loads(out)
    assert (record["peer"], record["peer_gpu_ms_median"], record["input"]) == (None, None, "2x24x24x3")


def test_on_a_gpu_a_wrong_answer_is_not_timed_as_a_right_one(run, on_gpu, monkeypatch):
    monkeypatch.setattr(gpu, "_ours", stand_in(1.0001))
    status, out, err = run(*SMALL, "--batch", 1, "--against", "none")
    assert status == 1
    assert "mtcnn_rnet on cuda: expected an error of at most 1e-05, got 0.0001" in err
    assert out == ""


def test_on_a_gpu_the_chain(run, on_gpu, monkeypatch):
    monkeypatch.setattr(
        chain, "chain_section", lambda backend, threads, seconds: Section(f"The chain on {backend}", "", ["", "ms"])
    )
    status, out, _ = run(*SMALL, "--chain")
    assert status == 0
    assert out.startswith("The chain on cuda\n")


@pytest.mark.parametrize("wrong", [["--against", "onnxruntime"], ["--memory"], ["--all"], ["--accuracy"]])
def test_on_a_gpu_what_cannot_be_measured_is_refused(run, on_gpu, wrong):
    status, _, err = run(*SMALL, *wrong)
    assert status == 2
    assert "expected --net, --size, --batch, --chain, --seconds and --against torch or none with the cuda backend" in err


def test_pytorch_without_cuda_is_refused(run, on_gpu, monkeypatch):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("PyTorch has CUDA here")
    monkeypatch.undo()
    with pytest.raises(BackendUnavailable, match="expected a PyTorch that sees the GPU"):
        gpu._torch(ENTRIES[-1])
