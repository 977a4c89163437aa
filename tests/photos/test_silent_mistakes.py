"""Inputs that could silently be misread: rotated images, previews, values of another range."""

from __future__ import annotations

import io
import itertools
import struct
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from npfaceapi.errors import PhotoWarning
from npfaceapi.photos.loading import load_image

# ------------------------------------------------------------------ PIL images that were turned


def photo(orientation: int, *, with_size: bool, size: tuple[int, int] = (80, 60)) -> Image.Image:
    """An open photo as of a phone; its left half is bright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if with_size:
        exif[0x8769] = {0xA002: size[0], 0xA003: size[1]}
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    return Image.open(file)


TURNS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "rotate(270, expand)": lambda image: image.rotate(270, expand=True),
    "rotate(90, expand)": lambda image: image.rotate(90, expand=True),
    "transpose(ROTATE_270)": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "transpose(TRANSPOSE)": lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    "convert and transpose": lambda image: image.convert("L").transpose(Image.Transpose.ROTATE_270),
    "exif_transpose": ImageOps.exif_transpose,
}
OTHERS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda image: image,
    "copy": lambda image: image.copy(),
    "convert": lambda image: image.convert("L"),
    "crop": lambda image: image.crop((10, 10, 50, 50)),
    "crop to a tall one": lambda image: image.crop((10, 10, 30, 50)),
    "resize": lambda image: image.resize((40, 30)),
    "thumbnail": lambda image: image.thumbnail((40, 40)) or image,
    "reduce": lambda image: image.reduce(2),
    "point": lambda image: image.point(lambda value: value),
}


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("turn", TURNS)
def test_an_image_that_was_turned_is_not_turned_again(turn: str, orientation: int) -> None:
    image = TURNS[turn](photo(orientation, with_size=True))
    np.testing.assert_array_equal(load_image(image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("with_size", [True, False])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8, 3])
@pytest.mark.parametrize("change", OTHERS)
def test_other_changes_leave_it_to_be_turned(change: str, orientation: int, with_size: bool) -> None:
    image = OTHERS[change](photo(orientation, with_size=with_size))
    expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PhotoWarning)
        np.testing.assert_array_equal(load_image(image), expected)


def test_an_unknown_orientation_gives_a_warning() -> None:
    turned = photo(6, with_size=False).rotate(270, expand=True)
    with pytest.warns(PhotoWarning, match=r"EXIF says to turn this upright image of 60x80 pixels.*ImageOps.exif_transpose"):
        assert load_image(turned).shape == (60, 80, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(photo(6, with_size=False))
        load_image(photo(6, with_size=False).convert("RGB"))
        load_image(photo(6, with_size=False, size=(60, 80)))  # as it came from its file


def test_a_changed_orientation_tag_counts() -> None:
    image = photo(6, with_size=True)
    image.getexif()[0x0112] = 1
    assert load_image(image).shape == (60, 80, 3)


# ------------------------------------------------------------------ TIFF files whose first page is a preview


def tiff(*pages: dict[int, int], below: tuple[int, ...] = (), next_of: dict[int, int] | None = None) -> bytes:
    """Pages of one gray value each (tag 0); `below` are the numbers of those that only the first page points to."""
    directories, strips = [200 + 300 * i for i in range(len(pages))], [2000 + 20_000 * i for i in range(len(pages))]
    data = bytearray(2000 + 20_000 * len(pages))
    data[:8] = b"II*\0" + struct.pack("<L", directories[0])
    chain = [i for i in range(len(pages)) if i not in below]
    after = {**dict(itertools.pairwise(chain)), **(next_of or {})}
    for i, page in enumerate(pages):
        side = page[256]
        data[strips[i] : strips[i] + side * side] = bytes([page[0]]) * (side * side)
        tags = {257: side, 258: 8, 259: 1, 262: 1, 273: strips[i], 278: side, 279: side * side, **page}
        del tags[0]
        counts = {}
        if i == 0 and below:
            counts[330] = len(below)
            tags[330] = directories[below[0]] if len(below) == 1 else 100  # the value, or where the values are
            data[100 : 100 + 4 * len(below)] = struct.pack(f"<{len(below)}L", *(directories[j] for j in below))
        entries = [struct.pack("<HHLL", tag, 4, counts.get(tag, 1), number) for tag, number in sorted(tags.items())]
        directory = (
            struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<L", directories[after[i]] if i in after else 0)
        )
        data[directories[i] : directories[i] + len(directory)] = directory
    return bytes(data)


def preview(side: int = 8) -> dict[int, int]:
    return {0: 10, 254: 1, 256: side}


def full(side: int = 100, value: int = 200, **tags: int) -> dict[int, int]:
    return {0: value, 254: 0, 256: side, **{int(tag[1:]): number for tag, number in tags.items()}}


WHOLE = {
    "one page": (tiff(full()), 200),
    "the second page": (tiff(preview(), full()), 200),
    "the third page": (tiff(preview(), preview(16), full()), 200),
    "a mask before it": (tiff(preview(), {**full(value=1), 254: 4}, full()), 200),
    "the first of two": (tiff(preview(), full(), full(value=99)), 200),
    "full, and a preview after it": (tiff(full(), preview()), 200),
    "below the preview": (tiff(preview(), full(), below=(1,)), 200),
    "the second below it": (tiff(preview(), preview(16), full(), below=(1, 2)), 200),
    "a mosaic before it": (tiff(preview(), full(value=1, _262=32803), full(), below=(1, 2)), 200),
    "old tags": (tiff({0: 10, 255: 2, 256: 8}, {0: 200, 255: 1, 256: 100}), 200),
}


@pytest.mark.parametrize("case", WHOLE)
def test_the_whole_page_is_read(case: str) -> None:
    data, value = WHOLE[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (load_image(data) == np.full((100, 100, 3), value, np.uint8)).all()


@pytest.mark.parametrize("below", [(), (1,)])
def test_a_preview_of_an_unreadable_page_gives_a_warning(below: tuple[int, ...]) -> None:
    data = tiff(preview(), full(_262=32803), below=below)
    with pytest.warns(PhotoWarning, match=r"^raw \(\d+ bytes\): .* only a preview of 8x8.*convert the file to JPEG or TIFF"):
        assert load_image(data, "raw").shape == (8, 8, 3)


def test_a_cycle_of_pages_ends() -> None:
    assert load_image(tiff(preview(), preview(16), next_of={1: 0})).shape == (8, 8, 3)
    assert load_image(tiff(preview(), preview(16), next_of={1: 1})).shape == (8, 8, 3)


def test_the_orientation_of_the_preview_is_that_of_the_photo() -> None:
    data = tiff({**preview(), 274: 6}, full())
    assert load_image(data).shape == (100, 100, 3)
    assert load_image(tiff({**preview(), 274: 6}, {**full(), 257: 50})).shape == (100, 50, 3)


# ------------------------------------------------------------------ values of another range


def ramp(most: float, dtype: Any, channels: int = 3) -> np.ndarray:
    array = np.linspace(0, most, 4 * 5 * channels).reshape(4, 5, channels).astype(dtype)
    if channels == 4:
        array[..., 3] = 255 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return array


DARK = {
    "floats in 0..1": (ramp(1, np.float32), "multiply by 255"),
    "float64": (ramp(0.9, np.float64), "multiply by 255"),
    "float16 gray": (ramp(1, np.float16)[..., 0], "multiply by 255"),
    "floats with alpha": (ramp(1, np.float32, 4), "multiply by 255"),
    "8 of 16 bits": (ramp(255, np.uint16), "make 8-bit values uint8"),
    "8 of 16 bits, big-endian": (ramp(255, ">u2"), "make 8-bit values uint8"),
    "8 of 16 bits with alpha": (ramp(255, np.uint16, 4), "make 8-bit values uint8"),
    "12 of 16 bits": (ramp(4095, np.uint16), "multiply 12-bit values by 16"),
    "10 of 16 bits, gray": (ramp(1023, np.uint16)[..., 0], "multiply 12-bit values by 16"),
    "mode F": (Image.fromarray(ramp(1, np.float32)[..., 0].copy()), "multiply by 255"),
    "mode I;16": (Image.fromarray(ramp(4095, np.uint16)[..., 0].copy()), "multiply 12-bit values by 16"),
    "mode I": (Image.fromarray(ramp(255, np.int32)[..., 0].copy()), "make 8-bit values uint8"),
}


@pytest.mark.parametrize("case", DARK)
def test_values_that_are_nearly_black(case: str) -> None:
    dark, remedy = DARK[case]
    with pytest.warns(PhotoWarning, match=f"^frame 7: expected .*nearly black; {remedy}$"):
        load_image(dark, "frame 7")


@pytest.mark.parametrize("suffix", ["TIFF", "PNG"])
def test_a_file_of_12_bits(suffix: str) -> None:
    file = io.BytesIO()
    Image.fromarray(ramp(4095, np.uint16)[..., 0].copy()).save(file, suffix)
    with pytest.warns(PhotoWarning, match="multiply 12-bit values by 16"):
        load_image(file)


USUAL = {
    "black floats": np.zeros((4, 5, 3), np.float32),
    "black 16 bits": np.zeros((4, 5), np.uint16),
    "black and opaque": ramp(255, np.uint16, 4) * np.array([0, 0, 0, 1], np.uint16),
    "16 bits": ramp(65535, np.uint16),
    "dark 16 bits": ramp(4097, np.uint16),
    "dark floats": ramp(1.5, np.float32),
    "floats": ramp(255, np.float64),
    "dark bytes": ramp(1, np.uint8),
    "a mask of integers": np.ones((4, 5), np.int32),
    "a mask": np.ones((4, 5), bool),
    "black F": Image.new("F", (4, 5)),
    "black I;16": Image.new("I;16", (4, 5)),
}


@pytest.mark.parametrize("case", USUAL)
def test_black_and_ordinary_photos_give_no_warning(case: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_image(USUAL[case])
