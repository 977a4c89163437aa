"""Accuracy of age, gender and expression on pictures of one face with known labels.

utkface      FOLDER/AGE_GENDER_RACE_TIME.jpg[.chip.jpg]     0 is male, 1 female
expressions  FOLDER/CLASS/*                                 angry, disgusted, fearful, happy, neutral, sad, surprised
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfaceapi import nets
from npfaceapi.errors import ImageError, InvalidArgument
from npfaceapi.evaluation.kept_results import Progress, kept_results
from npfaceapi.evaluation.people import nearest_to_the_middle
from npfaceapi.evaluation.verification import wilson_interval
from npfaceapi.faces.results import FACE_EXPRESSION_LABELS
from npfaceapi.networks.options import FaceDetectionOptions
from npfaceapi.photos.folders import find_photos
from npfaceapi.photos.loading import load_image
from npfaceapi.tasks import detect_all_faces

__all__ = ["evaluate_expressions", "evaluate_utkface", "expected_calibration_error", "figures_of_ages", "figures_of_expressions"]

#: The age bands of face-api.js's README.
BANDS = ((0, 3), (4, 8), (9, 18), (19, 28), (29, 40), (41, 60), (61, 80), (81, 200))
NAME = re.compile(r"(\d{1,3})_([01])_.*")  # some names lack the race
#: Names of the classes in well-known data sets, besides the network's own.
ALSO = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
BINS = 15  # for the expected calibration error


@dataclasses.dataclass(frozen=True)
class Classify:
    """Runs a network on a picture.

    Parameters
    ----------
    what : "age_and_gender" or "expressions"
    options : of a detector, or None
        None: the whole picture is the face.  Else the detected face nearest to the centre counts, aligned as in the chains.
    """

    what: str
    options: FaceDetectionOptions | None = None

    def __call__(self, path: str) -> dict[str, Any]:
        """The stored result for a picture; the object is pickled for the workers."""
        try:
            image = load_image(path)
        except ImageError as error:
            return {"error": str(error)}
        if self.options is None:
            if self.what == "expressions":
                return dict(nets.face_expression_net.predict_expressions(image))
            said = nets.age_gender_net.predict_age_and_gender(image)
            return {"age": said.age, "gender": str(said.gender), "probability": said.gender_probability}
        task = detect_all_faces(image, self.options).with_face_landmarks()
        task = task.with_face_expressions() if self.what == "expressions" else task.with_age_and_gender()
        face = nearest_to_the_middle(task.run(), image.shape[1], image.shape[0])
        if face is None:
            return {}
        if self.what == "expressions":
            return dict(face.expressions) if face.expressions else {}
        return {} if face.age is None else {"age": face.age, "gender": str(face.gender), "probability": face.gender_probability}

    def pictures(self, paths: Sequence[str], cache: Path | None, progress: Progress) -> dict[str, dict[str, Any]]:
        """The results for all pictures, on all cores."""
        return kept_results(paths, self, repr(self), cache, progress)


def _said(results: dict[str, dict[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """The pictures with a result, and the counts of the others."""
    unreadable = [result["error"] for result in results.values() if "error" in result]
    without = sum(not result for result in results.values())
    counts = {
        "photos": len(results), "photos_without_face": without, "photos_unreadable": len(unreadable), "unreadable": unreadable,
    }  # fmt: skip
    return [path for path, result in results.items() if result and "error" not in result], counts


def evaluate_utkface(
    folder: Path, options: FaceDetectionOptions | None = None, cache: Path | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Age error and gender accuracy, overall and by age band."""
    files = find_photos(folder).files if folder.is_dir() else []
    known = {file: parts for file in files if (parts := NAME.fullmatch(Path(file).name))}
    if not known:
        raise InvalidArgument(
            f"{folder}: expected photos named AGE_GENDER_RACE_TIME.jpg, got {len(files)} photos with other names"
        )
    results = Classify("age_and_gender", options).pictures(list(known), cache, progress)
    found, counts = _said(results)
    age = np.array([int(known[file][1]) for file in found])
    is_female = np.array([known[file][2] == "1" for file in found], bool)
    said_age = np.array([results[file]["age"] for file in found], np.float64)
    said_female = np.array([results[file]["gender"] == "female" for file in found], bool)
    figures = figures_of_ages(age, is_female, said_age, said_female)
    return {**figures, **counts, "photos_with_other_names": len(files) - len(known)}


def figures_of_ages(
    age: NDArray[np.int_], is_female: NDArray[np.bool_], said_age: NDArray[np.float64], said_female: NDArray[np.bool_]
) -> dict[str, Any]:
    """Mean absolute error and bias in years, and the accuracy of gender; overall and by band."""

    def of(where: NDArray[np.bool_]) -> dict[str, Any]:
        count, right = int(where.sum()), int((said_female == is_female)[where].sum())
        if not count:
            return {"faces": 0}
        error = (said_age - age)[where]
        return {
            "faces": count, "mean_age": float(age[where].mean()),
            "age_mae": float(np.abs(error).mean()), "age_mae_standard_error": float(np.abs(error).std() / np.sqrt(count)),
            "age_bias": float(error.mean()), "gender_accuracy": right / count, "gender_interval": wilson_interval(right, count),
        }  # fmt: skip

    bands = [{"from": low, "to": high, **of((age >= low) & (age <= high))} for low, high in BANDS]
    genders = {name: of(is_female == value) for name, value in (("female", True), ("male", False))}
    return {**of(np.ones(len(age), bool)), "bands": bands, "genders": genders}


def evaluate_expressions(
    folder: Path, options: FaceDetectionOptions | None = None, cache: Path | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Accuracy, confusions and calibration of the probabilities."""
    classes = (
        {path: ALSO.get(path.name.lower(), path.name.lower()) for path in sorted(folder.iterdir()) if path.is_dir()}
        if folder.is_dir()
        else {}
    )
    known = {file: name for path, name in classes.items() if name in FACE_EXPRESSION_LABELS for file in find_photos(path).files}
    empty = [name for name in FACE_EXPRESSION_LABELS if name not in known.values()]
    if not known:
        raise InvalidArgument(
            f"{folder}: expected a subfolder of photos for each of {', '.join(FACE_EXPRESSION_LABELS)}, got none"
        )
    results = Classify("expressions", options).pictures(list(known), cache, progress)
    found, counts = _said(results)
    label = np.array([FACE_EXPRESSION_LABELS.index(known[file]) for file in found], np.int64)
    probabilities = np.array([[results[file][name] for name in FACE_EXPRESSION_LABELS] for file in found])
    probabilities = probabilities.reshape(-1, len(FACE_EXPRESSION_LABELS))
    other = sorted(path.name for path, name in classes.items() if name not in FACE_EXPRESSION_LABELS)
    return {
        **figures_of_expressions(label, probabilities),
        **counts,
        "classes_without_photo": empty,
        "folders_of_no_class": other,
    }


def figures_of_expressions(label: NDArray[np.int_], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """Accuracy, accuracy per class, the confusion matrix [true,predicted], and the expected calibration error."""
    if not len(label):
        return {"faces": 0}
    said = probabilities.argmax(axis=1)
    count = len(FACE_EXPRESSION_LABELS)
    confusion = np.bincount(label * count + said, minlength=count * count).reshape(count, count)
    right = int((said == label).sum())
    of = confusion.sum(axis=1)
    return {
        "faces": len(label), "accuracy": right / len(label), "accuracy_interval": wilson_interval(right, len(label)),
        "mean_recall": float((confusion.diagonal()[of > 0] / of[of > 0]).mean()),
        "recall": {name: float(confusion[i, i] / of[i]) for i, name in enumerate(FACE_EXPRESSION_LABELS) if of[i]},
        "labels": list(FACE_EXPRESSION_LABELS), "confusion": confusion.tolist(),
        "ece": expected_calibration_error(said == label, probabilities.max(axis=1)),
    }  # fmt: skip


def expected_calibration_error(is_right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> float:
    """The mean distance between confidence and accuracy over bins of equal width (Guo et al., 2017)."""
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = [
        abs(float(is_right[bins == b].mean() - confidence[bins == b].mean())) * float((bins == b).mean()) for b in np.unique(bins)
    ]
    return float(sum(gaps))
