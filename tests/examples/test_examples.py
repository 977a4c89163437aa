"""The programs in examples/: short, listed, and they write what they say; the gallery shows what they draw."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import npfaceapi as faceapi
from helpers import ASTRONAUT, ROOT
from helpers.pages import DOCS, load, problems_of

FOLDER = ROOT / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))
LISTED = (FOLDER / "README.md").read_text("utf-8")
BLUE, ORANGE = (0, 0, 255), (255, 165, 0)
FACE = (slice(73, 175), slice(181, 264))  # rows and columns of the detector's box


@pytest.fixture
def program(tmp_path, monkeypatch, capsys):
    """Runs a program in a folder of its own: what it prints, and its pictures as int arrays by name."""
    monkeypatch.chdir(tmp_path)

    def program(name, *arguments):
        monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        pictures = {path.stem: np.asarray(Image.open(path)).astype(int) for path in Path("out").glob("*.png")}
        return capsys.readouterr().out, pictures

    return program


@pytest.fixture(scope="module")
def photo():
    return faceapi.load_image(ASTRONAUT).astype(int)


def share(picture, color):
    """The share of pixels of a colour."""
    return (picture == color).all(axis=-1).mean()


def assert_drawn(picture, photo, left, top, right, bottom):
    """Pixels have changed between these edges, within 5 pixels, and nowhere else."""
    rows, columns = np.nonzero((picture != photo).any(axis=2))
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert np.abs(np.subtract(edges, (left, top, right, bottom))).max() <= 5, edges


def test_programs_are_short_listed_and_say_how_to_run_them():
    assert len(PROGRAMS) >= 12
    for path in PROGRAMS:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 40, path.name
        assert f"\npython examples/{path.name}" in text
        assert f"| [`{path.name}`]({path.name}) |" in LISTED
    assert sorted(re.findall(r"^\| \[`(\w+\.py)`\]", LISTED, re.MULTILINE)) == [path.name for path in PROGRAMS]
    assert problems_of(LISTED, FOLDER) == []
    assert "[examples/](examples)" in (ROOT / "README.md").read_text("utf-8")


def test_face_detection(program, photo):
    out, pictures = program("face_detection")
    assert out == "faces: 1\n"
    assert_drawn(pictures["face_detection"], photo, 180, 50, 265, 176)  # from the label above the box
    assert share(pictures["face_detection"][80:170, 180:183], BLUE) > 0.3


@pytest.mark.slow
def test_a_photo_of_ones_own(program, tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "black.png")
    others = {"displaying_results", "face_detection_options", "face_recognition", "loading_models", "matcher_as_json"}
    for name in {path.stem for path in PROGRAMS} - others:
        out, _ = program(name, tmp_path / "black.png")
        assert re.search(r"faces\b[^:]*: 0", out), name
    assert program("face_recognition", ASTRONAUT, tmp_path / "black.png")[0] == "faces: 0\n"
    with pytest.raises(SystemExit, match="expected a photo with a face, got one without"):
        program("matcher_as_json", tmp_path / "black.png")
    with pytest.raises(SystemExit, match="expected a face in the reference photo, got none"):
        program("face_recognition", tmp_path / "black.png", ASTRONAUT)


def test_face_landmark_detection(program, photo):
    out, pictures = program("face_landmark_detection")
    left, right = (np.array(eye.split(), float) for eye in re.findall(r"\[ ?([\d. ]+)\]", out))
    assert np.abs(left - (202, 101)).max() <= 3
    assert np.abs(right - (244, 103)).max() <= 3
    points = share(pictures["face_landmark_detection"][50:190, 160:290], (255, 0, 255)) * 140 * 130
    assert 68 * 4 < points < 68 * 16  # discs with a radius of 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("face_expression_recognition", r"faces: 1\nhappy: 1\.00\n"),
        ("age_and_gender_recognition", r"faces: 1\n3\d years, female \(0\.8\d\)\n"),
    ],
)
def test_text_is_written_below_the_box(program, photo, name, expected):
    out, pictures = program(name)
    assert re.fullmatch(expected, out)
    height, width = (22, 69) if "happy" in out else (36, 95)
    field = pictures[name][178 : 175 + height, 182 : 180 + width]
    before = photo[178 : 175 + height, 182 : 180 + width]
    assert (field != before).any(axis=2).mean() > 0.5  # darker
    assert share(field, (255, 255, 255)) > share(before, (255, 255, 255)) + 0.01  # white letters


@pytest.mark.slow
def test_face_recognition(program, photo):
    out, pictures = program("face_recognition")
    assert re.fullmatch(r"faces: 1\nperson 1 \(0\.1\d*\)\n", out)
    assert_drawn(pictures["face_recognition_reference"], photo, 180, 50, 265, 176)
    assert_drawn(pictures["face_recognition_query"], photo[:, ::-1], 241, 50, 344, 173)
    other = faceapi.fetch_image(ASTRONAUT).rotate(10)
    other.save("other.png")
    of_two, _ = program("face_recognition", ASTRONAUT, "other.png")
    assert of_two.startswith("faces: 1\nperson 1 (0.")
    of_one, drawn = program("face_recognition", "other.png")  # and its mirror image
    assert of_one != of_two
    assert np.array_equal(drawn["face_recognition_reference"][-50:], np.asarray(other)[-50:])


def test_face_extraction(program, photo):
    out, pictures = program("face_extraction")
    assert out == "faces cut out: 1; a region of 100x100 pixels\n"
    assert set(pictures) == {"face_1_box", "face_1_aligned", "face_1_upright"}
    assert np.abs(np.subtract(pictures["face_1_box"].shape[:2], (102, 83))).max() <= 2
    assert pictures["face_1_upright"].shape == (150, 150, 3)
    (box,) = faceapi.ssd_mobilenetv1(ASTRONAUT)
    left, top = int(box.box.x), int(box.box.y)
    height, width, _ = pictures["face_1_box"].shape
    assert np.array_equal(pictures["face_1_box"], photo[top : top + height, left : left + width])
    for name in ("face_1_aligned", "face_1_upright"):
        height, width, _ = pictures[name].shape
        eyes = faceapi.detect_face_landmarks(pictures[name].astype(np.uint8)).positions[36:48].mean(axis=0)
        assert np.abs(eyes / (width, height) - (0.5, 0.35)).max() < 0.12, name


def test_face_detection_options(program):
    out, pictures = program("face_detection_options")
    detectors = re.findall(r"^(\w+)Options \((\w+)\): scores \[([01]\.\d+)\]$", out, re.MULTILINE)
    assert [name for name, _, _ in detectors] == ["SsdMobilenetv1", "TinyFaceDetector", "Mtcnn"]
    face = pictures["face_detection_options"][50:200, 140:300]
    for color in (BLUE, (0, 128, 0), (255, 0, 0)):
        assert share(face, color) > 0.005, color


def test_mtcnn(program, photo):
    out, pictures = program("mtcnn")
    score, points = re.fullmatch(r"faces: 1\nscore ([\d.]+), eyes, nose and mouth at (.*)\n", out).groups()
    assert float(score) > 0.99
    x, y = np.array(json.loads(points)).T
    for column, row in zip(x.astype(int), y.astype(int), strict=True):
        assert share(pictures["mtcnn"][row - 1 : row + 2, column - 1 : column + 2], (255, 0, 255)) > 0.4


def test_displaying_results(program):
    out, pictures = program("displaying_results")
    assert out == "512x512 drawn as 384x384\n"
    picture = pictures["displaying_results"]
    assert picture.shape == (384, 384, 3)
    assert share(picture[60:125, 134:138], ORANGE) > 0.4  # the box at 3/4 of its place


def test_low_level_api(program):
    out, _ = program("low_level_api")
    assert "faces: 1 by ssd_mobilenetv1, 1 by tiny_face_detector\n" in out
    assert "descriptor: (128,), 0 from itself\nexpression: happy\nage: 32\n" in out
    assert float(re.search(r"landmarks: ([\d.]+) pixels", out)[1]) < 4


def test_matcher_as_json(program):
    out, _ = program("matcher_as_json")
    assert out == "<FaceMatcher: 1 labels, distance_threshold 0.6>\nperson 1 (0)\n"
    known = json.loads(Path("out/known.json").read_text("utf-8"))
    assert (known["distanceThreshold"], known["labeledDescriptors"][0]["label"]) == (0.6, "person 1")
    assert np.shape(known["labeledDescriptors"][0]["descriptors"]) == (1, 128)


def test_loading_models(program):
    out, _ = program("loading_models")
    assert out == "TinyFaceDetector: 19 arrays of parameters; faces: 1\n193,321 numbers, the same after loading: True\n"


def test_anonymize(program, photo):
    out, pictures = program("anonymize")
    assert out == "faces hidden: 1\n"
    assert set(pictures) == {"anonymize_solid", "anonymize_pixels", "anonymize_blur"}
    assert pictures["anonymize_solid"][FACE].max() == 0
    for picture in pictures.values():
        assert np.abs(picture[FACE] - photo[FACE]).mean() > 20
        assert np.array_equal(picture[250:], photo[250:])


# ------------------------------------------------------------------ the gallery


@pytest.fixture(scope="module")
def gallery():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        module = load(DOCS / "pictures" / "gallery.py", patch)
        yield module, module.gallery()


@pytest.mark.slow
def test_the_gallery_shows_what_the_programs_draw(gallery):
    module, sheet = gallery
    with Image.open(module.PICTURE) as committed:
        pair = [np.asarray(image.filter(ImageFilter.BoxBlur(2)), int) for image in (committed, sheet.finished())]
    assert pair[0].shape == pair[1].shape
    assert (np.abs(pair[0] - pair[1]).max(axis=2) > 24).mean() < 0.005
    assert module.PICTURE.stat().st_size < 200_000


@pytest.mark.slow
def test_the_readme_shows_the_gallery_and_says_what_is_in_it(gallery):
    (words,) = re.findall(r"!\[([^\]]+)\]\(docs/pictures/gallery\.jpg\)", (ROOT / "README.md").read_text("utf-8"))
    words = " ".join(words.split())
    for caption in gallery[1].told:
        assert caption in words
    assert "Nine pictures" in words
    assert len(gallery[1].told) == 9
