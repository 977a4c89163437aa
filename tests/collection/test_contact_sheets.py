"""Pages of groups: every picture is there, nobody alone has a page, and a checker of accessibility finds nothing."""

from __future__ import annotations

import os
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from helpers import axe
from helpers.headless_browser import MISSING, Browser
from helpers.page_parser import Page
from helpers.photo_files import face, remember_faces
from npfaceapi import FaceIndex, TinyFaceDetectorOptions
from npfaceapi.errors import InvalidArgument

FAST = TinyFaceDetectorOptions(input_size=128)


@pytest.fixture
def photos(tmp_path):
    """Three photos of one face and one, mirrored, that a cut of 0.2 leaves alone."""
    folder = tmp_path / "photos"
    for name, side in (("a", 256), ("b <i>&amp;", 250), ("c", 244)):
        face(folder / f"{name}.png", side)
    face(folder / "d.png", mirrored=True)
    return folder


@pytest.fixture
def index(tmp_path, photos, monkeypatch):
    remember_faces(monkeypatch)
    with FaceIndex(tmp_path / "faces.index", FAST) as opened:
        opened.add(photos, workers=1)
        with opened._database.transaction() as connection:  # the last one is somebody else
            ((number,),) = connection.execute(
                "SELECT faces.id FROM faces JOIN photos ON photos.id = photo WHERE path LIKE '%d.png'"
            )
            far = np.full(128, 0.3, "<f4").tobytes()
            connection.execute("UPDATE faces SET descriptor = ? WHERE id = ?", (far, number))
        yield opened


def pages_of(folder):
    """Each page that index.html leads to, and itself; every link and picture exists."""
    found, waiting = {}, ["index.html"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = page = Page((folder / name).read_text("utf-8"))
        waiting += [unquote(link["href"]) for link in page.all("a")]
        for image in page.all("img"):
            with Image.open(folder / unquote(image["src"])) as picture:
                assert (picture.size, picture.format) == ((112, 112), "JPEG")
    return found


def picture(folder, face):
    (found,) = (folder / "faces").glob(f"{face}-*.jpg")
    return found


def test_pages_and_pictures(index, tmp_path):
    index.name(index.groups()[0].number, "Ann <b>&")
    seen = []
    assert index.contact_sheets(tmp_path / "out", progress=lambda done, total: seen.append((done, total))) == 0
    pages = pages_of(tmp_path / "out")
    assert sorted(pages) == ["group-1.html", "index.html"]
    assert "Ann <b>&" in pages["index.html"].text
    assert "3 faces" in pages["index.html"].text
    assert "Ann <b>&" in pages["group-1.html"].text
    assert [image["alt"] for image in pages["group-1.html"].all("img")] == [
        "Face 1 of a.png", "Face 2 of b <i>&amp;.png", "Face 3 of c.png",
    ]  # fmt: skip
    assert not pages["group-1.html"].all("script")
    assert not pages["group-1.html"].all("i")
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [name.partition("-")[0] for name in sorted(os.listdir(tmp_path / "out" / "faces"))] == ["1", "2", "3"]


def test_a_group_of_one_has_a_page_only_if_asked_for(index, tmp_path):
    index.contact_sheets(tmp_path / "two")
    index.contact_sheets(tmp_path / "one", smallest=1)
    index.contact_sheets(tmp_path / "four", smallest=4)
    found = [sorted(pages_of(tmp_path / name)) for name in ("two", "one", "four")]
    assert found == [["group-1.html", "index.html"], ["group-1.html", "group-2.html", "index.html"], ["index.html"]]


def test_a_face_is_where_its_box_is(index, photos, tmp_path):
    """In the middle of the picture, with a quarter of its side around it."""
    index.contact_sheets(tmp_path / "out")
    ((x, y, width, height),) = index._database.rows("SELECT x, y, width, height FROM faces WHERE id = 1")
    side = max(width, height) * 1.5
    corner = [round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)]
    box = (*corner, round(x + width / 2 + side / 2), round(y + height / 2 + side / 2))
    with Image.open(photos / "a.png") as photo, Image.open(picture(tmp_path / "out", 1)) as cut:
        wanted = photo.convert("RGB").crop(box).resize((112, 112), Image.Resampling.LANCZOS)
        difference = np.abs(np.asarray(wanted, np.float32) - np.asarray(cut, np.float32))
    assert difference.mean() < 6


def test_a_photo_that_is_gone_is_counted_and_has_no_broken_picture(index, photos, tmp_path):
    (photos / "a.png").unlink()
    assert index.contact_sheets(tmp_path / "out") == 1
    pages = pages_of(tmp_path / "out")
    assert len(pages["group-1.html"].all("img")) == 2
    assert "a.png" in pages["group-1.html"].text
    index.contact_sheets(tmp_path / "out")
    face(photos / "a.png")
    assert index.contact_sheets(tmp_path / "out") == 0
    assert len(pages_of(tmp_path / "out")["group-1.html"].all("img")) == 3


def test_all_photos_are_gone(index, photos, tmp_path):
    shutil.rmtree(photos)
    assert index.contact_sheets(tmp_path / "out") == 3
    assert sorted(pages_of(tmp_path / "out")) == ["group-1.html", "index.html"]


def test_faces_are_cut_out_once(index, photos, tmp_path):
    index.contact_sheets(tmp_path / "out")
    before = {name: os.stat(tmp_path / "out" / "faces" / name).st_mtime_ns for name in os.listdir(tmp_path / "out" / "faces")}
    shutil.rmtree(photos)
    assert index.contact_sheets(tmp_path / "out") == 0
    assert {name: os.stat(tmp_path / "out" / "faces" / name).st_mtime_ns for name in before} == before


def test_a_face_of_another_index_with_the_same_number_is_not_shown(index, tmp_path):
    face(tmp_path / "other" / "z.png", 200, mirrored=True)
    with FaceIndex(tmp_path / "other.index", FAST) as other:
        other.add(tmp_path / "other", workers=1)
        other.contact_sheets(tmp_path / "out", smallest=1)
        other.contact_sheets(tmp_path / "alone", smallest=1)
    index.contact_sheets(tmp_path / "out")
    (shown,) = (image["src"] for image in pages_of(tmp_path / "out")["group-1.html"].all("img") if "Face 1 " in image["alt"])
    assert (tmp_path / "out" / shown).read_bytes() != picture(tmp_path / "alone", 1).read_bytes()


def test_a_rotated_photo_is_shown_upright(tmp_path, monkeypatch):
    remember_faces(monkeypatch)
    face(tmp_path / "photos" / "up.png")
    with Image.open(tmp_path / "photos" / "up.png") as photo:
        photo.rotate(180).save(tmp_path / "photos" / "down.png")
    with FaceIndex(tmp_path / "faces.index", FAST, any_rotation=True) as index:
        index.add(tmp_path / "photos", workers=1)
        index.contact_sheets(tmp_path / "out", smallest=1)
    with Image.open(picture(tmp_path / "out", 1)) as down, Image.open(picture(tmp_path / "out", 2)) as up:
        assert np.abs(np.asarray(down, np.float32) - np.asarray(up, np.float32)).mean() < 12


def test_no_group(tmp_path):
    with FaceIndex(tmp_path / "faces.index") as index:
        assert index.contact_sheets(tmp_path / "out") == 0
    assert list(pages_of(tmp_path / "out")) == ["index.html"]


def test_a_file_in_the_place_of_the_folder(index, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InvalidArgument) as caught:
        index.contact_sheets(tmp_path / "out")
    assert str(caught.value) == f"{tmp_path / 'out'}: expected a folder to write to, got: Not a directory"


@pytest.mark.slow
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_axe_finds_nothing(index, photos, tmp_path, tmp_path_factory):
    checker = axe.source(tmp_path_factory.mktemp("axe"))
    index.contact_sheets(tmp_path / "out", smallest=1)
    (photos / "a.png").unlink()
    index.contact_sheets(tmp_path / "gone")
    with Browser() as browser:
        for folder in ("out", "gone"):
            for name in pages_of(tmp_path / folder):
                for is_dark in (False, True):
                    browser.open(tmp_path / folder / name)
                    browser.dark(is_dark)
                    assert axe.violations(browser, checker) == []
                    assert browser.complaints() == []
