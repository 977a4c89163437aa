"""Weights: decoding, the ways of loading for every network, the flat form, and the errors of damaged files."""

from __future__ import annotations

import functools
import hashlib
import http.server
import itertools
import json
import math
import os
import shutil
import struct
import threading
import time
import tracemalloc

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi import nets, weights
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, WeightsError
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
    shards = weights.OwnShards({"one": data[:5], "two": data[5:]}.__getitem__)  # the cut is inside an entry
    tensors = weights.read_tensors(manifest, shards, "m")
    assert tensors["a"].tolist() == [-1.0, np.float32(255 * 0.1 - 1.0)]
    assert tensors["b"].tolist() == [[14, 131070]]
    assert tensors["c"].shape == ()
    assert tensors["c"] == 1.5
    assert tensors["d"].tolist() == [-3]
    assert tensors["e"].tolist() == [2, 2]  # round(1.5), round(2.0), half up
    assert list(weights.read_tensors(manifest, shards, "m", ["d"])) == ["d"]
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


@pytest.mark.slow_after(1)
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
def test_invalid_manifests(folder, text):
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


# ------------------------------------------------------------------ manifests that attack


def entry(shape, becomes="float32", **quantization):
    return {"name": "t", "shape": shape, "dtype": becomes, **({"quantization": quantization} if quantization else {})}


def write_model(folder, entries, shards, paths=None):
    """A model of any entries and shards; `paths`, if given, are the names in the manifest."""
    entries = [{**one, "name": f"t{i}"} for i, one in enumerate(entries)]
    text = json.dumps([{"weights": entries, "paths": list(shards) if paths is None else paths}])
    (folder / "m-weights_manifest.json").write_text(text)
    for name, data in shards.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def refused(uri, *parts):
    with pytest.raises(WeightsError) as error:
        faceapi.load_weight_map(uri, "m")
    message = str(error.value)
    assert "\n" not in message
    for part in ("expected", "got", *parts):
        assert part in message


@pytest.fixture
def secret(tmp_path):
    """A folder for a model, beside a file outside it that is as long as the model's shard should be."""
    (tmp_path / "secret").write_bytes(b"secret12")
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


NAMES_THAT_LEAD_OUT = [
    *("../secret", "sub/../../secret", "./../secret", "..", ".", "", "/", "a//b", "sub/", "/etc/passwd", "//HOST/secret"),
    *(
        "C:/secret",
        "C:secret",
        "..\\secret",
        "\\\\HOST\\secret",
        "http://HOST/secret",
        "HOST:80/secret",
        "file:secret",
        "secret\0",
    ),
]


@pytest.mark.parametrize("name", NAMES_THAT_LEAD_OUT)
def test_a_shard_lies_in_the_folder_of_its_manifest(secret, name):
    write_model(secret, [entry([2])], {}, [name])
    refused(secret, "not a plain name of a file in its folder")
    refused(secret.as_uri(), "not a plain name of a file in its folder")
    write_model(secret, [entry([2])], {}, [str(secret.parent / "secret")])
    refused(secret)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_does_not_lead_out_either(secret):
    (secret / "shard").symlink_to("../secret")
    (secret / "folder").symlink_to("..")
    for name in ("shard", "folder/secret"):
        write_model(secret, [entry([2])], {}, [name])
        refused(secret, name, "leads out of the folder")
    (secret / "circle").symlink_to("circle")
    write_model(secret, [entry([2])], {}, ["circle"])
    refused(secret, "circle")
    (secret / "real").write_bytes(bytes(8))
    (secret / "inside").symlink_to("real")
    write_model(secret, [entry([2])], {}, ["inside"])
    assert faceapi.load_weight_map(secret, "m")["t0"].tolist() == [0, 0]


def test_a_shard_may_lie_in_a_folder_of_its_folder(tmp_path):
    write_model(tmp_path, [entry([2])], {"shards/1": b"\0\0\xc0\x3f\0\0\0\xc0"})
    for uri in (tmp_path, tmp_path.as_uri()):
        assert faceapi.load_weight_map(uri, "m")["t0"].tolist() == [1.5, -2.0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        write_model(tmp_path, [entry([2])], {}, [name])
        refused(tmp_path, name)
    (tmp_path / "m-weights_manifest.json").unlink()
    os.mkfifo(tmp_path / "m-weights_manifest.json")
    refused(tmp_path, "Not a regular file")
    os.mkfifo(tmp_path / "pipe.weights")
    for load in (faceapi.FaceLandmark68TinyNet().load, faceapi.fetch_net_weights):
        with pytest.raises((WeightsError, FetchError), match="Not a regular file"):
            load(str(tmp_path / "pipe.weights"))
        with pytest.raises((WeightsError, FetchError), match="Not a regular file"):
            load("/dev/zero" if load is faceapi.fetch_net_weights else (tmp_path / "pipe.weights"))


def test_nothing_is_read_if_the_sizes_are_wrong(tmp_path, monkeypatch):
    write_model(tmp_path, [entry([2])], {"one": bytes(4), "two": b""})
    with (tmp_path / "two").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    monkeypatch.setattr(weights, "fill", None)
    refused(tmp_path, "one, two: expected 8 bytes", f"got {2**40 + 4}")
    (tmp_path / "two").write_bytes(bytes(3))
    refused(tmp_path, "expected bytes 0 to 8 for tensor t0, got 7 bytes in all (truncated?)")


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            entry(shape)
            for shape in ([0, 10**30], [1] * 70, [0] * 70, [10**5, 10**5], [2**40], [True], [-1], [-1, -4], [2**63, 0])
        ),
        *(entry(shape) for shape in ([1.0], [None], [[2]], {}, None, "2", [10**4000])),
        *(entry([0], becomes, dtype="uint8", scale=1, min=0) for becomes in ("uint8", "bool", "float16", None, ["float32"])),
        *(entry([2], dtype=dtype, scale=1, min=0) for dtype in ("float32", "int32", "bool", "float16", None, ["uint8"])),
        *(
            entry([0], "float32", dtype="uint8", **numbers)
            for numbers in (
                *({"scale": s, "min": 0} for s in (10**400, 1e38, 1e306, True, None, "1", [1], math.inf, math.nan)),
                *({"scale": 1, "min": m} for m in (10**400, 1e39, False, -math.inf)),
                {"scale": 1},
                {"min": 1},
            )
        ),
        entry([0], "int32", dtype="uint16", scale=1e6, min=0),
    ],
    ids=repr,
)
def test_entries_beyond_reason(tmp_path, wrong):
    write_model(tmp_path, [wrong], {"shard": bytes(8)})
    refused(tmp_path, "weights manifest")


def test_tensors_are_limited_in_all(tmp_path):
    write_model(tmp_path, [entry([2**14, 2**13], dtype="uint8", scale=1, min=0)] * 3, {"shard": b""})
    refused(tmp_path, "tensors of 1610612736 bytes, more than 1073741824")


def test_a_manifest_is_limited(tmp_path):
    (tmp_path / "m-weights_manifest.json").write_bytes(b" " * 2**24 + b"[]")
    refused(tmp_path, "at most 16777216 bytes")


def test_one_shard_does_not_count_many_times(tmp_path):
    write_model(tmp_path, [entry([2**18])] * 3, {"shard": bytes(2**20)}, ["shard"] * 3)
    refused(tmp_path, "shard shard twice")


@pytest.mark.slow
def test_many_empty_tensors_take_no_time(tmp_path):
    write_model(tmp_path, [entry([0], dtype="uint16", scale=1.5, min=0)] * 20_000, {"shard": b""})
    start = time.perf_counter()
    assert len(faceapi.load_weight_map(tmp_path, "m")) == 20_000
    assert time.perf_counter() - start < 5  # half a second; 24 s when each had a table of all levels


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(
    "quantization", [{}, {"dtype": "uint8", "scale": 1, "min": 0}, {"dtype": "uint16", "scale": 1, "min": 0}]
)
@pytest.mark.slow_after(2)
def test_loading_takes_little_memory_besides_the_tensors(tmp_path, files_on_a_server, parts, quantization):
    count = 6_000_000
    numbers = count // {"uint8": 1, "uint16": 2}.get(quantization.get("dtype"), 4)
    shards = {f"shard{i}": bytes(count // parts) for i in range(parts)}
    write_model(tmp_path, [entry([numbers - 7], **quantization), entry([7], **quantization)], shards)
    (tmp_path / "net.weights").write_bytes(bytes(count))
    url = files_on_a_server(tmp_path)
    for load in (
        lambda: faceapi.load_weight_map(tmp_path, "m"),
        lambda: faceapi.load_weight_map(url, "m"),
        lambda: {"flat": faceapi.fetch_net_weights(tmp_path / "net.weights")},
        lambda: {"flat": faceapi.fetch_net_weights(f"{url}/net.weights")},
    ):
        tracemalloc.start()
        try:
            tensors = load()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak - sum(tensor.nbytes for tensor in tensors.values()) <= 2 * count


@pytest.mark.filterwarnings("ignore:npfaceapi .*expected the published weights")
def test_a_network_takes_little_memory_to_load(tmp_path):
    net = faceapi.TinyYolov2()
    net.shapes()
    np.zeros(1_794_500, np.float32).tofile(tmp_path / "net.weights")
    tracemalloc.start()
    try:
        net.load(tmp_path / "net.weights")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - 4 * 1_794_500 <= 2 * 4 * 1_794_500


@pytest.fixture
def files_on_a_server():
    """A function that serves a folder and returns its URL; `asked` are the requested paths with their queries."""
    running = []

    def serve(folder):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                serve.asked.append(self.path)
                super().do_GET()

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    serve.asked = []
    yield serve
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def test_shards_have_the_host_and_the_query_of_their_manifest(tmp_path, files_on_a_server):
    write_model(tmp_path, [entry([2])], {"a #?%20b": bytes(8)})
    (tmp_path / "index.html").write_bytes((tmp_path / "m-weights_manifest.json").read_bytes())
    url = files_on_a_server(tmp_path)
    for address in (url, url.upper().replace("HTTP", "hTTp"), f"{url}/", f"{url}/m-weights_manifest.json", f"{url}?m=x.json"):
        files_on_a_server.asked.clear()
        assert list(faceapi.load_weight_map(address, "m")) == ["t0"]
        query = "?m=x.json" if "?" in address else ""
        assert files_on_a_server.asked[1] == f"/a%20%23%3F%2520b{query}"
    files_on_a_server.asked.clear()
    faceapi.load_weight_map(f"{url}/m-weights_manifest.json?key=1#part", "m")
    assert files_on_a_server.asked == ["/m-weights_manifest.json?key=1", "/a%20%23%3F%2520b?key=1"]


@pytest.mark.parametrize("name", NAMES_THAT_LEAD_OUT)
def test_a_shard_does_not_lead_to_another_place_on_the_network(tmp_path, files_on_a_server, name):
    (tmp_path / "index.html").write_text(json.dumps([{"weights": [entry([2])], "paths": [name]}]))
    refused(f"{files_on_a_server(tmp_path)}?m=x.json", "not a plain name")
    assert len(files_on_a_server.asked) == 1


def test_a_shard_on_a_server_is_no_longer_than_the_manifest_says(tmp_path, files_on_a_server):
    write_model(tmp_path, [entry([2])], {"shard": bytes(9)})
    refused(files_on_a_server(tmp_path), "expected at most 8 bytes, got more")
    (tmp_path / "shard").write_bytes(bytes(7))
    refused(files_on_a_server(tmp_path), "got 7 bytes in all (truncated?)")


def test_earlier_weights_outlive_whatever_fails(folder, tmp_path, files_on_a_server):
    net = faceapi.FaceLandmark68TinyNet()
    net.load()
    before = net.serialize_params().tobytes()
    bad = tmp_path / "bad"
    bad.mkdir()
    write_model(bad, [entry([2])], {"shard": bytes(8)})
    (bad / MANIFEST).write_bytes((bad / "m-weights_manifest.json").read_bytes())
    (bad / "nan.weights").write_bytes(np.full(77_224, np.nan, "<f4").tobytes())
    (bad / "odd.weights").write_bytes(b"123")
    (folder / SHARD).write_bytes(b"")
    for source in (bad, folder, bad / "nan.weights", bad / "odd.weights", bad / "absent", "http://127.0.0.1:1/", "http://[", "file://[",
                   files_on_a_server(bad), np.zeros(3, np.float32), "a\0b"):  # fmt: skip
        with pytest.raises((WeightsError, InvalidType)) as error:
            net.load(source)
        assert "\n" not in str(error.value)
        assert net.serialize_params().tobytes() == before


# ------------------------------------------------------------------ without weights, and after loading


@pytest.mark.parametrize("net", [nets.tiny_yolov2, faceapi.TinyYolov2(), faceapi.TinyYolov2(False)])
def test_tiny_yolov2_without_weights_says_where_they_are(net):
    assert not net.is_loaded
    for use in (net.locate_faces, net.forward, lambda photo: net.serialize_params()):
        with pytest.raises(WeightsError, match=f"{net.model_name}.* from .*face-api.js .*load_from_disk"):
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


def test_weights_that_another_thread_disposes_of_are_read_again(monkeypatch):
    net = faceapi.FaceLandmark68TinyNet(bundled=True)
    kept = net._ready()
    load = type(net)._load_bundled

    def load_and_dispose(self):
        load(self)
        thread = threading.Thread(target=net.dispose)
        thread.start()
        thread.join(0.05)  # it waits until these weights are handed out
        waiting.append(thread)

    waiting: list[threading.Thread] = []
    monkeypatch.setattr(type(net), "_load_bundled", load_and_dispose)
    net.dispose()
    assert net.tensors.keys() == kept.tensors.keys()
    waiting[0].join()
    assert not net.is_loaded


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
