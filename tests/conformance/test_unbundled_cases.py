"""Golden cases for weights that are not bundled: without these weights, with others, and with changed ones."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ROOT, WEIGHTS
from npfaceapi import nets
from npfaceapi.conformance import levels, questions
from npfaceapi.conformance.faults.chain import Steps, run_chain
from npfaceapi.conformance.golden import WEIGHTS_WANTED, GoldenCases
from npfaceapi.conformance.ports import BackendPort, NotClaimed, PythonPort
from npfaceapi.conformance.questions import answerable, question_of
from npfaceapi.conformance.runner import chosen_cases, run_case_on
from npfaceapi.conformance.tolerance import GRADES, STORED
from npfaceapi.errors import GoldenError
from npfaceapi.networks.unbundled import PACKAGE, REPOSITORY, SHA256

NETWORKS = {"tiny_yolov2", "tiny_yolov2_full"}


@pytest.fixture
def without():
    """The golden cases without any weights."""
    return GoldenCases()


@pytest.fixture
def elsewhere(tmp_path):
    """A folder with files of the right names."""
    for file in SHA256:
        (tmp_path / file).write_bytes(b"\0\0\0\0")
    return tmp_path


def named(golden, name):
    return next(case for case in golden.all_cases if case.name == name)


# ------------------------------------------------------------------ what there is


def test_there_are_cases_of_both_variants_at_all_sizes_and_of_the_float32_weights(without):
    cases = [case for case in without.all_cases if case.set == "unbundled"]
    assert all("unbundled" in case.name and case.attributes["weights"] for case in cases)
    there = {(case.level, case.net, case.attributes.get("size", case.attributes.get("input_size"))) for case in cases}
    sizes = {(level, net, size) for level in ("taps", "raw", "decode", "chain") for net in NETWORKS for size in (224, 416, 608)}
    assert there >= sizes | {("weights", net, None) for net in NETWORKS}
    others = {net for case in cases for net in case.attributes["weights"]} - NETWORKS
    assert others == {"ssd_mobilenetv1", "face_recognition_net", "mtcnn"}
    faces = [len(without.tensor(case.expected[0]["tensor"])) for case in cases if case.level == "chain"]
    assert max(faces) >= 3
    assert 0 in faces
    assert not any(case.ambiguous for case in cases if case.level == "chain")


def test_they_are_not_in_the_wheel_and_small():
    folder = ROOT / "golden" / "unbundled"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    packed = (ROOT / "pyproject.toml").read_text().partition("wheel.force-include]")[2].partition("\n\n")[0]
    assert "unbundled" not in packed


# ------------------------------------------------------------------ without the weights


def test_without_weights_only_decoding_is_asked(without):
    assert {case.level for case in without.cases if case.set == "unbundled"} == {"decode"}
    lacking = {case.name for case in without.without_weights}
    assert lacking == {case.name for case in without.all_cases if case.set == "unbundled" and case.level != "decode"}
    assert not lacking & {case.name for case in chosen_cases(without)}
    assert not any(answerable(without, case) for case in without.without_weights)


def test_the_commands_say_how_many_are_left_out_and_where_to_get_the_weights(without, run):
    some = "--case", "raw/face_expression_net/cut", "--case", "*/tiny_yolov2_full/unbundled_astronaut_416"
    for command in (("verify",), ("conform", "run", "--backend", "reference")):
        status, out, err = run(*command, *some)
        found = "" if command[0] == "verify" else f"golden cases: {without.folder}, found from the current folder upwards\n"
        assert (status, err) == (0, found)
        assert out.splitlines()[-1] == f"2 golden cases {WEIGHTS_WANTED}"  # raw and taps; for decoding there is the grid
        status, out, err = run(*command, "--case", "raw/tiny_yolov2/unbundled_*")
        assert (status, out) == (1, "")
        assert err == f"npfaceapi {command[0]}: 4 golden cases {WEIGHTS_WANTED}\n"
        assert PACKAGE in err
        assert REPOSITORY in err


def test_a_folder_without_weights_is_wrong_usage(without, run, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        for command in (("verify",), ("conform", "run", "--backend", "numba"), ("conform", "inputs", tmp_path / "questions")):
            status, out, err = run(*command, "--weights", folder)
            assert (status, out) == (2, "")
            assert err.startswith(
                f"npfaceapi {command[0]}: --weights {folder}: expected a folder with weights of golden cases in "
            )
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ other weights


def test_files_of_other_contents_fail_by_their_hash(elsewhere, run):
    cases = "raw/tiny_yolov2/unbundled_*", "chain/unbundled_ssd/*", "weights/unbundled_tiny_yolov2_full"
    status, out, _ = run("verify", "--weights", elsewhere, *(word for case in cases for word in ("--case", case)))
    assert status == 1
    failed = [line for line in out.splitlines() if line.startswith("FAILED ")]
    assert len(failed) == 6
    assert all(
        re.search(r"/[\w-]+(\.\w+)?: expected the file of SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}$", line) for line in failed
    )


def test_a_file_that_is_lost_meanwhile_is_one_clear_line(elsewhere, without):
    golden = GoldenCases(weights=elsewhere)
    case = named(golden, "raw/tiny_yolov2_full/unbundled_astronaut_224")
    (elsewhere / "tiny_yolov2_model.weights").unlink()
    with pytest.raises(GoldenError, match=r"tiny_yolov2_model\.weights: expected a file that can be read, got: No such file"):
        levels.network_of(case)
    nonsense = dataclasses.replace(case, net="x", attributes={"weights": {"x": {}}})
    with pytest.raises(GoldenError, match="expected a network out of"):
        levels.network_of(nonsense)


@pytest.mark.parametrize(
    "damaged",
    [[], None, "x", {"x": {"a": ""}}, {"mtcnn": {}}, {"mtcnn": []}, {"mtcnn": {"../a": ""}}, {"mtcnn": {"a/b": ""}},
     {"mtcnn": {"": ""}}, {"mtcnn": {"a": 3}}, {"mtcnn_pnet": {"a": ""}}, {"mtcnn": {"/etc/passwd": ""}}],
)  # fmt: skip
def test_weights_that_make_no_sense_are_damage(damaged, tmp_path):
    source = ROOT / "golden"
    head = json.loads((source / "unbundled" / "cases.json").read_text())
    head["cases"][0]["attributes"]["weights"] = damaged
    shutil.copytree(source / "core", tmp_path / "core")
    shutil.copy(source / "cases.json", tmp_path)
    (tmp_path / "unbundled").mkdir()
    (tmp_path / "unbundled" / "cases.json").write_text(json.dumps(head))
    with pytest.raises(GoldenError, match=r"unbundled/cases\.json: expected golden cases of format 1 \(JSON\), got ") as error:
        GoldenCases(tmp_path, weights=tmp_path)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ a chain, a class and a program with weights of a case


@pytest.fixture
def doubled(monkeypatch, elsewhere):
    """Golden cases with the bundled weights of SSD and recognition as unbundled ones, with descriptors of twice the length."""
    made = {}

    def network(name, files, folder):
        if name not in made:
            made[name] = type(getattr(nets, name))()
            made[name].load_from_weight_map({n: w * (2 if n == "fc" else 1) for n, w in getattr(nets, name).tensors.items()})
        return made[name]

    monkeypatch.setattr(levels, "unbundled_network", network)
    monkeypatch.setattr(questions, "unbundled_network", network)
    return GoldenCases(weights=elsewhere)


@pytest.mark.slow
def test_a_chain_runs_on_networks_of_its_own_and_leaves_none_behind(doubled):
    case, usual = named(doubled, "chain/unbundled_ssd/astronaut"), named(doubled, "chain/ssd/astronaut")
    before = nets.face_recognition_net
    (own,), (bundled,) = (levels.run_case(c, doubled.inputs(c))["descriptors"] for c in (case, usual))
    assert nets.face_recognition_net is before
    np.testing.assert_allclose(own, 2 * bundled, rtol=1e-5)
    with levels.networks_of(case):
        (again,) = run_chain(case, question_of(doubled, case), Steps())["descriptors"]
    np.testing.assert_allclose(again, own, atol=1e-5)
    with pytest.raises(ZeroDivisionError), levels.networks_of(case):
        1 / (nets.face_recognition_net is before)
    assert nets.face_recognition_net is before


def test_a_class_takes_the_weights_of_a_case_and_the_bundled_ones_after_it(doubled):
    given = []

    class Port:
        def load_weights(self, network, tensors):
            given.append((network, float(tensors["fc"][0, 0])))

        def run(self, network, batch):
            return {"descriptor": np.zeros((1, 128), np.float32)}

    weight = float(nets.face_recognition_net.tensors["fc"][0, 0])
    port = PythonPort(Port())
    for name in ("unbundled_astronaut", "astronaut", "cut", "unbundled_astronaut"):
        port.answer(question_of(doubled, named(doubled, f"raw/face_recognition_net/{name}")))
    network = "face_recognition_net"
    assert given == [(network, 2 * weight), (network, weight), (network, 2 * weight)]
    del Port.load_weights
    with pytest.raises(NotClaimed, match="the port has no method load_weights"):
        PythonPort(Port()).answer(question_of(doubled, named(doubled, "raw/face_recognition_net/unbundled_astronaut")))


def test_a_question_says_which_weights_and_where_they_are(doubled, elsewhere, tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("questions")
    status, *_ = run(
        "conform", "inputs", folder, "--case", "*/face_recognition_net/*astronaut", "--level", "raw", "--weights", elsewhere
    )
    assert status == 0
    asked = {one["case"]: one["attributes"] for one in json.loads((folder / "questions.json").read_text())["cases"]}
    attributes = asked["raw/face_recognition_net/unbundled_astronaut"]
    assert attributes["weights"] == {
        "face_recognition_net": {f: s for f, s in SHA256.items() if f.startswith("face_recognition")}
    }
    assert attributes["weights_folder"] == os.path.abspath(elsewhere)
    assert "weights_folder" not in asked["raw/face_recognition_net/astronaut"]


# ------------------------------------------------------------------ the published weights, where they are at hand


SEPARABLE = [file for file in SHA256 if "separable" in file]
at_hand = pytest.mark.skipif(
    WEIGHTS is None or not all(os.path.isfile(os.path.join(WEIGHTS, file)) for file in SEPARABLE),
    reason=f"these {WEIGHTS_WANTED}",
)
COMPARED = (
    "weights/unbundled_tiny_yolov2", "taps/tiny_yolov2/unbundled_astronaut_224", "raw/tiny_yolov2/unbundled_astronaut_416",
    "chain/unbundled_tiny_yolov2_416/group",
)  # fmt: skip


@at_hand
@pytest.mark.parametrize("name", COMPARED)
def test_one_changed_weight_fails_every_comparison(name, monkeypatch):
    golden = GoldenCases(weights=WEIGHTS)
    case = named(golden, name)
    assert run_case_on(BackendPort(golden, "numba"), golden, case, STORED).status == "passed"
    right = levels.unbundled_network("tiny_yolov2", case.weights["tiny_yolov2"], golden.weights_folder)
    changed = faceapi.TinyYolov2()
    changed.load_from_weight_map(right.tensors)
    filters = changed.tensors["conv8/filters"].copy() if "taps" not in name else changed.tensors["conv0/pointwise_filter"].copy()
    filters.reshape(-1)[4] += 0.01
    changed.reassign_param_from_path("conv8/filters" if "taps" not in name else "conv0/pointwise_filter", filters)
    monkeypatch.setattr(levels, "unbundled_network", lambda *_: changed)
    result = run_case_on(BackendPort(golden, "numba"), golden, case, STORED)
    assert result.status == "failed", result


@at_hand
def test_one_changed_byte_of_the_file_fails_by_its_hash(tmp_path, run):
    for file in SEPARABLE:
        shutil.copy(Path(WEIGHTS, file), tmp_path)
    shard = tmp_path / "tiny_yolov2_separable_conv_model-shard1"
    data = bytearray(shard.read_bytes())
    case = "--case", "chain/unbundled_tiny_yolov2_416/astronaut", "--weights", tmp_path
    assert run("verify", *case)[0] == 0
    data[1000] ^= 1
    shard.write_bytes(data)
    levels._unbundled_network.cache_clear()
    status, out, _ = run("verify", *case)
    assert status == 1
    assert "shard1: expected the file of SHA-256 7be149fcea4c8a83" in out
    with pytest.warns(UserWarning, match="expected the published weights of TinyYolov2"):
        faceapi.TinyYolov2().load_from_disk(tmp_path)


@at_hand
def test_bounds_from_float64_hold_too():
    golden = GoldenCases(weights=WEIGHTS)
    for case in chosen_cases(golden, ["raw/tiny_yolov2/unbundled_*_224", "taps/tiny_yolov2/unbundled_*_224"]):
        result = run_case_on(BackendPort(golden, "numba"), golden, case, GRADES["float32"])
        assert result.status == "passed", result.problem
