"""The workflows for a public forge: actions are pinned, permissions are minimal, and zizmor finds nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
PIN = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def unpinned(text):
    return [used for used in re.findall(r"uses: *(.+)", text) if not PIN.fullmatch(used)]


@each_workflow
def test_actions_are_pinned_by_the_hash_of_a_commit(workflow):
    assert unpinned(workflow.read_text("utf-8")) == []


def test_what_is_not_pinned_is_found():
    assert unpinned("uses: actions/checkout@v7\nuses: a/b@" + "0" * 40 + " # v1.2.3\nuses: a/b@main # v1.2.3") == [
        "actions/checkout@v7",
        "a/b@main # v1.2.3",
    ]


def test_an_action_is_pinned_to_one_commit():
    used = {pin for path in WORKFLOWS for pin in re.findall(r"uses: *(.+)", path.read_text("utf-8"))}
    assert len(used) > 3
    assert len(used) == len({pin.partition("@")[0] for pin in used})


@each_workflow
def test_rights_are_the_least(workflow):
    """The workflow has no permissions; a job may read the repository, and the publishing one may request an identity token."""
    text = workflow.read_text("utf-8")
    assert "\npermissions: {}\n" in text
    rights = set(re.findall(r"^ +([\w-]+: (?:read|write))\b", text, re.MULTILINE))
    assert rights <= {"contents: read", "id-token: write"}
    assert ("id-token: write" in rights) == (workflow.stem == "release")
    assert "secrets." not in text


def test_tools_of_the_build_are_pinned_by_hash():
    text = (ROOT / ".github" / "build-requirements.txt").read_text("utf-8")
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert any(line.startswith("hatchling==") for line in lines)
    for line in lines:
        assert re.fullmatch(r"[\w-]+==[\d.]+ +--hash=sha256:[0-9a-f]{64}", line), line


def test_zizmor_finds_nothing():
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")
    if zizmor is None:
        pytest.skip("needs zizmor")
    command = [zizmor, "--offline", "--strict-collection", "--persona", "pedantic", "--no-progress", str(ROOT / ".github")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
