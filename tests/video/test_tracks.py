"""Following faces: which face goes to which track, the best frame, the mean descriptor."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

pytest.importorskip("scipy")

from npfaceapi import FaceDetection, FaceQuality, FaceResult, euclidean_distance
from npfaceapi.video import tracks
from npfaceapi.video.tracks import Follower


def face(x, person=None, score=0.9, blur=0.0, y=10):
    """A face of 20 pixels at x, y in a picture of 200x100; each person's descriptor is at a distance of 1 from the others'."""
    descriptor = None
    if person is not None:
        descriptor = np.zeros(128, np.float32)
        descriptor[person] = np.sqrt(0.5)
        descriptor[100] = blur
    return FaceResult(
        FaceDetection(score, {"x": x / 200, "y": y / 100, "width": 0.1, "height": 0.2}, (200, 100)), descriptor=descriptor
    )


def follow(*frames, qualities=None):
    follower = Follower()
    numbers = []
    for time, faces in enumerate(frames):
        numbers.append(follower.add(float(time), faces, qualities[time] if qualities else [None] * len(faces)))
    return numbers, follower.tracks()


@pytest.mark.parametrize("person", [None, 1])
def test_a_face_that_moves_is_one_track(person):
    numbers, (track,) = follow(*([face(5 * step, person)] for step in range(6)))
    assert numbers == [[1]] * 6
    assert track.times == (0, 1, 2, 3, 4, 5)
    assert [box.x for box in track.boxes] == pytest.approx([0, 5, 10, 15, 20, 25])
    assert (track.start, track.end) == (0, 5)


@pytest.mark.parametrize("order", [1, -1])
def test_two_faces_that_cross_keep_their_tracks_by_their_descriptors(order):
    frames = [[face(10 + 12 * step, 1), face(130 - 12 * step, 2)][::order] for step in range(11)]
    numbers, found = follow(*frames)
    assert numbers == [[1, 2]] * 11
    assert [track.boxes[-1].x for track in found] == pytest.approx([130, 10][::order])


def test_two_faces_side_by_side_keep_their_tracks_by_their_boxes():
    numbers, _ = follow(*([face(10 + 5 * step), face(50 + 5 * step)][:: (-1) ** step] for step in range(4)))
    assert numbers == [[1, 2], [2, 1], [1, 2], [2, 1]]


def test_twins_keep_their_tracks_by_their_boxes():
    numbers, _ = follow(*([face(10 + 3 * step, 1), face(27 + 3 * step, 1)][:: (-1) ** step] for step in range(4)))
    assert numbers == [[1, 2], [2, 1], [1, 2], [2, 1]]


def test_a_face_that_leaves_and_returns_is_the_same_track_by_its_descriptor():
    away = [[]] * 20
    numbers, (track,) = follow([face(10, 1)], [face(12, 1)], *away, [face(150, 1)])
    assert (numbers[0], numbers[-1]) == ([1], [1])
    assert track.times == (0, 1, 22)
    numbers, found = follow([face(10, 1)], *away, [face(10, 2)])  # somebody else at the same place
    assert (numbers[-1], len(found)) == ([2], 2)
    numbers, found = follow([face(10)], *away, [face(10)])  # without descriptors nobody knows
    assert (numbers[-1], len(found)) == ([2], 2)


@pytest.mark.parametrize(("missed", "same"), [(tracks.GAP - 1, True), (tracks.GAP, False)])
def test_a_face_without_a_descriptor_may_be_missed_in_a_few_frames(missed, same):
    numbers, _ = follow([face(10)], *([[]] * missed), [face(10)])
    assert numbers[-1] == ([1] if same else [2])


def test_a_cut_to_somebody_else_at_the_same_place_is_another_track():
    numbers, _ = follow([face(10, 1)], [face(10, 1)], [face(10, 2)], [face(10, 1)])
    assert numbers == [[1], [1], [2], [1]]


@pytest.mark.parametrize(
    ("x", "distance", "same"),
    [
        (10, tracks.SAME_PLACE - 0.01, True),
        (10, tracks.SAME_PLACE + 0.01, False),
        (150, tracks.SAME_FACE - 0.01, True),
        (150, tracks.SAME_FACE + 0.01, False),
    ],
)
def test_how_far_a_descriptor_may_be(x, distance, same):
    numbers, _ = follow([face(10, 1)], [face(x, 1, blur=distance)])
    assert numbers[-1] == ([1] if same else [2])


def test_as_many_faces_as_possible_keep_their_tracks():
    # the first face is nearer to both tracks; given to the nearer one, the second face would have none
    numbers, _ = follow([face(10, 1), face(100, 1, blur=0.4)], [face(40, 1, blur=0.25), face(60, 1, blur=0.88)])
    assert sorted(itertools.chain(*numbers[1:])) == [1, 2]
    assert numbers[1] == [1, 2]


def test_the_best_face_is_that_of_the_highest_quality_or_else_score():
    sharp = [FaceQuality(size=size, sharpness=1, yaw=0, pitch=0, roll=0, detection=0.9) for size in (30, 200, 60)]
    _, (track,) = follow(*([face(10, score=score)] for score in (0.99, 0.5, 0.7)), qualities=[[each] for each in sharp])
    assert (track.best_time, track.quality, track.best.detection.score) == (1, sharp[1], 0.5)
    _, (track,) = follow(*([face(10, score=score)] for score in (0.7, 0.8, 0.8)))
    assert (track.best_time, track.quality) == (1, None)  # the first of equals


def test_the_mean_descriptor():
    blurs = (0.0, 0.3, 0.1)
    faces = [face(10, 1, blur=blur) for blur in blurs]
    _, (track,) = follow(*([each] for each in [*faces, face(10)]))  # the last without one
    assert len(track.times) == 4
    assert track.descriptor.dtype == np.float32
    assert np.allclose(track.descriptor, np.mean([each.descriptor for each in faces], 0))
    assert not track.descriptor.flags.writeable
    assert euclidean_distance(track.descriptor, faces[2].descriptor) < 0.04
    assert follow([face(10)])[1][0].descriptor is None


def test_in_plain_types():
    _, (track,) = follow([face(10, 1)], [face(12, 1)])
    found = json.loads(json.dumps(track.to_dict()))
    assert (found["number"], found["times"], found["best_time"], found["quality"]) == (1, [0, 1], 0, None)
    assert found["best"] == track.best.to_dict()
    assert found["descriptor"] == track.descriptor.tolist()
    assert repr(track) == "<Track 1: 2 frames, 0.00 to 1.00 s, best at 0.00 s>"
    assert follow([face(10)])[1][0].to_dict()["descriptor"] is None
