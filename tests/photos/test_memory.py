"""The memory of a photo besides the decoder's own: 3 bytes per pixel, 12 for floats, and a few megabytes."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from npfaceapi.photos.loading import load_image

pytestmark = pytest.mark.slow

SIDE = 2000
SPARE = 24 * 2**20  # blocks at work


def peak(photo: Any) -> float:
    """Bytes per pixel; tracemalloc counts NumPy's arrays, but not Pillow's memory."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        pixels = load_image(photo)
        most = tracemalloc.get_traced_memory()[1] - before - SPARE
    finally:
        tracemalloc.stop()
    return most / (pixels.shape[0] * pixels.shape[1])


def png(image: Image.Image, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, **options)
    return file


@pytest.fixture(scope="module")
def warm() -> None:
    load_image(png(Image.new("RGBA", (2, 2))))


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "P transparent", "RGB transparent"])
def test_files(mode: str, turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    options = {"transparency": 0 if mode[0] == "P" else (1, 2, 3)} if "transparent" in mode else {}
    image = Image.new(mode.partition(" ")[0], (SIDE, SIDE))
    assert peak(png(image, exif=exif, **options)) <= 3


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa", "La", "PA", "I", "I;16B", "F"])
def test_images(mode: str) -> None:
    image = Image.new("P", (SIDE, SIDE)).convert("PA") if mode == "PA" else Image.new(mode, (SIDE, SIDE))
    assert peak(image) <= (12 if mode == "F" else 3)


@pytest.mark.parametrize("size", [(SIDE * SIDE, 1), (1, SIDE * SIDE)])
def test_thin_images(size: tuple[int, int]) -> None:
    assert peak(Image.new("RGBA", size)) <= 3


@pytest.mark.parametrize(
    ("shape", "dtype", "most"),
    [
        ((SIDE, SIDE, 4), np.uint8, 3),
        ((SIDE, SIDE, 4), np.uint16, 3),
        ((SIDE, SIDE), np.uint16, 3),
        ((SIDE, SIDE, 3), np.int64, 3),
        ((SIDE, SIDE), bool, 3),
        ((SIDE, SIDE, 4), np.float32, 12),
        ((SIDE, SIDE, 3), np.float64, 12),
        ((SIDE, SIDE), np.float16, 12),
    ],
)
def test_arrays(shape: tuple[int, ...], dtype: Any, most: int) -> None:
    assert peak(np.zeros(shape, dtype)) <= most
