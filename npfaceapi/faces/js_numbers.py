"""Numbers in text as JavaScript writes them, so that JSON and labels equal those of face-api.js byte for byte."""

from __future__ import annotations

import math
from decimal import Decimal

__all__ = ["js_number", "round_down"]


def js_number(value: float) -> str:
    """The shortest text that reads back as this finite float: 1.0 as "1", 1e-05 as "0.00001", 1e-07 as "1e-7"."""
    value = float(value)
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = format(Decimal(repr(value)).normalize(), "e").split("e")
    return f"{mantissa}e{int(exponent):+d}"


def round_down(value: float, decimals: int = 2) -> float:
    """A number rounded towards minus infinity to some decimals.

    Quirk: so is the error of the multiplication: 0.29 gives 0.28.
    """
    factor = math.pow(10, decimals)
    return math.floor(value * factor) / factor
