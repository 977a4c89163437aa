"""The similarity from a chip to the photo, against dlib's own and against NumPy's least squares."""

from __future__ import annotations

import cmath

import numpy as np
import pytest

from helpers.landmarks import FIVE, LANDMARKS, with_five
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.alignment import CHIP_POINTS, MEAN_FACE, chip_similarity
from npfaceapi.faces.landmarks import FaceLandmarks5, FaceLandmarks68

# Angle in radians, left, top and width of the chip, as `get_face_chip_details(face, 150, 0.25)` of dlib-bin 20.0.1 gives them.
DLIB = {
    "small": (0.0002561463239483388, 16.030003686124942, 14.390357379404556, 86.07263559064056),
    "turned": (0.46886845349560197, -12.033225051774863, -17.067784068604126, 234.35987498183374),
    "shrunk": (-0.04576936479497375, -22.734396955228135, 2.587979228389713, 1276.7112929495247),
    "mirrored": (-3.1411712418670046, 37.25810458415858, 19.61480109511752, 41.9338014907182),
}


def in_dlibs_way(similarity, size):
    """Angle, left, top, width; from left to right a rectangle of dlib's is a pixel less than its width."""
    middle = similarity.turn * complex(size - 1, size - 1) / 2 + similarity.shift
    width = size * similarity.scale
    return cmath.phase(similarity.turn), middle.real - (width - 1) / 2, middle.imag - (width - 1) / 2, width


@pytest.mark.parametrize("name", FIVE)
def test_like_dlib(name):
    np.testing.assert_allclose(in_dlibs_way(chip_similarity(with_five(FIVE[name])), 150), DLIB[name], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("size", "padding"), [(150, 0.25), (64, 0.0), (200, 0.4)])
@pytest.mark.parametrize("name", FIVE)
def test_like_the_installed_dlib(name, size, padding):
    dlib = pytest.importorskip("dlib")
    points = [dlib.point(x, y) for x, y in FIVE[name]]
    theirs = dlib.get_face_chip_details(dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), points), size, padding)
    expected = theirs.angle, theirs.rect.left(), theirs.rect.top(), theirs.rect.width()
    np.testing.assert_allclose(
        in_dlibs_way(chip_similarity(with_five(FIVE[name]), size, padding), size), expected, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_best_fit(seed):
    """x' = a x - b y + c and y' = b x + a y + d for five points are ten equations for four unknowns."""
    points = np.random.default_rng(seed).random((68, 2)) * 300
    chip = (MEAN_FACE + 0.1) / 1.2 * 80 - 0.5
    rows = [[x, -y, 1, 0] for x, y in chip] + [[y, x, 0, 1] for x, y in chip]
    a, b, c, d = np.linalg.lstsq(np.array(rows), points[list(CHIP_POINTS)].T.ravel(), rcond=None)[0]
    turn, shift = chip_similarity(FaceLandmarks68(points / 300, (300, 300)), 80, 0.1)
    np.testing.assert_allclose([turn.real, turn.imag, shift.real, shift.imag], [a, b, c, d], atol=1e-9)


def test_points_of_the_mean_face_need_no_rotation():
    turn, shift = chip_similarity(with_five(((MEAN_FACE + 0.25) / 1.5 * 150 - 0.5 + (20, 30)).tolist()))
    assert abs(turn - 1) < 1e-12
    assert abs(shift - (20 + 30j)) < 1e-9


@pytest.mark.parametrize("size", [0, -1, 4097, 2.5, True, "150", None])
def test_invalid_sizes(size):
    with pytest.raises(InvalidArgument, match="chip of a face: expected a size of 1 to 4096 pixels, got "):
        chip_similarity(LANDMARKS, size)


@pytest.mark.parametrize(
    ("padding", "message"),
    [(-0.1, "from 0 up, got -0.1"), (np.nan, "a finite number, got nan"), ("1", "a finite number, got '1'")],
)
def test_invalid_paddings(padding, message):
    with pytest.raises(InvalidArgument, match=message):
        chip_similarity(LANDMARKS, padding=padding)


def test_invalid_landmarks():
    with pytest.raises(InvalidType, match="chip of a face: expected FaceLandmarks68, got "):
        chip_similarity(FaceLandmarks5(np.zeros((5, 2)), (10, 10)))
    with pytest.raises(InvalidArgument, match="chip of a face: expected points in pixels of a photo"):
        chip_similarity(FaceLandmarks68(LANDMARKS.relative_positions * 1e308, (1, 1)))
