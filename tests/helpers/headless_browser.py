"""A headless Chromium for the tests, driven by the W3C WebDriver protocol through chromedriver; no package is needed."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = None if CHROMIUM and DRIVER else "no Chromium with chromedriver here (Debian: apt-get install chromium chromium-driver)"

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--allow-file-access-from-files",
)  # fmt: skip


ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's number, by W3C


class Browser:
    """One browser window, with more arguments of Chromium; `with Browser() as browser: browser.open(path)`."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Browser:
        self._folder = tempfile.mkdtemp(prefix="npfaceapi-browser-")
        log = Path(self._folder) / "driver.log"
        with log.open("w") as output:
            self._driver = subprocess.Popen([DRIVER, "--port=0"], stdout=output, stderr=output)
        try:
            self._url = f"http://127.0.0.1:{self._port(log)}/session"
            options = {"binary": CHROMIUM, "args": [*ARGUMENTS, *self._arguments, f"--user-data-dir={self._folder}/profile"]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
            self._url += f"/{session['sessionId']}"
            self._call("POST", "/timeouts", {"script": 200_000, "pageLoad": 200_000})  # milliseconds; machines can be busy
            focus = {"cmd": "Emulation.setFocusEmulationEnabled", "params": {"enabled": True}}  # some versions give it to no page
            self._call("POST", "/goog/cdp/execute", focus)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._call("DELETE", "")
        self._driver.terminate()
        self._driver.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _port(self, log: Path) -> int:
        for _ in range(200):
            words = log.read_text().split("started successfully on port ")
            if len(words) > 1 and words[1].rstrip().endswith("."):
                return int(words[1].split(".")[0])
            time.sleep(0.05)
        raise RuntimeError(f"chromedriver did not start: {log.read_text()}")

    def _call(self, method: str, path: str, body: object = None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=240) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:500]) from None

    def open(self, page: os.PathLike[str]) -> None:
        """Open a file and wait until it and its pictures are loaded."""
        self.visit(Path(page).absolute().as_uri())

    def visit(self, url: str) -> None:
        """As `open`, of a page on a server."""
        self._call("POST", "/url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        """Resize the window to a viewport of width x height CSS pixels; narrow ones emulate a phone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def dark(self, is_dark: bool) -> None:
        """Emulate the preference for a dark or a light page."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": [feature]}})

    def mouse(self, kind: str, x: float, y: float, held: bool = False) -> None:
        """Move, press or release the mouse (`mouseMoved`, `mousePressed`, `mouseReleased`); `held` with its button down."""
        event = {"type": kind, "x": x, "y": y, "button": "none" if kind == "mouseMoved" and not held else "left"}
        event |= {"buttons": int(held), "clickCount": int(kind != "mouseMoved")}
        self._call("POST", "/goog/cdp/execute", {"cmd": "Input.dispatchMouseEvent", "params": event})

    def swipe(self, x: float, y: float, right: float, down: float, steps: int = 10) -> None:
        """Put a finger down, move it in steps, and lift it."""
        places = [(x + right * i / steps, y + down * i / steps) for i in range(steps + 1)]
        for i, (at_x, at_y) in enumerate(places):
            event = {"type": "touchMove" if i else "touchStart", "touchPoints": [{"x": at_x, "y": at_y}]}
            self._call("POST", "/goog/cdp/execute", {"cmd": "Input.dispatchTouchEvent", "params": event})
        event = {"type": "touchEnd", "touchPoints": []}
        self._call("POST", "/goog/cdp/execute", {"cmd": "Input.dispatchTouchEvent", "params": event})

    def choose(self, selector: str, *files: os.PathLike[str]) -> None:
        """Choose files in a file input."""
        number = self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._call("POST", f"/element/{number}/value", {"text": "\n".join(str(Path(file).absolute()) for file in files)})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, each a character as WebDriver names it."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def run(self, script: str, *arguments: object):
        """Run the body of a JavaScript function; returns its value, awaiting promises."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def complaints(self) -> list[str]:
        """The browser's errors since the last call: scripts, blocked or failed loads."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, file: os.PathLike[str], whole_page: bool = False) -> None:
        """Write the viewport, or the whole page, as a PNG."""
        shot = {"format": "png", "captureBeyondViewport": whole_page}
        if whole_page:
            size = self.run("const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]")
            shot["clip"] = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 16_000), "scale": 1}
        data = self._call("POST", "/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": shot})["data"]
        Path(file).write_bytes(base64.b64decode(data))
