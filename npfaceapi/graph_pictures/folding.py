"""Grouping the nodes of a graph into boxes: one per block of a network, and one for blocks that repeat.

1. The nodes of an outermost block (`dense0`) are a unit, as is each node outside blocks.  A node that only changes the form
   of its input (reshape, softmax, subtracting a mean, dividing by a scale) joins the unit before it.
2. Consecutive units without branches that have the same operations and windows, whatever their sizes, are one box:
   `conv32_1 … conv32_3`.  So are repeated pairs and triples, such as SSD's depthwise and pointwise layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from npfaceapi.graph import Graph, Layer, Node, shape_text

__all__ = ["Box", "Member", "fold"]

LONGEST_PERIOD = 3
FORM = {"reshape", "softmax", "sigmoid"}
CONSTANT = {"add", "subtract", "multiply", "divide"}


@dataclass(frozen=True)
class Member:
    """A part of a box: its name, or the names of its first and last repetition, and its operations, line by line."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """A box of the picture.

    Attributes
    ----------
    members : tuple of Member
        The parts of the box; several if a pair or triple of units repeats.
    times : int
        How often the members repeat; the sizes of the results are those of each repetition.
    shapes : tuple of str
        The shapes of the results, one per repetition.
    inputs : tuple of int
        The indices of the boxes whose results it reads.
    outputs : tuple of str
        The network's raw outputs that it computes.
    """

    members: tuple[Member, ...]
    times: int
    shapes: tuple[str, ...]
    parameters: int
    macs: int
    inputs: tuple[int, ...]
    outputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The names of all members."""
        return ", ".join(member.name for member in self.members)

    @property
    def result(self) -> str:
        """The shapes in a line, equal neighbours counted: `28x28x64, 14x14x128`, `32x32x512 (5 times)`."""
        runs: list[tuple[str, int]] = []
        for shape in self.shapes:
            count = runs.pop()[1] + 1 if runs and runs[-1][0] == shape else 1
            runs.append((shape, count))
        if len(runs) == 1:
            return runs[0][0]
        return ", ".join(shape if count == 1 else f"{shape} ({count} times)" for shape, count in runs)

    @property
    def cost(self) -> str:
        """Parameters and MACs in a line, empty if there are none."""
        if not self.parameters and not self.macs:
            return ""
        return f"{_short(self.parameters)} parameters, {_short(self.macs)} MACs"


def _short(number: int) -> str:
    for size, sign in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g} {sign}"
    return str(number)


def fold(graph: Graph) -> list[Box]:
    """The boxes of a graph, in the order of execution."""
    units = _units(graph)
    where = {node: i for i, unit in enumerate(units) for node in unit.nodes}
    inputs = [
        tuple(dict.fromkeys(where[x] for node in unit.nodes for x in node.inputs if where[x] != i))
        for i, unit in enumerate(units)
    ]
    runs: list[tuple[int, int, int]] = []  # first unit, period, times
    chained = _chained(units, inputs, set(graph.outputs.values()))
    i = 0
    while i < len(units):
        period, times = _repetition(units, chained, i)
        runs.append((i, period, times))
        i += period * times
    box_of = {i + k: number for number, (i, period, times) in enumerate(runs) for k in range(period * times)}
    named = {node: name for name, node in graph.outputs.items()}
    boxes = []
    for first, period, times in runs:
        inside = units[first : first + period * times]
        nodes = [node for unit in inside for node in unit.nodes]
        boxes.append(
            Box(
                members=tuple(_member(inside[k::period]) for k in range(period)),
                times=times,
                shapes=tuple(shape_text(unit.output.shape) for unit in inside[period - 1 :: period]),
                parameters=sum(unit.parameters for unit in inside),
                macs=sum(unit.macs for unit in inside),
                inputs=tuple(dict.fromkeys(box_of[j] for j in inputs[first])),
                outputs=tuple(named[node] for node in nodes if node in named),
            )
        )
    return boxes


def _units(graph: Graph) -> list[Layer]:
    units: list[Layer] = []
    readers = [x for node in graph for x in node.inputs]
    for layer in graph.layers(whole_blocks=True):
        node = layer.nodes[0]
        givers = [i for i, unit in enumerate(units) if node.inputs == (unit.output,) and readers.count(unit.output) == 1]
        if givers and not node.block:
            giver = units[givers[0]]
            after_constant = not giver.output.block and giver.output.op in CONSTANT
            if node.op in FORM or (node.op in CONSTANT and after_constant):
                units[givers[0]] = Layer(giver.name, (*giver.nodes, node))
                continue
        units.append(layer)
    return units


def _does(unit: Layer) -> tuple[Any, ...]:
    """The operations of a unit, without names and sizes; equal for units that may be folded."""
    place = {node: i for i, node in enumerate(unit.nodes)}
    return tuple((_plain(node), tuple(place.get(x, -1) for x in node.inputs), tuple(node.params)) for node in unit.nodes)


def _plain(node: Node) -> str:
    return node.summary.partition(" /")[0]


def _chained(units: list[Layer], inputs: list[tuple[int, ...]], outputs: set[Node]) -> list[bool]:
    """For each unit, whether it reads only the unit before it and no other unit reads that one."""
    readers = [j for read in inputs for j in read]
    return [
        read == (i - 1,) and readers.count(i - 1) == 1 and outputs.isdisjoint(units[i - 1].nodes) for i, read in enumerate(inputs)
    ]


def _repetition(units: list[Layer], chained: list[bool], i: int) -> tuple[int, int]:
    """(period, times) of the longest repetition that starts at unit `i`; (1, 1) if there is none."""
    best = (1, 1)
    for period in range(1, LONGEST_PERIOD + 1):
        end = i + period
        if not all(chained[i + 1 : end]):
            break
        while end < len(units) and chained[end] and _does(units[end]) == _does(units[end - period]):
            end += 1
        times = (end - i) // period
        if times > 1 and times * period > best[0] * best[1]:
            best = (period, times)
    return best


def _member(units: list[Layer]) -> Member:
    first, last = units[0], units[-1]
    name = first.name if first is last else f"{first.name} … {last.name.rpartition('/')[2]}"
    return Member(name, tuple(_lines(units)))


def _lines(units: list[Layer]) -> list[str]:
    """The text of units that repeat: a line for each inner block and for the nodes between them; strides only if equal."""
    groups: list[tuple[str, list[str]]] = []
    first = units[0]
    for node, *others in zip(*(unit.nodes for unit in units), strict=True):
        label = node.block.removeprefix(first.name).strip("/") if node.block.startswith(first.name) else ""
        text = node.summary if all(other.summary == node.summary for other in others) else _plain(node)
        if groups and groups[-1][0] == label:
            groups[-1][1].append(text)
        else:
            groups.append((label, [text]))
    return [f"{label}: {', '.join(texts)}" if label else ", ".join(texts) for label, texts in groups]
