"""Right float32 resizing passes, wrong resizing fails: the formulas of TensorFlow, ONNX Runtime and others, at every grade."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.planted.numpy_port import NumpyPort
from npfaceapi.conformance.expected import expected_of
from npfaceapi.conformance.fault_table import small
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.judge import judge
from npfaceapi.conformance.levels import network_batch, network_of
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.questions import question_of
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.tolerance import GRADES

GOLDEN = GoldenCases()
DERIVED = [grade for grade in GRADES.values() if not grade.exact]
PICTURES = [
    "prepare/to_batch/astronaut_112_center",
    "prepare/to_batch/astronaut_150_center",
    "prepare/to_batch/astronaut_416_corner",
]
RESIZES = ["operations/resize_bilinear/5", "operations/resize_bilinear/6"]

# Source coordinates in float32, as each library computes them.
FORMULAS = {
    "tensorflow": lambda n, m: np.arange(m, dtype=np.float32) * (np.float32(n) / np.float32(m)),
    "onnxruntime": lambda n, m: np.arange(m, dtype=np.float32) / (np.float32(m) / np.float32(n)),
    "reciprocal": lambda n, m: np.arange(m, dtype=np.float32) * (np.float32(1) / (np.float32(m) / np.float32(n))),
}
WRONG = {
    "half-pixel centres": lambda n, m: (np.arange(m) + 0.5) * n / m - 0.5,
    "aligned corners": lambda n, m: np.arange(m) * (n - 1) / max(m - 1, 1),
    "nearest": lambda n, m: np.floor(np.arange(m) * (n / m)),
    "one pixel off": lambda n, m: np.arange(m) * (n / m) + 1,
    "a hundredth of a pixel off": lambda n, m: np.arange(m) * (n / m) + 0.01,
}


class Float32(NumpyPort):
    """Resizes in float32 throughout."""

    def __init__(self, formula):
        super().__init__()
        self.positions = formula

    def bilinear(self, image, rows, columns):
        x = image.astype(np.float32)
        (i, j, g), (k, m, f) = (self._parts(at, n) for at, n in ((rows, x.shape[0]), (columns, x.shape[1])))
        top = x[i][:, k] + (x[i][:, m] - x[i][:, k]) * f[None, :, None]
        bottom = x[j][:, k] + (x[j][:, m] - x[j][:, k]) * f[None, :, None]
        return top + (bottom - top) * g[:, None, None]

    def _parts(self, at, length):
        at = np.clip(at, 0, length - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, length - 1), (at - low).astype(np.float32)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("grade", DERIVED, ids=lambda grade: grade.name)
@pytest.mark.parametrize("formula", FORMULAS)
def test_float32_coordinates_pass(formula, grade):
    port = PythonPort(Float32(FORMULAS[formula]))
    for name in PICTURES + RESIZES:
        result = run_case_on(port, GOLDEN, small(GOLDEN, name), grade)
        assert result.status == "passed", result.problem
        assert result.worst.ratio < 0.5, name


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("grade", DERIVED, ids=lambda grade: grade.name)
@pytest.mark.parametrize("formula", WRONG)
def test_other_coordinates_fail(formula, grade):
    port = PythonPort(Float32(WRONG[formula]))
    for name in PICTURES:
        assert run_case_on(port, GOLDEN, small(GOLDEN, name), grade).status == "failed", name


class FromPictures(PythonPort):
    """Our network on pictures that the port resizes itself."""

    def _raw(self, question):
        a, pictures = question.attributes, [v for name, v in question.inputs.items() if name.startswith("picture_")]
        case = small(GOLDEN, question.name)
        assert np.array_equal(network_batch(case, pictures), question.inputs["batch"])
        return network_of(case).run_net(self.port.batch(pictures, a["size"], a["center"]))


NETWORKS = ["raw/face_landmark_68_net/noise", "raw/face_recognition_net/astronaut", "raw/tiny_face_detector/noise_224"]


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_network_that_is_given_the_pictures_passes(formula, name):
    result = run_case_on(FromPictures(Float32(FORMULAS[formula])), GOLDEN, small(GOLDEN, name), GRADES["float32"])
    assert result.status == "passed", result.problem


def test_a_network_that_resizes_slightly_wrong_fails():
    def stretched(n, m):
        return np.arange(m) * (n / m) * (1 + 1e-5)

    result = run_case_on(FromPictures(Float32(stretched)), GOLDEN, small(GOLDEN, NETWORKS[0]), GRADES["float32"])
    assert result.status == "failed"


def test_norms_of_a_sampled_batch_admit_float32_coordinates_and_no_more():
    case = small(GOLDEN, PICTURES[0])
    question = question_of(GOLDEN, case)
    answers = dict(PythonPort(Float32(FORMULAS["tensorflow"])).answer(question))
    answers["batch"] = np.ascontiguousarray(answers["batch"])
    expected = expected_of(GOLDEN, case, question, GRADES["float32"])
    assert judge(case, question, expected, answers, GRADES["float32"]).first is None
    unseen = np.ones(answers["batch"].size, bool)
    unseen[expected[0].samples] = False
    answers["batch"].reshape(-1)[unseen] += np.float32(0.05)
    problem = judge(case, question, expected, answers, GRADES["float32"]).first.problem
    assert problem.startswith("expected L1 norm")
    assert "though the 1024 numbers that are stored agree" in problem
