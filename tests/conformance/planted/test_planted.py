"""Faults planted in a port that shares no code with the kit: all fail, most are diagnosed, none is misdiagnosed."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from conformance.planted.faults import PLANTED
from conformance.planted.numpy_port import NumpyPort
from conformance.planted.trials import golden, outcomes
from helpers import ROOT
from npfaceapi.conformance.fault_table import small
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.tolerance import GRADES

QUICK = (
    "score >= threshold in decode/ssd_mobilenetv1/some_at_threshold",
    "score >= threshold in decode/tiny_face_detector/some_at_threshold",
    "score > threshold in stage 1 in decode/mtcnn_stage1/score_at_threshold",
    "distance <= threshold in json/face_matcher_at_threshold",
    "boxes (y, x, height, width) in decode/tiny_face_detector/synthetic_wide",
    "suppression at 0.5 in decode/tiny_yolov2/synthetic_tall",
    "areas with + 1 in decode/non_max_suppression/random_min_0.3",
    "argmax for softmax in decode/face_expression_net/synthetic",
    "crop one pixel larger in prepare/crop/boxes_tiny",
    "sum for average in operations/avg_pool/1",
)
AROUND = ("weights/", "operations/", "decode/", "prepare/", "json/")  # no network runs there


def check(one):
    assert one.failed, one.planted.id
    assert not one.wrongly, (one.planted.id, one.texts)


def test_the_port_shares_no_code_with_the_package():
    tree = ast.parse(Path(__file__).with_name("numpy_port.py").read_text("utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert not [name for name in imported if name.startswith("npfaceapi")]


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("name", [name for name in QUICK if "/" in name])
def test_faults_of_a_sample_are_named(name):
    (one,) = outcomes([planted for planted in PLANTED if planted.id == name])
    check(one)
    assert one.named, one.texts


@pytest.mark.slow
@pytest.mark.parametrize("level", AROUND)
def test_faults_around_the_networks_fail_and_are_named(level):
    found = list(outcomes([planted for planted in PLANTED if planted.case.startswith(level)]))
    for one in found:
        check(one)
    assert sum(one.named for one in found) >= 0.9 * len(found)


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted({planted.case for planted in PLANTED}))
def test_without_a_fault_the_port_is_right(case):
    result = run_case_on(PythonPort(NumpyPort()), golden(), small(golden(), case), GRADES["float32"])
    assert result.status == "passed", result.problem


def test_every_fault_of_a_network_or_detector_is_planted_more_than_once():
    """Except for faults that only one of them can have."""
    assert len(PLANTED) >= 250
    assert len({planted.id for planted in PLANTED}) > 0.95 * len(PLANTED)
    assert sum(count > 1 for count in Counter(name for planted in PLANTED for name in planted.right).values()) > 60


def test_the_docs_have_the_figures():
    text = (ROOT / "docs" / "conformance.md").read_text("utf-8")
    count, of, named = map(int, re.search(r"(\d+) of (\d+) fail, (\d+) are named, none wrongly", text).groups())
    assert count == of == len(PLANTED)
    assert named >= 0.8 * of
