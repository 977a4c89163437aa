"""The values of nodes inside a network, as `net.taps` returns them: a dict with a readable `repr`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Taps", "Values"]

#: Values [N, ...] of a node, and arrays decoded from them: float32, or float64 on the backend `reference64`.
Values: TypeAlias = NDArray[np.float32 | np.float64]

#: The most layers that a notebook shows; each is a picture embedded in the page.
MOST_SHEETS = 60


class Taps(dict[str, Values]):
    """Values [N, ...] of a network's nodes by name; printed as a table, shown in a notebook as pictures.

    Examples
    --------
    >>> from npfaceapi import nets
    >>> taps = nets.face_expression_net.taps(np.zeros((1, 112, 112, 3)), ["dense0", "logits"], backend="reference")
    >>> print(repr(taps).splitlines()[0])
    <Taps of FaceExpressionNet: 2 layers of 1 image>
    >>> taps["dense0"].shape
    (1, 56, 56, 32)
    """

    def __init__(self, net: str, values: dict[str, Values]) -> None:
        super().__init__(values)
        self.net = net

    def __reduce__(self) -> tuple[object, ...]:
        return Taps, (self.net, dict(self))

    def _title(self) -> str:
        images = len(next(iter(self.values()))) if self else 0
        return (
            f"Taps of {self.net}: {len(self)} layer{'' if len(self) == 1 else 's'} of {images} image{'' if images == 1 else 's'}"
        )

    def __repr__(self) -> str:
        from npfaceapi.display.plain_table import format_table, shortened

        header = ("layer", "shape", "smallest", "mean", "largest")
        rows = [(name, "x".join(map(str, value.shape)), *_statistics(value)) for name, value in self.items()]
        lines = format_table(header, shortened(rows), right=(2, 3, 4), indent="  ")
        return f"<{self._title()}>\n{lines}" if self else f"<{self._title()}>"

    def _repr_html_(self) -> str:
        """The maps of the first image's layers, folded; for a notebook."""
        from npfaceapi.display.feature_maps import sheet, sheet_figure
        from npfaceapi.display.markup import element

        shown = list(self.items())[:MOST_SHEETS]
        parts = [element("p", self._title(), ". The first image is shown." if self else ".")]
        for name, value in shown:
            title = element("summary", f"{name}, {'x'.join(map(str, value.shape[1:])) or '1'}")
            if len(value):
                parts.append(element("details", title, sheet_figure(name, sheet(value[0])), open=len(self) <= 3))
        if len(self) > len(shown):
            parts.append(element("p", f"{len(self) - len(shown)} more layers are not shown; ask for them by name."))
        return element("div", *parts)


def _statistics(value: Values) -> tuple[str, ...]:
    if not value.size:
        return "-", "-", "-"
    return tuple(f"{number:.4g}" for number in (np.min(value), value.mean(dtype=np.float64), np.max(value)))
