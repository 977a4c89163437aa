"""Following faces from frame to frame.

In each frame, SciPy's `linear_sum_assignment` gives the faces to the tracks so that the sum of the costs is least.  The cost of a
pair falls with the overlap (IoU) of the face's box with the track's last one, and rises with the distance of the face's
descriptor from the mean of the track's.  A face without a descriptor follows by its box alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import BackendUnavailable
from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Box
from npfaceapi.faces.results import FaceResult
from npfaceapi.photos.quality import FaceQuality

__all__ = ["GAP", "Follower", "Track"]

GAP = 3  # analysed frames within which a box is compared with a track's last one
OVERLAP = 0.3  # IoU from which two boxes can be one face
SAME_PLACE, SAME_FACE = 0.6, 0.5  # the largest distances of a face at the place of the last one, and of one elsewhere
WEIGHT = 0.5  # how much distance a full overlap is worth
NEVER = 1e6  # the cost of a pair that cannot be


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """A face, followed over the frames of a video.

    Attributes
    ----------
    number : int
        From 1, by first appearance.
    times : tuple of float
        The times of the analysed frames in which the face was found, in seconds; it may have left and come back in between.
    boxes : tuple of Box
        Its boxes in these frames, in pixels.
    best : FaceResult
        The face where its quality is highest, or without landmarks its score.
    best_time : float
        The time of that frame, in seconds.
    quality : FaceQuality or None
        Of the best face; None without landmarks.
    descriptor : float32 array [128], read-only, or None
        The mean of the face's descriptors; None if there are none.

    Examples
    --------
    >>> from npfaceapi import FaceDetection
    >>> detection = FaceDetection(0.9, {"x": 0.25, "y": 0.5, "width": 0.25, "height": 0.25}, (200, 100))
    >>> Track(1, (0.0, 0.5), (detection.box, detection.box), FaceResult(detection), 0.5, None, None)
    <Track 1: 2 frames, 0.00 to 0.50 s, best at 0.50 s>
    """

    number: int
    times: tuple[float, ...]
    boxes: tuple[Box, ...]
    best: FaceResult
    best_time: float
    quality: FaceQuality | None
    descriptor: NDArray[np.float32] | None

    @property
    def start(self) -> float:
        """The time of the first of its frames, in seconds."""
        return self.times[0]

    @property
    def end(self) -> float:
        """The time of the last of its frames, in seconds."""
        return self.times[-1]

    def to_dict(self) -> dict[str, Any]:
        """The track in plain JSON types; its boxes are in those of the frames."""
        return {
            "number": self.number,
            "times": list(self.times),
            "best_time": self.best_time,
            "best": self.best.to_dict(),
            "quality": None if self.quality is None else self.quality.to_dict(),
            "descriptor": None if self.descriptor is None else self.descriptor.tolist(),
        }

    def __repr__(self) -> str:
        return (
            f"<Track {self.number}: {len(self.times)} frame{'' if len(self.times) == 1 else 's'}, "
            f"{self.start:.2f} to {self.end:.2f} s, best at {self.best_time:.2f} s>"
        )


@dataclasses.dataclass
class _Followed:
    """A track in the making; the sum is that of its descriptors."""

    seen: int  # the number of the last analysed frame it was in
    times: list[float]
    boxes: list[Box]
    sum: NDArray[np.float64] | None
    described: int
    best: tuple[float, FaceResult, float, FaceQuality | None]

    def mean(self) -> NDArray[np.float64] | None:
        return None if self.sum is None else self.sum / self.described


class Follower:
    """Gives the faces of one frame after another to tracks.

    Raises
    ------
    BackendUnavailable
        Without SciPy.
    """

    def __init__(self) -> None:
        try:
            import scipy.optimize  # noqa: F401
        except ImportError:
            raise BackendUnavailable(
                'video: expected the package scipy, got none installed; pip install "npfaceapi[video]"'
            ) from None
        self._followed: list[_Followed] = []
        self._frame = 0

    def add(self, time: float, faces: Sequence[FaceResult], qualities: Sequence[FaceQuality | None]) -> list[int]:
        """Take the faces of the next frame and their qualities; returns the number of each face's track."""
        given = self._assigned(faces)
        for index, (face, quality) in enumerate(zip(faces, qualities, strict=True)):
            score = face.detection.score if quality is None else quality.score
            if given[index] is None:
                given[index] = len(self._followed)
                self._followed.append(_Followed(0, [], [], None, 0, (-1.0, face, time, quality)))
            track = self._followed[given[index] or 0]
            track.seen = self._frame
            track.times.append(time)
            track.boxes.append(face.detection.box)
            if face.descriptor is not None:
                track.sum = face.descriptor.astype(np.float64) + (0 if track.sum is None else track.sum)
                track.described += 1
            if score > track.best[0]:
                track.best = score, face, time, quality
        self._frame += 1
        return [(index or 0) + 1 for index in given]

    def _assigned(self, faces: Sequence[FaceResult]) -> list[int | None]:
        """For each face the index of its track, or None."""
        from scipy.optimize import linear_sum_assignment

        given: list[int | None] = [None] * len(faces)
        if faces and self._followed:
            cost = np.array([[self._cost(track, face) for face in faces] for track in self._followed])
            for track, face in zip(*linear_sum_assignment(cost), strict=True):
                if cost[track, face] < NEVER:
                    given[face] = int(track)
        return given

    def _cost(self, track: _Followed, face: FaceResult) -> float:
        recent = self._frame - track.seen <= GAP
        overlap = iou(track.boxes[-1], face.detection.box) if recent else 0.0
        limit = SAME_PLACE if overlap >= OVERLAP else SAME_FACE
        mean = track.mean()
        if mean is None or face.descriptor is None:
            distance = limit if overlap >= OVERLAP else np.inf
        else:
            distance = float(np.linalg.norm(mean - face.descriptor))
        return distance - WEIGHT * overlap if distance <= limit else NEVER

    def tracks(self) -> list[Track]:
        """The tracks so far."""
        tracks = []
        for number, each in enumerate(self._followed, 1):
            _, best, time, quality = each.best
            mean = each.mean()
            descriptor = None if mean is None else mean.astype(np.float32)
            if descriptor is not None:
                descriptor.flags.writeable = False
            tracks.append(Track(number, tuple(each.times), tuple(each.boxes), best, time, quality, descriptor))
        return tracks
