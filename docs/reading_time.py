"""How long a page takes, and what there is to do on it; `docs/README.md` states it.

python docs/reading_time.py            # print the figures
python docs/reading_time.py --write    # write them into docs/README.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
PAGES = sorted(FOLDER.glob("[0-9][0-9]-*.md"))  # the reading path
INDEX = FOLDER / "README.md"
SHORT_WAY = ("01", "04", "06", "09", "10")

# A reader's pace: these are assumptions, not measurements.
WORDS_A_MINUTE, SECONDS_A_LINE, SECONDS_A_PICTURE, MINUTES_A_QUESTION, MINUTES_A_FIGURE = 130, 6, 40, 2, 2


class Contents(NamedTuple):
    """What a page consists of; the words and lines are those before "Where it is in the code", without answers."""

    words: int
    lines: int
    blocks: int
    pictures: int
    questions: int
    figures: int

    @property
    def minutes(self) -> int:
        """To read the page, without its questions and figures."""
        return round(self.words / WORDS_A_MINUTE + (self.lines * SECONDS_A_LINE + self.pictures * SECONDS_A_PICTURE) / 60)

    @property
    def minutes_to_do(self) -> int:
        """For the questions and figures."""
        return self.questions * MINUTES_A_QUESTION + self.figures * MINUTES_A_FIGURE


def contents(text: str) -> Contents:
    """Count a page."""
    read = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL).partition("## Where it is in the code")[0]
    code = re.findall(r"^```python\n(.*?)^```", read, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```|<!--.*?-->", "", read, flags=re.DOTALL | re.MULTILINE)
    without_pictures, pictures = re.subn(r"!\[[^\]]*\]\([^)]*\)", "", prose)
    return Contents(
        words=len(re.findall(r"\w[\w'’-]*", re.sub(r"\]\([^)]*\)", "]", without_pictures))),
        lines=sum(bool(line.strip()) for block in code for line in block.splitlines()),
        blocks=len(re.findall(r"^```python$", text, re.MULTILINE)),
        pictures=pictures,
        questions=text.count("<details>"),
        figures=len(re.findall(r"^<!-- figure: \w+ -->$", text, re.MULTILINE)),
    )


def rewritten(index: str) -> str:
    """The index with the minutes of each page, and the sums."""
    pages = {page.name: contents(page.read_text("utf-8")) for page in PAGES}
    for name, page in pages.items():
        index = re.sub(rf"^(\| .*?\]\({re.escape(name)}\) \| .* \|) \d+ \|$", rf"\1 {page.minutes} |", index, flags=re.MULTILINE)
    names = ("blocks", "pictures", "questions", "figures", "minutes", "minutes_to_do")
    total = {name: sum(getattr(page, name) for page in pages.values()) for name in names}
    short = sum(page.minutes for name, page in pages.items() if name[:2] in SHORT_WAY)
    sums = (
        f"{len(pages)} pages: {total['blocks']} blocks of code, {total['pictures']} pictures, "
        f"{total['questions']} questions and {total['figures']} figures to play with.\n"
        f"Reading takes about {round(total['minutes'] / 30) / 2:g} hours, the questions and figures another "
        f"{total['minutes_to_do']} minutes. The short way, pages 1, 4, 6, 9 and 10, takes {short} minutes.\n"
    )
    return re.sub(r"(<!-- sums -->\n).*?(<!-- end -->)", lambda match: match[1] + sums + match[2], index, flags=re.DOTALL)


def main() -> None:
    for page in PAGES:
        found = contents(page.read_text("utf-8"))
        print(page.stem, *(f"{value} {name}" for name, value in found._asdict().items()), f"{found.minutes} minutes", sep=", ")
    if "--write" in sys.argv:
        INDEX.write_text(rewritten(INDEX.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
