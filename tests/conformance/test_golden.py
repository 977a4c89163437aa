"""Every golden case of face-api.js on every backend."""

from __future__ import annotations

import pytest

from helpers import WEIGHTS
from npfaceapi.conformance.golden import WEIGHTS_WANTED, GoldenCases
from npfaceapi.conformance.levels import LEVELS
from npfaceapi.conformance.ports import BackendPort
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.tolerance import STORED
from npfaceapi.engines.dispatch import available_backends

GOLDEN = GoldenCases(weights=WEIGHTS)
LACKING = pytest.mark.skip(reason=f"these {WEIGHTS_WANTED}")
CUDA = available_backends()["cuda"]  # far too slow on the simulator
FAST = ("core", "unbundled")
BACKENDS = (
    "numba",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("reference", "reference64")),
    *(("cuda",) if CUDA and "simulator" not in CUDA.detail else ()),
)
CASES = [pytest.param(case, marks=[] if case.set in FAST else pytest.mark.slow) for case in GOLDEN.cases]
CASES += [pytest.param(case, marks=LACKING) for case in GOLDEN.without_weights]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_case(backend, case):
    """As `npfaceapi verify` judges it; on our backends no face of the golden photographs needs to be excused."""
    result = run_case_on(BackendPort(GOLDEN, backend), GOLDEN, case, STORED)
    assert result.status == "passed", result.problem
    assert not result.ambiguous


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
