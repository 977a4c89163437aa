"""Which files are opened: formats of photos, by their names in Pillow, and no others."""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from helpers import ROOT
from npfaceapi.errors import ImageError
from npfaceapi.photos.decoding import FORMATS, photo_suffixes
from npfaceapi.photos.loading import load_image

PIXELS = np.random.default_rng(5).integers(0, 256, (9, 14, 3), dtype=np.uint8)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def encode(file_format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(file, file_format, **options)
    return file.getvalue()


def iptc(content: bytes) -> bytes:
    """An IPTC file that holds another one."""

    def field(record: int, number: int, data: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, record, number, len(data)) + data

    return b"".join(
        (
            field(3, 60, bytes((3, 1))),
            field(3, 65, b"\1"),
            field(3, 20, struct.pack(">H", 10)),
            field(3, 30, struct.pack(">H", 10)),
            field(3, 120, struct.pack(">B", 5)),
            field(8, 10, content),
        )
    )


def icns(content: bytes) -> bytes:
    return b"icns" + struct.pack(">I", len(content) + 16) + b"ic07" + struct.pack(">I", len(content) + 8) + content


FORBIDDEN = {
    "EPS": EPS,
    "EPS with a preview": b"\xc5\xd0\xd3\xc6" + struct.pack("<2I", 32, len(EPS)) + bytes(20) + EPS,
    "EPS in IPTC": iptc(EPS),
    "PNG in IPTC": iptc(encode("PNG")),
    "PNG in ICNS": icns(encode("PNG", Image.new("RGB", (128, 128)))),
    "ICO": encode("ICO"),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hH", 0, 0, 100, 100, 96) + bytes(4) + b"\1\0\t\0" + bytes(40),
    "EMF": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),
    "BUFR": b"BUFR" + bytes(60),
    "GRIB": b"GRIB\0\0\0\1" + bytes(60),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "MPEG": b"\0\0\1\xb3" + bytes(60),
    "PDF": encode("PDF"),
}


@pytest.mark.parametrize("content", FORBIDDEN.values(), ids=FORBIDDEN)
def test_other_formats_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    for photo in (path, content, io.BytesIO(content)):
        with pytest.raises(ImageError, match=r": expected an image file \(JPEG, "):
            load_image(photo)


@pytest.mark.parametrize("kind", ["EPS", "EPS with a preview", "EPS in IPTC", "PNG in ICNS"])
def test_so_are_images_of_such_files_that_are_not_read_yet(kind: str) -> None:
    with Image.open(io.BytesIO(FORBIDDEN[kind])) as image:
        with pytest.raises(
            ImageError, match=f"expected a format of photos, got {image.format}; if you trust it, call image.load"
        ):
            load_image(image)
        if kind == "PNG in ICNS":
            image.load()
            assert load_image(image).shape == (128, 128, 3)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the program is a script of the shell")
def test_no_program_is_run(tmp_path: Path) -> None:
    """A Ghostscript of ours would leave a file; that Pillow does run it shows that it could have been found."""
    program, mark = tmp_path / "gs", tmp_path / "gs was here"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\nexit 1\n")
    program.chmod(0o755)
    for i, content in enumerate(FORBIDDEN.values()):
        (tmp_path / f"{i}.jpg").write_bytes(content)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def run(what: str) -> None:
        code = f"import glob, PIL.Image, npfaceapi\nfor name in glob.glob({str(tmp_path / '*.jpg')!r}):\n try: {what}\n"
        subprocess.run([sys.executable, "-c", f"{code} except Exception: pass"], cwd=ROOT, env=environment, check=True)

    run("npfaceapi.load_image(name)")
    run("npfaceapi.load_image(PIL.Image.open(name))")
    assert not mark.exists()
    run("PIL.Image.open(name).load()")
    assert mark.exists()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "DIB", "SGI", "PCX", "TGA"])
def test_photos_are_opened(kind: str) -> None:
    data = encode(kind)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(load_image(data), expected)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(load_image(image), expected)


def test_a_tga_file_that_begins_like_a_cursor_is_one() -> None:
    data = encode("TGA")
    assert data.startswith(b"\0\0\2\0")
    np.testing.assert_array_equal(load_image(data), PIXELS)


class TestPlugins:
    @pytest.fixture
    def plugin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As pillow-heif registers itself."""
        Image.init()

        class HeifImageFile(ImageFile.ImageFile):
            format, format_description = "HEIF", "a stand-in"

            def _open(self) -> None:
                self._size, self._mode = (2, 1), "RGB"
                self.tile = [("raw", (0, 0, 2, 1), 12, ("RGB", 0, 1))]

        for name in ("OPEN", "EXTENSION", "MIME"):
            monkeypatch.setattr(Image, name, dict(getattr(Image, name)))
        monkeypatch.setattr(Image, "ID", list(Image.ID))
        Image.register_open("HEIF", HeifImageFile, lambda prefix: prefix[4:12] == b"ftypheic")
        Image.register_extensions("HEIF", [".heic", ".hif"])

    CONTENT = b"\0\0\0\x0cftypheic" + bytes((1, 2, 3, 4, 5, 6))

    def test_registered(self, plugin: None) -> None:
        assert load_image(self.CONTENT).tolist() == [[[1, 2, 3], [4, 5, 6]]]
        assert {".heic", ".hif"} <= photo_suffixes()

    def test_not_registered(self) -> None:
        Image.init()
        if "HEIF" in Image.OPEN or importlib.util.find_spec("pillow_heif"):
            pytest.skip("a plugin is installed here")
        with pytest.raises(ImageError, match=r"got HEIF .*pip install pillow-heif"):
            load_image(self.CONTENT)
        assert ".heic" not in photo_suffixes()

    def test_heic_needs_nothing_but_the_extra(self, tmp_path: Path) -> None:
        """The plugin registers itself at the first HEIC file, in a process that has not imported it."""
        pillow_heif = pytest.importorskip("pillow_heif")
        picture = np.repeat(np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 4, 16, axis=0), 16, axis=1).repeat(
            3, axis=2
        )
        pillow_heif.from_pillow(Image.fromarray(picture)).save(tmp_path / "a.heic", quality=95)
        code = (
            "import sys; from npfaceapi import load_image; from npfaceapi.photos.folders import find_photos;"
            "print(load_image(sys.argv[1]).shape, len(find_photos(sys.argv[2]).files))"
        )
        command = [sys.executable, "-c", code, tmp_path / "a.heic", tmp_path]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(128, 128, 3) 1\n"
        assert np.abs(load_image(tmp_path / "a.heic").astype(int) - picture).mean() < 3

    @pytest.mark.parametrize("start", [b"\xff\x0a" + bytes(30), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(30)])
    def test_jpeg_xl(self, start: bytes) -> None:
        if "JXL" in Image.OPEN:
            pytest.skip("a plugin is registered here")
        with pytest.raises(ImageError, match="got JPEG XL; pip install pillow-jxl-plugin"):
            load_image(start)

    def test_a_plugin_of_another_format_is_not_asked(self, plugin: None) -> None:
        Image.register_open("HTTP", lambda *_: pytest.fail("it was opened"), lambda prefix: prefix.startswith(b"GET "))
        Image.register_extension("HTTP", ".http")
        with pytest.raises(ImageError, match="got HTTP, which is not read here"):
            load_image(b"GET https://example.org/")
        assert ".http" not in photo_suffixes()


def test_suffixes() -> None:
    suffixes = photo_suffixes()
    assert {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".mpo",
        ".tif",
        ".tiff",
        ".webp",
        ".gif",
        ".bmp",
        ".pgm",
    } <= suffixes
    assert not suffixes & {
        ".eps",
        ".ps",
        ".wmf",
        ".emf",
        ".iim",
        ".icns",
        ".ico",
        ".pdf",
        ".h5",
        ".mpg",
        ".grib",
        ".bufr",
        ".vst",
        ".pcd",
    }
    assert all(Image.registered_extensions()[suffix] in FORMATS for suffix in suffixes)
