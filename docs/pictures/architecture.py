"""Draw the packages of npfaceapi and their imports: architecture.svg.

python docs/pictures/architecture.py

The boxes, their order and the two groups are read from the map in `npfaceapi/__init__.py`, the arrows from the import
statements.  An arrow that other arrows imply is left out.
"""

from __future__ import annotations

import ast
import functools
import html
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from svg_file import svg_file, write_svg

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PACKAGE = ROOT / "npfaceapi"
PICTURE = FOLDER / "architecture.svg"

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py" and path.stem.isidentifier()  # PyInstaller's hook is no module
)

# ------------------------------------------------------------------ imports in the code


@functools.cache
def imports_of(module: str) -> list[tuple[str, bool]]:
    """(imported module of ours, whether at import time) for every import in a file, `import_module` included."""
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return list(_imports_in(path))


@functools.cache
def _imports_in(path: Path) -> tuple[tuple[str, bool], ...]:
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, at_import: bool) -> None:
        for child in ast.iter_child_nodes(node):
            lazy = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            lazy = lazy or (isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING")
            found.extend((name, at_import) for name in _imported(child, path) if name.partition(".")[0] == "npfaceapi")
            visit(child, at_import and not lazy)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return tuple(found)


def _imported(node: ast.AST, path: Path) -> list[str]:
    """What a statement or a call imports; for `import_module(f"npfaceapi.commands.{name}")` the folder."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{path}: relative import"
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else str(node.module) for name in inner]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
        parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else node.args[:1]
        if isinstance(parts[0], ast.Constant):
            return [str(parts[0].value).rstrip(".")]
    return []


def read_map() -> dict[str, list[str]]:
    """The names in the map in `npfaceapi/__init__.py`, in its order, for each of its two groups."""
    text = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))) or ""
    _, library, tools = re.split(r"^The library:$|^The tools.*:$", text, flags=re.MULTILINE)
    return {
        group: re.findall(r"^    (\w+(?:/|\.py)) +\S", part, re.MULTILINE)
        for group, part in (("library", library), ("tools", tools))
    }


def imports_of_groups(names: Sequence[str]) -> dict[str, set[str]]:
    """For each folder and root module, the others that its files import."""
    by_module = {re.sub(r"/|\.py$", "", name): name for name in names}
    found: dict[str, set[str]] = {name: set() for name in names}
    for module in [*MODULES, "npfaceapi.__main__"]:
        importer = by_module.get(module.partition(".")[2].partition(".")[0])
        for imported, _ in imports_of(module):
            target = by_module.get(imported.partition(".")[2].partition(".")[0])
            if importer and target and importer != target:
                found[importer].add(target)
    return found


def reduced(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The transitive reduction: without each arrow from A to C where a longer path leads from A to C."""

    def reached(name: str) -> set[str]:
        return imports[name].union(*(reached(other) for other in imports[name]))

    return {
        name: {target for target in targets if not any(target in reached(other) for other in targets)}
        for name, targets in imports.items()
    }


# ------------------------------------------------------------------ positions of the boxes

WIDTH, MARGIN = 390.0, 6.0
BOX, ROW, GAP = 24.0, 52.0, 7.0  # height of a box, from row to row, between boxes
FULL = WIDTH - 70  # largest width of a row's boxes, so that arrows can pass
HEADING = 34.0
CHARACTER = 7.3  # width of a character of 12 px
PASSING = 5.0  # width of an arrow that passes a row


@dataclass(eq=False)
class Place:
    """A box, or a point where an arrow passes a row of boxes (a box without name)."""

    name: str
    row: int
    x: float = 0.0  # of the centre
    top: float = 0.0

    @property
    def width(self) -> float:
        return CHARACTER * len(self.name) + 10 if self.name else PASSING


def rows_of(imports: Mapping[str, set[str]], groups: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The row of each box, 0 on top: below everything that it imports, and above everything that imports it.

    Where that leaves a choice, a box stands where its arrows are shortest, and among such rows where there is most room.
    """
    row: dict[str, int] = {}
    first, last_of = 0, {}

    def full(name: str, number: int) -> float:
        """The width of a row's boxes with this one added."""
        return sum(Place(other, number).width + GAP for other in {*row, name} if other == name or row[other] == number)

    for names in groups.values():
        for name in names:
            number = max([first, *(row[other] + 1 for other in imports[name])])
            while full(name, number) > FULL:
                number += 1
            row[name] = number
        first = max(row.values()) + 1
        last_of.update(dict.fromkeys(names, first - 1))
    for name in reversed(list(row)):
        users = [other for other in row if name in imports[other]]
        if users:
            last = min(last_of[name], *(row[user] - 1 for user in users))
            way = len(imports[name]) - len(users)
            costs = {n: (full(name, n) > FULL, n * way, full(name, n)) for n in range(row[name], last + 1)}
            row[name] = min(costs, key=costs.__getitem__)
    used = sorted(set(row.values()))
    return {name: used.index(number) for name, number in row.items()}


def ways_of(imports: Mapping[str, set[str]], row: Mapping[str, int]) -> tuple[list[list[Place]], list[list[Place]]]:
    """The rows of places, and for each arrow the places on its way, from the importer to the imported."""
    boxes = {name: Place(name, number) for name, number in row.items()}
    rows: list[list[Place]] = [[] for _ in range(max(row.values()) + 1)]
    for place in boxes.values():
        rows[place.row].append(place)
    ways = []
    for name in row:
        for target in sorted(imports[name], key=list(row).index):
            passed = [Place("", number) for number in range(row[name] - 1, row[target], -1)]
            for place in passed:
                rows[place.row].append(place)
            ways.append([boxes[name], *passed, boxes[target]])
    return rows, ways


def spread(places: Sequence[Place], wanted: Sequence[float]) -> None:
    """Set x as near to the wanted value as the order and the widths allow: runs that would overlap share their shift."""
    offsets, runs = [0.0], []
    for left, right in itertools.pairwise(places):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + GAP)
    for i, x in enumerate(wanted):
        runs.append([x - offsets[i], 1.0])
        while len(runs) > 1 and runs[-2][0] > runs[-1][0]:
            (a, n), (b, m) = runs[-2:]
            runs[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    shifts = [shift for shift, count in runs for _ in range(round(count))]
    low = MARGIN + GAP + places[0].width / 2
    high = WIDTH - MARGIN - GAP - places[-1].width / 2 - offsets[-1]
    assert low <= high, f"architecture.py: too many boxes in one row: {', '.join(p.name for p in places if p.name)}"
    for place, shift, offset in zip(places, shifts, offsets, strict=True):
        place.x = min(max(shift, low), high) + offset


def arrange(rows: Sequence[list[Place]], ways: Sequence[Sequence[Place]]) -> None:
    """Order each row so that few arrows cross, then set x so that arrows are short and straight."""
    near: dict[Place, list[Place]] = {place: [] for places in rows for place in places}
    for way in ways:
        for below, above in itertools.pairwise(way):
            near[below].append(above)
            near[above].append(below)

    def wish(place: Place, steps: Sequence[int]) -> float:
        others = [other for other in near[place] if other.row - place.row in steps]
        weights = [1 if place.name or other.name else 8 for other in others]  # an arrow that passes two rows stays straight
        total = math.fsum(other.x * weight for other, weight in zip(others, weights, strict=True))
        return total / sum(weights) if others else place.x

    best = None
    for sweep in range(40):
        step = -1 if sweep % 2 == 0 else 1
        for places in rows[::-step]:
            places.sort(key=lambda place: wish(place, [step]))
            spread(places, [wish(place, [step]) for place in places])
        swap_neighbours(rows, ways)
        count = crossings(rows, ways)
        if best is None or count < best[0]:
            best = count, [list(places) for places in rows]
    assert best is not None
    for places, kept in zip(rows, best[1], strict=True):
        places[:] = kept
        spread(places, [WIDTH / 2] * len(places))
    for _ in range(500):
        for places in rows:
            spread(places, [wish(place, (-1, 1)) for place in places])


def swap_neighbours(rows: Sequence[list[Place]], ways: Sequence[Sequence[Place]]) -> None:
    """Swap neighbours if fewer arrows cross then."""
    count = crossings(rows, ways)
    for places in rows:
        for i in range(len(places) - 1):
            places[i : i + 2] = places[i : i + 2][::-1]
            now = crossings(rows, ways)
            if now < count:
                count = now
            else:
                places[i : i + 2] = places[i : i + 2][::-1]


def crossings(rows: Sequence[Sequence[Place]], ways: Iterable[Sequence[Place]]) -> int:
    """The number of pairs of arrows that cross between two rows."""
    at = {place: i for places in rows for i, place in enumerate(places)}
    pieces = [(a.row, at[a], at[b]) for way in ways for a, b in itertools.pairwise(way)]
    return sum(row == other and (a - c) * (b - d) < 0 for i, (row, a, b) in enumerate(pieces) for other, c, d in pieces[:i])


# ------------------------------------------------------------------ drawing

STYLE = """
text { font: 12px "DejaVu Sans Mono", Menlo, Consolas, ui-monospace, monospace; fill: #1d2733; text-anchor: middle }
.heading { font: bold 12px system-ui, "DejaVu Sans", Arial, sans-serif; text-anchor: start }
.library { fill: #e7f0fa; stroke: #2e6d8e }
.tools { fill: #fff4e5; stroke: #a35a00 }
.group { fill: none; stroke: #c3ccd6; stroke-dasharray: 4 3 }
.arrow { fill: none; stroke: #44505e; marker-end: url(#head) }
"""
HEADINGS = {"library": "The library", "tools": "Tools, which the library never imports"}


def curve(way: Sequence[Place]) -> str:
    """An arrow: up from a box, straight past the rows between, to the box that is imported."""
    path = f"M{way[0].x:.1f},{way[0].top:.1f}"
    for below, above in itertools.pairwise(way):
        end = above.top + BOX + (1.5 if above is way[-1] else 0)
        bend = (below.top - end) / 2
        path += f"C{below.x:.1f},{below.top - bend:.1f} {above.x:.1f},{end + bend:.1f} {above.x:.1f},{end:.1f}"
        path += "" if above is way[-1] else f"V{above.top:.1f}"
    return f'<path class="arrow" d="{path}"/>'


def box(place: Place, group: str) -> str:
    left = place.x - place.width / 2
    return (
        f'<rect class="{group}" x="{left:.1f}" y="{place.top:.1f}" width="{place.width:.1f}" height="{BOX:.1f}" rx="4"/>'
        f'<text x="{place.x:.1f}" y="{place.top + 16:.1f}">{html.escape(place.name)}</text>'
    )


def frames(rows: Sequence[Sequence[Place]], groups: Mapping[str, Sequence[str]]) -> tuple[list[str], float]:
    """A frame around each group, and the total height; also sets the y of each row.

    The heading of the upper group stands above its boxes, that of the lower one below them, where no arrow passes.
    """
    drawn, y = [], MARGIN
    for group, names in groups.items():
        start, is_first = y, group == next(iter(groups))
        y += HEADING if is_first else 12
        for places in rows:
            if any(place.name in names for place in places):
                for place in places:
                    place.top = y
                y += ROW
        y += BOX - ROW + (10 if is_first else HEADING)
        sides = f'x="{MARGIN:.1f}" y="{start:.1f}" width="{WIDTH - 2 * MARGIN:.1f}" height="{y - start:.1f}"'
        drawn.append(f'<rect class="group" {sides} rx="6"/>')
        line = start + 20 if is_first else y - 12
        drawn.append(f'<text class="heading" x="{MARGIN + 10:.1f}" y="{line:.1f}">{HEADINGS[group]}</text>')
        y += 14
    return drawn, y - 14 + MARGIN


def arrows() -> dict[str, set[str]]:
    """The text alternative: for each folder and root module, the targets of its arrows."""
    return reduced(imports_of_groups([name for names in read_map().values() for name in names]))


def svg() -> str:
    """The picture."""
    groups, imports = read_map(), arrows()
    group_of = {name: group for group, names in groups.items() for name in names}
    rows, ways = ways_of(imports, rows_of(imports, groups))
    arrange(rows, ways)
    background, height = frames(rows, groups)
    told = "; ".join(f"{name} imports {', '.join(sorted(targets))}" for name, targets in imports.items() if targets)
    parts = [
        *background,
        *(curve(way) for way in ways),
        *(box(place, group_of[place.name]) for places in rows for place in places if place.name),
    ]
    return svg_file(WIDTH, height, "The packages of npfaceapi and their imports", STYLE, parts, told)


if __name__ == "__main__":
    write_svg(PICTURE, svg())
