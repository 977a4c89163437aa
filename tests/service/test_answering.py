"""What a worker does for one photo."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from npfaceapi import InvalidArgument, MtcnnOptions
from npfaceapi.networks.mtcnn import scales_of
from npfaceapi.service.answering import answer
from npfaceapi.service.limits import Limits
from npfaceapi.service.questions import Question


def black(side):
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("options", "any_rotation", "got"),
    [
        (MtcnnOptions(12, 0.99, 100), False, "98 in 100 sizes"),
        (MtcnnOptions(max_num_scales=100, scale_steps=[1] * 50), False, "112 in 50 sizes"),
        (MtcnnOptions(8, 0.4), True, "24 in 6 sizes"),
    ],
)
def test_mtcnn_is_refused_too_many_pixels(options, any_rotation, got):
    start = time.monotonic()
    with pytest.raises(InvalidArgument) as raised:
        answer("a.png", black(1500), Question(options, any_rotation=any_rotation), Limits(mtcnn_pixels=20_000_000))
    assert time.monotonic() - start < 1  # seconds
    assert str(raised.value) == (
        "a.png: expected MTCNN to search at most 20 megapixels, all sizes together, "
        f"got {got}: a larger min_face_size gives less, or a smaller max_num_scales"
    )


def test_mtcnn_takes_every_photo_with_its_default_options():
    for width, height in ((9459, 9459), (25_000, 3579)):  # 89 megapixels
        scales = scales_of(MtcnnOptions(), width, height)
        assert sum(int(width * scale) * int(height * scale) for scale in scales) < Limits().mtcnn_pixels
