"""Running the service: the socket, connections that send nothing, and what never reaches the application."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

from npfaceapi.errors import InvalidArgument
from npfaceapi.service.app import Settings, make_app
from npfaceapi.service.limits import Limits

__all__ = ["bound", "serve", "server_of"]

SECONDS_TO_END = 3  # for open requests, after Ctrl-C


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    InvalidArgument
        If the port is taken, or the host is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        reason = error.strerror or error
        raise InvalidArgument(
            f"expected an address to listen on, got {host} and port {port}: {reason}; --port 0 takes a free port"
        ) from None
    listener.setblocking(False)
    return listener


def serve(listener: socket.socket, settings: Settings) -> None:
    """Serve until the process is interrupted.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the workers have ended.
    """
    server_of(make_app(settings), settings.limits).run(sockets=[listener])


def server_of(app: Starlette, limits: Limits) -> uvicorn.Server:
    """The server of an application."""

    class Protocol(_Protocol):
        seconds, most = limits.header_seconds, limits.connections

    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a damaged form is answered, and is no matter of the console
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="websockets-sansio",
        ws_max_size=limits.body,
        ws_max_queue=4,
        lifespan="on",
        loop="asyncio",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    return uvicorn.Server(config)


class _Protocol(H11Protocol):
    """Closes a connection on which no whole request begins for a while; at once, if it is the oldest of many.

    What uvicorn itself would answer with a text is answered with JSON.
    """

    seconds: float
    most: int  # connections
    app: Any

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._asked, self.app = self.app, self._asked_or_full
        self._since = self.loop.time()
        if len(self.connections) > self.most * 3 // 4:  # beyond it everybody would be refused
            waiting = [each for each in self.connections if isinstance(each, _Protocol) and each is not self and each._waits]
            if waiting:
                min(waiting, key=lambda each: each._since).transport.close()
        self.loop.call_later(self.seconds, self._look, self.cycle)

    async def _asked_or_full(self, scope: Any, receive: Any, send: Any) -> None:
        app = self._asked
        if len(self.connections) > self.most:
            reason = f"expected at most {self.most} connections, got one more: try again in a second"
            app = JSONResponse({"error": reason}, 503, {"Retry-After": "1", "Connection": "close"})
        await app(scope, receive, send)

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # otherwise an answer has begun
            body = json.dumps({"error": "expected a request in HTTP, got something else or a damaged one"}).encode()
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            start = h11.Response(
                status_code=400, headers=[*headers, (b"content-length", b"%d" % len(body))], reason=b"Bad Request"
            )
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()

    @property
    def _waits(self) -> bool:
        """For the rest of the headers, or for the next request."""
        return self.conn.their_state is h11.IDLE and not self.transport.is_closing()

    def _look(self, last: Any) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self.conn.their_state is h11.IDLE and self.cycle is last:
            self.transport.close()
        else:
            self.loop.call_later(self.seconds, self._look, self.cycle if self.conn.their_state is h11.IDLE else None)
