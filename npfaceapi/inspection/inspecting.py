"""`npfaceapi.inspect(photo)`: look inside the networks at work on one photo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from npfaceapi import nets
from npfaceapi.display.markup import Markup, element
from npfaceapi.engines.dispatch import current_backend
from npfaceapi.errors import InvalidArgument, shown
from npfaceapi.faces.results import FaceDetection, FaceResult, Faces
from npfaceapi.inspection.cascade import CascadeTrace, trace_mtcnn
from npfaceapi.inspection.detectors import DetectorTrace, trace_ssd, trace_yolo
from npfaceapi.inspection.faces import report_face
from npfaceapi.inspection.layers import NetworkReport, report_network
from npfaceapi.inspection.report import Report
from npfaceapi.networks.options import FaceDetectionOptions, MtcnnOptions, SsdMobilenetv1Options
from npfaceapi.networks.registry import DETECTORS, FACE_NETS, NETS
from npfaceapi.output_files import write_whole
from npfaceapi.photos.net_input import NetInput, Photo, Pixels, to_net_input
from npfaceapi.tasks import DetectAllFacesTask

__all__ = ["Inspection", "inspect"]

USUAL = tuple(name for name in FACE_NETS if name != "face_landmark_68_tiny_net")


@dataclass(frozen=True)
class Inspection(Report):
    """What the networks saw and computed for one photo.  `save(path)` writes one HTML file; a notebook shows it inline.

    Attributes
    ----------
    photo : array [H,W,3]
    name : str
        Name of the photo.
    detector : str
        Its name in `npfaceapi.nets`.
    detection : DetectorTrace or CascadeTrace
        Trace of the detector.
    faces : tuple of FaceReport
        Each face with its results and the networks' input crops, best first.
    networks : tuple of NetworkReport
        Each network layer by layer: the detector on the photo, the others on the first face.
    backend : str
        Name of the backend that computed the results.

    Examples
    --------
    >>> import numpy as np
    >>> inspect(np.zeros((60, 80, 3), np.uint8)).detector
    'ssd_mobilenetv1'
    """

    def to_html(self) -> str:
        """The page, self-contained: pictures are embedded."""
        from npfaceapi.inspection.page import page

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, completely or not at all; raises InvalidArgument if it cannot be written."""
        write_whole(path, self.to_html(), "a file to write the report to")

    def _repr_html_(self) -> Markup:
        """The page in a frame of its own, for a notebook."""
        title = f"What the networks see in {self.name}"
        return element("iframe", srcdoc=self.to_html(), title=title, style="width:100%;height:40em;border:1px solid #888888")

    def __repr__(self) -> str:
        count = f"{len(self.faces)} face{'' if len(self.faces) == 1 else 's'}"
        return f"<Inspection of {self.name}: {self.detector}, {count}, layers of {', '.join(n.key for n in self.networks)}>"


def inspect(photo: Photo | NetInput, options: FaceDetectionOptions | None = None, *, net: str | None = None) -> Inspection:
    """Look inside the networks at work on one photo.

    Parameters
    ----------
    photo : photo
        See `npfaceapi.load_image` for what a photo can be.
    options : SsdMobilenetv1Options (default), TinyFaceDetectorOptions, TinyYolov2Options or MtcnnOptions
        The choice of the detector, and its options.
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
        An unknown network, several photos, or options of another detector than `net`; also the errors of `load_image`.

    Examples
    --------
    >>> import numpy as np
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
    detector = next(net.name for net in DETECTORS.values() if type(options) is net.options)
    chosen = USUAL if net is None else (net,) if net in FACE_NETS else ()
    detection, found = _trace(detector, image, options)
    # before the other networks' weights are loaded, because the detector's layers take the most memory
    reports = [] if net in FACE_NETS else _detector_reports(detector, detection)
    faces = tuple(report_face(image, result, chosen) for result in _results(image, options, chosen, found))
    if faces:
        for name in chosen:
            batch = faces[0].batch_of(name)
            if batch is not None:
                reports.append(report_network(getattr(nets, name), batch, FACE_NETS[name].does, name))
    return Inspection(image, _name(photo), detector, detection, faces, tuple(reports), current_backend())


def _options(options: FaceDetectionOptions | None, net: str | None) -> FaceDetectionOptions:
    if net is not None and net not in NETS:
        raise InvalidArgument(f"inspect: expected net to be one of {', '.join(NETS)}, got {shown(net)}")
    if options is None:
        return DETECTORS[net if net in DETECTORS else next(iter(DETECTORS))].options()
    known = {detector.name: detector.options for detector in DETECTORS.values()}
    if type(options) not in known.values():
        names = ", ".join(cls.__name__ for cls in known.values())
        raise InvalidArgument(f"inspect: expected options of {names}, got {type(options).__name__}")
    if net in known and type(options) is not known[net]:
        raise InvalidArgument(f"inspect: expected {known[net].__name__} for {net}, got {type(options).__name__}")
    return options


def _name(photo: Photo | NetInput) -> str:
    if isinstance(photo, (str, os.PathLike)):
        return os.path.basename(os.fsdecode(photo).rstrip("/")) or "the photo"
    return "the photo"


def _trace(
    detector: str, image: Pixels, options: FaceDetectionOptions
) -> tuple[DetectorTrace | CascadeTrace, list[FaceDetection]]:
    """Run the detector once; gives its trace and the faces found."""
    if isinstance(options, MtcnnOptions):
        return trace_mtcnn(nets.mtcnn, image, options)
    if isinstance(options, SsdMobilenetv1Options):
        return trace_ssd(nets.ssd_mobilenetv1, image, options)
    return trace_yolo(getattr(nets, detector), image, options)


def _results(
    image: Pixels, options: FaceDetectionOptions, chosen: tuple[str, ...], found: list[FaceDetection]
) -> list[FaceResult]:
    """The detected faces with the results of the chosen networks and of those before them in the chain."""

    class Found(DetectAllFacesTask[Sequence[FaceDetection | FaceResult], Faces[FaceResult]]):
        def _faces(self, net_input: NetInput) -> list[list[FaceDetection]]:
            return [found]

    task: DetectAllFacesTask[Sequence[FaceDetection | FaceResult], Faces[FaceResult]] = Found(image, options)
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
        report_network(nets.network_named(f"mtcnn_{part}"), detection.batches[part], title, f"mtcnn_{part}")
        for part, title in parts.items()
        if part in detection.batches
    ]
