"""Load on `npfaceapi serve`, and the camera of its page: a JSON line for each; Linux.

python .ci/serve.py load [SECONDS]      8 clients that send a photo again and again (default: 120 seconds), beside clients that
                                        send slowly, break off or send a bomb; the throughput beside the bare chain's
python .ci/serve.py webcam [SECONDS]    Chromium with a fake camera of 640x480 (default: 30 seconds): frames a second, and the
                                        milliseconds from a frame to its faces and of the box behind the face that is shown
"""

from __future__ import annotations

import collections
import contextlib
import http.client
import io
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from helpers.headless_browser import Browser  # noqa: E402
from helpers.services import Client, command  # noqa: E402
from npfaceapi.benchmark.entries import astronaut  # noqa: E402
from npfaceapi.engines.usable_cpus import usable_cpus  # noqa: E402

CLIENTS = 8
STEP, RATE = 4, 30  # the fake camera's photo moves by so many pixels a frame; frames a second
#: Where the mark of the frame that is shown is, in which row, and where the box begins: pixels of the frame.
LOOK = """
const video = document.querySelector('video'), frame = document.createElement('canvas');
Object.assign(frame, {width: 640, height: 480});
const context = frame.getContext('2d', {willReadFrequently: true});
context.drawImage(video, 0, 0, 640, 480);
const first = (data, width, is) => {
  let least = Infinity;
  for (let i = 0; i < data.length; i += 4) if (is(data, i)) least = Math.min(least, (i / 4) % width);
  return least };
const marks = [2, 10].map(y => first(context.getImageData(0, y, 640, 4).data, 640, (data, i) => data[i] > 128));
const box = document.querySelector('.stage canvas'), pixels = box.getContext('2d').getImageData(0, 0, box.width, box.height);
const isBlue = (data, i) => data[i + 3] > 200 && data[i + 2] > 200 && data[i] < 50 && data[i + 1] < 50;
const left = first(pixels.data, box.width, isBlue);
return [...marks, left * 640 / box.width].map(x => Number.isFinite(x) ? x : null)
"""
#: The same work without a service: photos a second of one process.
BARE = """
import sys, time
import npfaceapi as faceapi
photo, seconds, threads = open(sys.argv[1], "rb").read(), float(sys.argv[2]), int(sys.argv[3])
faceapi.set_num_threads(threads)
def run():
    task = faceapi.detect_all_faces(photo).with_face_landmarks().with_face_expressions().with_age_and_gender()
    return [face.to_json() for face in task.with_face_descriptors().run()]
for _ in range(3): run()
print("ready", flush=True)
sys.stdin.readline()
start, count = time.perf_counter(), 0
while time.perf_counter() - start < seconds: run(); count += 1
print(count / (time.perf_counter() - start))
"""


def photo() -> bytes:
    """A photo with one face, as a JPEG of 1024x1024."""
    file = io.BytesIO()
    Image.fromarray(astronaut()).resize((1024, 1024)).save(file, "JPEG", quality=90)
    return file.getvalue()


def bare(file: Path, seconds: float, processes: int, threads: int) -> float:
    """Photos a second of so many processes, each with so many threads."""
    call = [sys.executable, "-c", BARE, str(file), str(seconds), str(threads)]
    running = [
        subprocess.Popen(call, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for each in running:
        assert each.stdout is not None
        each.stdout.readline()
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return sum(float(each.communicate()[0]) for each in running)


def resident(process: int) -> float:
    """The resident memory of a process and its children, in megabytes."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    each = [process, *(int(child) for file in children for child in file.read_text().split())]
    total = 0.0
    for number in each:
        with contextlib.suppress(OSError):  # it has ended
            total += int(Path(f"/proc/{number}/statm").read_text().split()[1]) * 4096 / 1e6
    return total


class Load:
    """Clients that ask until `stop` is set; `asked` are (start, seconds, status)."""

    def __init__(self, client: Client, body: bytes, clients: int) -> None:
        self._client = client
        self._body = body
        file = io.BytesIO()
        Image.fromarray(np.zeros((20_000, 10_000), np.uint8)).save(file, "PNG")
        self._bomb_file = file.getvalue()
        self.stop = threading.Event()
        self.asked: list[tuple[float, float, int]] = []
        hostile = [self._slow, self._broken, self._bomb]
        self._threads = [threading.Thread(target=run) for run in [*[self._ask] * clients, *hostile]]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._client.host, timeout=120)
        while not self.stop.is_set():
            start = time.perf_counter()
            connection.request("POST", "/v1/analyze", self._body)
            answer = connection.getresponse()
            answer.read()
            self.asked.append((start, time.perf_counter() - start, answer.status))
        connection.close()

    def _slow(self) -> None:
        while not self.stop.is_set():
            with self._sender(1000) as sender, contextlib.suppress(OSError):
                for _ in range(100):
                    sender.sendall(b"x")
                    if self.stop.wait(0.2):
                        break

    def _broken(self) -> None:
        while not self.stop.wait(0.5):
            with self._sender(len(self._body)) as sender, contextlib.suppress(OSError):
                sender.sendall(self._body[: len(self._body) // 2])

    def _bomb(self) -> None:
        while not self.stop.wait(0.5):
            status, _ = self._client.ask("/v1/analyze", self._bomb_file)
            assert status == 413

    def _sender(self, length: int) -> socket.socket:
        host, port = self._client.host.split(":")
        sender = socket.create_connection((host, int(port)), timeout=30)
        sender.sendall(f"POST /v1/analyze HTTP/1.1\r\nHost: {self._client.host}\r\nContent-Length: {length}\r\n\r\n".encode())
        return sender


def load(seconds: float, clients: int = CLIENTS, workers: int | None = None) -> dict[str, Any]:
    """The figures of a load."""
    workers = workers or usable_cpus()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photo.jpg"
        file.write_bytes(photo())
        share = seconds / 6
        chain = [bare(file, share, workers, 1), bare(file, share, 1, workers)]
        with command("--workers", workers) as (client, process):
            client.wait(lambda health: health["workers"] == workers)
            memory = []
            running = Load(client, file.read_bytes(), clients)
            start = time.perf_counter()
            with running:
                while time.perf_counter() - start < seconds:
                    time.sleep(seconds / 40)
                    memory.append(resident(process.pid))
            end = time.perf_counter()
        chain[0] = (chain[0] + bare(file, share, workers, 1)) / 2
    warm = [each for each in running.asked if each[0] > start + seconds / 10]
    took = sorted(1e3 * each[1] for each in warm)
    rate = len(warm) / (end - start - seconds / 10)
    return {
        "clients": clients,
        "workers": workers,
        "statuses": dict(collections.Counter(status for _, _, status in running.asked)),
        "photos_per_second": round(rate, 2),
        "bare_single_thread_processes": round(chain[0], 2),
        "bare_one_process": round(chain[1], 2),
        "of_bare": round(rate / max(chain), 3),
        "median_ms": round(statistics.median(took), 1),
        "p99_ms": round(took[min(len(took) - 1, int(0.99 * len(took)))], 1),
        "memory_mb": [round(statistics.median(memory[part : part + 10])) for part in (10, 30)],
    }


def webcam(seconds: float) -> dict[str, Any]:
    """The figures that the page shows of the camera, and how far its box lies behind the face in the frame that is shown."""
    with _camera() as film, command() as (client, _):
        client.wait(lambda health: health["workers"] == usable_cpus())
        arguments = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        with Browser(*arguments, f"--use-file-for-fake-video-capture={film}") as browser:
            browser.visit(f"{client.address}#webcam")
            browser.run("document.querySelector('button.main').click()")
            figures = "const d = document.querySelector('.tab').dataset; return [Number(d.rate), Number(d.delay)]"
            time.sleep(5)  # to start
            shown, behind = [], ([], [])
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.1)
                shown.append(browser.run(figures))
                right, left, box = browser.run(LOOK)
                for offsets, mark in zip(behind, (right, left), strict=True):
                    offsets += [] if mark is None or box is None else [box - mark]
    rates, delays = zip(*shown, strict=True)
    # moving right the box lies behind on one side, moving left on the other
    pixels = (statistics.median(behind[1]) - statistics.median(behind[0])) / 2
    return {
        "frames_per_second": statistics.median(rates),
        "delay_ms": statistics.median(delays),
        "largest_delay_ms": max(delays),
        "box_behind_face_ms": round(1e3 * pixels / STEP / RATE),
    }


@contextlib.contextmanager
def _camera() -> Iterator[Path]:
    """A film of 640x480: a photo that moves to the right and back; a mark above it, lower on the way back."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "camera.mjpeg"
        picture = Image.fromarray(astronaut()).resize((480, 480))
        with film.open("wb") as file:
            for row, places in ((0, range(0, 160, STEP)), (8, range(160, 0, -STEP))):
                for place in places:
                    frame = Image.new("RGB", (640, 480), "gray")
                    frame.paste(picture, (place, 0))
                    frame.paste("black", (0, 0, 640, 16))
                    frame.paste("white", (place, row, place + 16, row + 8))
                    frame.save(file, "JPEG", quality=90)
        yield film


def main() -> None:
    what, seconds = sys.argv[1], [float(text) for text in sys.argv[2:]]
    figures = load(*seconds or [120.0]) if what == "load" else webcam(*seconds or [30.0])
    print(json.dumps({"measured": what, **figures}))


if __name__ == "__main__":
    main()
