"""Every golden case of face-api.js on every backend."""

from __future__ import annotations

from collections import Counter

import pytest

from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.levels import LEVELS
from npfaceapi.conformance.verification import verify_case
from npfaceapi.engines.dispatch import available_backends, use_backend

GOLDEN = GoldenCases()
CUDA = available_backends()["cuda"]  # the simulator would take years
BACKENDS = ("numba", "reference", "reference64", *(("cuda",) if CUDA and "simulator" not in CUDA.detail else ()))
let_off: Counter[str] = Counter()
faces: Counter[str] = Counter()


@pytest.mark.parametrize("case", GOLDEN.cases, ids=lambda case: case.name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_case(backend, case):
    with use_backend(backend):
        outcome = verify_case(GOLDEN, case)
    assert outcome.passed, outcome.failures
    faces[backend] += outcome.faces
    let_off[backend] += outcome.let_off


@pytest.mark.parametrize("backend", BACKENDS)
def test_few_faces_are_let_off(backend):
    if not faces[backend]:
        pytest.skip("the golden cases themselves were not run")
    assert let_off[backend] <= 0.02 * faces[backend]


def test_every_level_and_network_is_there():
    assert {case.level for case in GOLDEN.cases} == set(LEVELS)
    raw = {case.net for case in GOLDEN.cases if case.level == "raw"}
    assert raw == {
        "ssd_mobilenetv1", "tiny_face_detector", "tiny_yolov2", "tiny_yolov2_full", "mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet",
        "face_landmark_68_net", "face_landmark_68_tiny_net", "face_recognition_net", "face_expression_net", "age_gender_net",
    }  # fmt: skip
    assert raw - {case.net for case in GOLDEN.cases if case.level == "taps"} == set()
    core = [case for case in GOLDEN.cases if case.set == "core"]
    assert {"weights", "operations", "raw", "decode", "chain"} <= {case.level for case in core}
