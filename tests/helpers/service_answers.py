"""What workers of services do in tests: as a photo's bytes say."""

from __future__ import annotations

import os
import time

from npfaceapi.errors import ImageError
from npfaceapi.photos.limits import TooManyPixels
from npfaceapi.service.answering import Answer


def begin(*_):
    """Nothing is prepared."""


def answer(name, photo, asked, limits):
    """The bytes are a word, perhaps with a number."""
    word, _, number = photo.decode().partition(" ")
    if word == "crash":
        os._exit(11)
    if word == "wait":
        time.sleep(float(number))
    if word == "bad":
        raise ImageError(f"{name}: expected an image file, got something else")
    if word == "huge":
        raise TooManyPixels("photo: expected a photo of at most 1 megapixel, got more")
    return Answer(os.getpid(), len(photo), 0, [], [], [], {"decode": 0.0, "analyze": 0.0})
