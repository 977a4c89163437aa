"""Frames of a video: which, when, the right way up; damaged files, and files that are no videos."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

pytest.importorskip("av")

from helpers.video_files import BLUE, GREEN, RED, SIZE, picture, set_matrix, write_video
from npfaceapi import ImageError, ImageNotFoundError, set_max_megapixels
from npfaceapi.video import decoding
from npfaceapi.video.decoding import VideoReader, frame_at

CORNERS = picture((RED, 0, 0), (GREEN, SIZE[0] - 16, 0), (BLUE, 0, SIZE[1] - 16))
STRIPES = [picture((RED, 4 * number, 20)) for number in range(20)]


def times(path, every=0.0):
    with VideoReader(path) as reader:
        return [frame.time for frame in reader.frames(every)], reader.problem()


def color(pixels, x, y):
    """The nearest of the colours at a place; negative ones count from the other side."""
    at = pixels[y, x].astype(int)
    return min((RED, GREEN, BLUE, (128, 128, 128)), key=lambda each: np.abs(at - each).sum())


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.avi"])
def test_every_frame_with_its_time(tmp_path, name):
    path = write_video(tmp_path / name, STRIPES[:6], codec="mpeg4" if name == "a.avi" else "h264")
    with VideoReader(path) as reader:
        frames = list(reader.frames())
        assert reader.problem() is None
        assert reader.end == pytest.approx(0.6, abs=0.11)
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.03)
    assert {(frame.pixels.shape, frame.pixels.dtype.str, frame.pixels.flags.c_contiguous) for frame in frames} == {
        ((64, 96, 3), "|u1", True)
    }
    assert [color(frame.pixels, 4 * n + 8, 28) for n, frame in enumerate(frames)] == [RED] * 6


@pytest.mark.parametrize(
    ("every", "expected"),
    [(0.5, [0, 0.5, 1, 1.5]), (0.3, [0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8]), (0.25, [0, 0.3, 0.5, 0.8, 1.0, 1.3, 1.5, 1.8]), (9, [0])],
)
def test_one_frame_in_each_interval(tmp_path, every, expected):
    path = write_video(tmp_path / "a.mp4", STRIPES)
    assert times(path, every)[0] == pytest.approx(expected)


def test_a_variable_frame_rate_gives_the_times_of_the_frames(tmp_path):
    stamps = [0, 40, 80, 700, 740, 1500, 3000, 3040]
    path = write_video(tmp_path / "a.mp4", STRIPES[: len(stamps)], stamps)
    assert times(path)[0] == pytest.approx([stamp / 1000 for stamp in stamps])
    assert times(path, 0.5)[0] == pytest.approx([0, 0.7, 1.5, 3.0])


@pytest.mark.parametrize("count", [5, 20])  # FFmpeg does not know the beginning of a Matroska file of 5
@pytest.mark.parametrize("name", ["a.mts", "a.mp4", "a.mkv"])
def test_times_count_from_the_beginning_of_the_file(tmp_path, name, count):
    stamps = [1400 + 100 * number for number in range(count)]
    path = write_video(tmp_path / name, STRIPES[:count], stamps, format="mpegts" if name == "a.mts" else None)
    found, problem = times(path)
    assert found == pytest.approx([number / 10 for number in range(count)], abs=0.001)
    assert problem is None
    assert color(frame_at(path, 0.3), 12 + 8, 28) == RED
    assert color(frame_at(path, 0.3), 12 - 6, 28) != RED


@pytest.mark.parametrize(
    ("matrix", "corners"),  # where red, green and blue are shown
    [
        ((1, 0, 0, 1), ((0, 0), (-1, 0), (0, -1))),
        ((0, 1, -1, 0), ((-1, 0), (-1, -1), (0, 0))),  # clockwise by 90 degrees, as a phone held upright
        ((-1, 0, 0, -1), ((-1, -1), (0, -1), (-1, 0))),
        ((0, -1, 1, 0), ((0, -1), (0, 0), (-1, -1))),
        ((-1, 0, 0, 1), ((-1, 0), (0, 0), (-1, -1))),  # mirrored
        ((1, 0, 0, -1), ((0, -1), (-1, -1), (0, 0))),
        ((0, 1, 1, 0), ((0, 0), (0, -1), (-1, 0))),  # turned and mirrored
        ((0, -1, -1, 0), ((-1, -1), (-1, 0), (0, -1))),
    ],
)
def test_the_display_matrix(tmp_path, matrix, corners):
    path = write_video(tmp_path / "a.mp4", [CORNERS] * 2)
    set_matrix(path, *matrix)
    pixels = frame_at(path, 0)
    assert pixels.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
    assert [color(pixels, *(8 if side == 0 else -8 for side in corner)) for corner in corners] == [RED, GREEN, BLUE]


def test_pixels_that_are_not_square(tmp_path):
    import av

    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("h264", rate=10)
        video.width, video.height, video.pix_fmt = 48, 64, "yuv420p"
        video.codec_context.sample_aspect_ratio = 2
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(CORNERS[:, ::2]), format="rgb24")))
        container.mux(video.encode(None))
    assert frame_at(path, 0).shape == (64, 96, 3)


@pytest.mark.parametrize("seconds", [0, 0.4, 1.9])
def test_the_frame_at_a_time(tmp_path, seconds):
    path = write_video(tmp_path / "a.mp4", STRIPES)
    assert color(frame_at(path, seconds), round(40 * seconds) + 8, 28) == RED
    assert color(frame_at(path, seconds), round(40 * seconds) - 4, 28) != RED


def test_the_frame_at_a_time_where_a_seek_goes_too_far(tmp_path, monkeypatch):
    path, real = write_video(tmp_path / "a.mp4", STRIPES), VideoReader.seek
    expected = frame_at(path, 0.4)
    monkeypatch.setattr(VideoReader, "seek", lambda reader, _: real(reader, 1.9))
    assert np.array_equal(frame_at(path, 0.4), expected)


def test_a_time_beyond_the_end_gives_the_last_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", STRIPES)
    assert np.array_equal(frame_at(path, 100), frame_at(path, 1.9))


# ------------------------------------------------------------------ damage


def test_a_truncated_file_gives_what_is_there_and_one_line(tmp_path):
    path = write_video(tmp_path / "a.mp4", STRIPES, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    found, problem = times(path)
    assert found == pytest.approx([number / 10 for number in range(len(found))])
    assert 5 <= len(found) < 20
    assert problem.startswith(f"{path}: expected a whole video, got one ")
    assert "cut off after " in problem
    assert problem.endswith(" of 2.0 seconds")


def test_a_damaged_file_gives_what_is_not_damaged_and_one_line(tmp_path):
    path = write_video(tmp_path / "a.mp4", [picture((RED, 4 * n, n), (GREEN, 40, 3 * n % 40)) for n in range(20)])
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat")
    for at in range(start + 1800, start + 2600):
        data[at] ^= 0x5A
    path.write_bytes(data)
    found, problem = times(path)
    assert 5 <= len(found) < 20
    assert set(np.round(found, 3)) < {number / 10 for number in range(20)}
    assert "damaged part" in problem
    assert "cut off" not in problem


@pytest.mark.parametrize("name", ["a.mkv", "a.mts"])
def test_other_truncated_files(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (20, 8, 12, 3), dtype=np.uint8)
    pictures = [np.kron(each, np.ones((8, 8, 1), np.uint8)) for each in noise]
    path = write_video(tmp_path / name, pictures, format="mpegts" if name == "a.mts" else None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, problem = times(path)
    assert 5 <= len(found) < 15
    assert problem is None if name == "a.mts" else "cut off after" in problem  # a transport stream has no length of its own


def test_a_file_in_which_nothing_more_is_found_gives_what_the_decoder_holds(tmp_path):
    import av

    path = write_video(tmp_path / "a.mp4", STRIPES, preset="medium")  # whose frames refer to later ones

    class Broken:
        def __init__(self, container):
            self._container = container

        def __getattr__(self, name):
            return getattr(self._container, name)

        def demux(self):
            for number, packet in enumerate(self._container.demux()):
                if number == 10:
                    raise av.error.InvalidDataError(1, "broken", "a.mp4")
                yield packet

    with VideoReader(path) as reader:
        reader.container = Broken(reader.container)
        found = [frame.time for frame in reader.frames()]
        assert len(found) == 10
        assert "cut off after 1." in reader.problem()


def test_an_mp4_that_was_not_finished(tmp_path):
    path = write_video(tmp_path / "a.mp4", STRIPES)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(ImageError, match=r"a\.mp4: expected a video file \(MP4, .*\), got something else or one that is cut off"):
        VideoReader(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a video file, got an empty file"),
        (
            b"just a text\n" * 50,
            "expected a video file (MP4, MOV, MKV, WebM, AVI, ...), got something else or one that is cut off",
        ),
        (b"\xff\xd8\xff\xe0" + bytes(500), "got something else"),
    ],
)
def test_a_file_that_is_no_video(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        VideoReader(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_lists_of_other_files_are_not_followed(tmp_path):
    other = write_video(tmp_path / "other.mp4", STRIPES[:3])
    lists = {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{other}\n#EXT-X-ENDLIST\n",
        "concat": "ffconcat version 1.0\nfile other.mp4\n",
    }
    for name, text in lists.items():
        path = tmp_path / f"{name}.mp4"
        path.write_text(text)
        with pytest.raises(ImageError, match="got something else"):
            VideoReader(path)


def test_sound_alone(tmp_path):
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    with pytest.raises(ImageError, match=r"a\.mp4: expected a video, got a file with audio only"):
        VideoReader(path)


def test_a_video_without_a_frame_that_can_be_decoded(tmp_path):
    path = write_video(tmp_path / "a.mp4", STRIPES[:3])
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    with VideoReader(path) as reader, pytest.raises(ImageError, match="of which no frame can be decoded"):
        list(reader.frames())


def test_no_file_a_folder_and_a_pipe(tmp_path):
    with pytest.raises(ImageNotFoundError, match=r"no\.mp4: expected a video file, got no such file"):
        VideoReader(tmp_path / "no.mp4")
    with pytest.raises(ImageError, match="expected a video file, got a folder"):
        VideoReader(tmp_path)
    with pytest.raises(ImageError, match=r"expected a video file that can be read, got: .*null"):
        VideoReader("a\0b.mp4")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(ImageError, match="expected a video file, got a pipe or a device"):
            VideoReader(tmp_path / "pipe.mp4")


def test_the_limit_on_pixels(tmp_path):
    path = write_video(tmp_path / "a.mp4", STRIPES[:2])
    set_max_megapixels(0.001)
    try:
        with pytest.raises(ImageError, match=r"expected a photo of at most 0\.001 megapixels, got 96x64"):
            VideoReader(path)
    finally:
        set_max_megapixels(None)


# ------------------------------------------------------------------ decoding ahead


def test_few_frames_are_decoded_ahead_in_another_thread(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", STRIPES)
    threads, made, most = set(), 0, 0
    real = VideoReader.pixels

    def pixels(reader, frame):
        nonlocal made
        made += 1
        threads.add(threading.current_thread().name.partition("_")[0])
        return real(reader, frame)

    monkeypatch.setattr(VideoReader, "pixels", pixels)
    with VideoReader(path) as reader:
        for used, _ in enumerate(reader.frames(), 1):
            deadline = threading.Event()
            while made < min(20, used + decoding.AHEAD) and not deadline.wait(0.01):
                pass  # it goes on while this frame is in use
            most = max(most, made - used)
    assert threads == {"npfaceapi-video"}
    assert most == decoding.AHEAD


def test_who_stops_early_leaves_no_thread_and_waits_for_one_frame_at_most(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", STRIPES)
    real, made = VideoReader.pixels, []

    def slow(reader, frame):
        time.sleep(0.05)
        made.append(frame)
        return real(reader, frame)

    monkeypatch.setattr(VideoReader, "pixels", slow)
    with VideoReader(path) as reader:
        frames = reader.frames()
        next(frames)
        frames.close()
    assert len(made) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("npfaceapi-video")]
