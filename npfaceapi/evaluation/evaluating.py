"""The protocols by name: figures ready for JSON, and plots."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from npfaceapi import nets
from npfaceapi._version import __version__
from npfaceapi.errors import InvalidArgument, InvalidType, shown
from npfaceapi.evaluation.classified import evaluate_expressions, evaluate_utkface
from npfaceapi.evaluation.folders import confused_pairs, evaluate_folders
from npfaceapi.evaluation.kept_results import Progress
from npfaceapi.evaluation.lfw import evaluate_lfw, submitted_roc
from npfaceapi.evaluation.people import Describe
from npfaceapi.evaluation.pictures import draw_pairs
from npfaceapi.evaluation.plots import check_plots, plot_confusion, plot_distances, plot_lines, plot_roc
from npfaceapi.evaluation.verification import roc_curve
from npfaceapi.evaluation.wider import all_boxes, evaluate_wider
from npfaceapi.faces.alignment import ALIGNMENTS
from npfaceapi.faces.points import as_flag
from npfaceapi.networks.options import FaceDetectionOptions, SsdMobilenetv1Options
from npfaceapi.networks.registry import detector_of

__all__ = ["PROTOCOLS", "Figures", "evaluate"]

Figures = dict[str, Any]
UNIT = (0.0, 1.0)


def evaluate(
    protocol: str,
    folder: str | os.PathLike[str],
    options: FaceDetectionOptions | None = None,
    *,
    alignment: str = "face-api",
    average_mirror: bool = False,
    view: int = 2,
    detect: bool = False,
    plots: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: Progress = lambda *_: None,
) -> Figures:
    """Measure accuracy on a public data set or a folder of known people.

    Photos are distributed over processes, one per processor; a program that calls this must guard its code with
    `if __name__ == "__main__":`.

    Parameters
    ----------
    protocol : {"lfw", "folders", "wider", "utkface", "expressions"}
        `docs/accuracy.md` says what each measures.
    folder : path
        The data set, laid out as in `docs/accuracy.md`.
    options : SsdMobilenetv1Options (default), TinyFaceDetectorOptions, TinyYolov2Options or MtcnnOptions
        The choice of the detector, and its options.  By default wider takes boxes with a score of 0.02 or more, at most 400 per
        photo: the precision-recall curve needs low scores too.
    alignment, average_mirror
        For lfw and folders: how descriptors are made, as in `with_face_descriptors`.
    view : {1, 2}
        For lfw: 1 is for development, 2 for reporting.
    detect : bool
        For utkface and expressions: find the face first, instead of taking the whole picture as the face.
    plots : path, optional
        A folder for plots, as SVG; needs matplotlib.
    cache : path, optional
        A folder for the results of each photo, from which an interrupted run continues.
    progress : callable
        Called with the number of photos done and the number of photos.

    Returns
    -------
    dict
        The figures, as JSON values; None where there are too few photos for a number.

    Raises
    ------
    InvalidArgument
        If the folder does not hold the data set, or an argument is invalid.
    BackendUnavailable
        If plots are wanted and matplotlib is missing.

    Examples
    --------
    >>> import shutil
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = shutil.copy("golden/images/astronaut.png", f"{folder}/41_1_0_20170101.png")
    ...     evaluate("utkface", folder)["photos"]
    1
    """
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise InvalidArgument(f"evaluate: expected a protocol out of {', '.join(PROTOCOLS)}, got {shown(protocol)}")
    if not isinstance(alignment, str) or alignment not in ALIGNMENTS:
        raise InvalidArgument(f"evaluate: expected an alignment out of {', '.join(ALIGNMENTS)}, got {shown(alignment)}")
    if view not in (1, 2):
        raise InvalidArgument(f"evaluate: expected view 1 or 2, got {shown(view)}")
    if options is None:
        options = all_boxes(SsdMobilenetv1Options()) if protocol == "wider" else SsdMobilenetv1Options()
    detector = detector_of(options)
    if detector is None:
        raise InvalidType(f"evaluate: expected the options of a detector, got {shown(options)}")
    if not detector.is_bundled:
        getattr(nets, detector.name).load()  # once, for all processes
    if plots is not None:
        check_plots()
    asked = _Asked(
        Path(folder), options, alignment, as_flag(average_mirror, "evaluate: average_mirror"), int(view),
        as_flag(detect, "evaluate: detect"), None if plots is None else Path(plots), None if cache is None else Path(cache),
        progress,
    )  # fmt: skip
    if not asked.folder.is_dir():
        kind = "a file" if asked.folder.exists() else "no such folder"
        raise InvalidArgument(f"{asked.folder}: expected the folder of a data set, got {kind}")
    figures = {"npfaceapi": __version__, "protocol": protocol, "options": repr(options), **PROTOCOLS[protocol].measure(asked)}
    return cast("Figures", _for_json(figures))


def _for_json(value: object) -> object:
    """Replace tuples by lists, and infinity and NaN by None."""
    if isinstance(value, dict):
        return {key: _for_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_for_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Asked(NamedTuple):
    folder: Path
    options: FaceDetectionOptions
    alignment: str
    average_mirror: bool
    view: int
    detect: bool
    plots: Path | None
    cache: Path | None
    progress: Progress

    @property
    def describe(self) -> Describe:
        return Describe(self.options, self.alignment, self.average_mirror)

    @property
    def kind(self) -> Figures:
        return {"alignment": self.alignment, "average_mirror": self.average_mirror}


class _Protocol(NamedTuple):
    """A protocol: the files of its plots, and the function that measures."""

    plots: tuple[str, ...]
    measure: Callable[[_Asked], Figures]


def _lfw(asked: _Asked) -> Figures:
    figures, pairs, described = evaluate_lfw(asked.folder, asked.describe, asked.view, asked.cache, asked.progress)
    if asked.plots is not None:
        distances = described.distances(pairs.photos)
        same, different = distances[pairs.is_same], distances[~pairs.is_same]
        curves = {"npfaceapi": _roc(same, different)}
        dlib = submitted_roc(asked.folder)
        if dlib is not None:
            curves["dlib, as submitted"] = dlib
        title = f"Labeled Faces in the Wild, View {asked.view}"
        plot_roc(asked.plots / "lfw-roc.svg", curves, title)
        lines = {"face-api.js's threshold": 0.6, "best here": figures["threshold"]}
        plot_distances(asked.plots / "lfw-distances.svg", same, different, lines, title)
    return {"view": asked.view, **asked.kind, **figures}


def _folders(asked: _Asked) -> Figures:
    figures, people = evaluate_folders(asked.folder, asked.describe, asked.cache, asked.progress)
    if asked.plots is not None:
        same, different = people.pairs()
        if len(same) and len(different):
            plot_roc(asked.plots / "folders-roc.svg", {"all pairs": _roc(same, different)}, asked.folder.name)
            draw_pairs(asked.plots / "folders-confused.png", confused_pairs(people))
    return {**asked.kind, **figures}


def _roc(same: NDArray[np.float64], different: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _, fmr, fnmr = roc_curve(same, different)
    return fmr, 1 - fnmr


def _wider(asked: _Asked) -> Figures:
    figures, curves = evaluate_wider(asked.folder, asked.options, asked.cache, asked.progress)
    if asked.plots is not None:
        title = "WIDER FACE, validation"
        path = asked.plots / "wider-precision-recall.svg"
        plot_lines(path, curves, "recall", "precision", title, xlim=UNIT, ylim=UNIT)
        rows = figures["recall_by_height"]
        heights = np.array([row["mean_height"] for row in rows])
        lines = {
            name: (heights, np.array([row[key] for row in rows]))
            for name, key in (("all boxes", "recall"), ("boxes above 0.5", "recall_at_0.5"))
        }
        path = asked.plots / "wider-height.svg"
        plot_lines(path, lines, "height of the face in pixels", "recall", title, xscale="log", ylim=UNIT)
    return figures


def _utkface(asked: _Asked) -> Figures:
    options = asked.options if asked.detect else None
    figures = evaluate_utkface(asked.folder, options, asked.cache, asked.progress)
    bands = [band for band in figures["bands"] if band["faces"]]
    if asked.plots is not None and bands:
        ages = np.array([band["mean_age"] for band in bands])
        lines = {
            name: (ages, np.array([band[key] for band in bands]))
            for name, key in (("mean error", "age_mae"), ("bias", "age_bias"))
        }
        plot_lines(asked.plots / "utkface-ages.svg", lines, "age in years (mean of the band)", "years", "Errors of age, by bands")
    return {"detect": asked.detect, **figures}


def _expressions(asked: _Asked) -> Figures:
    options = asked.options if asked.detect else None
    figures = evaluate_expressions(asked.folder, options, asked.cache, asked.progress)
    if asked.plots is not None and figures["faces"]:
        path = asked.plots / "expressions-confusion.svg"
        plot_confusion(path, np.array(figures["confusion"]), figures["labels"], "Expressions")
    return {"detect": asked.detect, **figures}


#: By name.
PROTOCOLS = {
    "lfw": _Protocol(("lfw-roc.svg", "lfw-distances.svg"), _lfw),
    "folders": _Protocol(("folders-roc.svg", "folders-confused.png"), _folders),
    "wider": _Protocol(("wider-precision-recall.svg", "wider-height.svg"), _wider),
    "utkface": _Protocol(("utkface-ages.svg",), _utkface),
    "expressions": _Protocol(("expressions-confusion.svg",), _expressions),
}
