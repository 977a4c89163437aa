"""The scripts of `.ci/measure` on synthetic data with known answers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers import ASTRONAUT, ROOT
from npfaceapi.faces.pose import MEAN_FACE_3D, MIRRORED
from npfaceapi.networks.options import TinyFaceDetectorOptions
from npfaceapi.tasks import detect_single_face


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0.5, 1.0, 1.5])
def test_the_mean_face_of_turned_heads_is_found(depth: float) -> None:
    """Heads of known depth with varying shape and expression, turned, tilted and scaled, with noise."""
    random = np.random.default_rng(0)
    true = MEAN_FACE_3D * (1, 1, depth)
    faces = []
    for yaw, pitch, roll in random.normal(0, (14, 8, 4), (2000, 3)):
        change = random.normal(0, 0.03, (68, 3)).round(6)
        change = (change + change[MIRRORED] * (-1, 1, 1)) / 2  # symmetric, as faces and most expressions are
        shape = (true + change) * random.normal(1, 0.04, 3)
        turned = Rotation.from_euler("yxz", [-yaw, -pitch, roll], degrees=True).apply(shape)[:, :2]
        faces.append(turned * random.uniform(50, 200) + random.normal(0, 0.3, (68, 2)) + 100)
    found, error = script("mean_face").derived(np.array(faces))
    difference = found - found.mean(axis=0) - (true - true.mean(axis=0))
    assert np.abs(difference[:, :2]).max() < 0.02
    assert np.abs(difference[:, 2]).max() < 3 * error * np.ptp(true[:, 2]) + 0.02
    assert error < 0.1


def test_the_discard_curve_by_hand() -> None:
    """20 faces, ten pairs; the two missed pairs contain the worst faces, or the best."""
    pairs = [(f"{i}a", f"{i}b") for i in range(10)]
    missed = np.array([False] * 8 + [True] * 2)
    doubt = {name: float(i) for i, pair in enumerate(pairs) for name in pair}
    curve = script("quality").discard_curve(doubt, pairs, missed)
    assert [(row["discarded"], row["pairs"], row["fnmr"]) for row in curve] == [
        (0.01, 10, 0.2), (0.02, 10, 0.2), (0.05, 9, 1 / 9), (0.1, 9, 1 / 9), (0.2, 8, 0.0),
    ]  # fmt: skip
    assert curve[2]["change"] == pytest.approx(1 / 9 - 0.2)
    assert curve[2]["interval"][0] <= curve[2]["change"] <= curve[2]["interval"][1]
    worse = script("quality").discard_curve({name: -value for name, value in doubt.items()}, pairs, missed)
    assert worse[-1]["fnmr"] == 0.25


def test_the_threshold_against_all_pairs_one_by_one() -> None:
    random = np.random.default_rng(1)
    descriptors = {f"{person}/{i}.jpg": random.normal(size=8).astype(np.float32) for person in range(20) for i in range(4)}
    threshold = script("quality").threshold_of_strangers(descriptors)
    items = list(descriptors.items())
    distances = [
        np.linalg.norm(a.astype(float) - b)
        for i, (one, a) in enumerate(items)
        for other, b in items[:i]
        if one.split("/")[0] != other.split("/")[0]
    ]
    assert (
        np.mean(np.array(distances) < threshold * (1 - 1e-6))
        <= 1e-3
        < np.mean(np.array(distances) <= threshold * (1 + 1e-6)) + 1e-3
    )


def test_the_error_of_points_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Points moved to the right by a tenth of the distance between the eyes have an error of a tenth."""
    face = detect_single_face(ASTRONAUT, TinyFaceDetectorOptions(320, 0.1)).with_face_landmarks().run()
    points = face.landmarks.positions.astype(float)
    eyes = np.linalg.norm(points[36] - points[45])
    rows = "\n".join(f"{x + 1 + eyes / 10:.4f} {y + 1:.4f}" for x, y in points)
    (tmp_path / "one.pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")
    shutil.copy(ASTRONAUT, tmp_path / "one.png")
    out = tmp_path / "errors.json"
    monkeypatch.setattr(sys, "argv", ["landmarks.py", str(tmp_path), "--json", str(out)])
    script("landmarks").main()
    errors = json.loads(out.read_text())
    assert errors["tiny at 320, 68 points"]["one"] == pytest.approx(0.1, abs=1e-3)
    assert 0.05 < errors["ssd, 68 points"]["one"] < 0.2
    assert "of 1 of 1 faces" in capsys.readouterr().out


def naive_figures(person: np.ndarray, label: np.ndarray) -> list[float]:
    """B-cubed precision and recall, and the shares of merged groups and of faces in them, face by face."""
    n = len(person)
    together = [[i == j or (label[i] >= 0 and label[i] == label[j]) for j in range(n)] for i in range(n)]
    same = [[person[i] == person[j] for j in range(n)] for i in range(n)]
    both = [sum(t and s for t, s in zip(*rows, strict=True)) for rows in zip(together, same, strict=True)]
    precision = sum(count / sum(row) for count, row in zip(both, together, strict=True)) / n
    recall = sum(count / sum(row) for count, row in zip(both, same, strict=True)) / n
    mixed = [count < sum(row) for count, row in zip(both, together, strict=True)]
    groups = {tuple(row): is_mixed for row, is_mixed in zip(together, mixed, strict=True) if sum(row) > 1}
    return [precision, recall, sum(groups.values()) / len(groups), sum(mixed) / n]


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_of_groups_against_loops_and_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    person = random.integers(0, 12, 60)
    label = np.where(random.random(60) < 0.7, person, random.integers(-1, 15, 60))
    found = script("groups").scores(person, label)
    expected = naive_figures(person, label)
    assert [found[key] for key in ("b3_precision", "b3_recall", "merged", "faces_merged")] == pytest.approx(expected)
    assert found["b3_f"] == pytest.approx(2 / (1 / expected[0] + 1 / expected[1]))
    alone = np.where(label < 0, 100 + np.arange(60), label)
    (_, only_grouped), (only_same, both) = metrics.pair_confusion_matrix(person, alone)
    assert found["precision"] == pytest.approx(both / (both + only_grouped))
    assert found["recall"] == pytest.approx(both / (both + only_same))
    assert found["groups"] == len(set(alone))


def people_apart(people: int, faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of people who are easy to tell apart, and whose each is."""
    random = np.random.default_rng(2)
    means = random.normal(0, 0.1, (people, 128))
    person = np.repeat(np.arange(people), faces)
    return (means[person] + random.normal(0, 0.02, (len(person), 128))).astype(np.float32), person


def test_a_setting_is_chosen_on_one_half_and_judged_on_the_other() -> None:
    """A method that is right on a half with one setting, and puts all together on it with the other."""
    descriptors, person = people_apart(6, 3)
    half = person % 2

    def method(rows: np.ndarray, settings: list[dict[str, int]]) -> list[np.ndarray]:
        [own] = {half[np.flatnonzero((descriptors == row).all(axis=1))[0]] for row in rows}
        return [person[half == own] if setting["right on"] == own else np.zeros(len(rows), int) for setting in settings]

    settings = [{"right on": 1}, {"right on": 0}]
    found = script("groups").judged_on_halves(method, settings, descriptors, person, half)
    assert found["chosen"] == [{"right on": 0}, {"right on": 1}]
    assert found["b3_precision"] == pytest.approx(1 / 3)
    assert found["b3_recall"] == 1
    assert found["merged"] == 1
    assert found["f_of_best_f"] == pytest.approx(0.4)  # 9 of 36 pairs, all of the true ones


@pytest.mark.slow
def test_methods_stability_and_tables_of_groups(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """People who are easy to tell apart: every method finds them, and the groups are the same in any order."""
    pytest.importorskip("sklearn")
    groups = script("groups")
    few = {name: (method, settings[:: max(1, len(settings) // 4)]) for name, (method, settings) in groups.METHODS.items()}
    if importlib.util.find_spec("dlib") is None:
        del few["Chinese whispers"]
    monkeypatch.setattr(groups, "METHODS", few)
    descriptors, person = people_apart(20, 5)
    found = groups.measured(descriptors, np.array([f"person {i}" for i in range(20)]), person)
    assert {name: result["b3_f"] for name, result in found["methods"].items()} == dict.fromkeys(few, 1.0)
    assert found["stability"] == {"shuffled": 1.0, "in_parts": 1.0}
    groups.write_quality({"alignment": "dlib", "average_mirror": True, "faces": len(descriptors), **found})
    assert "| 0.42 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 20 | 0.0 % | 0.0 % |" in capsys.readouterr().out


def test_more_people_are_other_ones_with_the_same_covariance() -> None:
    groups = script("groups")
    descriptors, person = people_apart(500, 3)
    many, people = groups.more_people(descriptors, person, 3 * len(person) - 1)
    assert np.array_equal(many[: len(person)], descriptors)
    assert (np.bincount(people)[:-1] == 3).all()
    assert len(people) == 3 * len(person) - 1
    copied = many[len(person) : 2 * len(person)].reshape(500, 3, 128)
    own = descriptors.reshape(500, 3, 128)
    np.testing.assert_allclose(copied - copied[:, :1], own - own[:, :1], atol=1e-6)  # the faces of a person stay as they are
    assert np.trace(np.cov(many.T)) == pytest.approx(np.trace(np.cov(descriptors.T)), rel=0.02)
    assert groups.near_strangers(many, people, 0.3) == 0
    assert groups.near_strangers(many, people, 5.0) == 1


def test_the_growth_of_time_and_memory() -> None:
    pytest.importorskip("resource")
    descriptors, person = people_apart(20, 5)
    found = script("groups").grown(descriptors, person, 150, 0.5)
    assert found["b3_f"] == 1
    assert found["peak"] >= found["rest"] > 10
    assert found["seconds"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("what", "count"), [("rate", 6), ("known", 30), ("writer", 300), ("search", 3000)])
def test_a_small_collection(what: str, count: int) -> None:
    """Its searches are compared with those of FAISS, where it is installed."""
    if what == "writer":
        pytest.importorskip("distributed")
    command = [sys.executable, str(ROOT / ".ci" / "collection.py"), what, "--count", str(count), "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    figures = [line.partition(": ") for line in done.stdout.splitlines()]
    assert len(figures) >= 2
    assert all(float(figure.replace(",", "")) >= 0 for _, _, figure in figures)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_npfaceapi_among_its_peers_and_one_that_fails(tmp_path: Path) -> None:
    """Three made photos, of one face each; the other library runs in a Python that gives no answer."""
    out, rows = tmp_path / "peers.json", ["npfaceapi-tiny-points", "mediapipe"]
    command = [sys.executable, str(ROOT / ".ci" / "peers.py"), "--count", "3", "--json", str(out), "--rows", *rows]
    environment = {**os.environ, "PYTHON_MEDIAPIPE": "false"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    ours, theirs = json.loads(out.read_text()).values()
    assert (ours["photos"], ours["faces"]) == (3, 3)
    assert ours["photos_a_second"] > 0.1
    assert 1 < ours["cpu_ms_a_photo"] < 10_000
    assert 60 < ours["peak_mb"] < 600
    assert 0.05 < ours["first_answer_s"] < 60
    assert ours["versions"]["npfaceapi"]
    assert theirs == {"failed": "exit status 1"}
    assert "| faces, points | npfaceapi | tiny detector, 68 points | 3 |" in done.stdout
    assert "| faces, points | mediapipe | face mesh, 468 points | 0 | | | | | |" in done.stdout
