"""The resizing kernel against the NumPy code that defines it: the same bits for every size, dtype, position, thread count."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading

import numpy as np
import pytest

from npfaceapi.engines import dispatch
from npfaceapi.engines.dispatch import use_backend
from npfaceapi.engines.numba import resizing
from npfaceapi.engines.thread_count import set_num_threads
from npfaceapi.networks.mtcnn_stages import patches, pyramid_image
from npfaceapi.photos.resampling import resize_bilinear, resize_half_pixel, resize_window, to_batch_tensor

SIDES = (1, 2, 3, 7, 16, 33, 64)


@pytest.fixture(autouse=True)
def two_threads(threads):
    threads(2)


@pytest.fixture
def kernel_calls(monkeypatch):
    """The images resized by the kernel."""
    seen = []
    original = resizing.resize_in_squares

    def counted(images, *arguments, **options):
        seen.extend(images)
        return original(images, *arguments, **options)

    monkeypatch.setattr(resizing, "resize_in_squares", counted)
    return seen


def photo(height, width, dtype=np.uint8, seed=0):
    rng = np.random.default_rng((seed, height, width))
    values = rng.integers(0, 256, (height, width, 3))
    return values.astype(np.uint8) if dtype == np.uint8 else (values * rng.random(values.shape)).astype(np.float32)


def assert_same_bits(actual, expected):
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    different = np.flatnonzero(actual.view(np.uint8).ravel() != expected.view(np.uint8).ravel())
    assert different.size == 0, f"{different.size} bytes differ, the first at {different[0]}"


def both(function, *arguments):
    """The kernel's result, after comparison with NumPy."""
    with use_backend("reference"):
        expected = function(*arguments)
    with use_backend("numba"):
        actual = function(*arguments)
    assert_same_bits(actual, expected)
    return actual


@pytest.mark.slow_after(5)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("out_sides", list(itertools.pairwise([*SIDES, 1])))
def test_all_ratios(dtype, out_sides, kernel_calls):
    for height, width in itertools.product(SIDES, SIDES):
        both(resize_bilinear, photo(height, width, dtype), out_sides)
    assert len(kernel_calls) == len(SIDES) ** 2


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [(1, 1), (33, 64), (70, 50), (300, 201)])
def test_windows(dtype, size, kernel_calls):
    image = photo(64, 47, dtype)
    whole = both(resize_bilinear, image, size)
    corners = [(0, 0), (size[0] // 3, size[1] // 2), (size[0] - 1, size[1] - 1)]
    for start, end in itertools.product(corners, corners):
        if start[0] <= end[0] and start[1] <= end[1]:
            stop = end[0] + 1, end[1] + 1
            part = both(resize_window, image, size, start, stop)
            assert_same_bits(part, np.ascontiguousarray(whole[start[0] : stop[0], start[1] : stop[1]]))
    assert len(kernel_calls) > 1


@pytest.mark.parametrize("side", [1, 2, 5, 24, 48])
def test_half_pixel(side, kernel_calls):
    for height, width in itertools.product(SIDES, SIDES):
        both(resize_half_pixel, photo(height, width), (side, side + 1))
    assert len(kernel_calls) == len(SIDES) ** 2


@pytest.mark.slow_after(8)
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("size", [1, 5, 16, 61, 112])
def test_padded_squares(dtype, center, size):
    images = [photo(height, width, dtype) for height, width in itertools.product((1, 2, 15, 16, 60, 97), repeat=2)]
    both(to_batch_tensor, images, size, center)


def test_one_batch_holds_images_of_all_kinds():
    images = [photo(40, 30), photo(112, 20, np.float32), photo(64, 64, np.float32), photo(112, 112)]
    both(to_batch_tensor, images, 112)


def test_what_lies_far_out_of_the_photo_is_zero():
    batch = both(to_batch_tensor, [np.full((300, 3, 3), 255, np.uint8), np.full((3, 300, 3), 255, np.uint8)], 50, True)
    columns, rows = batch.any((2, 3)), batch.any((1, 3))
    assert rows[0].sum() == columns[1].sum() == 2 - 1
    assert rows[1].all()
    assert columns[0].all()


@pytest.mark.slow_after(2)
@pytest.mark.parametrize("size", [(700, 900), (512, 512), (100, 100), (1, 100_000), (100_000, 1)])
def test_large_photos_are_shared_among_threads(size, monkeypatch):
    set_num_threads(1)
    alone = both(resize_bilinear, photo(640, 960), size)
    shared = []
    original = resizing.run_together
    monkeypatch.setattr(resizing, "run_together", lambda order: (shared.append(order.threads), original(order)))
    for n in (1, 2, 3, 5):
        set_num_threads(n)
        assert_same_bits(resize_bilinear(photo(640, 960), size), alone)
    assert shared == ([2, 3, 5] if size[0] * size[1] >= resizing.WORTH_SHARING else [])


def test_threads_do_not_disturb_each_other():
    images = [photo(200 + 13 * k, 300 - 7 * k, seed=k) for k in range(6)]
    with use_backend("reference"):
        expected = [to_batch_tensor([image], 512) for image in images]
    right = []

    def work(k):
        right.extend(np.array_equal(to_batch_tensor([images[k]], 512), expected[k]) for _ in range(10))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert right == [True] * 60


@pytest.mark.parametrize(
    "cut",
    [
        lambda image: image[7:60, 11:50],  # a crop
        lambda image: image[::-1],
        lambda image: image[:, ::-1],
        lambda image: image[::2, ::3],
        lambda image: image[..., ::-1],
        lambda image: image.swapaxes(0, 1),
        lambda image: np.asfortranarray(image),
        lambda image: np.frombuffer(b"?" + image.tobytes(), np.uint8, offset=1).view(image.dtype).reshape(image.shape),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_views(cut, dtype, kernel_calls):
    both(to_batch_tensor, [cut(photo(64, 70, dtype))], 50)
    assert len(kernel_calls) == 1


def test_the_photo_is_neither_changed_nor_read_beyond():
    frame = np.full((44, 64, 3), np.nan, np.float32)
    inner = frame[2:42, 2:62]
    inner[:] = photo(40, 60, np.float32)
    before = frame.tobytes()
    for size in (30, 59, 61, 300):
        assert np.isfinite(both(to_batch_tensor, [inner], size)).all()
        assert np.isfinite(both(resize_bilinear, inner, (size, size // 2))).all()
    assert frame.tobytes() == before


@pytest.mark.parametrize(
    "image",
    [
        np.arange(60, dtype=np.uint8).reshape(5, 12, 1),
        np.arange(60, dtype=np.uint8).reshape(5, 3, 4),
        photo(5, 6).astype(np.float64),
        photo(5, 6).astype(np.int16),
        photo(5, 6, np.float32).astype(">f4"),
    ],
)
def test_other_arrays_take_the_path_of_numpy(image, kernel_calls):
    both(resize_bilinear, image, (4, 7))
    assert kernel_calls == []


def test_mtcnn():
    image = photo(90, 130)
    boxes = np.array([[-5.0, 3, 30, 30], [100, 60, 80, 80], [20, 20, 1, 1], [10.5, 7.5, 24, 24], [500, 0, 9, 9]])
    for side in (24, 48):
        both(lambda *a: patches(*a)[0], image, boxes, side)
    for scale in (0.6, 0.1709, 1.0):
        both(pyramid_image, image, scale)


def test_a_wrong_bit_is_seen():
    good = resize_bilinear(photo(9, 9), (5, 5))
    bad = good.copy()
    bad.view(np.int32)[2, 2, 1] ^= 1
    with pytest.raises(AssertionError, match="1 bytes differ, the first at 148"):
        assert_same_bits(bad, good)


@pytest.mark.parametrize(("height", "width", "place"), [(4, 40, (18, 0)), (40, 4, (0, 18)), (4, 40, (0, 0)), (4, 40, (36, 0))])
def test_padding_is_written(height, width, place):
    """Whatever was in the array: rows above and below the photo, and columns beside it."""
    image = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    top, left = place
    padded = np.pad(image, ((top, 40 - top - height), (left, 40 - left - width), (0, 0)))
    out = np.full((10, 10, 3), np.nan, np.float32)
    resizing.resize_in_squares([image], [(top, left, 40, 40)], [out])
    with use_backend("reference"):
        assert_same_bits(out, resize_bilinear(padded, (10, 10)))


def test_numpy_resizes_where_numba_is_missing_or_not_wanted(monkeypatch):
    for backend in ("reference", "reference64"):
        with use_backend(backend):
            assert dispatch.resizing_kernel() is None
    source = """
import sys
sys.modules["numba"] = None
import warnings
import numpy as np
from npfaceapi import resize_bilinear
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(resize_bilinear(np.arange(12, dtype=np.uint8).reshape(1, 4, 3), (1, 2)).ravel().tolist(), len(caught))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[0.0, 1.0, 2.0, 6.0, 7.0, 8.0] 1\n", "")


GUARD = """
import ctypes, mmap
import numpy as np
from npfaceapi.engines.numba.resizing import resample_squares, resize_in_squares
page = mmap.PAGESIZE
libc = ctypes.CDLL(None)
for kind in (np.uint8, np.float32):
    size = 5 * 7 * 3 * np.dtype(kind).itemsize
    block = mmap.mmap(-1, 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(block))
    assert libc.mprotect(ctypes.c_void_p(start + page), page, 0) == 0  # nothing behind the photo may be read
    image = np.frombuffer(block, kind, 5 * 7 * 3, page - size).reshape(5, 7, 3)
    image[:] = np.arange(105).reshape(5, 7, 3)
    out = np.zeros((9, 9, 3), np.float32)
    resize_in_squares([image], [(0, 0, 5, 7)], [out])
    resize_in_squares([image], [(1, 0, 7, 7)], [out], True)
    resample_squares([image], [(1 + 0j, 0j)], [2], [out])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="protects memory by Linux' mprotect")
def test_nothing_behind_a_photo_is_read():
    done = subprocess.run([sys.executable, "-c", GUARD], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
