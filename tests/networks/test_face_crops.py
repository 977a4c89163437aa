"""Inputs of the descriptor network that are not crops of a face: they give a warning, and still get a descriptor."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ASTRONAUT
from npfaceapi import nets
from npfaceapi.networks import face_crops
from npfaceapi.photos.chips import extract_face_chip

describe = nets.face_recognition_net.compute_face_descriptor
PHOTO = faceapi.load_image(ASTRONAUT)[:256, 100:356]


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    """A face as face-api.js cuts it out, by its detection alone, and as dlib does."""
    face = faceapi.detect_single_face(PHOTO).with_face_landmarks().run()
    assert face is not None
    square = face.landmarks.align(use_dlib_alignment=True)
    return [*faceapi.extract_face_tensors(PHOTO, [square, face.detection]), extract_face_chip(PHOTO, face.landmarks)]


def test_crops_of_faces_give_no_warning(crops: list[np.ndarray]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for crop in crops:
            describe(crop)
        describe(crops)
        describe(crop[:, ::-1].astype(np.float32))


@pytest.mark.parametrize(("value", "said"), [(0, "all black"), (255, "of one gray"), (7, "of one gray")])
def test_a_blank_crop_gives_a_warning(crops: list[np.ndarray], value: int, said: str) -> None:
    blank = np.full((60, 50, 3), value, np.uint8)
    with pytest.warns(faceapi.PhotoWarning, match=rf"^face descriptor: expected a crop of a face, got one that is {said}$"):
        described = describe([crops[0], blank])
    np.testing.assert_array_equal(described[1], nets.face_recognition_net.forward(blank)[0])


def test_an_uncropped_photo_gives_a_warning() -> None:
    with pytest.warns(faceapi.PhotoWarning, match=r"got a photo of which the face is only a part: detect_all_faces\(photo\)"):
        described = faceapi.compute_face_descriptor(PHOTO)
    np.testing.assert_array_equal(described, nets.face_recognition_net.forward(PHOTO)[0])


def test_each_warning_is_shown_once_per_line() -> None:
    black = np.zeros((50, 50, 3), np.uint8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for photo in (PHOTO, black, PHOTO[:, :250], black):
            describe(photo)
    assert len(caught) == 2
    assert {warning.filename for warning in caught} == {__file__}


def test_only_the_first_of_many_crops_is_searched_for_a_face(crops: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    detector = face_crops._detector()
    original = detector.locate_faces
    monkeypatch.setattr(detector, "locate_faces", lambda *args: seen.append(1) or original(*args), raising=False)
    monkeypatch.setattr("npfaceapi.photos.many.MAX_BYTES", 1)  # each a chunk of its own
    describe(crops)
    assert len(seen) == 1
    faceapi.detect_all_faces(
        PHOTO, faceapi.TinyFaceDetectorOptions(input_size=224)
    ).with_face_landmarks().with_face_descriptors().run()
    assert len(seen) == 1  # what the package crops itself is not looked at
