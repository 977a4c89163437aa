"""JSON text, read more strictly than `json` does."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from npfaceapi.errors import shown

__all__ = ["read_json"]


def read_json(text: str | bytes | bytearray, *, check_floats: bool = True) -> Any:
    """What a JSON text says, as `JSON.parse` reads it, with less left to chance.

    Refused besides what is no JSON: a key that an object has twice, a number that float64 cannot hold, bytes that are no
    Unicode text, and deeper nesting than Python's recursion limit.

    Parameters
    ----------
    check_floats : bool
        False for a caller who refuses infinity himself: floats beyond float64 become it then, in half of the time.

    Raises
    ------
    ValueError
        Its text is what was found, to end a message of the caller's.

    Examples
    --------
    >>> read_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        if not isinstance(text, str):
            text = text.decode(json.detect_encoding(text))
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_float if check_floats else None, parse_int=_int, parse_constant=_refuse
        )
    except RecursionError:
        raise ValueError("lists or objects nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {shown(key)} twice in an object")
    return found


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _refuse(digits)
    return value


def _int(digits: str) -> int:
    _float(digits)
    return int(digits)


def _refuse(number: str) -> None:
    raise ValueError(f"{shown(number)}, which is no number of float64")
