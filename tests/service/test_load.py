"""`.ci/measure serve` for a moment: all clients are answered, and the figures make sense."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytest.importorskip("python_multipart")

from helpers import ROOT
from helpers.headless_browser import MISSING
from helpers.pages import load


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_load():
    figures = load(ROOT / ".ci" / "serve.py").load(3.0, clients=4, workers=1)
    assert set(figures["statuses"]) == {200}
    assert figures["photos_per_second"] > 0
    assert figures["of_bare"] > 0.3
    assert 0 < figures["median_ms"] <= figures["p99_ms"]
    assert min(figures["memory_mb"]) > 50


@pytest.mark.slow
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_the_camera():
    figures = load(ROOT / ".ci" / "serve.py").webcam(3.0)
    assert figures["frames_per_second"] > 1
    assert 0 < figures["delay_ms"] <= figures["largest_delay_ms"] < 2000
    assert -100 < figures["box_behind_face_ms"] < 2000
