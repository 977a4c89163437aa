"""Every accepted kind of photo, and its pixels."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from npfaceapi.faces.detection import FaceDetection
from npfaceapi.photos.net_input import buffer_to_image, extract_face_tensors, extract_faces, load_image

RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def check(photo: Any, expected: np.ndarray) -> None:
    got = load_image(photo)
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected, strict=True)


class TestSources:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "a photo é #1.png"
        path.write_bytes(encode(Image.fromarray(PIXELS)))
        return path

    def test_path(self, path: Path) -> None:
        check(path, PIXELS)
        check(str(path), PIXELS)

    def test_relative_path(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path.parent)
        check(path.name, PIXELS)

    def test_file_url(self, path: Path) -> None:
        check(path.as_uri(), PIXELS)
        check(path.as_uri().replace("file:", "FILE:"), PIXELS)
        check(path.as_uri().replace("file:///", "file://localhost/"), PIXELS)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_bytes(self, path: Path, kind: Any) -> None:
        check(kind(path.read_bytes()), PIXELS)

    def test_file_objects(self, path: Path) -> None:
        with path.open("rb") as file:
            check(file, PIXELS)
            assert not file.closed
        check(io.BytesIO(path.read_bytes()), PIXELS)
        packed = path.with_suffix(".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        with gzip.open(packed) as unpacked:
            check(unpacked, PIXELS)

    def test_a_file_object_is_read_from_its_start(self, path: Path) -> None:
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, "PNG")
        assert file.tell() > 0
        check(file, PIXELS)

    def test_an_object_that_can_only_read(self, path: Path) -> None:
        class Stream:
            def read(self) -> bytes:
                return path.read_bytes()

        check(Stream(), PIXELS)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe(self, path: Path, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
        writer.start()
        check(pipe, PIXELS)
        writer.join()

    def test_pil_image(self, path: Path) -> None:
        check(Image.fromarray(PIXELS), PIXELS)
        with Image.open(path) as image:
            check(image, PIXELS)
            check(image, PIXELS)

    def test_buffer_to_image(self, path: Path) -> None:
        image = buffer_to_image(path.read_bytes())
        assert (image.mode, image.size) == ("RGB", (17, 12))
        np.testing.assert_array_equal(np.asarray(image), PIXELS)

    def test_many_threads(self, path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            for got in pool.map(load_image, [path] * 160):
                np.testing.assert_array_equal(got, PIXELS)


class TestArrays:
    def test_a_right_array_is_not_copied(self) -> None:
        assert np.shares_memory(load_image(PIXELS), PIXELS)

    def test_layouts(self) -> None:
        gray = PIXELS[:, :, 0]
        threefold = np.stack([gray] * 3, axis=2)
        check(gray, threefold)
        check(gray[:, :, np.newaxis], threefold)
        check(PIXELS[np.newaxis], PIXELS)
        check(np.asfortranarray(PIXELS), PIXELS)
        check(PIXELS[::-1, ::2], PIXELS[::-1, ::2])

    def test_uint16_is_divided_by_257_and_rounded(self) -> None:
        every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        expected = np.array([round(v / 257) for v in range(65536)], np.uint8).reshape(256, 256)
        check(every, np.stack([expected] * 3, axis=2))
        check(every.astype(">u2"), np.stack([expected] * 3, axis=2))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">f8"])
    def test_floats(self, dtype: Any) -> None:
        floats = (PIXELS.astype(np.float64) * 0.5).astype(dtype)
        check(floats, floats.astype(np.float32))

    @pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
    def test_integers_in_0_to_255(self, dtype: Any) -> None:
        check((PIXELS // 2).astype(dtype), PIXELS // 2)

    def test_bool(self) -> None:
        mask = PIXELS > 100
        check(mask, np.where(mask, 255, 0).astype(np.uint8))

    def test_rgba_is_composited_on_black_as_pillow_does(self) -> None:
        color, alpha = (grid.ravel() for grid in np.meshgrid(np.arange(256), np.arange(256)))
        rgba = np.stack([color, color[::-1], color, alpha], axis=-1).astype(np.uint8).reshape(256, 256, 4)
        black = Image.new("RGBA", (256, 256), (0, 0, 0, 255))
        expected = np.asarray(Image.alpha_composite(black, Image.fromarray(rgba)))[:, :, :3]
        check(rgba, np.ascontiguousarray(expected))

    def test_float_and_16_bit_rgba(self) -> None:
        rgba = np.array([[[200, 100, 0, 127.5]]])
        check(rgba, np.array([[[100, 50, 0]]], np.float32))
        check(np.array([[[65535, 257 * 100, 0, 257 * 51]]], np.uint16), np.array([[[51, 20, 0]]], np.uint8))

    @pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3), (1, 1)])
    def test_thin_images(self, shape: tuple[int, ...]) -> None:
        assert load_image(np.zeros(shape, np.uint8)).shape == (*shape[:2], 3)


class TestModes:
    def test_rgb_gray_and_1_bit(self) -> None:
        check(encode(Image.fromarray(PIXELS)), PIXELS)
        gray = PIXELS[:, :, 1].copy()
        check(encode(Image.fromarray(gray)), np.stack([gray] * 3, axis=2))
        bits = np.where(gray > 99, 255, 0).astype(np.uint8)
        one_bit = Image.fromarray(bits).convert("1", dither=Image.Dither.NONE)
        check(encode(one_bit), np.stack([bits] * 3, axis=2))

    def test_palette(self) -> None:
        palette = Image.new("P", (2, 1))
        palette.putpalette([10, 20, 30, 200, 100, 50])
        palette.putdata([1, 0])
        check(encode(palette), np.array([[[200, 100, 50], [10, 20, 30]]], np.uint8))

    def test_transparent_palette_entries_are_black(self) -> None:
        palette = Image.new("P", (3, 1))
        palette.putpalette([10, 20, 30, 200, 100, 50, 40, 40, 40])
        palette.putdata([0, 1, 2])
        check(encode(palette, transparency=1), np.array([[[10, 20, 30], [0, 0, 0], [40, 40, 40]]], np.uint8))
        half = encode(palette, transparency=bytes([255, 51, 0]))
        check(half, np.array([[[10, 20, 30], [40, 20, 10], [0, 0, 0]]], np.uint8))

    def test_transparent_color_is_black(self) -> None:
        image = Image.fromarray(np.array([[[10, 20, 30], [200, 100, 50]]], np.uint8))
        check(encode(image, transparency=(200, 100, 50)), np.array([[[10, 20, 30], [0, 0, 0]]], np.uint8))

    def test_rgba_and_la(self) -> None:
        rgba = Image.new("RGBA", (1, 1), (200, 100, 50, 51))
        check(encode(rgba), np.array([[[40, 20, 10]]], np.uint8))
        check(encode(rgba, "WEBP", lossless=True, exact=True), np.array([[[40, 20, 10]]], np.uint8))
        check(encode(Image.new("LA", (1, 1), (200, 51))), np.array([[[40, 40, 40]]], np.uint8))

    def test_premultiplied(self) -> None:
        check(Image.new("RGBA", (1, 1), (200, 100, 50, 51)).convert("RGBa"), np.array([[[40, 20, 10]]], np.uint8))

    @pytest.mark.parametrize(
        ("ink", "rgb"),
        [((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 255), (0, 0, 0))],
    )
    def test_cmyk(self, ink: tuple[int, ...], rgb: tuple[int, ...]) -> None:
        image = Image.new("CMYK", (8, 8), ink)
        check(encode(image, "TIFF"), np.full((8, 8, 3), rgb, np.uint8))
        got = load_image(encode(image, "JPEG", quality=100))
        assert np.abs(got.astype(int) - rgb).max() <= 2

    @pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PGM"])
    def test_16_bit_gray(self, file_format: str) -> None:
        samples = np.array([[0, 128, 129, 40000, 65535]], np.uint16)
        expected = np.array([round(int(v) / 257) for v in samples[0]], np.uint8)
        pgm = b"P5 5 1 65535\n" + samples.astype(">u2").tobytes()  # which not every Pillow writes
        file = pgm if file_format == "PGM" else encode(Image.fromarray(samples), file_format)
        check(file, np.stack([expected] * 3, axis=1)[np.newaxis])

    def test_16_bit_gray_with_its_bytes_swapped(self) -> None:
        samples = np.array([[0, 1000, 65535]], np.uint16)
        image = Image.frombytes("I;16B", (3, 1), samples.astype(">u2").tobytes())
        check(image, np.array([[[0] * 3, [4] * 3, [255] * 3]], np.uint8))

    def test_mode_i_holds_16_bit_samples(self) -> None:
        image = Image.fromarray(np.array([[0, 25700, 65535]], np.int32))
        assert image.mode == "I"
        check(image, np.array([[[0] * 3, [100] * 3, [255] * 3]], np.uint8))

    def test_mode_f(self) -> None:
        floats = np.array([[0, 0.25, 255]], np.float32)
        check(encode(Image.fromarray(floats), "TIFF"), np.stack([floats] * 3, axis=2))

    def test_ycbcr_and_hsv(self) -> None:
        for mode in ("YCbCr", "HSV"):
            got = load_image(Image.new("RGB", (2, 2), (255, 0, 0)).convert(mode))
            assert np.abs(got.astype(int) - (255, 0, 0)).max() <= 2

    def test_lossy_formats(self) -> None:
        smooth = np.full((16, 16, 3), (200, 120, 60), np.uint8)
        for file_format in ("JPEG", "WEBP"):
            got = load_image(encode(Image.fromarray(smooth), file_format, quality=95))
            assert got.shape == (16, 16, 3)
            assert np.abs(got.astype(int) - smooth).max() <= 4

    def test_first_frame_of_an_animation(self) -> None:
        frames = [Image.new("RGB", (4, 3), color) for color in ("red", "lime")]
        for file_format in ("GIF", "PNG", "WEBP", "TIFF"):
            options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
            data = encode(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
            check(data, np.full((3, 4, 3), (255, 0, 0), np.uint8))

    def test_icc_profile_is_ignored(self) -> None:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
        check(encode(Image.fromarray(PIXELS), icc_profile=profile), PIXELS)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
    def test_exif_orientation(self, orientation: int, file_format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
        data = encode(Image.fromarray(PIXELS), file_format, exif=exif, **options)
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(ImageOps.exif_transpose(image))
        check(data, np.ascontiguousarray(expected))
        assert np.array_equal(expected, PIXELS) == (orientation == 1)
        with Image.open(io.BytesIO(data)) as image:
            check(image, np.ascontiguousarray(expected))

    def test_jpeg_of_a_phone(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # the top of the scene is at the right of the sensor: turn clockwise
        halves = np.zeros((16, 32, 3), np.uint8)
        halves[:, :16] = 255
        got = load_image(encode(Image.fromarray(halves), "JPEG", exif=exif, quality=95))
        assert got.shape == (32, 16, 3)
        assert got[:16].min() > 240
        assert got[16:].max() < 15

    @pytest.mark.parametrize("orientation", [0, 9, 77])
    def test_meaningless_orientation_changes_nothing(self, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        check(encode(Image.fromarray(PIXELS), exif=exif), PIXELS)

    def test_damaged_exif_does_not_hurt_the_pixels(self) -> None:
        check(encode(Image.fromarray(PIXELS), exif=b"Exif\x00\x00nonsense"), PIXELS)


def test_importing_needs_only_numpy() -> None:
    code = (
        "import sys, npfaceapi.photos.net_input, npfaceapi.photos.fetch\n"
        "print([name for name in ('PIL', 'scipy', 'numba', 'urllib.request', 'http.client') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_faces_cut_out_of_a_photo_on_its_side_give_a_warning():
    face = FaceDetection(0.9, {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, (60, 80))
    for function in (extract_faces, extract_face_tensors):
        with pytest.warns(
            UserWarning, match=rf"^{function.__name__}: expected the sides of a photo of 60x80, .* got 80x60"
        ) as told:
            function(np.zeros((60, 80, 3), np.uint8), [face, face])
        assert [warning.filename for warning in told] == [__file__]
        function(np.zeros((80, 60, 3), np.uint8), [face])
        function(np.zeros((40, 30, 3), np.uint8), [face])
