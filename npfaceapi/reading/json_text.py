"""Parsing JSON more strictly than `json` does."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from npfaceapi.errors import shown

__all__ = ["read_json"]


def read_json(text: str | bytes | bytearray, *, check_floats: bool = True) -> Any:
    """Parse JSON text like `JSON.parse`, but more strictly.

    Besides invalid JSON, this refuses a duplicate key in an object, a number that is not finite in float64, bytes that are not
    Unicode text, and nesting deeper than Python's recursion limit.

    Parameters
    ----------
    check_floats : bool
        False for callers that refuse infinity themselves: floats beyond float64 then become infinity; takes half the time.

    Raises
    ------
    ValueError
        The message says what was found; callers append it to their own.

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
    raise ValueError(f"{shown(number)}, which is not a finite float64 number")
