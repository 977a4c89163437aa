"""Servers that are slow, send too much, or redirect elsewhere: the result is a one-line error before the timeout."""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import npfaceapi as faceapi
from helpers.scripted_server import drip, flood, serving
from npfaceapi.errors import FetchError, InvalidArgument, InvalidType, NpFaceApiError, WeightsError
from npfaceapi.photos.fetch import fetch_or_throw
from npfaceapi.reading import http

pytestmark = pytest.mark.slow

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TIMEOUT = 0.4
SOON = 3.0  # a busy machine may take its time, but not the 20 seconds of a server


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def refused(url: str, *parts: str, kind: type[NpFaceApiError] = FetchError, **options: Any) -> None:
    start = time.monotonic()
    with pytest.raises(kind) as error:
        fetch_or_throw(url, timeout=TIMEOUT if "timeout" not in options else options.pop("timeout"), **options)
    assert time.monotonic() - start < SOON
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


# ------------------------------------------------------------------ time


DRAWN_OUT = {
    "nothing": drip(b"", b"", 1),
    "status line": drip(b"", b"H"),
    "status line after some": drip(b"HTTP/1.1 200 ", b"K"),
    "header lines": drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "a header line": drip(b"HTTP/1.1 200 OK\r\nA: ", b"b"),
    "other answers before": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "body without length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": drip(CHUNKED, b"1\r\nx\r\n"),
    "a chunk": drip(CHUNKED + b"ffff\r\n", b"x"),
    "the length of a chunk": drip(CHUNKED, b"0"),
    "extension of a chunk": drip(CHUNKED + b"3;", b"x"),
    "after the last chunk": drip(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "a line after the last chunk": drip(CHUNKED + b"0\r\nA: ", b"b"),
    "body of an error, which nobody reads": drip(b"HTTP/1.1 200 OK\r\nLocation: /\r\nContent-Length: 9\r\n\r\n", b"", 1),
}


@pytest.mark.parametrize("script", DRAWN_OUT.values(), ids=DRAWN_OUT)
def test_no_response_exceeds_the_timeout(script: Callable[[socket.socket, bytes], None]) -> None:
    with serving(script) as server:
        refused(server.url, f"failed to fetch: no answer within {TIMEOUT} s, from url: {server.url}")


@pytest.mark.parametrize("status", [301, 303, 404, 500])
def test_the_body_of_a_redirect_or_an_error_is_not_waited_for(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nLocation: /next\r\nContent-Length: 100000\r\n\r\n".encode()

    def script(connection: socket.socket, request: bytes) -> None:
        if b"/next" in request:
            connection.sendall(OK)
        else:
            drip(head, b"x")(connection, request)

    with serving(script) as server:
        if status < 400:
            assert fetch_or_throw(server.url, timeout=10) == b"abc"
        else:
            refused(server.url, f"({status}) No", timeout=10)


def test_a_chain_of_slow_redirects() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        time.sleep(0.15)
        connection.sendall(redirect("/more"))

    with serving(script) as server:
        refused(server.url, "no answer within")
        assert len(server.heads) < 5


def test_a_chain_of_redirects_ends() -> None:
    with serving(redirect("/more")) as server:
        refused(server.url, "expected at most 10 redirects, got more", timeout=10)
        assert len(server.heads) == 11


def test_a_request_that_is_not_read() -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        time.sleep(1)

    with serving(script) as server:
        refused(server.url, "no answer within", init={"body": bytes(50_000_000)})


def test_tls_that_is_drawn_out() -> None:
    for script in (drip(b"", b"", 1), drip(b"\x16\x03\x03\x40\x00", b"\x02")):
        with serving(script) as server:
            server._serve = lambda connection, script=script: quietly(script, connection)  # type: ignore[method-assign]
            refused(server.url.replace("http:", "https:"), "no answer within")


def quietly(script: Callable[[socket.socket, bytes], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        script(connection, b"")


def test_a_name_lookup_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: [over.wait(20)][:0])
    refused("http://a.test/", "no answer within")
    over.set()


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue of connections is another thing elsewhere")
def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server, socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # a listener whose queue is full does not answer
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (full.getsockname(), ("127.0.0.1", server.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: found)
        assert fetch_or_throw("http://a.test/", timeout=2) == b"abc"
        for one in waiting:
            one.close()


# ------------------------------------------------------------------ size


SWOLLEN = {
    "status line": flood(b"HTTP/1.1 200 ", b"x"),
    "header lines": flood(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "long header lines": flood(b"HTTP/1.1 200 OK\r\n", b"A: " + b"b" * 60_000 + b"\r\n"),
    "a header line": flood(b"HTTP/1.1 200 OK\r\nA: ", b"b"),
    "other answers before": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "other answers before, with lines": flood(b"", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"),
    "body": flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "body longer than said": b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
    "body of any length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 300 + b"\r\n\r\n",
    "chunks": flood(CHUNKED, b"1\r\nx\r\n"),
    "a chunk": flood(CHUNKED + b"fffffffffff\r\n", b"x"),
    "the length of a chunk": flood(CHUNKED, b"0"),
    "extension of a chunk": flood(CHUNKED + b"3;", b"x"),
    "extensions of chunks": flood(CHUNKED, b"1;" + b"x" * 60_000 + b"\r\nx\r\n"),
    "after the last chunk": flood(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "redirect": flood(b"HTTP/1.1 302 Found\r\nLocation: ftp://a/\r\n\r\n", b"x"),
    "redirect in chunks": flood(CHUNKED.replace(b"200 OK", b"302 OK\r\nLocation: ftp://a/"), b"1\r\nx\r\n"),
    "error": flood(b"HTTP/1.1 404 No\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("name", SWOLLEN)
def test_no_response_exceeds_the_size_limit(name: str) -> None:
    with serving(SWOLLEN[name]) as server:
        tracemalloc.start()
        try:
            refused(server.url, "(404)" if name == "error" else "got", timeout=20, max_bytes=1000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3_000_000


def test_a_body_in_small_chunks_is_read() -> None:
    with serving(CHUNKED + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n") as server:
        assert fetch_or_throw(server.url, max_bytes=5000) == b"x" * 5000
        refused(server.url, "expected at most 4999 bytes, got more", max_bytes=4999, timeout=10)


def test_a_body_is_not_held_twice() -> None:
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + bytes(8_000_000)) as server:
        tracemalloc.start()
        try:
            assert len(fetch_or_throw(server.url)) == 8_000_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8_000_000 * 1.4


# ------------------------------------------------------------------ redirects


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/hostname", "FILE:///etc/hostname", "ftp://127.0.0.1/a", "data:text/plain,a", "gopher://127.0.0.1/"),
        *("javascript:1", "mailto:a@b", "ws://127.0.0.1/", "httpx://127.0.0.1/"),
    ],
)
def test_a_redirect_leads_to_http_only(location: str) -> None:
    with serving(redirect(location)) as server:
        refused(server.url, f"expected a URL of http or https, got one of '{location.partition(':')[0]}'", timeout=10)


@pytest.mark.parametrize(
    "location", ["http://", "http://[::1", "http://a:b/", "http://127.0.0.1:99999/", "http://user:word@127.0.0.1/", "http://a b/"]
)
def test_a_redirect_to_nowhere(location: str) -> None:
    with serving(redirect(location)) as server:
        refused(server.url, "failed to fetch: expected ", f"from url: {server.url}", timeout=10)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by name; 127.0.0.1 counts as public, 127.0.0.2 and all others of 127.* as private."""
    known: dict[str, list[str]] = {"public.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *options: Any) -> Any:
        addresses = known.get(host)
        if addresses is None:
            return real(host, port, *options)
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    is_public = http.is_public
    monkeypatch.setattr(http, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    return known


PRIVATE = ["http://127.0.0.2:{0}/", "http://127.2:{0}/", "http://0x7f000002:{0}/", "http://2130706434:{0}/", "http://[::1]:{0}/",
           "http://[::ffff:127.0.0.2]:{0}/", "http://0.0.0.0:{0}/", "//127.0.0.2:{0}/", "HTTP://127.0.0.2:{0}/",
           "http://%31%32%37.0.0.2:{0}/", "http://private.test:{0}/", "https://private.test:{0}/"]  # fmt: skip


@pytest.mark.parametrize("location", PRIVATE)
def test_a_redirect_leads_from_a_public_address_to_no_private_one(names: dict[str, list[str]], location: str) -> None:
    names["private.test"] = ["127.0.0.2"]

    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(redirect(location.format(server.port)) if b"/start" in head else OK)

    with serving(script) as server:
        refused(
            f"http://public.test:{server.port}/start",
            "expected a redirect to a public address, got one into a private network",
            timeout=10,
        )
        assert len(server.heads) == 1


def test_an_address_that_changes_in_between(names: dict[str, list[str]]) -> None:
    names["changes.test"] = ["127.0.0.1", "127.0.0.2"]
    with serving(redirect("/again")) as server:
        refused(f"http://changes.test:{server.port}/", "got one into a private network", timeout=10)
        assert len(server.heads) == 1


def test_all_that_fetches_obeys(names: dict[str, list[str]]) -> None:
    with serving(redirect("http://127.0.0.2/")) as server:
        url = f"http://public.test:{server.port}/"
        for fetch in (fetch_or_throw, faceapi.fetch_image, faceapi.fetch_json, faceapi.fetch_net_weights, faceapi.load_image,
                      faceapi.to_net_input, lambda url: faceapi.load_weight_map(url, "m"), faceapi.FaceLandmark68TinyNet().load,
                      faceapi.FaceLandmark68TinyNet().load_from_uri, lambda url: faceapi.detect_all_faces(url).run(),
                      lambda url: faceapi.FaceLandmark68TinyNet().load(f"{url}a.weights")):  # fmt: skip
            with pytest.raises((FetchError, WeightsError), match="got one into a private network"):
                fetch(url)


def test_a_redirect_from_a_private_address_may_lead_to_another(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "is_public", lambda address: False)
    with serving(OK) as end, serving(redirect(f"http://other.test:{end.port}/")) as start:
        assert fetch_or_throw(start.url) == b"abc"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *(
            (address, True)
            for address in ("8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.63.0.1", "11.0.0.1")
        ),
        *((address, True) for address in ("2606:4700:4700::1111", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "2002:808:808::")),
        *(
            (address, False)
            for address in ("127.0.0.1", "127.255.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1")
        ),
        *(
            (address, False)
            for address in ("169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255")
        ),
        *(
            (address, False)
            for address in ("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "::1", "::", "fe80::1", "fc00::1")
        ),
        *(
            (address, False)
            for address in ("fd12::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "::ffff:127.0.0.1", "fe80::1%1")
        ),
        *(
            (address, False)
            for address in ("::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "64:ff9b:1::1")
        ),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert http.is_public(address) is public


def test_secrets_are_not_told_to_another_host(names: dict[str, list[str]]) -> None:
    secret = {"Authorization": "Bearer 1", "cookie": "2", "PROXY-Authorization": "3", "Host": "4", "Accept": "image/png"}
    with serving(OK) as end:
        for host, kept in ((f"other.test:{end.port}", False), ("", True)):
            target = f"http://{host}/end" if host else "/end"

            def script(connection: socket.socket, head: bytes, target: str = target) -> None:
                connection.sendall(OK if b"/end" in head else redirect(target))

            with serving(script) as start:
                assert fetch_or_throw(f"http://public.test:{start.port}/", {"headers": secret}) == b"abc"
                last = (start if kept else end).heads[-1]
            assert (b"Authorization: Bearer 1" in last) is kept
            assert (b"Cookie: 2" in last) is kept
            assert (b"Host: 4" in last) is kept
            assert b"Accept: image/png" in last


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_a_redirect_makes_of_a_request(status: int) -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(OK if b"/end" in head else redirect("/end", status))

    with serving(script) as server:
        for method in ("GET", "HEAD"):
            assert fetch_or_throw(server.url, {"method": method}) == (b"" if method == "HEAD" else b"abc")
            assert server.heads[-1].startswith(f"{method} /end HTTP/1.1\r\n".encode())
        post = {"method": "POST", "body": b"x", "headers": {"Content-Type": "text/plain"}}
        if status in (307, 308):
            refused(server.url, f"({status}) Found", init=post, timeout=10)
        else:
            assert fetch_or_throw(server.url, post) == b"abc"
            assert server.heads[-1].startswith(b"GET /end HTTP/1.1\r\n")
            assert b"Content" not in server.heads[-1]
        refused(server.url, f"({status}) Found", init={"method": "PUT", "body": b"x"}, timeout=10)


# ------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("path", "init"),
    [
        ("", {}),
        ("/", {}),
        ("?a=b", {}),
        ("/a/../b//c;d?e=/f?g#h", {}),
        ("/é%20 b\t", {}),
        ("/a", {"headers": {"accept": "x", "USER-AGENT": "y", "accept-encoding": "gzip"}}),
        ("/a", {"method": "HEAD"}),
        ("/a", {"body": b"abc"}),
        ("/a", {"body": b"", "method": "PUT", "headers": {"content-type": "text/plain"}}),
        ("/a", {"method": "DELETE"}),
    ],
)
def test_requests_are_those_of_urllib(path: str, init: dict[str, Any]) -> None:
    with serving(OK) as server:
        fetch_or_throw(server.url + path, init)  # type: ignore[arg-type]
        quoted = urllib.parse.quote(server.url + path, safe="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
        headers = {
            "User-Agent": server.heads[0].partition(b"User-Agent: ")[2].partition(b"\r\n")[0].decode(),
            **init.get("headers", {}),
        }
        request = urllib.request.Request(quoted, init.get("body"), headers, method=init.get("method"))
        with urllib.request.urlopen(request, timeout=10):
            pass
    ours, theirs = (head.split(b"\r\n") for head in server.heads)
    assert ours[0] == theirs[0]
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize(
    ("init", "kind"),
    [
        *(
            (init, InvalidType)
            for init in (5, "GET", [("method", "GET")], {"headers": 5}, {"headers": [("a", "b")]}, {"headers": "a: b"})
        ),
        *(
            ({"headers": headers}, InvalidType)
            for headers in ({5: "x"}, {"a": 5}, {"a": None}, {"a": b"b"}, {"a": ["b"]}, {None: "x"})
        ),
        *(({"method": method}, InvalidType) for method in (5, b"GET", ["GET"], True)),
        *(({"body": body}, InvalidType) for body in ("text", 5, ["a"], {"a": "b"}, object)),
        *(({"method": method}, InvalidArgument) for method in ("", "GET / HTTP/1.1\r\nA: b", "a b", "é", "\ud800")),
        *(({"headers": {name: "x"}}, InvalidArgument) for name in ("", "a b", "a:", "a\r\nb", "é", "\ud800")),
        *(({"headers": {"a": value}}, InvalidArgument) for value in ("b\r\nc: d", "b\n c", "\0", "€", "\ud800")),
        *((init, InvalidArgument) for init in ({5: "x"}, {"mode": "cors"}, {"timeout": 3}, {None: 1, 5: 2})),
    ],
    ids=repr,
)
def test_init_of_the_wrong_kind(init: Any, kind: type[NpFaceApiError], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    for url in ("http://127.0.0.1:9/", str(tmp_path / "a"), tmp_path / "a", (tmp_path / "a").as_uri()):
        with pytest.raises(kind, match=r"^fetch_or_throw: expected .*, got "):
            fetch_or_throw(url, init)


@pytest.mark.parametrize(
    "init", [None, {}, {"method": None, "headers": None, "body": None}, {"body": memoryview(b"abc")}, {"method": "post"}]
)
def test_init_of_the_right_kind(init: Any) -> None:
    with serving(OK) as server:
        assert fetch_or_throw(server.url, init) == b"abc"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), None, "3", True, 10**400])
def test_timeout_of_the_wrong_kind(timeout: Any) -> None:
    with pytest.raises(InvalidArgument, match="expected timeout to be seconds above 0, got "):
        fetch_or_throw("http://127.0.0.1:9/", timeout=timeout)


@pytest.mark.parametrize("max_bytes", [-1, 1.5, None, "3", True, float("nan")])
def test_max_bytes_of_the_wrong_kind(max_bytes: Any) -> None:
    with pytest.raises(InvalidArgument, match="expected max_bytes to be an integer from 0 up, got "):
        fetch_or_throw("http://127.0.0.1:9/", max_bytes=max_bytes)


def test_a_long_reason_does_not_hide_the_url() -> None:
    with serving(b"HTTP/1.1 404 " + b"x" * 60_000 + b"\r\n\r\n") as server:
        refused(server.url, "(404) xxx", f"from url: {server.url}", timeout=10)


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    refused("http://127.0.0.1:9/", "failed to fetch: can't start new thread")


def test_port_0_is_no_default() -> None:
    refused("http://127.0.0.1:0/", "failed to fetch: ")


def test_any_number_of_seconds_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with serving(OK) as server:
        for url in (server.url, tmp_path / "a"):
            assert fetch_or_throw(url, timeout=1e300, max_bytes=10**30) == b"abc"
            assert fetch_or_throw(url, max_bytes=3) == b"abc"


# ------------------------------------------------------------------ passwords


SECRET = "pa55"


@pytest.mark.parametrize(
    "url",
    [
        *(f"{scheme}://user:{SECRET}@127.0.0.1:9/a" for scheme in ("http", "https", "HTTP", "HttpS")),
        *(f"http://{user}@127.0.0.1:9/a" for user in (SECRET, f":{SECRET}", f"a@b:{SECRET}", f"user:x@{SECRET}", f"é:{SECRET}")),
        *(f"http://user:{word}@127.0.0.1:9/a" for word in (f"x/{SECRET}", f"x?{SECRET}", f"x#{SECRET}")),
        *(f"http://user:{word}@127.0.0.1:9/a" for word in (f"x\\{SECRET}", f"{SECRET} x")),
        f"http://user:{SECRET}@127.0.0.1:port/a",
        f"http://user:{SECRET}@[::1/a",
        f"http://user:{SECRET}@/a",
        f"http://user:99999/{SECRET}@127.0.0.1/a",
        f"file://user:{SECRET}@host/a",
    ],
)  # fmt: skip
def test_a_password_is_not_shown(url: str) -> None:
    for fetch in (fetch_or_throw, faceapi.fetch_image, faceapi.fetch_json, faceapi.fetch_net_weights, faceapi.load_image,
                  lambda url: faceapi.load_weight_map(url, "m"), faceapi.FaceLandmark68TinyNet().load):  # fmt: skip
        with pytest.raises(NpFaceApiError) as error:
            fetch(url)
        assert SECRET not in str(error.value)
        assert "user:" not in str(error.value)
        assert "***@" in str(error.value)


def test_a_password_is_not_shown_with_a_photo_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npfaceapi.photos.loading.fetch_or_throw", lambda url: b"no photo")
    with pytest.raises(faceapi.ImageError, match=r"^https://\*\*\*@host/a: expected an image") as error:
        faceapi.load_image(f"https://user:{SECRET}@host/a")
    assert SECRET not in str(error.value)


# ------------------------------------------------------------------ proxies, TLS


def test_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as proxy:
        for named in (f"http://us%20er:{SECRET}@127.0.0.1:{proxy.port}", f"127.0.0.1:{proxy.port}", f"{proxy.url}/"):
            monkeypatch.setenv("http_proxy", named)
            monkeypatch.setenv("no_proxy", "here.test")
            assert fetch_or_throw("http://nowhere.test:81/a?b#c") == b"abc"
            head = proxy.heads[-1].decode()
            assert head.startswith("GET http://nowhere.test:81/a?b HTTP/1.1\r\n")
            assert "\r\nHost: nowhere.test:81\r\n" in head
            login = base64.b64encode(f"us er:{SECRET}".encode()).decode()
            assert (f"Proxy-Authorization: Basic {login}\r\n" in head) is ("@" in named)
    for url in ("http://nowhere.test/", "https://nowhere.test/"):
        monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:1")
        monkeypatch.setenv("http_proxy", f"http://user:{SECRET}@127.0.0.1:1")
        with pytest.raises(FetchError) as error:
            fetch_or_throw(url, timeout=5)
        assert SECRET not in str(error.value)
    for named in ("socks5://127.0.0.1:1", f"http://user:{SECRET}@127.0.0.1:port", "http://", "http://[::1"):
        monkeypatch.setenv("http_proxy", named)
        refused("http://nowhere.test/", "failed to fetch: expected ")


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1/", "http://127.1/", "http://localhost:1/", "http://a.LocalHost./", "http://[::1]/"]
)
def test_a_redirect_through_a_proxy(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        connection.sendall(redirect(location) if b"start.test" in head else OK)

    with serving(script) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        refused("http://start.test/", "got one into a private network", timeout=10)
        assert fetch_or_throw(location) == b"abc"


def test_a_proxy_that_draws_out_its_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    for script in (drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x")):
        with serving(script) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            refused("https://nowhere.test/", "failed to fetch: ")
    with serving(b"HTTP/1.1 407 Login\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        refused("https://nowhere.test/", "expected a tunnel through the proxy, got (407) Login", timeout=10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of this machine, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    file = tmp_path_factory.mktemp("certificate") / "cert.pem"
    names = "subjectAltName=DNS:localhost,DNS:nowhere.test,IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names,
         "-keyout", str(file), "-out", f"{file}.part"], check=True, capture_output=True,
    )  # fmt: skip
    file.write_bytes(file.read_bytes() + Path(f"{file}.part").read_bytes())
    return file


@pytest.fixture
def context(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return made


def test_https(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK, context) as server:
        assert fetch_or_throw(server.url) == b"abc"
        refused(server.url.replace("127.0.0.1", "127.0.0.2"), "failed to fetch: ", timeout=10)
        monkeypatch.delenv("SSL_CERT_FILE")
        refused(server.url, "certificate", timeout=10)


def test_https_that_is_drawn_out(context: ssl.SSLContext) -> None:
    with serving(drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), context) as server:
        refused(server.url, "no answer within")


def test_https_through_a_tunnel(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK, context) as server:

        def script(connection: socket.socket, head: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\nA: b\r\n\r\n")
            with socket.create_connection(("127.0.0.1", server.port)) as behind:
                threads = [threading.Thread(target=pump, args=pair) for pair in ((connection, behind), (behind, connection))]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

        with serving(script) as proxy:
            monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
            assert fetch_or_throw("https://nowhere.test/a") == b"abc"
            assert proxy.heads[0].startswith(
                b"CONNECT nowhere.test:443 HTTP/1.1\r\nHost: nowhere.test:443\r\nProxy-Authorization: "
            )
            assert b"Proxy" not in server.heads[0]
            assert server.heads[0].startswith(b"GET /a HTTP/1.1\r\n")


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
