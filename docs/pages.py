"""The code in the reading path, the exercises and "write your own network": run every block, compare its output with the page, or
write it into the page.

    python docs/pages.py            # run all pages, name those that print something else
    python docs/pages.py 04         # only page 4
    python docs/pages.py --write    # write the outputs into the pages

A page is Markdown.  Its blocks of `python` run from the root of the repository, one after the other in one namespace; a block
without a language right after one is its output.  A block of `sh` is a call of `npfaceapi`, and runs too.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
PAGES = [*sorted(FOLDER.glob("[0-9][0-9]-*.md")), FOLDER / "own-network.md", FOLDER / "exercises.md"]

_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:\n?```\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


class Ran(NamedTuple):
    """One block: what language, its code, what the page says that it prints (None: nothing), and what it printed."""

    match: re.Match[str]
    language: str
    code: str
    stated: str | None
    printed: str


def run(text: str, name: str) -> Iterator[Ran]:
    """Run the blocks of a page."""
    namespace: dict[str, Any] = {"__name__": name}
    for match in _BLOCK.finditer(text):
        language, code, stated = match.groups()
        printed = io.StringIO()
        before = Path.cwd()
        os.chdir(ROOT)
        try:
            with contextlib.redirect_stdout(printed):
                if language == "python":
                    line = text.count("\n", 0, match.start(2))
                    exec(compile("\n" * line + code, name, "exec"), namespace)
                else:
                    _run_commands(code)
        finally:
            os.chdir(before)
        yield Ran(match, language, code, stated, printed.getvalue())


def _run_commands(code: str) -> None:
    from npfaceapi.cli import main

    for line in code.splitlines():
        program, *arguments = shlex.split(line)
        if program != "npfaceapi":
            raise ValueError(f"expected calls of npfaceapi in a block of sh, got {line!r}")
        main(arguments)


def rewritten(text: str, name: str) -> str:
    """The page with every block's output as it is now."""
    parts, at = [], 0
    for ran in run(text, name):
        parts.append(text[at : ran.match.start()])
        parts.append(f"```{ran.language}\n{ran.code}```\n")
        if ran.printed:
            parts.append(f"\n```\n{ran.printed}```\n")
        at = ran.match.end()
    return "".join([*parts, text[at:]])


def main() -> int:
    pages = blocks = wrong = 0
    only = [name for name in sys.argv[1:] if name != "--write"]
    for page in PAGES:
        if only and page.stem not in only and page.name[:2] not in only:
            continue
        text = page.read_text("utf-8")
        new = rewritten(text, page.name)
        pages += 1
        blocks += len(_BLOCK.findall(text))
        if new != text:
            wrong += 1
            print(f"{page.name}: {'written' if '--write' in sys.argv else 'prints something else'}")
            if "--write" in sys.argv:
                page.write_text(new, "utf-8")
    if not wrong:
        print(f"{pages} page{'s' * (pages != 1)}, {blocks} blocks, all as stated")
    return 0 if "--write" in sys.argv else min(wrong, 1)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
