"""Labeled Faces in the Wild: are two photos of one person?  6,000 pairs in ten folds (View 2); View 1 is for development.

    FOLDER/pairs.txt, pairsDevTrain.txt, pairsDevTest.txt
    FOLDER/images_deepfunneled/NAME/NAME_0001.jpg     (or images/, lfw_funneled/, lfw/, lfw-deepfunneled/)

Source: Huang, Ramesh, Berg, Learned-Miller, Labeled Faces in the Wild (2007), and Huang and Learned-Miller's update on the
protocol "unrestricted, labeled outside data" (2014).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfaceapi.errors import InvalidArgument
from npfaceapi.evaluation.kept_results import Progress
from npfaceapi.evaluation.people import Describe, DescribedPhotos
from npfaceapi.evaluation.verification import (
    area_under_curve,
    best_threshold,
    bootstrap_interval,
    equal_error_rate,
    fnmr_at,
    fold_accuracy,
)

__all__ = ["Pairs", "evaluate_lfw", "figures_of_pairs", "read_pairs", "submitted_roc"]

FOLDERS = ("images_deepfunneled", "lfw-deepfunneled", "lfw_funneled", "images", "lfw")
FALSE_MATCH_RATES = (1e-2, 1e-3)


class Pairs(NamedTuple):
    """Pairs of photos, whether each pair is of one person, and its fold."""

    photos: list[tuple[str, str]]
    is_same: NDArray[np.bool_]
    fold: NDArray[np.int_]


def photos_folder(folder: Path) -> Path:
    for name in FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    raise InvalidArgument(f"{folder}: expected the photos of LFW in a folder {', '.join(FOLDERS)}, got none of them")


def read_pairs(file: Path, photos: Path) -> Pairs:
    """Read a file of pairs.

    Its first line is the number of folds (not in View 1) and of pairs of each kind in a fold.  Then each fold has the pairs of
    the same person, followed by those of different people.

    Raises
    ------
    InvalidArgument
        If a line is not a pair, or names a photo that is missing.
    """
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{file}: expected the pairs of LFW, got: {getattr(error, 'strerror', None) or error}") from None
    head = lines[0].split()
    rows = [(number, line.split()) for number, line in enumerate(lines[1:], 2) if line.strip()]
    if len(head) not in (1, 2) or not all(part.isdecimal() for part in head):
        raise InvalidArgument(f"{file}: expected the number of folds and of pairs in the first line, got {lines[0]!r}")
    folds, count = (1, int(head[0])) if len(head) == 1 else (int(head[0]), int(head[1]))
    if len(rows) != 2 * folds * count:
        raise InvalidArgument(f"{file}: expected {2 * folds * count} pairs, as its first line says, got {len(rows)}")
    pairs, is_same, fold = [], [], []
    for place, (number, row) in enumerate(rows):
        same = place // count % 2 == 0
        if len(row) != (3 if same else 4):
            raise InvalidArgument(
                f"{file}, line {number}: expected {'NAME N N' if same else 'NAME N NAME N'}, got {' '.join(row)!r}"
            )
        line_of_file = f"{file}, line {number}"
        other = (row[0], row[2]) if same else (row[2], row[3])
        pairs.append((_photo(photos, row[0], row[1], line_of_file), _photo(photos, *other, line_of_file)))
        is_same.append(same)
        fold.append(place // (2 * count))
    return Pairs(pairs, np.array(is_same), np.array(fold))


def _photo(photos: Path, name: str, number: str, line_of_file: str) -> str:
    path = photos / name / f"{name}_{number.zfill(4)}.jpg"
    if not number.isdecimal() or not path.is_file():
        raise InvalidArgument(f"{line_of_file}: expected an existing photo, got {path}")
    return str(path)


def evaluate_lfw(
    folder: Path,
    describe: Describe,
    view: int = 2,
    cache: Path | None = None,
    progress: Progress = lambda *_: None,
) -> tuple[dict[str, Any], Pairs, DescribedPhotos]:
    """The figures of a view of LFW, with their pairs and photos."""
    photos = photos_folder(folder)
    if view == 2:
        pairs = read_pairs(folder / "pairs.txt", photos)
    else:  # View 1: its two files are two folds
        train, test = (read_pairs(folder / name, photos) for name in ("pairsDevTrain.txt", "pairsDevTest.txt"))
        pairs = Pairs(
            train.photos + test.photos,
            np.concatenate([train.is_same, test.is_same]),
            np.concatenate([train.fold, test.fold + 1]),
        )
    names = sorted({photo for pair in pairs.photos for photo in pair})
    described = describe.photos(names, cache, progress)
    return figures_of_pairs(pairs, described), pairs, described


def figures_of_pairs(pairs: Pairs, described: DescribedPhotos) -> dict[str, Any]:
    """Accuracy, AUC, EER and FNMR of pairs; `accuracy_found` counts only pairs with a face in both photos."""
    distances = described.distances(pairs.photos)
    found = np.isfinite(distances)
    same, different = distances[pairs.is_same], distances[~pairs.is_same]
    accuracy = fold_accuracy(distances, pairs.is_same, pairs.fold)
    of_found = fold_accuracy(distances[found], pairs.is_same[found], pairs.fold[found])
    return {
        "accuracy": accuracy.accuracy,
        "accuracy_standard_error": accuracy.standard_error,
        "accuracy_of_folds": list(accuracy.folds),
        "accuracy_found": of_found.accuracy,
        "accuracy_found_standard_error": of_found.standard_error,
        "threshold": best_threshold(distances, pairs.is_same),
        "auc": area_under_curve(same, different),
        "eer": equal_error_rate(same, different),
        "fnmr": [_fnmr(rate, same, different) for rate in FALSE_MATCH_RATES if rate * len(different) >= 1],
        "pairs": len(distances),
        "pairs_found": int(found.sum()),
        **described.counts(),
    }


def _fnmr(rate: float, same: NDArray[np.float64], different: NDArray[np.float64]) -> dict[str, Any]:
    fnmr, threshold = fnmr_at(rate, same, different)
    interval = bootstrap_interval(lambda s, d: fnmr_at(rate, s, d)[0], same, different)
    return {"fmr": rate, "fnmr": fnmr, "interval": interval, "threshold": threshold}


def submitted_roc(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The ROC curve that dlib's author submitted to LFW (false, then true match rates), if its file is present."""
    file = folder / "roc-files" / "dlib_LFW_roc_curve.txt"
    try:
        rows = np.loadtxt(file, ndmin=2)
    except (OSError, ValueError):
        return None
    return (rows[:, 1], rows[:, 0]) if rows.shape[1:] == (2,) else None
