"""Hiding faces: which pixels change and to what, and what `anonymize` takes and refuses."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT
from npfaceapi.draw.hiding import BLUR, PIXELS, WAYS, hide
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.geometry import Box, Rect

NOISE = np.random.default_rng(0).integers(1, 256, (100, 200, 3)).astype(np.uint8)
BOX = Rect(60, 40, 24, 20)
REGION = (slice(32, 65), slice(54, 90))  # rows 40 - 0.4 * 20 to 60 + 0.25 * 20, columns 60 - 0.25 * 24 to 84 + 0.25 * 24


def hidden(box: Box, how: str, pixels: np.ndarray = NOISE) -> np.ndarray:
    image = Image.fromarray(pixels).copy()
    hide(image, box, how)  # type: ignore[arg-type]
    return np.asarray(image)


@pytest.mark.parametrize("how", WAYS)
def test_the_region_changes_and_nothing_else(how: str) -> None:
    inside = np.zeros((100, 200), bool)
    inside[REGION] = True
    changed = (hidden(BOX, how) != NOISE).any(axis=2)
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.99


def test_solid_leaves_nothing() -> None:
    assert not hidden(BOX, "solid")[REGION].any()


def test_pixels_are_the_means_of_squares() -> None:
    longer = BOX.width
    box = Rect(48, 48, longer, longer)  # a side of 4: the region is 9 squares wide and 9.9 high
    result = hidden(box, "pixels")[38:78, 42:78]
    rows, columns = round(40 * PIXELS / longer), 9
    squares = NOISE[38:78, 42:78].reshape(rows, 4, columns, 4, 3).mean(axis=(1, 3))
    assert np.abs(result.astype(float) - squares.repeat(4, 0).repeat(4, 1)).max() <= 1  # Pillow rounds twice: rows and columns


def test_a_blur_leaves_only_what_is_coarse() -> None:
    x = np.arange(200)
    period = 12  # a wave of this period is damped by exp(-2 (pi * deviation / period)^2)
    waves = np.tile(np.round(128 + 100 * np.sin(2 * np.pi * x / period))[None, :, None], (200, 1, 3)).astype(np.uint8)
    middle = hidden(Rect(40, 40, 100, 100), "blur", waves)[90:100, 80:104]
    assert np.exp(-2 * (np.pi * BLUR * 100 / period) ** 2) < 1e-9
    assert np.ptp(middle) <= 4


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    ("box", "region"),
    [
        (Rect(-20, -20, 40, 40), (slice(0, 30), slice(0, 30))),
        (Rect(190, 90, 40, 40), (slice(74, 100), slice(180, 200))),
        (Box({"x": 84, "y": 60, "width": -24, "height": -20}), REGION),
        (Rect(60, 40, 0.5, 0.5), (slice(39, 41), slice(59, 61))),
        (Rect(-1e300, -1e300, 1e301, 1e301), (slice(None), slice(None))),
        (Rect(300, 40, 24, 20), (slice(0, 0), slice(0, 0))),
        (Rect(60, 40, 0, 20), (slice(0, 0), slice(0, 0))),
    ],
)
def test_boxes_at_and_beyond_the_edges(box: Box, region: tuple[slice, slice], how: str) -> None:
    inside = np.zeros((100, 200), bool)
    inside[region] = True
    changed = (hidden(box, how) != NOISE).any(axis=2)
    assert not changed[~inside].any()
    if inside.any() and (how == "solid" or box.width > 1):
        assert changed[inside].mean() > 0.9


# ------------------------------------------------------------------ anonymize


@pytest.mark.slow
@pytest.mark.parametrize("how", WAYS)
def test_no_detector_finds_the_hidden_face(how: str) -> None:
    image = faceapi.anonymize(ASTRONAUT, how=how)  # type: ignore[arg-type]
    for options in (None, faceapi.TinyFaceDetectorOptions(), faceapi.MtcnnOptions(min_face_size=40)):
        assert len(faceapi.detect_all_faces(ASTRONAUT, options).run()) == 1
        assert len(faceapi.detect_all_faces(image, options).run()) == 0


@pytest.mark.parametrize("options", [faceapi.SsdMobilenetv1Options(), faceapi.TinyFaceDetectorOptions(), faceapi.MtcnnOptions()])
def test_the_region_contains_all_landmarks_of_every_detector(options) -> None:
    x, y = faceapi.detect_single_face(ASTRONAUT).with_face_landmarks().run().landmarks.positions.astype(int).T
    found = faceapi.detect_all_faces(ASTRONAUT, options).run()
    assert not np.asarray(faceapi.anonymize(ASTRONAUT, found))[y, x].any()


def test_faces_can_be_given_in_every_form() -> None:
    detection = faceapi.FaceDetection(0.9, Rect(0.3, 0.4, 0.12, 0.2), (200, 100))
    expected = hidden(BOX, "solid")
    forms = (detection, [detection], BOX, [BOX.to_dict(), None], iter([BOX]), faceapi.extend_with_face_detection({}, detection))
    for faces in forms:
        assert np.array_equal(np.asarray(faceapi.anonymize(NOISE, faces)), expected)
    assert np.array_equal(np.asarray(faceapi.anonymize(NOISE, [])), NOISE)


def test_the_copy_has_no_metadata_and_the_photo_is_not_changed(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "a camera"
    path = tmp_path / "photo.jpg"
    Image.fromarray(NOISE).save(path, exif=exif, icc_profile=b"a profile", comment=b"a comment")
    with Image.open(path) as photo:
        image = faceapi.anonymize(photo, [])
    assert (image.size, image.info, dict(image.getexif()), image.mode) == ((100, 200), {}, {}, "RGB")
    pixels = NOISE.copy()
    faceapi.anonymize(pixels, BOX)
    assert np.array_equal(pixels, NOISE)
    image = faceapi.anonymize(pixels, [])
    pixels[:] = 7
    assert np.array_equal(np.asarray(image), NOISE)  # no memory is shared


def test_what_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"^anonymize: expected how to be one of solid, pixels, blur, got 'black'$"):
        faceapi.anonymize(NOISE, [], "black")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="how to be one of"):
        faceapi.anonymize(NOISE, [], ["solid"])  # type: ignore[arg-type]
    other = faceapi.FaceDetection(0.9, Rect(0.3, 0.4, 0.12, 0.2), (100, 50))
    expected = "^anonymize: expected faces of a photo of 200x100 pixels, got one of 100x50: see resize_results$"
    with pytest.raises(InvalidArgument, match=expected):
        faceapi.anonymize(NOISE, [other])
    with pytest.raises((InvalidArgument, InvalidType), match="expected"):
        faceapi.anonymize(NOISE, "face")  # type: ignore[arg-type]
