"""Frames of a video file: upright, with their times, decoded ahead in a thread of their own; damage costs what it damages.

The file is opened here, and FFmpeg reads it through the file object, with a list of formats that are containers of video: a
playlist, or a list of other files, in the place of a video is refused, so that no other file and no address is opened.
"""

from __future__ import annotations

import collections
import importlib.util
import math
import os
import re
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import PurePath
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import BackendUnavailable, ImageError, ImageNotFoundError
from npfaceapi.photos.limits import check_size

__all__ = ["AHEAD", "CONTAINERS", "SUFFIXES", "Frame", "VideoReader", "frame_at", "import_av", "is_video", "suffixes_at_hand"]

#: The endings of video files.  `.ts` is left out: most such files are programs in TypeScript.
SUFFIXES = frozenset(
    (".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv")
)
FORMATS = "asf,avi,flv,matroska,mov,mpeg,mpegts,ogg"  # FFmpeg's names
#: FFmpeg's names of the containers in which a video is drawn, by the ending of the file: they take H.264 and most audio.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
COVER = 0x400  # FFmpeg's mark of a stream that is a picture: the cover of a piece of music
AHEAD = 2  # frames that are decoded while another is in use
BUFFER = 1 << 18  # bytes that FFmpeg reads at once
MOST_MISSING = 0.5  # seconds at the end of a whole file
TICK = 1e-6  # seconds: times are rounded to it


def is_video(path: str) -> bool:
    """Whether a path ends like that of a video file."""
    return PurePath(path).suffix.lower() in SUFFIXES


def suffixes_at_hand() -> frozenset[str]:
    """The endings of the videos that can be read here: none without PyAV."""
    return SUFFIXES if importlib.util.find_spec("av") else frozenset()


def import_av(name: str) -> Any:
    """PyAV; `name` is the file that it is for.

    Raises
    ------
    BackendUnavailable
        If it is not installed.
    """
    try:
        import av
    except ImportError:
        raise BackendUnavailable(f'{name}: expected the package av, got none installed; pip install "npfaceapi[video]"') from None
    return av


class Frame(NamedTuple):
    """A frame of a video.

    Attributes
    ----------
    time : float
        Seconds from the beginning of the file.
    pixels : uint8 [H,W,3]
        RGB, upright, with square pixels; all frames of a video have the size of its first one.
    """

    time: float
    pixels: NDArray[np.uint8]


class VideoReader:
    """A video file that is open for reading; a context manager.

    Attributes
    ----------
    path : str
    container, stream
        PyAV's, of the file and of its first video stream.
    start : float or None
        The time stamp in seconds of the beginning of the file; None: it is that of the first frame, which is not decoded yet.
    end : float
        Seconds from the beginning of the file to the end of what has been read of the video stream.

    Raises
    ------
    BackendUnavailable
        Without PyAV.
    ImageNotFoundError, ImageError
        If there is no such file, it cannot be read, it is not a video, or its frames are larger than `set_max_megapixels` allows.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fsdecode(path)
        self._av = import_av(self.path)
        self.end = 0.0
        self._read_to, self._damaged, self._cut_off = 0.0, 0, False
        self._size: tuple[int, int] | None = None
        with ExitStack() as stack:
            file = stack.enter_context(self._open())
            self.container = self._container(file)
            stack.callback(self.container.close)
            videos = [each for each in self.container.streams.video if not each.disposition.value & COVER]
            if not videos:
                kinds = ", ".join(sorted({each.type for each in self.container.streams})) or "nothing"
                raise ImageError(f"{self.path}: expected a video, got a file with {kinds} only")
            self.stream = videos[0]
            context = self.stream.codec_context
            if context is None:
                raise ImageError(f"{self.path}: expected a video in a format that FFmpeg decodes, got one that is unknown")
            if context.width and context.height:
                check_size(self.path, (context.width, context.height))
            start = self.container.start_time
            self.start: float | None = None if start is None else float(start / self._av.time_base)
            self._open_things = stack.pop_all()

    def _open(self) -> Any:
        try:
            status = os.stat(self.path)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
                raise ImageError(f"{self.path}: expected a video file, got {kind}")
            if not status.st_size:
                raise ImageError(f"{self.path}: expected a video file, got an empty file")
            return open(self.path, "rb")
        except FileNotFoundError:
            raise ImageNotFoundError(f"{self.path}: expected a video file, got no such file") from None
        except ImageError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"{self.path}: expected a video file that can be read, got: {reason}") from None

    def _container(self, file: Any) -> Any:
        try:
            options = {"format_whitelist": FORMATS}
            return self._av.open(file, container_options=options, buffer_size=BUFFER)
        except (self._av.FFmpegError, OSError):
            raise ImageError(
                f"{self.path}: expected a video file (MP4, MOV, MKV, WebM, AVI, ...), got something else or one that is cut off"
            ) from None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open_things.close()

    @property
    def declared(self) -> float:
        """The duration in seconds that the file says it has; 0 if it says nothing."""
        duration = float((self.container.duration or 0) / self._av.time_base)
        return duration - (self.start or 0) if "matroska" in self.container.format.name else duration  # there it counts from 0

    def taken(self) -> str | None:
        """When the video was recorded, in UTC: "2024-05-01T12:30:00+00:00"; None if the file does not say it."""
        found = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=\S*Z$)", self.container.metadata.get("creation_time", ""))
        return None if found is None else f"{found[0]}+00:00"

    def problem(self) -> str | None:
        """After all frames were read: what is wrong with the file, in one line; None if nothing is."""
        found = []
        if self._damaged:
            found.append(f"with {self._damaged} damaged part{'' if self._damaged == 1 else 's'}")
        declared = self.declared
        if self._cut_off or self._read_to < declared - MOST_MISSING:
            found.append(f"cut off after {self._read_to:.1f} of {max(declared, self._read_to):.1f} seconds")
        return f"{self.path}: expected a whole video, got one {', '.join(found)}" if found else None

    def seek(self, time: float) -> bool:
        """Go on reading at the key frame before a time in seconds, or not far from there; False if that is not possible."""
        if self.start is None:
            return False
        try:
            stamp = math.floor((time + self.start) / float(self.stream.time_base))
            self.container.seek(max(0, stamp), stream=self.stream)
        except self._av.FFmpegError:
            return False
        return True

    def frames(self, every: float = 0) -> Iterator[Frame]:
        """Frames in the order of their times: the first, and then the first in each further interval of `every` seconds.

        Up to `AHEAD` frames are decoded ahead, in a thread.

        Raises
        ------
        ImageError
            If no frame can be decoded.
        """
        return _ahead(self._chosen(every))

    def _chosen(self, every: float) -> Iterator[Frame]:
        first, due, before = None, -math.inf, -math.inf
        for time, decoded in self.decoded():
            if time is None or time <= before:  # the second: damaged time stamps
                continue
            before = time
            if time < due:
                continue
            first = time if first is None else first
            if every:
                due = first + (math.floor((time - first) / every + TICK) + 1) * every - TICK
            yield Frame(time, self.pixels(decoded))
        if first is None:
            raise ImageError(f"{self.path}: expected a video, got one of which no frame can be decoded")

    def decoded(self, others: bool = False) -> Iterator[tuple[float | None, Any]]:
        """The time of each frame and PyAV's frame; with `others` also None and a packet, for each packet of another stream."""
        step = 1 / float(self.stream.average_rate or 25)
        packets = self.container.demux()
        is_flushed = False
        while True:
            try:
                packet = next(packets, None)
            except self._av.FFmpegError:  # of the file: what is beyond cannot be found
                self._cut_off = True
                packet = None
            if packet is None:
                break
            if packet.pts is not None:
                past = (packet.pts + (packet.duration or 0)) * packet.time_base
                self._read_to = max(self._read_to, float(past) - (self.start or 0))
            if packet.stream.index == self.stream.index:  # `stream_index` is not that of the empty packets at the end
                is_flushed = packet.size == 0
                yield from self._frames_of(packet, step)
            elif others:
                yield None, packet
        if not is_flushed:
            yield from self._frames_of(None, step)

    def _frames_of(self, packet: Any, step: float) -> Iterator[tuple[float | None, Any]]:
        """The frames that a packet gives, or with None those that the decoder still holds."""
        try:
            decoded = self.stream.decode(packet)
        except self._av.FFmpegError:
            self._damaged += 1
            return
        if packet is not None and packet.is_corrupt:
            self._damaged += 1
        for frame in decoded:
            seconds = None if frame.pts is None else float(frame.pts * self.stream.time_base)
            if self.start is None:
                self.start = seconds or 0.0
            time = self.end if seconds is None else round(seconds - self.start, 6)
            length = float((getattr(frame, "duration", 0) or 0) * self.stream.time_base)
            self.end = max(self.end, time + (length or step))
            self._read_to = max(self._read_to, self.end)
            yield time, frame

    def pixels(self, frame: Any) -> NDArray[np.uint8]:
        """A frame of PyAV as uint8 [H,W,3]."""
        if self._size is None:
            check_size(self.path, (frame.width, frame.height))
            ratio = float(self.stream.sample_aspect_ratio or 0)
            self._size = round(frame.width * (ratio if 0.1 < ratio < 10 else 1)), frame.height
            check_size(self.path, self._size)
        width, height = self._size
        return _upright(frame.to_ndarray(format="rgb24", width=width, height=height), frame.side_data.get("DISPLAYMATRIX"))


def _upright(pixels: NDArray[np.uint8], matrix: Any) -> NDArray[np.uint8]:
    """Pixels [H,W,3] turned and mirrored as the display matrix of a frame says, by multiples of 90 degrees.

    The matrix has nine int32, by rows; a pixel at (x, y) is shown at (a x + c y, b x + d y), up to a shift.
    """
    if matrix is None:
        return pixels
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    if abs(a) < abs(b):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _ahead(items: Iterator[Frame]) -> Iterator[Frame]:
    """The items, of which up to `AHEAD` are made in a thread before they are asked for."""
    with closing(items), ThreadPoolExecutor(1, "npfaceapi-video") as pool:  # type: ignore[type-var]
        waiting = collections.deque(pool.submit(next, items, None) for _ in range(AHEAD))
        try:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, items, None))
                yield item
                del item  # otherwise it stays in memory while the next one is waited for
        finally:
            pool.shutdown(cancel_futures=True)


def frame_at(path: str | os.PathLike[str], time: float) -> NDArray[np.uint8]:
    """The pixels uint8 [H,W,3] of the frame at a time in seconds, or of the last one before the end of the file.

    Raises
    ------
    BackendUnavailable, ImageError
        As `VideoReader`.
    """
    for seeks in (True, False):
        with VideoReader(path) as reader:
            if seeks and not reader.seek(time):
                continue
            last = None
            for at, frame in reader.decoded():
                assert at is not None
                if seeks and last is None and at > time + TICK:
                    break  # it went too far: read from the beginning
                last = frame
                if at >= time - TICK:
                    break
            if last is not None:
                return reader.pixels(last)
    raise ImageError(f"{reader.path}: expected a video, got one of which no frame can be decoded")
