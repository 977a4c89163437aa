"""Faces found in a rotated photo, mapped back to the original one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT
from helpers.landmarks import LANDMARKS
from npfaceapi.faces.results import FaceResult, extend_with_face_landmarks
from npfaceapi.faces.turning import turned_back

OPTIONS = faceapi.TinyFaceDetectorOptions(input_size=224)
PHOTO = np.ascontiguousarray(faceapi.load_image(ASTRONAUT)[:256, 100:400])  # wider than high


def turned(turns: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(PHOTO, turns))


@pytest.mark.parametrize("turns", range(4))
def test_points_and_boxes_lie_on_the_same_pixels(turns: int) -> None:
    """Against numpy.rot90 of a picture in which the pixel of each point is marked."""
    height, width = 120, 170
    detection = faceapi.FaceDetection(0.9, {"x": 10 / 120, "y": 20 / 170, "width": 90 / 120, "height": 90 / 170}, (120, 170))
    face = extend_with_face_landmarks(FaceResult(detection), LANDMARKS)  # in a photo 120 wide and 170 high: the turned one
    if turns % 2 == 0:
        height, width = 170, 120
    back = turned_back(face, turns)
    assert back.detection.image_dims == faceapi.Dimensions(width, height)
    for there, here in zip(face.landmarks.positions, back.landmarks.positions, strict=True):
        picture = np.zeros((height, width))
        picture[int(here[1]), int(here[0])] = 1
        assert np.rot90(picture, turns)[int(there[1]), int(there[0])] == 1
    for there, here in ((face.detection.box, back.detection.box), (face.aligned_rect.box, back.aligned_rect.box)):
        box = Image.new("1", (width, height))
        box.paste(1, tuple(round(side) for side in (here.x, here.y, here.x + here.width, here.y + here.height)))
        x, y = np.argwhere(np.rot90(np.asarray(box), turns)).min(axis=0)[::-1]
        assert abs(x - max(there.x, 0)) <= 0.5 + 1e-9
        assert abs(y - max(there.y, 0)) <= 0.5 + 1e-9


@pytest.mark.parametrize("alignment", ["face-api", "dlib"])
@pytest.mark.parametrize("turns", range(4))
def test_turned_photos_give_the_answers_of_the_upright_one(turns: int, alignment: str) -> None:
    upright = faceapi.detect_all_faces(PHOTO, OPTIONS).with_face_landmarks().with_age_and_gender()
    expected = upright.with_face_descriptors(alignment).run()
    task = faceapi.detect_all_faces(turned(turns), OPTIONS, any_rotation=True).with_face_landmarks().with_age_and_gender()
    found = task.with_face_descriptors(alignment).run()
    assert len(found) == len(expected) == 1
    assert found.rotation == -90 * turns % 360
    assert np.array_equal(np.asarray(Image.fromarray(turned(turns)).rotate(found.rotation, expand=True)), PHOTO)
    np.testing.assert_array_equal(found[0].descriptor, expected[0].descriptor)
    assert found[0].age == expected[0].age
    x, y = expected[0].landmarks.positions.T
    width, height = PHOTO.shape[1], PHOTO.shape[0]
    places = {0: (x, y), 1: (y, width - x), 2: (width - x, height - y), 3: (height - y, x)}
    np.testing.assert_allclose(found[0].landmarks.positions, np.transpose(places[turns]), atol=1e-9)
    size = turned(turns).shape[1::-1]
    assert found[0].detection.image_dims == faceapi.Dimensions(*size)
    resized = faceapi.resize_results(found, size)[0]  # moves by the part of a pixel that it moves upright faces
    np.testing.assert_allclose(resized.landmarks.positions, found[0].landmarks.positions, atol=1)


def test_the_best_of_four_counts_though_each_is_better_than_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a detector that finds a face in any photo, with a score that grows with its first pixel."""
    corners = np.zeros((4, 6, 3), np.uint8)
    corners[0, 0], corners[0, -1], corners[-1, -1], corners[-1, 0] = 50, 100, 200, 150

    def locate(self: object, net_input: faceapi.NetInput, options: object) -> list[list[faceapi.FaceDetection]]:
        return [
            [faceapi.FaceDetection(image[0, 0, 0] / 255, {"x": 0, "y": 0, "width": 0.5, "height": 0.5}, image.shape[1::-1])]
            for image in net_input.image_tensors
        ]

    monkeypatch.setattr(faceapi.TinyFaceDetector, "locate_faces", locate)
    for turns in range(4):
        photo = np.ascontiguousarray(np.rot90(corners, turns))
        found = faceapi.detect_all_faces(photo, OPTIONS, any_rotation=True).run()
        assert found.rotation == {0: 180, 1: 90, 2: 0, 3: 270}[turns]
        assert faceapi.extract_face_tensors(photo, found)[0].max() == 200


def test_a_list_of_photos_each_turned_its_own_way() -> None:
    photos = [turned(turns) for turns in (1, 0, 3)] + [np.zeros((60, 80, 3), np.uint8)]
    found = faceapi.detect_all_faces(photos, OPTIONS, any_rotation=True).run()
    assert [faces.rotation for faces in found] == [270, 0, 90, 0]
    assert [len(faces) for faces in found] == [1, 1, 1, 0]
    single = faceapi.detect_single_face(photos, OPTIONS, any_rotation=True).run()
    assert [face and face.box for face in single] == [faces[0].box if faces else None for faces in found]
    assert found[0].source.size == found[0][0].source.size == (256, 300)
    assert found[0][0].read_photo() is photos[0]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_after_exif_has_turned_it(orientation: int) -> None:
    """A photo whose EXIF is wrong: coordinates are those of the photo as EXIF turns it, as everywhere."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "PNG", exif=exif)
    as_loaded = faceapi.load_image(file.getvalue())
    found = faceapi.detect_all_faces(file.getvalue(), OPTIONS, any_rotation=True).run()
    assert found.rotation == {1: 0, 3: 180, 6: 90, 8: 270}[orientation]
    assert found[0].image_dims == faceapi.Dimensions(as_loaded.shape[1], as_loaded.shape[0])
    box = found[0].box
    crop = as_loaded[int(box.y) : int(box.bottom), int(box.x) : int(box.right)]
    upright = faceapi.detect_all_faces(PHOTO, OPTIONS).run()[0].box
    expected = PHOTO[int(upright.y) : int(upright.bottom), int(upright.x) : int(upright.right)]
    assert abs(crop.mean() - expected.mean()) < 2


def test_drawings_lie_on_the_face() -> None:
    plain = Image.fromarray(turned(1))
    picture = plain.copy()
    found = faceapi.detect_all_faces(picture, OPTIONS, any_rotation=True).with_face_landmarks().run()
    faceapi.draw.draw_face_landmarks(picture, found)
    changed = np.argwhere((np.asarray(picture) != np.asarray(plain)).any(axis=2))[:, ::-1]
    points = found[0].landmarks.positions
    np.testing.assert_allclose(changed.min(axis=0), points.min(axis=0), atol=3)
    np.testing.assert_allclose(changed.max(axis=0), points.max(axis=0), atol=3)


def test_the_option_is_kept_by_steps_and_told() -> None:
    task = faceapi.detect_all_faces(PHOTO, OPTIONS, any_rotation=True).with_face_landmarks()
    assert repr(task) == "<DetectAllFacesTask(TinyFaceDetectorOptions, any_rotation=True, face_landmarks)>"
    with pytest.raises(faceapi.InvalidType, match=r"any_rotation"):
        faceapi.detect_all_faces(PHOTO, OPTIONS, any_rotation="yes")
