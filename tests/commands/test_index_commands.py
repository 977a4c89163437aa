"""The commands on an index: what they print, how they end, and one line for what is wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from helpers import ROOT
from helpers.photo_files import blank, face, remember_faces
from helpers.photo_index import filled, people
from npfaceapi import FaceIndex

FAST = ("--detector", "tiny_face_detector", "--input-size", "128")


@pytest.fixture
def remembered(monkeypatch):
    return remember_faces(monkeypatch)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    face(folder / "a.png")
    face(folder / "b.png", 250)
    blank(folder / "blank.png")
    (folder / "text.jpg").write_text("no photo")
    (folder / "notes.txt").write_text("notes")
    return folder


@pytest.fixture
def file(tmp_path):
    """Three people with four faces each."""
    with filled(tmp_path / "a.index", people(np.random.default_rng(0), 3, 4, 0.01)[0]) as index:
        index.groups()
    return tmp_path / "a.index"


# ------------------------------------------------------------------ index


def test_index(run, photos, tmp_path, remembered):
    file = tmp_path / "faces.index"
    status, out, err = run("index", photos, "--into", file, "--workers", "1", *FAST)
    assert status == 1  # one photo is unreadable
    assert out.splitlines() == [
        "4 photos computed: 2 faces, 1 without a face, 1 unreadable, 1 other file left out", f"{file}: 2 faces",
    ]  # fmt: skip
    assert err.splitlines() == [f"npfaceapi: {photos / 'text.jpg'}: " + err.partition("text.jpg: ")[2].strip()]
    status, out, err = run("index", photos, "--into", file)  # the options are those of before
    assert (status, err) == (0, "")
    assert out.splitlines() == ["0 photos computed: 0 faces, 4 unchanged, 1 other file left out", f"{file}: 2 faces"]
    (photos / "b.png").unlink()
    status, out, _ = run("index", photos, "--into", file, "--prune")
    assert out.splitlines() == [
        "0 photos computed: 0 faces, 3 unchanged, 1 vanished, 1 other file left out",
        "1 vanished photo removed",
        f"{file}: 1 face",
    ]  # fmt: skip
    assert run("index", "--into", file, "--prune")[:2] == (0, f"0 vanished photos removed\n{file}: 1 face\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "--into", "FILE"), "expected photos or folders to index, got none"),
        (("index", "nowhere", "--into", "FILE"), "nowhere: expected a photo or a folder, got no such file"),
        (("index", ".", "--into", "no/a.index"), "no/a.index: expected a file to write to, got: no such folder"),
        (
            ("index", ".", "--into", "FILE", "--min-confidence", "0.3"),
            "--min-confidence: expected --detector NAME with it, got none",
        ),
        (("find", "no.index", "Ann"), "no.index: expected an index, got no such file"),
        (("groups", "."), ".: expected an index, got a folder"),
        (("find", "empty", "Ann"), "empty: expected an index, got an empty file"),
        (("find", "FILE", "Zoe"), "FILE: expected the name of a person in it, got 'Zoe'"),
        (("find", "FILE", "."), ".: expected an image file, got a folder"),
        (("name", "FILE", "9", "Ann"), "FILE: expected the number of a group, as groups shows it, got 9"),
        (("name", "FILE", "1", " "), "expected a name, got ' '"),
        (("join", "FILE", "1", "9"), "FILE: expected the number of a group, as groups shows it, got 9"),
        (("split", "FILE", "1", "5"), "expected some faces of group 1, but not all, got [5]"),
        (("split", "FILE", "1", "1", "2", "3", "4"), "expected some faces of group 1, but not all, got [1, 2, 3, 4]"),
        (("not-the-same", "FILE", "1", "99"), "expected the number of a face, got 99"),
        (("not-the-same", "FILE", "1", "1"), "expected faces of two people, got 1 and 1, which are said to be one"),
        (("forget", "FILE", "Zoe"), "FILE: expected the name of a person or the path of a photo in it, got 'Zoe'"),
        (("export", "FILE"), "expected --out FILE for an index, got none"),
        (
            ("export", "FILE", "--out", "a.txt"),
            "--out a.txt: expected --format parquet, csv, jsonl, labels, or a name that ends in",
        ),
        (
            ("export", "FILE", "--out", "FILE", "--format", "csv", "--overwrite"),
            "--out FILE: expected a file that is not an input",
        ),
    ],
)
def test_what_is_wrong_is_one_line(run, file, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    status, out, err = run(*(str(file) if argument == "FILE" else argument for argument in arguments))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message.replace("FILE:", f"{file}:") in err
    with FaceIndex(file) as index:
        assert len(index) == 12


# ------------------------------------------------------------------ who is who


def lines(run, *arguments):
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    return out.splitlines()


def test_groups_and_names(run, file, tmp_path):
    assert lines(run, "groups", file)[-1] == "3 groups, 0 of one face; 0 faces moved to another group"
    assert lines(run, "name", file, 2, "Ann\nB") == ["group 2 is Ann\\nB"]
    assert lines(run, "name", file, 2, "Ann") == ["group 2 is Ann"]
    assert [json.loads(line) for line in lines(run, "groups", file, "--json", "-")] == [
        {"group": 1, "name": None, "faces": [1, 2, 3, 4]},
        {"group": 2, "name": "Ann", "faces": [5, 6, 7, 8]},
        {"group": 3, "name": None, "faces": [9, 10, 11, 12]},
    ]
    found = lines(run, "find", file, "Ann")
    assert [line.split()[-1] for line in found[-4:]] == [f"/{number:05}.jpg" for number in (5, 6, 7, 8)]
    run("join", file, 1, 2)
    lines(run, "groups", file)
    assert len(lines(run, "find", file, "Ann")) == len(found) + 4
    joined = json.loads(lines(run, "groups", file, "--json", "-")[0])["group"]
    assert lines(run, "split", file, joined, 1) == [f"1 face of group {joined} is another person"]
    assert lines(run, "split", file, joined, 2, 3, 4) == [f"3 faces of group {joined} are another person"]
    lines(run, "not-the-same", file, 9, 10)
    groups = [json.loads(line) for line in lines(run, "groups", file, "--json", "-", "--smallest", 1)]
    assert [group["faces"] for group in groups if group["name"] == "Ann"] == [[5, 6, 7, 8]]
    assert not any({9, 10} <= set(group["faces"]) for group in groups)
    assert lines(run, "forget", file, "Ann") == [f"{file}: 4 faces removed and overwritten"]
    assert run("find", file, "Ann")[0] == 2
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*) FROM people WHERE name = 'Ann'").fetchone() == (0,)
    connection.close()


def test_a_name_comes_before_a_folder_that_is_called_so(run, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Ann").mkdir()
    lines(run, "name", file, 2, "Ann")
    assert [line.split()[1] for line in lines(run, "find", file, "Ann")[1:]] == ["5", "6", "7", "8"]
    assert [line.split()[1] for line in lines(run, "find", file, "Ann", "-k", 2)[1:]] == ["5", "6"]


def test_a_photo_is_found(run, photos, tmp_path, remembered):
    file = tmp_path / "faces.index"
    run("index", photos, "--into", file, "--workers", "1", *FAST)
    (record,) = [json.loads(line) for line in lines(run, "find", file, photos / "a.png", "--json", "-", "-k", 1)]
    assert record["face"] == 1
    ((found),) = record["found"]
    assert (found["path"], found["distance"], found["person"]) == (str(photos / "a.png"), 0, None)
    assert lines(run, "find", file, photos / "blank.png") == ["no face in the photo"]
    assert lines(run, "find", file, photos / "a.png", "--max-distance", 0)[1].endswith("a.png")


def test_export_of_what_is_no_index(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "got 'no.index', which is no index either" in run("export", "no.index", "--out", "a.csv")[2]
    (tmp_path / "text.index").write_text("text")
    status, _, err = run("export", "text.index", "--out", "a.csv")
    assert (status, err.count("\n")) == (2, 1)
    assert "text.index: expected an index, got a damaged file or another one" in err


@pytest.mark.parametrize("kind", ["csv", "jsonl", "labels"])
def test_export(run, file, tmp_path, kind):
    out = tmp_path / f"table.{kind}"
    (line,) = lines(run, "export", file, "--out", out)
    assert line.startswith(f"{out}: {0 if kind == 'labels' else 12} faces, {kind}, ")
    status, _, err = run("export", file, "--out", out)
    assert status == 2
    assert "--overwrite replaces it" in err
    lines(run, "export", file, "--out", out, "--overwrite")


def test_contact_sheets(run, photos, tmp_path, remembered):
    file, out = tmp_path / "faces.index", tmp_path / "sheets"
    run("index", photos, "--into", file, "--workers", "1", *FAST)
    assert lines(run, "groups", file, "--out", out)[-1] == f"{out / 'index.html'}: open it in a browser"
    assert lines(run, "groups", file, "--out", out)[-1] == f"{out / 'index.html'}: open it in a browser"  # its own are replaced
    status, text, err = run("groups", file, "--out", tmp_path / "o.html")
    assert (status, text) == (2, "")
    assert err == f"npfaceapi groups: --out {tmp_path / 'o.html'}: expected a folder, got the name of a file\n"
    assert not (tmp_path / "o.html").exists()
    (photos / "a.png").unlink()
    status, _, err = run("groups", file, "--out", tmp_path / "more")
    assert (status, err) == (1, "npfaceapi: 1 face could not be cut out, as the photo cannot be read\n")
    (out / "index.html").write_text("mine")
    assert run("groups", file, "--out", out)[0] == 2
    assert (out / "index.html").read_text() == "mine"


def test_contact_sheets_show_the_groups_of_the_table(run, photos, tmp_path, remembered):
    file, out = tmp_path / "faces.index", tmp_path / "sheets"
    run("index", photos, "--into", file, "--workers", "1", *FAST)
    run("groups", file)
    table = lines(run, "groups", file, "--cut", "0", "--smallest", "1", "--out", out)
    assert [line.split()[0] for line in table[1:3]] == ["1", "2"]
    assert sorted(path.name for path in out.glob("group-*.html")) == ["group-1.html", "group-2.html"]
    assert lines(run, "groups", file, "--cut", "0", "--json", "-") == []


# ------------------------------------------------------------------ Ctrl-C, as a terminal sends it: to all processes


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
@pytest.mark.parametrize(("workers", "when"), [(1, "starting"), (1, "computing"), (2, 0.3), (2, 0.9), (2, 1.5), (2, "computing")])
def test_ctrl_c(tmp_path, workers, when):
    """With two workers: while the first process starts, while the second does, and while they compute."""
    folder, file = tmp_path / "photos", tmp_path / "faces.index"
    for side in range(100, 250 if when == "computing" else 135):  # the first rows are written after a second: work for longer
        face(folder / f"{side}.png", side, compress_level=1)
    with subprocess.Popen(
        [sys.executable, "-m", "npfaceapi", "index", folder, "--into", file, "--workers", str(workers), *FAST],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        query = f"file:{file}?mode=ro"
        while when == "computing" and time.monotonic() < deadline:
            time.sleep(0.05)
            try:
                connection = sqlite3.connect(query, uri=True)
                count = connection.execute("SELECT count(*) FROM faces").fetchone()[0]
                connection.close()
            except sqlite3.OperationalError:
                count = 0
            if count:
                break
        if when != "computing":
            time.sleep(0.5 if when == "starting" else when)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err, err
    assert out == ""
    assert err.count("\n") <= 1
    with FaceIndex(file) as index:
        assert index._database.rows("PRAGMA integrity_check") == [("ok",)]
        known = len(index._database.rows("SELECT 1 FROM photos"))
        assert known > 0 or when != "computing"
        assert len(index) == known
