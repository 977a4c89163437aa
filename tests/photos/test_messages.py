"""Pillow's and libtiff's messages: one warning with the photo's name, in the thread that reads it; one line in a command."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import npfaceapi
from helpers import ROOT
from npfaceapi.errors import ImageError, PhotoWarning
from npfaceapi.photos import messages
from npfaceapi.photos.loading import load_image
from npfaceapi.photos.messages import telling

pytestmark = pytest.mark.slow


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    """A TIFF file of 4x2 gray pixels with more tags; Pillow warns of a wrong one among those that it needs."""
    usual = [(256, 4, 1, 4), (257, 4, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 8)]
    entries = sorted([*usual, *tags])
    directory = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<L", 16) + bytes(range(10, 18)) + struct.pack("<H", len(entries)) + directory + bytes(4)


WARNED_OF = tiff((320, 3, 768, 10**9))  # a palette outside the file
PIXELS = np.repeat(np.arange(10, 18, dtype=np.uint8).reshape(2, 4, 1), 3, axis=2)


def test_pillow_warns_of_that_file() -> None:
    with pytest.warns(UserWarning, match="Tag data larger than file|but only got 0|Truncated File Read") as caught:
        Image.open(io.BytesIO(WARNED_OF)).load()
    assert not any(isinstance(warning.message, PhotoWarning) for warning in caught)


def test_it_is_one_warning_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a photo.tif"
    path.write_bytes(WARNED_OF)
    with pytest.warns() as caught:
        np.testing.assert_array_equal(load_image(path), PIXELS)
    (warning,) = caught
    assert warning.category is npfaceapi.PhotoWarning
    assert str(warning.message).startswith(f"{path}: ")
    assert warning.filename == __file__


def test_it_refuses_no_photo_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load_image(WARNED_OF), PIXELS)
        with pytest.raises(UserWarning):
            Image.open(io.BytesIO(WARNED_OF)).load()


def test_after_an_error_there_is_no_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ImageError):
            load_image(tiff((320, 3, 768, 10**9), (277, 3, 1, 3)))
    assert not caught


def test_an_open_image() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = Image.open(io.BytesIO(WARNED_OF)), Image.open(io.BytesIO(_jpeg_with_damaged_exif()))
    for photo in images:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_image(photo)
        assert all(warning.category is PhotoWarning for warning in caught)


def test_the_warning_filters_are_restored() -> None:
    before = list(warnings.filters)
    for data in (WARNED_OF, WARNED_OF[:20]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inside = list(warnings.filters)
            with contextlib.suppress(ImageError):
                load_image(data)
            assert warnings.filters == inside
    assert warnings.filters == before


def test_other_threads_get_their_own_warnings() -> None:
    """A thread that warns while others read photos."""
    stop = threading.Event()

    def warn() -> int:
        heard = 0
        while not stop.is_set():
            warnings.warn("of another thread", stacklevel=1)
            heard += 1
        return heard

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(3) as pool:
            warner = pool.submit(warn)
            list(pool.map(load_image, [WARNED_OF] * 200))
            stop.set()
            heard = warner.result()
    texts = [str(warning.message) for warning in caught]
    assert texts.count("of another thread") == heard
    assert len(texts) - heard == 200
    assert all(warning.category is PhotoWarning for warning in caught if str(warning.message) != "of another thread")


def told(name: str, work: Callable[[], object]) -> str:
    """The warning that results from what happens while a photo is read."""

    def read() -> None:
        with telling(name):
            work()

    with pytest.warns(PhotoWarning) as caught:
        read()
    (warning,) = caught
    return str(warning.message)


def test_many_messages_are_cut() -> None:
    text = told("a.jpg", lambda: [warnings.warn(f"message {i}", stacklevel=1) for i in (1, 1, 2, 3, 4, 5)])
    assert text == "a.jpg: message 1; message 2; and 3 more"


# ------------------------------------------------------------------ the command line


def fax(seed: int) -> bytes:
    """A damaged fax: libtiff prints messages about it, and the pixels are read."""
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 2, (60, 80), dtype=np.uint8) * 255
    Image.fromarray(noise).convert("1").save(file, "TIFF", compression="group4")
    data = bytearray(file.getvalue())
    data[200] ^= 0xFF
    return bytes(data)


@pytest.mark.skipif(os.name != "posix", reason="file descriptors of Windows are not looked into")
def test_one_line_a_photo(tmp_path: Path) -> None:
    contents = {"fax.tif": fax(1), "palette.tif": WARNED_OF, "good.tif": tiff()}
    contents["exif.jpg"] = _jpeg_with_damaged_exif()
    contents["dark.png"] = _dark()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    photos = [str(tmp_path / name) for name in contents]
    for options in ([], ["-W", "error"]):
        command = [sys.executable, *options, "-m", "npfaceapi", "analyze", "--detector", "tiny", "--only", "detection", *photos]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == len(contents)
        lines = done.stderr.splitlines()
        assert [line.split(": ")[:2] for line in lines] == [
            ["npfaceapi analyze", str(tmp_path / name)] for name in ("fax.tif", "palette.tif", "dark.png")
        ]
        assert "Fax4Decode: " in lines[0]
        assert "multiply 12-bit values by 16" in lines[2]


def _dark() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((9, 9), 4000, np.uint16)).save(file, "PNG")
    return file.getvalue()


def _jpeg_with_damaged_exif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20))
    return file.getvalue()


def test_standard_error_is_left_alone_in_a_library(capfd: pytest.CaptureFixture[str]) -> None:
    load_image(fax(1))
    assert "Fax4Decode" in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="file descriptors of Windows are not looked into")
def test_a_flood_on_standard_error_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood() -> None:
        with contextlib.suppress(BlockingIOError):  # the C library loses what does not fit
            for i in range(20_000):
                os.write(2, b"line %d\n" % i)

    monkeypatch.setattr(messages, "_owns_standard_error", True)
    text = told("a.tif", flood)
    assert text.startswith("a.tif: line 0; line 1; and ")


def test_a_warning_of_a_photo_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from npfaceapi import cli
    from npfaceapi.commands import backends

    def run(_: Any) -> int:
        warnings.warn("a.jpg:\ntoo dark", PhotoWarning, stacklevel=1)
        return 0

    shown = warnings.showwarning
    monkeypatch.setattr(backends, "run", run)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["backends"]) == 0
    assert capsys.readouterr().err == "npfaceapi backends: a.jpg: too dark\n"
    assert warnings.showwarning is shown


@pytest.mark.skipif(os.name != "posix", reason="file descriptors of Windows are not looked into")
@pytest.mark.parametrize("closed", ["2>&-", "1>&- 2>&-", "2>/dev/full"])
def test_a_closed_standard_error_hinders_no_command(closed: str, tmp_path: Path) -> None:
    (tmp_path / "fax.tif").write_bytes(fax(1))
    command = f"{sys.executable} -m npfaceapi analyze --detector tiny --only detection --json {tmp_path}/out {tmp_path}/fax.tif"
    subprocess.run(["sh", "-c", f"exec {command} {closed}"], cwd=ROOT, capture_output=True, check=False)
    assert '"faces": []' in (tmp_path / "out").read_text()


@pytest.mark.skipif(os.name != "posix", reason="file descriptors of Windows are not looked into")
def test_threads_take_turns_with_standard_error(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(messages, "_owns_standard_error", True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PhotoWarning)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(load_image, [fax(1)] * 40))
    monkeypatch.undo()
    os.write(2, b"as before")
    assert capfd.readouterr().err.endswith("as before")
