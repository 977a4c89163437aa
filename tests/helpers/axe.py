"""axe-core, a checker of accessibility, from the npm registry."""

from __future__ import annotations

import shutil
import subprocess

import pytest

AXE = "axe-core@4.10.2"


def source(folder):
    """Its JavaScript, fetched into the folder; skips the test where it cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("no npm here, which axe-core is had from")
    done = subprocess.run(["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    files = list(folder.glob("*.tgz"))
    if done.returncode or not files:
        pytest.skip("axe-core could not be had from the npm registry")
    shutil.unpack_archive(files[0], folder)
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")


def violations(browser, axe):
    """What it finds on the open page."""
    browser.run(axe + "; window.axe = axe")
    found = browser.run("return axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    return [(v["id"], v["help"], v["nodes"][0]["html"][:200]) for v in found]
