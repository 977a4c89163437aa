"""docs/architecture.md and the SVG pictures, which are drawn from the code; arrows point one way."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from helpers import ROOT
from helpers.pages import DOCS, assert_says_the_same, load

PAGE = (DOCS / "architecture.md").read_text("utf-8")
NAMESPACE = "{http://www.w3.org/2000/svg}"

architecture, chain, distances = (load(DOCS / "pictures" / f"{name}.py") for name in ("architecture", "chain", "distances"))


@pytest.fixture(scope="module")
def drawn():
    return architecture.PICTURE.read_text("utf-8")


@pytest.mark.slow
def test_the_committed_picture_is_what_the_script_draws(drawn):
    assert architecture.svg() == drawn, "imports or the map have changed: run python docs/pictures/architecture.py"


def assert_one_way(imports, names):
    for name, targets in imports.items():
        for target in targets:
            assert names.index(target) < names.index(name), f"{name} imports {target}"


@pytest.mark.slow
def test_arrows_point_one_way_and_from_the_library_to_no_tool():
    groups = architecture.read_map()
    imports = architecture.imports_of_groups([*groups["library"], *groups["tools"]])
    assert sum(map(len, imports.values())) > 80
    assert_one_way(imports, [*groups["library"], *groups["tools"]])
    assert not set().union(*(imports[name] for name in groups["library"])) & set(groups["tools"])
    with pytest.raises(AssertionError, match="a imports b"):
        assert_one_way({"a": {"b"}}, ["a", "b"])


def test_arrows_that_others_imply_are_left_out_and_nothing_else():
    imports = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}}
    assert architecture.reduced(imports) == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}}


@pytest.mark.slow
def test_every_arrow_leads_up_from_one_box_to_another(drawn):
    root = ET.fromstring(drawn)
    boxes = {text.text: (text.get("x"), float(text.get("y"))) for text in root.iter(f"{NAMESPACE}text")}
    names = [name for group in architecture.read_map().values() for name in group]
    assert set(names) == set(boxes) - set(architecture.HEADINGS.values())
    named = {place: name for name, place in boxes.items() if name in names}
    assert len(named) == len(names)
    found = set()
    for path in root.iter(f"{NAMESPACE}path"):
        if path.get("class") == "arrow":
            (x, y), (to_x, to_y) = (re.findall(r"([\d.]+),([\d.]+)", path.get("d"))[i] for i in (0, -1))
            start = named[x, round(float(y) + 16, 1)]
            end = named[to_x, round(float(to_y) - architecture.BOX - 1.5 + 16, 1)]
            assert boxes[end][1] < boxes[start][1]
            found.add((start, end))
    assert found == {(name, target) for name, targets in architecture.arrows().items() for target in targets}


@pytest.mark.parametrize("script", [chain, distances], ids=lambda script: script.__name__)
def test_the_committed_picture_is_what_its_script_draws(script):
    assert script.svg() == script.PICTURE.read_text("utf-8"), f"it has changed: run python docs/pictures/{script.__name__}.py"


def test_the_picture_has_words_for_who_cannot_see_it(drawn):
    ((words, target),) = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", PAGE)
    assert DOCS / target == architecture.PICTURE
    assert len(words.split()) >= 30
    told = ET.fromstring(drawn).find(f"{NAMESPACE}desc").text
    assert all(f"{name} imports" in told for name, targets in architecture.arrows().items() if targets)


def test_the_code_on_the_page_prints_what_it_says():
    (block,) = load(DOCS / "pages.py").run(PAGE, "architecture.md")
    assert_says_the_same(block.stated, block.printed)


def test_the_page_is_short_and_names_every_folder():
    assert len(PAGE.splitlines()) <= 120
    for name in [name for group in architecture.read_map().values() for name in group if name.endswith("/")]:
        assert f"npfaceapi/{name.rstrip('/')}" in PAGE, name


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/README.md"])
def test_it_is_linked(page):
    assert "architecture.md)" in (ROOT / page).read_text("utf-8")
