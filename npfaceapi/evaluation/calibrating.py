"""A calibration from all pairs of photos of known people."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.faces.calibration import Calibration
from npfaceapi.faces.points import as_descriptor, as_flag

__all__ = ["calibrate", "pair_histograms"]

Counts = NDArray[np.int64]

GROUPS = 20  # groups of people, left out in turn
BINS = 4000  # from 0 to the largest distance
LARGEST = 2.0
POINTS = 24  # distances that a calibration keeps
BLOCK = 1024  # rows of distances per block


class Histograms(NamedTuple):
    """Counts of pairs by the groups of their people and by distance, [GROUPS,GROUPS,BINS]: same person, different people."""

    same: Counts
    different: Counts


def calibrate(
    descriptors: ArrayLike,
    people: Sequence[str],
    source: str,
    alignment: str = "face-api",
    average_mirror: bool = False,
) -> Calibration:
    """The calibration of all pairs of photos.

    Parameters
    ----------
    descriptors : array [n,128]
        One per photo.
    people : sequence of str
        The person in each photo.
    source : str
        A description of the photos.
    alignment, average_mirror
        How the descriptors were made.

    Raises
    ------
    InvalidArgument
        If there are fewer than 20 people with two photos, or an argument is invalid.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> faces = random.normal(0, 0.05, (30, 128))  # of 30 people
    >>> descriptors = np.repeat(faces, 4, axis=0) + random.normal(0, 0.02, (120, 128))
    >>> people = [f"person {i // 4}" for i in range(120)]
    >>> calibration = calibrate(descriptors, people, "random numbers")
    >>> calibration.people, calibration.photos
    (30, 120)
    """
    if not isinstance(descriptors, (list, tuple, np.ndarray)) or not isinstance(people, (list, tuple)):
        raise InvalidType(f"calibrate: expected lists of descriptors and names, got {shown(descriptors)} and {shown(people)}")
    if not all(isinstance(name, str) for name in people) or not isinstance(source, str):
        raise InvalidType(f"calibrate: expected people and the source as strings, got {shown(people)} and {shown(source)}")
    vectors = [as_descriptor(descriptor, "calibrate") for descriptor in descriptors]
    lengths = sorted({len(vector) for vector in vectors})
    if len(vectors) != len(people) or lengths not in ([], [128]):
        raise InvalidArgument(
            f"calibrate: expected descriptors [128], as many as people ({len(people)}), got {len(vectors)} of lengths {lengths}"
        )
    x = np.array(vectors, np.float32).reshape(-1, 128)
    if not isinstance(alignment, str) or alignment not in ALIGNMENTS:
        raise InvalidArgument(f"calibrate: expected an alignment out of {', '.join(ALIGNMENTS)}, got {shown(alignment)}")
    average_mirror = as_flag(average_mirror, "calibrate: average_mirror")
    names, person = np.unique(np.array(people, str), return_inverse=True)
    several = int((np.bincount(person) > 1).sum()) if len(names) else 0
    if len(names) < GROUPS or several < GROUPS:
        raise InvalidArgument(
            f"calibrate: expected at least {GROUPS} people with two or more photos that have a face, "
            f"got {len(names)} people, {several} of them with two or more"
        )
    # spread people with many photos evenly over the groups
    order = np.argsort(-np.bincount(person), kind="stable")
    group = np.empty(len(names), np.int64)
    group[order] = np.arange(len(names)) % GROUPS
    histograms = pair_histograms(x, person, group)
    same, different = (h.sum((0, 1)) for h in histograms)
    edges = _edges(same, different)
    within = [h.cumsum()[edges] for h in (same, different)]
    total = [int(h.sum()) for h in (same, different)]
    left_out = [_without_each_group(h) for h in histograms]
    shares = [h.cumsum(1)[:, edges] / h.sum(1, keepdims=True) for h in left_out]
    errors = [_jackknife(_log(share)) for share in (1 - shares[0], shares[1])]
    fits = np.array([_logistic(s, d) for s, d in zip(*left_out, strict=True)])
    spread = (fits - fits.mean(0)) * np.sqrt((GROUPS - 1) / GROUPS)
    covariance = spread.T @ spread
    parameters = _logistic(same, different)
    return Calibration(
        source, alignment, average_mirror, len(names), len(person),
        tuple(round(float(edge + 1) * LARGEST / BINS, 4) for edge in edges), total[0], total[1],
        tuple(map(int, within[0])), tuple(map(int, within[1])),
        tuple(round(float(e), 3) for e in errors[0]), tuple(round(float(e), 3) for e in errors[1]),
        (round(parameters[0], 4), round(parameters[1], 4)),
        (round(float(covariance[0, 0]), 6), round(float(covariance[1, 1]), 6), round(float(covariance[0, 1]), 6)),
    )  # fmt: skip


def pair_histograms(descriptors: NDArray[np.float32], person: Counts, group: Counts) -> Histograms:
    """All pairs, counted by the groups of their people and by distance."""
    order = np.argsort(group[person], kind="stable")
    x, person = descriptors[order].astype(np.float64), person[order]
    squares = np.einsum("ij,ij->i", x, x)
    starts = np.searchsorted(group[person], np.arange(GROUPS + 1))
    counts = np.zeros((2, GROUPS, GROUPS, BINS), np.int64)
    for g, h in itertools.combinations_with_replacement(range(GROUPS), 2):
        columns = np.arange(starts[h], starts[h + 1])
        for start in range(starts[g], starts[g + 1], BLOCK):
            rows = np.arange(start, min(start + BLOCK, starts[g + 1]))[:, np.newaxis]
            square = squares[rows] + squares[columns] - 2 * x[rows[:, 0]] @ x[columns].T
            bins = np.minimum(np.sqrt(np.maximum(square, 0)) * (BINS / LARGEST), BINS - 1).astype(np.int64)
            bins += BINS * (person[rows] != person[columns])
            counts[:, g, h] += np.bincount(bins[rows < columns], minlength=2 * BINS).reshape(2, BINS)
    return Histograms(*counts)


def _edges(same: Counts, different: Counts) -> Counts:
    """The bins whose upper ends a calibration keeps: at equal steps of the rates on a logarithmic scale."""
    fmr = different.cumsum() / different.sum()
    fnmr = 1 - same.cumsum() / same.sum()
    few_different, few_same = 10 / different.sum(), 10 / same.sum()
    rates = np.geomspace(few_different, 0.5, POINTS // 2), np.geomspace(0.9, few_same, POINTS // 2)
    edges = [int(np.argmax(fmr >= rate)) for rate in rates[0]] + [int(np.argmax(fnmr <= rate)) for rate in rates[1]]
    return np.unique(edges)


def _without_each_group(histogram: Counts) -> Counts:
    """[GROUPS,BINS]: the pairs that remain without each group."""
    alone = np.einsum("ggb->gb", histogram)
    left: Counts = histogram.sum((0, 1)) - histogram.sum(0) - histogram.sum(1) + alone
    return left


def _log(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(share, 1e-12)))


def _jackknife(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors from figures [GROUPS,n], each row computed without one group."""
    return np.asarray(np.sqrt((GROUPS - 1) / GROUPS * ((figures - figures.mean(0)) ** 2).sum(0)))


def _logistic(same: Counts, different: Counts) -> tuple[float, float]:
    """a, b of the log-odds a - b d, with both kinds of pairs given equal total weight.

    The targets are Platt's, (n + 1) / (n + 2) and 1 / (n + 2) instead of 1 and 0, so that there is a solution even if the
    distances of the two kinds do not overlap.
    """
    d = (np.arange(BINS) + 0.5) * LARGEST / BINS
    design = np.stack([np.ones(BINS), -d], 1)
    counts = same.sum(), different.sum()
    weights = same / counts[0], different / counts[1]
    both, target = weights[0] + weights[1], weights[0] * (counts[0] + 1) / (counts[0] + 2) + weights[1] / (counts[1] + 2)

    def loss(parameters: NDArray[np.float64]) -> float:
        odds = design @ parameters
        return float(both @ np.logaddexp(0, odds) - target @ odds)

    parameters = np.zeros(2)
    for _ in range(100):  # Newton's method; a step that increases the loss is halved
        p = 1 / (1 + np.exp(-np.clip(design @ parameters, -700, 700)))
        step = np.linalg.solve(design.T @ (design * (both * p * (1 - p))[:, np.newaxis]), design.T @ (target - both * p))
        while loss(parameters + step) > loss(parameters) + 1e-15:
            step /= 2
        parameters += step
        if np.abs(step).max() < 1e-9:
            break
    return float(parameters[0]), float(parameters[1])
