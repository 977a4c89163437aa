"""What is timed: each network at its own size, the tiny detector at two, P-Net on one level of a pyramid."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from npfaceapi import nets
from npfaceapi.conformance.golden import GoldenCases
from npfaceapi.conformance.synthetic import synthetic
from npfaceapi.errors import InvalidArgument
from npfaceapi.networks.network_weights import has_files
from npfaceapi.networks.neural_network import NeuralNetwork
from npfaceapi.networks.registry import all_names, full_name, proper
from npfaceapi.networks.unbundled import folder_at_hand
from npfaceapi.photos.net_input import resize_bilinear

__all__ = ["ENTRIES", "FACE_NETS", "UNBUNDLED", "Entry", "accuracy_inputs", "astronaut", "chosen_entries", "noise"]

Array = np.ndarray[Any, Any]


class Entry(NamedTuple):
    """A network at one size of its input."""

    name: str
    height: int
    width: int

    @property
    def net(self) -> NeuralNetwork:
        net: NeuralNetwork = nets.network_named(self.name)
        return net

    def shape(self, batch: int = 1) -> str:
        return f"{batch}x{self.height}x{self.width}x3"


ENTRIES = (
    Entry("ssd_mobilenetv1", 512, 512),
    Entry("tiny_face_detector", 416, 416),
    Entry("tiny_face_detector", 224, 224),
    Entry("face_landmark_68_net", 112, 112),
    Entry("face_landmark_68_tiny_net", 112, 112),
    Entry("face_recognition_net", 150, 150),
    Entry("face_expression_net", 112, 112),
    Entry("age_gender_net", 112, 112),
    Entry("mtcnn_pnet", 288, 384),
    Entry("mtcnn_rnet", 24, 24),
    Entry("mtcnn_onet", 48, 48),
)
#: Networks whose weights are not bundled; they are timed where the weights are available.
UNBUNDLED = (Entry("tiny_yolov2", 416, 416), Entry("tiny_yolov2_full", 416, 416))
#: Networks that run on all faces of a photo at once.
FACE_NETS = ("face_landmark_68_net", "face_expression_net", "age_gender_net", "face_recognition_net")


def chosen_entries(names: Sequence[str]) -> list[Entry]:
    """The entries of these names, `NET`, `NET@SIZE` or `NET@HEIGHTxWIDTH`; by default all available; `mtcnn`: its three."""
    folder = folder_at_hand()
    at_hand = [entry for entry in UNBUNDLED if folder is not None and has_files(folder, entry.net.model_name)]
    return [entry for name in names for entry in _entries_of(name)] or [*ENTRIES, *at_hand]


def _entries_of(text: str) -> Iterator[Entry]:
    called, _, size = text.partition("@")
    try:
        name = full_name(called, all_names())
    except InvalidArgument as error:
        raise InvalidArgument(f"--net: {error}") from None
    if not size:
        yield from (entry for entry in (*ENTRIES, *UNBUNDLED) if entry.name in proper(name))
        return
    sides = size.split("x")
    if not 1 <= len(sides) <= 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise InvalidArgument(f"--net: expected {name}@SIZE or {name}@HEIGHTxWIDTH, got {text!r}")
    for part in proper(name):
        yield Entry(part, int(sides[0]), int(sides[-1]))


def noise(entry: Entry, batch: int, seed: int) -> Array:
    """A batch float32 [N,H,W,3] in 0..255."""
    return synthetic(seed, (batch, entry.height, entry.width, 3), 0, 255)


@functools.cache
def astronaut() -> Array:
    """The bundled portrait, uint8 [512,512,3]; its face lies about x 181..264, y 73..175."""
    return GoldenCases().tensor("input/astronaut").astype(np.uint8)


def accuracy_inputs(entry: Entry) -> list[Array]:
    """Five batches of one image: the portrait, its face, both flipped, and noise."""
    photo, face = astronaut(), astronaut()[60:190, 165:280]
    images = [photo, face, photo[::-1], face[:, ::-1]]
    resized = [resize_bilinear(image, (entry.height, entry.width))[None].astype(np.float32) for image in images]
    return [*resized, noise(entry, 1, 5)]
