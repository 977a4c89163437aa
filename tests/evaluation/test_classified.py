"""Known ages, genders and expressions: figures by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from npfaceapi.errors import InvalidArgument
from npfaceapi.evaluation import kept_results
from npfaceapi.evaluation.classified import (
    Classify,
    evaluate_expressions,
    evaluate_utkface,
    expected_calibration_error,
    figures_of_ages,
    figures_of_expressions,
)
from npfaceapi.faces.results import FACE_EXPRESSION_LABELS as LABELS


@pytest.fixture
def said(monkeypatch):
    """The network's result for a file, by its name."""
    answers = {}
    monkeypatch.setattr(Classify, "__call__", lambda self, path: answers[path.replace("\\", "/").rpartition("/")[2]])
    monkeypatch.setattr(kept_results, "usable_cpus", lambda: 1)
    return answers


def test_ages_by_hand():
    figures = figures_of_ages(
        np.array([2, 10, 30, 30]), np.array([True, False, True, True]),
        np.array([4.0, 9, 36, 20]), np.array([True, False, True, False]),
    )  # fmt: skip
    assert (figures["faces"], figures["age_mae"], figures["age_bias"], figures["gender_accuracy"]) == (4, 4.75, -0.75, 0.75)
    assert figures["age_mae_standard_error"] == pytest.approx(np.std([2, 1, 6, 10]) / 2)
    assert figures["bands"][0] | {"gender_interval": 0} == {
        "from": 0, "to": 3, "faces": 1, "mean_age": 2, "age_mae": 2, "age_mae_standard_error": 0, "age_bias": 2,
        "gender_accuracy": 1, "gender_interval": 0,
    }  # fmt: skip
    assert [band["faces"] for band in figures["bands"]] == [1, 0, 1, 0, 2, 0, 0, 0]
    assert figures["genders"]["female"]["gender_accuracy"] == pytest.approx(2 / 3)
    assert figures["genders"]["male"]["age_mae"] == 1


def test_utkface(tmp_path, said):
    names = {
        "1_0_3_20170109.jpg.chip.jpg": {"age": 3.0, "gender": "male", "probability": 1.0},
        "40_1_20170109.jpg.chip.jpg": {"age": 30.0, "gender": "male", "probability": 0.6},
        "50_1_0_2017.jpg": {},
        "60_0_0_2017.jpg": {"error": "60: expected an image"},
        "x_0_0_2017.jpg": {},
        "20_3_0_2017.jpg": {},
    }
    for name in names:
        (tmp_path / name).write_text("")
    said.update(names)
    figures = evaluate_utkface(tmp_path)
    assert (figures["faces"], figures["age_mae"], figures["gender_accuracy"]) == (2, 6, 0.5)
    counts = ("photos", "photos_without_face", "photos_unreadable", "photos_with_other_names")
    assert [figures[name] for name in counts] == [4, 1, 1, 2]
    assert figures["unreadable"] == ["60: expected an image"]


def test_utkface_that_is_none(tmp_path):
    (tmp_path / "a.jpg").write_text("")
    for folder, count in ((tmp_path, 1), (tmp_path / "nowhere", 0)):
        with pytest.raises(InvalidArgument, match=f"AGE_GENDER_RACE_TIME.jpg, got {count} photos with other names"):
            evaluate_utkface(folder)


def probabilities(seed, count=300):
    values = np.random.default_rng(seed).random((count, 7)) ** 4
    return values / values.sum(axis=1, keepdims=True)


@pytest.mark.slow
def test_expressions_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    p, label = probabilities(0), np.random.default_rng(1).integers(0, 7, 300)
    figures, said = figures_of_expressions(label, p), p.argmax(axis=1)
    assert figures["accuracy"] == metrics.accuracy_score(label, said)
    assert figures["mean_recall"] == pytest.approx(metrics.balanced_accuracy_score(label, said))
    np.testing.assert_array_equal(figures["confusion"], metrics.confusion_matrix(label, said))
    assert list(figures["recall"].values()) == pytest.approx(metrics.recall_score(label, said, average=None))


def test_calibration_against_a_loop():
    p = probabilities(2)
    right, confidence = np.random.default_rng(3).random(300) < 0.6, p.max(axis=1)
    expected = 0.0
    for k in range(15):
        inside = [i for i in range(300) if k / 15 < confidence[i] <= (k + 1) / 15]
        if inside:
            expected += len(inside) / 300 * abs(np.mean([right[i] for i in inside]) - np.mean([confidence[i] for i in inside]))
    assert expected_calibration_error(right, confidence) == pytest.approx(expected, abs=1e-12)
    assert expected > 0.05


def test_calibration_by_hand():
    assert expected_calibration_error(np.array([True, False]), np.array([0.51, 0.52])) == pytest.approx(0.015)
    assert expected_calibration_error(np.array([True, True]), np.array([1.0, 0.0])) == pytest.approx(0.5)


def test_expressions(tmp_path, said):
    def sure(name):
        return {label: 0.94 if label == name else 0.01 for label in LABELS}

    files = {
        "happy/1.jpg": sure("happy"), "Happiness/2.jpg": sure("sad"), "anger/3.jpg": sure("angry"), "sad/4.jpg": {},
        "sad/5.jpg": {"error": "5: expected an image"}, "contempt/6.jpg": {},
    }  # fmt: skip
    for file, answer in files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
        said[file.rpartition("/")[2]] = answer
    (tmp_path / "fear").mkdir()
    figures = evaluate_expressions(tmp_path)
    assert (figures["faces"], figures["accuracy"]) == (3, pytest.approx(2 / 3))
    assert (figures["photos"], figures["photos_without_face"], figures["photos_unreadable"]) == (5, 1, 1)
    assert figures["classes_without_photo"] == ["neutral", "fearful", "disgusted", "surprised"]
    assert figures["folders_of_no_class"] == ["contempt"]
    assert figures["recall"] == {"happy": 0.5, "angry": 1.0}


def test_expressions_that_are_none(tmp_path):
    (tmp_path / "contempt").mkdir()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InvalidArgument, match=r"expected a subfolder of photos for each of neutral, happy, .*, got none"):
            evaluate_expressions(folder)
    assert figures_of_expressions(np.array([], int), np.zeros((0, 7))) == {"faces": 0}
