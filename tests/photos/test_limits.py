"""The limit of a photo's size: at every stage of decoding, and where it can be set."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers import ROOT
from npfaceapi.errors import ImageError, InvalidArgument
from npfaceapi.photos import limits
from npfaceapi.photos.containers import pixels_alone
from npfaceapi.photos.limits import max_pixels, set_max_megapixels
from npfaceapi.photos.loading import load_image

REMEDY = r"NPFACEAPI_MAX_MEGAPIXELS=\d+, or call npfaceapi.set_max_megapixels\(\d+\)"


@pytest.fixture(autouse=True)
def no_limit_of_ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NPFACEAPI_MAX_MEGAPIXELS", raising=False)
    yield
    set_max_megapixels(None)


def encode(kind: str, size: tuple[int, int] = (200, 100), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (10, 20, 30)).save(file, kind, **options)
    return file.getvalue()


class TestWhoDecides:
    def test_pillow_at_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert max_pixels() == Image.MAX_IMAGE_PIXELS
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        assert max_pixels() == math.inf

    def test_the_environment_before_pillow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NPFACEAPI_MAX_MEGAPIXELS", "0.019")
        with pytest.raises(ImageError, match=f"at most 0.019 megapixels, got 200x100, 20000 pixels, .* {REMEDY}"):
            load_image(encode("PNG"))
        monkeypatch.setenv("NPFACEAPI_MAX_MEGAPIXELS", "0.02")
        assert load_image(encode("PNG")).shape == (100, 200, 3)

    def test_a_call_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NPFACEAPI_MAX_MEGAPIXELS", "0.001")
        set_max_megapixels(1)
        assert load_image(encode("PNG")).shape == (100, 200, 3)
        set_max_megapixels(None)
        with pytest.raises(ImageError, match=r"at most 0\.001"):
            load_image(encode("PNG"))

    def test_more_than_pillow_lets_in(self, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300_000)  # the photo has more than the double
        set_max_megapixels(1)
        for kind in ("PNG", "JPEG", "GIF", "BMP"):
            assert load_image(encode(kind, (1000, 700))).shape == (700, 1000, 3)
        assert load_image(encode("TIFF", (1000, 599))).shape == (599, 1000, 3)
        with pytest.raises(ImageError, match=r"if you trust it, raise PIL\.Image\.MAX_IMAGE_PIXELS"):  # inside Pillow
            load_image(gif_frame_beyond_the_screen(1000, 700))
        assert not recwarn.list

    def test_a_command_lifts_the_limit_of_pillow_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300_000)
        monkeypatch.setattr(limits, "_owns_pillow", True)
        set_max_megapixels(1)
        assert load_image(encode("TIFF", (1000, 700))).shape == (700, 1000, 3)
        with pytest.raises(ImageError, match="at most 1 megapixels"):
            load_image(encode("TIFF", (1000, 1001)))

    @pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "1 GB"])
    def test_a_wrong_variable(self, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("NPFACEAPI_MAX_MEGAPIXELS", text)
        for kind in ("PNG", "WEBP"):
            with pytest.raises(InvalidArgument, match=f"^NPFACEAPI_MAX_MEGAPIXELS: expected a number above 0, got '{text}'$"):
                load_image(encode(kind))

    @pytest.mark.parametrize("value", [0, -1, math.nan, "5", True, 1j, [5]])
    def test_a_wrong_argument(self, value: Any) -> None:
        with pytest.raises(InvalidArgument, match=r"^set_max_megapixels: expected a number above 0, or None, got "):
            set_max_megapixels(value)

    def test_arrays_are_not_limited(self) -> None:
        set_max_megapixels(0.001)
        image = Image.new("RGB", (200, 100))
        assert load_image(image).shape == load_image(np.zeros((100, 200, 3), np.uint8)).shape == (100, 200, 3)
        with Image.open(io.BytesIO(encode("PNG"))) as image:
            image.load()
            assert load_image(image).shape == (100, 200, 3)


def icns(png: bytes) -> bytes:
    return b"icns" + struct.pack(">I", len(png) + 16) + b"ic07" + struct.pack(">I", len(png) + 8) + png


def gif_frame_beyond_the_screen(width: int, height: int) -> bytes:
    data = bytearray(encode("GIF", (4, 4)))
    at = data.index(b"\x2c", 13 + 3 * 2)
    data[at + 5 : at + 9] = struct.pack("<2H", width, height)
    return bytes(data)


def tiled_tiff(tile: int) -> bytes:
    """A TIFF file of 16x16 pixels whose tile claims to be larger."""
    tags = {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1, 322: tile, 323: tile, 324: 8, 325: 20}
    directory = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<L", 28) + bytes(20) + struct.pack("<H", len(tags)) + directory + bytes(4)


def webp(width: int, height: int) -> bytes:
    """A WebP file with a canvas of any size: the decoder allocates it on opening."""
    frame = encode("WEBP", (8, 8))[12:]
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<L", 10) + bytes(4) + canvas + frame
    return b"RIFF" + struct.pack("<L", len(body)) + body


def jpeg_xl(width: int, height: int) -> bytes:
    """The beginning of a codestream: no small size, 30 bits each, no ratio."""
    bits = 0 | 3 << 1 | (height - 1) << 3 | 0 << 33 | 3 << 36 | (width - 1) << 38
    return b"\xff\x0a" + bits.to_bytes(16, "little")


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


#: Files that claim 13000x13000 pixels: more than Pillow's limit, and less than twice the limit, where Pillow only warns.
BOMBS = {
    "PNG": png_of(13000, 13000),
    "a canvas of WebP": webp(13000, 13000),
    "a tile of TIFF": tiled_tiff(13008),
    "a frame of GIF": gif_frame_beyond_the_screen(13000, 13000),
    "JPEG XL": jpeg_xl(13000, 13000),
    "JPEG XL in a container": b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">L4s", 26, b"jxlc") + jpeg_xl(13000, 13000),
    "PNG in ICNS": icns(png_of(13000, 13000)),
}


@pytest.mark.parametrize("action", ["default", "error", "ignore"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(bomb: str, action: Any, recwarn: pytest.WarningsRecorder) -> None:
    import warnings

    warnings.simplefilter(action)
    with pytest.raises(ImageError) as error:
        load_image(BOMBS[bomb])
    message = "which is not read here" if "ICNS" in bomb else "decompression bomb; if you trust it, set NPFACEAPI_MAX_MEGAPIXELS"
    assert message in str(error.value)
    assert not recwarn.list


def test_a_small_limit_holds_for_them_too() -> None:
    set_max_megapixels(0.0001)
    for make in (png_of, webp, lambda w, _: tiled_tiff(w), gif_frame_beyond_the_screen, jpeg_xl):
        with pytest.raises(ImageError, match=r"at most 0\.0001 megapixels, got 16x16, 256 pixels"):
            load_image(make(16, 16))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_an_image_that_is_not_read_yet_is_like_its_file(kind: str) -> None:
    with Image.open(io.BytesIO(encode(kind))) as image:
        set_max_megapixels(0.01)
        with pytest.raises(ImageError, match=r"at most 0\.01 megapixels, got 200x100"):
            load_image(image)
        set_max_megapixels(0.02)
        assert load_image(image).shape == (100, 200, 3)


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (40, 24), (1000, 777), (513, 300), (1600, 900), (5, 9000)])
@pytest.mark.parametrize("container", [False, True])
def test_sizes_of_jpeg_xl(size: tuple[int, int], container: bool) -> None:
    """Written by libjxl, which has other codes for small sizes and for usual ratios."""
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin writes the files")
    data = encode("JXL", size, use_container=container)
    set_max_megapixels((size[0] * size[1] - 1) / 1e6)
    with pytest.raises(ImageError, match=f"got {size[0]}x{size[1]}"):
        pixels_alone(io.BytesIO(data), "photo", [])


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is that of Linux")
def test_no_bomb_takes_memory(tmp_path: Path) -> None:
    for i, content in enumerate(BOMBS.values()):
        (tmp_path / f"{i}").write_bytes(content)
    code = f"""
import resource, glob, npfaceapi, PIL.Image
PIL.Image.init()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for name in sorted(glob.glob({str(tmp_path / "*")!r})):
    try:
        npfaceapi.load_image(name)
    except npfaceapi.ImageError:
        pass
    else:
        raise SystemExit(name)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30
