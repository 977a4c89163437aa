"""The positions of the boxes of a graph and the paths of the lines between them: a simple layout for nearly linear graphs.

The longest path from the input is the first column, from top to bottom.  Every other box is one row below the last box that it
reads, in the first free column.  Lines run in the gaps between the rows: from the bottom of a box sideways in the gap, down a
lane at the right if the reader is further below, and into the reader's top.

A long graph without branches is broken into columns, so that it fits a page; the line continues at the top of the next column.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from npfaceapi.graph_pictures.folding import Box

__all__ = ["Layout", "Line", "Placed", "lay_out"]

CHARACTER = 6.35  # width of a character of the monospaced font, 10.5 pixels high
LINE = 14
PADDING = 8
GAP = 26  # between rows, and between columns
LANE = 10
WIDEST = (54, 30)  # characters in the first column, and in the others
TALLEST = 900  # height of a linear graph that is not broken into columns

Way = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Line:
    """A line of text in a box: `kind` is times, path, name, operation, result, cost or output."""

    kind: str
    text: str


@dataclass(frozen=True)
class Placed:
    """A box with its text and its place in pixels."""

    lines: tuple[Line, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Boxes, and lines as lists of corners (x, y) from the box that is read to the box that reads it."""

    boxes: tuple[Placed, ...]
    ways: tuple[Way, ...]
    width: float
    height: float


def lines_of(box: Box, widest: int) -> tuple[Line, ...]:
    """The text of a box, wrapped."""
    found: list[Line] = []

    def write(kind: str, text: str) -> None:
        if text:
            found.extend(Line(kind, part) for part in textwrap.wrap(text, widest, subsequent_indent="  ", break_on_hyphens=False))

    write("times", f"repeated {box.times} times" if box.times > 1 else "")
    for member in box.members:
        first, between, last = member.name.partition(" … ")
        path, _, leaf = first.rpartition("/")
        write("path", f"{path}/" if path else "")
        write("name", f"{leaf}{between}{last}")
        for line in member.lines:
            write("operation", "" if line == leaf else line)
    write("result", f"→ {box.result}")
    write("cost", box.cost)
    write("output", f"output: {', '.join(box.outputs)}" if box.outputs else "")
    return tuple(found)


def _main_path(boxes: list[Box]) -> list[int]:
    """The longest path from the input, as indices of boxes."""
    longest: list[list[int]] = []
    for i, box in enumerate(boxes):
        longest.append([*max((longest[j] for j in box.inputs), key=len, default=[]), i])
    return max(longest, key=len)


def _grid(boxes: list[Box]) -> list[tuple[int, int]]:
    """(row, column) of each box."""
    main = set(_main_path(boxes))
    taken: set[tuple[int, int]] = set()
    places: list[tuple[int, int]] = []
    for i, box in enumerate(boxes):
        row = 1 + max((places[j][0] for j in box.inputs), default=-1)
        column = 0 if i in main else 1
        while (row, column) in taken:
            column += 1
        taken.add((row, column))
        places.append((row, column))
    return places


def lay_out(boxes: list[Box], left: float = 0, top: float = 0) -> Layout:
    """Place the boxes of one graph, the upper left corner of all at (left, top)."""
    grid = _grid(boxes)
    if all(column == 0 for _, column in grid):
        return _in_columns(boxes, left, top)
    texts = [lines_of(box, WIDEST[min(column, 1)]) for box, (_, column) in zip(boxes, grid, strict=True)]
    sizes = [_size(text) for text in texts]
    columns = _starts([column for _, column in grid], [width for width, _ in sizes], left)
    rows = _starts([row for row, _ in grid], [height for _, height in sizes], top)
    placed = []
    for text, (row, column), (_, height) in zip(texts, grid, sizes, strict=True):
        width = columns[column + 1] - columns[column] - GAP
        placed.append(Placed(text, columns[column], rows[row], width, height))
    right = columns[-1] - GAP
    ways, lanes = _ways(boxes, grid, placed, rows, right)
    width = right - left + (lanes * LANE + PADDING if lanes else 0)
    return Layout(tuple(placed), tuple(ways), width, rows[-1] - GAP - top)


def _size(text: tuple[Line, ...]) -> tuple[float, float]:
    return max(len(line.text) for line in text) * CHARACTER + 2 * PADDING, len(text) * LINE + 2 * PADDING - 4


def _in_columns(boxes: list[Box], left: float, top: float) -> Layout:
    """The layout of a linear graph, broken into columns of about the same height."""
    texts = [lines_of(box, WIDEST[0]) for box in boxes]
    heights = [_size(text)[1] + GAP for text in texts]
    columns = -(-int(sum(heights)) // TALLEST)
    placed: list[Placed] = []
    ways: list[Way] = []
    x, first = left, 0
    for column in range(columns):
        last = first + 1
        while last < len(boxes) and sum(heights[:last]) + heights[last] / 2 < sum(heights) * (column + 1) / columns:
            last += 1
        width, y = max(_size(text)[0] for text in texts[first:last]), top
        for i in range(first, last):
            if placed:
                ways.append(_on(placed[-1], x, y, width))
            placed.append(Placed(texts[i], x, y, width, heights[i] - GAP))
            y += heights[i]
        x, first = x + width + 2 * GAP, last
    bottom = max(box.y + box.height for box in placed)
    return Layout(tuple(placed), tuple(ways), x - 2 * GAP - left, bottom + GAP / 2 - top)


def _on(giver: Placed, x: float, y: float, width: float) -> Way:
    """The line from a box to the next one, below it or at the top of the next column."""
    start, end = (giver.x + giver.width / 2, giver.y + giver.height), (x + width / 2, y)
    if giver.x == x:
        return start, end
    below, above, lane = start[1] + GAP / 2, y - GAP / 2, x - GAP
    return start, (start[0], below), (lane, below), (lane, above), (end[0], above), end


def _starts(indices: list[int], sizes: list[float], start: float) -> list[float]:
    """The start of each row or column, and of the one after the last."""
    starts = [start]
    for i in range(max(indices) + 1):
        starts.append(starts[-1] + GAP + max((s for index, s in zip(indices, sizes, strict=True) if index == i), default=0))
    return starts


def _ways(
    boxes: list[Box], grid: list[tuple[int, int]], placed: list[Placed], rows: list[float], right: float
) -> tuple[list[Way], int]:
    """The corners of all lines, and the number of lanes; all long lines to one box share a lane."""
    lanes: dict[int, int] = {}
    ways: list[Way] = []
    for i, box in enumerate(boxes):
        to = placed[i]
        for j in box.inputs:
            giver, row = placed[j], grid[j][0]
            start = giver.x + giver.width / 2, giver.y + giver.height
            end = to.x + to.width / 2, to.y
            below = rows[row + 1] - GAP  # the top of the gap below the row that is read
            if grid[i][0] == row + 1:
                if start[0] == end[0]:
                    ways.append((start, end))
                else:
                    ways.append((start, (start[0], below + GAP / 2), (end[0], below + GAP / 2), end))
                continue
            lane = lanes.setdefault(i, len(lanes))
            x, level = right + PADDING + lane * LANE, below + 6 + 5 * (lane % 3)
            above = rows[grid[i][0]] - GAP + 6 + 5 * (lane % 3)
            ways.append((start, (start[0], level), (x, level), (x, above), (end[0], above), end))
    return ways, len(lanes)
