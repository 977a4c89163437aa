"""Faces followed through frames."""

from __future__ import annotations

import json

from npfaceapi.service.tracks import KEPT_FRAMES, LAST_AGES, Tracks


def face(x, age=None):
    return json.dumps({"detection": {"box": {"x": x, "y": 0, "width": 100, "height": 100}}, "age": age})


def numbers(seen):
    return [each["track"] for each in seen]


def test_a_face_that_moves_keeps_its_number_and_others_get_new_ones():
    tracks = Tracks()
    assert numbers(tracks.follow([face(0), face(300)])) == [1, 2]
    assert numbers(tracks.follow([face(320), face(600), face(20)])) == [2, 3, 1]
    assert numbers(tracks.follow([])) == []
    assert numbers(tracks.follow([face(40)])) == [1]


def test_the_nearest_is_continued_first():
    tracks = Tracks()
    tracks.follow([face(0), face(60)])
    assert numbers(tracks.follow([face(50), face(0)])) == [2, 1]


def test_a_face_that_is_away_for_long_is_a_new_one():
    tracks = Tracks()
    tracks.follow([face(0)])
    for _ in range(KEPT_FRAMES):
        tracks.follow([])
    assert numbers(tracks.follow([face(0)])) == [1]
    for _ in range(KEPT_FRAMES + 1):
        tracks.follow([])
    assert numbers(tracks.follow([face(0)])) == [2]


def test_the_age_is_the_mean_of_the_last_frames_of_that_face():
    tracks = Tracks()
    assert tracks.follow([face(0)])[0]["age"] is None
    for age in (20, 30):
        seen = tracks.follow([face(0, age), face(300, 60)])
    assert [each["age"] for each in seen] == [25, 60]
    for _ in range(LAST_AGES):
        seen = tracks.follow([face(0, 50)])
    assert seen[0]["age"] == 50
