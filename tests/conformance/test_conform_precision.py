"""Weights and numbers of too little precision, planted in the plain NumPy port, are named."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.planted.numpy_port import NumpyPort
from npfaceapi.conformance.diagnosis import Diagnostician
from npfaceapi.conformance.fault_table import small
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.ports import PythonPort
from npfaceapi.conformance.runner import run_case_on
from npfaceapi.conformance.tolerance import GRADES

GOLDEN = GoldenCases()
FLOAT32 = GRADES["float32"]
LAYERS = (
    "conv2d", "depthwise_conv2d", "dense", "batch_norm", "relu", "relu6", "leaky_relu", "prelu", "softmax", "max_pool",
    "avg_pool", "add", "subtract", "multiply", "divide", "mean",
)  # fmt: skip


def half(x):
    return x.astype(np.float16).astype(np.float32)


def brain(x):
    """bfloat16 by adding half a unit and truncating, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def with_weights(name, change):
    tensors = NumpyPort.tensors
    return type(name, (NumpyPort,), {"tensors": lambda self, net: {key: change(w) for key, w in tensors(self, net).items()}})


def with_numbers(name, change):
    def rounded(method):
        return lambda self, *args, **p: change(method(self, *args, **{key: change(w) for key, w in p.items()}))

    return type(name, (NumpyPort,), {op: rounded(getattr(NumpyPort, op)) for op in LAYERS})


class InFloat32(NumpyPort):
    def dequantized(self, q, scale, least):
        return q.astype(np.float32) * np.float32(scale) + np.float32(least)


class Float32Scale(NumpyPort):
    def dequantized(self, q, scale, least):
        return (q.astype(np.float64) * float(np.float32(scale)) + float(np.float32(least))).astype(np.float32)


HALF_WEIGHTS, BRAIN_WEIGHTS = with_weights("HalfWeights", half), with_weights("BrainWeights", brain)
HALF, BRAIN = with_numbers("Half", half), with_numbers("Brain", brain)
REC, AGE, TINY = "raw/face_recognition_net/noise", "raw/age_gender_net/cut", "raw/face_landmark_68_tiny_net/cut"
PLANTED = [
    ("decoded_in_float32", InFloat32, "weights/face_recognition_net"),
    ("decoded_in_float32", InFloat32, "raw/face_recognition_net/cut"),
    ("decoded_in_float32", InFloat32, "taps/face_recognition_net/noise"),
    ("decoded_with_float32_scale", Float32Scale, "weights/face_recognition_net"),
    ("decoded_with_float32_scale", Float32Scale, "raw/face_recognition_net/cut"),
    ("weights_float16", HALF_WEIGHTS, "weights/face_landmark_68_tiny_net"),
    ("weights_float16", HALF_WEIGHTS, REC),
    ("weights_float16", HALF_WEIGHTS, AGE),
    ("weights_float16", HALF_WEIGHTS, "taps/face_landmark_68_tiny_net/noise"),
    ("weights_float16", HALF_WEIGHTS, "chain/tiny_416/astronaut"),
    ("weights_bfloat16", BRAIN_WEIGHTS, "weights/age_gender_net"),
    ("weights_bfloat16", BRAIN_WEIGHTS, TINY),
    ("numbers_float16", HALF, "operations/conv2d/2"),
    ("numbers_float16", HALF, TINY),
    ("numbers_float16", HALF, "taps/face_landmark_68_tiny_net/noise"),
    ("numbers_bfloat16", BRAIN, REC),
    ("numbers_bfloat16", BRAIN, TINY),
    ("numbers_bfloat16", BRAIN, "raw/mtcnn_rnet/astronaut_min_60"),
]


def judged(port, name, grade=FLOAT32):
    return run_case_on(PythonPort(port), GOLDEN, small(GOLDEN, name), grade, Diagnostician(GOLDEN, grade))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "port", "case"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_too_little_precision_is_named(name, port, case):
    result = judged(port(), case)
    assert result.status == "failed"
    names = [match.name for match in result.diagnosis]
    assert names[:1] == [name] or (name in names and all("float" in one for one in names)), result.diagnosis


def test_prepared_and_decoded_numbers_in_float16_are_named():
    class Rounded(NumpyPort):
        def resize(self, image, height, width):
            return half(super().resize(image, height, width))

    assert [match.name for match in judged(Rounded(), "prepare/to_batch/wide_112_center").diagnosis] == ["numbers_float16"]


@pytest.mark.slow
def test_the_grade_that_would_pass_is_told():
    port, case = PythonPort(HALF_WEIGHTS()), small(GOLDEN, TINY)
    assert run_case_on(port, GOLDEN, case, FLOAT32).passes_at == "mixed:float16"
    assert run_case_on(port, GOLDEN, case, GRADES["mixed:quantized"]).passes_at == "mixed:float16"  # looser than needed
