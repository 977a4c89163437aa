"""Requests that are wrong, large, slow or hostile, and workers that fail; workers answer without networks."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytest.importorskip("python_multipart")
connect = pytest.importorskip("websockets.sync.client").connect

from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

from helpers import service_answers  # noqa: E402
from helpers.services import application  # noqa: E402
from npfaceapi.service.limits import Limits  # noqa: E402

LIMITS = Limits(
    body=1000, all_bodies=1500, body_seconds=0.5, header_seconds=0.5, work_seconds=0.5, queue=2, connections=50, streams=1
)
pytestmark = pytest.mark.slow


def service(**more):
    return application(begin=service_answers.begin, answer=service_answers.answer, **{"limits": LIMITS, **more})


@pytest.fixture(scope="module")
def client():
    with service() as client:
        yield client


def error_of(answer):
    status, values = answer
    assert list(values) == ["error"]
    assert "\n" not in values["error"]
    return status, values["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/v1/analyze", b"", 400, "expected one photo, as the body or as a file in a form, got 0"),
        ("/v1/analyze", b"bad", 400, "photo: expected an image file, got something else"),
        ("/v1/analyze", b"huge", 413, "photo: expected a photo of at most 1 megapixel, got more"),
        ("/v1/analyze", b"x" * 1001, 413, "expected a body of at most 0.001 MB, got more"),
        ("/v1/analyze?parts=nose", b"x", 400, "parts: expected some of detection,landmarks,"),
        ("/v1/analyze?detector=nose", b"x", 400, "detector: expected a detector out of ssd_mobilenetv1|ssd, "),
        ("/v1/analyze?detector=yolo", b"x", 400, "got tiny_yolov2, whose weights are not in the package: npfaceapi serve --wei"),
        ("/v1/analyze?url=http://a.b/c", b"x", 400, "expected fields out of parts, detector, min_confidence, max_results, "),
        ("/v1/analyze?parts=detection&parts=landmarks", b"x", 400, "'parts': expected one value, got more"),
        ("/v1/analyze?min_confidence=2", b"x", 400, "SsdMobilenetv1Options.min_confidence: expected "),
        ("/v1/match", b"x", 400, "known: expected the JSON of a FaceMatcher, or npfaceapi serve --people, got neither"),
        ("/v1/match?known={}", b"x", 400, "FaceMatcher.from_json: expected an object with labeledDescriptors, got {}"),
        ("/v1/match?distance=far", b"x", 400, "distance: expected a number in [0, 2], got 'far'"),
        ("/v1/distance", b"x", 400, "expected two photos, as files in a form, got 1"),
        ("/v1/nose", b"x", 404, "expected an address of the service, see /openapi.json, got '/v1/nose'"),
        ("/v1/analyze", None, 405, "/v1/analyze: expected another method than GET, see /openapi.json"),
        ("/../app.py", None, 404, "expected an address of the service, see /openapi.json, got "),
    ],
)
def test_one_clear_line(client, path, body, status, reason):
    got = error_of(client.ask(path, body))
    assert got[0] == status
    assert reason in got[1]


def test_a_form_that_is_damaged(client):
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        status, reason = error_of(client.ask("/v1/analyze", b"--y\r\n", {"Content-Type": kind}))
        assert status == 400
        assert "expected" in reason


def test_of_a_form_the_only_file_is_the_photo(client):
    assert client.form("/v1/analyze", [("any", b"hello")], {"parts": "detection"})[1]["height"] == 5
    assert error_of(client.form("/v1/analyze", [("a", b"x"), ("b", b"x")]))[0] == 400
    assert error_of(client.form("/v1/analyze", [("a", b"x")], {"parts": "nose"}))[0] == 400


@pytest.mark.parametrize(("path", "body"), [("/", None), ("/v1/health", None), ("/v1/analyze", b"x"), ("/v1/nose", None)])
def test_no_other_site_reads_an_answer(client, path, body):
    _, _, headers = client.raw(path, body)
    assert not [name for name in headers if name.lower().startswith("access-control-")]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "default-src 'none'" in headers["content-security-policy"]


def refused(client, path, **arguments):
    """The status and the error of a WebSocket that is not opened."""
    with pytest.raises(InvalidStatus) as raised:
        connect(client.address.replace("http", "ws") + path, **arguments)
    return raised.value.response.status_code, json.loads(raised.value.response.body)["error"]


@pytest.mark.parametrize("path", ["", "v1/", "v1/webcam/", "v1/analyze", "elsewhere/x"])
def test_a_web_socket_at_another_address(client, path):
    assert refused(client, path) == (404, f"expected an address of the service, see /openapi.json, got '/{path}'")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.1.2", "", "[::1", "a@b"]
)
def test_a_host_that_is_not_this_machine(client, host):
    assert error_of(client.ask("/v1/health", headers={"Host": host}))[0] == 421
    status, error = refused(client, "v1/webcam", additional_headers={"Origin": f"http://{host or 'a'}"})
    assert (status, error[:39]) == (403, "expected a request of the service's own")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000", "127.8.8.8"])
def test_a_host_that_is_this_machine(client, host):
    assert client.ask("/v1/health", headers={"Host": host})[0] == 200


def test_the_page_of_another_site(client):
    for origin in ("http://evil.example", "null", "http://[::1", "http://evil]", ""):
        assert error_of(client.ask("/v1/analyze", b"x", {"Origin": origin}))[0] == 403
    assert client.ask("/v1/analyze", b"x", {"Origin": f"http://{client.host}"})[0] == 200


def test_a_token():
    with service(token="a long secret") as client:
        assert error_of(client.ask("/v1/analyze", b"x"))[0] == 401
        for sent in ("Bearer", "Bearer a long", "Basic a long secret", "Bearer \xe9"):
            assert error_of(client.ask("/v1/analyze", b"x", {"Authorization": sent}))[0] == 401
        assert client.ask("/v1/analyze", b"x", {"Authorization": "Bearer a long secret", "Host": "faces"})[0] == 200
        assert client.raw("/")[0] == client.raw("/openapi.json")[0] == 200
    with service(token="long-secret") as client:
        address = client.address.replace("http", "ws") + "v1/webcam"
        assert refused(client, "v1/webcam", subprotocols=["npfaceapi"])[0] == 401
        with connect(address, subprotocols=["npfaceapi", "bearer.long-secret"]) as stream:
            assert stream.subprotocol == "npfaceapi"


def test_a_decoder_that_crashes_costs_one_request(client):
    before = client.ask("/v1/analyze", b"x")[1]["width"]
    assert error_of(client.ask("/v1/analyze", b"crash")) == (
        503,
        "expected a photo that can be decoded and analyzed, got one for which its worker ended with status 11, and is replaced",
    )
    assert client.ask("/v1/analyze", b"x")[1]["width"] != before


def test_a_decoder_that_hangs_costs_one_request(client):
    start = time.monotonic()
    expected = "expected a photo that is analyzed within 0.5 seconds, got one that takes longer"
    assert error_of(client.ask("/v1/analyze", b"wait 60")) == (504, expected)
    assert client.ask("/v1/analyze", b"x")[0] == 200
    assert time.monotonic() - start < 30


def test_a_worker_that_the_system_ends_costs_no_request(client):
    import os
    import signal

    worker = client.ask("/v1/analyze", b"x")[1]["width"]
    os.kill(worker, signal.SIGKILL)
    time.sleep(0.2)
    assert client.ask("/v1/analyze", b"x")[0] == 200


def ask_at_once(client, bodies):
    """The statuses of requests that are sent at the same time."""
    statuses = []
    threads = [threading.Thread(target=lambda body=body: statuses.append(client.ask("/v1/analyze", body)[0])) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(statuses)


def test_a_full_queue(client):
    assert ask_at_once(client, [b"wait 0.3"] * 6) == [200, 200, 200, 429, 429, 429]  # one is answered, two wait
    assert client.ask("/v1/analyze", b"x")[0] == 200


@pytest.mark.parametrize(("path", "photos", "others"), [("analyze", 1, 2), ("distance", 2, 1)])
def test_a_client_that_leaves_does_not_keep_its_place(client, path, photos, others):
    def sent(path, photos):
        body = b"".join(
            b'--cut\r\nContent-Disposition: form-data; name="%d"; filename="a"\r\n\r\nwait 0.4\r\n' % i for i in range(photos)
        )
        head = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: {len(body) + 7}\r\n\r\n"
        sender = socket.create_connection(client.host.split(":"), timeout=10)
        sender.sendall(head.encode() + body + b"--cut--")
        return sender

    client.ask("/v1/analyze", b"x")  # the worker is free
    first = sent("analyze", 1)
    leaving = [sent(path, photos) for _ in range(others)]
    client.wait(lambda health: health["waiting"] == 2)
    for each in leaving:
        each.close()
    client.wait(lambda health: health["waiting"] == 0, 0.3)
    first.close()


def raw_answer(client, *parts, pause=0.0):
    """What the service answers to bytes that are sent in parts."""
    with socket.create_connection(client.host.split(":"), timeout=20) as sender:
        for part in parts:
            try:
                sender.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        answer = b""
        try:
            while part := sender.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


HEAD = b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def test_a_body_in_chunks_that_is_too_large(client):
    chunk = b"190\r\n" + b"x" * 400 + b"\r\n"
    assert b" 413 " in raw_answer(client, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk, b"0\r\n\r\n")


def test_a_body_that_comes_slowly(client):
    start = time.monotonic()
    assert b" 408 " in raw_answer(client, HEAD + b"Content-Length: 900\r\n\r\n", *[b"x"] * 8, pause=0.1)
    assert client.ask("/v1/analyze", b"x")[0] == 200
    assert time.monotonic() - start < 10


def test_bodies_that_are_too_large_together(client):
    held = socket.create_connection(client.host.split(":"), timeout=10)
    held.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 999)
    time.sleep(0.1)
    assert client.ask("/v1/analyze", b"x" * 900)[0] == 429
    held.close()
    time.sleep(0.1)
    assert client.ask("/v1/analyze", b"x" * 900)[0] == 200


def test_connections_that_send_nothing_or_headers_slowly_are_closed(client):
    start = time.monotonic()
    assert raw_answer(client) == b""
    assert raw_answer(client, *[b"A: b\r\n"] * 12, pause=0.1) == b"" or time.monotonic() - start < 5
    assert time.monotonic() - start < 5
    assert client.ask("/v1/analyze", b"x")[0] == 200


def json_of(answer):
    """The status and the JSON of an answer as bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head
    return int(head.split()[1]), json.loads(body)


NO_HTTP = (400, {"error": "expected a request in HTTP, got something else or a damaged one"})


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", HEAD + b"A: " + b"x" * 100_000]
)
def test_what_is_no_http(client, sent):
    assert json_of(raw_answer(client, sent)) == NO_HTTP


def test_a_damaged_body(client, capfd):
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    assert json_of(raw_answer(client, chunked + b"5\r\nwait \r\nno length\r\n")) == NO_HTTP
    too_large = b"190\r\n" + b"x" * 400 + b"\r\n"
    kept = chunked.replace(b"close", b"keep-alive")
    assert json_of(raw_answer(client, kept, too_large * 3, b"no length\r\n", pause=0.1))[0] == 413
    assert client.ask("/v1/analyze", b"x")[0] == 200
    assert capfd.readouterr().err == ""


def test_more_connections_than_the_service_takes():
    with service(limits=replace(LIMITS, body_seconds=60)) as client, ExitStack() as held:
        for _ in range(LIMITS.connections):
            each = held.enter_context(socket.create_connection(client.host.split(":"), timeout=10))
            each.sendall(HEAD + b"Content-Length: 9\r\n\r\nabc")
            time.sleep(0.02)  # one whose headers have not come yet would be closed for the next
        status, text, headers = client.raw("/v1/analyze", b"x")
        assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/json", "1")
        assert json.loads(text) == {
            "error": f"expected at most {LIMITS.connections} connections, got one more: try again in a second"
        }
        held.close()
        client.wait(lambda health: health["status"] == "ready")


def test_many_half_headers_keep_nobody_out():
    with service(limits=replace(LIMITS, header_seconds=60)) as client, ExitStack() as held:
        for _ in range(3 * LIMITS.connections):
            each = held.enter_context(socket.create_connection(client.host.split(":"), timeout=10))
            each.sendall(b"POST /v1/analyze HTTP/1.1\r\nHost: loc")
        assert client.ask("/v1/analyze", b"x")[0] == 200


def stream(client, query=""):
    return connect(f"{client.address.replace('http', 'ws')}v1/webcam{query}")


def test_the_newest_frame_wins(client):
    with stream(client) as frames:
        frames.send(b"wait 0.3")
        time.sleep(0.1)
        for _ in range(5):
            frames.send(b"x")
        assert [json.loads(frames.recv(10))["frame"] for _ in range(2)] == [1, 6]


def test_a_frame_that_fails_costs_that_frame(client):
    with stream(client) as frames:
        for sent, expected in (
            (b"bad", "frame 1: expected an image file"),
            (b"crash", "expected a photo that can"),
            (b"x", None),
        ):
            frames.send(sent)
            answer = json.loads(frames.recv(30))
            assert answer.get("error", "").startswith(expected) if expected else answer["tracks"] == []


def test_streams_that_are_refused(client):
    with stream(client, "?parts=nose") as frames:
        assert json.loads(frames.recv(10))["error"].startswith("parts: expected some of")
    with stream(client, "?parts=landmarks&parts=detection") as frames:
        assert json.loads(frames.recv(10)) == {"error": "'parts': expected one value, got more"}
    with stream(client, "?detector=yolo") as frames:
        assert "whose weights are not in the package" in json.loads(frames.recv(10))["error"]
    with stream(client) as frames:
        with pytest.raises(ConnectionClosed, match="expected at most 1 streams at a time"), stream(client) as second:
            second.recv(10)
        frames.send("a text")
        with pytest.raises(ConnectionClosed, match="expected frames as binary messages, got a text"):
            frames.recv(10)
    with stream(client) as frames:
        frames.send(b"x" * 1001)
        with pytest.raises(ConnectionClosed):
            frames.recv(10)
    with stream(client) as frames:
        frames.send(b"x")
        assert json.loads(frames.recv(10))["frame"] == 1
