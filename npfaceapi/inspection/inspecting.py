"""`npfaceapi.inspect(photo)`: look inside the networks at work on one photo."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npfaceapi import nets
from npfaceapi.display.markup import Markup, element
from npfaceapi.engines.dispatch import current_backend
from npfaceapi.errors import InvalidArgument
from npfaceapi.faces.results import FaceDetection, FaceResult, Faces
from npfaceapi.inspection.cascade import CascadeTrace, trace_mtcnn
from npfaceapi.inspection.detectors import DetectorTrace, trace_ssd, trace_yolo
from npfaceapi.inspection.faces import report_face
from npfaceapi.inspection.layers import NetworkReport, report_network
from npfaceapi.inspection.report import Report
from npfaceapi.networks.options import MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions, TinyYolov2Options
from npfaceapi.photos.net_input import to_net_input
from npfaceapi.tasks import DetectAllFacesTask, detect_all_faces

__all__ = ["DETECTORS", "FACE_NETWORKS", "Inspection", "inspect"]

Array = np.ndarray[Any, Any]

DETECTORS: dict[str, type[Any]] = {
    "ssd_mobilenetv1": SsdMobilenetv1Options,
    "tiny_face_detector": TinyFaceDetectorOptions,
    "tiny_yolov2": TinyYolov2Options,
    "mtcnn": MtcnnOptions,
}
FACE_NETWORKS = {
    "face_landmark_68_net": "68 landmarks",
    "face_landmark_68_tiny_net": "68 landmarks, the tiny network",
    "face_expression_net": "seven expressions",
    "age_gender_net": "age and gender",
    "face_recognition_net": "the descriptor",
}
USUAL = tuple(name for name in FACE_NETWORKS if name != "face_landmark_68_tiny_net")


@dataclass(frozen=True)
class Inspection(Report):
    """What the networks saw and computed for one photo; `save(path)` writes it as one HTML file, a notebook shows it.

    Attributes
    ----------
    photo : array [H,W,3]
    name : str
        What the photo is called.
    detector : str
        Its name in `npfaceapi.nets`.
    detection : DetectorTrace or CascadeTrace
        The detector at work.
    faces : tuple of FaceReport
        Each face with its results and the crops that the networks saw, best first.
    networks : tuple of NetworkReport
        Each network layer by layer: the detector, and the others at work on the first face.
    backend : str
        What computed the results.
    """

    def to_html(self) -> str:
        """The page: one file that needs nothing else, with pictures inside."""
        from npfaceapi.inspection.page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, completely or not at all; raises InvalidArgument where that cannot be."""
        write_whole(path, self.to_html())

    def _repr_html_(self) -> Markup:
        """The page in a frame of its own, for a notebook."""
        title = f"What the networks see in {self.name}"
        return element("iframe", srcdoc=self.to_html(), title=title, style="width:100%;height:40em;border:1px solid #888888")

    def __repr__(self) -> str:
        count = f"{len(self.faces)} face{'' if len(self.faces) == 1 else 's'}"
        return f"<Inspection of {self.name}: {self.detector}, {count}, layers of {', '.join(n.key for n in self.networks)}>"


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file completely or not at all."""
    target = os.path.abspath(os.fsdecode(path))
    temporary = None
    try:
        if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe; a folder is refused by open
            with open(target, "w", encoding="utf-8") as file:
                file.write(text)
            return
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".", suffix=".html")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidArgument(f"{os.fsdecode(path)}: expected a file to write the report to, got: {reason}") from None


def inspect(photo: Any, options: Any = None, *, net: str | None = None) -> Inspection:
    """Look inside the networks at work on one photo.

    Parameters
    ----------
    photo : photo
        See `npfaceapi.load_image` for what a photo can be.
    options : SsdMobilenetv1Options (default), TinyFaceDetectorOptions, TinyYolov2Options or MtcnnOptions
        Choose the detector.
    net : str, optional
        The name in `npfaceapi.nets` of the one network to show; default: the detector, landmarks, expressions, age and
        gender, and the descriptor.

    Returns
    -------
    Inspection
        `save("report.html")` writes it as a page; its attributes hold the data.

    Raises
    ------
    InvalidArgument
        An unknown network, several photos, or options of another detector than `net`; errors of the photo as usual.

    Examples
    --------
    >>> report = inspect(np.zeros((60, 80, 3), np.uint8), net="tiny_face_detector")
    >>> report
    <Inspection of the photo: tiny_face_detector, 0 faces, layers of tiny_face_detector>
    >>> report.detection.batch.shape
    (1, 416, 416, 3)
    """
    options = _options(options, net)
    net_input = to_net_input(photo)
    if net_input.batch_size != 1:
        raise InvalidArgument(f"inspect: expected one photo, got {net_input.batch_size}")
    (image,) = net_input.image_tensors
    detector = next(name for name, cls in DETECTORS.items() if type(options) is cls)
    chosen = USUAL if net is None else (net,) if net in FACE_NETWORKS else ()
    detection = _trace(detector, image, options)
    # the layers of the detector are the largest: their turn comes before the other networks' weights are in memory
    reports = [] if net in FACE_NETWORKS else _detector_reports(detector, detection)
    faces = tuple(report_face(image, result, chosen) for result in _results(image, options, chosen))
    if faces:
        for name in chosen:
            batch = faces[0].batch_of(name)
            if batch is not None:
                reports.append(report_network(getattr(nets, name), batch, FACE_NETWORKS[name], name))
    return Inspection(image, _name(photo), detector, detection, faces, tuple(reports), current_backend())


def _options(options: Any, net: str | None) -> Any:
    known = (*DETECTORS, *FACE_NETWORKS)
    if net is not None and net not in known:
        raise InvalidArgument(f"inspect: expected net to be one of {', '.join(known)}, got {net!r}")
    if options is None:
        return DETECTORS[net if net in DETECTORS else "ssd_mobilenetv1"]()
    if type(options) not in DETECTORS.values():
        names = ", ".join(cls.__name__ for cls in DETECTORS.values())
        raise InvalidArgument(f"inspect: expected options of {names}, got {type(options).__name__}")
    if net in DETECTORS and type(options) is not DETECTORS[net]:
        raise InvalidArgument(f"inspect: expected {DETECTORS[net].__name__} for {net}, got {type(options).__name__}")
    return options


def _name(photo: Any) -> str:
    if isinstance(photo, (str, os.PathLike)):
        return os.path.basename(os.fsdecode(photo).rstrip("/")) or "the photo"
    return "the photo"


def _trace(detector: str, image: Array, options: Any) -> DetectorTrace | CascadeTrace:
    if detector == "mtcnn":
        return trace_mtcnn(nets.mtcnn, image, options)
    return (trace_ssd if detector == "ssd_mobilenetv1" else trace_yolo)(getattr(nets, detector), image, options)


def _results(image: Array, options: Any, chosen: tuple[str, ...]) -> list[FaceResult]:
    """The faces, with what the chosen networks and those before them in the chain tell."""
    task: DetectAllFacesTask[Sequence[FaceDetection | FaceResult], Faces[FaceResult]] = detect_all_faces(image, options)
    if chosen:
        task = task.with_face_landmarks(use_tiny_landmark_net="face_landmark_68_tiny_net" in chosen)
    if "face_expression_net" in chosen:
        task = task.with_face_expressions()
    if "age_gender_net" in chosen:
        task = task.with_age_and_gender()
    if "face_recognition_net" in chosen:
        task = task.with_face_descriptors()
    return [face if isinstance(face, FaceResult) else FaceResult(face) for face in task.run()]


def _detector_reports(detector: str, detection: DetectorTrace | CascadeTrace) -> list[NetworkReport]:
    if isinstance(detection, DetectorTrace):
        return [report_network(getattr(nets, detector), detection.batch, "the detector", detector)]
    parts = {"pnet": "proposes boxes", "rnet": "refines them", "onet": "decides, and finds 5 points"}
    return [
        report_network(getattr(nets.mtcnn, part), detection.batches[part], title, f"mtcnn_{part}")
        for part, title in parts.items()
        if part in detection.batches
    ]
