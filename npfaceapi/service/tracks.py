"""Faces followed through the frames of a video: a number for each, and a smoothed age."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Rect

__all__ = ["Tracks"]

SAME = 0.3  # the least intersection over union of a face in two frames
LAST_AGES = 30  # as in face-api.js's example webcamAgeAndGenderRecognition
KEPT_FRAMES = 10  # a face may be missing in so many frames


class _Track:
    def __init__(self, number: int) -> None:
        self.number = number
        self.box = Rect(0, 0, 0, 0)
        self.ages: list[float] = []
        self.missing = 0


class Tracks:
    """The faces of the last frames; each new face continues the nearest of them."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._count = 0

    def follow(self, faces: Sequence[str]) -> list[dict[str, Any]]:
        """For each face of the next frame (`FaceResult.to_json()`): its track, a number from 1, and its mean age or None."""
        results = [json.loads(face) for face in faces]
        boxes = [Rect(**result["detection"]["box"]) for result in results]
        overlaps = np.array([[iou(box, track.box) for track in self._tracks] for box in boxes])
        overlaps = overlaps.reshape(len(boxes), len(self._tracks))
        found: dict[int, _Track] = {}
        while overlaps.size and overlaps.max() >= SAME:
            face, known = np.unravel_index(overlaps.argmax(), overlaps.shape)
            found[int(face)] = self._tracks[known]
            overlaps[face], overlaps[:, known] = 0, 0
        for track in self._tracks:
            track.missing += 1
        for number, box in enumerate(boxes):
            track = found[number] = found.get(number) or self._new()
            track.box, track.missing = box, 0
            if results[number]["age"] is not None:
                track.ages = [results[number]["age"], *track.ages][:LAST_AGES]
        self._tracks = [track for track in dict.fromkeys([*self._tracks, *found.values()]) if track.missing <= KEPT_FRAMES]
        return [
            {"track": track.number, "age": sum(track.ages) / len(track.ages) if track.ages else None}
            for _, track in sorted(found.items())
        ]

    def _new(self) -> _Track:
        self._count += 1
        return _Track(self._count)
