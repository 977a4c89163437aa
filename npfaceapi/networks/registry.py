"""The list of all networks: their names, classes, parts and descriptions.

A detector's class names its class of options (`SsdMobilenetv1.options`); `detector_of` finds the detector for given options.
A detector also has a short name for the command line; `full_name` accepts both.  Importing this module imports no network; a
class is imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from npfaceapi.errors import InvalidArgument

if TYPE_CHECKING:
    from npfaceapi.networks.options import FaceDetectionOptions

__all__ = [
    "DETECTORS",
    "FACE_NETS",
    "NETS",
    "Net",
    "all_names",
    "bundled_names",
    "detector_called",
    "detector_of",
    "full_name",
    "listed",
    "proper",
    "split",
]


class Net(NamedTuple):
    """One of `npfaceapi.nets`.

    Attributes
    ----------
    name : str
        Its name in `npfaceapi.nets`.
    class_name : str
        Its class, in the module `module` of this package.
    does : str
        A short description.
    called : str
        For a detector: its short name on the command line, an alternative to the full name.
    parts : tuple of str
        The attributes that hold the actual networks, if it consists of several.
    variants : tuple of str
        Suffixes of its name for other networks of the same class.
    is_bundled : bool
        Whether its weights come with the package.
    """

    name: str
    class_name: str
    does: str
    module: str
    called: str = ""
    parts: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    is_bundled: bool = True

    @property
    def cls(self) -> Any:
        """Its class."""
        return getattr(importlib.import_module(f"npfaceapi.networks.{self.module}"), self.class_name)

    @property
    def options(self) -> type[FaceDetectionOptions]:
        """For a detector: the class of its options."""
        options: type[FaceDetectionOptions] = self.cls.options
        return options


#: The first is the default.
DETECTORS = {
    net.name: net
    for net in (
        Net("ssd_mobilenetv1", "SsdMobilenetv1", "SSD MobileNet v1: a detector of anchors", "ssd_mobilenetv1", "ssd"),
        Net("tiny_face_detector", "TinyFaceDetector", "Tiny Face Detector: a detector on a grid", "tiny_face_detector", "tiny"),
        Net(
            "tiny_yolov2",
            "TinyYolov2",
            "Tiny YOLO v2: a detector on a grid",
            "tiny_yolov2",
            "yolo",
            variants=("full",),
            is_bundled=False,
        ),
        Net("mtcnn", "Mtcnn", "MTCNN: a detector in three stages", "mtcnn", "mtcnn", parts=("pnet", "rnet", "onet")),
    )
}
#: The networks that take face crops.
FACE_NETS = {
    net.name: net
    for net in (
        Net("face_landmark_68_net", "FaceLandmark68Net", "68 landmarks", "face_landmark_68_net"),
        Net("face_landmark_68_tiny_net", "FaceLandmark68TinyNet", "68 landmarks, the tiny network", "face_landmark_68_net"),
        Net("face_expression_net", "FaceExpressionNet", "seven expressions", "face_expression_net"),
        Net("age_gender_net", "AgeGenderNet", "age and gender", "age_gender_net"),
        Net("face_recognition_net", "FaceRecognitionNet", "the descriptor", "face_recognition_net"),
    )
}
NETS = {**DETECTORS, **FACE_NETS}


def bundled_names() -> list[str]:
    """The names of the networks with bundled weights."""
    return [net.name for net in NETS.values() if net.is_bundled]


def all_names() -> tuple[str, ...]:
    """The names of all networks, including variants and parts: `tiny_yolov2_full`, `mtcnn_pnet`."""
    return tuple(
        name for net in NETS.values() for name in (net.name, *(f"{net.name}_{end}" for end in (*net.variants, *net.parts)))
    )


def split(name: str) -> tuple[Net, str] | None:
    """The network that one of `all_names` belongs to, and its part or variant ("" for the network); None for other names."""
    for net in NETS.values():
        end = name.removeprefix(f"{net.name}_")
        if name == net.name or (end != name and end in (*net.variants, *net.parts)):
            return net, "" if name == net.name else end
    return None


def proper(name: str) -> list[str]:
    """The name of a network, or the names of its parts if it consists of several."""
    inside = NETS[name].parts if name in NETS else ()
    return [f"{name}_{part}" for part in inside] or [name]


def listed(names: Iterable[str]) -> str:
    """Full names as a readable list, each with its short name if it has one: `ssd_mobilenetv1|ssd, age_gender_net`."""
    return ", ".join(
        f"{name}|{NETS[name].called}" if name in NETS and NETS[name].called not in ("", name) else name for name in names
    )


def full_name(called: str, among: Iterable[str], kind: str = "network") -> str:
    """The full name of a network, given its full or short name on the command line.

    Parameters
    ----------
    called : str
        `ssd_mobilenetv1` or `ssd`, for example.
    among : iterable of str
        The full names allowed; InvalidArgument for others.
    kind : str
        What they are, for the error message.
    """
    among = tuple(among)
    name = next((net.name for net in DETECTORS.values() if net.called == called), called)
    if name not in among:
        raise InvalidArgument(f"expected a {kind} out of {listed(among)}, got {called!r}")
    return name


def detector_called(called: str) -> Net:
    """The detector with this short or full name."""
    return DETECTORS[full_name(called, DETECTORS, "detector")]


def detector_of(options: object) -> Net | None:
    """The detector for these options, found by their class or its base classes; None for other objects."""
    for cls in type(options).__mro__:
        for net in DETECTORS.values():
            if net.options is cls:
                return net
    return None
