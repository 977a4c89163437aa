"""The report in a real browser: it loads, folds, fits the window, and is accessible."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT
from helpers.axe import source, violations
from helpers.headless_browser import MISSING, Browser
from npfaceapi import nets
from npfaceapi.graph_pictures.svg import graphs_svg

REQUIRED = bool(os.environ.get("NPFACEAPI_REQUIRE_BROWSER"))  # fail without a browser rather than skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(MISSING is not None and not REQUIRED, reason=str(MISSING)),
]

#: Rules for contrast with the background, from WCAG 2 (4.5 to 1, large text 3 to 1).
CONTRAST = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const luminance = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = e => { for (; e; e = e.parentElement) {
  const c = parse(getComputedStyle(e).backgroundColor); if (c.length == 3 || c[3] > 0) return c } return [255, 255, 255] };
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || e.closest('svg') || !e.getClientRects().length) continue;
  const style = getComputedStyle(e), a = luminance(parse(style.color)), b = luminance(behind(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) bad.push([walker.currentNode.data.trim().slice(0, 40), ratio]);
}
return bad
"""

#: Other rules for users of screen readers or keyboards.
STRUCTURE = """
const bad = [], visible = e => e.getClientRects().length > 0;
if (!document.documentElement.lang) bad.push('no lang');
if (!document.title) bad.push('no title');
if (document.querySelectorAll('main').length != 1) bad.push('not one main');
if (document.querySelectorAll('h1').length != 1) bad.push('not one h1');
let level = 0;
for (const h of document.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
  const next = +h.tagName[1]; if (next > level + 1) bad.push('heading skipped: ' + h.textContent); level = next }
for (const img of document.images) {
  if (!img.hasAttribute('alt')) bad.push('no alt: ' + img.src.slice(0, 40));
  else if (!img.alt && !img.parentElement.querySelector('img[alt]:not([alt=""])')) bad.push('empty alt') }
for (const svg of document.querySelectorAll('svg'))
  if (svg.getAttribute('aria-hidden') != 'true' && !svg.ariaLabel && !svg.querySelector('title')) bad.push('svg');
for (const a of document.querySelectorAll('a')) if (!a.textContent.trim()) bad.push('empty link');
for (const t of document.querySelectorAll('table')) if (!t.querySelector('th[scope=col]')) bad.push('table without headings');
for (const d of document.querySelectorAll('details')) if (!d.querySelector('summary')?.textContent.trim()) bad.push('summary');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
if (new Set(ids).size != ids.length) bad.push('an id twice');
for (const e of document.querySelectorAll('*'))
  if (visible(e) && e.tabIndex < 0 && e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX))
    bad.push('scrolls, but not with the keyboard: ' + e.className);
return bad
"""


@pytest.fixture(scope="module")
def browser():
    assert MISSING is None, MISSING
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pages of every kind: each detector, one and two faces, none, a photo of 1x1, and what a notebook shows."""
    folder = tmp_path_factory.mktemp("pages")
    photo = faceapi.load_image(ASTRONAUT)
    two = np.concatenate([photo[:300], photo[:300, ::-1]], axis=1)
    faceapi.inspect(photo).save(folder / "ssd.html")
    faceapi.inspect(two, faceapi.TinyFaceDetectorOptions(score_threshold=0.1)).save(folder / "tiny.html")
    faceapi.inspect(two, faceapi.MtcnnOptions(), net="mtcnn").save(folder / "mtcnn.html")
    faceapi.inspect(np.zeros((1, 1, 3), np.uint8), faceapi.MtcnnOptions()).save(folder / "one.html")
    faceapi.inspect(np.zeros((90, 60, 3), np.uint8), faceapi.TinyFaceDetectorOptions()).save(folder / "none.html")
    return folder


PAGES = ("ssd", "tiny", "mtcnn", "one", "none")
SIZES = {"wide": (1920, 900), "narrow": (320, 740)}


def unfold(browser):
    return browser.run("const all = document.querySelectorAll('details'); for (const d of all) d.open = true; return all.length")


@pytest.mark.parametrize("name", PAGES)
def test_no_complaints_and_every_picture_loads(browser, folder, name):
    browser.complaints()
    browser.open(folder / f"{name}.html")
    unfold(browser)
    sizes = browser.run(
        "return Promise.all([...document.images].map(i => i.decode().then(() => [i.naturalWidth, i.clientWidth], () => [0, 0])))"
    )
    assert len(sizes) == browser.run("return document.images.length") >= (0 if name == "one" else 6)  # no face, and 1x1 pixels
    assert all(natural > 0 and shown > 0 for natural, shown in sizes)
    assert browser.complaints() == []


def test_a_picture_that_does_not_load_and_a_fetch_are_noticed(browser, folder):
    text = (folder / "none.html").read_text()
    broken = text.replace("data:image/png;base64,", "data:image/png;base64,AAAA")
    fetching = text.replace("</main>", '<img src="http://127.0.0.1:9/a.png" alt=""><script>nose()</script></main>')
    (folder / "broken.html").write_text(broken)
    browser.open(folder / "broken.html")
    assert browser.run("return [...document.images].filter(i => !i.naturalWidth).length") > 0
    browser.complaints()
    (folder / "fetching.html").write_text(fetching)
    browser.open(folder / "fetching.html")
    blocked = " ".join(browser.complaints())
    assert "img-src data:" in blocked
    assert "script-src" in blocked or "default-src" in blocked


def test_folding_works(browser, folder):
    browser.resize(*SIZES["wide"])
    browser.open(folder / "ssd.html")
    assert browser.run("return [...document.querySelectorAll('details')].some(d => d.open)") is False
    height = "return document.documentElement.scrollHeight"
    before = browser.run(height)
    click = "document.querySelectorAll('#face_expression_net summary')[0].click()"
    browser.run(click)
    assert browser.run("return document.querySelector('#face_expression_net details').open") is True
    assert browser.run(height) > before + 500
    browser.run(click)
    assert browser.run(height) == before


def test_the_name_of_a_layer_leads_to_its_maps(browser, folder):
    browser.resize(*SIZES["wide"])
    browser.open(folder / "ssd.html")
    place = browser.run(
        """document.querySelectorAll('#face_recognition_net summary')[0].click();
        const link = [...document.querySelectorAll('#face_recognition_net a')].find(a => a.textContent == 'conv64_1/conv1');
        link.click();
        return new Promise(done => setTimeout(() => {
          const img = document.querySelector(link.getAttribute('href') + ' img'), box = img.getBoundingClientRect();
          done([img.alt, box.width, box.top]) }, 300))"""
    )
    assert place[0] == "Feature maps of conv64_1/conv1"
    assert place[1] > 100
    assert -1 < place[2] < 900  # where the browser scrolls to is rounded


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out(browser, folder, name, size, tmp_path):
    width, height = SIZES[size]
    browser.resize(width, height)
    browser.open(folder / f"{name}.html")
    unfold(browser)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    outside = browser.run(
        """return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') && !e.closest('svg'))
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + ' ' + e.className)"""
    )
    assert outside == []
    browser.screenshot(tmp_path / "page.png")
    shot = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert shot.shape[:2] == (height, width)
    assert shot.std() > 15  # a page, not an empty window
    margin = shot[:, -4:]
    assert (margin == margin[0, 0]).all()  # nothing is cut off on the right


def test_the_first_tab_stop_skips_the_contents(browser, folder):
    browser.resize(*SIZES["narrow"])
    browser.open(folder / "none.html")
    look = """const link = document.querySelector('a'), at = () => link.getBoundingClientRect();
        const hidden = at().right < 0; link.focus();
        return [link.textContent, link.getAttribute('href'), hidden, at().left >= 0 && at().right <= innerWidth]"""
    assert browser.run(look) == ["Skip the contents", "#photo", True, True]


def test_a_wide_screen_is_used(browser, folder):
    browser.resize(*SIZES["wide"])
    browser.open(folder / "ssd.html")
    boxes = browser.run(
        "return [...document.querySelectorAll('.heats > *')].map(e => e.getBoundingClientRect()).map(b => [b.top, b.right])"
    )
    assert sum(top == boxes[0][0] for top, _ in boxes) >= 5
    assert max(right for _, right in boxes) > 1700


def test_a_page_that_is_too_wide_is_noticed(browser, folder):
    text = (folder / "none.html").read_text().replace("</main>", '<div style="width:900px">wide</div></main>')
    (folder / "wide.html").write_text(text)
    browser.resize(*SIZES["narrow"])
    browser.open(folder / "wide.html")
    assert browser.run("return document.documentElement.scrollWidth") > SIZES["narrow"][0]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_contrast_and_structure(browser, folder, name, dark):
    browser.resize(*SIZES["narrow"])
    browser.dark(dark)
    browser.open(folder / f"{name}.html")
    unfold(browser)
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.dark(False)
    assert (sum(map(int, re.findall(r"\d+", background))) < 200) is dark
    assert browser.run(CONTRAST) == []
    assert browser.run(STRUCTURE) == []


def test_what_is_hard_to_read_is_noticed(browser, folder):
    text = (folder / "none.html").read_text()
    for old, new, found in (
        ("</main>", '<p style="color:#999">faint</p></main>', [CONTRAST, "faint"]),
        ("</main>", '<img src="data:,"></main>', [STRUCTURE, "no alt"]),
        ("</main>", "<h6>deep</h6></main>", [STRUCTURE, "heading skipped: deep"]),
        ('lang="en"', "", [STRUCTURE, "no lang"]),
        (' tabindex="0"', "", [STRUCTURE, "scrolls, but not with the keyboard: scroll"]),
    ):
        assert old in text
        (folder / "bad.html").write_text(text.replace(old, new))
        browser.resize(*SIZES["narrow"])
        browser.open(folder / "bad.html")
        unfold(browser)
        assert found[1] in str(browser.run(found[0]))


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return source(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, folder, axe, name):
    browser.resize(*SIZES["wide"])
    browser.open(folder / f"{name}.html")
    browser.run("for (const d of document.querySelectorAll('section > details')) d.open = true")
    assert violations(browser, axe) == []


def test_axe_finds_something_where_there_is_something(browser, folder, axe):
    (folder / "bad.html").write_text((folder / "none.html").read_text().replace("</main>", '<img src="data:,"></main>'))
    browser.open(folder / "bad.html")
    assert "image-alt" in [name for name, _, _ in violations(browser, axe)]


def test_what_a_notebook_shows(browser, tmp_path):
    faces = faceapi.detect_all_faces(str(ASTRONAUT)).with_face_landmarks().with_face_expressions().run()
    net = nets.face_expression_net
    taps = net.taps(net.to_batch(ASTRONAUT), ["dense0", "logits"])
    parts = [thing._repr_html_() for thing in (faces, faces[0], faces[0].detection, faces[0].expressions, taps, net.graph())]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += "<title>x</title><main><h1>x</h1>"
    (tmp_path / "notebook.html").write_text(head + "".join(parts) + "</main></html>", encoding="utf-8")
    browser.complaints()
    browser.resize(*SIZES["narrow"])
    browser.open(tmp_path / "notebook.html")
    unfold(browser)
    assert browser.run("return [...document.images].every(i => i.naturalWidth > 0 && i.getBoundingClientRect().right <= 321)")
    assert browser.run(CONTRAST) == []
    assert browser.run(STRUCTURE) == []
    assert browser.complaints() == []


def test_the_picture_of_a_network(browser, tmp_path):
    (tmp_path / "net.svg").write_text(graphs_svg([nets.ssd_mobilenetv1.graph()]), encoding="utf-8")
    browser.resize(*SIZES["wide"])
    browser.open(tmp_path / "net.svg")
    assert browser.complaints() == []
    outside = browser.run(
        """return [...document.querySelectorAll('g')].filter(g => {
        const box = g.querySelector('rect').getBBox();
        return [...g.querySelectorAll('text')].some(t => t.getBBox().x + t.getBBox().width > box.x + box.width + 1) }).length"""
    )
    assert outside == 0
