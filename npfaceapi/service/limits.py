"""The limits of the service, and how a request beyond them is refused."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "Refused"]


@dataclass(frozen=True)
class Limits:
    """What one client can take from the others.

    Attributes
    ----------
    body : int
        Bytes of one request's body, or of one video frame.
    all_bodies : int
        Bytes of all bodies that are being read or wait for a worker.
    body_seconds, header_seconds : float
        The time to send a body; the time to send the headers.
    work_seconds : float
        The time for one photo in a worker, which is then replaced.
    queue : int
        Photos that wait for a worker.
    connections, streams : int
        Connections, and WebSockets among them.
    input_size : int
        The largest input of a detector, in pixels a side: time and memory grow with its square.
    mtcnn_pixels, mtcnn_scales : int
        Pixels of all sizes of one photo that MTCNN searches together, about 0.15 seconds a million; the most sizes.
    mtcnn_score : float
        The least threshold of MTCNN's first stage; far below, each window is a candidate, and their suppression never ends.
    field : int
        Characters of one field, except `known`.
    """

    body: int = 32_000_000
    all_bodies: int = 256_000_000
    body_seconds: float = 60
    header_seconds: float = 10
    work_seconds: float = 30
    queue: int = 32
    connections: int = 256
    streams: int = 8
    input_size: int = 1216
    mtcnn_pixels: int = 80_000_000
    mtcnn_scales: int = 100
    mtcnn_score: float = 0.05
    field: int = 10_000


class Refused(Exception):
    """A request that is answered with an HTTP status of 400 or more, and one line that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
