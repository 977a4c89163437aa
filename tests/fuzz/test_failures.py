"""No data is lost and no result is wrong when memory or disk space runs out, at any call."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT, ROOT
from npfaceapi.errors import NpFaceApiError
from tests.fuzz.failures import CountedAllocations, CountedCalls

pytestmark = pytest.mark.slow
EVERY = int(os.environ.get("NPFACEAPI_FAILURES", "7"))  # 1 for a release: each
OPTIONS = faceapi.TinyFaceDetectorOptions()


def chain():
    task = faceapi.detect_all_faces(str(ASTRONAUT), OPTIONS).with_face_landmarks().with_face_expressions()
    return [face.to_json() for face in task.with_age_and_gender().with_face_descriptors().run()]


def loading():
    net = faceapi.FaceLandmark68TinyNet()
    net.load_from_disk(ROOT / "weights")
    return net.serialize_params().tobytes()


def matching():
    matcher = faceapi.FaceMatcher(
        [faceapi.LabeledFaceDescriptors(name, [np.full(128, i, np.float32)]) for i, name in enumerate("ab")]
    )
    again = faceapi.FaceMatcher.from_json(matcher.to_json())
    return again.to_json(), str(again.find_best_match(np.full(128, 0.9)))


def export(folder):
    faceapi.export_net(faceapi.nets.face_landmark_68_tiny_net, folder / "net.npz")
    return {name: values.tobytes() for name, values in np.load(folder / "net.npz").items()}


@pytest.mark.skipif(sys.platform == "win32", reason="the C library's functions are found elsewhere there")
@pytest.mark.parametrize("action", [chain, loading, matching, export], ids=lambda action: action.__name__)
def test_every_allocation_may_fail(action, tmp_path):
    arguments = [tmp_path] if action is export else []
    expected = action(*arguments)
    with CountedAllocations() as counted:
        assert action(*arguments) == expected
    failed = 0
    for number in range(0, counted.count, EVERY):
        try:
            with CountedAllocations(number):
                answer = action(*arguments)
        except MemoryError:
            failed += 1
        else:
            assert answer == expected, number
        assert action(*arguments) == expected, f"after allocation {number}"
    assert failed > counted.count / EVERY / 2


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "known").mkdir()
    with Image.open(ASTRONAUT) as image:
        image.convert("RGB").crop((120, 0, 320, 200)).save("known/Eileen.png")
    return tmp_path


COMMANDS = {
    "analyze": (
        ("analyze", "--detector", "tiny", "known", "--draw", "out", "--json", "out.jsonl"),
        ["out/Eileen.png", "out.jsonl"],
    ),
    "anonymize": (("anonymize", "--detector", "tiny", "known", "--out", "out"), ["out/Eileen.png"]),
    "match": (("match", "--detector", "tiny", "known", "known", "--json", "out.jsonl"), ["out.jsonl"]),
    "export": (("export", "face_landmark_68_tiny_net", "--out", "out.npz"), ["out.npz"]),
    "inspect": (
        ("inspect", "known/Eileen.png", "--net", "face_landmark_68_tiny_net", "--detector", "tiny", "--out", "out.html"),
        [],
    ),
    "questions": (("conform", "inputs", "questions", "--case", "operations/conv2d/1"), ["questions/questions.json"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_call_of_the_file_system_may_fail(run, place, name):
    command, outputs = COMMANDS[name]
    assert run(*command)[0] == 0
    expected = {path: (place / path).read_bytes() for path in outputs}
    photo = (place / "known" / "Eileen.png").read_bytes()
    with CountedCalls() as counted:
        assert run(*command)[0] == 0
    kinds = set()
    for number in range(0, counted.count, 1 if EVERY == 1 else 2):
        with CountedCalls(number) as failing:
            status, _, err = run(*command)
        kinds.add(failing.failed)
        assert status in (0, 1, 2), number
        assert len(err) < 2000
        assert "No space left on device" in err or status == 0 or "expected" in err, (failing.failed, err)
        assert (place / "known" / "Eileen.png").read_bytes() == photo
        for path in place.rglob("*.part"):
            raise AssertionError(f"{path} is left after {failing.failed}")
        for path, content in expected.items():
            if path.endswith(".png") and (place / path).exists():
                assert (place / path).read_bytes() == content  # complete, or the old one
        assert run(*command, "--overwrite")[0] == 0, failing.failed
        assert {path: (place / path).read_bytes() for path in outputs} == expected
    assert kinds & {"open", "write", "replace"}


def test_what_fails_is_counted(tmp_path):
    with CountedCalls(0) as failing, pytest.raises(NpFaceApiError, match="No space left on device"):
        export(tmp_path)
    assert failing.failed
    with CountedAllocations(0), pytest.raises(MemoryError):
        np.empty(100)
