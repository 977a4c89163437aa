"""The figures to play with: what their scripts compute is what the package computes, and a reader can use them."""

from __future__ import annotations

import os

import numpy as np
import pytest

from helpers import axe
from helpers.headless_browser import MISSING, Browser
from helpers.pages import DOCS, load
from npfaceapi import nets
from npfaceapi.engines import reference
from npfaceapi.faces.boxes import ssd_non_max_suppression

figures = load(DOCS / "figures_to_play.py")
PAGES = {name: page for page in sorted(DOCS.glob("*.md")) for name in figures.figures_in(page.read_text("utf-8"))}

needs_browser = pytest.mark.skipif(MISSING is not None and not os.environ.get("NPFACEAPI_REQUIRE_BROWSER"), reason=str(MISSING))


def test_every_figure_stands_in_one_page():
    assert sorted(PAGES) == sorted(figures.FIGURES)


def test_a_marker_is_a_line_of_its_own():
    assert figures.figures_in("a\n\n<!-- figure: grid -->\n\nb `<!-- figure: no -->`") == ["grid"]


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    return axe.source(tmp_path_factory.mktemp("axe"))


@pytest.fixture
def shown(browser, tmp_path):
    """Open a page with one figure."""

    def show(name, width=800):
        style = (DOCS / "_static" / "play.css").read_text("utf-8")
        script = "\n".join((DOCS / "_static" / file).read_text("utf-8") for file in ("play.js", f"play-{name}.js"))
        page = tmp_path / f"{name}.html"
        page.write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{name}</title><style>{style}</style><main><h1>{name}</h1>{figures.html_of(name)}</main>"
            f"<script>{script}</script></html>",
            "utf-8",
        )
        browser.resize(width, 900)
        browser.open(page)
        assert browser.complaints() == []
        return browser

    return show


CONVOLVE = "return document.getElementById('play-convolution').convolve(...arguments).map(r => r.map(c => c.sum))"


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_convolution_is_that_of_the_reference(shown, padding, stride):
    browser, rng = shown("convolution"), np.random.default_rng(stride)
    for _ in range(3):
        image, weights = rng.integers(0, 10, (5, 5)), rng.integers(-3, 4, (3, 3))
        expected = reference.conv2d(
            image.reshape(1, 5, 5, 1).astype(np.float32),
            weights.reshape(3, 3, 1, 1).astype(np.float32),
            stride=stride,
            padding=padding,
        )
        assert browser.run(CONVOLVE, image.tolist(), weights.tolist(), padding, stride) == expected[0, :, :, 0].tolist()


@needs_browser
@pytest.mark.slow
def test_the_suppression_is_that_of_the_package(shown):
    browser, rng = shown("suppression"), np.random.default_rng(0)
    script = "return document.getElementById('play-suppression').suppress(...arguments).map(step => step.kept.name)"
    for overlap in (0.1, 0.3, 0.5, 0.8):
        corners, sizes = rng.uniform(0, 60, (40, 2)), rng.uniform(20, 60, (40, 2))
        scores = rng.permutation(40) / 50 + 0.1
        boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
        listed = [
            {
                "name": i,
                "score": float(scores[i]),
                "y": float(b[0]),
                "x": float(b[1]),
                "height": float(b[2] - b[0]),
                "width": float(b[3] - b[1]),
            }
            for i, b in enumerate(boxes)
        ]
        expected = ssd_non_max_suppression(boxes, scores.astype(np.float32), 40, overlap, 0.05)
        assert len(expected) < 40
        assert browser.run(script, listed, overlap) == [int(i) for i in expected]


@needs_browser
@pytest.mark.slow
def test_the_grid_decodes_as_the_network_does(shown):
    found = figures.faceapi.detect_all_faces(figures.PHOTO, figures.faceapi.TinyFaceDetectorOptions()).run()[0]
    box = shown("grid").run("return document.getElementById('play-grid').decode(3, 5, 2)")
    ours = np.array([found.box.x, found.box.y, found.box.width, found.box.height]) * 416 / 512
    assert np.allclose([box["x"], box["y"], box["width"], box["height"]], ours, atol=0.02, rtol=0)
    assert abs(box["score"] - found.score) < 1e-4


def test_the_grid_knows_what_a_cell_sees():
    data, net = figures.grid(), nets.tiny_face_detector
    batch = np.zeros((1, 416, 416, 3), np.float32)
    for row, column in ((3, 5), (0, 12)):
        (top, bottom), (left, right) = data["rows"][row], data["columns"][column]
        seen = np.full_like(batch, np.nan)
        seen[:, top:bottom, left:right] = 0  # nothing that it sees is NaN
        assert np.isfinite(net.run_net(seen)["grid"][0, row, column]).all()
        for y, x in ((top, left), (bottom - 1, right - 1)):
            at_edge = batch.copy()
            at_edge[0, y, x] = np.nan
            assert np.isnan(net.run_net(at_edge)["grid"][0, row, column]).any()


TEXT = "return document.querySelector('.play [role=status]').textContent"


@needs_browser
@pytest.mark.slow
def test_a_reader_changes_the_convolution(shown):
    browser = shown("convolution")
    assert browser.run(TEXT) == "Row 2, column 2: 2·(−1) + 3·0 + 9·1 + 1·(−2) + 4·0 + 9·2 + 1·(−1) + 3·0 + 8·1 = 30"
    browser.run("document.querySelector('.play button').focus()")
    assert browser.run(TEXT).endswith("= 4")
    browser.run(
        "const input = document.querySelector('.play input'); input.value = arguments[0];"
        "input.dispatchEvent(new Event('input'))", "5",
    )  # fmt: skip
    assert browser.run(TEXT).startswith("Row 0, column 0: 0·(−1) + 0·0 + 0·1 + 0·(−2) + 5·0 + 1·2")
    for text, is_invalid in (("x", "true"), ("7", "false")):
        marked = browser.run(
            "const input = document.querySelector('.play input'); input.value = arguments[0];"
            "input.dispatchEvent(new Event('input')); return input.getAttribute('aria-invalid')", text,
        )  # fmt: skip
        assert marked == is_invalid
    browser.run("const s = document.querySelectorAll('.play select')[2]; s.value = 2; s.dispatchEvent(new Event('change'))")
    assert browser.run("return document.querySelectorAll('.play button').length") == 9


@needs_browser
@pytest.mark.slow
def test_a_reader_suppresses_step_by_step_and_moves_a_box(shown):
    browser = shown("suppression")
    click = "[...document.querySelectorAll('.play button')].find(each => each.textContent == arguments[0]).click()"
    assert browser.run(TEXT) == "Step 2 of 2: keeps 836, drops 6; 0 waiting."
    browser.run(click, "Back to the start")
    assert browser.run(TEXT) == "14 boxes waiting."
    browser.run(click, "Next step")
    assert browser.run(TEXT) == "Step 1 of 2: keeps 620, drops 6; 7 waiting."
    second = browser.run("return document.querySelector('.play-list').children[1].textContent")
    assert second == "836 0.954, waiting: 0.00 with 620"
    browser.run("[...document.querySelectorAll('.play button')].find(each => each.textContent == 'Next step').focus()")
    browser.run(click, "Next step")
    browser.run(click, "Next step")
    assert browser.run(TEXT) == "Step 2 of 2: keeps 836, drops 6; 0 waiting."
    assert browser.run("return document.activeElement.textContent") == "Next step"  # at the end, too
    browser.run(
        "const button = document.querySelector('.play-list button'); for (let i = 0; i < 12; i++)"
        " button.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))"
    )
    browser.run(click, "All steps")
    assert browser.run(TEXT).startswith("Step 3 of 3")


@needs_browser
@pytest.mark.slow
def test_arrow_keys_move_through_the_result(shown):
    browser = shown("convolution")
    press = (
        "const press = key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key}));"
        "document.querySelector('.play button[tabindex=\"0\"]').focus(); arguments[0].forEach(press);"
    )
    browser.run(press, ["ArrowUp", "ArrowRight"])
    assert browser.run(TEXT).startswith("Row 1, column 3: ")
    browser.run(press, ["ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp"])  # the last two of each way lead out
    assert browser.run(TEXT).startswith("Row 0, column 4: ")
    assert browser.run("return document.querySelectorAll('.play button[tabindex=\"0\"]').length") == 1


def middle(browser, selector):
    """The middle of the last element that a selector finds, in pixels of the window."""
    return browser.run(
        "const found = [...document.querySelectorAll(arguments[0])].at(-1); found.scrollIntoView({block: 'center'});"
        "const box = found.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]",
        selector,
    )


FIRST = ".play-photo rect:last-of-type"  # the box in front
PLACE = f"const box = document.querySelector('{FIRST}'); return [+box.getAttribute('x'), +box.getAttribute('y')]"


@needs_browser
@pytest.mark.slow
def test_the_mouse_drags_a_box_and_lets_go_of_it(shown):
    browser = shown("suppression")
    x, y = middle(browser, FIRST)
    before, scale = browser.run(PLACE), browser.run("return document.querySelector('.play svg').getScreenCTM().a")
    browser.mouse("mousePressed", x, y)
    for step in (10, 200, -60):  # in leaps longer than a box
        browser.mouse("mouseMoved", x + step, y + 20, held=True)
    browser.mouse("mouseReleased", x - 60, y + 20)
    after = browser.run(PLACE)
    assert np.allclose(np.subtract(after, before), [-60 / scale, 20 / scale], atol=0.5)
    browser.mouse("mouseMoved", x - 50, y + 20)
    assert browser.run(PLACE) == after


@needs_browser
@pytest.mark.slow
def test_a_finger_drags_a_box(shown):
    browser = shown("suppression", width=390)
    x, y = middle(browser, FIRST)
    before, scale = browser.run(PLACE), browser.run("return document.querySelector('.play svg').getScreenCTM().a")
    browser.swipe(x, y, -60, 20)
    assert np.allclose(np.subtract(browser.run(PLACE), before), [-60 / scale, 20 / scale], atol=0.5)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "suppression"])
def test_a_finger_on_the_photo_scrolls_the_page(shown, name):
    browser = shown(name, width=390)
    browser.run("document.body.style.paddingBottom = '2000px'")
    left, bottom = browser.run(
        "const box = document.querySelector('.play svg').getBoundingClientRect(); return [box.left, box.bottom]"
    )
    browser.swipe(left + 5, bottom - 5, 0, -150)  # no box is there
    scrolled = "return new Promise(done => setTimeout(() => done(scrollY), 200))"
    assert browser.run(scrolled) > 50


@needs_browser
@pytest.mark.slow
def test_a_finger_and_the_sliders_choose_a_cell(shown):
    browser = shown("grid", width=390)
    x, y = middle(browser, ".play svg")
    browser.swipe(x, y, 0, 0)
    assert browser.run(TEXT).startswith("Row 6, column 6: ")
    browser.run("const s = document.querySelector('.play input'); s.value = 0; s.dispatchEvent(new Event('input'))")
    assert browser.run(TEXT).startswith("Row 0, column 6: ")


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(figures.FIGURES))
def test_a_figure_is_accessible_and_fits_a_phone(shown, checker, name):
    browser = shown(name, width=320)
    assert browser.run("return document.documentElement.scrollWidth") <= 320
    assert axe.violations(browser, checker) == []
    small = browser.run(
        "return [...document.querySelectorAll('.play button, .play input, .play select')].filter(each => {"
        " const box = each.getBoundingClientRect(); return box.width < 24 || box.height < 24 }).map(each => each.outerHTML)"
    )
    assert small == []
