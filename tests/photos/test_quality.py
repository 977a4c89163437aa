"""The quality of a face: each measure against SciPy, NumPy or a known change of a photo."""

from __future__ import annotations

import dataclasses
import json
import pickle

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

import npfaceapi as faceapi
from helpers import ASTRONAUT
from npfaceapi.faces.pose import head_pose
from npfaceapi.faces.results import FaceResult
from npfaceapi.photos.chips import extract_face_chip
from npfaceapi.photos.quality import RULES, FaceQuality, face_quality

GOOD = FaceQuality(size=120, sharpness=0.5, yaw=0, pitch=0, roll=0, detection=1)
BAD = {"size": 20, "sharpness": 0.01, "yaw": -60, "pitch": 50, "roll": 80, "detection": 0.2}


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(ASTRONAUT).convert("RGB").crop((100, 0, 356, 256))


@pytest.fixture(scope="module")
def face(photo: Image.Image) -> FaceResult:
    found = faceapi.detect_single_face(photo, faceapi.TinyFaceDetectorOptions(input_size=224)).with_face_landmarks().run()
    assert found is not None
    return found


def test_a_good_photo_gives_no_doubt(photo: Image.Image, face: FaceResult) -> None:
    quality = face_quality(photo, face)
    low, high = face.landmarks.positions.min(axis=0), face.landmarks.positions.max(axis=0)
    assert quality.size == pytest.approx(np.sqrt(np.prod(high - low)))
    assert (quality.yaw, quality.pitch, quality.roll) == head_pose(face.landmarks)
    assert quality.detection == face.detection.score
    assert quality.doubts == ()
    assert 0 < quality.score < 1


def test_sharpness_is_that_of_the_chip(photo: Image.Image, face: FaceResult) -> None:
    """Against SciPy's Laplacian of a gray chip; the face is the middle 100 of its 150 pixels."""
    gray = extract_face_chip(photo, face.landmarks)[25:125, 25:125] @ (0.299, 0.587, 0.114) / 255
    laplacian = ndimage.laplace(gray)[1:-1, 1:-1]
    quality = face_quality(photo, face)
    assert quality.sharpness == pytest.approx(laplacian.std() / gray.std(), rel=1e-3)


def test_blur_and_shrinking_reduce_sharpness(photo: Image.Image, face: FaceResult) -> None:
    blurred = [face_quality(photo.filter(ImageFilter.GaussianBlur(radius)), face).sharpness for radius in (0, 1, 2, 4)]
    assert blurred == sorted(blurred, reverse=True)
    assert blurred[-1] < blurred[0] / 5
    small = face_quality(photo.resize((64, 64), Image.Resampling.BOX), faceapi.resize_results(face, (64, 64)))
    assert small.sharpness < blurred[0] / 2
    assert small.size == pytest.approx(face_quality(photo, face).size / 4, rel=0.05)
    assert small.doubts[0] == f"{small.size:.0f} px wide, descriptors are unreliable below 28"


def test_brightness_does_not_change_sharpness(photo: Image.Image, face: FaceResult) -> None:
    pixels = np.asarray(photo, np.float32)
    first, dark = face_quality(pixels, face), face_quality(pixels / 10 + 100, face)
    assert dark.sharpness == pytest.approx(first.sharpness, rel=1e-4)


def test_a_blank_crop_has_score_0(face: FaceResult) -> None:
    quality = face_quality(np.zeros((256, 256, 3), np.uint8), face)
    assert (quality.sharpness, quality.score) == (0, 0)
    assert quality.doubts == ("blurred, sharpness 0.00, descriptors are unreliable below 0.1",)
    json.dumps(quality.to_dict(), allow_nan=False)


def test_every_measure_has_a_rule_that_can_apply() -> None:
    assert [rule.measure for rule in RULES] == [field.name for field in dataclasses.fields(FaceQuality)] == list(BAD)
    assert GOOD.doubts == ()
    for measure, value in BAD.items():
        worse = dataclasses.replace(GOOD, **{measure: value})
        [text] = worse.doubts
        assert "descriptors " in text
        assert " unreliable " in text
        assert worse.score < GOOD.score / 2 + 0.05
        middle = dataclasses.replace(GOOD, **{measure: (getattr(GOOD, measure) + value) / 2})
        assert worse.score < middle.score < GOOD.score


def test_the_texts() -> None:
    assert dataclasses.replace(GOOD, yaw=-60.4).doubts == ("turned left by 60 degrees, descriptors are unreliable beyond 40",)
    assert dataclasses.replace(GOOD, detection=0.234).doubts == (
        "detected with a score of 0.23, descriptors are unreliable below 0.4",
    )


def test_it_is_a_value(photo: Image.Image, face: FaceResult) -> None:
    quality = face_quality(photo, face)
    assert pickle.loads(pickle.dumps(quality)) == quality
    with pytest.raises(dataclasses.FrozenInstanceError):
        quality.size = 3  # type: ignore[misc]


def test_what_is_no_face_of_the_photo(photo: Image.Image, face: FaceResult) -> None:
    with pytest.raises(faceapi.InvalidType, match=r"^face_quality: expected a FaceResult with 68 landmarks, got FaceDetection: "):
        face_quality(photo, face.detection)  # type: ignore[arg-type]
    with pytest.raises(faceapi.InvalidType, match=r"got one without landmarks: call \.with_face_landmarks\(\)$"):
        face_quality(photo, FaceResult(face.detection))
    with pytest.raises(faceapi.InvalidArgument, match=r"expected the photo of 256x256 in which the face was found, got 64x64: "):
        face_quality(photo.resize((64, 64)), face)
