"""`analyze_video`: the faces in a video file, followed over its frames."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.detection import FaceDetection
from npfaceapi.faces.landmarks import FaceLandmarks68
from npfaceapi.faces.points import as_number
from npfaceapi.faces.results import FaceResult
from npfaceapi.photos.messages import tell
from npfaceapi.photos.quality import FaceQuality, quality_of
from npfaceapi.tasks import detect_all_faces
from npfaceapi.video.decoding import VideoReader
from npfaceapi.video.drawing import draw_video
from npfaceapi.video.tracks import Follower, Track

__all__ = ["EVERY", "FrameFaces", "VideoAnalysis", "analysis_of", "analyze_video"]

EVERY = 0.5  # seconds

Find = Callable[[NDArray[np.uint8]], Sequence[FaceResult | FaceDetection]]


@dataclasses.dataclass(frozen=True, eq=False)
class FrameFaces:
    """The faces of one frame of a video.

    Attributes
    ----------
    time : float
        Seconds from the beginning of the file.
    faces : tuple of FaceResult
        In pixels of the upright frame.
    tracks : tuple of int
        The number of each face's track.

    Examples
    --------
    >>> FrameFaces(0.5, (), ()).to_dict()
    {'time': 0.5, 'faces': []}
    """

    time: float
    faces: tuple[FaceResult, ...]
    tracks: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The frame in plain JSON types: each face as `FaceResult.to_dict` gives it, with "track"."""
        faces = [{"track": track, **face.to_dict()} for track, face in zip(self.tracks, self.faces, strict=True)]
        return {"time": self.time, "faces": faces}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class VideoAnalysis:
    """The faces in a video.

    Attributes
    ----------
    path : str
    width, height : int
        Of a frame, upright, with square pixels.
    duration : float
        Seconds up to the end of what could be read.
    every : float
        The interval of the analysed frames in seconds; 0: all frames.
    frames : tuple of FrameFaces
        The analysed frames.
    tracks : tuple of Track
        One for each face.
    taken : str or None
        When it was recorded, if the file says so, in UTC: "2024-05-01T12:30:00+00:00".
    problem : str or None
        What is wrong with a damaged or truncated file, in one line.

    Examples
    --------
    >>> VideoAnalysis("clip.mp4", 640, 480, 12.5, 0.5, (FrameFaces(0.0, (), ()),), (), None, None)
    <VideoAnalysis: 'clip.mp4', 640x480, 12.5 s, 1 frame analysed, 0 faces>
    """

    path: str
    width: int
    height: int
    duration: float
    every: float
    frames: tuple[FrameFaces, ...]
    tracks: tuple[Track, ...]
    taken: str | None
    problem: str | None

    def to_dict(self) -> dict[str, Any]:
        """All fields in plain JSON types; frames and tracks as their own `to_dict`."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            **fields,
            "frames": [frame.to_dict() for frame in self.frames],
            "tracks": [track.to_dict() for track in self.tracks],
        }

    def to_json(self) -> str:
        """`to_dict()` as JSON."""
        return json.dumps(self.to_dict())

    def draw(self, out: str | os.PathLike[str]) -> None:
        """Write a copy of the video in which each face has a box with the number of its track.

        Every frame is kept with its time, and the audio as it is; between two analysed frames a box moves evenly.  The video is
        encoded as H.264.

        Parameters
        ----------
        out : path
            The ending chooses the container: `.mp4`, `.mov` or `.mkv`.  The file is replaced if it exists.

        Raises
        ------
        BackendUnavailable
            Without PyAV, or if its FFmpeg has no encoder for H.264.
        ImageError, InvalidArgument
            If the video cannot be read any more, or the file cannot be written.
        """
        draw_video(self.path, self.tracks, self.every, out)

    def __repr__(self) -> str:
        frames, faces = len(self.frames), len(self.tracks)
        return (
            f"<VideoAnalysis: {self.path!r}, {self.width}x{self.height}, {self.duration:.1f} s, {frames} "
            f"frame{'' if frames == 1 else 's'} analysed, {faces} face{'' if faces == 1 else 's'}>"
        )


def analyze_video(
    path: str | os.PathLike[str],
    every: float = EVERY,
    find: Find | None = None,
    progress: Callable[[float, float], object] | None = None,
) -> VideoAnalysis:
    """Find the faces in a video file, and follow them: one track for each face.

    A few frames are in memory at a time; the next ones are decoded in a thread while the networks run.  The results grow with the
    number of faces found, by about 6 kB each.  A face that leaves and comes back is recognized by its descriptor.

    Parameters
    ----------
    path : path
        A file in one of the usual formats: MP4, MOV, MKV, WebM, AVI, MPEG, ...; needs PyAV and SciPy, the extra `video`.
    every : float
        Seconds between analysed frames; 0 for all frames.
    find : callable, optional
        Finds the faces of a frame, from its pixels uint8 [H,W,3].  Default: with SsdMobilenetv1Options() and every network.
    progress : callable, optional
        Called after each analysed frame with its time, and the duration that the file says it has (0 if nothing), in seconds.

    Returns
    -------
    VideoAnalysis

    Raises
    ------
    BackendUnavailable
        Without PyAV or SciPy.
    ImageNotFoundError, ImageError
        If the file does not exist, or is not a video of which a frame can be decoded.
    InvalidArgument, InvalidType
        If another argument is invalid.

    Warns
    -----
    PhotoWarning
        If the file is damaged or truncated; what could be read was analysed.

    Examples
    --------
    >>> def find(frame):
    ...     return detect_all_faces(frame, TinyFaceDetectorOptions()).with_face_landmarks().run()
    >>> analysis = analyze_video("clip.mp4", every=1, find=find)  # doctest: +SKIP
    >>> analysis.tracks  # doctest: +SKIP
    (<Track 1: 12 frames, 0.00 to 11.00 s, best at 3.00 s>,)
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidType(f"analyze_video: expected the path of a video file, got {shown(path)}")
    every = as_number(every, "analyze_video: every")
    if every < 0:
        raise InvalidArgument(f"analyze_video: expected seconds from 0 up between frames, got every={every:g}")
    if find is not None and not callable(find):
        raise InvalidType(f"analyze_video: expected a function that finds the faces of a frame, got find={shown(find)}")
    analysis = analysis_of(os.fsdecode(path), every, find, progress)
    tell([] if analysis.problem is None else [analysis.problem])
    return analysis


def analysis_of(
    path: str, every: float = EVERY, find: Find | None = None, progress: Callable[[float, float], object] | None = None
) -> VideoAnalysis:
    """As `analyze_video`, without a warning of damage."""
    follower, frames, size = Follower(), [], (0, 0)
    with VideoReader(path) as reader:
        for time, pixels in reader.frames(every):
            size = pixels.shape[1], pixels.shape[0]
            found = (find or _find)(pixels)
            if not isinstance(found, Iterable):
                raise InvalidType(f"analyze_video: expected find to give a sequence of faces, got {shown(found)}")
            faces = tuple(map(_result, found))
            numbers = follower.add(time, faces, [_quality(pixels, face) for face in faces])
            frames.append(FrameFaces(time, faces, tuple(numbers)))
            if progress is not None:
                progress(time, reader.declared)
        return VideoAnalysis(
            path, *size, reader.end, every, tuple(frames), tuple(follower.tracks()), reader.taken(), reader.problem()
        )


def _find(pixels: NDArray[np.uint8]) -> Sequence[FaceResult]:
    task = detect_all_faces(pixels).with_face_landmarks().with_face_expressions().with_age_and_gender()
    return task.with_face_descriptors().run()


def _result(face: Any) -> FaceResult:
    if isinstance(face, FaceDetection):
        return FaceResult(face)
    if not isinstance(face, FaceResult):
        raise InvalidType(f"analyze_video: expected find to give FaceResult or FaceDetection, got {shown(face)}")
    return face


def _quality(pixels: NDArray[np.uint8], face: FaceResult) -> FaceQuality | None:
    if not isinstance(face.landmarks, FaceLandmarks68):
        return None
    return quality_of(pixels, face.landmarks, face.detection.score)
