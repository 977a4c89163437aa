"""A calibration from descriptors: counts against a loop, the fit against scikit-learn, intervals against resampling."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from npfaceapi.errors import InvalidArgument
from npfaceapi.evaluation.calibrating import BINS, GROUPS, LARGEST, calibrate, pair_histograms
from npfaceapi.faces.calibration import Calibration


def draw(seed, people=60, photos=4, spread=0.025):
    """Descriptors around one centre per person, in four dimensions; distances near 0.4 within and 0.9 between people."""
    rng = np.random.default_rng(seed)
    middles = np.zeros((people, 128))
    middles[:, :4] = rng.normal(0, 0.3, (people, 4))
    person = np.repeat(np.arange(people), photos)
    noise = rng.normal(0, spread, (len(person), 128)) * np.exp(rng.normal(0, 0.3, (len(person), 1)))
    return (middles[person] + noise).astype(np.float32), [f"p{k}" for k in person]


def distances(x, names):
    same, different = [], []
    for i, j in itertools.combinations(range(len(x)), 2):
        (same if names[i] == names[j] else different).append(float(np.linalg.norm(x[i].astype(float) - x[j])))
    return np.array(same), np.array(different)


def test_counts_against_a_loop():
    x, names = draw(0, people=25, photos=3)
    person = np.unique(names, return_inverse=True)[1]
    group = np.arange(25) % GROUPS
    found = pair_histograms(x, person, group)
    expected = np.zeros((2, GROUPS, GROUPS, BINS), np.int64)
    for i, j in itertools.combinations(range(len(x)), 2):
        d = float(np.linalg.norm(x[i].astype(float) - x[j]))
        a, b = sorted((group[person[i]], group[person[j]]))
        expected[int(person[i] != person[j]), a, b, min(int(d * BINS / LARGEST), BINS - 1)] += 1
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert found.different.sum() == 75 * 74 // 2 - 75


def test_rates_are_the_shares_of_pairs():
    x, names = draw(1)
    same, different = distances(x, names)
    calibration = calibrate(x, names, "drawn")
    assert (calibration.people, calibration.photos) == (60, 240)
    assert (calibration.same, calibration.different) == (len(same), len(different))
    for d, within, other in zip(calibration.distances, calibration.same_within, calibration.different_within, strict=True):
        assert (within, other) == ((same < d).sum(), (different < d).sum())
    d = calibration.threshold(0.05).value
    assert (different < d).mean() == pytest.approx(0.05, rel=0.15)
    assert calibration.false_match_rate(d).value == pytest.approx(0.05, rel=1e-6)
    assert calibration.miss_rate(d).value == pytest.approx((same >= d).mean(), rel=0.15)


@pytest.mark.slow
def test_the_probability_is_scikit_learns_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model")
    x, names = draw(2)
    same, different = distances(x, names)
    weight = np.repeat([1 / len(same), 1 / len(different)], (len(same), len(different))) * 1e4
    features, label = np.concatenate([same, different])[:, np.newaxis], np.repeat([1, 0], (len(same), len(different)))
    model = linear.LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(features, label, weight)
    calibration = calibrate(x, names, "drawn")
    for d in (0.3, 0.5, 0.6, 0.8):
        assert calibration.probability_same(d).value == pytest.approx(model.predict_proba([[d]])[0, 1], abs=0.01)


@pytest.mark.slow
def test_intervals_hold_what_other_people_give():
    """Resampled people give a rate inside the interval in most cases; assuming independent pairs gives too narrow intervals."""
    d = 0.6
    made = [calibrate(*draw(seed), "drawn") for seed in range(100, 130)]
    estimates = [calibration.false_match_rate(d) for calibration in made]
    middle = float(np.exp(np.mean(np.log([estimate.value for estimate in estimates]))))
    inside = [estimate.low <= middle <= estimate.high for estimate in estimates]
    assert 24 <= sum(inside) <= 30
    wald = [1.96 * np.sqrt((1 - e.value) / (e.value * c.different)) for c, e in zip(made, estimates, strict=True)]
    naive = [abs(np.log(e.value / middle)) <= half for e, half in zip(estimates, wald, strict=True)]
    assert sum(naive) < sum(inside)


def test_distances_that_do_not_overlap_give_an_answer():
    x, names = draw(3, spread=0.001)
    x[:, :4] *= 4
    calibration = calibrate(x, names, "drawn")
    assert calibration.probability_same(0.02).value > 0.9
    assert calibration.probability_same(1.2).value < 0.01
    with pytest.raises(InvalidArgument, match="expected a distance that the photos give an estimate for"):
        calibration.miss_rate(0.5)


def test_it_is_the_same_whatever_the_order():
    x, names = draw(4)
    order = np.random.default_rng(5).permutation(len(x))
    shuffled = calibrate(x[order], [names[i] for i in order], "drawn")
    assert shuffled == calibrate(x, names, "drawn")
    assert Calibration.from_json(shuffled.to_json()) == shuffled
    assert len(shuffled.to_json()) < 2000


@pytest.mark.parametrize(
    ("people", "photos", "message"), [(19, 3, "got 19 people, 19 of them with two or more"), (40, 1, "got 40 people, 0 of them")]
)
def test_too_few(people, photos, message):
    with pytest.raises(InvalidArgument, match=message):
        calibrate(*draw(0, people=people, photos=photos), "drawn")


def test_bad_arguments():
    x, names = draw(0)
    with pytest.raises(InvalidArgument, match=r"descriptors \[128\], as many as people \(239\), got 240 of lengths \[128\]"):
        calibrate(x, names[1:], "drawn")
    with pytest.raises(InvalidArgument, match="calibrate: expected finite numbers"):
        calibrate(np.where(np.arange(240)[:, np.newaxis] == 3, np.nan, x), names, "drawn")
    with pytest.raises(InvalidArgument, match="calibrate: expected an alignment out of face-api, dlib, got 'other'"):
        calibrate(x, names, "drawn", "other")


@pytest.mark.slow
@pytest.mark.alone
def test_all_pairs_of_as_many_photos_as_lfw_has():
    x, names = draw(0, people=5749, photos=2)
    x, names = np.concatenate([x, x[: 13_233 - len(x)]]), names + names[: 13_233 - len(names)]
    start = time.perf_counter()
    calibration = calibrate(x, names, "drawn")
    assert time.perf_counter() - start < 120
    assert calibration.same + calibration.different == 13_233 * 13_232 // 2
