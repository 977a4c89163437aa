"""The site that docs/conf.py builds: a page with a running example for every public name, and no broken links."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
import urllib.parse
from html.parser import HTMLParser

import pytest

import npfaceapi
from helpers import ROOT
from helpers.pages import DOCS
from npfaceapi import draw, nets

REFERENCE = sorted((DOCS / "reference").glob("*.rst"))
PUBLIC = sorted(
    [
        *(f"npfaceapi.{name}" for name in npfaceapi.__all__),
        *(f"npfaceapi.draw.{name}" for name in draw.__all__),
        *(f"npfaceapi.nets.{name}" for name in nets.__all__),
        "npfaceapi.conformance.NotClaimed",
        *(f"npfaceapi.conformance.testing.{name}" for name in importlib.import_module("npfaceapi.conformance.testing").__all__),
    ]
)


def named_in(text):
    """The names documented by a page of the reference, from its lists, data and modules."""
    module, names, in_list = "", [], False
    for line in text.splitlines():
        if found := re.match(r"\.\. (?:py:module|currentmodule):: (\S+)", line):
            module = found[1]
            names += [module] if "py:module" in line and module != "npfaceapi" else []
        elif found := re.match(r"\.\. py:data:: (\S+)", line):
            names.append(f"{module}.{found[1]}")
        elif line and not line.startswith(" "):
            in_list = line == ".. autosummary::"
        elif in_list and re.fullmatch(r"   [\w.]+", line):
            names.append(f"{module}.{line.strip()}")
    return names


def found_as(name):
    """The object of a public name."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


# ------------------------------------------------------------------ the reference


def test_every_public_name_is_in_the_reference_once():
    assert sorted(name for page in REFERENCE for name in named_in(page.read_text("utf-8"))) == PUBLIC


def test_names_of_a_page_are_read():
    data = ".. py:module:: a.b\n\n.. py:data:: c\n   :type: int\n\n   Text.\n\n"
    names = ".. currentmodule:: d\n\n.. autosummary::\n   :toctree: e\n\n   f\n\nText\n   g\n"
    assert named_in(data + names) == ["a.b", "a.b.c", "d.f"]


def test_the_index_lists_every_page_of_the_reference():
    index = (DOCS / "reference" / "index.rst").read_text("utf-8").partition(".. py:module")[0]
    assert sorted(re.findall(r"^   (\w+)$", index, re.MULTILINE)) == sorted(
        page.stem for page in REFERENCE if page.stem != "index"
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    value = found_as(name)
    if inspect.isclass(value) or inspect.isfunction(value):  # tests/test_package.py runs it
        assert ">>>" in inspect.getdoc(value)
        assert value.__doc__ != getattr(value.__base__ if inspect.isclass(value) else None, "__doc__", None)
    elif name.startswith("npfaceapi.nets."):
        assert f":type: npfaceapi.{type(value).__name__}\n" in (DOCS / "reference" / "networks.rst").read_text("utf-8")
        assert ">>>" in inspect.getdoc(type(value))
    else:
        (page,) = [page for page in REFERENCE if name in named_in(page.read_text("utf-8"))]
        assert ">>>" in page.read_text("utf-8")


@pytest.mark.parametrize("page", [page for page in REFERENCE if ">>>" in page.read_text("utf-8")], ids=lambda page: page.stem)
def test_examples_of_the_reference_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    tried = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried.attempted > 0
    assert tried.failed == 0


# ------------------------------------------------------------------ the site

needs_sphinx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "numpydoc", "myst_nb", "pydata_sphinx_theme")),
    reason='needs Sphinx and its extensions: pip install "npfaceapi[docs]"',
)


def build(folder, *options):
    command = [sys.executable, "-m", "sphinx", "-qEW", "--keep-going", *options, "-d", folder / "doctrees", "-c", "docs", "."]
    return subprocess.run([*command, folder / "site"], cwd=ROOT, capture_output=True, text=True, check=False)


class Page(HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.targets = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        self.targets |= {values[key] for key in ("href", "src") if values.get(key)}


def broken_links(site):
    """Descriptions of the broken links and pictures of the pages in a folder."""
    paths = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]  # the themes' own files
    pages = {path: Page(path.read_text("utf-8")) for path in paths}
    broken = set()
    for path, page in pages.items():
        for target in page.targets:
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc or target == "#":
                continue
            file = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            if not file.is_file() or (
                parts.fragment and file in pages and urllib.parse.unquote(parts.fragment) not in pages[file].anchors
            ):
                broken.add(f"{path.relative_to(site)}: {target}")
    return sorted(broken)


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#x"></a><a href="a.html#top"></a><img src="c.png">', "utf-8"
    )
    (tmp_path / "b.html").write_text('<a href="a.html"></a><a href="https://host/"></a><a href="gone.html"></a>', "utf-8")
    assert broken_links(tmp_path) == ["a.html: b.html#x", "a.html: c.png", "b.html: gone.html"]


@pytest.mark.slow
@needs_sphinx
def test_the_site_builds_without_a_warning_and_its_links_lead_somewhere(tmp_path):
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    assert broken_links(site) == []
    assert (site / "searchindex.js").stat().st_size > 100_000
    for name, page in (("convolution", "01-convolution"), ("grid", "05-tiny-yolo"), ("suppression", "06-non-max-suppression")):
        with_script = [path for path in site.rglob("*.html") if f"_static/play-{name}.js" in path.read_text("utf-8")]
        assert with_script == [site / "docs" / f"{page}.html"]
    for name in PUBLIC:
        if inspect.isclass(found_as(name)) or inspect.isfunction(found_as(name)):
            page = (site / "docs" / "reference" / "generated" / f"{name}.html").read_text("utf-8")
            assert "&gt;&gt;&gt;" in page or "<p>alias of " in page, name


@pytest.mark.slow
@needs_sphinx
def test_a_warning_is_an_error(tmp_path):
    done = build(tmp_path, "-D", "include_patterns=README.md")  # whose links are then broken
    assert done.returncode != 0
    assert "toctree contains reference to" in done.stderr
