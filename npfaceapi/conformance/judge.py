"""The judge: compares a port's answers to one question with the expected ones, number by number.

Every kind of port (folder, program, Python class) is judged here.  Only finite numbers of the right shape and kind
pass: NaN, infinity, a wrong dtype, a missing or additional tensor and a wrong number of faces fail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npfaceapi.conformance.comparison import Mismatch, check_json, overlap
from npfaceapi.conformance.expected import Expected
from npfaceapi.conformance.faces import PER_FACE, Pairing, pair_faces
from npfaceapi.conformance.golden import Case
from npfaceapi.conformance.questions import Question
from npfaceapi.conformance.tolerance import Grade
from npfaceapi.errors import one_line

__all__ = ["Finding", "Judgement", "judge", "ratios"]

Array = np.ndarray[Any, Any]


@dataclass
class Finding:
    """The verdict on one answer.

    Attributes
    ----------
    ratio : float
        The largest error in units of its bound; above 1 is too much.
    error, bound : float
        The error with that ratio and its bound, in the unit of the answer.
    index : tuple of int
        Position of that error; for a sampled or flattened tensor, its index in the whole.
    got, want : float
        The port's value and the expected one at that position.
    problem : str
        Why the answer fails; empty if it passes.
    """

    name: str
    kind: str
    problem: str = ""
    ratio: float = 0.0
    error: float = 0.0
    bound: float = 0.0
    index: tuple[int, ...] = ()
    got: float | None = None
    want: float | None = None

    @property
    def passed(self) -> bool:
        return not self.problem

    @property
    def is_compared(self) -> bool:
        """Whether numbers were compared; not if the shape is wrong, for instance."""
        return self.passed or self.ratio > 0


@dataclass
class Judgement:
    """The verdict on one case."""

    findings: list[Finding] = field(default_factory=list)
    faces: int = 0
    ambiguous: dict[int, str] = field(default_factory=dict)

    @property
    def first(self) -> Finding | None:
        """The first answer that fails, in the order of execution."""
        return next((finding for finding in self.findings if finding.problem), None)


def judge(case: Case, question: Question, expected: list[Expected], answers: Mapping[str, Any], grade: Grade) -> Judgement:
    """Judge the answers to one question."""
    by_name = {one.name: one for one in expected}
    answers = {one_line(str(name)): value for name, value in answers.items()}  # a port's names appear in reports
    judgement = Judgement()
    pairing = pair_faces(case, question, by_name, answers)
    if pairing.problem:
        judgement.findings.append(Finding("boxes", "count", pairing.problem))
        pairing = Pairing()
    if case.level == "chain":
        judgement.faces = len(by_name["boxes"].value)
    for one in expected:
        finding = Finding(one.name, one.kind)
        judgement.findings.append(finding)
        try:
            if one.name not in answers:
                raise Mismatch(f"expected an answer of that name, got {', '.join(answers) or 'none'}")
            excused = _judge_one(one, answers[one.name], pairing, grade, finding)
            judgement.ambiguous.update(excused)
        except Mismatch as mismatch:
            finding.problem = str(mismatch)
    judgement.ambiguous.update(pairing.moved)
    for name in answers:
        if name not in by_name:
            judgement.findings.append(
                Finding(name, "extra", f"expected only {', '.join(by_name) or 'nothing'}, got {name} as well")
            )
    return judgement


def _judge_one(one: Expected, answer: Any, pairing: Pairing, grade: Grade, finding: Finding) -> dict[int, str]:
    if one.is_json:
        check_json(answer, one.value, one.bound["relative"])
        return {}
    if one.name not in PER_FACE:
        pairing = Pairing()
    actual = _checked(one, answer, pairing)
    if grade.exact and one.value.dtype == np.float32:  # as the golden tensors were rounded
        actual = actual.astype(np.float32)
    everything = actual
    if one.samples is not None:
        actual = actual.reshape(-1)[one.samples]
    value, rows = np.asarray(one.value), None
    if one.norms:
        actual, value = actual.reshape(-1), value.reshape(-1)
    elif pairing.golden is not None and value.ndim:
        rows = pairing.golden
        actual, value = actual[pairing.actual], value[rows]
    ratio, error, allowed = ratios(actual, value, one.bound, one.norms[2] if one.norms else None)
    excused: dict[int, str] = {}
    reasons = pairing.excused.get(one.name, {})
    if rows is not None and reasons:
        for k, i in enumerate(rows):
            if i in reasons and np.max(ratio[k], initial=0) > 1:
                excused[i] = reasons[i]
                ratio[k] = 0.0
    if ratio.size:
        worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        finding.ratio, finding.error = float(ratio[worst]), float(np.broadcast_to(error, ratio.shape)[worst])
        finding.bound = float(np.broadcast_to(allowed, ratio.shape)[worst])
        if ratio.shape == value.shape:
            finding.got, finding.want = float(actual[worst]), float(value[worst])
        finding.index = tuple(int(i) for i in worst)
        if one.samples is not None:
            finding.index = tuple(int(i) for i in np.unravel_index(int(one.samples[worst[0]]), one.shape))
        elif one.norms:
            finding.index = tuple(int(i) for i in np.unravel_index(worst[0], one.shape))
        elif rows is not None and worst:
            finding.index = (rows[int(worst[0])], *finding.index[1:])
    if finding.ratio > 1:
        place = f"[{', '.join(map(str, finding.index))}]"
        values = "" if finding.got is None else f" {finding.want:.9g}, got {finding.got:.9g}"
        finding.problem = (
            f"expected {place}{values}: off by {finding.error:.3g}, {finding.ratio:.3g} times its bound {finding.bound:.3g}"
        )
    elif one.norms:
        _check_norms(one, everything, finding, grade)
    return excused


def _checked(one: Expected, answer: Any, pairing: Pairing) -> Array:
    """The answer as an array of the right shape, kind and length, all finite."""
    if one.shape == () and isinstance(answer, (int, float, np.number)) and not isinstance(answer, bool):
        answer = np.asarray(answer, np.float64)  # a scalar may come as JSON
    if not isinstance(answer, np.ndarray):
        raise Mismatch(f"expected a tensor, got a JSON value of type {type(answer).__name__}")
    kinds = "integers" if one.whole else "float32" if one.kind in ("exact", "operation", "stage", "raw", "resize") else "floats"
    right = {"integers": answer.dtype.kind in "iu", "float32": answer.dtype == np.float32, "floats": answer.dtype.kind == "f"}
    if not right[kinds] or answer.dtype == np.float16:
        raise Mismatch(f"expected {kinds}, got {answer.dtype}")
    shape = one.shape
    if pairing.golden is not None and len(shape):  # the number of rows was judged with the boxes
        shape = (len(pairing.golden) + sum(face < 0 for face in pairing.moved), *shape[1:])
    if answer.shape != shape:
        turned = sorted(answer.shape) == sorted(shape)
        raise Mismatch(f"expected shape {list(shape)}, got {list(answer.shape)}{' (transposed?)' if turned else ''}")
    bad = ~np.isfinite(answer)
    if one.kind == "operation" and np.shape(one.value) == answer.shape:
        bad &= answer != one.value  # infinity may be the expected answer
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), answer.shape)
        raise Mismatch(f"expected finite numbers, got {answer[at]} at {[int(i) for i in at]} ({int(bad.sum())} in all)")
    return answer


def _check_norms(one: Expected, actual: Array, finding: Finding, grade: Grade) -> None:
    """Check the three norms of a sampled tensor, which catch what the samples miss."""
    flat, room = actual.astype(np.float64).reshape(-1), 1e-9 if grade.exact else max(1e-5, 4 * grade.unit)
    rooms = one.rooms or [0.0] * 3
    for name, golden, order, more in zip(("L1", "L2", "largest value"), one.norms, (1, 2, np.inf), rooms, strict=True):
        found, allowed = float(np.linalg.norm(flat, order)), room * abs(golden) + more
        if not abs(found - golden) <= allowed:
            finding.ratio = abs(found - golden) / (allowed or 1e-300)
            seen = f", though the {len(one.samples)} numbers that are stored agree" if one.samples is not None else ""
            raise Mismatch(f"expected {name} norm {golden:.9g}, got {found:.9g}{seen}")


def ratios(actual: Array, value: Array, bound: Mapping[str, Any], largest: float | None = None) -> tuple[Array, Array, Array]:
    """Errors in units of their bounds, errors, and bounds: per number, or per row for `euclidean` and `iou` bounds."""
    a, b = actual.astype(np.float64), value.astype(np.float64)
    if "iou" in bound:
        common = overlap(a, b) if b.size else np.zeros(len(b))
        error, allowed = 1 - common, np.asarray(1 - bound["iou"])
    elif "euclidean" in bound:
        error, allowed = np.linalg.norm((a - b).reshape(len(b), math.prod(b.shape[1:])), axis=1), np.asarray(bound["euclidean"])
    else:
        error = np.where(a == b, 0.0, np.abs(a - b))  # equal infinities have no error
        top = float(np.abs(b).max(initial=0)) if largest is None else largest
        allowed = np.asarray(bound["absolute"] if "absolute" in bound else bound["relative"] * top, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0.0, error / allowed)
    return np.where(np.isnan(ratio), np.inf, ratio), error, allowed
