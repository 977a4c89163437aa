"""`analyze_video`: frames, tracks, warnings, wrong arguments, memory."""

from __future__ import annotations

import json
import sys
import tracemalloc
import warnings

import numpy as np
import pytest

pytest.importorskip("av")

import npfaceapi as faceapi
from helpers import ASTRONAUT
from helpers.video_files import GREEN, RED, SIZE, find_boxes, find_squares, picture, set_matrix, write_video
from npfaceapi import analyze_video
from npfaceapi.video.decoding import frame_at

CROSSING = [picture((RED, 4 * n, 10), (GREEN, 76 - 4 * n, 14)) for n in range(20)]


def test_two_faces_that_cross(tmp_path):
    path = write_video(tmp_path / "a.mp4", CROSSING)
    analysis = analyze_video(path, 0, find_squares)
    assert [(frame.time, frame.tracks) for frame in analysis.frames] == [(pytest.approx(n / 10), (1, 2)) for n in range(20)]
    red, green = analysis.tracks
    assert len(red.times) == len(green.times) == 20
    assert [red.descriptor.argmax(), green.descriptor.argmax()] == [0, 1]
    assert red.boxes[0].x < 8 < 60 < red.boxes[-1].x
    assert (analysis.path, analysis.width, analysis.height, analysis.problem) == (str(path), *SIZE, None)
    assert analysis.duration == pytest.approx(2, abs=0.01)
    assert analysis.every == 0
    assert repr(analysis) == f"<VideoAnalysis: {str(path)!r}, 96x64, 2.0 s, 20 frames analysed, 2 faces>"


def test_one_that_leaves_and_returns(tmp_path):
    pictures = [picture(*([] if 6 <= n < 14 else [(RED, 3 * n, 20)])) for n in range(20)]
    path = write_video(tmp_path / "a.mp4", pictures)
    (track,) = analyze_video(path, 0.1, find_squares).tracks
    assert len(track.times) == 12
    assert len(analyze_video(path, 0.1, find_boxes).tracks) == 2  # without descriptors nobody knows


def test_the_best_frame_is_the_largest_face_here(tmp_path):
    pictures = [picture((RED, 10, 10, side)) for side in (12, 14, 20, 18, 13)]
    (track,) = analyze_video(write_video(tmp_path / "a.mp4", pictures), 0, find_boxes).tracks
    assert track.best_time == pytest.approx(0.2)
    assert track.best.detection.box.width == pytest.approx(20, abs=2)


def test_boxes_are_in_pixels_of_the_upright_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", [picture((RED, 0, 0))] * 2)
    set_matrix(path, 0, 1, -1, 0)  # turned clockwise: the corner is on the right
    analysis = analyze_video(path, 0, find_squares)
    assert (analysis.width, analysis.height) == (64, 96)
    assert analysis.tracks[0].boxes[0].x == pytest.approx(48, abs=1)


def test_json(tmp_path):
    analysis = analyze_video(write_video(tmp_path / "a.mp4", CROSSING[:4]), 0.2, find_squares)
    found = json.loads(analysis.to_json())
    assert found == json.loads(json.dumps(analysis.to_dict()))
    assert [found[name] for name in ("path", "width", "height", "every", "taken", "problem")] == [
        str(tmp_path / "a.mp4"), 96, 64, 0.2, None, None,
    ]  # fmt: skip
    assert [frame["time"] for frame in found["frames"]] == pytest.approx([0, 0.2])
    assert [face["track"] for face in found["frames"][0]["faces"]] == [1, 2]
    assert found["frames"][1]["faces"][1] == {"track": 2, **analysis.frames[1].faces[1].to_dict()}
    assert [track["number"] for track in found["tracks"]] == [1, 2]


def test_when_it_was_recorded(tmp_path):
    import av

    path = write_video(tmp_path / "a.mp4", CROSSING[:1])
    with av.open(str(path)) as old, av.open(str(tmp_path / "b.mp4"), "w") as new:
        new.metadata["creation_time"] = "2024-05-01T12:30:00.000000Z"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    assert analyze_video(tmp_path / "b.mp4", find=find_boxes).taken == "2024-05-01T12:30:00+00:00"


def test_a_truncated_file_warns_in_one_line(tmp_path):
    path = write_video(tmp_path / "a.mp4", CROSSING, options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    with pytest.warns(faceapi.PhotoWarning) as caught:
        analysis = analyze_video(path, 0, find_squares)
    assert [str(each.message) for each in caught] == [analysis.problem]
    assert "cut off after" in analysis.problem
    assert len(analysis.tracks) == 2
    assert analysis.duration < 1.9


def test_a_whole_file_warns_of_nothing(tmp_path):
    path = write_video(tmp_path / "a.mp4", CROSSING[:3], sound="aac")
    with warnings.catch_warnings(action="error"):
        assert analyze_video(path, find=find_boxes).problem is None


def test_progress(tmp_path):
    told = []
    analyze_video(write_video(tmp_path / "a.mp4", CROSSING), 0.5, find_boxes, lambda *given: told.append(given))
    assert told == [pytest.approx((time, 2.0)) for time in (0, 0.5, 1, 1.5)]


def test_detections_alone(tmp_path):
    path = write_video(tmp_path / "a.mp4", CROSSING[:2])
    analysis = analyze_video(path, 0, lambda pixels: [face.detection for face in find_boxes(pixels)])
    assert isinstance(analysis.frames[0].faces[0], faceapi.FaceResult)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((3,), faceapi.InvalidType, "analyze_video: expected the path of a video file, got 3"),
        ((b"a.mp4",), faceapi.InvalidType, "expected the path of a video file, got b'a.mp4'"),
        (("a.mp4", -1), faceapi.InvalidArgument, "expected seconds from 0 up between frames, got every=-1"),
        (("a.mp4", "x"), faceapi.InvalidArgument, "analyze_video: every: expected a finite number, got 'x'"),
        (("a.mp4", float("nan")), faceapi.InvalidArgument, "analyze_video: every"),
        (("a.mp4", 1, 5), faceapi.InvalidType, "expected a function that finds the faces of a frame, got find=5"),
        (("a.mp4",), faceapi.ImageNotFoundError, "a.mp4: expected a video file, got no such file"),
    ],
)
def test_wrong_arguments(tmp_path, monkeypatch, arguments, kind, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        analyze_video(*arguments)
    assert message in str(caught.value)


def test_find_that_gives_no_faces_or_fails(tmp_path):
    path = write_video(tmp_path / "a.mp4", CROSSING[:2])
    with pytest.raises(faceapi.InvalidType, match="expected find to give FaceResult or FaceDetection, got 5"):
        analyze_video(path, find=lambda pixels: [5])
    with pytest.raises(faceapi.InvalidType, match="expected find to give a sequence of faces, got 5"):
        analyze_video(path, find=lambda pixels: 5)
    with pytest.raises(ZeroDivisionError):
        analyze_video(path, find=lambda pixels: 1 / 0)


@pytest.mark.parametrize(("missing", "message"), [("av", "expected the package av"), ("scipy", "expected the package scipy")])
def test_without_the_extra(tmp_path, monkeypatch, missing, message):
    path = write_video(tmp_path / "a.mp4", CROSSING[:1])
    for name in [missing, *(name for name in sys.modules if name.startswith(f"{missing}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(faceapi.BackendUnavailable, match=message) as caught:
        analyze_video(path, find=find_boxes)
    assert 'pip install "npfaceapi[video]"' in str(caught.value)


def test_the_memory_does_not_grow_with_the_video(tmp_path):
    pictures = [np.full((240, 320, 3), n, np.uint8) for n in range(10)]
    peaks = []
    for count in (10, 100):
        path = write_video(tmp_path / f"{count}.mp4", (pictures * 10)[:count])
        tracemalloc.start()
        analyze_video(path, 0, lambda pixels: [])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + pictures[0].nbytes
    assert peaks[1] < 8 * pictures[0].nbytes


@pytest.mark.slow
def test_a_real_face(tmp_path):
    from PIL import Image

    photo = np.asarray(Image.open(ASTRONAUT).convert("RGB").crop((100, 0, 356, 256)))
    pictures = [np.pad(photo, ((0, 0), (20 * n, 80 - 20 * n), (0, 0))) for n in range(5)]
    path = write_video(tmp_path / "a.mp4", pictures)
    analysis = analyze_video(path, 0.2)
    (track,) = analysis.tracks
    assert track.times == pytest.approx((0, 0.2, 0.4))
    assert track.boxes[2].x - track.boxes[0].x == pytest.approx(80, abs=6)
    known = faceapi.detect_single_face(photo).with_face_landmarks().with_face_descriptor().run()
    assert faceapi.euclidean_distance(track.descriptor, known.descriptor) < 0.3
    best = frame_at(path, track.best_time)
    assert track.quality == faceapi.face_quality(best, track.best)
    qualities = [faceapi.face_quality(frame_at(path, frame.time), frame.faces[0]).score for frame in analysis.frames]
    assert track.quality.score == max(qualities)
    assert (track.best.gender, track.best.expressions.as_sorted_array()[0].expression) == ("female", "happy")
