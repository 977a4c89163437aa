"""Reading a URL over HTTP, with limits on time and size.

One deadline covers everything: DNS, the connection, TLS, each header line, each redirect, the last byte.  Headers are limited in
size, and the bodies of redirects are not read.  Redirects are followed to http and https only, and from a public address to
public addresses only; the check uses the address that is actually connected to, so a changed DNS entry cannot evade it.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import queue
import socket
import ssl
import string
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import quote, urljoin

from npfaceapi._version import __version__
from npfaceapi.errors import FetchError, one_line
from npfaceapi.reading.addresses import (
    PORTS,
    Place,
    Proxy,
    Refused,
    is_public,
    place_of,
    proxy_of,
    seems_public,
    without_password,
)

__all__ = ["Request", "read_url"]

T = TypeVar("T")

MAX_REDIRECTS = 10
MAX_HEAD_BYTES = 2**18  # status line and headers of one response
_CHUNK = 2**16
_OVERHEAD = 8  # limit of a chunked body's size on the wire, as a multiple of the body; chunks of one byte make it 6 times
_NOT_FOR_OTHERS = {"authorization", "content-length", "content-type", "cookie", "host", "proxy-authorization"}


class Request(NamedTuple):
    """An HTTP request; header names are in lower case."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes | None


def read_url(request: Request, timeout: float, max_bytes: int, write: Callable[[bytes], object]) -> None:
    """Pass the body of the response to `write`, piece by piece; redirects are followed.

    Parameters
    ----------
    timeout : float
        Seconds for the whole request.
    max_bytes : int
        A longer body is refused.

    Raises
    ------
    FetchError
        On any failure; the message names the URL, without a password.
    """
    fetch, url = _Fetch(time.monotonic() + timeout, max_bytes), without_password(request.url)
    try:
        with contextlib.closing(fetch.answer(request)) as answer:
            length, count = answer.length, 0
            if length is not None and length > max_bytes:
                raise _TooLong
            while piece := answer.read(_CHUNK):
                count += len(piece)
                if count > max_bytes:
                    raise _TooLong
                write(piece)
            if length not in (None, count):
                raise Refused(f"expected {length} bytes, got {count}")
    except _TooLong:
        raise FetchError(f"{url}: expected at most {max_bytes} bytes, got more") from None
    except TimeoutError:
        raise FetchError(f"failed to fetch: no answer within {timeout:g} s, from url: {url}") from None
    except (Refused, OSError, http.client.HTTPException, ValueError) as error:
        reason = one_line(str(error))[:200] or type(error).__name__
        raise FetchError(f"failed to fetch: {reason}, from url: {url}") from None


class _TooLong(Exception):
    """The body is longer than allowed."""


# ------------------------------------------------------------------ redirects


def _redirected(request: Request, answer: http.client.HTTPResponse) -> Request:
    """The request that follows a redirect, as browsers make it."""
    if request.method not in ("GET", "HEAD", "POST") or (request.method == "POST" and answer.status in (307, 308)):
        raise Refused(f"({answer.status}) {answer.reason}")
    try:
        url = urljoin(request.url, quote(answer.headers["location"].strip(), safe=string.punctuation, encoding="iso-8859-1"))
    except ValueError:
        raise Refused("expected a redirect to a URL, got something else") from None
    old, new = place_of(request.url), place_of(url)
    left_out = {"content-type", "content-length"} if old[:3] == new[:3] else _NOT_FOR_OTHERS
    headers = {name: value for name, value in request.headers.items() if name not in left_out}
    return Request(url, "GET" if request.method == "POST" else request.method, headers, None)


# ------------------------------------------------------------------ connections


class _Fetch:
    """One fetch: its deadline, and whether it began at a public address."""

    def __init__(self, deadline: float, max_bytes: int) -> None:
        self._deadline, self.max_bytes = deadline, max_bytes
        self._public_only: bool | None = None  # unknown before the first connection

    def left(self) -> float:
        """Seconds until the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, 1e6)  # sockets reject larger timeouts

    def answer(self, request: Request) -> http.client.HTTPResponse:
        """The final response, after redirects, with its headers read."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(request)
            if 200 <= answer.status < 300:
                return answer
            answer.close()
            if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                raise Refused(f"({answer.status}) {answer.reason}")
            request = _redirected(request, answer)
        raise Refused(f"expected at most {MAX_REDIRECTS} redirects, got more")

    def _ask(self, request: Request) -> http.client.HTTPResponse:
        place = place_of(request.url)
        named = urllib.request.getproxies().get(place.scheme)
        proxy = proxy_of(named, place.scheme) if named and not self._in_time(urllib.request.proxy_bypass, place.netloc) else None
        headers = {"user-agent": f"npfaceapi/{__version__}", **request.headers, "connection": "close"}
        if request.body is not None:
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        path = place.path
        if proxy is not None and place.scheme == "http":
            path, headers = f"http://{place.netloc}{path}", {**headers, **proxy.headers}
        connection = _Connection(self, place, proxy)
        try:
            connection.request(request.method, path, request.body, {name.title(): value for name, value in headers.items()})
            return connection.getresponse()
        finally:
            connection.let_go()

    def connect(self, place: Place, proxy: Proxy | None) -> socket.socket:
        """A connection to the proxy, or to the host itself."""
        if proxy is not None:
            self._check(seems_public(place.host))
        server = proxy or place
        addresses = self._in_time(socket.getaddrinfo, server.host, server.port, 0, socket.SOCK_STREAM)
        failure: Exception = Refused("expected a host with an address, got one without")
        for i, (family, kind, protocol, _, address) in enumerate(addresses):
            public = proxy is not None or is_public(str(address[0]))
            try:
                self._check(public)
                sock = self._connected(address, self.left() / (len(addresses) - i), family, kind, protocol)
            except (Refused, OSError) as error:
                failure = error
            else:
                if self._public_only is None:
                    self._public_only = public if proxy is None else seems_public(place.host)
                return sock
        raise failure

    def _check(self, is_public: bool) -> None:
        """Refuse a private address if the fetch began at a public one."""
        if self._public_only and not is_public:
            raise Refused("expected a redirect to a public address, got one into a private network")

    def _connected(self, address: Any, timeout: float, *kind: int) -> socket.socket:
        sock = socket.socket(*kind)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def _in_time(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may do a DNS lookup, in a thread of its own because the system's lookup has no timeout."""
        given: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                given.put((function(*arguments), None))
            except (OSError, ValueError) as error:  # ValueError: an invalid name
                given.put((None, error))

        try:
            threading.Thread(target=work, daemon=True).start()
            value, error = given.get(timeout=self.left())
        except queue.Empty:
            raise TimeoutError from None
        except RuntimeError as failure:  # no more threads
            raise Refused(str(failure)) from None
        if error is not None:
            raise error
        return cast("T", value)


class _Connection(http.client.HTTPConnection):
    """A connection for one request."""

    def __init__(self, fetch: _Fetch, place: Place, proxy: Proxy | None) -> None:
        super().__init__(place.host, place.port)
        self.response_class = _Answer
        self.default_port = PORTS[place.scheme]
        self._fetch, self._place, self._proxy = fetch, place, proxy

    def connect(self) -> None:
        place, proxy = self._place, self._proxy
        sock = self._fetch.connect(place, proxy)
        try:
            if proxy is not None and place.scheme == "https":
                self._open_tunnel(_Wire(sock, self._fetch), proxy)
            if place.scheme == "https" or (proxy is not None and proxy.is_secure):
                context = ssl._create_default_https_context()  # as urllib does
                sock.settimeout(self._fetch.left())
                sock = context.wrap_socket(
                    sock, server_hostname=proxy.host if proxy is not None and proxy.is_secure else place.host
                )
        except BaseException:
            sock.close()
            raise
        self.sock = _Wire(sock, self._fetch)

    def _open_tunnel(self, wire: _Wire, proxy: Proxy) -> None:
        target = self._place._replace(scheme="").netloc  # always with the port
        headers = {"host": target, **proxy.headers}
        lines = [f"CONNECT {target} HTTP/1.1", *(f"{name.title()}: {value}" for name, value in headers.items()), "", ""]
        wire.sendall("\r\n".join(lines).encode("ascii"))
        with contextlib.closing(_Answer(wire, method="CONNECT")) as answer:  # type: ignore[arg-type]
            answer.begin()
            if answer.status != 200:
                raise Refused(f"expected a tunnel through the proxy, got ({answer.status}) {answer.reason}")

    def let_go(self) -> None:
        """Leave the socket to the response that was returned, or close it."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class _Wire:
    """The socket interface that `http.client` needs; every wait ends at the deadline."""

    def __init__(self, sock: socket.socket, fetch: _Fetch) -> None:
        self.sock, self.fetch = sock, fetch

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self.sock.settimeout(self.fetch.left())
            rest = rest[self.sock.send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self.sock.close()  # takes effect when the last reader is closed


class _Reader(io.RawIOBase):
    """The bytes received through a `_Wire`, up to a limit."""

    def __init__(self, wire: _Wire) -> None:
        self._wire, self._raw = wire, wire.sock.makefile("rb", buffering=0)
        self.limit(MAX_HEAD_BYTES, "header lines")

    def limit(self, count: int, what: str) -> None:
        self._left, self._reason = count, f"expected at most {count} bytes of {what}, got more"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._wire.sock.settimeout(self._wire.fetch.left())
        count = self._raw.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise Refused(self._reason)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def begin(self) -> None:
        reader = cast("_Reader", self.fp.raw)
        super().begin()
        reader.limit(MAX_HEAD_BYTES + _OVERHEAD * reader._wire.fetch.max_bytes, "chunks")
