"""Fetching over HTTP from a server on this machine, from file: URLs and from paths."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from npfaceapi.errors import FetchError, ImageError, InvalidArgument, InvalidType, NpFaceApiError, WeightsError
from npfaceapi.photos.fetch import fetch_image, fetch_json, fetch_net_weights, fetch_or_throw
from npfaceapi.photos.net_input import load_image, to_net_input

PIXELS = np.random.default_rng(9).integers(0, 256, (7, 9, 3), dtype=np.uint8)


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


BODIES = {
    "/photo.png": png(),
    "/a%20b%C3%A9.png": png(),
    "/data.json": '{"a": [1, 2.5, "é"]}'.encode(),
    "/bom.json": b"\xef\xbb\xbf[1]",
    "/broken.json": b'{"a": ',
    "/net.weights": np.array([1.5, -2.25, 3e-5], "<f4").tobytes(),
    "/odd.weights": b"12345",
    "/page.html": b"<html>not a photo</html>",
    "/empty": b"",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path in BODIES:
            self.reply(200, BODIES[self.path])
        elif self.path == "/moved":
            self.reply(302, b"", Location="/photo.png")
        elif self.path == "/to-a-file":
            self.reply(302, b"", Location="file:///etc/hostname")
        elif self.path == "/to-ftp":
            self.reply(302, b"", Location="ftp://127.0.0.1/a")
        elif self.path == "/loop":
            self.reply(302, b"", Location="/loop")
        elif self.path == "/agent":
            self.reply(200, self.headers["User-Agent"].encode())
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            except OSError:
                pass
        elif self.path == "/forbidden":
            self.reply(403, b"no")
        else:
            self.reply(404, b"nothing here")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(200, self.headers["X-Token"].encode() + b":" + body)

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def one_line(error: pytest.ExceptionInfo[NpFaceApiError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


class TestFetching:
    def test_bytes(self, server: str) -> None:
        assert fetch_or_throw(f"{server}/photo.png") == BODIES["/photo.png"]
        assert fetch_or_throw(f"{server}/empty") == b""

    def test_redirect(self, server: str) -> None:
        assert fetch_or_throw(f"{server}/moved") == BODIES["/photo.png"]

    def test_spaces_and_accents(self, server: str) -> None:
        assert fetch_or_throw(f"{server}/a bé.png") == BODIES["/photo.png"]
        assert fetch_or_throw(f"{server}/a%20b%C3%A9.png") == BODIES["/photo.png"]

    def test_user_agent(self, server: str) -> None:
        assert fetch_or_throw(f"{server}/agent").startswith(b"npfaceapi/")

    def test_init(self, server: str) -> None:
        init = {"method": "POST", "headers": {"X-Token": "abc"}, "body": b"hello"}
        assert fetch_or_throw(f"{server}/form", init) == b"abc:hello"
        with pytest.raises(InvalidArgument, match="got 'mode'"):
            fetch_or_throw(f"{server}/form", {"mode": "cors"})

    def test_image(self, server: str) -> None:
        image = fetch_image(f"{server}/photo.png")
        assert (image.mode, image.size) == ("RGB", (9, 7))
        np.testing.assert_array_equal(np.asarray(image), PIXELS)

    def test_json(self, server: str) -> None:
        assert fetch_json(f"{server}/data.json") == {"a": [1, 2.5, "é"]}
        assert fetch_json(f"{server}/bom.json") == [1]

    def test_net_weights(self, server: str) -> None:
        weights = fetch_net_weights(f"{server}/net.weights")
        np.testing.assert_array_equal(weights, np.array([1.5, -2.25, 3e-5], np.float32), strict=True)
        assert weights.flags.writeable

    def test_a_url_is_a_photo(self, server: str) -> None:
        np.testing.assert_array_equal(load_image(f"{server}/photo.png"), PIXELS)
        assert to_net_input([f"{server}/photo.png", PIXELS]).input_dimensions == [(7, 9, 3)] * 2

    def test_file_url_and_path(self, tmp_path: Path) -> None:
        for name, body in (("a bé#?.png", BODIES["/photo.png"]), ("a.json", BODIES["/data.json"])):
            path = tmp_path / name
            path.write_bytes(body)
            assert fetch_or_throw(path) == fetch_or_throw(str(path)) == fetch_or_throw(path.as_uri()) == body
        np.testing.assert_array_equal(np.asarray(fetch_image(tmp_path / "a bé#?.png")), PIXELS)
        assert fetch_json(tmp_path / "a.json") == json.loads(BODIES["/data.json"])


class TestErrors:
    def test_not_found(self, server: str) -> None:
        with pytest.raises(FetchError) as error:
            fetch_or_throw(f"{server}/absent.png")
        assert one_line(error) == f"failed to fetch: (404) Not Found, from url: {server}/absent.png"
        with pytest.raises(FetchError, match=r"\(403\) Forbidden"):
            fetch_or_throw(f"{server}/forbidden")

    def test_as_a_photo(self, server: str) -> None:
        with pytest.raises(FetchError, match=r"\(404\) Not Found, from url: .*/absent.png"):
            load_image(f"{server}/absent.png")
        with pytest.raises(FetchError, match=r"\(404\)"):
            to_net_input([PIXELS, f"{server}/absent.png"])

    @pytest.mark.parametrize("path", ["/page.html", "/empty"])
    def test_not_a_photo(self, server: str, path: str) -> None:
        for function in (load_image, fetch_image):
            with pytest.raises(ImageError) as error:
                function(server + path)
            assert one_line(error).startswith(f"{server}{path}: expected an image file")

    def test_connection_refused(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(FetchError, match=f"refused.*, from url: http://127.0.0.1:{port}/a") as error:
            fetch_or_throw(f"http://127.0.0.1:{port}/a")
        one_line(error)

    @pytest.mark.parametrize(
        "url", ["http://", "http:///a.png", "http://127.0.0.1:99999/a", "http://127.0.0.1:port/a", "http://[::1/a"]
    )
    def test_malformed(self, url: str) -> None:
        with pytest.raises(FetchError, match="failed to fetch: ") as error:
            fetch_or_throw(url)
        assert one_line(error).endswith(f"from url: {url}")

    def test_no_answer(self) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
            with pytest.raises(FetchError, match=r"no answer within 0\.2 s, from url: "):
                fetch_or_throw(url, timeout=0.2)

    def test_too_slow(self, server: str) -> None:
        start = time.monotonic()
        with pytest.raises(FetchError, match=r"within 0\.3 s"):
            fetch_or_throw(f"{server}/drip", timeout=0.3)
        assert time.monotonic() - start < 3

    def test_cut_short(self, server: str) -> None:
        with pytest.raises(FetchError, match=r"expected 1000 bytes, got 10, from url: .*/short"):
            fetch_or_throw(f"{server}/short")

    def test_too_long(self, server: str, tmp_path: Path) -> None:
        for path in ("/endless", "/photo.png"):
            with pytest.raises(FetchError, match=f"{path}: expected at most 100 bytes, got more"):
                fetch_or_throw(server + path, max_bytes=100)
        file = tmp_path / "long"
        file.write_bytes(b"x" * 101)
        with pytest.raises(FetchError, match="long: expected at most 100 bytes"):
            fetch_or_throw(file, max_bytes=100)
        assert fetch_or_throw(file, max_bytes=101) == b"x" * 101

    @pytest.mark.parametrize("path", ["/to-a-file", "/to-ftp", "/loop"])
    def test_redirects_lead_to_http_only_and_end(self, server: str, path: str) -> None:
        with pytest.raises(FetchError, match=f"failed to fetch: .*, from url: {server}{path}") as error:
            fetch_or_throw(server + path)
        one_line(error)

    def test_no_json(self, server: str) -> None:
        with pytest.raises(FetchError, match=r"/broken.json: expected JSON, got 6 bytes") as error:
            fetch_json(f"{server}/broken.json")
        one_line(error)
        with pytest.raises(FetchError, match=r"/photo.png: expected JSON"):
            fetch_json(f"{server}/photo.png")

    def test_no_weights(self, server: str) -> None:
        with pytest.raises(WeightsError, match=r"/odd.weights: expected float32 weights, a multiple of 4 bytes, got 5 bytes"):
            fetch_net_weights(f"{server}/odd.weights")

    def test_files_that_are_not_there(self, tmp_path: Path) -> None:
        absent = tmp_path / "absent.json"
        for uri in (absent, str(absent), absent.as_uri()):
            with pytest.raises(FetchError, match=r"absent\.json: expected a file that can be read, got: No such file"):
                fetch_json(uri)
        with pytest.raises(FetchError, match=r"got: Is a directory|got: Permission denied"):
            fetch_or_throw(tmp_path)
        with pytest.raises(FetchError, match="null"):
            fetch_or_throw("a\0b")
        with pytest.raises(FetchError, match=r"expected a file on this machine .* got the host 'elsewhere'"):
            fetch_or_throw("file://elsewhere/a.png")

    @pytest.mark.parametrize("url", [None, 3, b"http://127.0.0.1/a", ["a"]])
    def test_wrong_type(self, url: object) -> None:
        with pytest.raises(InvalidType, match="fetch_or_throw: expected a URL or a path, got "):
            fetch_or_throw(url)  # type: ignore[arg-type]
