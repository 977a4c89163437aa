"""docs/glossary.md: each word is explained in two lines, and linked where it first occurs on the pages."""

from __future__ import annotations

import re

import pytest

from helpers.pages import DOCS, anchors_of

GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
READ = [*sorted(DOCS.glob("[0-9][0-9]-*.md")), DOCS / "architecture.md"]
ENTRY = re.compile(r"^## (.+)\n\n((?:.+\n)+)", re.MULTILINE)


def linked_in(text):
    """The anchors of the glossary that a page links to."""
    return re.findall(r"\]\(glossary\.md#([\w-]+)\)", text)


def unlinked(glossary, pages):
    """Words that no page links to."""
    return sorted(anchors_of(glossary) - {"glossary"} - {anchor for page in pages for anchor in linked_in(page)})


def test_every_word_is_linked_from_a_page():
    assert unlinked(GLOSSARY, [page.read_text("utf-8") for page in READ]) == []


def test_a_word_that_is_linked_from_nowhere_is_found():
    text = "# Glossary\n\n## Max pool\n\nThe largest.\n\n## Tile\n\nA part.\n"
    assert unlinked(text, ["a [max pool](glossary.md#max-pool) of", ""]) == ["tile"]


@pytest.mark.parametrize("page", READ, ids=lambda page: page.stem)
def test_a_page_links_each_word_once(page):
    """Each first occurrence is linked; another test checks the targets of all links."""
    anchors = linked_in(page.read_text("utf-8"))
    assert sorted(set(anchors)) == sorted(anchors)


def test_words_are_sorted_and_told_in_one_or_two_lines():
    entries = ENTRY.findall(GLOSSARY)
    words = [word for word, _ in entries]
    assert len(words) == GLOSSARY.count("\n## ") == 51
    assert words == sorted(words, key=str.lower)
    assert [word for word, told in entries if not 1 <= len(told.splitlines()) <= 2] == []
