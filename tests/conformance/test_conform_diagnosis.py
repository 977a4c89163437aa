"""When a fault is named, when none is known, and when no diagnosis was made."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from conformance.planted.numpy_port import NumpyPort
from npfaceapi.conformance import diagnosis
from npfaceapi.conformance.diagnosis import Diagnostician
from npfaceapi.conformance.fault_table import small
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.html import to_html
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.report import case_lines, to_dict, to_junit
from npfaceapi.conformance.runner import run_case_on, run_cases
from npfaceapi.conformance.tolerance import GRADES

GOLDEN = GoldenCases()
FLOAT32 = GRADES["float32"]


def cases(*names):
    return [small(GOLDEN, name) for name in names]


def judged(port, *names, grade=FLOAT32, **options):
    return run_cases(PythonPort(port), GOLDEN, cases(*names), grade, **options)


class LastFaceLost(NumpyPort):
    def decode(self, network, inputs, attributes, names):
        answers = dict(super().decode(network, inputs, attributes, names))
        return {name: v[:-1] if name in ("boxes", "scores", "indices") else v for name, v in answers.items()}


class OtherNumbers(NumpyPort):
    """As many boxes as with a fault of the table, but others."""

    def suppress(self, edges, scores, threshold, over_union=True, earlier_first=False, most=10**9):
        kept = super().suppress(edges, scores, threshold, over_union, earlier_first, most)
        return [int(i) for i in np.random.default_rng(1).permutation(len(scores))[: len(kept)]]


@pytest.mark.slow
@pytest.mark.parametrize("port", [LastFaceLost, OtherNumbers])
def test_another_number_of_boxes_alone_names_nothing(port):
    names = ["decode/ssd_mobilenetv1/synthetic_wide", "decode/non_max_suppression/random_min_0.5"]
    for result in judged(port(), *names).results:
        assert result.status == "failed"
        assert not [match for match in result.diagnosis if match.after > 1e-3], result.diagnosis


@pytest.mark.slow
def test_a_match_must_agree_in_numbers_where_shapes_differ():
    """Regression: every fault with as many boxes was named, however far off its boxes were."""
    case, port = small(GOLDEN, "decode/tiny_face_detector/synthetic_wide"), PythonPort(LastFaceLost())
    result = run_case_on(port, GOLDEN, case, FLOAT32, Diagnostician(GOLDEN, FLOAT32))
    assert result.diagnosis == []
    assert result.undiagnosed == "no known fault matches"


class Nothing(NumpyPort):
    def chain(self, detector, picture, attributes, names):
        return {"boxes": np.zeros((0, 4)), "scores": np.zeros(0)}


@pytest.mark.slow
def test_no_faces_are_no_evidence():
    (result,) = judged(Nothing(), "chain/tiny_416/cut").results
    assert result.diagnosis == []


class Divided(NumpyPort):
    def divide(self, node, x, y=None):
        return x / (self.constant(node, y) - 1 if node["attributes"].get("y") == 256 else self.constant(node, y))


RECOGNITION = [
    "raw/face_recognition_net/noise",
    *(f"raw/face_recognition_net/{name}" for name in ("cut", "astronaut", "gradient")),
]


@pytest.fixture(scope="module")
def divided():
    return judged(Divided(), *RECOGNITION, "chain/tiny_416/cut")


@pytest.mark.slow
def test_the_fourth_case_was_not_looked_into_and_the_report_says_so(divided):
    third, fourth = divided.results[2:4]
    assert third.diagnosis[0].name == "divisor_255"
    assert third.undiagnosed == ""
    assert fourth.diagnosis == []
    assert fourth.undiagnosed.startswith("not looked into: 3 other cases of raw/face_recognition_net")
    told = to_dict(divided)["cases"]
    assert [case["undiagnosed"] for case in told[2:4]] == [None, fourth.undiagnosed]
    assert fourth.undiagnosed in to_html(divided)
    failures = ElementTree.fromstring(to_junit(divided)).findall(".//failure")
    assert [fourth.undiagnosed in failure.text for failure in failures[:4]] == [False, False, False, True]


@pytest.mark.slow
def test_a_chain_says_what_failed_below_it(divided):
    chain = divided.results[-1]
    assert chain.status == "failed"
    assert chain.below == ["face_recognition_net: raw (4): divided by 255 instead of 256"]
    assert chain.undiagnosed == "not looked into: what it uses failed at a lower level"
    assert "failed below: face_recognition_net: raw (4): divided by 255 instead of 256" in case_lines(chain)
    assert to_dict(divided)["cases"][-1]["failed_below"] == chain.below


@pytest.mark.slow
def test_the_time_of_the_diagnosis_is_told(divided):
    assert 0 < divided.diagnosis_seconds < divided.seconds
    assert divided.time.endswith(" s of diagnosis")
    assert to_dict(divided)["diagnosis_seconds"] == round(divided.diagnosis_seconds, 3)


@pytest.mark.slow
def test_the_search_ends_with_a_match_and_begins_with_what_matched_before(monkeypatch):
    run = []
    original = diagnosis._answers_with
    monkeypatch.setattr(diagnosis, "_answers_with", lambda function, *given: run.append(given) or original(function, *given))
    diagnostician = Diagnostician(GOLDEN, FLOAT32)
    counts = []
    for case in cases(*RECOGNITION[:2]):
        run.clear()
        run_case_on(PythonPort(Divided()), GOLDEN, case, FLOAT32, diagnostician)
        counts.append(len(run))
    assert counts[1] == 1 < counts[0]


@pytest.mark.slow
def test_diagnosis_has_an_end():
    diagnostician = Diagnostician(GOLDEN, FLOAT32, limit=0.0)
    result = run_case_on(PythonPort(Divided()), GOLDEN, small(GOLDEN, RECOGNITION[0]), FLOAT32, diagnostician)
    assert result.undiagnosed.startswith("not looked into to the end: diagnosis took")


@pytest.mark.slow
def test_without_diagnosis_or_answers_nothing_was_looked_into():
    class Broken(NumpyPort):
        def run(self, network, batch):
            raise RuntimeError("broken")

    (switched_off,) = judged(Divided(), RECOGNITION[0], diagnose=False).results
    assert switched_off.undiagnosed == "not looked into: diagnosis is switched off"
    (broken,) = judged(Broken(), RECOGNITION[0]).results
    assert broken.undiagnosed == "not looked into: there are no answers to look into"


@pytest.mark.slow
def test_a_report_says_which_grade_would_pass():
    class Coarse(NumpyPort):
        def leave(self, network, outputs):
            return {name: (v * 1.0005).astype(np.float32) for name, v in outputs.items()}

    name = "raw/face_landmark_68_tiny_net/astronaut"
    report = judged(Coarse(), name, diagnose=False)
    assert report.grade_hint == "all would pass at the grade mixed:float16"
    assert judged(NumpyPort(), name, grade=GRADES["mixed:bfloat16"]).grade_hint == (
        "the grade mixed:bfloat16 is looser than needed: all would pass at float32"
    )
    assert judged(NumpyPort(), name).grade_hint == ""
    assert to_dict(report)["grade_hint"] == report.grade_hint
    assert report.grade_hint in to_html(report)


def test_errors_that_are_not_finite_are_null():
    report = judged(LastFaceLost(), "decode/non_max_suppression/random_min_0.5", diagnose=False)
    report.results[0].findings[0].ratio = float("inf")
    told = json.loads(json.dumps(to_dict(report), allow_nan=False))["cases"][0]
    assert told["answers"][0]["error_in_bounds"] is None
    assert told["case"] == told["name"]


def test_the_plot_of_layers_reaches_as_high_as_the_errors_and_names_few_layers():
    class Off(NumpyPort):
        def leave(self, network, outputs):
            return outputs

        def taps(self, network, batch, names):
            answers = super().taps(network, batch, names)
            return {name: v * np.float32(10.0 ** (3 * i)) for i, (name, v) in enumerate(answers.items())}

    page = to_html(judged(Off(), "taps/face_landmark_68_tiny_net/noise", diagnose=False))
    heights = [float(part.partition('"')[0]) for part in page.split(' height="')[1:]]
    assert len({*heights}) == len(heights)
    for name in ("dense0", "dense1", "dense2", "fc"):
        assert f">{name}</text>" in page
