"""Are two photos of one person?  Error rates of a threshold on the distance of two descriptors, with intervals.

The terms are those of ISO/IEC 19795-1.  A pair matches if its distance is at most the threshold.  The false match rate (FMR)
is the share of pairs of different people that match, the false non-match rate (FNMR) the share of pairs of the same person that
do not.  A photo without a face has distance infinity to all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FoldAccuracy",
    "area_under_curve",
    "best_threshold",
    "bootstrap_interval",
    "equal_error_rate",
    "fnmr_at",
    "fold_accuracy",
    "roc_curve",
    "wilson_interval",
]

Distances = NDArray[np.float64]
#: Quantile of the normal distribution for 95 % intervals.
Z = 1.959963984540054
RESAMPLES = 1000


class FoldAccuracy(NamedTuple):
    """The mean of the folds' accuracies, its standard error, and the accuracies."""

    accuracy: float
    standard_error: float
    folds: tuple[float, ...]


def roc_curve(same: Distances, different: Distances) -> tuple[Distances, Distances, Distances]:
    """Thresholds, ascending from minus infinity, each with its FMR and its FNMR."""
    thresholds = np.concatenate([[-np.inf], np.unique(np.concatenate([same, different]))])
    thresholds = thresholds[thresholds < np.inf]  # a photo without a face matches nothing
    fmr = np.searchsorted(np.sort(different), thresholds, side="right") / max(1, len(different))
    fnmr = 1 - np.searchsorted(np.sort(same), thresholds, side="right") / max(1, len(same))
    return thresholds, fmr, fnmr


def area_under_curve(same: Distances, different: Distances) -> float:
    """The probability that a pair of the same person is closer than a pair of different people; ties count half."""
    ordered = np.sort(different)
    closer = len(different) - np.searchsorted(ordered, same, side="right")
    equal = np.searchsorted(ordered, same, side="right") - np.searchsorted(ordered, same, side="left")
    return float((closer.sum() + equal.sum() / 2) / (len(same) * len(different)))


def equal_error_rate(same: Distances, different: Distances) -> float:
    """The rate at which FMR and FNMR are equal, interpolated linearly between the two nearest thresholds.

    At the last point of the curve all pairs match.
    """
    _, fmr, fnmr = roc_curve(same, different)
    fmr, fnmr = np.append(fmr, 1.0), np.append(fnmr, 0.0)
    after = int(np.argmax(fmr >= fnmr))  # never the first point, which has FMR 0 and FNMR 1
    before = after - 1
    gap_before, gap_after = fnmr[before] - fmr[before], fmr[after] - fnmr[after]
    return float(fmr[before] + gap_before / (gap_before + gap_after) * (fmr[after] - fmr[before]))


def fnmr_at(false_match_rate: float, same: Distances, different: Distances) -> tuple[float, float]:
    """The FNMR at the largest threshold whose FMR is at most the one given, and that threshold."""
    thresholds, fmr, fnmr = roc_curve(same, different)
    at = int(np.searchsorted(fmr, false_match_rate, side="right")) - 1
    return float(fnmr[at]), float(thresholds[at])


def best_threshold(distances: Distances, is_same: NDArray[np.bool_]) -> float:
    """The threshold of highest accuracy, halfway to the next distance; the middle one if there are several."""
    same, different = distances[is_same], distances[~is_same]
    thresholds, fmr, fnmr = roc_curve(same, different)
    right = (1 - fnmr) * len(same) + (1 - fmr) * len(different)
    best = np.flatnonzero(right >= right.max() - 1e-9)
    at = int(best[len(best) // 2])
    above = thresholds[at + 1] if at + 1 < len(thresholds) else thresholds[at]
    return float((thresholds[at] + above) / 2) if at else float(thresholds[at])


def fold_accuracy(distances: Distances, is_same: NDArray[np.bool_], fold: NDArray[np.int_]) -> FoldAccuracy:
    """The accuracy of each fold at the best threshold of the others; NaN where there are too few folds."""
    folds = []
    for number in np.unique(fold):
        here = fold == number
        threshold = best_threshold(distances[~here], is_same[~here])
        folds.append(float(((distances[here] <= threshold) == is_same[here]).mean()))
    error = float(np.std(folds, ddof=1) / np.sqrt(len(folds))) if len(folds) > 1 else float("nan")
    return FoldAccuracy(float(np.mean(folds)) if folds else float("nan"), error, tuple(folds))


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval for a share of independent trials (Wilson's score interval)."""
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * np.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def bootstrap_interval(
    figure: Callable[[Distances, Distances], float], same: Distances, different: Distances, seed: int = 0
) -> tuple[float, float]:
    """The 95 % bootstrap interval for a statistic of pairs: percentiles over resampled pairs.

    It assumes independent pairs; pairs that share a person are not independent, so the true interval is wider.
    """
    random = np.random.default_rng(seed)
    figures = [
        figure(random.choice(same, len(same)), random.choice(different, len(different))) for _ in range(RESAMPLES)
    ]  # fmt: skip
    low, high = np.percentile(figures, (2.5, 97.5))
    return float(low), float(high)
