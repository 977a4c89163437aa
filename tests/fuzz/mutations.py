"""Damaged copies of bytes: mutations that know no format, and replaced values in JSON."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

INTERESTING = [0, 1, 2, 4, 8, 16, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 1e39, -1e39, 1e308, 5e-324, "", "x", "\ud800", "../x",
    "/etc/passwd", "\x00", "x" * 5000, [], [[]], {}, {"": None}, [0] * 70, float("nan"), float("inf"),
]  # fmt: skip


def mutated(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A copy with one to eight mutations, mostly one or two."""
    damaged = bytearray(data)
    for _ in range(1 + min(int(chance.expovariate(1)), 7)):
        size = len(damaged)
        at = chance.randrange(size + 1)
        length = min(1 + int(chance.expovariate(0.1)), 4096)
        kind = chance.randrange(9)
        if kind == 0 and size:
            damaged[at % size] ^= 1 << chance.randrange(8)
        elif kind == 1 and size:
            damaged[at % size] = chance.randrange(256)
        elif kind == 2:
            width = chance.choice([1, 2, 4])
            number = chance.choice(INTERESTING) & (256**width - 1)
            damaged[at : at + width] = number.to_bytes(width, chance.choice(["big", "little"]))
        elif kind == 3:
            del damaged[at : at + length]
        elif kind == 4:
            damaged[at:at] = chance.randbytes(length)
        elif kind == 5:
            damaged[at:at] = damaged[max(at - length, 0) : at] * chance.choice([1, 2, 20])
        elif kind == 6:
            damaged[at : at + length] = bytes([chance.choice([0, 0x20, 0x30, 0xFF])]) * length
        elif kind == 7:
            other = chance.choice(others)
            damaged[at:] = other[chance.randrange(len(other) + 1) :]
        else:
            del damaged[at:]
    return bytes(damaged[:10_000_000])


def mutated_json(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """JSON with some values replaced, removed, moved or duplicated; in a third of the cases, damaged bytes."""
    if chance.random() < 0.3:
        return mutated(data, others, chance)
    value = json.loads(data)
    for _ in range(1 + min(int(chance.expovariate(1.5)), 4)):
        value = _changed(value, chance)
    if chance.random() < 0.03:
        depth = chance.choice([100, 2000, 100_000])
        return b"[" * depth + json.dumps(value).encode() + b"]" * depth
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _changed(value: Any, chance: random.Random) -> Any:
    places = list(_places(value))
    if not places or chance.random() < 0.05:
        return copy.deepcopy(chance.choice(VALUES))
    parent, key = chance.choice(places)
    kind = chance.randrange(5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif kind == 2 and isinstance(parent, dict):
        parent[chance.choice(["x", "", "__proto__", *parent])] = parent.pop(key)
    elif kind == 3:
        other, name = chance.choice(places)
        if name in other if isinstance(other, dict) else name < len(other):
            parent[key] = json.loads(json.dumps(other[name]))
    else:
        parent[key] = copy.deepcopy(chance.choice(VALUES))
    return value


def _places(value: Any) -> Any:
    """(container, key) of everything inside."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])
