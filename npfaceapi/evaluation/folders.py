"""A folder with a subfolder of photos per person: verification of all pairs, and identification.

Closed set: each photo is compared with all others; the nearest should be of the same person (rank 1).
Open set: one photo of each of half of the people is enrolled.  Their other photos should match them, or it is a
false negative identification (rate FNIR).  Photos of the other half should match nobody, or it is a false positive one (FPIR).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument
from npfaceapi.evaluation.kept_results import Progress
from npfaceapi.evaluation.people import Describe
from npfaceapi.evaluation.verification import area_under_curve, equal_error_rate, fnmr_at, wilson_interval
from npfaceapi.photos.folders import find_photos

__all__ = ["People", "confused_pairs", "evaluate_folders", "figures_of_people", "people_of"]

RATES = (1e-2, 1e-3)
FPIR = (0.1, 0.01)
CONFUSED = 12  # pairs that are shown
MOST = 4000  # photos: all pairwise distances are held in memory


class People(NamedTuple):
    """Photos with a face, the person in each, and all pairwise distances."""

    photos: list[str]
    person: NDArray[np.int_]
    distances: NDArray[np.float64]

    def pairs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The distances of all pairs of the same person, and of different people."""
        rows = [(row[:i], self.person[:i] == self.person[i]) for i, row in enumerate(self.distances)]
        return np.concatenate([row[same] for row, same in rows]), np.concatenate([row[~same] for row, same in rows])


def people_of(folder: Path) -> dict[str, list[str]]:
    """The photos of each subfolder, by the subfolder's name.

    Raises
    ------
    InvalidArgument
        If there are fewer than two people, or no person has two photos.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"{folder}: expected a folder with a subfolder for each person, got no folder")
    found = {path.name: find_photos(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    for photos in found.values():
        if photos.problems:
            raise InvalidArgument(photos.problems[0])
    with_photos = [photos.files for photos in found.values() if photos.files]
    if len(with_photos) < 2 or max(map(len, with_photos)) < 2:
        raise InvalidArgument(
            f"{folder}: expected two people or more, one of them with two photos, got {len(with_photos)} subfolders with photos"
        )
    return {name: photos.files for name, photos in found.items()}


def evaluate_folders(
    folder: Path, describe: Describe, cache: Path | None = None, progress: Progress = lambda *_: None
) -> tuple[dict[str, Any], People]:
    """The figures of a folder of people."""
    named = people_of(folder)
    described = describe.photos([photo for photos in named.values() for photo in photos], cache, progress)
    found = [(photo, name) for name, photos in named.items() for photo in photos if photo in described.descriptors]
    names = sorted({name for _, name in found})
    if not found or len(found) == len(names):
        raise InvalidArgument(f"{folder}: expected two photos with a face of one person, got none")
    if len(found) > MOST:
        raise InvalidArgument(
            f"{folder}: expected at most {MOST:,} photos with a face, got {len(found):,}: take some of the people"
        )
    x = np.array([described.descriptors[photo] for photo, _ in found], np.float64)
    distances = np.stack([np.linalg.norm(x - row, axis=1) for row in x])
    number = {name: k for k, name in enumerate(names)}
    people = People([photo for photo, _ in found], np.array([number[name] for _, name in found]), distances)
    figures = {
        **figures_of_people(people),
        "people": len(named),
        "people_without_photo": sum(not photos for photos in named.values()),
        "people_with_one_photo": sum(len(photos) == 1 for photos in named.values()),
        "people_without_face": sum(bool(photos) for photos in named.values()) - len(names),
        **described.counts(),
    }
    return figures, people


def figures_of_people(people: People) -> dict[str, Any]:
    """Verification, closed-set and open-set identification on the photos with a face."""
    d, person = people.distances, people.person
    same, different = people.pairs()
    figures: dict[str, Any] = {"pairs_same": len(same), "pairs_different": len(different)}
    if len(same) and len(different):
        figures |= {"auc": area_under_curve(same, different), "eer": equal_error_rate(same, different)}
        figures["fnmr"] = [
            {"fmr": rate, "fnmr": fnmr, "threshold": threshold}
            for rate in RATES
            if len(different) * rate >= 1
            for fnmr, threshold in [fnmr_at(rate, same, different)]
        ]
    figures["rank_1"] = _closed_set(d, person)
    figures["open_set"] = _open_set(d, person)
    return figures


def _closed_set(d: NDArray[np.float64], person: NDArray[np.int_]) -> dict[str, Any]:
    counts = np.bincount(person)
    probes = np.flatnonzero(counts[person] > 1)
    others = d + np.where(np.eye(len(d), dtype=bool), np.inf, 0)
    right = int((person[others[probes].argmin(axis=1)] == person[probes]).sum()) if len(probes) else 0
    return {
        "probes": len(probes),
        "right": right,
        "share": right / max(1, len(probes)),
        "interval": wilson_interval(right, len(probes)),
    }


def _open_set(d: NDArray[np.float64], person: NDArray[np.int_]) -> list[dict[str, Any]]:
    enrolled = np.array([np.flatnonzero(person == p)[0] for p in range(0, person.max() + 1, 2)])
    known = person % 2 == 0
    mated = np.setdiff1d(np.flatnonzero(known), enrolled)
    strangers = np.flatnonzero(~known)
    if not len(mated) or not len(strangers):
        return []
    of_strangers = np.sort(d[np.ix_(strangers, enrolled)].min(axis=1))
    nearest = d[np.ix_(mated, enrolled)]
    is_right = person[enrolled[nearest.argmin(axis=1)]] == person[mated]
    results = []
    for rate in FPIR:
        allowed = math.floor(rate * len(strangers) * (1 + 1e-12))  # 0.01 x 300 is 3
        if not allowed:
            continue  # too few photos
        # the largest threshold with that many matches: just below the distance of the next unknown person
        threshold = float(np.nextafter(of_strangers[allowed], -np.inf))
        missed = len(mated) - int((is_right & (nearest.min(axis=1) <= threshold)).sum())
        results.append(
            {
                "fpir": rate, "fnir": missed / len(mated), "interval": wilson_interval(missed, len(mated)),
                "threshold": threshold,
                "enrolled": len(enrolled), "probes": len(mated), "strangers": len(strangers),
            }
        )  # fmt: skip
    return results


def confused_pairs(people: People) -> list[tuple[str, str, float]]:
    """The nearest photos of different people, and their distances."""
    d, person = people.distances, people.person
    different = np.where(person[:, np.newaxis] < person, d, np.inf).ravel()
    nearest = np.argsort(different, kind="stable")[:CONFUSED]
    places = [divmod(int(k), len(d)) for k in nearest if different[k] < np.inf]
    return [(people.photos[i], people.photos[j], float(d[i, j])) for i, j in places]
