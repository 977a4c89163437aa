"""Weights that are not bundled: where to get them, which are known, and warnings and errors for others."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT, WEIGHTS
from npfaceapi import nets
from npfaceapi.errors import WeightsError
from npfaceapi.networks import unbundled
from npfaceapi.networks.network_weights import has_files
from npfaceapi.networks.tiny_yolov2 import variant_in

SEPARABLE, FULL = 1_794_500, 15_767_454
BLACK = np.zeros((40, 60, 3), np.uint8)


def digest(net):
    return hashlib.sha256(net.serialize_params().astype("<f4").tobytes()).hexdigest()


def flat_file(folder, name, numbers):
    """A file of `count` zeros."""
    path = folder / f"{name}.weights"
    with open(path, "wb") as file:
        file.truncate(4 * numbers)
    return path


@pytest.fixture
def made(tmp_path):
    """A folder with unpublished weights of the separable variant."""
    flat_file(tmp_path, "tiny_yolov2_separable_conv_model", SEPARABLE)
    return tmp_path


@pytest.fixture
def ready(monkeypatch):
    """`nets.tiny_yolov2` as a new process has it."""
    net = faceapi.TinyYolov2(bundled=True)
    monkeypatch.setattr(nets, "tiny_yolov2", net)
    return net


# ------------------------------------------------------------------ which are known


@pytest.mark.parametrize("name", ["ssd_mobilenetv1", "face_recognition_net", "mtcnn"])
def test_the_bundled_weights_are_known(name):
    net = getattr(nets, name)
    assert digest(net) in unbundled.known_numbers(net.model_name)
    again = type(net)()
    again.load_from_disk(ROOT / "weights")  # a warning would be an error


def test_the_hashes_are_those_of_the_golden_cases_and_of_the_page():
    cases = json.loads((ROOT / "golden" / "unbundled" / "cases.json").read_text())["cases"]
    named = [files for case in cases for files in case["attributes"]["weights"].values()]
    assert {file: sha256 for files in named for file, sha256 in files.items()} == unbundled.SHA256
    page = (ROOT / "weights" / "README.md").read_text("utf-8")
    assert {*re.findall(r"\b[0-9a-f]{64}\b", page)} == {*unbundled.SHA256.values()}
    for file, sha256 in unbundled.SHA256.items():
        assert re.search(rf"\| {re.escape(file)} \| [\d,]+ \| {sha256} \|", page), file
    for place in (unbundled.PACKAGE, unbundled.REPOSITORY):
        assert {*re.findall(r"[\w.]*\d[\w.]*", place)} <= {*re.findall(r"[\w.]*\d[\w.]*", page)}  # version and commit


@pytest.mark.parametrize(("file", "sha256"), unbundled.SHA256.items())
def test_the_files_at_hand_are_the_published_ones(file, sha256):
    path = os.path.join(WEIGHTS or "", file)
    if WEIGHTS is None or not os.path.isfile(path):
        pytest.skip(f"{file} is not at hand: {unbundled.WHERE}")
    with open(path, "rb") as data:
        assert hashlib.sha256(data.read()).hexdigest() == sha256
    if file.endswith("shard1"):
        net = faceapi.TinyYolov2()
        net.load_from_disk(os.path.dirname(path))
        assert digest(net) in unbundled.known_numbers(net.model_name)


# ------------------------------------------------------------------ others are told of


def test_other_weights_load_with_a_warning_at_the_line_that_loads_them(made, monkeypatch):
    file = made / "tiny_yolov2_separable_conv_model.weights"
    net = faceapi.TinyYolov2()
    monkeypatch.setattr(nets, "tiny_yolov2", net)
    for load in (lambda: net.load(file), lambda: net.load_from_disk(made), lambda: faceapi.load_tiny_yolov2_model(str(file))):
        with pytest.warns(UserWarning, match="expected the published weights of TinyYolov2, whose float32 numbers have") as told:
            load()
        (one,) = told
        assert one.filename == __file__
        assert hashlib.sha256(file.read_bytes()).hexdigest() in str(one.message)
        assert "\n" not in str(one.message)
    assert net.locate_faces(BLACK, faceapi.TinyYolov2Options(64, score_threshold=0.6)) == []


@pytest.mark.parametrize("name", ["ssd_mobilenetv1", "face_recognition_net", "mtcnn"])
def test_changed_weights_of_bundled_models_give_a_warning_too(name, tmp_path):
    net = type(getattr(nets, name))()
    flat = getattr(nets, name).serialize_params()
    path = tmp_path / f"{net.model_name}.weights"
    flat.astype("<f4").tofile(path)
    net.load(path)
    flat[len(flat) // 2] += 1
    flat.astype("<f4").tofile(path)
    with pytest.warns(UserWarning, match="expected the published weights"):
        net.load(path)


def test_arrays_and_networks_without_known_weights_give_no_warning(tmp_path):
    faceapi.TinyYolov2().load(np.zeros(SEPARABLE, np.float32))
    flat_file(tmp_path, "tiny_face_detector_model", 193_321)
    faceapi.TinyFaceDetector().load(tmp_path / "tiny_face_detector_model.weights")


def test_where_warnings_are_errors_the_old_weights_stay(made):
    net = faceapi.TinyYolov2()
    net.load(np.ones(SEPARABLE, np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            net.load_from_disk(made)
    assert net.serialize_params().min() == 1


# ------------------------------------------------------------------ folders


def test_a_folder_may_have_a_flat_file_instead_of_a_manifest(tmp_path):
    bundled = nets.face_landmark_68_tiny_net
    shutil.copy(ROOT / "weights" / "face_landmark_68_tiny_model-shard1", tmp_path)
    (bundled.serialize_params() * 2).astype("<f4").tofile(tmp_path / "face_landmark_68_tiny_model.weights")
    net = faceapi.FaceLandmark68TinyNet()
    assert has_files(tmp_path, net.model_name)
    net.load_from_disk(tmp_path)
    assert net.serialize_params().tobytes() == (bundled.serialize_params() * 2).tobytes()
    shutil.copy(ROOT / "weights" / "face_landmark_68_tiny_model-weights_manifest.json", tmp_path)
    net.load_from_disk(str(tmp_path))  # the manifest comes first
    assert net.serialize_params().tobytes() == bundled.serialize_params().tobytes()
    assert not has_files(ROOT / "docs", net.model_name)


@pytest.mark.filterwarnings("ignore:npfaceapi")
def test_the_variant_of_a_folder(made, tmp_path_factory):
    assert variant_in(made).with_separable_convs
    only_full = tmp_path_factory.mktemp("full")
    full = flat_file(only_full, "tiny_yolov2_model", FULL)
    assert not variant_in(only_full).with_separable_convs
    os.link(full, made / full.name)
    assert variant_in(made).with_separable_convs
    with pytest.raises(WeightsError, match=r"tiny_yolov2_separable_conv_model-weights_manifest\.json: expected a file"):
        variant_in(ROOT)


@pytest.mark.filterwarnings("ignore:npfaceapi")
def test_the_environment_names_a_folder(made, ready, monkeypatch):
    with pytest.raises(WeightsError, match="none are bundled"):
        ready.locate_faces(BLACK)
    monkeypatch.setenv(unbundled.VARIABLE, str(made))
    assert faceapi.detect_all_faces(BLACK, faceapi.TinyYolov2Options(64, score_threshold=0.6)).run() == []
    own = faceapi.TinyYolov2()
    with pytest.raises(WeightsError, match="none are bundled"):
        own.locate_faces(BLACK)
    own.load()
    assert own.is_loaded
    flat_file(made, "tiny_yolov2_model", FULL)
    assert nets.network_named("tiny_yolov2_full").tensors["conv8/bias"].shape == (30,)
    monkeypatch.setenv(unbundled.VARIABLE, str(ROOT / "nowhere"))
    with pytest.raises(WeightsError, match=r"nowhere.*expected a file that can be read, got"):
        faceapi.TinyYolov2(bundled=True).locate_faces(BLACK)


@pytest.mark.parametrize(("separable", "file"), [(True, "separable_conv_model-shard1"), (False, "model.weights")])
def test_without_weights_the_error_says_where_they_are(separable, file, ready):
    place = unbundled.REPOSITORY if separable else unbundled.PACKAGE
    with pytest.raises(WeightsError) as error:
        faceapi.TinyYolov2(separable).locate_faces(BLACK)
    for part in (place, f"tiny_yolov2_{file}: {unbundled.SHA256[f'tiny_yolov2_{file}']}", "load_from_disk", "--weights"):
        assert part in str(error.value)


# ------------------------------------------------------------------ wrong files


WRONG = {
    "the other variant": (FULL, "expected 1794500 numbers for TinyYolov2, got 15767454, as many as TinyYolov2(False) has"),
    "another network": (495_850, "expected 1794500 numbers for TinyYolov2, got 495850, as many as Mtcnn has"),
    "one number less": (SEPARABLE - 1, "expected 1794500 numbers for TinyYolov2, got 1794499"),
    "one number more": (SEPARABLE + 1, "expected 1794500 numbers for TinyYolov2, got 1794501"),
    "an older one": (7_340_808, "got 7340808, as many as FaceLandmark68Net before face-api.js 0.14 had"),
    "nothing": (0, "expected 1794500 numbers for TinyYolov2, got 0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_another_size(wrong, tmp_path):
    numbers, message = WRONG[wrong]
    path = flat_file(tmp_path, "tiny_yolov2_separable_conv_model", numbers)
    net = faceapi.TinyYolov2()
    for load in (lambda: net.load(path), lambda: net.load_from_disk(tmp_path)):
        with pytest.raises(WeightsError) as error:
            load()
        assert str(error.value).startswith(f"{path}: expected ")
        assert str(error.value).endswith(message)
    assert not net.is_loaded


@pytest.mark.parametrize(
    ("net", "numbers", "message"),
    [
        (
            faceapi.TinyYolov2(False),
            SEPARABLE,
            "expected 15767454 numbers for TinyYolov2, got 1794500, as many as TinyYolov2 has",
        ),
        (faceapi.FaceLandmark68Net(), 7_340_808, "expected 356840 numbers for FaceLandmark68Net, got 7340808, as many as"),
        (faceapi.SsdMobilenetv1(), 5_614_592, "expected 5555519 numbers for SsdMobilenetv1, got 5614592, as many as"),
    ],
)
def test_a_file_of_another_network(net, numbers, message, tmp_path):
    with pytest.raises(WeightsError, match=re.escape(message)):
        net.load(flat_file(tmp_path, "x", numbers))


def test_a_file_that_is_cut_within_a_number_or_no_numbers(tmp_path):
    path = tmp_path / "x.weights"
    for data in (b"\0" * (4 * SEPARABLE - 1), b"version https://git-lfs.github.com/spec/v1\n"):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=rf"multiple of 4 bytes, got {len(data)} bytes"):
            faceapi.TinyYolov2().load(path)
    path.write_bytes(np.full(SEPARABLE, np.nan, "<f4").tobytes())
    with pytest.raises(WeightsError, match="expected finite numbers in tensor"):
        faceapi.TinyYolov2().load(path)
