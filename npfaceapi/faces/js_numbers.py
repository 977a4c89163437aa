"""Numbers and strings as JavaScript formats them, so that JSON and labels equal those of face-api.js byte for byte."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal

__all__ = ["js_number", "js_numbers", "js_string", "round_down"]

_encode = json.JSONEncoder(separators=(",", ":")).encode


def js_number(value: float) -> str:
    """The shortest text that reads back as this float: 1.0 as "1", 1e-05 as "0.00001", 1e-07 as "1e-7", or "Infinity"."""
    value = float(value)
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = format(Decimal(repr(value)).normalize(), "e").split("e")
    return f"{mantissa}e{int(exponent):+d}"


def js_numbers(values: Sequence[float]) -> str:
    """Finite floats as `JSON.stringify` writes an array of them."""
    text = _encode(values)
    if "e" in text or ".0," in text or ".0]" in text:  # numbers that Python formats differently
        each = zip(values, text[1:-1].split(","), strict=True)
        text = f"[{','.join(js_number(value) if 'e' in its or its.endswith('.0') else its for value, its in each)}]"
    return text


def js_string(text: str) -> str:
    """A string as `JSON.stringify` writes it: a lone surrogate becomes an escape (\\ud800), a surrogate pair one character."""
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", json.dumps(paired, ensure_ascii=False))


def round_down(value: float, decimals: int = 2) -> float:
    """A number rounded towards minus infinity to some decimals.

    Quirk: the product is rounded down with its binary error: 0.29 gives 0.28.
    """
    factor = math.pow(10, decimals)
    scaled = value * factor
    return math.floor(scaled) / factor if math.isfinite(scaled) else scaled
