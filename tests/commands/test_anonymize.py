"""`npfaceapi anonymize`: hidden faces, no metadata, and no photo lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from helpers import ASTRONAUT
from npfaceapi.commands import anonymize
from npfaceapi.draw import hiding

TINY = ("--detector", "tiny")
SECRET = "SECRET"


@pytest.fixture(scope="module")
def face():
    with Image.open(ASTRONAUT) as image:
        return image.convert("RGB").crop((120, 0, 320, 200))


@pytest.fixture
def place(tmp_path, monkeypatch, face):
    """The current folder, with photos full of metadata: one upside down by EXIF, one PNG, one without a face; and a text file."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 3, f"{SECRET} camera"
    exif.get_ifd(0x8825)[29] = f"{SECRET} date of a position"
    profile = SECRET.encode() * 9
    face.rotate(180).save(folder / "a.jpg", quality=95, exif=exif, icc_profile=profile, comment=SECRET, xmp=SECRET.encode())
    info = PngInfo()
    info.add_text("Author", SECRET)
    info.add_itxt("XML:com.adobe.xmp", SECRET)
    face.save(folder / "a.png", pnginfo=info, exif=exif_of(SECRET), icc_profile=profile)
    Image.new("RGB", (60, 40), "red").save(folder / "empty.gif", comment=SECRET)
    (folder / "text.png").write_text("no image")
    return tmp_path


def exif_of(text):
    exif = Image.Exif()
    exif[0x0110] = text
    return exif


def opened(path):
    with Image.open(path) as image:
        image.load()
    return image


def test_faces_are_hidden_and_metadata_is_gone(run, place, face):
    assert all(SECRET.encode() in path.read_bytes() for path in (place / "photos").iterdir() if path.name != "text.png")
    status, out, err = run("anonymize", *TINY, "photos", "--out", "out")
    assert status == 1  # the text file
    assert out.splitlines() == [
        "photos/a.jpg: 1 face hidden, written to out/a.jpg",
        "photos/a.png: 1 face hidden, written to out/a.png",
        "photos/empty.gif: 0 faces hidden, written to out/empty.png",
        "3 photos written: 2 faces hidden in 2, no face in 1",
    ]
    assert err.splitlines() == [
        "npfaceapi: photos/text.png: expected an image file (JPEG, PNG, WebP, GIF, TIFF, BMP, ...), got something else"
    ]
    written = sorted(Path("out").iterdir())
    assert [path.name for path in written] == ["a.jpg", "a.png", "empty.png"]
    for path in written:
        assert SECRET.encode() not in path.read_bytes()
        image = opened(path)
        kept = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "comment", "Comment"}
        assert set(image.info) <= kept
        comment = image.info.get("comment", image.info.get("Comment"))
        assert comment in (b"anonymized by npfaceapi", "anonymized by npfaceapi")
        assert not image.getexif()
    for name, tolerance in (("a.jpg", 40), ("a.png", 0)):  # upright, and the same outside of the face
        pixels, expected = np.asarray(opened(f"out/{name}")).astype(int), np.asarray(face).astype(int)
        assert np.abs(pixels - expected)[:20].max() <= tolerance
        assert pixels[70:140, 80:130].max() <= 2  # the face
    assert opened("out/empty.png").getpixel((30, 20)) == (255, 0, 0)


def test_the_ways_are_those_of_the_function():
    assert anonymize.WAYS == hiding.WAYS


@pytest.mark.parametrize("how", ["pixels", "blur"])
def test_other_ways_to_hide(run, place, face, how):
    assert run("anonymize", *TINY, "photos/a.png", "--out", "out", "--how", how)[0] == 0
    pixels, before = np.asarray(opened("out/a.png")).astype(int), np.asarray(face).astype(int)
    assert pixels[70:140, 80:130].min() > 0
    steps, steps_before = (np.abs(np.diff(image[70:140, 80:130], axis=1)).mean() for image in (pixels, before))
    assert steps < steps_before / 3


def test_no_input_is_replaced(run, place):
    before = {path: path.read_bytes() for path in Path("photos").iterdir()}
    for more in ((), ("--overwrite",)):
        for out in ("photos", "./photos", "link"):
            if out == "link" and not Path(out).exists():
                Path("link").symlink_to("photos", target_is_directory=True)
            status, text, err = run("anonymize", *TINY, "photos/a.jpg", "photos/empty.gif", "--out", out, *more)
            assert (status, text) == (1, "0 photos written: 0 faces hidden in 0, no face in 0\n")
            assert "expected a file that is not an input" in err.splitlines()[0]
            assert "expected --out to name another folder than the photo's own" in err.splitlines()[1]
    Path("other").mkdir()
    Path("other/a.jpg").hardlink_to("photos/a.jpg")
    assert run("anonymize", *TINY, "photos/a.jpg", "--out", "other", "--overwrite")[0] == 1
    assert {path: path.read_bytes() for path in Path("photos").iterdir()} == before


def test_only_an_earlier_output_is_replaced(run, place):
    Path("out").mkdir()
    shutil.copy("photos/a.png", "out/a.jpg")
    status, _, err = run("anonymize", *TINY, "photos/a.jpg", "--out", "out")
    assert status == 1
    assert "--out out/a.jpg: expected a new file or an earlier output of this kind, got another file: --overwrite" in err
    assert run("anonymize", *TINY, "photos/a.jpg", "--out", "out", "--overwrite")[0] == 0
    for photo in ("photos/a.jpg", "photos/a.png"):
        for _ in range(2):  # its own output the second time
            assert run("anonymize", *TINY, photo, "--out", "out")[0] == 0


def test_outputs_below_the_photos_are_not_read_again(run, place):
    Path("photos/text.png").unlink()
    first = run("anonymize", *TINY, "photos", "--out", "photos/out")
    assert first[::2] == (0, "")
    again = run("anonymize", *TINY, "photos", "--out", "photos/out")
    assert again == (0, first[1], "npfaceapi: photos/out: left out 3 in the folder of outputs\n")


@pytest.mark.parametrize(
    ("name", "output"),
    [("x.JPG", "x.jpg"), ("x.webp", "x.jpg"), ("x.tiff", "x.png"), ("x.bmp", "x.png"), ("no ending", "no ending.png")],
)
def test_formats_that_lose_detail_become_jpeg_and_others_png(run, place, name, output):
    kinds = {"x.JPG": "JPEG", "x.webp": "WEBP", "x.tiff": "TIFF", "x.bmp": "BMP"}
    Image.new("RGB", (60, 40)).save(name, kinds.get(name, "PNG"))
    assert run("anonymize", *TINY, name, "--out", "out")[0] == 0
    assert opened(f"out/{output}").format == ("JPEG" if output.endswith("jpg") else "PNG")


def test_wrong_usage(run, place):
    status, _, err = run("anonymize", "photos/a.jpg")
    assert (status, err.splitlines()[-1]) == (2, "npfaceapi anonymize: error: the following arguments are required: --out")
    status, _, err = run("anonymize", "photos/a.jpg", "--out", "out", "--how", "black")
    assert status == 2
    assert "argument --how: invalid choice: 'black'" in err
    Path("text").write_text("")
    status, _, err = run("anonymize", "photos/a.jpg", "--out", "photos/text.png")
    assert status == 2
    assert "--out photos/text.png: expected a new file or an earlier output of this kind, got another file" in err
    status, _, err = run("anonymize", "photos/a.jpg", "--out", "text")
    assert (status, err) == (2, "npfaceapi anonymize: --out text: expected a folder to write to, got: File exists\n")
    status, _, err = run("anonymize", "photos/nothing.jpg", "--out", "out")
    assert (status, err) == (1, "npfaceapi: photos/nothing.jpg: expected an image file, got no such file\n")
