"""Services for tests: the command in a process of its own, or an application in a thread."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from helpers import ROOT


class Client:
    """Asks a service; `printed` is the address that it printed, perhaps with a token."""

    def __init__(self, address):
        self.printed = address
        self.address = address.partition("#")[0]
        self.host = urlsplit(address).netloc

    def ask(self, path, body=None, headers=(), method=None):
        """The status and the JSON of an answer."""
        status, text, _ = self.raw(path, body, headers, method)
        return status, json.loads(text)

    def raw(self, path, body=None, headers=(), method=None):
        """The status, the bytes and the headers of an answer."""
        connection = http.client.HTTPConnection(self.host, timeout=120)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def form(self, path, files=(), fields=(), headers=()):
        """The answer to a form of files, pairs of a name and bytes, and fields."""
        body, parts = b"", [*((name, text.encode(), "") for name, text in dict(fields).items())]
        parts += [(name, data, f'; filename="{name}"') for name, data in files]
        for name, data, end in parts:
            body += f'--cut\r\nContent-Disposition: form-data; name="{name}"{end}\r\n\r\n'.encode() + data + b"\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=cut"}
        return self.ask(path, body + b"--cut--\r\n", {**kind, **dict(headers)})

    def wait(self, is_so, seconds=120):
        """Wait until /v1/health is as wanted."""
        end = time.monotonic() + seconds
        while not is_so(health := self.ask("/v1/health")[1]):
            assert time.monotonic() < end, health
            time.sleep(0.02)
        return health


@contextlib.contextmanager
def command(*arguments):
    """`npfaceapi serve` on a free port, with the client, the process and what it has printed."""
    call = [sys.executable, "-m", "npfaceapi", "serve", "--port", "0", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("http"), line + process.stdout.read()
            yield Client(line.split()[0]), process
        finally:
            process.terminate()


@contextlib.contextmanager
def application(**settings):
    """An application in a thread, whose workers answer by functions that tests give."""
    from npfaceapi.service.app import Settings, make_app
    from npfaceapi.service.server import bound, server_of

    functions = {name: settings.pop(name) for name in ("begin", "answer")}
    settings = Settings(**{"workers": 1, "backend": "reference", "megapixels": 1, **settings})
    listener = bound("127.0.0.1", 0)
    server = server_of(make_app(settings, **functions), settings.limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    try:
        client.wait(lambda health: health["workers"] == settings.workers)
        yield client
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
