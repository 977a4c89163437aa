"""Opens every page of the reading path in Chromium, runs every block, plays every figure, and takes screenshots.

    python .ci/reading_path.py FOLDER [--pages 01,05]

FOLDER gets the site, a screenshot of each page at 390 and 1280 px in light and dark, and `pages.json`: for each page, what is
wrong (an error in the browser, sideways scrolling, what axe-core finds), and for each block the seconds and whether its output
is the stated one. The exit status is 1 if anything is wrong. It needs Chromium, npm, and the packages of the group `docs`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "docs")]

import figures_to_play  # noqa: E402
import pages  # noqa: E402

from helpers import axe  # noqa: E402
from helpers.headless_browser import Browser  # noqa: E402
from helpers.runnable_pages import SiteServer, blocks, fetch_pyodide, press  # noqa: E402

LOOKS = ((390, False), (390, True), (1280, False), (1280, True))  # width in pixels, and whether it is dark
#: Change every control of a figure, and press every button; a figure that fails complains in the browser's log.
PLAY = """
const place = document.getElementById('play-' + arguments[0]);
const before = place.textContent;
for (const each of place.querySelectorAll('select')) for (const option of each.options) {
  each.value = option.value; each.dispatchEvent(new Event('change')) }
for (const each of place.querySelectorAll('input[type=range]')) for (const value of [each.min, each.max]) {
  each.value = value; each.dispatchEvent(new Event('input')) }
for (const each of place.querySelectorAll('button')) { each.focus(); each.click() }
return before != place.textContent
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", default="", help="beginnings of names, separated by commas (default: all)")
    arguments = parser.parse_args()
    out = arguments.folder.resolve()
    (out / "pyodide").mkdir(parents=True, exist_ok=True)
    fetch_pyodide(out / "pyodide", out)
    command = [sys.executable, "-m", "sphinx", "-qE", "-d", out / "doctrees", "-c", "docs", ".", out / "site"]
    subprocess.run(command, cwd=ROOT, check=True)
    wanted = [page for page in pages.PAGES if page.name.startswith(tuple(arguments.pages.split(",")))]
    with SiteServer(out / "site", out / "pyodide") as server, Browser() as browser:
        checker = axe.source(out)
        found = {
            page.stem: measure_page(browser, f"{server.address}/docs/{page.stem}.html", page, checker, out) for page in wanted
        }
    (out / "pages.json").write_text(json.dumps(found, indent=1), "utf-8")
    wrong = 0
    for name, page in found.items():
        same = sum(block["as stated"] for block in page["blocks"])
        seconds = sum(block["seconds"] for block in page["blocks"])
        print(f"{name}: {same} of {len(page['blocks'])} blocks as stated in {seconds:.0f} s, {len(page['figures'])} figures")
        for problem in page["problems"]:
            print(f"  {problem}")
        wrong += len(page["problems"])
    return min(wrong, 1)


def measure_page(
    browser: Browser,
    address: str,
    page: Path,
    checker: str,
    out: Path,
    looks: Sequence[tuple[int, bool]] = LOOKS,
    most_blocks: int | None = None,
) -> dict[str, Any]:
    """What is wrong with a page, and how its first blocks ran (default: all)."""
    problems: list[str] = []
    for width, is_dark in looks:
        look = f"{width}{'-dark' if is_dark else ''}"
        browser.resize(width, 900)
        browser.dark(is_dark)
        browser.visit(address)
        browser.complaints()  # those of the theme
        browser.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
        browser.screenshot(out / f"{page.stem}-{look}.png", whole_page=True)
        across = browser.run("return document.documentElement.scrollWidth")
        if across > width:
            problems.append(f"{look}: {across} px wide")
        problems += [f"{look}: {rule}: {html}" for rule, _, html in axe.violations(browser, checker)]
    browser.dark(False)
    browser.visit(address)
    browser.complaints()
    figures = figures_to_play.figures_in(page.read_text("utf-8"))
    for name in figures:
        if not browser.run(PLAY, name):
            problems.append(f"the figure {name} does not change")
    problems += [f"figures: {text}" for text in browser.complaints()]
    ran = []
    for number in range(len(blocks(browser)))[:most_blocks]:
        started = time.perf_counter()
        block = press(browser, number)
        same = block.state.endswith(("as the page says", "no output"))
        ran.append({"seconds": round(time.perf_counter() - started, 1), "as stated": same, "state": block.state})
        if not same:
            problems.append(f"block {number + 1}: {block.state}: {block.output[-200:]}")
    return {"problems": problems, "figures": figures, "blocks": ran}


if __name__ == "__main__":
    sys.exit(main())
