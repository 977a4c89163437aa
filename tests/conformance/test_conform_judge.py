"""The judge can fail: everything that the kit checks is perturbed and caught; half a bound passes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.judge import judge
from npfaceapi.conformance.ports import BackendPort
from npfaceapi.conformance.questions import ORDER, answerable, question_of
from npfaceapi.conformance.runner import chosen_cases, run_case_on, run_cases
from npfaceapi.conformance.tolerance import GRADES, grade_of
from npfaceapi.errors import InvalidArgument

GOLDEN = GoldenCases()
CASES = {case.name: case for case in GOLDEN.all_cases}
FLOAT32 = GRADES["float32"]
GROUP = "chain/ssd/group"  # four faces


class Asked:
    """A case with its question, its right answers and the judge."""

    def __init__(self, name, grade=FLOAT32):
        self.case, self.grade = CASES[name], grade
        self.question = question_of(GOLDEN, self.case)
        self.expected = expected_of(GOLDEN, self.case, self.question, grade)

    def right(self):
        answers = {}
        for one in self.expected:
            whole = one.value
            if one.samples is not None:  # stored as samples only: ask the backend
                return dict(BackendPort(GOLDEN, "reference").answer(self.question))
            if not one.is_json:
                whole = np.array(one.value).reshape(one.shape)
                whole = whole.astype(np.float32) if whole.dtype == np.float64 else whole
            answers[one.name] = whole
        return answers

    def failures(self, answers):
        judgement = judge(self.case, self.question, self.expected, answers, self.grade)
        told = {}
        for finding in judgement.findings:
            if finding.problem:
                told.setdefault(finding.name, finding.problem)
        return told


def off_by(one, value, bounds):
    """The value with one number off by that many bounds."""
    if one.is_json:
        return nudged(value, 1 + bounds * one.bound["relative"])
    out = np.array(value, np.float64)
    at = (0,) * out.ndim
    if one.samples is not None:
        at = np.unravel_index(one.samples[0], out.shape)
    if "euclidean" in one.bound:
        out[at] += bounds * one.bound["euclidean"]
    elif "iou" in one.bound:
        overlap = 1 - bounds * (1 - one.bound["iou"])
        out[0, 0] += out[0, 2] * (1 - overlap) / (1 + overlap)
    else:
        largest = one.norms[2] if one.norms else np.abs(np.asarray(one.value)).max(initial=0)
        allowed = one.bound["absolute"] if "absolute" in one.bound else one.bound["relative"] * largest
        allowed = float(np.broadcast_to(allowed, out.shape)[at] if one.samples is None else np.ravel(allowed)[0])
        out[at] = out[at] + bounds * allowed if allowed else np.nextafter(np.float32(out[at]), np.float32(np.inf))
        if one.whole:
            out[at] = np.asarray(value)[at] + 1
    return out.astype(np.asarray(value).dtype)


def nudged(value, factor):
    """JSON with its first number that is not 0 multiplied, or its first text changed."""
    done = False

    def visit(v):
        nonlocal done
        if isinstance(v, dict):
            return {key: visit(one) for key, one in v.items()}
        if isinstance(v, list):
            return [visit(one) for one in v]
        if done or not v or isinstance(v, bool):
            return v
        done = True
        return f"{v}!" if isinstance(v, str) else v * factor

    return visit(value)


PERTURBED = (
    "weights/face_landmark_68_tiny_net", "operations/conv2d/2", "operations/max_pool/1", "operations/softmax/1",
    "operations/resize_bilinear/1", "taps/face_landmark_68_tiny_net/astronaut", "raw/face_recognition_net/astronaut",
    "raw/mtcnn_rnet/astronaut_min_60", "decode/ssd_mobilenetv1/astronaut", "decode/face_expression_net/synthetic",
    "decode/face_landmark_68_net/synthetic", "decode/mtcnn_stage3/astronaut_min_60", "decode/non_max_suppression/random_iou_0.3",
    "prepare/to_batch/wide_112_center", "prepare/resize/tiny_48x40", "prepare/crop/boxes_tiny", "chain/ssd/astronaut",
    "chain/mtcnn/astronaut", "json/anchor", "json/euclidean_distance", "decode/mtcnn_pyramid/astronaut_min_60",
)  # fmt: skip


@pytest.mark.parametrize("name", PERTURBED)
def test_two_bounds_fail_and_half_a_bound_passes(name):
    asked = Asked(name)
    right = asked.right()
    assert asked.failures(right) == {}
    for one in asked.expected[:6] + asked.expected[-2:]:
        assert one.name in asked.failures({**right, one.name: off_by(one, right[one.name], 2.2)}), one.name
        if one.kind not in ("exact", "json") and not one.whole and np.any(one.bound.get("absolute", 1)):
            assert asked.failures({**right, one.name: off_by(one, right[one.name], 0.4)}) == {}, one.name


def test_every_level_is_perturbed():
    assert {CASES[name].level for name in PERTURBED} == set(ORDER)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["taps/face_landmark_68_tiny_net/astronaut", "decode/face_expression_net/synthetic", GROUP])
def test_one_number_that_is_none_fails(name, bad):
    asked = Asked(name)
    answers = asked.right()
    one = asked.expected[-1]
    answers[one.name] = answers[one.name].astype(np.float32)
    answers[one.name].reshape(-1)[3] = bad
    assert f"expected finite numbers, got {bad}" in asked.failures(answers)[one.name]


def test_missing_additional_and_misnamed_answers_fail():
    asked = Asked("taps/face_landmark_68_tiny_net/astronaut")
    answers = asked.right()
    answers["dense9"] = answers.pop("dense1")
    failures = asked.failures(answers)
    assert set(failures) == {"dense1", "dense9"}
    assert failures["dense1"].startswith("expected an answer of that name, got dense0, dense2")
    assert "got dense9 as well" in failures["dense9"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: np.moveaxis(v, -1, 1), r"expected shape [1, 28, 28, 64], got [1, 64, 28, 28] (transposed?)"),
        (lambda v: v[:, :-1], "expected shape [1, 28, 28, 64], got [1, 27, 28, 64]"),
        (lambda v: v[0], "expected shape [1, 28, 28, 64], got [28, 28, 64]"),
        (lambda v: v.astype(np.float64), "expected float32, got float64"),
        (lambda v: v.astype(np.float16), "expected float32, got float16"),
        (lambda v: v.astype(np.int32), "expected float32, got int32"),
        (lambda v: v.tolist(), "expected a tensor, got a JSON value of type list"),
        (lambda v: v.transpose(0, 2, 1, 3), "times its bound"),
    ],
)
def test_wrong_shapes_and_kinds_fail(change, message):
    asked = Asked("taps/face_landmark_68_tiny_net/astronaut")
    answers = asked.right()
    answers["dense1"] = change(answers["dense1"])
    failures = asked.failures(answers)
    assert list(failures) == ["dense1"]
    assert message in failures["dense1"]


def test_a_finding_names_place_values_and_bound():
    asked = Asked("taps/face_landmark_68_tiny_net/astronaut")
    answers = asked.right()
    right = float(answers["dense1"][0, 5, 6, 7])
    answers["dense1"][0, 5, 6, 7] += 1
    judgement = judge(asked.case, asked.question, asked.expected, answers, FLOAT32)
    found = judgement.first
    assert (found.name, found.index, found.got) == ("dense1", (0, 5, 6, 7), pytest.approx(right + 1))
    assert found.want == pytest.approx(right)
    assert found.ratio == pytest.approx(found.error / found.bound)
    assert found.ratio > 1000


def test_what_the_places_of_a_sampled_tensor_do_not_see_its_norms_do():
    asked = Asked("prepare/to_batch/astronaut_112_center")
    answers = asked.right()
    unseen = np.ones(answers["batch"].size, bool)
    unseen[next(one for one in asked.expected if one.name == "batch").samples] = False
    answers["batch"].reshape(-1)[unseen] *= np.float32(1.001)
    assert "expected L1 norm" in asked.failures(answers)["batch"]


# ------------------------------------------------------------------ faces


def test_swapped_missing_and_additional_faces_fail():
    asked = Asked(GROUP)
    right = asked.right()
    assert asked.failures(right) == {}
    swapped = {name: value[[1, 0, 2, 3]] for name, value in right.items()}
    assert "expected the faces in golden order" in asked.failures(swapped)["boxes"]
    fewer = {name: value[:3] for name, value in right.items()}
    assert "expected 4 faces, got 3: none at number 3" in asked.failures(fewer)["boxes"]
    more = {name: np.concatenate([value, value[:1] + 300 if name == "boxes" else value[:1]]) for name, value in right.items()}
    assert "expected 4 faces, got 5: number 4" in asked.failures(more)["boxes"]
    assert "boxes" in asked.failures({name: value[:0] for name, value in right.items()})
    descriptors = {**right, "descriptors": right["descriptors"][[1, 0, 2, 3]]}
    assert list(asked.failures(descriptors)) == ["descriptors"]


def test_a_score_within_its_error_of_the_threshold_makes_a_face_ambiguous():
    asked = Asked(GROUP)
    right = asked.right()
    lowest = float(right["scores"][3])
    near = dataclasses.replace(asked.case, attributes={**asked.case.attributes, "min_confidence": lowest - 5e-6})
    far = dataclasses.replace(asked.case, attributes={**asked.case.attributes, "min_confidence": lowest - 5e-5})
    fewer = {name: value[:3] for name, value in right.items()}
    judgement = judge(near, asked.question, asked.expected, fewer, FLOAT32)
    assert judgement.first is None
    assert list(judgement.ambiguous) == [3]
    assert "at the threshold" in judgement.ambiguous[3]
    assert judge(far, asked.question, asked.expected, fewer, FLOAT32).first is not None
    more = {name: np.concatenate([value, value[3:]]) for name, value in right.items()}
    more["boxes"][4] += 200
    assert judge(near, asked.question, asked.expected, more, FLOAT32).first is None  # its own score is at the threshold too
    assert judge(far, asked.question, asked.expected, more, FLOAT32).first is not None
    more["scores"][4] = lowest - 0.2  # below the threshold, not at it
    assert judge(near, asked.question, asked.expected, more, FLOAT32).first is not None


def test_a_score_that_equals_its_threshold_does_not_pass_where_raw_outputs_are_given():
    asked = Asked("decode/tiny_face_detector/some_at_threshold")
    right = asked.right()
    one_more = {"boxes": np.concatenate([right["boxes"], [[900.0, 900.0, 9.0, 9.0]]]), "scores": np.append(right["scores"], 0.5)}
    assert "is one too many" in asked.failures(one_more)["boxes"]
    one_more["scores"][-1] = 0.5 + 1e-7  # possibly due to rounding
    assert asked.failures(one_more) == {}


def test_an_edge_within_its_error_of_a_whole_pixel_makes_a_crop_ambiguous():
    asked = Asked(GROUP)
    right = asked.right()
    edge = float(np.asarray(right["aligned_boxes"])[2, 0])
    shifted = {**right, "aligned_crops": np.array(right["aligned_crops"]), "ages": np.array(right["ages"])}
    shifted["aligned_crops"][2, 0] += 1
    shifted["ages"][2] += 3
    assert {"aligned_crops", "ages"} <= set(asked.failures(shifted))  # no edge is near: a fault
    expected = [
        dataclasses.replace(one, value=np.array(one.value, np.float64)) if one.name == "aligned_boxes" else one
        for one in asked.expected
    ]
    boxes = next(one for one in expected if one.name == "aligned_boxes")
    boxes.value[2, 0] = np.floor(edge) + 1 - 5e-4  # now the edge is 5e-4 px from the next pixel
    shifted["aligned_boxes"] = boxes.value.astype(np.float64)
    judgement = judge(asked.case, asked.question, expected, shifted, FLOAT32)
    assert judgement.first is None
    assert set(judgement.ambiguous) == {2}
    shifted["descriptors"] = right["descriptors"] + np.float32(0.1)  # not computed from that crop
    assert judge(asked.case, asked.question, expected, shifted, FLOAT32).first.name == "descriptors"


# ------------------------------------------------------------------ grades


def test_grades_admit_what_they_say():
    asked = {name: Asked("raw/face_landmark_68_tiny_net/astronaut", grade) for name, grade in GRADES.items()}
    right = asked["float32"].right()
    off = {"points": right["points"] + np.float32(1e-3)}
    outcome = {name: not one.failures(off) for name, one in asked.items()}
    assert outcome["mixed:bfloat16"]
    assert not outcome["float32"]
    assert not outcome["exact"]
    golden = {"points": GOLDEN.tensor(asked["exact"].case.expected[0]["tensor"])}
    assert asked["exact"].failures(golden) == {}
    golden["points"] = np.nextafter(golden["points"], np.float32(9))
    assert "inf times its bound 0" in asked["exact"].failures(golden)["points"]
    assert grade_of("mixed") is GRADES["mixed:bfloat16"]
    with pytest.raises(InvalidArgument, match="expected one of exact, float32"):
        grade_of("loose")


# ------------------------------------------------------------------ runs


class Silent:
    title = "silent"

    def answer(self, question):
        return {}

    def close(self):
        pass


def test_nothing_judged_is_not_passed():
    cases = chosen_cases(GOLDEN, ["operations/relu/*"])
    assert not run_cases(Silent(), GOLDEN, [], FLOAT32).passed
    report = run_cases(Silent(), GOLDEN, cases, FLOAT32)
    assert not report.passed
    assert report.counts == {"failed": 1}


def test_a_damaged_case_is_one_line_and_fails():
    port = BackendPort(GOLDEN, "reference")
    case = CASES["operations/conv2d/1"]
    for damaged in (
        dataclasses.replace(case, inputs=[{"synthetic": {"seed": 1}}]),
        dataclasses.replace(case, inputs=case.inputs[:1]),
        dataclasses.replace(case, attributes={"op": "conv2d", "stride": 0, "padding": "same"}),
        dataclasses.replace(case, attributes={"op": "nonsense"}),
        dataclasses.replace(case, expected=[{"name": "output", "tensor": "operations/conv2d/2/output", "kind": "operation"}]),
        dataclasses.replace(CASES["raw/face_expression_net/astronaut"], net="nonsense"),
        dataclasses.replace(
            CASES["raw/face_expression_net/astronaut"],
            expected=[{"name": "logits", "tensor": "json/descriptors/astronaut", "kind": "raw"}],
        ),
    ):
        result = run_case_on(port, GOLDEN, damaged, FLOAT32)
        assert result.status == "failed"
        assert "expected" in result.problem or "Error" in result.problem
        assert "\n" not in result.problem


def test_golden_values_that_the_reference_does_not_give_are_damaged():
    case = CASES["raw/face_expression_net/astronaut"]
    other = dataclasses.replace(case, expected=[{**case.expected[0], "tensor": "raw/face_expression_net/cut/logits"}])
    result = run_case_on(BackendPort(GOLDEN, "reference"), GOLDEN, other, FLOAT32)
    assert result.status == "failed"
    assert "the golden cases are damaged" in result.problem


def test_the_wheel_alone_can_judge_taps():
    core = {case.name for case in GOLDEN.all_cases if case.set == "core"}
    golden = GoldenCases()
    golden.sets = {"core"}
    asked = [case for case in golden.all_cases if answerable(golden, case)]
    assert any(case.level == "taps" and case.name not in core for case in asked)
