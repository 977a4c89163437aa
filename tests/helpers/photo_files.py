"""Small photos of a face, and their faces computed once per process."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from helpers import ASTRONAUT
from npfaceapi.collection.worker import FaceWorker

_COMPUTED, _HASHED = FaceWorker.faces, FaceWorker._weights_hash
_FACES, _HASHES = {}, {}


@functools.cache
def _picture():
    return Image.open(ASTRONAUT).convert("RGB").crop((100, 0, 356, 256))


def face(path, side=256, mirrored=False, **options):
    """Write a photo of a face; returns the path."""
    picture = _picture().resize((side, side)) if side != 256 else _picture()
    if mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


def blank(path, color="gray"):
    """Write a small photo without a face; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), color).save(path)
    return path


def remember_faces(monkeypatch):
    """Let every `FaceWorker` compute the faces of equal pictures once per process; returns the list of all calls."""
    calls = []

    def faces(worker, image):
        pixels = np.asarray(image)
        key = repr(worker), pixels.shape, pixels.tobytes()
        calls.append(pixels.shape)
        if key not in _FACES:
            _FACES[key] = _COMPUTED(worker, image)
        return _FACES[key]

    def weights_hash(worker):
        if repr(worker) not in _HASHES:
            _HASHES[repr(worker)] = _HASHED(worker)
        return _HASHES[repr(worker)]

    monkeypatch.setattr(FaceWorker, "faces", faces)
    monkeypatch.setattr(FaceWorker, "_weights_hash", weights_hash)
    return calls
