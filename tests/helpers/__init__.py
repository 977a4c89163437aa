"""What several tests share."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
ASTRONAUT = ROOT / "golden" / "images" / "astronaut.png"
