"""The command with real networks: its answers are those of the package."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytest.importorskip("python_multipart")
connect = pytest.importorskip("websockets.sync.client").connect

import npfaceapi as faceapi  # noqa: E402
from helpers import ASTRONAUT, ROOT  # noqa: E402
from helpers.services import command  # noqa: E402

pytestmark = pytest.mark.slow
PHOTO = ASTRONAUT.read_bytes()
TINY = faceapi.TinyFaceDetectorOptions(320, 0.3)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    people = tmp_path_factory.mktemp("people")
    (people / "Eileen Collins.png").write_bytes(PHOTO)
    with command("--people", people, "--workers", 1) as (client, _):
        client.wait(lambda health: health["people"] == 1)
        yield client


def flipped():
    file = io.BytesIO()
    Image.open(ASTRONAUT).convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", None),
        ("detector=tiny&input_size=320&score_threshold=0.3", TINY),
        ("detector=mtcnn&min_face_size=40", faceapi.MtcnnOptions(40)),
    ],
)
def test_the_faces_are_those_of_the_package(client, query, options):
    task = faceapi.detect_all_faces(PHOTO, options).with_face_landmarks().with_face_expressions().with_age_and_gender()
    with faceapi.use_num_threads(1):
        expected = [json.loads(face.to_json()) for face in task.with_face_descriptors().run()]
    status, answer = client.ask(f"/v1/analyze?{query}", PHOTO)
    assert (status, answer["width"], answer["height"]) == (200, 512, 512)
    assert answer["faces"] == expected
    assert min(answer["milliseconds"].values()) > 0


def test_only_the_parts_asked_for(client):
    _, answer = client.ask("/v1/analyze?parts=expressions", PHOTO)
    assert {name for name, value in answer["faces"][0].items() if value is not None} == {"detection", "expressions"}


def test_distance(client):
    status, answer = client.form("/v1/distance", [("a", PHOTO), ("b", flipped())], {"parts": "detection"})
    descriptors = [
        faceapi.detect_single_face(photo).with_face_landmarks().with_face_descriptor().run().descriptor
        for photo in (PHOTO, flipped())
    ]
    assert status == 200
    assert answer["distance"] == pytest.approx(faceapi.euclidean_distance(*descriptors), abs=1e-6)
    assert answer["probability"] > 0.9
    assert len(answer["faces"]) == 2
    status, answer = client.form("/v1/distance", [("a", PHOTO), ("empty", black(9, 9))])
    assert (status, answer["error"]) == (400, "empty: expected a photo with a face, got one with none")


def black(width, height):
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_match(client):
    status, answer = client.ask("/v1/match", flipped())
    assert status == 200
    assert [match["name"] for match in answer["matches"]] == ["Eileen Collins"]
    assert client.ask("/v1/match?distance=0.01", flipped())[1]["matches"][0]["name"] == "unknown"
    assert client.ask("/v1/match?alignment=dlib", PHOTO)[0] == 400
    descriptor = faceapi.detect_single_face(PHOTO).with_face_landmarks().with_face_descriptor().run().descriptor
    known = faceapi.FaceMatcher([faceapi.LabeledFaceDescriptors("she", [descriptor])])
    (match,) = client.form("/v1/match", [("photo", PHOTO)], {"known": known.to_json()})[1]["matches"]
    assert match["name"] == "she"
    assert match["distance"] < 1e-5
    assert match["detection"]["score"] > 0.9


def test_the_people_of_an_index(tmp_path):
    (tmp_path / "photo.png").write_bytes(PHOTO)
    with faceapi.FaceIndex(tmp_path / "faces.index") as index:
        index.add([tmp_path / "photo.png"], workers=1)
        index.name(index.groups()[0].number, "Eileen")
    with command("--people", tmp_path / "faces.index", "--workers", 1) as (client, _):
        assert client.ask("/v1/health")[1]["people"] == 1
        (match,) = client.ask("/v1/match", PHOTO)[1]["matches"]
    assert match["name"] == "Eileen"
    assert match["distance"] < 1e-5


def test_people_that_cannot_be_read(tmp_path):
    (tmp_path / "Nobody.png").write_bytes(black(9, 9))
    (tmp_path / "gone.png").symlink_to("nowhere")
    with command("--people", tmp_path, "--workers", 1) as (client, process):
        lines = [process.stdout.readline() for _ in range(3)]
        status, answer = client.ask("/v1/match", PHOTO)
        health = client.ask("/v1/health")[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    assert lines == [
        f"npfaceapi serve: {tmp_path / 'gone.png'}: expected a file or a folder, got a link to nothing\n",
        f"npfaceapi serve: {tmp_path / 'Nobody.png'}: expected a photo of a known person, got one without a face\n",
        f"npfaceapi serve: --people {tmp_path}: expected photos of known people with faces, got none\n",
    ]
    assert (status, answer["error"]) == (503, "--people: expected photos of known people with faces, got none")
    assert (health["people"], health["people_error"]) == (0, answer["error"])


def test_a_bomb_is_refused(client):
    status, answer = client.ask("/v1/analyze", black(10_000, 10_000))
    assert status == 413
    assert "expected a photo of at most 89.5 megapixels, got 10000x10000" in answer["error"]


def test_mtcnn_on_too_many_pixels_is_refused(client):
    query = "detector=mtcnn&min_face_size=12&scale_factor=0.99&max_num_scales=100"
    status, answer = client.ask(f"/v1/analyze?{query}", black(1500, 1500))
    assert (status, answer["error"][:45]) == (400, "photo: expected MTCNN to search at most 80 me")


def test_frames(client):
    with connect(client.address.replace("http", "ws") + "v1/webcam?detector=tiny&parts=landmarks,age-gender") as stream:
        for number in (1, 2):
            stream.send(PHOTO)
            answer = json.loads(stream.recv(30))
            assert answer["frame"] == number
            assert [track["track"] for track in answer["tracks"]] == [1]
            assert answer["tracks"][0]["age"] == pytest.approx(answer["faces"][0]["age"])


def test_the_description_has_every_address_and_every_field(client):
    from npfaceapi.service.questions import OPTIONS

    _, description = client.ask("/openapi.json")
    assert set(description["paths"]) == {"/v1/analyze", "/v1/match", "/v1/distance", "/v1/health"}
    operation = description["paths"]["/v1/analyze"]["post"]
    names = {each["name"] for each in operation["parameters"]}
    assert names >= {"parts", "detector", "alignment", *OPTIONS}
    for field in operation["parameters"]:
        name, schema = field["name"], field["schema"]
        value = schema["enum"][0] if "enum" in schema else "nonsense"
        status, answer = client.ask(f"/v1/analyze?{name}={value}", b"x")
        assert status == 400
        assert not answer["error"].startswith("expected fields") or name in OPTIONS


@pytest.mark.parametrize("path", ["analyze", "distance", "match", "health"])
def test_answers_are_as_described(client, path):
    jsonschema = pytest.importorskip("jsonschema")
    _, description = client.ask("/openapi.json")
    operation = description["paths"][f"/v1/{path}"]
    schema = next(iter(operation.values()))["responses"]["200"]["content"]["application/json"]["schema"]
    files = [("a", PHOTO), ("b", PHOTO)] if path == "distance" else [("a", PHOTO)]
    status, answer = client.ask("/v1/health") if path == "health" else client.form(f"/v1/{path}", files)
    assert status == 200
    jsonschema.Draft202012Validator({**schema, "components": description["components"]}).validate(answer)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator({**schema, "components": description["components"]}).validate({})


@pytest.mark.alone
def test_it_listens_in_under_a_second():
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with command("--workers", 1) as (client, _):
            assert client.ask("/v1/health")[0] == 200
            seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1


def test_interrupted_it_ends_with_its_workers():
    with command("--workers", 1) as (client, process):
        client.wait(lambda health: health["workers"] == 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""


def test_interrupted_it_answers_the_requests_that_are_open():
    with command("--workers", 1) as (client, process), socket.create_connection(client.host.split(":")) as slow:
        slow.sendall(b"POST /v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
        client.ask("/v1/health")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert slow.makefile().read().endswith('{"error":"expected a service that goes on, got one that is being ended"}')
        assert len(process.stdout.read().splitlines()) <= 1


def test_damaged_requests_are_no_matter_of_the_console():
    with command("--workers", 1) as (client, process):
        with socket.create_connection(client.host.split(":")) as wrong:
            wrong.sendall(b"\x16\x03\x01\r\n\r\n")
            assert wrong.recv(999).startswith(b"HTTP/1.1 400 ")
        assert client.ask("/v1/analyze", b"x", {"Content-Type": "multipart/form-data; boundary=cut"})[0] == 400
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""


def test_on_other_addresses_it_asks_for_a_token():
    with command("--workers", 1, "--host", "0.0.0.0") as (client, process):
        line = process.stdout.readline()
        token = re.fullmatch(r"Requests need the header Authorization: Bearer (\S{32})\n", line)[1]
        assert client.printed.endswith(f"#token={token}")
        assert client.ask("/v1/analyze", PHOTO)[0] == 401
        assert client.ask("/v1/analyze?parts=detection", PHOTO, {"Authorization": f"Bearer {token}"})[0] == 200


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--people", "EMPTY.index"], "EMPTY.index: expected a folder of known people or an index, got an empty file"),
        (["--people", "nowhere"], "--people nowhere: expected a folder of known people or an index, got no such file"),
        (["--people", "/dev/null"], "--people /dev/null: expected a folder of known people or an index, got something else"),
        (["--people", "EMPTY"], "EMPTY: expected photos of known people, got none"),
        (["--people", "TEXTS"], "TEXTS: expected photos of known people, got none; left out 2 .txt"),
        (["--people", "TEXTS/a.txt"], "TEXTS/a.txt: expected an index, got a damaged file or another one"),
        (["--people", "NAMELESS"], "NAMELESS: expected an index with named people, got none: npfaceapi name gives names"),
        (["--port", "70000"], "argument --port: expected a port from 0 to 65535, got '70000'"),
        (["--weights", "nowhere"], "tiny_yolov2_separable_conv_model-weights_manifest.json: expected a file that can be "),
        (["--token", "short"], "--token: expected at least 8 printable ASCII characters, got another text"),
        (["--host", "203.0.113.7", "--token", "long-enough"], "expected an address to listen on, got 203.0.113.7 and port 0: "),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path, arguments, expected):
    import subprocess
    import sys

    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "EMPTY.index").touch()
    (tmp_path / "TEXTS").mkdir()
    for name in "ab":
        (tmp_path / "TEXTS" / f"{name}.txt").write_text("no photo")
    faceapi.FaceIndex(tmp_path / "NAMELESS").close()
    arguments = [str(tmp_path / each) if each[:4] in ("EMPT", "TEXT", "NAME") else each for each in arguments]
    call = [sys.executable, "-m", "npfaceapi", "serve", "--port", "0", *arguments]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode > 0, done.stdout) == (True, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 1 or lines[0].startswith("usage: ")
    assert expected in lines[-1]
