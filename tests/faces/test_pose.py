"""Head pose of points rotated by known angles with SciPy, and of a photo that is rotated and mirrored."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import npfaceapi as faceapi
from helpers import ASTRONAUT
from helpers.landmarks import LANDMARKS
from npfaceapi.faces import pose
from npfaceapi.faces.landmarks import FaceLandmarks5, FaceLandmarks68
from npfaceapi.faces.pose import MEAN_FACE_3D, MIRRORED, POSE_POINTS, head_pose

ANGLES = list(itertools.product((-75, -40, 0, 20, 75), (-40, 0, 25), (-170, -30, 0, 90, 180)))


def seen(yaw: float, pitch: float, roll: float, face: np.ndarray = MEAN_FACE_3D) -> np.ndarray:
    """The points of a rotated head.  x is right, y down, z away: a turn about y moves the nose left, one about x down."""
    turn = Rotation.from_euler("yxz", [-yaw, -pitch, roll], degrees=True)
    return (turn.apply(face) * 37)[:, :2] + (200, 300)


@pytest.mark.parametrize(("yaw", "pitch", "roll"), ANGLES)
def test_known_angles_are_found_again(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose(FaceLandmarks68(seen(yaw, pitch, roll), (1, 1)))
    difference = np.subtract(pose, (yaw, pitch, roll))
    assert np.abs((difference + 180) % 360 - 180).max() < 1e-6


def test_the_signs_are_those_that_are_stated() -> None:
    nose, chin, left_eye, right_eye = 30, 8, 36, 45
    looks_right, looks_up, leans = (seen(*angles) for angles in ((30, 0, 0), (0, 30, 0), (0, 0, 30)))
    front = seen(0, 0, 0)
    assert looks_right[nose, 0] > front[nose, 0]
    assert looks_up[nose, 1] < front[nose, 1]
    assert leans[right_eye, 1] > leans[left_eye, 1]  # y is down: clockwise
    assert leans[chin, 0] < front[chin, 0]


def test_no_turn_fits_better() -> None:
    """The turn of distorted points is the one that least squares over angles, scale and shift find from many starts."""
    from scipy.optimize import least_squares

    points = np.random.default_rng(0).normal(0, 4, (68, 2)) + seen(20, -10, 15)

    def misses(p: np.ndarray) -> np.ndarray:
        turned = Rotation.from_euler("yxz", p[:3], degrees=True).apply(MEAN_FACE_3D[POSE_POINTS])
        return (p[3] * turned[:, :2] + p[4:] - points[POSE_POINTS]).ravel()

    starts = ([yaw, pitch, 0, 30, 200, 300] for yaw in (-30, 0, 30) for pitch in (-20, 0, 20))
    best = min((least_squares(misses, start, x_scale="jac") for start in starts), key=lambda fit: fit.cost)
    yaw, pitch, roll = head_pose(FaceLandmarks68(points, (1, 1)))
    np.testing.assert_allclose((-yaw, -pitch, roll), best.x[:3], atol=1e-3)


@pytest.mark.parametrize("noise", [0.02, 0.3, 10])
def test_the_fit_is_never_worse_than_that_of_minpack(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.optimize import least_squares

    fit = pose._least_squares

    def compared(misses: Any, start: np.ndarray) -> np.ndarray:
        ours, minpacks = fit(misses, start), least_squares(misses, start, method="lm").x
        assert np.square(misses(ours)).sum() <= np.square(misses(minpacks)).sum() * (1 + 1e-9)
        return ours

    monkeypatch.setattr(pose, "_least_squares", compared)
    rng = np.random.default_rng(1)
    for _ in range(10):
        face = MEAN_FACE_3D + rng.normal(0, noise, (68, 3))
        head_pose(FaceLandmarks68(seen(*rng.uniform((-75, -40, -180), (75, 40, 180)), face), (1, 1)))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(ASTRONAUT).convert("RGB").crop((100, 0, 356, 256))


def pose_in(photo: Image.Image) -> np.ndarray:
    options = faceapi.TinyFaceDetectorOptions(input_size=224)
    face = faceapi.detect_single_face(photo, options, any_rotation=True).with_face_landmarks().run()
    assert face is not None
    return np.array(head_pose(face.landmarks))


@pytest.mark.parametrize("angle", [-20, -10, 10, 20, 90, 180])
def test_a_photo_that_is_turned_changes_the_roll(photo: Image.Image, angle: int) -> None:
    change = pose_in(photo.rotate(-angle, Image.Resampling.BICUBIC, expand=True)) - pose_in(photo)
    assert abs((change[2] - angle + 180) % 360 - 180) < 4
    assert np.abs(change[:2]).max() < 8


def test_a_photo_that_is_mirrored_changes_signs(photo: Image.Image) -> None:
    np.testing.assert_allclose(pose_in(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), pose_in(photo) * (-1, 1, -1), atol=5)


def test_the_mean_face_is_symmetric_and_deep_as_faces_are() -> None:
    np.testing.assert_allclose(MEAN_FACE_3D[MIRRORED], MEAN_FACE_3D * (-1, 1, 1), atol=0.0011)
    assert (np.sort(MIRRORED) == np.arange(68)).all()
    # MediaPipe's canonical face model: from the outer corners of the eyes to the tip of the nose, in their distance; ours has a
    # relative standard error of 0.044
    assert abs(MEAN_FACE_3D[36, 2] - MEAN_FACE_3D[30, 2] - (7.475604 - 3.173422) / (2 * 4.445859)) < 2 * 0.044 * 0.5


def test_other_arguments_are_refused() -> None:
    with pytest.raises(faceapi.InvalidType, match=r"^head_pose: expected FaceLandmarks68, got "):
        head_pose(FaceLandmarks5([(0.5, 0.5)] * 5, (10, 10)))
    with pytest.raises(faceapi.InvalidArgument, match=r"^head_pose: expected the points of a face, got 68 at one place$"):
        head_pose(FaceLandmarks68([(0.5, 0.5)] * 68, (10, 10)))
    assert np.isfinite(head_pose(LANDMARKS)).all()
