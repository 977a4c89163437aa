"""The one list of networks: every place that lists them reads it, and it costs nothing to read."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import npfaceapi as faceapi
from helpers import ROOT
from npfaceapi import nets
from npfaceapi.networks.registry import (
    DETECTORS,
    FACE_NETS,
    NETS,
    all_names,
    bundled_names,
    detector_called,
    detector_of,
    full_name,
    listed,
    split,
)


def test_every_network_is_what_its_entry_says():
    assert list(NETS) == [*DETECTORS, *FACE_NETS]
    for name, net in NETS.items():
        assert type(getattr(nets, name)) is net.cls
        assert getattr(faceapi, net.class_name) is net.cls
        assert bool(net.called) == (name in DETECTORS)
        assert (name in bundled_names()) == (name != "tiny_yolov2")
        for part in net.parts:
            assert nets.network_named(f"{name}_{part}") is getattr(getattr(nets, name), part)


def test_the_types_that_nets_declares_are_those_of_the_registry():
    tree = ast.parse((ROOT / "npfaceapi" / "nets.py").read_text(encoding="utf-8"))
    declared = {
        node.target.id: node.annotation.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.annotation, ast.Name)
    }
    assert declared == {name: net.class_name for name, net in NETS.items()}
    assert set(nets.__all__) == set(NETS)


def test_the_detector_of_some_options():
    for net in DETECTORS.values():
        assert detector_of(net.options()) is net
        assert detector_called(net.called) is detector_called(net.name) is net

    class Mine(faceapi.TinyFaceDetectorOptions):
        pass

    assert detector_of(Mine()) is DETECTORS["tiny_face_detector"]
    assert detector_of(None) is detector_of(faceapi.TinyFaceDetectorOptions) is None


def test_names_with_parts_and_variants():
    names = all_names()
    assert {*NETS, "mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet", "tiny_yolov2_full"} == set(names)
    assert len(names) == len(set(names))
    assert split("face_landmark_68_net") == (NETS["face_landmark_68_net"], "")
    assert split("mtcnn_onet") == (NETS["mtcnn"], "onet")
    assert split("tiny_yolov2_full") == (NETS["tiny_yolov2"], "full")
    assert not nets.network_named("tiny_yolov2_full").with_separable_convs
    for other in ("mtcnn_", "onet", "mtcnn_full", "", "ssd"):
        assert split(other) is None
    with pytest.raises(faceapi.InvalidArgument, match=r"expected a network out of ssd_mobilenetv1, .*, got 'nose_net'"):
        nets.network_named("nose_net")


def test_the_command_line_takes_short_names_and_full_ones():
    assert listed(DETECTORS) == "ssd_mobilenetv1|ssd, tiny_face_detector|tiny, tiny_yolov2|yolo, mtcnn"
    assert listed(["mtcnn_pnet", "age_gender_net", "mtcnn"]) == "mtcnn_pnet, age_gender_net, mtcnn"
    for name in all_names():
        assert full_name(name, all_names()) == name
    for net in DETECTORS.values():
        assert full_name(net.called, all_names()) == full_name(net.called, iter(DETECTORS)) == net.name
    with pytest.raises(faceapi.InvalidArgument, match=r"expected a network out of mtcnn, age_gender_net, got 'ssd'"):
        full_name("ssd", ("mtcnn", "age_gender_net"))
    with pytest.raises(faceapi.InvalidArgument, match=r"expected a detector out of ssd_mobilenetv1\|ssd, .*, got 'SSD'"):
        detector_called("SSD")


def test_the_least_score_of_a_face():
    for net in DETECTORS.values():
        assert type(net.options().with_least_score(0.25)) is net.options
    assert faceapi.SsdMobilenetv1Options(max_results=3).with_least_score(0.25) == faceapi.SsdMobilenetv1Options(0.25, 3)
    assert faceapi.TinyFaceDetectorOptions(224).with_least_score(0.25) == faceapi.TinyFaceDetectorOptions(224, 0.25)
    assert faceapi.MtcnnOptions(30).with_least_score(0.25).score_thresholds == (0.6, 0.7, 0.25)
    with pytest.raises(faceapi.InvalidArgument, match=r"min_confidence: expected .*, got 2"):
        faceapi.SsdMobilenetv1Options().with_least_score(2)


def test_reading_it_imports_no_network():
    source = "import sys, npfaceapi.networks.registry; print(sorted({'numpy', 'npfaceapi.graph'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
