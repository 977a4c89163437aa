"""A server that runs a test's script on each connection, which need not be valid HTTP."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator


class Server:
    """Listens on this machine; `script(connection, head)` is called with each connection and the head of its request."""

    def __init__(self, script: Callable[[socket.socket, bytes], None], context: ssl.SSLContext | None = None) -> None:
        self.script, self.context = script, context
        self.heads: list[bytes] = []
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            connection, _ = self.listener.accept()
            self.threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self.threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(20)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                head, end, body = b"", b"", b""
                while not end and (piece := connection.recv(65536)):
                    head, end, body = (head + piece).partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\ncontent-length: (\d{1,5})\r", head + end)  # a longer one is not read
                while length and len(body) < int(length[1]) and (piece := connection.recv(65536)):
                    body += piece
                if head:
                    self.heads.append(head + end)
                    self.script(connection, head + end)

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError), socket.socket() as last:
            last.connect(("127.0.0.1", self.port))
        for thread in self.threads:
            thread.join(20)
        self.listener.close()


@contextlib.contextmanager
def serving(script: Callable[[socket.socket, bytes], None] | bytes, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that runs a script, or always sends the same bytes."""
    server = Server(script if callable(script) else lambda connection, head: connection.sendall(script), context)
    try:
        yield server
    finally:
        server.stop()


def drip(start: bytes, piece: bytes, pause: float = 0.05) -> Callable[[socket.socket, bytes], None]:
    """Send the start, then one piece after the other until the other side closes."""

    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(start)
        while not is_closed(connection, pause):
            connection.sendall(piece)

    return script


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side closes a connection within some seconds."""
    if not seconds:
        return False
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    finally:
        connection.settimeout(20)


def flood(start: bytes, piece: bytes) -> Callable[[socket.socket, bytes], None]:
    """As `drip`, without pauses."""
    return drip(start, piece * (1 + 65536 // len(piece)), 0)
