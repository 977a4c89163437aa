"""A file is written completely or not at all, and never over an input or a file that is not an earlier output."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from npfaceapi.errors import InvalidArgument
from npfaceapi.output_files import (
    DRAWN_BY,
    MADE_BY,
    Output,
    check_outputs,
    generator,
    is_drawing,
    is_json,
    is_json_lines,
    is_npz,
    is_onnx,
    is_safetensors,
    is_text_with,
    write_whole,
)

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and pipes as POSIX has them")


def test_a_file_is_written_and_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "a", "a", os.fsencode(tmp_path / "a"), "x" * 255):
        write_whole(path, b"new")
        with open(path, "rb") as file:
            assert file.read() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "x" * 255}


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0])
def test_permissions_are_those_of_any_new_file(tmp_path, mask):
    (tmp_path / "old").touch(0o600)
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "new", b"")
        write_whole(tmp_path / "old", b"")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "old")] == [0o666 & ~mask] * 2


@posix
def test_a_link_is_replaced_and_a_pipe_written_to(tmp_path):
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert not (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", b"through")
    reader.join(10)
    assert read == [b"through"]
    write_whole("/dev/null", b"away")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(tmp_path, monkeypatch, error):
    (tmp_path / "a").write_bytes(b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    kind = InvalidArgument if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind) as raised:
        write_whole(tmp_path / "a", b"new", "a picture")
    assert kind is KeyboardInterrupt or str(raised.value).endswith("a: expected a picture, got: No space left on device")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def refused(*outputs, inputs=(), overwrite=False):
    with pytest.raises(InvalidArgument) as raised:
        check_outputs([Output(*output) for output in outputs], inputs, overwrite=overwrite)
    return str(raised.value)


def anything(path):
    return True


def nothing(path):
    return False


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    for place, reason in ((tmp_path, "Is a directory"), (tmp_path / "no" / "x", "no such folder")):
        assert refused(("--out", place, anything)) == f"--out {place}: expected a file to write to, got: {reason}"
        with pytest.raises(InvalidArgument, match="expected a file to write to, got: "):
            write_whole(place, b"")
    with pytest.raises(InvalidArgument, match=r"expected a file to write to, got: .*surrogates not allowed"):
        write_whole(tmp_path / "new", "\udcff")
    for place in (tmp_path / "file", tmp_path / "new", "new", os.devnull, "-"):
        check_outputs([Output("--out", place, nothing)])


def test_an_input_is_never_an_output(tmp_path):
    photo, folder = tmp_path / "photo", tmp_path / "photos" / "deep"
    folder.mkdir(parents=True)
    photo.write_bytes(b"pixels")
    os.link(photo, tmp_path / "hard")
    os.link(photo, folder / "a name of its own")
    (tmp_path / "soft").symlink_to(photo)
    for inputs in ([photo], ["no such file", "http://host/photo", "\0", photo], [tmp_path / "soft"], [tmp_path / "photos"]):
        for place in ("photo", "hard", "soft", "photos/../photo"):
            for overwrite in (True, False):
                said = refused(("--json", tmp_path / place, anything), inputs=inputs, overwrite=overwrite)
                assert said.startswith(f"--json {tmp_path / place}: expected a file that is not an input, got ")
    assert photo.read_bytes() == b"pixels"


def test_only_earlier_outputs_are_replaced(tmp_path):
    (tmp_path / "there").write_bytes(b"something")

    def broken(path):
        raise ValueError

    for is_earlier in (nothing, broken):
        assert "--overwrite replaces it" in refused(("--out", tmp_path / "there", is_earlier))
        check_outputs([Output("--out", tmp_path / "there", is_earlier)], overwrite=True)
    check_outputs([Output("--out", tmp_path / "there", anything)])


def test_two_outputs_are_two_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for other in ("a", "./a", tmp_path / "a"):
        said = refused(("--json", "a", anything), ("--html", other, anything))
        assert said == f"--html {Path(other)}: expected a file of its own, got the one of --json"
    (tmp_path / "a").touch()
    os.link("a", "b")
    assert "the one of --json" in refused(("--json", "a", anything), ("--html", "b", anything))
    check_outputs([Output("--json", os.devnull, anything), Output("--html", os.devnull, anything)])


def png(**chunks):
    info = PngInfo()
    for key, text in chunks.items():
        info.add_text(key, text)
    file = io.BytesIO()
    Image.new("RGB", (3, 2)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def jpeg(comment):
    file = io.BytesIO()
    Image.new("RGB", (3, 2)).save(file, "JPEG", comment=comment)
    return file.getvalue()


@pytest.mark.parametrize(
    ("is_earlier", "ours", "others"),
    [
        (
            is_drawing,
            [png(Software=MADE_BY), png(Title="x" * 5000, Software=MADE_BY), jpeg(DRAWN_BY)],
            [
                jpeg(""),
                jpeg("anonymized by npfaceapi"),
                png(),
                png(Software="GIMP"),
                png(Title=MADE_BY),
                png(Software=MADE_BY)[:40],
                b"npfaceapi",
                b"\x89PNG\r\n\x1a\n",
            ],
        ),
        (
            is_json_lines("faces"),
            [b"", b'{"photo": "a", "faces": []}\n{"photo": "b", "error": "c"}\n'],
            [
                b"text",
                b"[]",
                b'{"photo": "a"}',
                b'{"faces": []}',
                b'{"photo": "a", "faces": []}\n\n',
                b"\xff\xd8\xff\xe0",
                b"[" * 99999,
            ],
        ),
        (
            is_json("cases"),
            [b'{"npfaceapi": "1", "cases": []}', b'[{"npfaceapi": "1", "cases": []}]'],
            [b'{"cases": []}', b"[5]", b"5", b"null", b"{", b'{"npfaceapi": "1"}'],
        ),
        (
            is_text_with(generator("inspect")),
            [f"<html>{generator('inspect')}".encode()],
            [b"<html>npfaceapi inspect", f"<html>{generator('conform')}".encode(), b""],
        ),
        (is_npz, [], [b"", b"PK\3\4", b"text"]),
        (is_safetensors, [], [b"", b"\xff" * 50, b"\2" + b"\0" * 7 + b"[]", b"\2" + b"\0" * 7 + b"{}"]),
        (is_onnx, [], [b"", b"npfaceapi" * 20]),
    ],
    ids=lambda value: getattr(value, "__qualname__", "").split(".")[0] or None,
)
def test_what_tells_an_earlier_output(tmp_path, is_earlier, ours, others):
    for content in ours:
        (tmp_path / "file").write_bytes(content)
        assert is_earlier(str(tmp_path / "file")), content[:100]
    for content in filter(None, others):
        (tmp_path / "file").write_bytes(content)
        refused(("--out", tmp_path / "file", is_earlier))
