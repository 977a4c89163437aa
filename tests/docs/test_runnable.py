"""The Run buttons of the site: blocks run in a browser, by Pyodide, and print what the page says; see docs/runnable.py."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time

import pytest

from helpers import ROOT, axe
from helpers.headless_browser import MISSING, Browser
from helpers.pages import DOCS, load
from helpers.runnable_pages import SiteServer, blocks, click, edit, fetch_pyodide, press

pages = load(DOCS / "pages.py")
page_runner = load(DOCS / "page_runner.py")

REQUIRED = bool(os.environ.get("NPFACEAPI_REQUIRE_BROWSER"))  # fail without a browser and Pyodide rather than skip

# ------------------------------------------------------------------ without a browser


class Told:
    """A page, and what it reports."""

    def __init__(self):
        self.events = []
        self.page = page_runner.Page(lambda *event: self.events.append(event))

    def run(self, *codes):
        """The numbers of the blocks that ran, and what the last one printed."""
        self.events.clear()
        self.page.run(list(codes))
        return [event[0] for event in self.events if len(event) == 1], self.events[-1][1]


def test_blocks_above_run_first_and_only_once():
    page = Told()
    assert page.run("x = 1", "x += 1", "print(x)") == ([0, 1, 2], "2\n")
    assert page.run("x = 1", "x += 1", "print(x)") == ([2], "2\n")
    assert page.run("x = 1", "x += 1") == ([1], "")
    assert page.run("x = 1", "x += 1", "print(x)", "print(x)") == ([3], "2\n")
    assert page.run("x = 5", "x += 1", "print(x)") == ([0, 1, 2], "6\n")
    assert page.run("x = 5", "x += 2", "print(x)") == ([1, 2], "7\n")


def test_a_block_has_the_names_that_the_blocks_above_it_left():
    page = Told()
    codes = ("x = 1", "def f(): return x", "print(f(), 'later' in globals())", "x = later = 2", "print(f())")
    assert page.run(*codes) == ([0, 1, 2, 3, 4], "2\n")
    assert page.run(*codes[:3]) == ([2], "1 False\n")
    assert page.run(*codes) == ([4], "2\n")


def test_a_traceback_is_short_and_ends_the_run():
    page = Told()
    assert page.run("import json", "print(1)\njson.loads('{')", "print(2)")[0] == [0, 1]
    number, printed, seconds, failed = page.events[-1]
    assert (number, failed, seconds >= 0) == (1, True, True)
    lines = printed.splitlines()
    assert lines[:3] == ["1", "Traceback (most recent call last):", '  File "block 2", line 2, in <module>']
    assert lines[3] == "    json.loads('{')"
    assert lines[-1].startswith("json.decoder.JSONDecodeError: ")
    assert not any("decoder.py" in line for line in lines)
    assert page.run("import json", "print(1)", "print(2)") == ([1, 2], "2\n")


@pytest.mark.parametrize(("code", "last"), [("x = = 1", "SyntaxError: invalid syntax"), ("exit(3)", "SystemExit: 3")])
def test_other_errors_are_shown(code, last):
    page = Told()
    assert page.run(code)[1].splitlines()[-1] == last


def test_files_are_fetched_when_they_are_opened(tmp_path):
    code = """
import page_runner
asked = []
def fetch(path):
    asked.append(path)
    if path == "b/gone": raise OSError("no such file")
    return path.encode()
page_runner.fetch_when_opened(["a", "b/c", "b/gone"], fetch)
from pathlib import Path
assert Path("b/c").is_file() and asked == []
assert Path("b/c").read_bytes() == open("./b/../b/c").read().encode() == b"b/c" and asked == ["b/c"]
for again in range(2):
    try: open("b/gone")
    except OSError as error: assert str(error) == "no such file"
    else: assert False
assert asked == ["b/c", "b/gone", "b/gone"]
"""  # in a process of its own, as an audit hook stays
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(DOCS)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""


# ------------------------------------------------------------------ the site

needs_sphinx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "numpydoc", "myst_nb", "pydata_sphinx_theme")),
    reason='needs Sphinx and its extensions: pip install "npfaceapi[docs]"',
)


def codes(page):
    """The blocks of Python of a page, with what the page says that they print."""
    return [(match[2], match[3] or "") for match in pages._BLOCK.finditer(page.read_text("utf-8")) if match[1] == "python"]


@needs_sphinx
def test_only_blocks_with_the_numba_engine_or_a_port_have_no_button(monkeypatch):
    runnable = load(DOCS / "runnable.py", monkeypatch)
    without = [(page.name[:2], code) for page in pages.PAGES for code, _ in codes(page) if runnable.needs(code)]
    assert min(page for page, _ in without) == "12"
    assert all("numba" in code or "plan()" in code or '"conform"' in code for _, code in without)


@needs_sphinx
def test_what_a_block_needs(monkeypatch):
    needs = load(DOCS / "runnable.py", monkeypatch).needs
    for code in (
        "import numba",
        "from npfaceapi.engines import numba",
        "from numba import njit",
        'f(backend="numba")',
        "net.plan()",
    ):
        assert needs(code) == "Numba"
    assert needs('net.load(backend="cuda")') == "a GPU"
    assert needs("import onnx.helper") == "ONNX"
    assert needs("import numpy  # not numba\nprint('as numba does')") is None


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages of the reading path as a site; their links to other pages are broken."""
    folder = tmp_path_factory.mktemp("site")
    only = ",".join(["README.md", *(page.relative_to(ROOT).as_posix() for page in pages.PAGES)])
    options = ["-QE", "-D", f"include_patterns={only}", "-d", folder / "doctrees", "-c", "docs"]
    subprocess.run([sys.executable, "-m", "sphinx", *options, ".", folder / "site"], cwd=ROOT, check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def pyodide(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("pyodide")
    try:
        fetch_pyodide(folder, request.config.cache.mkdir("pyodide"))
    except OSError as error:
        if REQUIRED:
            raise
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="module")
def server(site, pyodide):
    with SiteServer(site, pyodide) as server:
        yield server


@pytest.fixture(scope="module")
def bare(site):
    """A server without Pyodide."""
    with SiteServer(site) as server:
        yield server


@pytest.fixture
def browser():
    """A browser for each test: its tab may crash when it leaves a page whose worker has run Python."""
    if MISSING is not None:
        assert not REQUIRED, MISSING
        pytest.skip(MISSING)
    with Browser() as browser:
        yield browser


def at(server, page):
    (path,) = DOCS.glob(f"{page}-*.md")
    return f"{server.address}/docs/{path.stem}.html"


@pytest.mark.slow
@needs_sphinx
def test_nothing_is_loaded_before_run(browser, bare):
    bare.requests.clear()
    browser.visit(at(bare, "01"))
    time.sleep(0.5)
    assert any("/_static/run.js" in path for path in bare.requests)
    assert [path for path in bare.requests if re.search("pyodide|worker|repository", path)] == []
    loaded = browser.run("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [name for name in loaded if not name.startswith((bare.address, "data:"))] == []
    assert len(blocks(browser)) == len(codes(DOCS / "01-convolution.md"))
    assert {block.state for block in blocks(browser)} == {""}


def assert_says_what_the_page_says(browser, page, last):
    """Press Run of that block of the open page; all down to it then print what the page says."""
    stated = [output for _, output in codes(page)]
    assert [block.output for block in blocks(browser)] == stated
    press(browser, last)
    ran = blocks(browser)[: last + 1]
    assert [block.output for block in ran] == stated[: last + 1]
    for block, output in zip(ran, stated, strict=False):
        assert re.fullmatch(rf"\d+\.\d s, {'as the page says' if output else 'no output'}", block.state)


#: The block to press on a page: those above it run too. The networks are small, but that of page 4.
LAST = {"00": 7, "05": 3, "04": 1}


@pytest.mark.slow
@needs_sphinx
@pytest.mark.parametrize("page", LAST)
def test_blocks_print_what_the_page_says(browser, server, page):
    server.requests.clear()
    browser.visit(at(server, page))
    assert_says_what_the_page_says(browser, *DOCS.glob(f"{page}-*.md"), LAST[page])
    networks = {path.rpartition("/")[2].partition("_model")[0] for path in server.requests if "-shard" in path}
    assert networks == ({"ssd_mobilenetv1"} if page == "04" else {"tiny_face_detector"})
    assert not any("golden" in path and not path.endswith("astronaut.png") for path in server.requests)


@pytest.mark.slow
@needs_sphinx
def test_stop_edit_undo_and_errors(browser, server):
    browser.visit(at(server, "01"))
    first, second, third = blocks(browser)[:3]
    click(browser, 1, "Run")
    assert press(browser, 1, "Stop") == second._replace(state="Stopped. The next Run starts Python again.")
    assert_says_what_the_page_says(browser, DOCS / "01-convolution.md", 5)

    edit(browser, 1, "print(x.shape)\n")
    assert press(browser, 1).output == "(1, 5, 5, 1)\n"
    assert blocks(browser)[1].state.endswith(" s, not what the page says")
    assert blocks(browser)[0].output == first.output
    edit(browser, 1, "print(1)\nprint(y)")
    assert press(browser, 2).state == "Not run: block 2 above fails."
    assert blocks(browser)[1].output == (
        '1\nTraceback (most recent call last):\n  File "block 2", line 2, in <module>\n    print(y)\n          ^\n'
        "NameError: name 'y' is not defined\n"
    )
    assert blocks(browser)[1].state.endswith(" s, an error")
    press(browser, 1, "Undo")
    assert blocks(browser)[1] == second
    assert press(browser, 2).output == third.output
    assert blocks(browser)[1].state.endswith(" s, as the page says")

    edit(browser, 0, "while True: pass")
    click(browser, 0, "Run")
    time.sleep(0.3)
    assert blocks(browser)[0].state == "Running …"
    click(browser, 1, "Run")
    assert blocks(browser)[1].state == "Wait: block 1 is running."
    assert press(browser, 0, "Stop").state == "Stopped. The next Run starts Python again."
    assert blocks(browser)[1].state == ""


@pytest.mark.slow
@needs_sphinx
def test_where_python_cannot_start_run_says_why(browser, site, bare):
    browser.visit(at(bare, "01"))
    before = blocks(browser)[1]
    expected = f"Python cannot start: expected Pyodide's files in {bare.address}/pyodide/, got no pyodide.mjs"
    for _ in range(2):
        assert press(browser, 1) == before._replace(state=expected)
    browser.open(site / "docs" / "01-convolution.html")
    assert press(browser, 0).state == "Run needs the site on a server: python -m http.server"


@pytest.fixture(scope="module")
def axe_source(tmp_path_factory):
    return axe.source(tmp_path_factory.mktemp("axe"))


@pytest.mark.slow
@needs_sphinx
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True), (320, False)])
def test_axe_finds_nothing_and_nothing_sticks_out(browser, bare, axe_source, width, dark):
    browser.resize(width, 800)
    browser.dark(dark)
    browser.visit(at(bare, "12"))  # with blocks that have no button
    edit(browser, 1, "print(" + "1 + " * 100 + "1)")
    browser.run(
        """for (const state of document.querySelectorAll('.run-state'))
        state.textContent = "Python cannot start: expected Pyodide's files in http://server/" + "folder".repeat(9)"""
    )
    assert browser.run("return document.documentElement.dataset.theme") == ("dark" if dark else "light")
    assert axe.violations(browser, axe_source) == []
    right = "[...document.querySelectorAll('.run-bar, .run-bar *, .run-editor')].map(e => e.getBoundingClientRect().right)"
    assert browser.run(f"return Math.max(document.documentElement.scrollWidth, ...{right})") <= width
    browser.dark(False)


@pytest.mark.slow
@needs_sphinx
def test_the_measurement_of_a_page_finds_what_is_wrong(browser, site, server, axe_source, tmp_path, monkeypatch):
    """`.ci/measure pages` on one page, and on the same page with three faults."""
    monkeypatch.syspath_prepend(DOCS)
    measurement = load(ROOT / ".ci" / "reading_path.py")
    page = DOCS / "01-convolution.md"
    looks = [(390, False)]
    measured = measurement.measure_page(browser, at(server, "01"), page, axe_source, tmp_path, looks, most_blocks=1)
    assert measured["problems"] == []
    assert [block["as stated"] for block in measured["blocks"]] == [True]
    assert measured["figures"] == ["convolution"]
    assert [picture.name for picture in tmp_path.glob("*.png")] == ["01-convolution-390.png"]
    html = (site / "docs" / "01-convolution.html").read_text("utf-8").replace("[[ 9. 29. 23.]", "[[ 9. 28. 23.]")
    faults = '<img src="data:,"><p style="width:2000px">wide</p></body>'
    (site / "docs" / "wrong.html").write_text(html.replace("</body>", faults), "utf-8")
    address = f"{server.address}/docs/wrong.html"
    problems = measurement.measure_page(browser, address, page, axe_source, tmp_path, looks, most_blocks=1)["problems"]
    for part in ("px wide", "image-alt", "not what the page says"):
        assert any(part in problem for problem in problems), part
