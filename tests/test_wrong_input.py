"""Arbitrary arguments for everything public: the outcome is a result, or one of our errors in one line.

The arguments of each call are drawn by Hypothesis, some of the right kind by the parameter's annotation, some of any other.  What
Python itself requires of a call is not tried: each call matches the signature.
"""

from __future__ import annotations

import copy
import enum
import inspect
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from npfaceapi import nets
from npfaceapi.errors import NpFaceApiError

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")]

PHOTO = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
TINY = faceapi.TinyFaceDetectorOptions(input_size=32)
DETECTION = faceapi.FaceDetection(0.9, faceapi.Rect(0.1, 0.1, 0.5, 0.5), (30, 24))
LANDMARKS = faceapi.FaceLandmarks68(np.random.default_rng(1).uniform(0, 1, (68, 2)), (30, 24))
RESULT = faceapi.extend_with_face_landmarks(faceapi.FaceResult(DETECTION, descriptor=np.zeros(128)), LANDMARKS)

# ------------------------------------------------------------------ what is called

#: Not here: what is called with what the package made itself, and what runs for seconds or changes the process.
HOOKS = {"definition", "from_flat", "to_flat"}
NOT_CALLED = {"warmup", "inspect", "export_net"}
#: Engines are tried by tests of their own, as they are settings of the process.
ELSEWHERE = ("npfaceapi.engines",)


def instances() -> Iterator[Any]:
    yield from (DETECTION, LANDMARKS, RESULT, faceapi.Rect(1, 2, 3, 4), faceapi.Point(1, 2), faceapi.Dimensions(3, 4))
    yield from (faceapi.FaceLandmarks5(np.zeros((5, 2)), (3, 4)), faceapi.BoundingBox(0, 0, 1, 1), faceapi.FaceMatch("a", 0.1))
    yield from (faceapi.FaceMatcher([np.zeros(4, np.float32)]), faceapi.LabeledFaceDescriptors("a", [[0.5]]))
    yield from (faceapi.FaceExpressions([0.1] * 7), faceapi.AgeAndGenderPrediction(1.0, "male", 0.5), faceapi.MtcnnOptions())
    yield from (faceapi.TinyFaceDetectorOptions(), faceapi.SsdMobilenetv1Options(), faceapi.detect_all_faces(PHOTO, TINY))
    yield from (faceapi.detect_single_face(PHOTO, TINY), copy.copy(nets.tiny_face_detector), faceapi.TinyYolov2())
    yield from (copy.copy(nets.face_landmark_68_tiny_net), copy.copy(nets.age_gender_net), copy.copy(nets.mtcnn))
    yield from (copy.copy(nets.mtcnn.pnet), faceapi.NetInput([PHOTO]))


def calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, class, and method, by a name."""
    for module in (faceapi, faceapi.draw):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                yield name, thing
            elif inspect.isclass(thing) and not issubclass(thing, (BaseException, enum.Enum)):
                yield name, thing
                methods = [key for cls in thing.__mro__ for key, value in vars(cls).items() if isinstance(value, classmethod)]
                yield from ((f"{name}.{key}", getattr(thing, key)) for key in methods if not key.startswith("_"))
    for one in instances():
        for name in dir(one):
            if not name.startswith("_") and inspect.isfunction(inspect.getattr_static(type(one), name, None)):
                yield f"a {type(one).__name__}.{name}", getattr(one, name)


def is_tried(name: str, thing: Callable[..., Any]) -> bool:
    return not (thing.__module__.startswith(ELSEWHERE) or {name, name.rpartition(".")[2]} & (HOOKS | NOT_CALLED))


CALLS = {name: thing for name, thing in calls() if is_tried(name, thing)}

# ------------------------------------------------------------------ with what


class Odd:
    """An object without any known attribute."""


class Pretends:
    """Looks like a sequence."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> str:
        return "xy"[index]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def one_of(*values: Any) -> Any:
    """One of some values, which Hypothesis need not show: some have no `repr`."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


#: No sizes in between, which would be made in earnest.
whole_numbers = st.one_of(st.integers(-3, 40), one_of(2**31, 2**63, 10**30, 10**400, -(10**5000)))
real_numbers = st.one_of(st.floats(-3, 40), st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324]))
texts = st.one_of(
    st.text(st.characters(codec=None), max_size=5),
    st.sampled_from(["\ud800", "a\0b", "x" * 100_000, "http://[", "file://[", "data:,x", "rgb(1,2,3)", "male", "{}", "[[[[", ""]),
)
simple = st.one_of(st.none(), st.booleans(), whole_numbers, real_numbers, texts, st.binary(max_size=5))
trees = st.recursive(
    simple,
    lambda some: st.one_of(st.lists(some, max_size=4), st.dictionaries(texts, some, max_size=3), st.tuples(some, some)),
    max_leaves=8,
)
boxes = st.fixed_dictionaries({key: st.one_of(real_numbers, whole_numbers) for key in ("x", "y", "width", "height")})
arrays = one_of(
    *(np.zeros(shape) for shape in (0, (0, 4), (3, 4), (4, 4, 3), (1,) * 20, ())),
    *(np.array(values) for values in ([np.nan] * 4, [np.inf, 0], [1e300], ["a"], None, 5, [2**63], [True, False], [1j, 2])),
    *(np.array(values, object) for values in ([1, "a"], [10**30], [None], [[1], [2]])),
    *(np.zeros((2, 3, 3), dtype) for dtype in ("f2", ">i4", "V4", "M8[s]", "S3")),
    *(
        np.float32("nan"),
        np.int8(-5),
        np.datetime64("2020-01-01"),
        np.ma.masked_all(3),
        np.broadcast_to(np.uint8(7), (9, 9, 3)),
    ),
)
objects = one_of(
    *(
        object(),
        Odd(),
        Odd,
        Pretends(),
        len,
        io,
        ...,
        NotImplemented,
        1j,
        range(3),
        {1, 2},
        memoryview(b"abc"),
        bytearray(b"x"),
    ),
    *(
        nested(50),
        nested(3000),
        nested(100_000),
        [[1], [1, 2]],
        ValueError("x"),
        faceapi.FaceDetection,
        Image.new("P", (1, 1)),
    ),
    *(LANDMARKS, DETECTION, RESULT, TINY, nets.age_gender_net, faceapi.Point(1, 2), faceapi.NetInput([PHOTO])),
)
streams = st.builds(
    lambda make: make(), st.sampled_from([io.StringIO, io.BytesIO, lambda: (i for i in range(3)), lambda: iter([])])
)
anything = st.one_of(simple, trees, boxes, arrays, objects, streams)

#: The right kinds, by what stands in an annotation; the first that is found counts.
RIGHT = {
    "Photo": st.sampled_from([PHOTO, PHOTO / 255.0 * 255, Image.fromarray(PHOTO)]),
    "Image": st.builds(lambda: Image.new("RGB", (30, 24))),
    "Options": st.sampled_from([None, TINY, faceapi.MtcnnOptions(), faceapi.SsdMobilenetv1Options()]),
    "FaceExpressions": st.just(faceapi.FaceExpressions([0.1] * 7)),
    "FaceLandmarks": st.just(LANDMARKS),
    "FaceResult": st.sampled_from([RESULT, DETECTION, [RESULT]]),
    "FaceDetection": st.just(DETECTION),
    "LabeledFaceDescriptors": st.just(faceapi.LabeledFaceDescriptors("a", [[0.5] * 4])),
    "Box": st.one_of(boxes, st.just(faceapi.Rect(1, 2, 3, 4))),
    "Dimensions": st.one_of(st.tuples(whole_numbers, whole_numbers), st.just((3, 4))),
    "Point": st.one_of(st.tuples(real_numbers, real_numbers), st.just(faceapi.Point(1, 2))),
    "Gender": st.just("male"),
    "Mapping": st.dictionaries(texts, simple, max_size=3),
    "Array": st.one_of(arrays, st.lists(real_numbers, max_size=4), st.just(np.zeros((1, 112, 112, 3), np.float32))),
    "Sequence": st.lists(simple, max_size=3),
    "tuple": st.tuples(whole_numbers, whole_numbers),
    "bool": st.booleans(),
    "int": whole_numbers,
    "float": real_numbers,
    "str": texts,
}
#: SSD and MTCNN take a tenth of a second, so they are not given photos over and over.
SLOW = ("all_faces", "ssd", "mtcnn", "locate_faces", "detect", "Task.run", "compute_face_descriptor", "Mtcnn")


def arguments_of(draw: Callable[[Any], Any], name: str, thing: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    by_name: dict[str, Any] = {}
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is not parameter.empty and draw(st.booleans()):
            continue
        kinds = [kind for kind in RIGHT if kind in str(parameter.annotation)]
        if kinds[:1] == ["Photo"] and any(word in name for word in SLOW):
            kinds = []
        right = RIGHT[kinds[0]] if kinds else anything
        value = draw(st.one_of(right, anything))
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            by_name[parameter.name] = value
    return positional, by_name


@pytest.mark.parametrize("name", CALLS)
def test_any_argument(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    thing = CALLS[name]

    @hypothesis.settings(
        max_examples=int(os.environ.get("NPFACEAPI_EXAMPLES", "15")),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def call(data: Any) -> None:
        positional, by_name = arguments_of(data.draw, name, thing)
        message = ""
        try:
            given = thing(*positional, **by_name)
            if inspect.isgenerator(given):
                list(given)
        except NpFaceApiError as error:
            message = str(error)
        except MemoryError:
            pass
        assert message.isprintable()
        assert len(message) < 1200

    call()


def test_nearly_everything_public_is_called() -> None:
    left_out = {name for name, thing in calls() if not is_tried(name, thing)}
    assert len(CALLS) > 300
    assert len(left_out) < 60
