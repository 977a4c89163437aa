"""`npfaceapi analyze` on videos: tables, JSON lines, drawn copies, and mistakes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from helpers import ASTRONAUT
from helpers.video_files import picture, read_video, write_video
from npfaceapi.cli import main
from npfaceapi.video.drawing import is_drawn_video

FAST = ["--detector", "tiny_face_detector", "--input-size", "128", "--only", "detection,landmarks"]


@pytest.fixture
def clip(tmp_path):
    photo = np.asarray(Image.open(ASTRONAUT).convert("RGB").crop((100, 0, 356, 256)))
    pictures = [np.pad(photo, ((0, 0), (4 * n, 40 - 4 * n), (0, 0))) for n in range(11)]
    return str(write_video(tmp_path / "clip.mp4", pictures, sound="aac"))


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_table_and_a_line_of_json(clip, tmp_path, capsys):
    assert main(["analyze", clip, *FAST, "--json", str(tmp_path / "out.jsonl")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{clip}: 296x256, 1.1 s, 3 frames analysed, 1 face"
    assert " ".join(out[1].split()) == "# seen (s) frames best (s) box (x, y, width, height) score age gender expression"
    assert out[2].split()[:5] == ["1", "0.0", "to", "1.0", "3"]
    (record,) = lines(tmp_path / "out.jsonl")
    assert (record["photo"], record["width"], record["height"], record["every"]) == (clip, 296, 256, 0.5)
    assert [frame["time"] for frame in record["frames"]] == pytest.approx([0, 0.5, 1])
    assert [face["track"] for frame in record["frames"] for face in frame["faces"]] == [1, 1, 1]
    assert record["tracks"][0]["quality"]["detection"] == record["tracks"][0]["best"]["detection"]["score"]
    assert "path" not in record


def test_every_and_a_drawn_file(clip, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert main(["analyze", clip, *FAST, "--every", "0.2", "--draw", str(out)]) == 0
    assert "6 frames analysed, 1 face" in capsys.readouterr().out
    times, _, packets = read_video(out)
    assert (len(times), packets) == (11, read_video(clip)[2])
    assert is_drawn_video(str(out))
    assert main(["analyze", clip, *FAST, "--every", "1", "--draw", str(out)]) == 0  # an earlier output is replaced


@pytest.mark.slow
def test_photos_and_videos_into_a_folder(clip, tmp_path, capsys):
    blank = write_video(tmp_path / "blank.mkv", [picture()] * 3)
    Image.open(ASTRONAUT).save(tmp_path / "clip.png")
    arguments = ["analyze", clip, str(blank), str(tmp_path / "clip.png"), *FAST, "--draw", str(tmp_path / "drawn")]
    assert main(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["blank.mp4", "clip.mp4", "clip.png"]
    assert main(arguments) == 0
    assert "blank.mkv: 96x64, 0.3 s, 1 frame analysed, 0 faces\n" in capsys.readouterr().out


def test_the_videos_in_a_folder_are_left_out_as_before(clip, tmp_path, capsys):
    Image.open(ASTRONAUT).save(tmp_path / "photo.png")
    assert main(["analyze", str(tmp_path), *FAST]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"npfaceapi: {tmp_path}: left out 1 .mp4\n"
    assert "clip.mp4" not in captured.out


def test_damaged_files_and_files_that_are_no_videos_cost_a_line_each(clip, tmp_path, capsys):
    whole = write_video(tmp_path / "cut.mp4", [picture()] * 20, options={"movflags": "faststart"})
    whole.write_bytes(whole.read_bytes()[:-60])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mov").touch()
    names = [str(tmp_path / name) for name in ("text.mp4", "cut.mp4", "empty.mov", "no.mkv")]
    assert main(["analyze", *names, clip, *FAST, "--json", str(tmp_path / "out.jsonl")]) == 1
    captured = capsys.readouterr()
    err = captured.err.splitlines()
    assert len(err) == 4
    assert "text.mp4: expected a video file" in err[0]
    assert "cut.mp4: expected a whole video, got one " in err[1]
    assert "empty.mov: expected a video file, got an empty file" in err[2]
    assert "no.mkv: expected a video file, got no such file" in err[3]
    assert "clip.mp4: 296x256" in captured.out
    assert [("error" in record) for record in lines(tmp_path / "out.jsonl")] == [True, False, True, True, False]
    assert main(["analyze", names[0], *FAST, "--json", str(tmp_path / "out.jsonl")]) == 1  # an earlier output is replaced


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PHOTO", "--every", "1"], "--every: expected a video with it, got none"),
        (["CLIP", "--every", "-1"], "argument --every: expected a number of seconds from 0 up, got '-1'"),
        (["CLIP", "--every", "nan"], "argument --every: expected a number of seconds from 0 up, got 'nan'"),
        (["CLIP", "PHOTO", "--draw", "out.mp4"], "--draw out.mp4: expected one video with the name of a file, got 2 files"),
        (
            ["CLIP", "--draw", "o.webm"],
            "--draw o.webm: expected a folder, or for one video a file named .mp4|.m4v|.m",
        ),
        (["PHOTO", "--draw", "o.mp4"], "--draw o.mp4: expected a folder, or for one photo a file named .png|.jpg|.jpeg, got ano"),
        (["CLIP", "--draw", "o.png"], "--draw o.png: expected a folder, or for one video a file named .mp4|.m4v|.mov|.mkv, got "),
        (["CLIP", "PHOTO", "--draw", "o.png"], "--draw o.png: expected one photo with the name of a file, got 2 files"),
        (
            ["PHOTO", "--draw", "o.webp"],
            "--draw o.webp: expected a folder, or for one photo a file named .png|.jpg|.jpeg, got an",
        ),
        (["PHOTO", "--draw", "no/o.png"], "--draw no/o.png: expected a file to write to, got: no such folder"),
        (["CLIP", "--draw", "CLIP"], "expected a file that is not an input"),
        (["CLIP", "--draw", "text.mp4"], "--draw text.mp4: expected a new file or an earlier output of this kind"),
    ],
)
def test_mistakes_are_told_before_the_work(clip, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("precious")
    monkeypatch.setattr("npfaceapi.video.analysis.analyze_video", lambda *_: pytest.fail("analysed"))
    try:
        code = main(["analyze", *({"CLIP": clip, "PHOTO": str(ASTRONAUT)}.get(each, each) for each in arguments), *FAST])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "text.mp4").read_text() == "precious"


def test_without_the_extra_a_video_costs_a_line(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["analyze", clip, str(ASTRONAUT), *FAST]) == 1
    captured = capsys.readouterr()
    assert captured.err == f'npfaceapi: {clip}: expected the package av, got none installed; pip install "npfaceapi[video]"\n'
    assert "astronaut.png: 512x512, 0 faces" in captured.out


def test_on_a_terminal_the_time_is_shown(clip, monkeypatch, capsys):
    monkeypatch.setattr("npfaceapi.commands.analyze.is_terminal", lambda: True)
    assert main(["analyze", clip, *FAST]) == 0
    assert "\r\x1b[K0.5 of 1.1 s\r\x1b[K1.0 of 1.1 s\r\x1b[K" in capsys.readouterr().err
