"""A table of figures with its title, and how it is printed: as text, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Section"]


@dataclass
class Section:
    """The figures for one question.

    Attributes
    ----------
    title : str
    method : str
        How they were measured, in a sentence or two.
    header, rows : sequences of str
        The table; its first column is text, the others are numbers.
    summary : list of str
        Lines under the table.
    records : list of dict
        The same figures as data, for JSON.
    command : str
        The command that reproduces them.
    """

    title: str
    method: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    command: str = ""

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", self.method, ""]
        if self.command:
            lines += [f"    {self.command}", ""]
        lines += [_row(self.header), _row(["---", *["---:"] * (len(self.header) - 1)]), *map(_row, self.rows), ""]
        for line in self.summary:
            lines += [line, ""]
        return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
