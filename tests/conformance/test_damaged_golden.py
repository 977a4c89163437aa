"""Golden folders with random or malicious changes: a one-line error, no traceback, no access outside the folder."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npfaceapi.cli import main
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.errors import GoldenError

SOURCE = Path(str(GoldenCases().folder))
HEAD = json.loads((SOURCE / "cases.json").read_text("utf-8"))
#: Small cases of every level except `chain`.
CASES = [
    "weights/face_landmark_68_tiny_net", "operations/conv2d/1", "operations/concat/1", "operations/pad/1", "operations/relu/1",
    "raw/mtcnn_pnet/astronaut_min_60_0", "decode/non_max_suppression/random_iou_0.3", "decode/mtcnn_pyramid/astronaut_min_60",
    "decode/age_gender_net/synthetic", "prepare/mtcnn_patches_24/astronaut_min_60", "json/face_matcher_0.6", "json/face_match",
    "json/box",
]  # fmt: skip
SMALL = {**HEAD, "cases": [case for case in HEAD["cases"] if case["name"] in CASES]}
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, "", "x", [], {}, [[]], {"a": 1}, 10**30, 1e308, -1e308, [0], ["a"], "../x", 2**31, 1e-320,
    [10**6, 10**6], "\ud800", 10**12,
]  # fmt: skip


def test_the_cases_are_there() -> None:
    assert len(SMALL["cases"]) == len(CASES)


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths_in(value[key], (*path, key))


def changed(rng: random.Random) -> dict[str, Any]:
    """Two cases, with something in `cases.json` removed, added or replaced."""
    head = copy.deepcopy({**SMALL, "cases": rng.sample(SMALL["cases"], 2)})
    *path, last = rng.choice([path for path in paths_in(head) if path])
    place: Any = head
    for key in path:
        place = place[key]
    how, value = rng.randrange(4), rng.choice(VALUES)
    if how == 0:
        place.pop(last)
    elif how == 1 and isinstance(place, dict):
        place[rng.choice(["name", "level", "x", "op"])] = value
    elif how == 1:
        place.insert(last, value)
    else:
        place[last] = value
    return head


def golden(folder: Path, head: Any) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCE / "core", folder / "core")
    (folder / "cases.json").write_text(json.dumps(head))
    return folder


def commands(folder: Path, tmp_path: Path) -> list[list[str]]:
    return [
        ["verify", "--backend", "reference", "--golden", str(folder)],
        ["conform", "inputs", "--golden", str(folder), str(tmp_path / "asked")],
        ["conform", "run", "--backend", "reference", "--golden", str(folder)],
        ["conform", "check", "--golden", str(folder), str(tmp_path / "port")],
    ]


def run(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[int, str]]:
    """Status and standard error of each command, which is at most one line."""
    (tmp_path / "port" / "outputs").mkdir(parents=True, exist_ok=True)
    (tmp_path / "port" / "questions.json").write_text('{"cases": [{"case": "operations/relu/1"}]}')
    found = []
    for arguments in commands(folder, tmp_path):
        status = main(arguments)
        error = capsys.readouterr().err
        assert len(error.splitlines()) <= 1, (arguments, error)
        assert "Traceback" not in error
        found.append((status, error))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 150, 50))
def test_any_change_is_one_line(start: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(start, start + 50):
        run(golden(tmp_path / "golden", changed(random.Random(seed))), tmp_path, capsys)


@pytest.mark.slow
def test_any_damage_to_the_tensors_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    for name in ("core-shard1", "core-weights_manifest.json") * 4:
        folder = golden(tmp_path / "golden", {**SMALL, "cases": rng.sample(SMALL["cases"], 2)})
        data = bytearray((folder / "core" / name).read_bytes())
        at = rng.randrange(len(data))
        data[at : at + rng.choice([1, len(data)])] = rng.choice([b"", b"[[[[", b"\xff", b'"'])
        (folder / "core" / name).write_bytes(data)
        run(folder, tmp_path, capsys)


@pytest.mark.slow_after(6)
@pytest.mark.parametrize(
    "name",
    [
        "operations/../../../../escaped/x",
        "../escaped",
        "/escaped",
        "",
        ".",
        "..",
        "a//b",
        "a/",
        "a\\b",
        "C:a",
        "a\0b",
        "a\nb",
        "\x1b[1m",
    ],
)
@pytest.mark.parametrize("place", ["case", "answer"])
def test_a_name_does_not_lead_out(name: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = copy.deepcopy({**SMALL, "cases": [case for case in SMALL["cases"] if case["name"] == "operations/relu/1"]})
    case = head["cases"][0]
    (case if place == "case" else case["expected"][0])["name"] = name
    folder = golden(tmp_path / "in" / "golden", head)
    before = sorted(tmp_path.rglob("*"))
    for arguments in commands(folder, tmp_path / "in"):
        assert main(arguments) in (1, 2)
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert "cases.json: expected golden cases of format 1 (JSON), got" in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "change",
    [
        {"sets": {"core": "../core/core-weights_manifest.json"}},
        {"sets": {"core": "/etc/passwd"}},
        {"sets": {"core": 5}},
        {"sets": []},
        {"cases": {}},
        {"cases": [{}]},
        {"cases": [SMALL["cases"][0], SMALL["cases"][0]]},
        {"cases": [{**SMALL["cases"][0], "more": 1}]},
        {"tolerances": None},
    ],
)
def test_a_head_that_makes_no_sense(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match=r"expected (golden cases of format 1|one of )"):
        GoldenCases(golden(tmp_path / "golden", {**SMALL, **change}))


@pytest.mark.parametrize(
    "rule",
    [
        {"seed": "x", "shape": [2], "low": 0, "high": 1},
        {"seed": 1, "shape": [10**6, 10**6], "low": 0, "high": 1},
        {"seed": 1, "shape": [-1], "low": 0, "high": 1},
        {"seed": 1, "shape": 2, "low": 0, "high": 1},
        {"seed": 1, "shape": [2], "low": -1e308, "high": 1e308},
        {"seed": 1, "shape": [2], "low": None, "high": 1},
        {"seed": 1, "shape": [2], "low": 0},
        {"seed": 1, "shape": [2], "low": 0, "high": 1, "more": 1},
        [],
    ],
)
def test_a_rule_that_makes_no_sense(rule: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = {**next(case for case in SMALL["cases"] if case["name"] == "operations/relu/1"), "inputs": [{"synthetic": rule}]}
    with pytest.raises(GoldenError, match="the rule"):
        GoldenCases(golden(tmp_path / "golden", {**SMALL, "cases": [case]}))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
@pytest.mark.parametrize("name", ["cases.json", "core/core-weights_manifest.json", "core/core-shard1"])
@pytest.mark.parametrize("what", ["pipe", "link", "folder", "missing"])
def test_what_is_no_file_of_the_folder(name: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = golden(tmp_path / "golden", SMALL)
    (folder / name).rename(tmp_path / "outside")
    if what == "pipe":
        os.mkfifo(folder / name)
    elif what == "folder":
        (folder / name).mkdir()
    elif what == "link":
        (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(GoldenError, match=r"expected (a file of golden cases|a readable weight file|one of )"):
        GoldenCases(folder).tensor("input/astronaut")
