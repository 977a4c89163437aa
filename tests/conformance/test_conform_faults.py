"""Every listed fault, when planted, is caught and diagnosed under its right name; the table in the docs is up to date."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

from helpers import ROOT
from npfaceapi import nets
from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.fault_table import CASES, small, table_rows, trials
from npfaceapi.conformance.faults import FAULTS, decoding
from npfaceapi.conformance.faults.chain import Steps, run_chain
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.judge import judge
from npfaceapi.conformance.levels import run_case
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.rewrite import again, rewrite
from npfaceapi.conformance.tolerance import STORED
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.photos.net_input import to_batch_tensor

GOLDEN = GoldenCases()
DOCS = ROOT / "docs" / "conformance.md"
# Slow cases are left to the table of the docs: faults show in these cases too.
SLOW = (
    "taps/age", "taps/face_rec", "taps/mtcnn_o", "taps/mtcnn_p", "raw/tiny_y", "raw/face_landmark_68_net", "raw/face_exp",
    "decode/tiny_y",
)  # fmt: skip
QUICK = [name for name in CASES if not name.startswith(SLOW)]


@functools.cache
def tried_on(name):
    return list(trials(GOLDEN, [small(GOLDEN, name)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_every_fault_is_caught_and_named(name):
    tried = tried_on(name)
    for trial in tried:
        if trial.caught and (
            trial.diagnosed or not trial.fault.startswith("numbers_")
        ):  # a few numbers do not determine their format
            assert trial.fault in trial.diagnosed, (trial.fault, trial.first, trial.texts)
            assert len(trial.diagnosed) <= 3, trial.texts  # a diagnosis that names many faults is useless
    assert tried == [] or any(trial.caught for trial in tried)


@pytest.mark.slow
def test_no_fault_is_missed_everywhere():
    assert {fault.name for fault in FAULTS} - {trial.fault for name in QUICK for trial in tried_on(name) if trial.caught} == set()


def test_the_table_in_the_docs_lists_every_fault():
    section = DOCS.read_text("utf-8").partition("## Diagnosis")[2]
    listed = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
    assert {name for name, *_ in listed} == {fault.name for fault in FAULTS}
    for name, _, caught, diagnosed in listed:
        assert caught, name
        right, tried = map(int, re.match(rf"{name} (\d+)/(\d+)", diagnosed).groups())
        assert right == tried > 0, name


def test_the_rows_of_the_table_are_those_of_the_trials():
    tried = list(trials(GOLDEN, [small(GOLDEN, "operations/relu6/1"), small(GOLDEN, "json/face_match")]))
    assert table_rows(tried) == [
        ("label_rounded", "distances in labels rounded to the nearest instead of down", "json 1/1", "label_rounded 1/1"),
        ("numbers_bfloat16", "numbers in bfloat16", "operations 2/2", "numbers_bfloat16 2/2"),
        ("numbers_float16", "numbers in float16", "operations 2/2", "numbers_float16 2/2"),
        ("relu6_as_relu", "relu instead of relu6 (not clipped at 6)", "operations 1/1", "relu6_as_relu 1/1"),
        ("relu_missing", "the activations left out", "operations 1/1", "relu_missing 1/1"),
    ]


# ------------------------------------------------------------------ rewriting


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("name", sorted(set(nets.__all__) - {"mtcnn", "tiny_yolov2"}))
def test_a_graph_recorded_again_gives_the_same(name):
    net = getattr(nets, name)
    graph = net.graph(64, 64) if name in ("ssd_mobilenetv1", "tiny_face_detector") else net.graph()
    copied, new = rewrite(graph, lambda node, new: again(node, new) if node is graph.nodes[1] else None)
    assert [node.name for node in copied] == [node.name for node in graph]
    assert [node.shape for node in copied] == [node.shape for node in graph]
    assert {name: node.name for name, node in copied.blocks.items()} == {name: node.name for name, node in graph.blocks.items()}
    batch = np.random.default_rng(3).uniform(0, 255, (1, *graph.input.shape)).astype(np.float32)
    outputs = list(graph.outputs.values())
    before = ReferenceProgram(graph, net.tensors, outputs)(batch)
    after = ReferenceProgram(copied, net.tensors, [new[node] for node in outputs])(batch)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_rewrite_that_changes_nothing_or_does_not_fit_is_none():
    graph = nets.face_recognition_net.graph()
    assert rewrite(graph, lambda node, new: None) is None
    assert rewrite(graph, lambda node, new: again(node, new, stride=1) if node.op == "max_pool" else None) is None


STEPS = {"as they are": Steps(), "detecting in small steps": Steps(batch=lambda *given: to_batch_tensor(*given))}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", ["chain/tiny_416/cut", "chain/mtcnn/tall", "chain/ssd_tiny_landmarks/astronaut"])
def test_the_chain_in_small_steps_is_the_chain(name, steps):
    case = next(case for case in GOLDEN.all_cases if case.name == name)
    right = run_case(case, GOLDEN.inputs(case))
    ours = run_chain(case, question_of(GOLDEN, case), STEPS[steps])
    assert set(ours) == set(right)
    for key, value in right.items():
        assert np.allclose(ours[key], value, rtol=1e-6, atol=1e-5), key


UNBROKEN = (
    decoding._ssd(), decoding._yolo(), decoding._landmarks(decoding._unpadded), decoding._probabilities(decoding.softmax),
    decoding._suppression(decoding.non_max_suppression, decoding._suppress), decoding._stage(),
)  # fmt: skip
DECODED = [case for case in GOLDEN.cases if case.level == "decode" and case.attributes.get("stage") != 0]


@pytest.mark.slow
@pytest.mark.parametrize("case", DECODED, ids=lambda case: case.name)
def test_decoding_in_small_steps_is_right(case):
    """The unbroken second implementation in `faults/decoding.py` passes."""
    question = question_of(GOLDEN, case)
    made = [answers for run in UNBROKEN if (answers := run(case, question, np.float32)) is not None]
    assert len(made) == 1
    judgement = judge(case, question, expected_of(GOLDEN, case, question, STORED), made[0], STORED)
    assert judgement.first is None, judgement.first
    assert not judgement.ambiguous


def test_decoding_that_is_broken_is_noticed():
    case = next(case for case in DECODED if case.net == "ssd_mobilenetv1")
    question = question_of(GOLDEN, case)
    broken = decoding._ssd(boxes=decoding._scaled(10, 10, 5, 5))(case, question, np.float32)
    assert judge(case, question, expected_of(GOLDEN, case, question, STORED), broken, STORED).first is not None
