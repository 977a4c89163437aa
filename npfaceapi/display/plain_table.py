"""Text tables, for the commands and for the `repr` of objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["format_table", "shortened"]


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] = (), indent: str = "") -> str:
    """Columns padded to their widest cell; those with the indices in `right` are right-aligned."""
    cells = [[str(c) for c in header], *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = (
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    )
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def shortened(rows: Sequence[Sequence[object]], most: int = 40) -> list[Sequence[object]]:
    """The rows; if there are very many, the first and the last ones, with a row between them that says how many are left out."""
    if len(rows) <= most:
        return list(rows)
    first, last = most - most // 4, most // 4 - 1
    gap = [f"... {len(rows) - first - last} more ...", *("" for _ in rows[0][1:])]
    return [*rows[:first], gap, *rows[-last:]]
