"""Chips of faces: the NumPy code, the kernel, a loop pixel by pixel, and dlib's own."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT
from helpers.landmarks import FIVE, with_five
from npfaceapi.engines import dispatch
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.engines.numba import resizing
from npfaceapi.errors import ImageNotFoundError, InvalidArgument
from npfaceapi.faces.alignment import Similarity, chip_similarity
from npfaceapi.photos.chips import MOST_SAMPLES, extract_face_chip, resample

SIMILARITIES = [
    Similarity(1 + 0j, 0j),
    Similarity(0.3 + 0.4j, -2.5 + 1.25j),  # enlarged and turned
    Similarity(-1.7 + 0.9j, 30 + 4j),  # shrunk, upside down
    Similarity(3.2 - 1j, -12 + 20j),  # most of it beside the photo
    Similarity(0.5j, 10.0 + 0j),
    Similarity(0j, 3.25 + 4.5j),  # all pixels lie at one point
    Similarity(1 + 0j, 500 + 500j),
    Similarity(1e200 + 0j, 0j),
]


def photo(height, width, dtype=np.uint8, seed=0):
    values = np.random.default_rng((seed, height, width)).integers(0, 256, (height, width, 3))
    return values.astype(np.uint8) if dtype == np.uint8 else (values * 0.7531).astype(np.float32)


def smooth_photo(side, wave):
    """A smooth image, on which two ways of interpolating differ little."""
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    waves = [
        127 + 60 * np.sin(x / a) + 60 * np.cos(y / b + x / wave) for a, b in ((wave, 2 * wave), (2 * wave, wave), (wave, wave))
    ]
    return np.stack(waves, axis=-1).astype(np.uint8)


def pixel_by_pixel(image, similarity, size):
    """The module's docstring in plain Python."""
    H, W, _ = image.shape
    n = min(MOST_SAMPLES, max(1, math.ceil(abs(similarity.turn))))
    chip = np.zeros((size, size, 3))
    for row, column, k, m in itertools.product(range(size), range(size), range(n), range(n)):
        at = similarity.turn * complex(column + (m + 0.5) / n - 0.5, row + (k + 0.5) / n - 0.5) + similarity.shift
        for y, x in itertools.product(
            (math.floor(at.imag), math.floor(at.imag) + 1), (math.floor(at.real), math.floor(at.real) + 1)
        ):
            if 0 <= y < H and 0 <= x < W:
                chip[row, column] += image[y, x] * (1 - abs(at.real - x)) * (1 - abs(at.imag - y)) / n**2
    return chip


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("similarity", SIMILARITIES[:-1])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_against_a_loop(backend, similarity, dtype):
    image = photo(11, 14, dtype)
    with use_backend(backend):
        chip = resample([image], [similarity], 9)[0]
    assert chip.dtype == np.float32
    np.testing.assert_allclose(chip, pixel_by_pixel(image, similarity, 9), atol=1e-4)


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("number_of_threads", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 37])
def test_the_kernel_gives_the_same_bits(number_of_threads, size, threads):
    threads(number_of_threads)
    whole = photo(64, 90)
    images = [
        whole, photo(1, 1), photo(33, 20, np.float32), whole[5:40, 7:60], whole[::-1, ::2], whole.swapaxes(0, 1),
        photo(9, 9, np.float32)[..., ::-1], photo(200, 300),
    ]  # fmt: skip
    with use_backend("reference"):
        expected = resample(images, SIMILARITIES, size)
    with use_backend("numba"):
        actual = resample(images, SIMILARITIES, size)
    assert actual.tobytes() == expected.tobytes()
    assert expected.any()


def test_the_kernel_is_used(monkeypatch):
    calls = []
    original = resizing.resample_squares
    monkeypatch.setattr(resizing, "resample_squares", lambda *arguments: (calls.append(1), original(*arguments)))
    for backend, count in (("reference", 0), ("reference64", 0), ("numba", 1)):
        with use_backend(backend):
            resample([photo(5, 5)], SIMILARITIES[:1], 5)
            assert len(calls) == count
            assert (dispatch.resampling_kernel() is None) == (count == 0)


@pytest.mark.slow
def test_an_image_is_read_neither_beyond_nor_changed():
    frame = np.full((30, 40, 3), np.nan, np.float32)
    inner = frame[3:25, 4:33]
    inner[:] = photo(22, 29, np.float32)
    before = frame.tobytes()
    for backend in ("numba", "reference"):
        with use_backend(backend):
            assert np.isfinite(resample([inner] * len(SIMILARITIES), SIMILARITIES, 40)).all()
    assert frame.tobytes() == before


def test_the_same_place_is_the_image_and_a_quarter_turn_is_one():
    image = photo(20, 20)
    same, turned = resample([image, image], [Similarity(1 + 0j, 0j), Similarity(1j, 19 + 0j)], 20)
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(turned, np.rot90(image))


def test_no_image_gives_no_chip():
    assert resample([], [], 7).shape == (0, 7, 7, 3)


@pytest.mark.parametrize(("name", "wave"), [("small", 20), ("turned", 20), ("shrunk", 80), ("mirrored", 20)])
def test_like_dlibs_chip(name, wave):
    """Dlib halves a photo until a face is less than twice too large, which costs it the border; its mapping is a pixel wider."""
    dlib = pytest.importorskip("dlib")
    image = smooth_photo(1000, wave)
    face = dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), [dlib.point(x, y) for x, y in FIVE[name]])
    theirs = dlib.get_face_chip(image, face, 150, 0.25).astype(float)
    mine = extract_face_chip(image, with_five(FIVE[name]))
    middle = slice(40, 100), slice(40, 100)
    assert np.abs(mine - theirs)[middle].mean() < 2.5
    assert np.abs(np.rot90(mine) - theirs)[middle].mean() > 5 * np.abs(mine - theirs)[middle].mean()  # so it would be seen


def test_a_face_of_a_photo_is_upright_wherever_it_stands():
    """The same face, turned: its chip stays nearly the same."""
    face = faceapi.detect_single_face(ASTRONAUT).with_face_landmarks().run()
    pixels = np.asarray(Image.open(ASTRONAUT).convert("RGB"))
    chip = extract_face_chip(ASTRONAUT, face.landmarks)
    assert chip.shape == (150, 150, 3)
    height, width, _ = pixels.shape
    turned = face.landmarks.positions[:, ::-1] * (1, -1) + (0, width - 1)  # as np.rot90 moves pixels
    other = extract_face_chip(
        np.ascontiguousarray(np.rot90(pixels)), faceapi.FaceLandmarks68(turned / (height, width), (height, width))
    )
    assert np.abs(chip - other).max() < 0.01
    assert chip.std() > 30


def test_bad_arguments():
    landmarks = with_five(FIVE["small"])
    with pytest.raises(ImageNotFoundError, match="nowhere"):
        extract_face_chip("nowhere.png", landmarks)
    with pytest.raises(InvalidArgument, match="expected a size of 1 to 4096 pixels, got 0"):
        extract_face_chip(photo(5, 5), landmarks, 0)


def test_numpy_does_it_where_numba_is_missing():
    source = """
import sys
sys.modules["numba"] = None
import warnings
import numpy as np
from npfaceapi.photos.chips import resample
from npfaceapi.faces.alignment import Similarity
warnings.simplefilter("ignore")
print(resample([np.arange(12, dtype=np.uint8).reshape(2, 2, 3)], [Similarity(1 + 0j, 0.5 + 0j)], 1).ravel().tolist())
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[1.5, 2.5, 3.5]\n", "")


def test_how_long_it_takes_does_not_depend_on_the_photo():
    """A chip reads only the pixels that it needs: the photo is neither copied nor reduced first."""
    similarity = chip_similarity(with_five(FIVE["turned"]))
    huge = np.broadcast_to(np.uint8(7), (100_000, 100_000, 3))  # 30 GB, were it copied
    with use_backend("reference"):
        assert resample([huge], [similarity], 150).max() == 7
