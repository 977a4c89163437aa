"""Calibrations: values computed by hand, and the errors of what they cannot estimate."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from npfaceapi.errors import InvalidArgument
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.faces.calibration import Calibration, Estimate

SMALL = Calibration(
    "by hand", "face-api", False, 40, 100, (0.2, 0.4, 0.6, 0.8), 1000, 100_000,
    (400, 900, 990, 995), (5, 10, 1000, 50_000), (0.1, 0.1, 0.2, 0.3), (0.5, 0.4, 0.1, 0.05), (12.0, 20.0), (0.04, 0.09, 0.058),
)  # fmt: skip


def test_rates_by_hand():
    assert SMALL.false_match_rate(0.6) == pytest.approx((0.01, 0.01 * math.exp(-0.196), 0.01 * math.exp(0.196)), rel=1e-4)
    assert SMALL.false_match_rate(0.5).value == pytest.approx(1e-3)  # halfway on a logarithmic scale
    assert SMALL.miss_rate(0.2).value == pytest.approx(0.6)
    assert SMALL.miss_rate(0.2).high == pytest.approx(0.6 * math.exp(0.196), rel=1e-4)
    assert SMALL.miss_rate(0.3).value == pytest.approx(math.sqrt(0.6 * 0.1))
    assert SMALL.miss_rate(0.6).value == pytest.approx(0.01)


def test_thresholds_by_hand():
    estimate = SMALL.threshold(1e-3)
    assert estimate.value == pytest.approx(0.5)
    assert estimate.low < estimate.value < estimate.high
    assert SMALL.threshold(0.1, gallery=100) == SMALL.threshold(1e-3)
    for d in (0.45, 0.6, 0.75):
        assert SMALL.threshold(SMALL.false_match_rate(d).value).value == pytest.approx(d)


def test_thresholds_rise_with_the_rate_where_errors_do_not_fall():
    uneven = dataclasses.replace(SMALL, different_error=(0.5, 3.0, 0.1, 4.0))
    for ends in zip(*[uneven.threshold(rate) for rate in np.geomspace(1.1e-4, 0.49, 50)], strict=True):
        assert (np.diff(ends) >= 0).all()
    for low, high in ((uneven.threshold(r).low, uneven.threshold(r).high) for r in (1e-3, 1e-2, 0.1)):
        assert low <= high


def test_probabilities_by_hand():
    assert SMALL.probability_same(0.6).value == pytest.approx(0.5)
    assert SMALL.probability_same(0.5).value == pytest.approx(1 / (1 + math.exp(-2)))
    assert SMALL.probability_same(0.6, prior=1 / 1001).value == pytest.approx(1 / 1001)
    half = 1.959964 * math.sqrt(0.04 - 2 * 0.5 * 0.058 + 0.25 * 0.09)
    expected = [1 / (1 + math.exp(-2 - sign * half)) for sign in (0, -1, 1)]
    assert SMALL.probability_same(0.5) == pytest.approx(expected, rel=1e-6)
    assert SMALL.probability_same(0).value == pytest.approx(1, abs=1e-4)
    assert SMALL.probability_same(1000).value < 1e-100


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda c: c.false_match_rate(0.2),
            r"the photos give an estimate for \(from 0.4 to 0.8\), got 0.2",
        ),  # 5 of 100,000 pairs
        (lambda c: c.false_match_rate(0.9), r"the photos give an estimate for \(from 0.4 to 0.8\), got 0.9"),
        (lambda c: c.miss_rate(0.8), r"the photos give an estimate for \(from 0.2 to 0.6\), got 0.8"),
        (
            lambda c: c.threshold(1e-6),
            r"100,000 pairs of different people \(from 1.0e-04 to 5.0e-01\), got 1.0e-06 p",
        ),
        (lambda c: c.threshold(1e-3, 1000), "got 1.0e-06 per comparison"),
        (lambda c: c.threshold(0), "got 0.0e\\+00 per comparison"),
        (lambda c: c.threshold(0.9), "got 9.0e-01 per comparison"),
        (lambda c: c.threshold(1e-3, 0), "a gallery of at least one person, got 0"),
        (lambda c: c.threshold(1e-3, 1.5), "a gallery of at least one person, got 1.5"),
        (lambda c: c.threshold(2), "a rate from 0 to 1, got 2"),
        (lambda c: c.probability_same(0.5, 0), "a prior between 0 and 1, got 0"),
        (lambda c: c.probability_same(0.5, 1), "a prior between 0 and 1, got 1"),
        (lambda c: c.probability_same(math.inf), "a distance from 0 to 1000, got inf"),
        (lambda c: c.false_match_rate(math.nan), "a distance from 0 to 1000, got nan"),
        (lambda c: c.miss_rate("0.5"), "a distance from 0 to 1000, got '0.5'"),
        (lambda c: c.miss_rate(-1), "a distance from 0 to 1000, got -1"),
    ],
)
def test_rates_that_cannot_be_estimated(ask, message):
    with pytest.raises(InvalidArgument, match=message):
        ask(SMALL)


def test_too_few_pairs_for_any_estimate():
    poor = dataclasses.replace(SMALL, same_within=(1000,) * 4, different_within=(0, 0, 0, 9))
    for ask in (poor.false_match_rate, poor.miss_rate):
        with pytest.raises(InvalidArgument, match=r"the photos give an estimate for \(none\)"):
            ask(0.5)
    with pytest.raises(InvalidArgument, match=r"people \(none\)"):
        poor.threshold(0.1)


# ------------------------------------------------------------------ files


def test_as_text_and_back(tmp_path):
    assert Calibration.from_json(SMALL.to_json()) == SMALL
    (tmp_path / "c.json").write_text(SMALL.to_json())
    assert Calibration.load(tmp_path / "c.json") == SMALL


def changed(**fields):
    return json.dumps({**json.loads(SMALL.to_json()), **fields})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got "),
        ("[]", "an object without source, alignment, "),
        ("{}", "an object without source, alignment, "),
        (changed(more=1), "and nothing else"),
        (changed(distances=[0.2, 0.4, 0.6]), "lists of unequal lengths"),
        (changed(distances=[0.2, 0.4, 0.4, 0.8]), "distances that do not rise"),
        (changed(distances=[0.2, "0.4", 0.6, 0.8]), "values that are not finite numbers"),
        (changed(distances=0.2), "values that are not finite numbers"),
        (changed(same_within=[400, 900, 990, 1001]), "counts that do not rise to the number of pairs"),
        (changed(different_within=[5, 4, 1000, 50_000]), "counts that do not rise to the number of pairs"),
        (changed(same_error=[0.1, 0.1, -0.2, 0.3]), "errors below 0"),
        (changed(logistic=[1.0]), "lists of unequal lengths"),
        (changed(alignment="other"), "an unknown kind of descriptors"),
        (changed(average_mirror=0), "an unknown kind of descriptors"),
        (changed(source=[1]), "an unknown kind of descriptors"),
        (changed(people=True), "values that are not finite numbers"),
        (SMALL.to_json().replace("0.0", "NaN", 1), "got "),
    ],
)
def test_bad_text(text, message, tmp_path):
    with pytest.raises(InvalidArgument, match=f"Calibration: expected what to_json writes, got .*{message}|{message}"):
        Calibration.from_json(text)
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InvalidArgument, match=r"c\.json: expected a calibration, got "):
        Calibration.load(tmp_path / "c.json")


def test_wrong_fields():
    with pytest.raises(InvalidArgument, match="Calibration: expected what to_json writes, got lists of unequal lengths"):
        dataclasses.replace(SMALL, distances=(0.1,))
    with pytest.raises(InvalidArgument, match=r"Calibration.bundled: expected an alignment out of face-api, dlib, .* got array"):
        Calibration.bundled(np.zeros(3))


def test_no_file(tmp_path):
    with pytest.raises(InvalidArgument, match=r"nowhere\.json: expected a calibration, got: No such file"):
        Calibration.load(tmp_path / "nowhere.json")
    with pytest.raises(InvalidArgument, match="expected a calibration, got: "):
        Calibration.load(tmp_path)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("average_mirror", [False, True])
def test_the_bundled_ones(alignment, average_mirror):
    calibration = Calibration.bundled(alignment, average_mirror)
    assert (calibration.alignment, calibration.average_mirror) == (alignment, average_mirror)
    assert "Labeled Faces in the Wild" in calibration.source
    assert calibration.different > 500_000
    assert isinstance(calibration.threshold(1e-3), Estimate)
    assert 0.45 < calibration.threshold(1e-3).value < 0.62
    assert calibration.miss_rate(0.5).value < 0.3
    assert calibration.probability_same(0.3).value > 0.95
    assert calibration.probability_same(0.9).value < 0.05


def test_no_such_kind():
    with pytest.raises(InvalidArgument, match="out of face-api, dlib, and average_mirror True or False, got 'x', 1"):
        Calibration.bundled("x", 1)
