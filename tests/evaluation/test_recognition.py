"""The protocols of recognition, LFW and folders of people, on descriptors whose distances are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from npfaceapi.errors import InvalidArgument
from npfaceapi.evaluation import folders, kept_results, people
from npfaceapi.evaluation.folders import People, confused_pairs, evaluate_folders, figures_of_people, people_of
from npfaceapi.evaluation.kept_results import packed
from npfaceapi.evaluation.lfw import Pairs, evaluate_lfw, figures_of_pairs, photos_folder, read_pairs, submitted_roc
from npfaceapi.evaluation.people import Describe, DescribedPhotos, nearest_to_the_middle
from npfaceapi.faces.geometry import Rect
from npfaceapi.faces.results import FaceDetection, FaceResult


def at(x):
    """The stored result of a photo with its descriptor at x on a line."""
    return {"faces": 1, "descriptor": packed([x] + [0] * 127)}


NO_FACE, UNREADABLE = {"faces": 0}, {"error": "bad.jpg: expected an image"}


@pytest.fixture
def on_a_line(monkeypatch):
    """Photos are text files: a number, or nothing for no face."""

    def describe(self, path):
        with open(path) as file:
            text = file.read()
        return UNREADABLE if text == "bad" else at(float(text)) if text else NO_FACE

    monkeypatch.setattr(Describe, "__call__", describe)
    monkeypatch.setattr(kept_results, "usable_cpus", lambda: 1)


def write(folder, photos):
    for name, text in photos.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(str(text))


# ------------------------------------------------------------------ LFW


PAIRS = "2\t2\nA\t1\t2\nA\t1\t3\nA\t1\tB\t1\nA\t2\tB\t1\nC\t1\t2\nC\t1\t3\nC\t1\tB\t1\nA\t3\tC\t3\n"
LFW = {
    "A/A_0001.jpg": 0.0, "A/A_0002.jpg": 0.3, "A/A_0003.jpg": 0.4, "B/B_0001.jpg": 1.0,
    "C/C_0001.jpg": 2.0, "C/C_0002.jpg": 2.2, "C/C_0003.jpg": "",
}  # fmt: skip


@pytest.fixture
def lfw(tmp_path):
    write(tmp_path / "images_deepfunneled", LFW)
    (tmp_path / "pairs.txt").write_text(PAIRS)
    return tmp_path


def test_lfw_by_hand(lfw, on_a_line):
    """Same: 0.3, 0.4; 0.2, inf.  Different: 1.0, 0.7; 1.0, inf."""
    figures, pairs, _ = evaluate_lfw(lfw, Describe())
    assert pairs.is_same.tolist() == [True, True, False, False] * 2
    assert pairs.fold.tolist() == [0] * 4 + [1] * 4
    assert figures["accuracy_of_folds"] == [1.0, 0.75]  # at 0.6 and at 0.55
    assert figures["accuracy"] == 0.875
    assert figures["accuracy_standard_error"] == 0.125
    assert (figures["accuracy_found"], figures["pairs"], figures["pairs_found"]) == (1, 8, 6)
    assert figures["threshold"] == pytest.approx(0.55)
    assert figures["auc"] == (3 * 4 + 0.5) / 16
    assert figures["fnmr"] == []  # four pairs are too few for 1 in 100
    assert (figures["photos"], figures["photos_without_face"], figures["photos_unreadable"]) == (7, 1, 0)


def test_lfw_with_a_photo_that_cannot_be_read(lfw, on_a_line):
    write(lfw / "images_deepfunneled", {"C/C_0002.jpg": "bad"})
    figures, *_ = evaluate_lfw(lfw, Describe())
    assert (figures["photos_without_face"], figures["photos_unreadable"]) == (1, 1)
    assert figures["unreadable"] == ["bad.jpg: expected an image"]
    assert figures["pairs_found"] == 5


def test_view_1_is_two_folds(lfw, on_a_line):
    (lfw / "pairsDevTrain.txt").write_text("2\n" + "\n".join(PAIRS.split("\n")[1:5]))
    (lfw / "pairsDevTest.txt").write_text("1\nC\t1\t2\nC\t1\tB\t1\n")
    figures, pairs, _ = evaluate_lfw(lfw, Describe(), view=1)
    assert pairs.fold.tolist() == [0] * 4 + [1] * 2
    assert (figures["accuracy"], figures["photos"]) == (1, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the number of folds and of pairs in the first line, got ''"),
        ("ten 300\n", "expected the number of folds and of pairs in the first line, got 'ten 300'"),
        ("1 2\nA 1 2\n", "expected 4 pairs, as its first line says, got 1"),
        ("1 1\nA 1 2\nA 1 2\n", "line 3: expected NAME N NAME N, got 'A 1 2'"),
        ("1 1\nA 1 B 1\nA 1 B 1\n", "line 2: expected NAME N N, got 'A 1 B 1'"),
        ("1 1\nA 1 9\nA 1 B 1\n", r"line 2: expected an existing photo, got .*A_0009\.jpg"),
        ("1 1\nA 1 x\nA 1 B 1\n", r"line 2: expected an existing photo, got .*A_000x\.jpg"),
        ("1 1\nA 1 2\nA 1 D 1\n", r"line 3: expected an existing photo, got .*D_0001\.jpg"),
    ],
)
def test_bad_pairs(lfw, text, message):
    (lfw / "pairs.txt").write_text(text)
    with pytest.raises(InvalidArgument, match=message):
        read_pairs(lfw / "pairs.txt", lfw / "images_deepfunneled")


def test_half_of_lfw(lfw, tmp_path):
    with pytest.raises(InvalidArgument, match=r"pairsDevTrain\.txt: expected the pairs of LFW, got: No such file"):
        evaluate_lfw(lfw, Describe(), view=1)
    with pytest.raises(InvalidArgument, match=r"expected the photos of LFW in a folder images_deepfunneled, .*, got none of"):
        photos_folder(lfw / "images_deepfunneled")


def test_pairs_none_of_which_has_faces():
    pairs = Pairs([("a", "b"), ("a", "c")] * 2, np.array([True, False] * 2), np.array([0, 0, 1, 1]))
    figures = figures_of_pairs(pairs, DescribedPhotos(dict.fromkeys("abc", NO_FACE)))
    assert (figures["accuracy"], figures["pairs_found"]) == (0.5, 0)
    assert math.isnan(figures["accuracy_found"])


def test_misses_at_rates_that_the_pairs_can_tell():
    names = [f"{k:03}" for k in range(201)]
    described = DescribedPhotos({name: at(int(name) / 100) for name in names})
    photos = [(names[0], name) for name in names[1:]]
    is_same = np.arange(200) % 2 == 0  # distances 0.01, 0.03, ... of one person, 0.02, 0.04, ... of two
    figures = figures_of_pairs(Pairs(photos, is_same, np.arange(200) // 100), described)
    (row,) = figures["fnmr"]
    assert (row["fmr"], row["fnmr"]) == (0.01, 0.98)
    assert row["threshold"] == pytest.approx(0.03)
    assert row["interval"][0] <= 0.98 <= row["interval"][1]


def test_the_submitted_curve(tmp_path):
    assert submitted_roc(tmp_path) is None
    write(tmp_path, {"roc-files/dlib_LFW_roc_curve.txt": "0.5 0\n1 0.25\n"})
    fmr, tmr = submitted_roc(tmp_path)
    assert (fmr.tolist(), tmr.tolist()) == ([0, 0.25], [0.5, 1])
    write(tmp_path, {"roc-files/dlib_LFW_roc_curve.txt": "<html>"})
    assert submitted_roc(tmp_path) is None


def test_the_face_nearest_to_the_middle():
    faces = [FaceResult(FaceDetection(0.9, Rect(x, 0.4, 0.2, 0.2), (100, 100))) for x in (0.0, 0.35, 0.8)]
    assert nearest_to_the_middle(faces, 100, 100) is faces[1]
    assert nearest_to_the_middle([], 100, 100) is None


def test_distances_are_euclidean_and_infinite_without_a_face():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 128)).astype(np.float32)
    described = DescribedPhotos({"a": {"descriptor": packed(a)}, "b": {"descriptor": packed(b)}, "c": NO_FACE})
    near, none = described.distances([("a", "b"), ("a", "c")])
    assert near == pytest.approx(np.sqrt(((a.astype(float) - b) ** 2).sum()), abs=1e-12)
    assert none == np.inf


# ------------------------------------------------------------------ folders of people


@pytest.fixture
def known(tmp_path):
    """Anna's nearest photo is Ben's, and Dan's is Carl's."""
    write(tmp_path, {"Anna/1.jpg": 0.0, "Anna/2.jpg": 1.0, "Ben/1.jpg": 0.875, "Ben/2.jpg": 0.8125})
    write(tmp_path, {"Carl/1.jpg": 5.0, "Carl/2.jpg": "", "Dan/1.jpg": 5.5})
    return tmp_path


def test_folders_by_hand(known, on_a_line):
    (known / "Eve").mkdir()
    write(known, {"Flo/1.jpg": "", "Gil/1.jpg": "bad"})
    figures, _ = evaluate_folders(known, Describe())
    assert (figures["pairs_same"], figures["pairs_different"]) == (2, 13)
    # same: 1, 1/16; different: 14/16, 13/16, 2/16, 3/16 of Anna and Ben, 1/2 of Carl and Dan, eight beyond 3
    assert figures["auc"] == (8 + 13) / 26
    assert figures["rank_1"] | {"interval": None} == {"probes": 4, "right": 2, "share": 0.5, "interval": None}
    assert figures["open_set"] == []
    counts = ("people", "people_without_photo", "people_with_one_photo", "people_without_face", "photos")
    assert [figures[name] for name in counts] == [7, 1, 3, 2, 9]
    assert (figures["photos_without_face"], figures["photos_unreadable"]) == (2, 1)


def test_the_nearest_of_different_people(known, on_a_line):
    _, found = evaluate_folders(known, Describe())
    nearest = confused_pairs(found)
    names = [tuple(path.replace("\\", "/").split("/")[-2] for path in pair[:2]) for pair in nearest[:3]]
    assert names == [("Anna", "Ben"), ("Anna", "Ben"), ("Carl", "Dan")]
    np.testing.assert_allclose([d for *_, d in nearest[:3]], [0.125, 0.1875, 0.5])
    assert len(nearest) == 12


def test_open_set_identification_by_hand():
    """Ten people at 0, 10, ..., 90, their other photos 1 off (one is 3 off), and ten strangers 2, 2.1, ..., 2.9 off.

    At an FPIR of 0.1 one stranger is taken for somebody known.
    """
    x = np.array([10 * k + off for k in range(10) for off in (0, 1 if k else 3, 2 + k / 10)])
    person = np.array([2 * k + stranger for k in range(10) for stranger in (0, 0, 1)])
    found = People([str(k) for k in range(30)], person, np.abs(x[:, np.newaxis] - x))
    (row,) = figures_of_people(found)["open_set"]  # ten unknown people are too few for 0.01
    assert (row["fpir"], row["enrolled"], row["probes"], row["strangers"]) == (0.1, 10, 10, 10)
    assert row["fnir"] == 0.1  # the one that is 3 off
    assert 2.0 < row["threshold"] < 2.1
    distances = np.abs(x[2::3, np.newaxis] - x[::3]).min(axis=1)
    assert (distances <= row["threshold"]).mean() == 0.1


def test_closed_set_against_a_loop():
    rng = np.random.default_rng(1)
    person, x = rng.integers(0, 12, 40), rng.random((40, 2))
    person = np.unique(person, return_inverse=True)[1]
    d = np.linalg.norm(x[:, np.newaxis] - x, axis=2)
    right = probes = 0
    for i in range(40):
        others = [j for j in range(40) if j != i]
        if any(person[j] == person[i] for j in others):
            probes += 1
            right += person[min(others, key=lambda j, i=i: d[i, j])] == person[i]
    figures = figures_of_people(People([str(k) for k in range(40)], person, d))["rank_1"]
    assert (figures["probes"], figures["right"]) == (probes, right)
    assert 0 < right < probes


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        ({}, "expected two people or more, one of them with two photos, got 0 subfolders with photos"),
        ({"a/1.jpg": 1, "a/2.jpg": 2}, "got 1 subfolders with photos"),
        ({"a/1.jpg": 1, "b/2.jpg": 2, "c/text.txt": 2}, "got 2 subfolders with photos"),
    ],
)
def test_folders_that_are_none(tmp_path, photos, message):
    write(tmp_path, photos)
    with pytest.raises(InvalidArgument, match=message):
        people_of(tmp_path)
    with pytest.raises(InvalidArgument, match="expected a folder with a subfolder for each person, got no folder"):
        people_of(tmp_path / "nowhere")


def test_nobody_has_two_photos_with_a_face(tmp_path, on_a_line):
    write(tmp_path, {"a/1.jpg": 1, "a/2.jpg": "", "b/1.jpg": 2})
    with pytest.raises(InvalidArgument, match="expected two photos with a face of one person, got none"):
        evaluate_folders(tmp_path, Describe())


def test_too_many_photos(known, on_a_line, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 5)
    with pytest.raises(InvalidArgument, match="expected at most 5 photos with a face, got 6: take some of the people"):
        evaluate_folders(known, Describe())


def test_a_description_is_kept_by_how_it_is_made():
    assert len({repr(Describe(alignment=a, average_mirror=m)) for a in ("face-api", "dlib") for m in (False, True)}) == 4
    assert people.Describe().options.min_confidence == 0.5
