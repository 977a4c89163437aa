"""Weights: decoding, the ways of loading for every network, the flat form, and what damaged files lead to."""

from __future__ import annotations

import functools
import hashlib
import http.server
import itertools
import json
import math
import shutil
import struct
import threading

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi import nets, weights
from npfaceapi.errors import InvalidArgument, InvalidType, WeightsError
from npfaceapi.networks import tiny_yolov2

FOLDER = ROOT / "weights"
CLASSES = {
    "ssd_mobilenetv1": faceapi.SsdMobilenetv1,
    "tiny_face_detector": faceapi.TinyFaceDetector,
    "mtcnn": faceapi.Mtcnn,
    "face_landmark_68_net": faceapi.FaceLandmark68Net,
    "face_landmark_68_tiny_net": faceapi.FaceLandmark68TinyNet,
    "face_recognition_net": faceapi.FaceRecognitionNet,
    "face_expression_net": faceapi.FaceExpressionNet,
    "age_gender_net": faceapi.AgeGenderNet,
}
# How many numbers face-api.js 0.22.2 takes from a flat array.
TOTALS = {
    "ssd_mobilenetv1": 5_555_519,
    "tiny_face_detector": 193_321,
    "mtcnn": 495_850,
    "face_landmark_68_net": 356_840,
    "face_landmark_68_tiny_net": 77_224,
    "face_recognition_net": 5_614_592,
    "face_expression_net": 323_687,
    "age_gender_net": 421_731,
}
every_net = pytest.mark.parametrize("name", CLASSES)
MODEL = "face_landmark_68_tiny_model"
MANIFEST = f"{MODEL}-weights_manifest.json"
SHARD = f"{MODEL}-shard1"


def decode_plainly(folder, model):
    """The format in a few lines of plain Python: bytes one after the other, q * scale + min in double precision."""
    tensors = {}
    for group in json.loads((folder / f"{model}-weights_manifest.json").read_text()):
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            quantization = entry.get("quantization")
            letter = {"uint8": "B", "uint16": "H", "int32": "i", "float32": "f"}[(quantization or entry)["dtype"]]
            values = struct.unpack_from(f"<{count}{letter}", data, at)
            at += struct.calcsize(f"<{count}{letter}")
            if quantization:
                values = [q * quantization["scale"] + quantization["min"] for q in values]
            tensors[entry["name"]] = np.array(values, np.float32).reshape(entry["shape"])
    return tensors


def assert_same(net, expected):
    assert {name: tensor.tobytes() for name, tensor in net.get_param_list()} == {
        name: np.ascontiguousarray(tensor).tobytes() for name, tensor in expected.items()
    }


@pytest.fixture
def folder(tmp_path):
    """A copy of the smallest model's files, to damage."""
    for name in (MANIFEST, SHARD):
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def edit_manifest(folder, change):
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest[0])
    (folder / MANIFEST).write_text(json.dumps(manifest))


# ------------------------------------------------------------------ decoding


@pytest.mark.parametrize("name", ["face_landmark_68_tiny_net", "age_gender_net", "mtcnn", "tiny_face_detector"])
def test_decoding_equals_a_plain_implementation(name):
    net = getattr(nets, name)
    expected = decode_plainly(FOLDER, net.model_name)
    assert_same(net, expected)
    assert all(tensor.dtype == np.float32 and not tensor.flags.writeable for _, tensor in net.get_param_list())


def test_all_kinds_of_entries():
    data = bytes([0, 255]) + struct.pack("<2H", 7, 65535) + struct.pack("<f", 1.5) + struct.pack("<i", -3) + bytes([3, 4])
    entries = [
        {"name": "a", "shape": [2], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -1.0}},
        {"name": "b", "shape": [1, 2], "dtype": "float32", "quantization": {"dtype": "uint16", "scale": 2, "min": 0}},
        {"name": "c", "shape": [], "dtype": "float32"},
        {"name": "d", "shape": [1], "dtype": "int32"},
        {"name": "e", "shape": [2], "dtype": "int32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": 0}},
    ]
    manifest = json.dumps([{"weights": entries, "paths": ["one", "two"]}]).encode()
    read = {"one": data[:5], "two": data[5:]}.__getitem__  # the cut lies inside of an entry
    tensors = weights.read_tensors(manifest, read, "m")
    assert tensors["a"].tolist() == [-1.0, np.float32(255 * 0.1 - 1.0)]
    assert tensors["b"].tolist() == [[14, 131070]]
    assert tensors["c"].shape == ()
    assert tensors["c"] == 1.5
    assert tensors["d"].tolist() == [-3]
    assert tensors["e"].tolist() == [2, 2]  # round(1.5), round(2.0), half up
    assert list(weights.read_tensors(manifest, read, "m", ["d"])) == ["d"]
    assert weights.tensor_shapes(manifest, "m")["b"] == (1, 2)


def test_bundled_files_have_the_hashes_of_SHA256SUMS():
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    names = {line.split()[1] for line in lines}
    assert names >= {file.name for file in FOLDER.iterdir() if "_model-" in file.name}
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


def test_a_damaged_bundled_file_is_refused(folder, monkeypatch):
    shutil.copy(FOLDER / "SHA256SUMS", folder)
    data = bytearray((folder / SHARD).read_bytes())
    data[100] ^= 1
    (folder / SHARD).write_bytes(data)
    monkeypatch.setattr(weights, "data_folder", lambda name: folder)
    net = faceapi.FaceLandmark68TinyNet()
    with pytest.raises(WeightsError, match=rf"{SHARD}: expected SHA-256 [0-9a-f]{{64}}, got [0-9a-f]{{64}} \(\d+ bytes\)"):
        net.load()
    (folder / SHARD).unlink()
    with pytest.raises(WeightsError, match=f"{SHARD}: expected a bundled weight file"):
        net.load()
    assert not net.is_loaded


# ------------------------------------------------------------------ ways of loading


@pytest.fixture(scope="module")
def server():
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(FOLDER))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@every_net
def test_every_way_of_loading_gives_the_same_bits(name, server, tmp_path):
    bundled = getattr(nets, name)
    manifest = f"{bundled.model_name}-weights_manifest.json"
    flat = bundled.serialize_params()
    flat.tofile(tmp_path / "net.weights")
    ways = {
        "folder": lambda net: net.load_from_disk(FOLDER),
        "manifest": lambda net: net.load_from_disk(str(FOLDER / manifest)),
        "http folder": lambda net: net.load_from_uri(server),
        "http manifest": lambda net: net.load_from_uri(f"{server}/{manifest}"),
        "file:": lambda net: net.load_from_uri(FOLDER.as_uri()),
        "map": lambda net: net.load_from_weight_map(dict(bundled.get_param_list())),
        "flat": lambda net: net.load(flat),
        ".weights": lambda net: net.load(str(tmp_path / "net.weights")),
        "load path": lambda net: net.load(FOLDER),
        "bundled": lambda net: net.load(),
    }
    for way, load in ways.items():
        net = CLASSES[name]()
        assert not net.is_loaded, way
        load(net)
        assert net.is_loaded, way
        assert_same(net, bundled.tensors)


@every_net
def test_flat_totals_and_round_trip(name):
    net = CLASSES[name]()
    net.load()
    flat = net.serialize_params()
    assert flat.shape == (TOTALS[name],)
    assert flat.dtype == np.float32
    again = CLASSES[name]()
    again.load(flat)
    assert again.serialize_params().tobytes() == flat.tobytes()


@pytest.mark.parametrize(("separable", "total"), [(True, 1_794_500), (False, 15_767_454)])
def test_tiny_yolov2_from_a_flat_array(separable, total):
    net = faceapi.TinyYolov2(separable)
    flat = np.arange(total, dtype=np.float32)
    net.load(flat)
    assert net.serialize_params().tobytes() == flat.tobytes()
    first = net.flat_order()[0]
    assert net.tensors[first].reshape(-1)[:3].tolist() == [0, 1, 2]


def test_flat_order_of_ssd():
    """face-api.js: filters, scale, offset, mean, variance of each depthwise layer; the priors last."""
    net = nets.ssd_mobilenetv1
    order = net.flat_order()
    norm = [f"MobilenetV1/Conv2d_1_depthwise/BatchNorm/{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance")]
    assert order[2:7] == ["MobilenetV1/Conv2d_1_depthwise/depthwise_weights", *norm]
    assert order[-1] == "Output/extra_dim"
    assert sorted(order) == sorted(net.tensors)
    flat = net.serialize_params()
    # offsets of the tables that face-api.js's own extraction gives
    assert flat[1184:1216].tobytes() == net.tensors[norm[0]].tobytes()
    assert flat[1280:1312].tobytes() == net.tensors[norm[3]].tobytes()
    assert flat[-4 * 5118 :].tobytes() == net.tensors["Output/extra_dim"].tobytes()


def test_flat_form_of_recognition_is_transposed():
    net = nets.face_recognition_net
    filters, flat = net.tensors["conv32_down/conv/filters"], net.serialize_params()
    assert filters.shape == (7, 7, 3, 32)
    kernel = flat[: filters.size].reshape(32, 3, 7, 7)
    for kh, kw, i, o in itertools.product((0, 6), (1, 5), range(3), (0, 31)):
        assert kernel[o, i, kh, kw] == filters[kh, kw, i, o]
    fc = net.tensors["fc"]
    assert flat[-256:].tolist() == fc[:, 127].tolist()


# ------------------------------------------------------------------ damage


def fails(folder, *parts):
    net = faceapi.FaceLandmark68TinyNet()
    with pytest.raises(WeightsError) as error:
        net.load_from_disk(folder)
    message = str(error.value)
    assert "\n" not in message
    for part in ("expected", "got", *parts):
        assert part in message
    assert not net.is_loaded


def test_truncated_and_too_long_shards(folder):
    data = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(data[:-1])
    fails(folder, SHARD, "tensor fc/bias", f"got {len(data) - 1} bytes")
    (folder / SHARD).write_bytes(b"")
    fails(folder, SHARD, "tensor dense0/conv0/filters", "got 0 bytes")
    (folder / SHARD).write_bytes(data + b"\0")
    fails(folder, SHARD, f"expected {len(data)} bytes", f"got {len(data) + 1}")


def test_missing_files(folder, server):
    (folder / SHARD).unlink()
    fails(folder, SHARD, "No such file")
    (folder / MANIFEST).unlink()
    fails(folder, MANIFEST, "No such file")
    net = faceapi.FaceLandmark68TinyNet()
    for load in (net.load_from_uri, net.load):
        with pytest.raises(WeightsError, match="nowhere"):
            load(f"{server}/nowhere")
    with pytest.raises(WeightsError, match=r"nowhere\.weights"):
        net.load(str(folder / "nowhere.weights"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"3",
        b"[3]",
        b"{}x",
        b'[{"weights": []}]',
        b'[{"paths": [], "weights": [{}]}]',
        b"[" * 100_000,
    ],
)
def test_manifests_that_are_none(folder, text):
    (folder / MANIFEST).write_bytes(text)
    fails(folder, MANIFEST)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [3, 3, -3, 32]),
        ("shape", [3, 3, 1.5, 32]),
        ("shape", 7),
        ("shape", ["3"]),
        ("dtype", "float8"),
        ("dtype", ["float32"]),
        ("name", 5),
        ("quantization", {"dtype": "uint8"}),
        ("quantization", {"dtype": "uint8", "scale": "1", "min": 0}),
        ("quantization", 3),
    ],
)
def test_entries_that_make_no_sense(folder, key, value):
    edit_manifest(folder, lambda group: group["weights"][0].__setitem__(key, value))
    fails(folder, MANIFEST)


def test_a_tensor_that_comes_twice(folder):
    edit_manifest(folder, lambda group: group["weights"][-1].__setitem__("name", "fc/weights"))
    fails(folder, MANIFEST, "tensor fc/weights twice")


def test_wrong_shape_missing_and_extra_tensors(folder):
    edit_manifest(folder, lambda group: group["weights"][-1].__setitem__("shape", [2, 68]))
    fails(folder, "tensor fc/bias of shape [136]", "got [2, 68]")
    edit_manifest(folder, lambda group: group["weights"][-1].update(shape=[136], name="nose"))
    fails(folder, "tensor fc/bias of shape [136]", "got none")
    net = faceapi.FaceLandmark68TinyNet()
    net.load()
    with pytest.raises(WeightsError, match=r"expected only the tensors of FaceLandmark68TinyNet, got nose as well \(1 extra\)"):
        net.load_from_weight_map({**net.tensors, "nose": np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.full(136, np.nan, np.float32), "expected finite numbers in tensor fc/bias, got NaN"),
        (np.full(136, 1e300), "expected finite numbers in tensor fc/bias, got NaN or infinity"),
        (np.zeros(135, np.float32), "expected tensor fc/bias of shape [136], got [135]"),
        (np.zeros((136, 1), np.float32), "expected tensor fc/bias of shape [136], got [136, 1]"),
        (np.zeros(136, complex), "expected numbers in tensor fc/bias, got complex128"),
        (np.full(136, "1"), "expected numbers in tensor fc/bias, got <U1"),
        ([[1], [1, 2]], "expected numbers in tensor fc/bias, got object"),
        (None, "expected numbers in tensor fc/bias, got object"),
    ],
)
def test_a_failed_load_says_why_and_keeps_the_old_weights(value, message):
    net = faceapi.FaceLandmark68TinyNet()
    net.load()
    before = net.serialize_params()
    with pytest.raises(WeightsError) as error:
        net.load_from_weight_map({**net.tensors, "fc/bias": value})
    assert message in str(error.value)
    with pytest.raises(WeightsError):
        net.reassign_param_from_path("fc/bias", value)
    with pytest.raises(WeightsError, match="expected 77224 numbers for FaceLandmark68TinyNet, got 77223"):
        net.load(before[1:])
    assert net.serialize_params().tobytes() == before.tobytes()


def test_arguments_of_the_wrong_type(tmp_path):
    net = faceapi.FaceLandmark68TinyNet()
    for load in (net.load_from_disk, net.load_from_uri):
        for path in (None, 3, b"weights"):
            with pytest.raises(InvalidType, match="expected a folder, a manifest or a URL, got"):
                load(path)
        with pytest.raises(InvalidArgument, match="got ''"):
            load("")
    for flat in ([1.0, 2.0], np.zeros((2, 2), np.float32), np.zeros(77_224), {}, [[1], [2, 3]]):
        with pytest.raises(InvalidType, match=r"FaceLandmark68TinyNet\.load: expected a 1-D float32 array"):
            net.load(flat)
    with pytest.raises(InvalidType, match="expected a dict of arrays, got list"):
        net.load_from_weight_map([])
    (tmp_path / "odd.weights").write_bytes(b"12345")
    with pytest.raises(WeightsError, match="a multiple of 4 bytes"):
        net.load(tmp_path / "odd.weights")
    (tmp_path / "short.weights").write_bytes(b"1234")
    with pytest.raises(WeightsError, match=r"short\.weights: expected 77224 numbers"):
        net.load(tmp_path / "short.weights")


# ------------------------------------------------------------------ without weights, and after loading


@pytest.mark.parametrize("net", [nets.tiny_yolov2, faceapi.TinyYolov2(), faceapi.TinyYolov2(False)])
def test_tiny_yolov2_without_weights_says_where_they_were(net):
    assert not net.is_loaded
    for use in (net.locate_faces, net.forward, lambda photo: net.serialize_params()):
        with pytest.raises(WeightsError, match=f"face-api.js .* {net.model_name}.*load_from_disk"):
            use(np.zeros((40, 40, 3), np.uint8))


@every_net
def test_an_own_instance_without_weights_says_what_to_do(name):
    net = CLASSES[name]()
    with pytest.raises(WeightsError, match=r"expected weights before use, got none: call net\.load\(\)"):
        net.forward(np.zeros((40, 40, 3), np.uint8))
    assert "no weights" in repr(net)
    assert "/" in next(iter(net.shapes()))  # known without weights


def test_loaded_weights_are_a_copy():
    net = faceapi.FaceLandmark68TinyNet()
    bias = np.zeros(136, np.float32)
    net.load_from_weight_map({**nets.face_landmark_68_tiny_net.tensors, "fc/bias": bias})
    flat = net.serialize_params()
    bias[:] = 5
    assert net.serialize_params().tobytes() == flat.tobytes()
    again = faceapi.FaceLandmark68TinyNet()
    given = flat.copy()
    again.load(given)
    given[:] = 7
    assert again.serialize_params().tobytes() == flat.tobytes()


def test_a_change_of_weights_changes_the_results():
    net = faceapi.FaceLandmark68TinyNet()
    net.load()
    batch = np.zeros((1, 112, 112, 3), np.float32)
    before = net.run_net(batch)["points"]
    bias = net.get_param_from_path("fc/bias")
    net.reassign_param_from_path("fc/bias", bias + 1)
    np.testing.assert_allclose(net.run_net(batch)["points"], before + 1, atol=1e-5)
    net.dispose()
    assert not net.is_loaded
    with pytest.raises(InvalidArgument, match="expected the name of a tensor, got 'nose'"):
        nets.face_landmark_68_tiny_net.get_param_from_path("nose")


def test_params_are_nested_by_name():
    net = nets.face_landmark_68_tiny_net
    assert net.params["dense0"]["conv1"]["bias"].tobytes() == net.tensors["dense0/conv1/bias"].tobytes()


def test_parts_of_mtcnn_share_its_weights():
    net = faceapi.Mtcnn()
    net.load()
    assert net.pnet.is_loaded
    parts = [part.serialize_params().size for part in (net.pnet, net.rnet, net.onet)]
    assert sum(parts) == TOTALS["mtcnn"]
    with pytest.raises(InvalidArgument, match="load them into the Mtcnn"):
        net.pnet.load_from_weight_map(dict(net.pnet.tensors))


def test_load_weight_map():
    assert len(faceapi.load_weight_map(None, "mtcnn_model")) == 50
    assert len(faceapi.load_weight_map(FOLDER, "ssd_mobilenetv1_model")) == 151  # with the 17 that no network uses
    assert set(tiny_yolov2.full_shapes()) >= {"conv0/bn/sub", "conv8/bias"}
