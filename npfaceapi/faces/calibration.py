"""The meaning of a distance between descriptors: how often different people are as close, and how often one person is not.

This is measured on photos of known people.  Each pair of photos, of the same person or of two, is a trial.  Pairs that share a
person are dependent, so intervals come from a jackknife over groups of people, not from the number of pairs.

The probability that two faces are of the same person comes from a logistic regression on the distance, as usual for scores of
recognizers (Brümmer, du Preez, Application-independent evaluation of speaker detection, 2006).
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.faces.points import is_number
from npfaceapi.reading.files import open_regular, read_up_to, reason_of
from npfaceapi.reading.json_text import read_json

__all__ = ["Calibration", "Estimate"]

Z = 1.959963984540054  # quantile of the normal distribution, for 95 % intervals
FEWEST = 10  # a rate needs at least this many pairs
MOST_BYTES = 1 << 20
LARGEST = 1000  # distance that is accepted; those between two photos are below 2
WANTED = "Calibration: expected what to_json writes, got "
BUNDLED = Path(__file__).with_name("calibration.json")


class Estimate(NamedTuple):
    """An estimate with its 95 % confidence interval.

    Examples
    --------
    >>> Estimate(0.01, 0.005, 0.02).high
    0.02
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """The meaning of distances, measured on pairs of photos.

    Parameters
    ----------
    source : str
        The photos, and the date of the measurement.
    alignment, average_mirror
        How the descriptors were computed, as for `with_face_descriptors`; the calibration holds only for these.
    people, photos : int
        How many people and photos were compared.
    distances : sequence of float
        Ascending.
    same, different : int
        The number of pairs of photos of the same person, and of different people.
    same_within, different_within : sequence of int
        How many of these pairs lie within each of the distances.
    same_error, different_error : sequence of float
        The standard error of the log of each share: of `same` pairs beyond a distance, of `different` pairs within it.
    logistic : (float, float)
        a, b: the log-odds of "same person" at distance d are a - b d if both were equally likely before.
    logistic_covariance : (float, float, float)
        The variances of a and b, and their covariance.

    Examples
    --------
    >>> calibration = Calibration.bundled()
    >>> calibration.false_match_rate(0.6).value < calibration.false_match_rate(0.7).value
    True
    """

    source: str
    alignment: str
    average_mirror: bool
    people: int
    photos: int
    distances: tuple[float, ...]
    same: int
    different: int
    same_within: tuple[int, ...]
    different_within: tuple[int, ...]
    same_error: tuple[float, ...]
    different_error: tuple[float, ...]
    logistic: tuple[float, float]
    logistic_covariance: tuple[float, float, float]

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise InvalidArgument(f"{WANTED}{error}") from None

    @classmethod
    def bundled(cls, alignment: str = "face-api", average_mirror: bool = False) -> Calibration:
        """The bundled calibration for descriptors of that kind, measured on Labeled Faces in the Wild."""
        if isinstance(alignment, str) and isinstance(average_mirror, bool):
            for calibration in _bundled():
                if (calibration.alignment, calibration.average_mirror) == (alignment, average_mirror):
                    return calibration
        raise InvalidArgument(
            f"Calibration.bundled: expected an alignment out of {', '.join(ALIGNMENTS)}, and average_mirror True or False, "
            f"got {shown(alignment)}, {shown(average_mirror)}"
        )

    def false_match_rate(self, distance: float) -> Estimate:
        """The share of pairs of different people within a distance.

        Raises
        ------
        InvalidArgument
            If fewer than ten pairs are that close; the photos then give no estimate.
        """
        return self._rate("false_match_rate", distance, self._false_matches())

    def miss_rate(self, distance: float) -> Estimate:
        """The share of pairs of the same person beyond a distance; errors as for `false_match_rate`."""
        return self._rate("miss_rate", distance, self._misses())

    def probability_same(self, distance: float, prior: float = 0.5) -> Estimate:
        """The probability that two faces at a distance are of the same person.

        Parameters
        ----------
        distance : float
            The distance between their descriptors.
        prior : float
            The probability before the comparison, between 0 and 1: 0.5 for an even chance, 1/1000 for one of a thousand people.
        """
        distance = _number("probability_same", distance, "a distance", 0, LARGEST)
        prior = _number("probability_same", prior, "a prior", 0, 1)
        if not 0 < prior < 1:
            raise InvalidArgument(f"probability_same: expected a prior between 0 and 1, got {prior:g}")
        (a, b), (var_a, var_b, covariance) = self.logistic, self.logistic_covariance
        odds = a - b * distance + math.log(prior / (1 - prior))
        half = Z * math.sqrt(max(0.0, var_a - 2 * distance * covariance + distance**2 * var_b))
        return Estimate(*(1 / (1 + math.exp(-min(700.0, max(-700.0, x)))) for x in (odds, odds - half, odds + half)))

    def threshold(self, false_match_rate: float = 1e-3, gallery: int = 1) -> Estimate:
        """The largest distance at which false matches stay below a rate.

        Parameters
        ----------
        false_match_rate : float
            The share of strangers that may be matched to a known person.
        gallery : int
            How many people a face is compared with; the rate per comparison is divided by it.

        Raises
        ------
        InvalidArgument
            If the photos give no estimate for this rate.
        """
        rate = _number("threshold", false_match_rate, "a rate", 0, 1)
        if isinstance(gallery, bool) or not isinstance(gallery, (int, np.integer)) or gallery < 1:
            raise InvalidArgument(f"threshold: expected a gallery of at least one person, got {shown(gallery)}")
        wanted = rate / int(gallery)
        d, log_rate, error = self._false_matches()
        if not len(d) or not math.exp(log_rate[0]) <= wanted <= math.exp(log_rate[-1]):
            known = f"from {math.exp(log_rate[0]):.1e} to {math.exp(log_rate[-1]):.1e}" if len(d) else "none"
            raise InvalidArgument(
                f"threshold: expected a rate that can be estimated from {self.different:,} pairs of different people ({known}),"
                f" got {wanted:.1e} per comparison"
            )
        bounds = (np.maximum.accumulate(log_rate + sign * Z * error) for sign in (0, 1, -1))
        return Estimate(*(float(np.interp(math.log(wanted), bound, d)) for bound in bounds))

    def _false_matches(self) -> tuple[NDArray[np.float64], ...]:
        return _told(self.distances, self.different_within, self.different, self.different_error)

    def _misses(self) -> tuple[NDArray[np.float64], ...]:
        beyond = [self.same - count for count in self.same_within]
        return _told(self.distances, beyond, self.same, self.same_error)

    def _rate(self, name: str, distance: float, curve: tuple[NDArray[np.float64], ...]) -> Estimate:
        distance = _number(name, distance, "a distance", 0, LARGEST)
        d, log_rate, error = curve
        if not len(d) or not d[0] <= distance <= d[-1]:
            known = f"from {d[0]:g} to {d[-1]:g}" if len(d) else "none"
            raise InvalidArgument(f"{name}: expected a distance that the photos give an estimate for ({known}), got {distance:g}")
        value, half = float(np.interp(distance, d, log_rate)), Z * float(np.interp(distance, d, error))
        return Estimate(*(min(1.0, math.exp(x)) for x in (value, value - half, value + half)))

    def to_json(self) -> str:
        """The calibration as JSON text, which `from_json` reads."""
        return json.dumps({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidArgument
            If the text is anything else.
        """
        if not isinstance(text, (str, bytes)):
            raise InvalidType(f"Calibration.from_json: expected a text, got {type(text).__name__}")
        try:
            return cls._of(read_json(text))
        except InvalidArgument:
            raise
        except ValueError as error:
            raise InvalidArgument(f"{WANTED}{error}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read a file that `npfaceapi calibrate` wrote."""
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidType(f"Calibration.load: expected a path, got {type(path).__name__}")
        try:
            with open_regular(path) as file:
                data = read_up_to(file, MOST_BYTES)
        except (OSError, ValueError) as error:
            raise InvalidArgument(f"{os.fspath(path)}: expected a calibration, got: {reason_of(error)}") from None
        try:
            return cls._of(read_json(data))
        except ValueError as error:
            raise InvalidArgument(f"{os.fspath(path)}: expected a calibration, got {str(error).removeprefix(WANTED)}") from None

    @classmethod
    def _of(cls, value: Any) -> Calibration:
        names = [field.name for field in fields(cls)]
        if not isinstance(value, dict) or set(value) != set(names):
            raise ValueError(f"an object without {', '.join(names)} and nothing else")
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
        return cls(**values)

    def _check(self) -> None:
        lists = (self.distances, self.same_within, self.different_within, self.same_error, self.different_error)
        numbers = [*lists, self.logistic, self.logistic_covariance, (self.people, self.photos, self.same, self.different)]
        if not all(isinstance(row, tuple) and all(type(n) in (int, float) and math.isfinite(n) for n in row) for row in numbers):
            raise ValueError("values that are not finite numbers")
        if len({len(row) for row in lists}) != 1 or (len(self.logistic), len(self.logistic_covariance)) != (2, 3):
            raise ValueError("lists of unequal lengths")
        for within, of in ((self.same_within, self.same), (self.different_within, self.different)):
            if list(within) != sorted(within) or not all(0 <= n <= of for n in within):
                raise ValueError("counts that do not rise to the number of pairs")
        if list(self.distances) != sorted(set(self.distances)) or min((*self.same_error, *self.different_error), default=0) < 0:
            raise ValueError("distances that do not rise, or errors below 0")
        if (
            type(self.alignment) is not str
            or self.alignment not in ALIGNMENTS
            or type(self.average_mirror) is not bool
            or type(self.source) is not str
        ):
            raise ValueError("an unknown kind of descriptors")


def _told(
    distances: Sequence[float], counts: Sequence[int], of: int, errors: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The distances with enough pairs, the logarithm of the share at each, and its standard error."""
    count = np.array(counts, np.float64)
    enough = count >= FEWEST
    return np.array(distances)[enough], np.log(count[enough] / max(1, of)), np.array(errors)[enough]


def _number(where: str, value: float, what: str, low: float, high: float) -> float:
    if not is_number(value) or not low <= value <= high:
        raise InvalidArgument(f"{where}: expected {what} from {low:g} to {high:g}, got {shown(value)}")
    return float(value)


@functools.cache
def _bundled() -> tuple[Calibration, ...]:
    return tuple(Calibration._of(value) for value in read_json(BUNDLED.read_bytes()))
