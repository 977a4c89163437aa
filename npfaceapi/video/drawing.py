"""Writing a copy of a video with its faces marked: every frame with its time, the audio as it is."""

from __future__ import annotations

import bisect
import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi.draw import DrawBox
from npfaceapi.errors import BackendUnavailable, ImageError, InvalidArgument
from npfaceapi.faces.geometry import Box
from npfaceapi.output_files import MADE_BY, Output, check_outputs
from npfaceapi.photos.decoding import to_pil
from npfaceapi.photos.messages import tell
from npfaceapi.video.decoding import CONTAINERS, TICK, VideoReader, import_av, suffixes_at_hand
from npfaceapi.video.tracks import GAP, Track

__all__ = ["box_at", "draw_video", "is_drawn_video"]

ENCODER = "h264"
OPTIONS = {"crf": "20", "preset": "veryfast"}  # of libx264
LEAST_GAP = 0.2  # seconds between two boxes that are always bridged


def draw_video(path: str, tracks: Sequence[Track], every: float, out: str | os.PathLike[str]) -> None:
    """Write a copy of the video at `path` to `out`; see `VideoAnalysis.draw`."""
    name = os.fsdecode(out)
    av = import_av(name)
    kind = CONTAINERS.get(PurePath(name).suffix.lower())
    if kind is None:
        raise InvalidArgument(f"{name}: expected a file that ends in {', '.join(CONTAINERS)}, to draw a video")
    check_outputs([Output("VideoAnalysis.draw:", name, lambda _: True)], [path])
    with VideoReader(path) as reader:
        try:
            with _whole_file(name) as file, av.open(file, "w", format=kind) as container:
                _Copy(av, reader, container, name).write(tracks, every)
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, ImageError):
                raise
            raise InvalidArgument(f"{name}: expected to write the video, got: {error.strerror or error}") from None


class _Copy:
    """A copy in the making."""

    def __init__(self, av: Any, reader: VideoReader, container: Any, name: str) -> None:
        self.av, self.reader, self.container, self.name = av, reader, container, name
        self.video: Any = None
        self.audio: dict[int, Any] = {}  # by the number of the stream it is copied from

    def write(self, tracks: Sequence[Track], every: float) -> None:
        early, before = [], None  # packets of audio before the first frame, which tells the size of the video
        for time, item in self.reader.decoded(others=True):
            if time is None:
                early.append(item) if self.video is None else self._copy_audio(item)
                continue
            if item.pts is None or (before is not None and item.pts <= before):
                continue  # a frame without a place in time
            before = item.pts
            picture = self.reader.pixels(item)
            boxes = [(track, box) for track in tracks if (box := box_at(track, time, every)) is not None]
            if boxes:
                picture = _drawn(picture, boxes)
            if self.video is None:
                self._begin(picture.shape[1], picture.shape[0])
                for packet in early:
                    self._copy_audio(packet)
            frame = self.av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(self.video.width, self.video.height, "yuv420p")
            frame.pts, frame.time_base = item.pts, self.reader.stream.time_base
            self.container.mux(self.video.encode(frame))
        if self.video is None:
            raise ImageError(f"{self.reader.path}: expected a video, got one of which no frame can be decoded")
        self.container.mux(self.video.encode(None))

    def _begin(self, width: int, height: int) -> None:
        """Add the streams."""
        self.container.metadata["comment"] = MADE_BY
        try:
            self.video = self.container.add_stream(ENCODER, rate=self.reader.stream.average_rate or 25, options=dict(OPTIONS))
        except ValueError:  # an unknown encoder
            raise BackendUnavailable(f"{self.name}: expected PyAV with an encoder for H.264, got one without") from None
        self.video.width, self.video.height = width + width % 2, height + height % 2  # of yuv420p
        self.video.pix_fmt = "yuv420p"
        self.video.codec_context.time_base = self.reader.stream.time_base
        for stream in self.reader.container.streams.audio:
            codec = "an unknown codec" if stream.codec_context is None else stream.codec_context.name
            try:
                if stream.codec_context is None:
                    raise ValueError(codec)
                self.audio[stream.index] = self.container.add_stream_from_template(stream)
            except ValueError:  # the container does not take it
                tell([f"{self.name}: expected audio that this container takes, got {codec}: it is left out"])

    def _copy_audio(self, packet: Any) -> None:
        if packet.stream.index in self.audio and packet.dts is not None:
            packet.stream = self.audio[packet.stream.index]
            self.container.mux(packet)


def _drawn(pixels: NDArray[np.uint8], boxes: Sequence[tuple[Track, Box]]) -> NDArray[np.uint8]:
    picture = to_pil(pixels)
    for track, box in boxes:
        face, label = track.best, str(track.number)
        if face.age is not None:
            label += f": {face.gender}, {face.age:.0f}"
        DrawBox(box, {"label": label}).draw(picture)
    return np.asarray(picture)


def box_at(track: Track, time: float, every: float) -> Box | None:
    """The box of a track at a time: between its analysed frames on the line from one to the next; None if it is away."""
    times, boxes = track.times, track.boxes
    after = bisect.bisect_left(times, time - TICK)
    if after < len(times) and times[after] <= time + TICK:
        return boxes[after]
    if 0 < after < len(times) and times[after] - times[after - 1] <= max(GAP * every, LEAST_GAP) + TICK:
        share = (time - times[after - 1]) / (times[after] - times[after - 1])
        a, b = boxes[after - 1], boxes[after]
        sides = ("x", "y", "width", "height")
        return Box({side: getattr(a, side) + share * (getattr(b, side) - getattr(a, side)) for side in sides})
    near = [index for index in (after - 1, after) if 0 <= index < len(times) and abs(times[index] - time) <= every / 2]
    return boxes[near[0]] if near else None


@contextlib.contextmanager
def _whole_file(path: str) -> Iterator[Any]:
    """A file that gets its name when it is complete."""
    target = os.path.abspath(path)
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def is_drawn_video(path: str) -> bool:
    """Whether a video says that npfaceapi made it; False without PyAV.

    Raises
    ------
    ImageError
        As `VideoReader`.
    """
    if not suffixes_at_hand():
        return False
    with VideoReader(path) as reader:
        return str(reader.container.metadata.get("comment") or reader.container.metadata.get("COMMENT")).startswith("npfaceapi")
