"""Video frames over one WebSocket: the newest waits for a worker, older ones that still wait are dropped."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Mapping

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from npfaceapi.errors import NpFaceApiError
from npfaceapi.service.answering import Answer
from npfaceapi.service.bodies import add_fields
from npfaceapi.service.guard import SUBPROTOCOL, subprotocols
from npfaceapi.service.limits import Refused
from npfaceapi.service.questions import Question
from npfaceapi.service.records import record
from npfaceapi.service.tracks import Tracks
from npfaceapi.service.workers import Workers

__all__ = ["Stream"]

BAD_REQUEST, TRY_AGAIN = 1008, 1013  # codes of a closed WebSocket


class Stream:
    """One WebSocket.

    The client sends frames, each an image file; the query of the address has the fields of /v1/analyze.  For each frame that is
    analyzed it gets a JSON text: what /v1/analyze answers, the number `frame` (the first one sent is 1), and `tracks`, see
    `Tracks`; or `frame` and `error`.
    """

    def __init__(self, websocket: WebSocket, workers: Workers, question: Callable[[Mapping[str, str]], Question]) -> None:
        self._websocket = websocket
        self._workers = workers
        self._question = question
        self._newest: tuple[int, bytes] | None = None
        self._came = asyncio.Event()

    async def run(self) -> None:
        """Answer frames until the client leaves."""
        await self._websocket.accept(SUBPROTOCOL if SUBPROTOCOL in subprotocols(self._websocket.headers) else None)
        try:
            fields: dict[str, str] = {}
            add_fields(fields, self._websocket.query_params.multi_items())
            asked = self._question(fields)
        except NpFaceApiError as error:
            await self._websocket.send_json({"error": str(error)})
            await self._websocket.close(BAD_REQUEST)
            return
        answering = asyncio.create_task(self._answer(asked))
        try:
            await self._receive()
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                await answering
        if self._websocket.client_state is WebSocketState.CONNECTED:
            await self._websocket.close(BAD_REQUEST, "expected frames as binary messages, got a text")

    async def _receive(self) -> None:
        """Keep the newest frame, until the client leaves or sends a text."""
        for count in itertools.count(1):
            frame = (await self._websocket.receive()).get("bytes")
            if frame is None:
                return
            self._newest = count, frame
            self._came.set()

    async def _answer(self, asked: Question) -> None:
        tracks = Tracks()
        while True:
            await self._came.wait()
            self._came.clear()
            assert self._newest is not None
            number, frame = self._newest
            try:
                answer: Answer = await self._workers.ask(f"frame {number}", frame, asked)
            except (NpFaceApiError, Refused) as error:
                await self._websocket.send_json({"frame": number, "error": str(error)})
            else:
                seen = json.dumps(tracks.follow(answer.faces))
                await self._websocket.send_text(record(answer, frame=str(number), tracks=seen))
