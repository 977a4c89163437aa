"""The command line: results, exit statuses, and one clear line for every error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import ASTRONAUT, ROOT
from helpers.streams import STREAMS, OnlyWrites
from npfaceapi import cli
from npfaceapi.commands import match
from npfaceapi.commands.networks import NETS
from npfaceapi.engines import dispatch
from npfaceapi.networks.options import SsdMobilenetv1Options, TinyFaceDetectorOptions
from npfaceapi.tasks import detect_all_faces

TINY = ("--detector", "tiny", "--only", "detection")  # the fastest run


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Small photos: one with a face, one without, one upside down with an EXIF orientation, extreme shapes; non-image files."""
    folder = tmp_path_factory.mktemp("photos")
    face = Image.open(ASTRONAUT).convert("RGB").crop((100, 0, 356, 256))
    face.save(folder / "face.png")
    Image.new("RGB", (64, 48)).save(folder / "black.png")
    exif = Image.Exif()
    exif[0x0112] = 3  # rotated by 180 degrees
    face.rotate(180).save(folder / "turned.jpg", exif=exif, quality=95)
    Image.new("RGB", (1, 1), "white").save(folder / "one.png")
    Image.new("RGB", (1, 5000), "white").save(folder / "thin.png")
    (folder / "text.png").write_text("no image")
    (folder / "cut.png").write_bytes(ASTRONAUT.read_bytes()[:5000])
    return folder


def process(*argv, **options):
    """Runs a command in a separate process, with the usual output buffering."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", **options.pop("env", {})}
    command = [sys.executable, "-m", "npfaceapi", *map(str, argv)]
    output = options.pop("stdout", subprocess.PIPE)
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=120, env=environment, **options)


# ------------------------------------------------------------------ analyze


def test_analyze_prints_a_table(run, photos):
    status, out, err = run("analyze", photos / "face.png", photos / "black.png")
    assert (status, err) == (0, "")
    first, header, row, last = out.splitlines()
    assert first.endswith("face.png: 256x256, 1 face")
    assert header.split() == ["#", "box", "(x,", "y,", "width,", "height)", "score", "age", "gender", "expression"]
    assert "female (" in row
    assert "happy (" in row
    assert last.endswith("black.png: 64x48, 0 faces")


def test_analyze_writes_json_lines(run, photos):
    status, out, err = run(
        "analyze", "--detector", "tiny", "--json", "-", photos / "face.png", photos / "black.png", photos / "text.png"
    )
    assert status == 1
    assert "text.png: expected an image" in err
    face, black, text = map(json.loads, out.splitlines())
    assert (face["width"], face["height"], len(face["faces"])) == (256, 256, 1)
    result = face["faces"][0]
    assert len(result["descriptor"]) == 128
    assert np.shape(result["landmarks"]) == (68, 2)
    assert set(result["expressions"]) >= {"happy", "neutral"}
    assert result["gender"] == "female"
    assert 15 < result["age"] < 60
    assert black["faces"] == []
    assert "expected an image" in text["error"]


@pytest.mark.slow
def test_analyze_finds_faces_of_any_rotation(run, photos, tmp_path):
    with Image.open(photos / "face.png") as image:
        image.rotate(90).save(tmp_path / "left.png")
    status, out, err = run("analyze", "--only", "detection", "--any-rotation", tmp_path / "left.png", photos / "face.png")
    assert (status, err) == (0, "")
    assert "left.png: 256x256, 1 face, upright if turned by 270 degrees counterclockwise\n" in out
    assert "face.png: 256x256, 1 face\n" in out
    _, out, _ = run("analyze", "--only", "detection", "--any-rotation", "--json", "-", tmp_path / "left.png")
    assert json.loads(out)["rotation"] == 270


def test_analyze_says_what_to_distrust(run, photos, tmp_path):
    with Image.open(photos / "face.png") as image:
        image.resize((76, 76), Image.Resampling.BOX).save(tmp_path / "small.png")
    only = ("--only", "landmarks")
    status, out, err = run("analyze", *only, tmp_path / "small.png", photos / "face.png")
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if "face 1" in line] == [
        "  face 1: 26 px wide, descriptors are unreliable below 28"
    ]
    _, out, _ = run("analyze", *only, "--json", "-", tmp_path / "small.png")
    quality = json.loads(out)["faces"][0]["quality"]
    assert quality["doubts"] == ["26 px wide, descriptors are unreliable below 28"]
    assert quality["size"] < 28


@pytest.mark.slow
def test_match_says_what_to_distrust(photos, tmp_path, capsys):
    with Image.open(photos / "face.png") as image:
        image.resize((76, 76), Image.Resampling.BOX).save(tmp_path / "small.png")
    options = SsdMobilenetv1Options()
    for photo in (photos / "face.png", tmp_path / "small.png"):
        assert len(match._faces(str(photo), options, "face-api", False)) == 1
    err = capsys.readouterr().err
    assert err == f"npfaceapi: {tmp_path / 'small.png'}: face 1: 26 px wide, descriptors are unreliable below 28\n"


def test_analyze_computes_only_what_is_asked_for(run, photos, tmp_path):
    status, out, _ = run("analyze", *TINY, "--json", tmp_path / "out.jsonl", photos / "face.png")
    assert status == 0
    assert "1 face" in out  # with --json FILE the table is printed too
    (result,) = json.loads((tmp_path / "out.jsonl").read_text())["faces"]
    assert result.get("descriptor") is None
    assert result.get("landmarks") is None
    assert result.get("age") is None


def test_analyze_draws(run, photos, tmp_path):
    (tmp_path / "again").mkdir()
    shutil.copy(photos / "face.png", tmp_path / "again" / "face.png")
    drawn = tmp_path / "new" / "drawn"
    status, _, err = run(
        "analyze", "--detector", "tiny", "--draw", drawn, photos / "face.png", tmp_path / "again" / "face.png", photos / "one.png"
    )
    assert (status, err) == (0, "")
    assert sorted(path.name for path in drawn.iterdir()) == ["face-2.png", "face.png", "one.png"]
    before, after = (
        np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (photos / "face.png", drawn / "face.png")
    )
    changed = (before != after).any(axis=2).mean()
    assert 0.01 < changed < 0.5


def test_a_photo_is_turned_upright(run, photos):
    boxes = []
    for name in ("face.png", "turned.jpg"):
        status, out, _ = run("analyze", *TINY, "--json", "-", photos / name)
        assert status == 0
        (face,) = json.loads(out)["faces"]
        boxes.append(face["detection"]["box"])
    for side in ("x", "y", "width", "height"):
        assert abs(boxes[0][side] - boxes[1][side]) < 4


def test_a_folder_stands_for_the_images_in_and_below_it(run, photos, tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at")
    shutil.copy(photos / "black.png", tmp_path / "deeper" / "b.PNG")
    shutil.copy(photos / "black.png", tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    status, out, err = run("analyze", *TINY, tmp_path)
    assert (status, err) == (0, f"npfaceapi: {tmp_path}: left out 1 .txt\n")
    assert [Path(line.split(":")[0]).name for line in out.splitlines()] == ["a.png", "b.PNG"]
    status, out, err = run("analyze", *TINY, tmp_path / "empty", tmp_path / "a.png")
    assert status == 1
    assert "empty: expected a folder with image files, got none" in err
    assert "a.png: 64x48" in out


def test_bad_files_do_not_stop_the_others(run, photos):
    missing, long_name = photos / "missing.png", "x" * 5000
    status, out, err = run(
        "analyze",
        *TINY,
        photos / "text.png",
        missing,
        photos / "cut.png",
        long_name,
        "http://127.0.0.1:9/a.png",
        photos / "face.png",
    )
    assert status == 1
    assert "face.png: 256x256, 1 face" in out
    lines = err.splitlines()
    assert len(lines) == 5
    for line, name in zip(lines, ("text.png", "missing.png", "cut.png", "xxx", "http://127.0.0.1:9/a.png"), strict=True):
        assert line.startswith("npfaceapi: ")
        assert name in line


@pytest.mark.parametrize("detector", ["ssd", "tiny", "mtcnn"])
def test_images_of_extreme_shape_hold_no_face(run, photos, detector):
    status, out, err = run("analyze", "--detector", detector, photos / "one.png", photos / "thin.png")
    assert (status, err) == (0, "")
    assert [line.rpartition(": ")[2] for line in out.splitlines()] == ["1x1, 0 faces", "1x5000, 0 faces"]


def test_detectors_and_confidence(run, photos):
    def scores(*options, photo=photos / "face.png"):
        status, out, _ = run("analyze", "--only", "detection", "--json", "-", *options, photo)
        assert status == 0
        return [face["detection"]["score"] for face in json.loads(out)["faces"]]

    assert len(scores("--detector", "mtcnn", photo=ASTRONAUT)) == 1
    assert scores("--detector", "mtcnn", "--min-confidence", "1", photo=ASTRONAUT) == []
    (score,) = scores("--detector", "tiny")
    assert scores("--detector", "tiny", "--min-confidence", "1") == []
    assert len(scores("--detector", "tiny", "--min-confidence", "0")) > 10  # 0 is a valid threshold
    assert scores("--detector", "tiny", "--min-confidence", f"{score - 1e-6}")[0] == score
    smaller = detect_all_faces(photos / "face.png", TinyFaceDetectorOptions(160, 0.1)).run()
    assert scores("--detector", "tiny", "--input-size", "160", "--min-confidence", "0.1") == [face.score for face in smaller]
    assert smaller[0].score != score


@pytest.mark.parametrize("command", ["analyze", "match", "inspect", "evaluate", "calibrate"])
def test_an_input_size_that_a_detector_has_not(run, photos, tmp_path, command):
    arguments = {
        "match": [photos, photos / "face.png"], "evaluate": ["folders", photos],
        "calibrate": [photos, "--out", tmp_path / "c.json"], "inspect": [photos / "face.png", "--out", tmp_path / "page.html"],
    }.get(command, [photos / "face.png"])  # fmt: skip
    for options, told in (
        (
            ("--input-size", "320"),
            "--input-size: expected --detector tiny_face_detector or tiny_yolov2 with it, got ssd_mobilenetv1",
        ),
        (("--detector", "tiny", "--input-size", "300"), "input_size: expected a multiple of 32 from 32 to 8192, got 300"),
    ):
        status, out, err = run(command, *arguments, *options)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert told in err
    assert list(tmp_path.iterdir()) == []


def test_yolo_without_weights_fails_once(run, photos):
    status, out, err = run("analyze", "--detector", "yolo", photos / "face.png", photos / "black.png")
    assert status == 1
    assert out == ""
    assert err.count("\n") == 1
    assert "none are bundled" in err


# ------------------------------------------------------------------ wrong usage, and places that cannot be written to


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["analyze", "--nose", "a.png"], "unrecognized arguments: --nose"),
        (["analyze"], "the following arguments are required: PHOTO"),
        (["analyse", "a.png"], "invalid choice: 'analyse'"),
        ([], "required: COMMAND"),
        (["analyze", "--min-confidence", "1.5", "a.png"], "expected a number in [0, 1], got '1.5'"),
        (["analyze", "--min-confidence", "-0.1", "a.png"], "expected a number in [0, 1], got '-0.1'"),
        (["analyze", "--min-confidence", "nan", "a.png"], "expected a number in [0, 1], got 'nan'"),
        (["analyze", "--min-confidence", "high", "a.png"], "expected a number in [0, 1], got 'high'"),
        (["analyze", "--detector", "dog", "a.png"], "argument --detector: expected a detector out of ssd_mobilenetv1|ssd, "),
        (["analyze", "--only", "nose", "a.png"], "expected some of detection,landmarks,"),
        (["analyze", "--backend", "abacus", "a.png"], "expected a backend out of numba, "),
        (["match", "--tolerance", "-1", "known", "a.png"], "expected a distance from 0 up, got '-1'"),
        (["match", "nowhere", "a.png"], "nowhere: expected a folder of known people, got no such folder"),
        (["show", "dog_net"], "argument NET: expected a network out of ssd_mobilenetv1|ssd, "),
        (["plan", "dog_net"], "argument NET: expected a network out of ssd_mobilenetv1|ssd, "),
        (["plan", "face_recognition_net", "--size", "3"], "expected an input of at least 7x7 pixels"),
        (["show", "ssd_mobilenetv1", "--size", "0"], "argument --size: expected a number of pixels, or HEIGHTxWIDTH, got '0'"),
        (["show", "face_recognition_net", "--size", "3"], "expected an input of at least 7x7 pixels"),
        (["warmup", "--backend", "abacus"], "expected a backend out of numba, "),
    ],
)
def test_wrong_usage(run, argv, message):
    status, out, err = run(*argv)
    assert status == 2
    assert out == ""
    assert message in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("npfaceapi")


@pytest.mark.parametrize("command", ["analyze", "match", "backends"])
@pytest.mark.parametrize(
    ("variable", "expected"), [("NPFACEAPI_BACKEND", "a backend"), ("NPFACEAPI_NUM_THREADS", "a whole number")]
)
def test_wrong_environment(run, photos, monkeypatch, command, variable, expected):
    monkeypatch.setenv(variable, "abacus")
    arguments = {"analyze": [photos / "face.png", photos / "black.png"], "match": [photos, photos / "face.png"]}
    status, _, err = run(command, *arguments.get(command, []))
    assert status == 2
    assert err.count("\n") == 1
    assert f"{variable}: expected {expected}" in err


def test_places_that_cannot_be_written_to(run, photos, tmp_path):
    (tmp_path / "file").write_text("")
    for option, place in (
        ("--draw", tmp_path / "file"),
        ("--draw", tmp_path / "file" / "x"),
        ("--json", tmp_path),
        ("--json", tmp_path / "no" / "x"),
    ):
        status, out, err = run("analyze", *TINY, option, place, photos / "black.png")
        assert (status, out) == (2, "")
        assert err.startswith(f"npfaceapi analyze: {option} {place}: expected a ")
        assert err.count("\n") == 1


def test_a_picture_that_cannot_be_written_does_not_stop_the_others(run, photos, tmp_path):
    (tmp_path / "one.png").mkdir()  # where a picture should go
    status, out, err = run("analyze", *TINY, "--draw", tmp_path, photos / "one.png", photos / "black.png")
    assert status == 1
    assert "one.png: expected a file to write to, got: Is a directory" in err
    assert "black.png: 64x48" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["black.png", "one.png"]  # and no partial file


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("command", ["analyze", "match", "inspect"])
def test_a_limit_on_pixels(run, photos, tmp_path, command, monkeypatch):
    (tmp_path / "known").mkdir()
    shutil.copy(photos / "face.png", tmp_path / "known")
    known = [tmp_path / "known"] if command == "match" else []
    out = ["--out", tmp_path / "report.html", "--net", "tiny"] if command == "inspect" else []
    for limit, status in (("0.001", 2 if command != "analyze" else 1), ("1", 0)):
        found = run(command, *known, photos / "face.png", *out, "--detector", "tiny", "--max-megapixels", limit)
        assert (found[0], "or say --max-megapixels 1\n" in found[2]) == (status, status != 0)
    for wrong in ("0", "-1", "nan", "many"):
        status, _, err = run(command, *known, photos / "face.png", "--max-megapixels", wrong)
        assert status == 2
        assert f"--max-megapixels: expected a number above 0, got '{wrong}'" in err
    monkeypatch.setenv("NPFACEAPI_MAX_MEGAPIXELS", "0.001")
    assert (
        run(command, *known, photos / "face.png", *out, "--detector", "tiny", "--max-megapixels", "1")[0] == 0
    )  # goes before it
    monkeypatch.setenv("NPFACEAPI_MAX_MEGAPIXELS", "many")
    status, _, err = run(command, *known, photos / "face.png")
    assert status == 2
    assert "NPFACEAPI_MAX_MEGAPIXELS: expected a number above 0, got 'many'" in err


def test_an_interrupt(run, monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("npfaceapi.commands.backends.run", interrupted)
    assert run("backends") == (130, "", "npfaceapi backends: interrupted\n")


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.mark.slow
@needs_full
def test_a_full_disk(photos):
    done = process("analyze", *TINY, "--json", "/dev/full", photos / "black.png")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr
    for argv in (["backends"], ["--help"]):
        with open("/dev/full", "w") as full:
            done = process(*argv, stdout=full)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "expected to write the results, got: No space left on device" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
def test_output_closed_early(photos):
    for argv in (["show", "ssd_mobilenetv1"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)  # before anything is written
        done = process(*argv, stdout=writer)
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("stream", STREAMS)
def test_standard_error_can_be_anything(photos, capsys, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", STREAMS[stream]())
    assert cli.main(["analyze", *TINY, str(photos / "missing.png"), str(photos / "black.png")]) == 1
    assert capsys.readouterr().out == f"{photos / 'black.png'}: 64x48, 0 faces\n"
    assert cli.main(["analyze", "--backend", "abacus", "a.png"]) == 2
    with pytest.raises(SystemExit) as stop:
        cli.main(["analyze", "--nose", "a.png"])
    assert stop.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("stream", [name for name in STREAMS if name != "only writes"])
def test_results_that_nobody_can_get_are_a_failure(photos, capsys, monkeypatch, stream, tmp_path):
    monkeypatch.setattr(sys, "stdout", STREAMS[stream]())
    before = sys.stdout
    lines = tmp_path / "lines.jsonl"
    for argv in (
        ["backends"],
        ["analyze", *TINY, str(photos / "black.png")],
        ["analyze", *TINY, "--json", "-", str(photos / "black.png")],
        ["analyze", *TINY, "--json", str(lines), str(photos / "black.png"), str(photos / "one.png")],
    ):
        assert cli.main(argv) == 1
        errors = capsys.readouterr().err
        assert errors.count("\n") == (0 if stream == "broken pipe" else 1)
        assert sys.stdout is before
    if stream in ("none", "closed"):
        assert lines.read_text().count("\n") == 2  # other outputs are complete
    for argv in (["--help"], ["--version"], ["show", "--help"]):
        assert cli.main(argv) == 1


def test_a_standard_output_that_only_writes(photos, monkeypatch):
    monkeypatch.setattr(sys, "stdout", OnlyWrites())
    assert cli.main(["analyze", *TINY, "--json", "-", str(photos / "black.png")]) == 0
    assert json.loads(sys.stdout.text)["faces"] == []


@pytest.mark.skipif(os.name == "nt", reason="no way to close them in a command there")
@pytest.mark.parametrize(
    ("closing", "argv", "status"),
    [
        (">&-", "backends", 1),
        (">&-", "--help", 1),
        (">&-", "--version", 1),
        (">&- 2>&-", "backends", 1),
        ("2>&-", "backends", 0),
        ("2>&-", "analyze", 2),
        (">&- 2>&-", "analyze", 2),
        ("<&- >&- 2>&-", "analyze -", 1),
    ],
)
@pytest.mark.slow
def test_closed_from_the_start(closing, argv, status):
    command = f"{sys.executable} -m npfaceapi {argv} {closing}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "usage" not in done.stdout


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "expected enough memory, got: MemoryError"),
        (MemoryError("Unable to allocate 7 GiB"), "expected enough memory, got: Unable to allocate 7 GiB"),
        (ImportError("libx.so: failed to map segment from shared object"), "expected enough memory, got: libx.so: failed"),
        (ImportError("No module named 'PIL'"), "expected the packages that it needs, got: No module named 'PIL'"),
    ],
)
def test_what_the_system_lacks(run, monkeypatch, error, message):
    def fails(arguments):
        raise error

    monkeypatch.setattr("npfaceapi.commands.backends.run", fails)
    status, out, err = run("backends")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"npfaceapi backends: {message}")


@pytest.mark.parametrize("filters", ["default", "error"])
def test_a_warning_of_ours_is_a_line(run, photos, monkeypatch, filters):
    status = dispatch.BackendStatus(False, "no numba here")
    monkeypatch.setitem(dispatch._BACKENDS, "numba", dispatch._BACKENDS["numba"]._replace(status=lambda: status))
    dispatch._warn_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter(filters)
        status, out, err = run("analyze", *TINY, photos / "black.png")
    dispatch._warn_once.cache_clear()
    assert (status, out.count("\n")) == (0, 1)
    assert err == "npfaceapi: runs on its slow 'reference' backend: no numba here\n"


@pytest.mark.slow
def test_names_that_the_terminal_cannot_print(photos, tmp_path):
    name = tmp_path / "gr\u00fc\u00df.png"
    shutil.copy(photos / "black.png", name)
    done = process("analyze", *TINY, name, tmp_path / "\u00fc.png", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1
    assert "gr\\xfc\\xdf.png: 64x48, 0 faces" in done.stdout
    assert "\\xfc.png: expected an image file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no pseudo terminals there")
def test_progress_on_a_terminal_only(photos):
    import pty

    def errors(*names):
        terminal, end = pty.openpty()
        arguments = [sys.executable, "-m", "npfaceapi", "analyze", *TINY, *(str(photos / name) for name in names)]
        subprocess.run(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=end, timeout=60, check=True)
        os.close(end)
        os.set_blocking(terminal, False)
        try:
            return os.read(terminal, 10_000).decode()
        except (BlockingIOError, OSError):
            return ""
        finally:
            os.close(terminal)

    assert "[2/2] " in errors("black.png", "one.png")
    assert errors("black.png") == ""
    assert process("analyze", *TINY, photos / "black.png", photos / "one.png").stderr == ""


# ------------------------------------------------------------------ match


@pytest.fixture(scope="session")
def known(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    shutil.copy(photos / "face.png", folder / "Eileen.png")
    return folder


def test_match(run, photos, known):
    status, out, err = run("match", known, photos / "turned.jpg", photos / "black.png", "--detector", "tiny")
    assert (status, err) == (0, "")
    header, found, none = out.splitlines()
    assert header.split()[0] == "file"
    *_, name, distance, probability = found.split()
    assert name == "Eileen"
    assert float(distance) < 0.4
    assert 0.99 < float(probability) <= 1
    assert none.split()[-4:] == ["no", "face", "-", "-"]
    _, out, _ = run("match", known, photos / "turned.jpg", "--detector", "tiny", "--tolerance", "0")
    assert out.splitlines()[1].split()[-3:] == ["unknown", distance, probability]


def test_match_with_a_folder_a_person(run, photos, tmp_path):
    for name in ("Eileen C.", "nobody"):
        (tmp_path / name).mkdir()
    shutil.copy(photos / "face.png", tmp_path / "Eileen C." / "1.png")
    shutil.copy(photos / "turned.jpg", tmp_path / "Eileen C." / "2.jpg")
    shutil.copy(photos / "black.png", tmp_path / "nobody" / "1.png")
    shutil.copy(photos / "text.png", tmp_path / "nobody" / "2.png")
    status, out, err = run("match", tmp_path, photos / "face.png", "--detector", "tiny")
    assert status == 1
    assert "Eileen C." in out.splitlines()[1]
    assert "expected a photo of nobody, got one without a face" in err
    assert "2.png: expected an image" in err


def test_match_without_anybody_known(run, photos, tmp_path):
    shutil.copy(photos / "black.png", tmp_path)
    status, out, err = run("match", tmp_path, photos / "face.png", "--detector", "tiny")
    assert (status, out) == (2, "")
    assert "expected photos of known people with faces, got 1 photo" in err.splitlines()[-1]


def test_match_goes_on_after_a_bad_file(run, photos, known):
    status, out, err = run("match", known, photos / "text.png", photos / "face.png", "--detector", "tiny")
    assert status == 1
    assert "text.png" in err
    assert "Eileen" in out


# ------------------------------------------------------------------ the others


@pytest.mark.parametrize("name", NETS)
def test_show(run, name):
    status, out, err = run("show", name)
    assert (status, err) == (0, "")
    assert "multiply-accumulates" in out
    assert "conv2d" in out
    total = [line.split() for line in out.splitlines() if line.split()[0] == "total"]
    assert len(total) == (3 if name == "mtcnn" else 1)
    expected = {
        "ssd_mobilenetv1": 5_535_047,
        "tiny_face_detector": 193_321,
        "face_recognition_net": 5_614_592,
    }  # SSD without its priors
    if name in expected:
        assert total[0][1] == f"{expected[name]:,}"


@pytest.mark.parametrize(("name", "plans"), [("face_landmark_68_tiny_net", 1), ("mtcnn", 3)])
def test_plan(run, name, plans):
    status, out, err = run("plan", name)
    assert (status, err) == (0, "")
    totals = [line.split() for line in out.splitlines() if line.startswith("all steps")]
    assert len(totals) == plans
    assert all(float(time.replace(",", "")) > 0 for *_, time, _, _ in totals)
    assert "conv2d + prelu" in out or "conv2d + add + relu" in out


def test_show_another_size(run):
    _, out, _ = run("show", "tiny_face_detector", "--size", "224")
    assert "7x7x25" in out


def test_backends_and_warmup(run, monkeypatch):
    status, out, _ = run("backends")
    assert status == 0
    assert any(line.startswith("numba (in use)") and " yes " in line for line in out.splitlines())
    assert "threads: " in out
    missing = dispatch.BackendStatus(False, "no GPU here")
    monkeypatch.setitem(dispatch._BACKENDS, "cuda", dispatch._BACKENDS["cuda"]._replace(status=lambda: missing))
    monkeypatch.setenv("NPFACEAPI_BACKEND", "cuda")
    status, out, err = run("backends")  # the table is still printed
    assert status == 1
    assert "no GPU here" in out
    assert err.startswith("npfaceapi backends: NPFACEAPI_BACKEND: backend 'cuda' cannot run here: no GPU here")
    monkeypatch.delenv("NPFACEAPI_BACKEND")
    status, out, err = run("warmup")
    assert (status, err) == (0, "")
    assert out.startswith("8 networks ready on numba in ")


@pytest.mark.parametrize("argv", [["--help"], ["--version"], *([command, "--help"] for command in cli._COMMANDS)])
def test_help_and_version(run, argv):
    status, out, err = run(*argv)
    assert (status, err) == (0, "")
    assert out.startswith(("usage: npfaceapi", "npfaceapi 0.", "npfaceapi 1."))


def test_a_processor_without_a_bundle_is_refused(run):
    status, out, err = run("warmup", "--processor", "x86-64-v3")
    assert (status, out) == (2, "")
    assert err == "npfaceapi warmup: --processor: expected --bundle FOLDER with it, got x86-64-v3 alone\n"


@pytest.mark.alone
def test_help_comes_at_once():
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = process("analyze", "--help")
        times.append(time.perf_counter() - start)
        assert done.returncode == 0
    assert min(times) < 0.5


def test_drawing_never_overwrites_the_photo(tmp_path, capsys):
    photo = tmp_path / "face.png"
    photo.write_bytes(ASTRONAUT.read_bytes())
    assert cli.main(["analyze", str(photo), "--draw", str(tmp_path), "--only", "detection"]) == 1
    assert "face.png: expected a file that is not an input, got " in capsys.readouterr().err
    assert photo.read_bytes() == ASTRONAUT.read_bytes()
