"""The one table of tolerances: by kind of answer and by grade.

A grade is the arithmetic that a port claims:

- `exact`: the bits of face-api.js.
- `float32` (default): float32 throughout, in any order.
- `mixed:float16`, `mixed:bfloat16`, `mixed:quantized` (8 bits): weights and activations stored narrower; `mixed` is
  `mixed:bfloat16`.

Kinds `operation`, `stage` and `raw` are derived from float64 for each answer (see `expected.py`):

- An operation that sums n products x·w may be off by FACTOR · √n · u · Σ|x·w|, with u = 2⁻²⁴ for float32: rounding errors
  add up like a random walk.  (The worst case, n · u · Σ|x·w|, would admit nearly anything.)  Operations that only select or
  move numbers (n = 0) must be exact.
- Taps and raw outputs may be off by `factor` times the largest deviation from float64 seen among evaluations of that
  network, on that input, in different orders (`orders.py`), and always by `floor` times the largest value.

The other kinds have one number per grade; those of `float32` are in `golden/cases.json`.  `STORED` takes all from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from npfaceapi.errors import InvalidArgument

__all__ = ["DERIVED", "FACTOR", "GRADES", "STORED", "Grade", "bound_of", "grade_of"]

#: Largest error of a sum, in standard deviations of its rounding errors.
FACTOR = 8.0
#: The kinds whose bounds are derived, case by case, from float64.
DERIVED = ("operation", "resize", "stage", "raw")


@dataclass(frozen=True)
class Grade:
    """The arithmetic that is allowed.

    Attributes
    ----------
    unit : float
        Largest relative error of one rounding.
    evaluations : tuple of str
        The evaluations whose deviations from float64 count, see `orders.py`.
    factor, floor : float
        Taps and raw outputs may be off by `factor` times those deviations, and always by `floor` times the largest value.
    """

    name: str
    unit: float
    evaluations: tuple[str, ...]
    factor: float
    floor: float
    admits: str

    @property
    def exact(self) -> bool:
        return self.name == "exact"

    @property
    def is_stored(self) -> bool:
        """Whether everything is compared with what face-api.js gave, nothing with the float64 reference."""
        return self.name in ("exact", "stored")

    @property
    def mixed(self) -> bool:
        return self.name.startswith("mixed")


GRADES = {
    grade.name: grade
    for grade in (
        Grade("exact", 0.0, (), 0.0, 0.0, "the bits of face-api.js 0.22.2 on tfjs-core 1.7.0, CPU"),
        Grade("float32", 2**-24, ("sequential", "pairwise", "blas"), 8.0, 2e-6,
              "float32 in any order of sums, Winograd, fused kernels"),
        Grade("mixed:float16", 2**-11, ("float16",), 8.0, 2**-9, "activations and weights in float16"),
        Grade("mixed:bfloat16", 2**-8, ("bfloat16",), 8.0, 2**-6, "activations and weights in bfloat16"),
        Grade("mixed:quantized", 2**-8, ("quantized",), 8.0, 2**-5, "activations and weights in 8 bits over their range"),
    )
}  # fmt: skip

#: The grade of `npfaceapi verify`, for the backends of this package.
STORED = Grade("stored", 2**-24, (), 0.0, 0.0, "float32 within the bounds of golden/cases.json, from what face-api.js gave")

Bound = Mapping[str, float]

#: For float16, bfloat16 and quantized: at least twice the largest errors measured for chains in them (docs/conformance.md).
_MIXED: dict[str, tuple[Bound, Bound, Bound]] = {
    "probability": ({"absolute": 1e-3}, {"absolute": 1e-2}, {"absolute": 1e-2}),
    "score": ({"absolute": 0.005}, {"absolute": 0.05}, {"absolute": 0.15}),
    "box": ({"absolute": 0.5}, {"absolute": 4.0}, {"absolute": 20.0}),
    "landmark": ({"absolute": 0.5}, {"absolute": 4.0}, {"absolute": 20.0}),
    "relative_landmark": ({"absolute": 1e-3}, {"absolute": 1e-2}, {"absolute": 1e-2}),
    "descriptor": ({"euclidean": 0.01}, {"euclidean": 0.1}, {"euclidean": 0.4}),
    "age": ({"absolute": 0.5}, {"absolute": 4.0}, {"absolute": 8.0}),
    "probabilities": ({"absolute": 0.02}, {"absolute": 0.12}, {"absolute": 0.2}),
    "mtcnn_stage": ({"relative": 1e-3}, {"relative": 1e-2}, {"relative": 1e-2}),
    "mtcnn_box": ({"iou": 0.95}, {"iou": 0.8}, {"iou": 0.7}),
    "anchor": ({"absolute": 5e-3}, {"absolute": 5e-2}, {"absolute": 1e-1}),
}


def grade_of(name: str) -> Grade:
    """The grade of that name; `mixed` is `mixed:bfloat16`."""
    full = "mixed:bfloat16" if name == "mixed" else name
    if full not in GRADES:
        raise InvalidArgument(f"grade: expected one of {', '.join(GRADES)} or mixed, got {name!r}")
    return GRADES[full]


def bound_of(kind: str, grade: Grade, float32: Mapping[str, Bound]) -> Bound:
    """The bound of a kind that is not derived; `float32` is the table of `cases.json`."""
    if grade.exact:
        return {"absolute": 0.0}
    if grade.mixed and kind in _MIXED:
        return _MIXED[kind][("mixed:float16", "mixed:bfloat16", "mixed:quantized").index(grade.name)]
    if kind not in float32:
        raise InvalidArgument(f"golden cases: expected a kind out of {', '.join(float32)}, got {kind!r}")
    return float32[kind]
