"""Figures of distances: by hand, and against scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from npfaceapi.evaluation.verification import (
    area_under_curve,
    best_threshold,
    bootstrap_interval,
    equal_error_rate,
    fnmr_at,
    fold_accuracy,
    roc_curve,
    wilson_interval,
)

SAME, DIFFERENT = np.array([0.1, 0.2, 0.3, 0.7]), np.array([0.3, 0.6, 0.8, 0.9])


def random_pairs(seed, count=400):
    """Distances with ties, and some infinite ones."""
    rng = np.random.default_rng(seed)
    same, different = (np.round(rng.normal(mean, 0.15, count).clip(0), 2) for mean in (0.4, 0.7))
    same[: count // 20], different[: count // 10] = np.inf, np.inf
    return same, different


def test_the_curve_by_hand():
    thresholds, fmr, fnmr = roc_curve(SAME, DIFFERENT)
    assert thresholds.tolist() == [-math.inf, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9]
    assert fmr.tolist() == [0, 0, 0, 0.25, 0.5, 0.5, 0.75, 1]
    assert fnmr.tolist() == [1, 0.75, 0.5, 0.25, 0.25, 0, 0, 0]


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_that_of_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    same, different = random_pairs(seed)
    is_same, distance = np.repeat([True, False], len(same)), np.concatenate([same, different])
    scores = -np.where(np.isinf(distance), 1000, distance)
    false, true, at = metrics.roc_curve(is_same, scores, drop_intermediate=False)
    thresholds, fmr, fnmr = roc_curve(same, different)
    np.testing.assert_array_equal(thresholds[1:], -at[1:-1])  # theirs ends with the pairs at infinite distance
    np.testing.assert_allclose(fmr, false[:-1], atol=1e-12)
    np.testing.assert_allclose(1 - fnmr, true[:-1], atol=1e-12)
    assert area_under_curve(same, different) == pytest.approx(metrics.roc_auc_score(is_same, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_equal_error_rate_lies_where_the_curve_crosses_the_diagonal(seed):
    optimize = pytest.importorskip("scipy.optimize")
    same, different = random_pairs(seed)
    _, fmr, fnmr = roc_curve(same, different)
    x, gap = np.arange(len(fmr)), fmr - fnmr
    at = optimize.brentq(lambda t: np.interp(t, x, gap), 0, len(x) - 1)
    assert equal_error_rate(same, different) == pytest.approx(np.interp(at, x, fmr), abs=1e-9)


def test_the_equal_error_rate_by_hand():
    assert equal_error_rate(SAME, DIFFERENT) == 0.25
    assert equal_error_rate(np.array([0.1]), np.array([0.2])) == 0
    assert equal_error_rate(np.array([0.2]), np.array([0.1])) == 1
    assert equal_error_rate(np.array([np.inf, 0.1]), np.array([np.inf, np.inf])) == pytest.approx(1 / 3)  # (0, 1/2) to (1, 0)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0, (0.5, 0.2)), (0.2499, (0.5, 0.2)), (0.25, (0.25, 0.3)), (0.5, (0.0, 0.7)), (1, (0.0, 0.9)),
    ],
)  # fmt: skip
def test_misses_at_a_rate_of_false_matches(rate, expected):
    """A rate that a threshold reaches exactly."""
    assert fnmr_at(rate, SAME, DIFFERENT) == expected


def test_exact_rates_of_many_pairs():
    different = np.arange(3000) / 3000 + 0.5
    for rate, count in ((1e-2, 30), (1e-3, 3)):
        assert fnmr_at(rate, SAME, different)[1] == different[count - 1]


def test_no_threshold_has_so_low_a_rate():
    assert fnmr_at(0.5, np.array([0.2]), np.array([0.1])) == (1.0, -math.inf)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_threshold_is_as_good_as_any(seed):
    same, different = random_pairs(seed, 60)
    distances, is_same = np.concatenate([same, different]), np.repeat([True, False], 60)

    def right(threshold):
        return ((distances <= threshold) == is_same).sum()

    assert right(best_threshold(distances, is_same)) == max(right(t) for t in np.append(np.arange(0, 2, 0.005), -1))


def test_the_best_threshold_lies_between_two_distances():
    assert best_threshold(np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False])) == 0.5
    assert best_threshold(np.array([0.1, 0.2]), np.array([True, True])) == 0.2
    assert best_threshold(np.array([0.1, 0.2]), np.array([False, False])) == -math.inf
    assert best_threshold(np.array([np.inf, np.inf]), np.array([True, False])) == -math.inf


def test_each_fold_is_judged_at_the_best_threshold_of_the_others():
    """The second fold has a same pair at 0.6, which the threshold (0.3 + 0.5) / 2 misses."""
    distances = np.array([0.2, 0.3, 0.5, 0.7, 0.1, 0.6, 0.65, 0.9])
    is_same = np.array([True, True, False, False] * 2)
    accuracy, error, folds = fold_accuracy(distances, is_same, np.repeat([1, 2], 4))
    assert folds == (0.75, 0.75)  # at 0.625 the first takes 0.5 for the same
    assert (accuracy, error) == (0.75, 0)
    assert math.isnan(fold_accuracy(distances, is_same, np.zeros(8, int)).standard_error)


def test_pairs_without_a_face_are_right_if_they_differ():
    distances, fold = np.array([0.1, np.inf, 0.9, np.inf] * 2), np.repeat([1, 2], 4)
    assert fold_accuracy(distances, np.array([True, True, False, False] * 2), fold).accuracy == 0.75


@pytest.mark.parametrize(("count", "of"), [(0, 10), (1, 10), (37, 1000), (10, 10)])
def test_wilsons_interval_is_scipys(count, of):
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(count, of).proportion_ci(method="wilson")
    assert wilson_interval(count, of) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilsons_interval_of_nothing():
    assert wilson_interval(0, 0) == (0, 1)


def test_the_bootstrap_is_about_the_binomial_and_gives_the_same_again():
    same, different = np.repeat([0.1, 0.9], (900, 100)), np.full(1000, 0.5)
    low, high = bootstrap_interval(lambda s, d: float((s > 0.5).mean()), same, different)
    assert (low, high) == pytest.approx((0.1 - 1.96 * 0.0095, 0.1 + 1.96 * 0.0095), abs=0.003)
    assert bootstrap_interval(lambda s, d: float((s > 0.5).mean()), same, different) == (low, high)
