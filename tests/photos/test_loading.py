"""Data URIs, and objects that are nearly photos: each is read, or refused with what to pass instead."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from npfaceapi.errors import ImageError, ImageNotFoundError, InvalidType, NpFaceApiError, one_line
from npfaceapi.photos.decoding import is_base64
from npfaceapi.photos.loading import load_image
from npfaceapi.photos.source import PhotoSource

PIXELS = np.random.default_rng(2).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def encode(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


PNG = encode()
TEXT = base64.b64encode(PNG).decode()

DATA_URIS = {
    "as a canvas gives it": f"data:image/png;base64,{TEXT}",
    "in capitals": f"DATA:IMAGE/PNG;BASE64,{TEXT}",
    "in any case": f"Data:Image/Png;bAsE64,{TEXT}",
    "with parameters": f"data:image/png;name=a;charset=utf-8;base64,{TEXT}",
    "without a type": f"data:;base64,{TEXT}",
    "of another type": f"data:application/octet-stream;base64,{TEXT}",
    "with spaces": f" data:image/png; base64 ,{TEXT}\n",
    "in lines": "data:image/png;base64," + base64.encodebytes(PNG).decode(),
    "without padding": f"data:image/png;base64,{TEXT.rstrip('=')}",
    "in the alphabet of URLs": "data:image/png;base64," + base64.urlsafe_b64encode(PNG).decode(),
    "percent-encoded": f"data:image/png;base64,{quote(TEXT, safe='')}",
    "percent-encoded as a whole": quote(f"data:image/png;base64,{TEXT}", safe=""),
    "no base64": f"data:image/png,{quote(PNG)}",
}


@pytest.mark.parametrize("case", DATA_URIS)
def test_data_uris(case: str) -> None:
    np.testing.assert_array_equal(load_image(DATA_URIS[case]), PIXELS)
    assert PhotoSource(DATA_URIS[case], (40, 30)).read() is None


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP", "BMP"])
def test_data_uris_of_other_formats(kind: str) -> None:
    data = encode(kind)
    uri = f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
    np.testing.assert_array_equal(load_image(uri), load_image(data))


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("data:,", "got no bytes at all"),
        ("data:", "got no bytes at all"),
        ("data:image/png;base64,", "got no bytes at all"),
        ("data:image/png;base64,A", "expected base64 in a data URI"),
        ("data:image/png;base64,!!!!", "expected base64 in a data URI"),
        ("data:text/plain;base64,aGVsbG8=", "got something else"),
        (f"data:image/png;base64,{TEXT[: len(TEXT) // 2]}", "expected a whole image"),
    ],
)
def test_wrong_data_uris(uri: str, reason: str) -> None:
    with pytest.raises(ImageError, match=f"^photos\\[3\\].*: .*{reason}") as error:
        load_image(uri, "photos[3]")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("much", [False, True])
def test_base64_text(kind: str, much: bool) -> None:
    text = base64.b64encode(encode(kind) + bytes(100_000 if much else 0)).decode()
    for photo, hint in (
        (text, "expected a path, got base64 text; pass base64.b64decode(text)"),
        (text[:40], "expected a path, got base64 text; pass base64.b64decode(text)"),
        (text.encode(), "got base64 text; pass base64.b64decode(text)"),
        (io.BytesIO(text.encode()), "got base64 text; pass base64.b64decode(text)"),
        (f"data:image/png;base64,{text}".encode(), "got a data URI as bytes; pass it as str"),
    ):
        with pytest.raises(ImageError) as error:
            load_image(photo)
        assert hint in str(error.value)
        assert len(str(error.value)) < 300


def test_paths_are_no_base64(tmp_path: Path) -> None:
    for path in ("/home/user/photos/IMG0001", "photo", "", "iVBORw0K.png", str(tmp_path / "absent")):
        assert not is_base64(path)
        with pytest.raises(ImageNotFoundError, match="expected an image file, got no such file"):
            load_image(path)


@pytest.mark.parametrize("length", [300, 900, 5000, 100_000])
def test_long_names_lose_their_middle(length: int, tmp_path: Path) -> None:
    for name in ("n" * length, str(tmp_path / ("n" * 200) / ("n" * length))):
        with pytest.raises(ImageError) as error:
            load_image(name)
        message = str(error.value)
        assert message.startswith(name[:100])
        assert message.endswith(("got: File name too long", "got no such file", "got: Invalid argument"))
        assert len(message) <= 1010
    with pytest.raises(ImageError, match=r"^nnn.*got something else$"):
        load_image(b"nonsense", "n" * length)


def test_one_line_keeps_both_ends() -> None:
    text = one_line("a" * 3000 + " b " + "c" * 3000)
    assert (text[:3], text[-3:], len(text)) == ("aaa", "ccc", 1003)
    assert one_line("a" * 1000) == "a" * 1000


# ------------------------------------------------------------------ arrays


def test_a_matrix_is_an_array() -> None:
    gray = PIXELS[:, :, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(gray)
    np.testing.assert_array_equal(load_image(matrix), np.repeat(gray[:, :, np.newaxis], 3, axis=2), strict=True)


def test_other_subclasses_are_arrays() -> None:
    class Frame(np.ndarray):
        def __array_finalize__(self, _: Any) -> None: ...

    for photo in (PIXELS.view(Frame), np.ma.masked_array(PIXELS), PIXELS.view(np.recarray)):
        got = load_image(photo)
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, PIXELS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
def test_an_image_file_as_an_array(kind: str, shape: tuple[int, ...]) -> None:
    array = np.frombuffer(encode(kind), np.uint8).reshape(shape)
    with pytest.raises(ImageError, match=f"got {array.size} bytes as of an image file; pass array.tobytes"):
        load_image(array)
    np.testing.assert_array_equal(load_image(array.tobytes()), load_image(encode(kind)))


@pytest.mark.parametrize("kind", ["HEIC", "BMP"])
def test_so_is_any_list_of_bytes(kind: str) -> None:
    with pytest.raises(ImageError, match=r"pass array\.tobytes"):
        load_image(np.zeros(1000, np.uint8))


def test_thin_images_are_images() -> None:
    for array in (np.full((1, 500), 66, np.uint8), np.full((500, 1), 77, np.uint8)):
        assert load_image(array).shape == (*array.shape, 3)


# ------------------------------------------------------------------ file objects


def test_bytes_of_any_kind() -> None:
    array = np.frombuffer(PNG, np.uint8)
    for photo in (
        memoryview(PNG),
        memoryview(bytearray(PNG)),
        memoryview(np.repeat(array, 2))[::2],
        memoryview(array.view("S1")),
    ):
        np.testing.assert_array_equal(load_image(photo), PIXELS)
    released = memoryview(PNG)
    released.release()
    with pytest.raises(ImageError, match=r"expected bytes, got: .*released"):
        load_image(released)


def test_what_reads_other_bytes() -> None:
    for kind in (bytearray, memoryview):

        class Stream:
            def read(self, kind: Any = kind) -> Any:
                return kind(PNG)

        np.testing.assert_array_equal(load_image(Stream()), PIXELS)  # type: ignore[arg-type]


def test_a_spooled_file_is_read_from_its_start() -> None:
    with tempfile.SpooledTemporaryFile() as file:
        file.write(PNG)
        np.testing.assert_array_equal(load_image(file), PIXELS)  # type: ignore[arg-type]


class UploadFile:
    """As that of FastAPI."""

    def __init__(self) -> None:
        self.file, self.filename = io.BytesIO(PNG), "photo.png"

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    async def seek(self, offset: int) -> None:
        self.file.seek(offset)


class AsyncFile(UploadFile):
    """As those of aiofiles and trio."""

    async def seekable(self) -> bool:
        return True


class Future:
    def read(self) -> Any:
        future = asyncio.new_event_loop().create_future()
        future.get_loop().close()
        return future


class Hidden(UploadFile):
    def seekable(self) -> Any:
        return AsyncFile().seekable()

    def read(self) -> Any:  # type: ignore[override]
        return UploadFile().read()


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("kind", [UploadFile, AsyncFile, Future, Hidden])
def test_asynchronous_files(kind: Callable[[], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            InvalidType, match=f"expected a binary file, got an asynchronous one \\({kind.__name__}\\); pass await"
        ):
            load_image(kind())
        gc.collect()
    np.testing.assert_array_equal(load_image(asyncio.run(UploadFile().read())), PIXELS)
    np.testing.assert_array_equal(load_image(UploadFile().file), PIXELS)


@pytest.mark.slow
def test_what_nobody_has_awaited() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidType, match="got coroutine; await it first"):
            load_image(UploadFile().read())  # type: ignore[arg-type]
        gc.collect()


# ------------------------------------------------------------------ objects that are wrong, and objects that fail


class Failing:
    """An error of the caller's object, which must reach the caller."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __getattr__(self, name: str) -> Any:
        if name == self.where:
            raise ZeroDivisionError(name)
        raise AttributeError(name)


class FailingToRead:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self) -> bytes:
        raise self.error


class FailingPath:
    def __fspath__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("photo", [Failing("read"), FailingToRead(ZeroDivisionError()), FailingToRead(KeyError()), FailingPath()])
def test_errors_of_the_callers_objects_come_through(photo: Any) -> None:
    with pytest.raises((ZeroDivisionError, KeyError)):
        load_image(photo)


class PathOf:
    def __init__(self, path: Any) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        return self.path


@pytest.mark.parametrize(
    "photo",
    [
        *(io.BytesIO, pathlib.Path, Image.Image, np.ndarray, bytes, type, Image),
        *(PathOf(5), PathOf(None), PathOf(["a"])),
        *(None, 5, 1.5, [PIXELS], {"a": 1}, object(), iter([PIXELS]), lambda: PNG, slice(3), NotImplemented, ...),
        *(np.uint8(3), np.float32(1), mock.Mock(), mock.MagicMock(spec=io.BytesIO), memoryview),
    ],
    ids=lambda photo: type(photo).__name__,
)
def test_objects_of_other_kinds(photo: Any) -> None:
    with pytest.raises(InvalidType, match=r"^photo: expected "):
        load_image(photo)


def test_paths_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    np.testing.assert_array_equal(load_image(PathOf(os.fsencode(tmp_path / "a.png"))), PIXELS)
    np.testing.assert_array_equal(load_image(PathOf(str(tmp_path / "a.png"))), PIXELS)


def test_text_that_is_no_path() -> None:
    for text in ("\ud800", "a\0b", "\n", "."):
        with pytest.raises(NpFaceApiError) as error:
            load_image(text)
        str(error.value).encode()


def test_modes_that_pillow_converts_in_two_steps() -> None:
    """La: gray that alpha has been applied to."""
    gray = Image.fromarray(PIXELS[:, :, 0].copy())
    alpha = Image.fromarray(PIXELS[:, :, 1].copy())
    image = Image.merge("LA", (gray, alpha))
    black = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA")).convert("RGB")
    got = load_image(image.convert("La")).astype(int)
    assert np.abs(got - np.asarray(black)).max() <= 1  # of rounding twice
