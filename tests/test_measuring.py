"""The scripts of `.ci/measure` on synthetic data with known answers."""

from __future__ import annotations

import importlib.util
import json
import shutil
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
