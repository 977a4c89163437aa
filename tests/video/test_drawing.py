"""The drawn copy of a video: every frame with its time, boxes in between, the audio as it is, and files that are left alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("av")

from helpers.video_files import RED, find_boxes, find_squares, picture, read_video, set_matrix, write_video
from npfaceapi import BackendUnavailable, ImageError, InvalidArgument, PhotoWarning, analyze_video
from npfaceapi.faces.geometry import Box
from npfaceapi.video import drawing
from npfaceapi.video.decoding import VideoReader
from npfaceapi.video.drawing import box_at, is_drawn_video
from npfaceapi.video.tracks import Track

SIZE = 320, 192
PICTURES = [picture((RED, 8 * n, 60, 40), size=SIZE) for n in range(20)]


def drawn_at(pixels):
    """The left edge of the blue box, or None."""
    blue = (pixels[100:104, :, 2].astype(int) - pixels[100:104, :, 0]).mean(0) > 50
    return int(np.nonzero(blue)[0][0]) if blue.any() else None


def track(*places):
    times = tuple(float(time) for time, _ in places)
    return Track(1, times, tuple(Box({"x": x, "y": 2 * x, "width": 10, "height": 20}) for _, x in places), None, 0.0, None, None)


def test_every_frame_has_its_time_and_its_box(tmp_path):
    path = write_video(tmp_path / "a.mp4", PICTURES)
    analyze_video(path, 0.5, find_squares).draw(tmp_path / "out.mp4")
    times, frames, _ = read_video(tmp_path / "out.mp4")
    assert times == pytest.approx([n / 10 for n in range(20)])
    assert {pixels.shape for pixels in frames} == {(192, 320, 3)}
    places = [drawn_at(pixels) for pixels in frames]
    assert [place for place in places if place is not None] == pytest.approx([*(8 * n for n in range(16)), 120, 120], abs=3)
    assert places[18:] == [None] * 2  # too far from the last analysed frame, which is at 1.5 s
    assert is_drawn_video(str(tmp_path / "out.mp4"))
    assert not is_drawn_video(str(path))


def test_the_times_of_a_variable_frame_rate_stay(tmp_path):
    stamps = [0, 40, 80, 700, 740, 1500, 3000, 3040]
    path = write_video(tmp_path / "a.mp4", PICTURES[: len(stamps)], stamps)
    analyze_video(path, 0, find_boxes).draw(tmp_path / "out.mkv")
    assert read_video(tmp_path / "out.mkv")[0] == pytest.approx([stamp / 1000 for stamp in stamps], abs=0.001)


def test_frames_with_a_damaged_time_are_left_out(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", PICTURES[:4])
    analysis, real = analyze_video(path, 0, find_boxes), VideoReader.decoded
    monkeypatch.setattr(VideoReader, "decoded", lambda reader, others: (each for each in real(reader, others) for _ in range(2)))
    analysis.draw(tmp_path / "out.mp4")
    assert read_video(tmp_path / "out.mp4")[0] == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("name", "out"), [("a.mp4", "out.mp4"), ("a.mkv", "out.mp4"), ("a.mp4", "out.mkv"), ("a.mov", "out.mov")]
)
def test_the_audio_is_kept_bit_for_bit(tmp_path, name, out):
    path = write_video(tmp_path / name, PICTURES, sound="aac")
    analyze_video(path, 0.5, find_boxes).draw(tmp_path / out)
    (start, *_), frames, before = read_video(path)
    (copy_start, *_), copied, after = read_video(tmp_path / out)
    assert len(before) > 50
    assert [data for _, data in after] == [data for _, data in before]
    assert [time - copy_start for time, _ in after] == pytest.approx([time - start for time, _ in before], abs=0.002)
    assert len(copied) == len(frames) == 20


def test_audio_that_the_container_does_not_take_is_left_out_with_a_line(tmp_path):
    path = write_video(tmp_path / "a.mkv", PICTURES[:5], sound="tta")
    analysis = analyze_video(path, 0.5, find_boxes)
    with pytest.warns(PhotoWarning, match=r"out\.mp4: expected audio that this container takes, got tta: it is left out"):
        analysis.draw(tmp_path / "out.mp4")
    assert len(read_video(tmp_path / "out.mp4")[0]) == 5
    with warnings.catch_warnings(action="error"):
        analysis.draw(tmp_path / "out.mkv")
    assert read_video(tmp_path / "out.mkv")[2]


def test_audio_in_an_unknown_codec_is_left_out_with_a_line(tmp_path):
    path = write_video(tmp_path / "a.mp4", PICTURES[:5], sound="aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"what").replace(b"esds", b"none"))
    analysis = analyze_video(path, 0.5, find_boxes)
    with pytest.warns(PhotoWarning, match="got an unknown codec: it is left out"):
        analysis.draw(tmp_path / "out.mp4")
    assert len(read_video(tmp_path / "out.mp4")[0]) == 5


def test_a_turned_video_is_drawn_upright_and_with_even_sides(tmp_path):
    path = write_video(tmp_path / "a.mkv", [pixels[:61, :97] for pixels in PICTURES[:2]], codec="ffv1")
    analyze_video(path, 0, find_boxes).draw(tmp_path / "odd.mp4")
    assert read_video(tmp_path / "odd.mp4")[1][0].shape == (62, 98, 3)
    path = write_video(tmp_path / "a.mp4", PICTURES[:2])
    set_matrix(path, 0, 1, -1, 0)
    analyze_video(path, 0, find_boxes).draw(tmp_path / "out.mp4")
    assert read_video(tmp_path / "out.mp4")[1][0].shape == (320, 192, 3)


def test_a_truncated_video_is_drawn_as_far_as_it_goes(tmp_path):
    path = write_video(tmp_path / "a.mp4", PICTURES, options={"movflags": "faststart"}, sound="aac")
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    with pytest.warns(PhotoWarning, match="cut off"):
        analysis = analyze_video(path, 0, find_boxes)
    analysis.draw(tmp_path / "out.mp4")
    assert len(read_video(tmp_path / "out.mp4")[0]) == len(analysis.frames)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.mp4", InvalidArgument, "expected a file that is not an input"),
        ("out.webm", InvalidArgument, r"out\.webm: expected a file that ends in \.mp4, \.m4v, \.mov, \.mkv"),
        ("out", InvalidArgument, "expected a file that ends in"),
        ("no/out.mp4", InvalidArgument, "got: no such folder"),
    ],
)
def test_files_that_cannot_be_written(tmp_path, name, kind, message):
    path = write_video(tmp_path / "a.mp4", PICTURES[:2])
    content = path.read_bytes()
    analysis = analyze_video(path, 0, find_boxes)
    with pytest.raises(kind, match=message):
        analysis.draw(tmp_path / name)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]


def test_a_failure_leaves_nothing_and_the_earlier_file(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", PICTURES[:4])
    analysis = analyze_video(path, 0, find_boxes)
    (tmp_path / "out.mp4").write_text("earlier")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drawing, "_drawn", fail)
    with pytest.raises(InvalidArgument, match=r"out\.mp4: expected to write the video, got: No space left on device"):
        analysis.draw(tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_text() == "earlier"
    path.unlink()
    with pytest.raises(ImageError, match="got no such file"):
        analysis.draw(tmp_path / "out.mp4")
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


def test_without_an_encoder(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", PICTURES[:2])
    analysis = analyze_video(path, 0, find_boxes)
    monkeypatch.setattr(drawing, "ENCODER", "no_such_encoder")
    with pytest.raises(BackendUnavailable, match=r"out\.mp4: expected PyAV with an encoder for H\.264"):
        analysis.draw(tmp_path / "out.mp4")


# ------------------------------------------------------------------ a box at a time


@pytest.mark.parametrize(
    ("time", "x"),
    [(1, 10), (1.5, 15), (1.75, 17.5), (2, 20), (2.2, 20), (2.6, None), (0.8, 10), (0.4, None), (9, None)],
)
def test_a_box_moves_evenly_and_ends_soon(time, x):
    box = box_at(track((1, 10), (2, 20)), time, 1.0)
    assert (None if box is None else (box.x, box.y, box.width, box.height)) == (
        None if x is None else (pytest.approx(x), pytest.approx(2 * x), 10, 20)
    )


@pytest.mark.parametrize(("gap", "bridged"), [(3, True), (3.5, False)])
def test_only_short_absences_are_bridged(gap, bridged):
    assert (box_at(track((0, 10), (gap, 20)), 1.2, 1.0) is not None) is bridged


def test_if_all_frames_are_analysed_a_box_is_where_it_was_found():
    each = track((0, 10), (0.04, 20), (0.16, 30), (5, 40))
    assert [box_at(each, time, 0) and box_at(each, time, 0).x for time in (0, 0.04, 0.1, 0.16, 0.2, 4.9, 5)] == [
        10, 20, pytest.approx(25), 30, None, None, 40,
    ]  # fmt: skip
