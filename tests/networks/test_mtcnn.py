"""MTCNN computed in pieces (large levels in tiles, patches in batches) gives the same bits as computed at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ASTRONAUT, ROOT
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.networks import mtcnn, mtcnn_stages as stages
from npfaceapi.photos.resampling import resize_bilinear

SIDES = ((13, 13), (22, 23), (33, 34), (47, 61), (41, 42), (42, 43), (43, 300), (300, 31), (129, 130))  # around a tile of 32 + 10
NETS = faceapi.nets.mtcnn


@pytest.fixture(scope="module")
def photo():
    return faceapi.load_image(ASTRONAUT)


def photo_and_scale(height, width):
    """A photo whose level at this scale has this many pixels."""
    image = np.random.default_rng((height, width)).integers(0, 256, (2 * height + 1, 2 * width + 1, 3), dtype=np.uint8)
    return image, 0.5


@pytest.mark.parametrize("size", SIDES)
def test_tiles_are_parts_of_the_level(monkeypatch, size):
    image, scale = photo_and_scale(*size)
    level = np.asarray(resize_bilinear(image, size)[..., ::-1].transpose(1, 0, 2))
    np.testing.assert_array_equal(stages.pyramid_image(image, scale), level)
    monkeypatch.setattr(stages, "TILE", 32)
    for backend in ("reference", "numba"):
        with use_backend(backend):
            for (x, y), tile in stages.pyramid_tiles(image, scale):
                np.testing.assert_array_equal(tile, level[2 * x : 2 * x + 42, 2 * y : 2 * y + 42])


@pytest.mark.slow_after(4)
@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("tile", [2, 8, 32])
def test_pnet_gives_the_same_for_tiles_and_the_whole_level(monkeypatch, size, tile):
    image, scale = photo_and_scale(*size)
    whole = NETS.pnet.run_net(stages.pyramid_image(image, scale)[None])
    monkeypatch.setattr(stages, "TILE", tile)
    found = {name: np.full_like(values, np.nan) for name, values in whole.items()}
    for (x, y), pixels in stages.pyramid_tiles(image, scale):
        for name, values in NETS.pnet.run_net(pixels[None]).items():
            _, w, h, _ = values.shape
            found[name][:, x : x + w, y : y + h] = values
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name].view(np.uint32), values.view(np.uint32))


@pytest.mark.parametrize("scores", [1, 2, 50])
def test_candidates_of_tiles_with_equal_scores(scores):
    rng = np.random.default_rng(scores)
    prob = rng.integers(1, scores + 1, (21, 17, 2)).astype(np.float32) / scores
    regions = rng.random((21, 17, 4), np.float32)
    expected = stages.stage1_scale(prob, regions, 0.6, 0.5)
    places = [(x, y) for x in range(0, 21, 8) for y in range(0, 17, 8)]
    tiles = [stages.cells_above(*(v[x : x + 8, y : y + 8] for v in (prob, regions)), 0.5, (x, y)) for x, y in places]
    for actual, whole in zip(stages.stage1_candidates(tiles, 0.6), expected, strict=True):
        np.testing.assert_array_equal(actual, whole)


PICTURES = {
    "a square": lambda photo: photo,
    "wide": lambda photo: photo[40:300],
    "tall, of odd sides": lambda photo: photo[:, 130:333][1:],
    "the same score everywhere": lambda photo: np.full((60, 90, 3), 77, np.uint8),
    "a pattern": lambda photo: np.tile(photo[50:66, 90:106], (4, 6, 1)),
}


@pytest.mark.slow_after(3)
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(("tile", "most"), [(16, 1), (64, 7)])
def test_photos_in_pieces(monkeypatch, photo, picture, tile, most):
    image = PICTURES[picture](photo)
    options = faceapi.MtcnnOptions(score_thresholds=(0.5, 0.4, 0.4) if len(image) > 100 else (0, 0, 0))
    whole = NETS.detect_arrays(image, options)
    monkeypatch.setattr(stages, "TILE", tile)
    monkeypatch.setattr(mtcnn, "MAX_PATCHES", most)
    pieces = NETS.detect_arrays(image, options)
    assert pieces[-1]["stage1_num_boxes"] > most
    for actual, expected in zip(pieces[:4], whole[:4], strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_large_level_is_split_into_tiles_and_a_small_one_is_not(photo):
    seen = []
    NETS.locate_faces(np.tile(photo, (1, 2, 1)), see=lambda stage, **values: seen.append((stage, values)))
    batches = [values["batch"].shape[1:3] for stage, values in seen if stage == "tile"]
    assert batches[:4] == [(522, 307), (102, 307), (435, 217), (308, 154)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it on Linux alone")
@pytest.mark.parametrize("detector", ["ssd", "tiny", "mtcnn"])
def test_memory_of_a_list_of_large_photos(detector):
    command, env = [sys.executable, ".ci/memory.py", detector, "2"], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=300)
    assert json.loads(done.stdout)["growth_mb"] <= 300
