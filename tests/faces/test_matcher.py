"""Matching and its JSON against answers of the npm package face-api.js 0.22.2."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import math
import operator
import pickle
import platform
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces import matcher
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.js_numbers import js_number, js_numbers, round_down
from npfaceapi.faces.matcher import FaceMatch, FaceMatcher, LabeledFaceDescriptors, euclidean_distance
from npfaceapi.faces.results import FaceDetection, FaceResult, extend_with_face_descriptor


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def pseudo_random_descriptors() -> Iterator[np.ndarray]:
    """The same descriptors as in the reference experiment."""
    state = 12345
    while True:
        values = []
        for _ in range(128):
            state = (state * 1664525 + 1013904223) % 2**32
            values.append(((state >> 8) / 16777216 - 0.5) / 5)
        yield f32(*values)


SOURCE = pseudo_random_descriptors()
A = LabeledFaceDescriptors('Ä "quoted"\n', [next(SOURCE) for _ in range(3)])
B = LabeledFaceDescriptors("b", [next(SOURCE) for _ in range(2)])
MATCHER = FaceMatcher([A, B, next(SOURCE)], 0.55)
QUERY = next(SOURCE)


def test_distances_equal_face_api() -> None:
    assert euclidean_distance(A.descriptors[0], QUERY) == pytest.approx(1.0168818250088296, rel=1e-15)
    nearest = MATCHER.match_descriptor(QUERY)
    assert (nearest.label, nearest.distance) == ("person 1", pytest.approx(0.8948768355400339, rel=1e-15))
    assert MATCHER.find_best_match(QUERY) == FaceMatch("unknown", nearest.distance)
    best = MATCHER.find_best_match(B.descriptors[0])
    assert (best.label, best.distance) == ("b", pytest.approx(0.4651975656326854, rel=1e-15))
    assert MATCHER.compute_mean_distance(QUERY, A.descriptors) == pytest.approx(0.9939037213954688, rel=1e-15)


def test_json_equals_that_of_face_api_to_the_byte() -> None:
    text = MATCHER.to_json()
    assert len(text) == 16134  # JSON.stringify(matcher).length, and the SHA-256 of that text
    digest = "62654915ff440ec4e39a51d076d76cf07c1ece66da651c97a6bd6afdeb4fe331"
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    odd = [0, -0.0, 1, -1, 0.1, 1e-5, 1e-6, 1e-7, -2.5e-7, 123456, 1e20, 1e21, 3e38, 0.5, 16777216, 1e-45]
    assert LabeledFaceDescriptors("x", [f32(*odd)]).to_json() == (
        '{"label":"x","descriptors":[[0,0,1,-1,0.10000000149011612,0.000009999999747378752,9.999999974752427e-7,'
        "1.0000000116860974e-7,-2.499999993688107e-7,123456,100000002004087730000,1.0000000200408773e+21,"
        "3.0000000054977558e+38,0.5,16777216,1.401298464324817e-45]]}"
    )
    # reference experiment "FaceMatcher json"
    assert FaceMatcher([LabeledFaceDescriptors("a", [[0.1, 0.2]])], 0.4).to_json() == (
        '{"distanceThreshold":0.4,"labeledDescriptors":[{"label":"a","descriptors":[[0.10000000149011612,0.20000000298023224]]}]}'
    )


def test_json_round_trip() -> None:
    for text in (MATCHER.to_json(), MATCHER.to_json().encode(), MATCHER.to_dict(), json.dumps(MATCHER.to_dict())):
        assert FaceMatcher.from_json(text) == MATCHER
    assert LabeledFaceDescriptors.from_json(A.to_json()) == A
    # reference experiments "fromJSON", "fromJSON missing threshold"
    data = {"labeledDescriptors": [{"label": "a", "descriptors": [[0.1, 0.2]]}]}
    matcher = FaceMatcher.from_json({"distanceThreshold": 0.4, **data})
    descriptor = matcher.labeled_descriptors[0].descriptors[0]
    assert (matcher.distance_threshold, descriptor.dtype, descriptor.tolist()) == (
        0.4,
        np.float32,
        [0.10000000149011612, 0.20000000298023224],
    )
    assert FaceMatcher.from_json(data).distance_threshold == 0.6
    assert FaceMatcher.from_json({"distanceThreshold": 0, **data}).distance_threshold == 0.0


@pytest.mark.parametrize(
    "wrong", ["{", "[]", "3", b"\xff", None, "{}", '{"labeledDescriptors": 3}', '{"labeledDescriptors": [3]}']
)
def test_bad_json(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"from_json: expected "):
        FaceMatcher.from_json(wrong)
    with pytest.raises(InvalidArgument, match=r"^LabeledFaceDescriptors.from_json: expected "):
        LabeledFaceDescriptors.from_json(wrong)


def text_of(descriptors: str = "[[1]]", label: str = '"a"', threshold: str = "0.6") -> str:
    known = f'{{"label": {label}, "descriptors": {descriptors}}}'
    return f'{{"labeledDescriptors": [{known}], "distanceThreshold": {threshold}}}'


DEEP = "[" * 500 + "]" * 500
NONSENSE = {
    "nested too deeply": [start * 100_000 for start in ("[", '{"labeledDescriptors":')] + [text_of("[" * 100_000)],
    "'labeledDescriptors' twice": ['{"labeledDescriptors": [], "labeledDescriptors": []}'],
    "'label' twice": [text_of(label='"a", "label": "b"')],
    "not a finite float64 number": [
        *(text_of(f"[[{number}]]") for number in ("NaN", "Infinity", "-Infinity", "9" * 5000, "-" + "9" * 309)),
        text_of(threshold="9" * 400),
    ],
    "expected finite numbers of float32, got NaN or infinity": [
        text_of(f"[[{number}, 0]]") for number in ("1e39", "-1e39", "3.5e38", "1e308", "1e999", "9" * 300 + ".5")
    ],
    "expected a vector of numbers": [
        text_of(f"[{each}]")
        for each in ("0.5", "null", '"a"', "[[1]]", "[[1], [1, 2]]", "[null]", '["1"]', "[true]", '{"0": [1]}', DEEP)
    ],
    "or an object with the keys 0, 1, ...": [
        text_of(f"[{each}]") for each in ('{"a": 1}', '{"1": 1}', '{"0": 1, "00": 2}', '{"": 0}')
    ],
    "expected a string and a list": [
        *(text_of(label=label) for label in ("3", "null", "[]", "{}", "true", DEEP)),
        *(text_of(descriptors) for descriptors in ("3", "null", "{}", '"a"')),
    ],
    "expected labeledDescriptors to be a list": [f'{{"labeledDescriptors": {each}}}' for each in ("null", "{}", '"a"', "1")],
    "expected an object with label and descriptors": [
        f'{{"labeledDescriptors": [{each}]}}' for each in ("null", "[]", '"a"', "{}", json.dumps(text_of()), DEEP)
    ],
    "distance_threshold: expected a number": [
        text_of(threshold=each) for each in ("null", "-1", '"1"', "[]", "true", "1e999", DEEP)
    ],
    "expected JSON": [b"\xff\xfe\x00", "\ufeff{}", text_of().encode()[:-1], text_of(label='"\xe4"').encode("latin-1")],
}  # fmt: skip


@pytest.mark.parametrize("message", NONSENSE)
def test_invalid_json_and_values_of_other_kinds(message: str) -> None:
    for wrong in NONSENSE[message]:
        with pytest.raises(InvalidArgument) as error:
            FaceMatcher.from_json(wrong)  # type: ignore[arg-type]
        assert message in str(error.value)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 400


def test_json_of_a_float32array() -> None:
    text = json.dumps({"label": "a", "descriptors": [{str(i): i / 10 for i in range(12)}, {}, [0.5]]})
    known = LabeledFaceDescriptors.from_json(text)
    assert known == LabeledFaceDescriptors("a", [[i / 10 for i in range(12)], [], [0.5]])
    shuffled = {"label": "a", "descriptors": [{"1": 0.2, "0": 0.1}]}
    assert LabeledFaceDescriptors.from_json(shuffled) == LabeledFaceDescriptors("a", [[0.1, 0.2]])


# what JSON.stringify gives, by ECMAScript 2019: https://tc39.es/ecma262/#sec-quotejsonstring
@pytest.mark.parametrize(
    ("label", "text"),
    [
        ('"\\/', '"\\"\\\\/"'),
        ("\b\t\n\f\r\0\x1f\x7f", '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f"'),
        ("é漢\u2028\U0001f600", '"é漢\u2028\U0001f600"'),
        ("\ud800", '"\\ud800"'),
        ("a\udfffb\ud83d", '"a\\udfffb\\ud83d"'),
        ("\ud83d\ude00", '"\U0001f600"'),
        ("\ude00\ud83d", '"\\ude00\\ud83d"'),
        ("", '""'),
    ],
)
def test_any_label_is_written_as_json_stringify_writes_it(label: str, text: str) -> None:
    known = LabeledFaceDescriptors(label, [[1, 0.5]])
    assert known.to_json() == f'{{"label":{text},"descriptors":[[1,0.5]]}}'
    written = FaceMatcher(known).to_json().encode()
    again = FaceMatcher.from_json(written).labeled_descriptors[0]
    assert again.label.encode("utf-16", "surrogatepass") == label.encode("utf-16", "surrogatepass")
    assert json.loads(written)["labeledDescriptors"][0]["label"] == again.label


def test_numbers_are_written_the_same_alone_and_in_an_array() -> None:
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    some = [
        *bits[np.isfinite(bits)].tolist(),
        *rng.normal(size=2000).tolist(),
        *range(-20, 20),
        -0.0,
        1e16,
        1e21,
        1e22,
        1e-6,
        1e-7,
    ]
    numbers = list(map(float, some))
    for each in (numbers, numbers[:1], [], [-0.0], [0.1], [5.0], [1e-5]):
        assert js_numbers(each) == f"[{','.join(map(js_number, each))}]"
    assert [float(number) for number in json.loads(js_numbers(numbers))] == numbers


@pytest.mark.slow
def test_large_matchers_are_written_and_read_quickly() -> None:
    vectors = np.random.default_rng(6).normal(scale=0.1, size=(3000, 128)).astype(np.float32)
    matcher = FaceMatcher([LabeledFaceDescriptors(f"person {i}", vectors[i : i + 3]) for i in range(0, 3000, 3)])
    start = time.process_time()
    assert FaceMatcher.from_json(matcher.to_json()) == matcher
    assert time.process_time() - start < 2  # half a second; a loop over all numbers in Python takes three times as long


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (FaceResult(FaceDetection(0.5, Rect(0, 0, 1, 1), (2, 2)), descriptor=f32(1)), "got FaceResult: pass its descriptor"),
        ({"descriptor": f32(1)}, "got dict: pass its descriptor"),
        (FaceResult(FaceDetection(0.5, Rect(0, 0, 1, 1), (2, 2))), "a face has a descriptor after .with_face_descriptors()"),
        (None, "got None: a face has a descriptor after .with_face_descriptors()"),
        (A, "got <LabeledFaceDescriptors: "),
        ("a", "got 'a'"),
        (5, "got 5"),
        pytest.param(10**5000, "got an integer of 16610 bits", id="large"),
        ({}, "got {}"),
        (f32(1)[None], "got float32 [1, 1]"),
    ],
)  # fmt: skip
def test_a_query_that_is_not_a_descriptor(query: Any, message: str) -> None:
    for ask in (MATCHER.find_best_match, MATCHER.match_descriptor, lambda query: euclidean_distance(query, [1])):
        with pytest.raises(InvalidArgument) as error:
            ask(query)
        assert message in str(error.value)


def test_a_vector_in_place_of_a_list() -> None:
    for vector in (f32(*range(128)), list(range(128)), (0.5, 1.5)):
        with pytest.raises(InvalidArgument, match=rf"got a single one of {len(vector)} numbers: pass \[descriptor\]"):
            LabeledFaceDescriptors("a", vector)


@pytest.mark.parametrize("number", [1e39, -3.5e38, 10**39, 1e308, float("inf"), float("nan")])
def test_numbers_beyond_float32(number: Any) -> None:
    detection = FaceDetection(0.5, Rect(0, 0, 1, 1), (2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for make in (lambda d: LabeledFaceDescriptors("a", [d]), lambda d: FaceResult(detection, descriptor=d),
                     lambda d: extend_with_face_descriptor(detection, d)):  # fmt: skip
            for vector in (
                [number, 0],
                np.array([number, 0], object),
                np.array([float(number), 0]),
                np.array([number], np.longdouble),
            ):
                with pytest.raises(InvalidArgument, match=r"expected (finite numbers of float32|a vector of numbers)"):
                    make(vector)


def test_a_large_distance_has_a_text() -> None:
    assert str(FaceMatch("a", 1e308)) == "a (Infinity)"
    far = FaceMatcher(A).find_best_match([1e308, -1e308] if len(A.descriptors[0]) == 2 else np.full(len(A.descriptors[0]), 1e308))
    assert str(far) == "unknown (Infinity)"


def test_text_of_a_match() -> None:
    # computed with the package; 0.29 * 100 is 28.999999999999996
    distances = [0.456, 0.29, 1, 0.1, 0, 10.9712, 0.005, 123456.789, 1e21]
    assert [FaceMatch("x", d).to_string() for d in distances] == [
        *("x (0.45)", "x (0.28)", "x (1)", "x (0.1)", "x (0)", "x (10.97)", "x (0)", "x (123456.78)"),
        "x (999999999999999900000)",
    ]
    assert str(FaceMatch("a", 0.1)) == "a (0.1)"
    assert FaceMatch("a", 0.1).to_string(with_distance=False) == "a"
    # reference experiment "utils.round"
    assert [round_down(v) for v in (0.29, 1, -0.121, 0.1)] == [0.28, 1, -0.13, 0.1]
    assert js_number(-0.5) == "-0.5"


def test_ties_thresholds_and_labels_without_descriptors() -> None:
    # reference experiments "tie", "threshold exact", "auto labels", "empty descriptors distance"
    a, b = LabeledFaceDescriptors("a", [[0.0]]), LabeledFaceDescriptors("b", [[0.5]])
    assert str(FaceMatcher([a, b]).find_best_match([0.25])) == "b (0.25)"
    assert str(FaceMatcher(a, 0.5).find_best_match([0.5])) == "unknown (0.5)"
    assert str(FaceMatcher(a, 0.51).find_best_match([0.5])) == "a (0.5)"
    assert str(FaceMatcher(a, 0).find_best_match([0.0])) == "unknown (0)"
    z = LabeledFaceDescriptors("z", [])
    labels = [known.label for known in FaceMatcher([f32(0), f32(1), z]).labeled_descriptors]
    assert labels == ["person 1", "person 2", "z"]
    assert str(FaceMatcher([a, z]).find_best_match([0.25])) == "z (0)"
    assert str(FaceMatcher(z).find_best_match([0.25])) == "z (0)"
    assert FaceMatcher(a).compute_mean_distance([1], []) == 0.0


def test_the_mean_counts_not_the_smallest() -> None:
    near_and_far = LabeledFaceDescriptors("near and far", [[0.0], [10.0]])
    middle = LabeledFaceDescriptors("middle", [[3.0]])
    assert FaceMatcher([near_and_far, middle]).match_descriptor([0.0]) == FaceMatch("middle", 3.0)


def test_inputs() -> None:
    result = FaceResult(FaceDetection(0.5, Rect(0, 0, 1, 1), (2, 2)), descriptor=f32(1, 2))
    for inputs in (f32(1, 2), [f32(1, 2)], result, [result], {"descriptor": f32(1, 2)}, f32(1, 2)[None]):
        assert FaceMatcher(inputs).labeled_descriptors == (LabeledFaceDescriptors("person 1", [[1, 2]]),)
    assert FaceMatcher(A).labeled_descriptors == (A,)


@pytest.mark.parametrize("wrong", ["a", 3, None, [0.5, 0.5], [f32(1), "a"], {"descriptor": "a"}, {}])
def test_other_inputs_are_refused(wrong: Any) -> None:
    with pytest.raises(InvalidType, match=r"^FaceMatcher: expected LabeledFaceDescriptors, results with a descriptor or arrays"):
        FaceMatcher(wrong)


def test_a_result_without_descriptor_is_refused() -> None:
    with pytest.raises(InvalidType, match=r"FaceResult: box"):
        FaceMatcher(FaceResult(FaceDetection(0.5, Rect(0, 0, 1, 1), (2, 2))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FaceMatcher([]), "^FaceMatcher: expected at least one input, got none$"),
        (lambda: FaceMatcher(A, -1), "^FaceMatcher.distance_threshold: expected a number >= 0, got -1$"),
        (lambda: FaceMatcher(A, float("nan")), "^FaceMatcher.distance_threshold"),
        (lambda: FaceMatcher([f32(1), f32(1, 2)]), r"^FaceMatcher: expected descriptors of one length, got lengths \[1, 2\]$"),
        (lambda: MATCHER.find_best_match([0, 0]), "expected a descriptor of length 128, got 2$"),
        (lambda: MATCHER.find_best_match([float("nan")] * 128), "NaN"),
        (lambda: euclidean_distance([1], [1, 2]), "^euclidean_distance: expected two vectors of one length, got 1 and 2$"),
        (lambda: euclidean_distance([[1]], [1]), "^euclidean_distance: expected a vector of numbers"),
        (lambda: euclidean_distance(["a"], [1]), "^euclidean_distance: expected a vector of numbers"),
        (lambda: LabeledFaceDescriptors("a", [0.5]), "^LabeledFaceDescriptors: expected a vector of numbers"),
        (lambda: LabeledFaceDescriptors("a", [[[1], [1, 2]]]), "^LabeledFaceDescriptors: expected a vector of numbers"),
        (lambda: LabeledFaceDescriptors("a", [[None]]), "^LabeledFaceDescriptors: expected a vector of numbers"),
        (lambda: LabeledFaceDescriptors("a", [[float("inf")]]), "^LabeledFaceDescriptors: expected finite numbers"),
        (lambda: LabeledFaceDescriptors(3, []), "^LabeledFaceDescriptors: expected label to be a string, got 3$"),  # type: ignore[arg-type]
        (lambda: LabeledFaceDescriptors("a", "b"), "^LabeledFaceDescriptors: expected a list of descriptors, got str$"),
        (lambda: FaceMatch("a", float("nan")), "^FaceMatch.distance"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=message):
        make()


@pytest.mark.parametrize("scale", [1e-30, 0.1, 1e30])
def test_distances_have_the_bits_of_a_sum_in_order_and_of_scipy(scale: float) -> None:
    rng = np.random.default_rng(3)
    for known, length in itertools.product((1, 2, 3, 256, 257, 300), (1, 2, 9, 128, 500)):
        table, query = (rng.normal(scale=scale, size=size).astype(np.float32).astype(float) for size in ((known, length), length))
        distances = matcher.distances_to(table.T.copy(), query).tolist()
        squares = np.square(table - query).tolist()
        assert distances == [math.sqrt(functools.reduce(operator.add, row)) for row in squares]
        if platform.machine() in ("x86_64", "AMD64"):  # elsewhere SciPy may be compiled to fuse a product and a sum
            assert distances == cdist(table, query[None])[:, 0].tolist()
    assert euclidean_distance([0, 0], [3, 4]) == 5.0
    assert euclidean_distance([], []) == 0.0


def test_values_are_immutable() -> None:
    source = f32(1, 2)
    known = LabeledFaceDescriptors("a", [source])
    source[:] = 9
    assert known == LabeledFaceDescriptors("a", [[1, 2]])
    for label, descriptors in (("b", [[1, 2]]), ("a", [[1, 3]]), ("a", [])):
        assert known != LabeledFaceDescriptors(label, descriptors)
    with pytest.raises(ValueError, match="read-only"):
        known.descriptors[0][0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        MATCHER.distance_threshold = 1  # type: ignore[misc]
    for value in (known, MATCHER, FaceMatch("a", 1)):
        assert pickle.loads(pickle.dumps(value)) == value
        assert hash(pickle.loads(pickle.dumps(value))) == hash(value)
    assert repr(MATCHER) == "<FaceMatcher: 3 labels, distance_threshold 0.55>"
    assert repr(B) == "<LabeledFaceDescriptors: 'b', 2 descriptors>"
