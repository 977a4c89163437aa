"""Inputs that are not photos: each is refused with one clear line."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from npfaceapi.errors import FetchError, ImageError, ImageNotFoundError, InvalidArgument, InvalidType, NpFaceApiError
from npfaceapi.photos.limits import TooManyPixels
from npfaceapi.photos.net_input import NetInput, buffer_to_image, load_image, to_net_input

PIXELS = np.random.default_rng(11).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def encode(file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, file_format, **options)
    return file.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    """A PNG file of a few bytes with any size in its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def refused(photo: Any, kind: type[NpFaceApiError], *parts: str, load: Any = load_image) -> None:
    with pytest.raises(kind) as error:
        load(photo)
    assert type(error.value) is kind
    message = str(error.value)
    assert "\n" not in message
    assert ": expected " in message
    for part in parts:
        assert part in message


def load_or_none(data: bytes) -> np.ndarray | None:
    try:
        return load_image(data)
    except ImageError:
        return None


class TestFiles:
    @pytest.mark.parametrize("content", [b"", b"x", b"hello, I am a text", b"\0" * 1000, b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n"])
    def test_not_an_image(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "no photo.jpg"
        path.write_bytes(content)
        for load in (load_image, to_net_input):
            refused(path, ImageError, str(path), load=load)
            refused(str(path), ImageError, str(path), load=load)
        refused(path.as_uri(), ImageError, path.as_uri())
        refused(content, ImageError, f"photo ({len(content)} bytes)")
        refused(content, ImageError, load=buffer_to_image)
        with path.open("rb") as file:
            refused(file, ImageError, str(path))

    @pytest.mark.parametrize(
        ("file_format", "options"),
        [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("WEBP", {}), ("TIFF", {})],
    )
    def test_truncated(self, tmp_path: Path, file_format: str, options: dict[str, Any]) -> None:
        whole = encode(file_format, **options)
        for part in (0.02, 0.1, 0.5, 0.9, 0.99):
            path = tmp_path / f"cut at {part}"
            path.write_bytes(whole[: int(len(whole) * part)])
            refused(path, ImageError, str(path))

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_no_cut_gives_other_pixels(self, file_format: str) -> None:
        whole = encode(file_format)
        pixels = load_image(whole)
        refusals = 0
        for length in [*range(0, len(whole), 37), *range(len(whole) - 20, len(whole))]:
            got = load_or_none(whole[:length])
            refusals += got is None
            np.testing.assert_array_equal(pixels if got is None else got, pixels)
        assert refusals > len(whole) // 37 - 5

    def test_damaged_in_the_middle(self) -> None:
        whole = bytearray(encode("PNG"))
        middle = len(whole) // 2
        whole[middle : middle + 40] = bytes(40)
        refused(bytes(whole), ImageError, "expected a whole image, got a damaged or unsupported one")

    @pytest.mark.parametrize("side", [10_000, 20_000, 100_000])
    def test_decompression_bomb(self, tmp_path: Path, side: int) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png_that_says(side, side))
        refused(path, TooManyPixels, str(path), "decompression bomb", f"{side * side} pixels", "NPFACEAPI_MAX_MEGAPIXELS")
        refused(path.read_bytes(), TooManyPixels, "decompression bomb")

    @pytest.mark.parametrize("action", ["ignore", "default", "error"])
    def test_decompression_bomb_under_any_filter(self, action: Any) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            refused(png_that_says(10_000, 10_000), TooManyPixels, "decompression bomb")
        assert not caught

    def test_a_large_photo_that_is_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        refused(encode("PNG"), TooManyPixels, "decompression bomb")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48)
        np.testing.assert_array_equal(load_image(encode("PNG")), PIXELS)

    def test_no_pixels(self) -> None:
        refused(png_that_says(0, 0), ImageError)
        refused(png_that_says(5, 0), ImageError)
        refused(Image.new("RGB", (0, 0)), ImageError, "at least 1x1 pixels, got 0x0")
        refused(Image.new("L", (5, 0)), ImageError, "got 5x0")

    def test_postscript_is_not_run(self) -> None:
        eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
        refused(eps, ImageError, "got PostScript")

    def test_mode_i_out_of_range(self) -> None:
        refused(Image.fromarray(np.array([[0, 65536]], np.int32)), ImageError, "16-bit samples in 0..65535, got 0..65536")

    def test_mode_f_with_nan(self) -> None:
        refused(Image.fromarray(np.array([[0, np.nan]], np.float32)), ImageError, "NaN")

    def test_pil_image_of_a_damaged_file(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.jpg"
        path.write_bytes(encode("JPEG")[:-500])
        with Image.open(path) as image:
            refused(image, ImageError, str(path), "damaged")


class TestPaths:
    def test_missing(self, tmp_path: Path) -> None:
        for path in (tmp_path / "absent.jpg", tmp_path / "absent" / "photo.jpg"):
            refused(path, ImageNotFoundError, f"{path}: expected an image file, got no such file")
            refused(str(path), ImageNotFoundError, str(path))
            with pytest.raises(FileNotFoundError):
                load_image(path)
            refused(path.as_uri(), FetchError, path.as_uri(), "No such file")
        refused("", ImageNotFoundError)

    def test_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, ImageError, str(tmp_path))

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
    def test_permission(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.png"
        path.write_bytes(encode("PNG"))
        path.chmod(0)
        refused(path, ImageError, str(path), "Permission denied")

    def test_permission_as_the_system_reports_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def deny(*_: object) -> None:
            raise PermissionError(13, "Permission denied", "secret.png")

        monkeypatch.setattr("builtins.open", deny)
        refused("secret.png", ImageError, "secret.png: expected a file that can be read, got: Permission denied")

    def test_null_character(self) -> None:
        refused("a\0b.png", ImageError, "null")

    def test_a_file_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        refused(tmp_path / "a" / "b.png", ImageError, "Not a directory")


class TestFileObjects:
    def test_text(self, tmp_path: Path) -> None:
        path = tmp_path / "photo.png"
        path.write_bytes(encode("PNG"))
        with path.open(encoding="latin-1") as file:
            refused(file, InvalidType, str(path), 'mode "rb"')
        refused(io.StringIO("photo"), InvalidType, "photo: expected a binary file")

    def test_reads_something_else(self) -> None:
        class Stream:
            def read(self) -> str:
                return "text"

        refused(Stream(), InvalidType, "got one that reads str")

    def test_closed(self) -> None:
        file = io.BytesIO(encode("PNG"))
        file.close()
        refused(file, ImageError, "closed")

    def test_breaks_off(self) -> None:
        class Stream:
            def read(self) -> bytes:
                raise OSError("the line went dead")

        refused(Stream(), ImageError, "the line went dead")


class TestArrays:
    @pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 3), (5, 0, 3), (0, 0), (1, 0, 5, 3)])
    def test_no_pixels(self, shape: tuple[int, ...]) -> None:
        refused(np.zeros(shape, np.uint8), ImageError, "at least 1x1 pixels", "photo: ")

    @pytest.mark.parametrize("shape", [(), (5,), (5, 5, 2), (5, 5, 5), (5, 5, 0), (2, 5, 5, 3), (1, 1, 5, 5, 3)])
    def test_wrong_rank(self, shape: tuple[int, ...]) -> None:
        refused(np.zeros(shape, np.uint8), ImageError, "[" + ",".join(map(str, shape)) + "]")

    def test_channels_first(self) -> None:
        refused(np.zeros((3, 40, 60), np.uint8), ImageError, "got [3,40,60]; channels come last: array.transpose(1, 2, 0)")

    def test_a_batch_is_a_list(self) -> None:
        refused(np.zeros((2, 4, 4, 3), np.uint8), ImageError, "pass list(array)", load=to_net_input)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_nan_and_infinity(self, value: float, dtype: Any) -> None:
        photo = np.zeros((4, 4, 3), dtype)
        photo[1, 2, 0] = value
        refused(photo, ImageError, "NaN or infinity")

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [(255.5, np.float32), (-0.01, np.float64), (256, np.int32), (-1, np.int8), (300, np.uint32)],
    )
    def test_out_of_range(self, value: float, dtype: Any) -> None:
        photo = np.zeros((4, 4, 3), dtype)
        photo[0, 0, 0] = value
        refused(photo, ImageError, "expected values in 0..255, got ", np.dtype(dtype).name)

    @pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "datetime64[s]", "timedelta64[s]", "V4"])
    def test_dtype(self, dtype: Any) -> None:
        refused(np.zeros((4, 4, 3), dtype), InvalidType, "got dtype ")


class TestTypes:
    @pytest.mark.parametrize("photo", [None, 3, 2.5, {"a": 1}, {1, 2}, object(), Image, len])
    def test_no_photo(self, photo: Any) -> None:
        refused(photo, InvalidType, f"got {type(photo).__name__}")
        refused(photo, InvalidType, f"got {type(photo).__name__}", load=to_net_input)

    def test_something_like_an_array(self) -> None:
        class Tensor:
            def __array__(self) -> np.ndarray:
                return PIXELS

        refused(Tensor(), InvalidType, "got Tensor; pass numpy.asarray(photo)")

    def test_errors_are_what_python_expects(self) -> None:
        with pytest.raises(TypeError):
            load_image(None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least 1x1"):
            load_image(np.zeros((0, 0, 3)))

    def test_empty_list(self) -> None:
        refused([], InvalidArgument, "to_net_input: expected at least one photo, got an empty list", load=to_net_input)
        refused((), InvalidArgument, load=to_net_input)
        refused([], InvalidArgument, "NetInput: expected at least one photo", load=NetInput)
        refused(PIXELS, InvalidType, "NetInput: expected a list of photos, got ndarray", load=NetInput)

    def test_the_place_in_a_list_is_named(self) -> None:
        refused([PIXELS, None], InvalidType, "photos[1]: ", load=to_net_input)
        refused([PIXELS, PIXELS, np.zeros((5, 5, 2), np.uint8)], ImageError, "photos[2]: ", load=to_net_input)
        refused([PIXELS, "absent.png"], ImageNotFoundError, "absent.png: ", load=to_net_input)
        refused([b"nonsense"], ImageError, "photos[0] (8 bytes): ", load=to_net_input)
        refused([[PIXELS]], InvalidType, "photos[0]: ", "got list", load=to_net_input)

    def test_the_caller_names_the_photo(self) -> None:
        with pytest.raises(ImageError, match=r"^frame 7: expected"):
            load_image(np.zeros((0, 0, 3)), name="frame 7")
