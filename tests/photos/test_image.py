"""Padding, resizing, batches and crops, against values of face-api.js 0.22.2, SciPy and a naive loop."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from helpers import ASTRONAUT
from npfaceapi.errors import InvalidArgument, InvalidType
from npfaceapi.faces.geometry import Box, Rect
from npfaceapi.faces.results import FaceDetection
from npfaceapi.photos.net_input import (
    NetInput,
    compute_reshaped_dimensions,
    crop_rect,
    extract_face_tensors,
    extract_faces,
    load_image,
    normalize,
    pad_to_square,
    resize_bilinear,
    resize_half_pixel,
    to_batch_tensor,
    to_net_input,
)


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def pattern(width: int, height: int) -> np.ndarray:
    """The image of the traces below: s = 12345; s = (s * 1664525 + 1013904223) mod 2^32; value = s >> 24."""
    state, values = 12345, []
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(state >> 24)
    return np.array(values, np.uint8).reshape(height, width, 3)


def naive_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The formula of tfjs 1.7, pixel by pixel."""
    in_height, in_width, channels = image.shape
    out = np.zeros((height, width, channels), np.float32)
    for i in range(height):
        y = in_height / height * i
        y0, y1 = math.floor(y), min(in_height - 1, math.ceil(y))
        for j in range(width):
            x = in_width / width * j
            x0, x1 = math.floor(x), min(in_width - 1, math.ceil(x))
            for c in range(channels):
                tl, tr, bl, br = (float(image[r, k, c]) for r in (y0, y1) for k in (x0, x1))
                top = tl + (tr - tl) * (x - x0)
                bottom = bl + (br - bl) * (x - x0)
                out[i, j, c] = top + (bottom - top) * (y - y0)
    return out


def naive_pad(image: np.ndarray, center: bool) -> np.ndarray:
    height, width, _ = image.shape
    difference = abs(height - width)
    after = math.floor(difference * 0.5 + 0.5) if center else difference
    padding, none = (difference - after, after), (0, 0)
    return np.pad(image, [padding, none, none] if width > height else [none, padding, none])


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return load_image(ASTRONAUT)


class TestAgainstFaceApi:
    """Hashes of the float32 tensors that face-api.js 0.22.2 made."""

    @pytest.mark.parametrize(
        ("size", "center", "digest"),
        [
            (512, False, "a48a1b2530bc9ed7fc769ffb8ba5e3798ca6444c8818b5cf4beb5c7149ddf616"),
            (416, False, "24febae0d0ddca7cb309b4ad5cc651c3dac2bfdaf7944b45af73a44e2c956240"),
            (112, True, "1432749bfcde100770b5d5b2c8e46ee1af7f371a1cfceac34a7bbbfc573e9cb7"),
            (150, True, "0945bb1d1a81223db2deb70d2a5d053d6c1e6cfdefb95f49fd4e0d4a0020029b"),
        ],
    )
    def test_batch_of_the_astronaut(self, astronaut: np.ndarray, size: int, center: bool, digest: str) -> None:
        batch = to_batch_tensor([astronaut], size, center)
        assert batch.dtype == np.float32
        assert batch.shape == (1, size, size, 3)
        assert sha256(batch) == digest

    @pytest.mark.parametrize(
        ("size", "center", "row", "column", "expected"),
        [
            (416, False, 1, 1, [146.5207061767578, 144.05325317382812, 146.42604064941406]),
            (416, False, 208, 83, [223.61538696289062, 100.0, 62.38461685180664]),
            (112, True, 37, 56, [201.0, 191.57142639160156, 184.7142791748047]),
            (112, True, 111, 111, [25.714284896850586, 22.204082489013672, 19.102041244506836]),
            (150, True, 75, 30, [224.60000610351562, 103.19999694824219, 64.5999984741211]),
        ],
    )
    def test_pixels_of_the_astronaut(
        self, astronaut: np.ndarray, size: int, center: bool, row: int, column: int, expected: list[float]
    ) -> None:
        assert to_batch_tensor([astronaut], size, center)[0, row, column].tolist() == expected

    @pytest.mark.parametrize(
        ("center", "digest"),
        [
            (False, "5527355bc46bf52eca562fcc0c9f6d0f12c1cf944bc0f70eec1088a877b300d7"),
            (True, "f1a3e4491668d4f8b6d8c2d62a591151f5cc789f1a17eafbd48b41523541caa0"),
        ],
    )
    def test_pad_to_square(self, center: bool, digest: str) -> None:
        assert sha256(pad_to_square(pattern(97, 131), center).astype(np.float32)) == digest

    @pytest.mark.parametrize(
        ("size", "center", "digest"),
        [
            (512, False, "691a1778b88e26adeba5a833672bdd2dc0f4c4aad5a1360541ba125b90d726b5"),
            (128, False, "9156bdab2451fc0215909e6588655550600397f119ca20b1e5a6310ce9afaf63"),
            (112, True, "e19995af7ccbbda3b2fb582a03f8fe7478b70a3b0a95c2dfcd0a63b733e63d4b"),
            (150, True, "76a6f83c97ac8ebef9842c4495d15aa720397a0d99bc1aaac5470f30cde4db6e"),
        ],
    )
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_batch_of_a_tall_image(self, size: int, center: bool, digest: str, dtype: Any) -> None:
        assert sha256(to_batch_tensor([pattern(97, 131).astype(dtype)], size, center)) == digest

    @pytest.mark.parametrize(
        ("box", "side", "digest"),
        [
            ((286, 345, 32, 32), 24, "10b6c09bbb3d34e95853829da596c2a8fc5bce2d8eebd7c594cf89ab61623811"),
            ((164, 65, 114, 114), 48, "48e101921d3d874e47c3abe7a1bed285f2ccb508816c7637a13670a25e54416f"),
        ],
    )
    def test_mtcnn_patch(self, astronaut: np.ndarray, box: tuple[int, int, int, int], side: int, digest: str) -> None:
        x, y, width, height = box
        patch = resize_half_pixel(astronaut[y - 1 : y + height, x - 1 : x + width], (side, side))
        assert patch.dtype == np.uint8
        assert sha256(patch) == digest

    @pytest.mark.parametrize(
        ("box", "shape", "digest"),
        [
            (
                (181.11810302734375, 72.86064147949219, 83.27734375, 101.72222900390625),
                (101, 83, 3),
                "96940fa0c218598d3bf1d95a93ee8138877d34e2f6d0a8c5da63c6670c76d6d5",
            ),
            (
                (166.13716453537344, 77.89969654232263, 111.23036390841007, 105.41100277304649),
                (105, 111, 3),
                "7df651771ff54916d676f203cfc7756c3ba92b2b98a295cca63ccfe1bcdc6d59",
            ),
        ],
    )
    def test_face_crop(self, astronaut: np.ndarray, box: tuple[float, ...], shape: tuple[int, ...], digest: str) -> None:
        (crop,) = extract_face_tensors(astronaut, [Rect(*box)])
        assert crop.shape == shape
        assert sha256(crop) == digest


class TestPadToSquare:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((2, 5), [[0] * 5, [1] * 5, [1] * 5, [0] * 5, [0] * 5]),
            ((5, 2), [[0, 1, 1, 0, 0]] * 5),
            ((2, 3), [[1] * 3, [1] * 3, [0] * 3]),
            ((3, 2), [[1, 1, 0]] * 3),
            ((1, 4), [[0] * 4, [1] * 4, [0] * 4, [0] * 4]),
        ],
    )
    def test_centered(self, shape: tuple[int, int], expected: list[list[int]]) -> None:
        assert pad_to_square(np.ones((*shape, 3), np.uint8), True)[:, :, 1].tolist() == expected

    def test_top_left(self) -> None:
        padded = pad_to_square(np.ones((1, 3, 3), np.float32))
        assert padded[:, :, 0].tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 0]]
        assert padded.dtype == np.float32

    def test_batch(self) -> None:
        batch = np.arange(2 * 3 * 5 * 3, dtype=np.float32).reshape(2, 3, 5, 3)
        padded = pad_to_square(batch, True)
        np.testing.assert_array_equal(padded, np.stack([naive_pad(image, True) for image in batch]))

    def test_a_square_is_returned_itself(self) -> None:
        square = np.zeros((4, 4, 3), np.uint8)
        assert pad_to_square(square, True) is square

    def test_wrong_arguments(self) -> None:
        with pytest.raises(InvalidArgument, match=r"pad_to_square: expected .* got shape \[4, 4\]"):
            pad_to_square(np.zeros((4, 4)))
        with pytest.raises(InvalidType, match="got list"):
            pad_to_square([[1]])  # type: ignore[arg-type]


class TestResizeBilinear:
    def test_values_of_tfjs(self) -> None:
        row = np.array([0, 10, 20, 30], np.float32).reshape(1, 4, 1)
        got = resize_bilinear(row, (1, 6)).ravel().tolist()
        assert got == [0, 6.666666507720947, 13.333333015441895, 20, 26.66666603088379, 30]
        assert resize_bilinear(row, (1, 2)).ravel().tolist() == [0, 20]

    @pytest.mark.slow_after(20)
    @pytest.mark.parametrize("size", [(1, 1), (3, 70), (40, 24), (17, 23), (64, 96), (129, 51)])
    @pytest.mark.parametrize("shape", [(17, 23, 3), (1, 50, 3), (50, 1, 3), (1, 1, 3), (33, 20, 1)])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_bits_of_the_naive_loop(self, shape: tuple[int, ...], size: tuple[int, int], dtype: Any) -> None:
        image = np.random.default_rng(1).uniform(0, 255, shape).astype(dtype)
        got = resize_bilinear(image, size)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, naive_resize(image, *size), strict=True)

    @pytest.mark.parametrize("size", [(100, 75), (300, 211)])
    def test_scipy(self, size: tuple[int, int]) -> None:
        image = np.random.default_rng(2).uniform(0, 255, (150, 120, 3)).astype(np.float32)
        at = np.meshgrid(*(np.arange(n) * (m / n) for n, m in zip(size, image.shape, strict=False)), indexing="ij")
        planes = [map_coordinates(image[:, :, c].astype(np.float64), at, order=1, mode="nearest") for c in range(3)]
        np.testing.assert_allclose(resize_bilinear(image, size), np.stack(planes, axis=2), rtol=0, atol=3e-5)

    @pytest.mark.parametrize("size", [(0, 4), (4, -1), (2.5, 4), ("a", 1), (4,), 4, (math.nan, 1), (math.inf, 1)])
    def test_wrong_size(self, size: Any) -> None:
        with pytest.raises(InvalidArgument, match="resize_bilinear: expected a size"):
            resize_bilinear(np.zeros((4, 4, 3), np.uint8), size)

    def test_wrong_image(self) -> None:
        with pytest.raises(InvalidArgument, match=r"got shape \[0, 4, 3\]"):
            resize_bilinear(np.zeros((0, 4, 3), np.uint8), (2, 2))
        with pytest.raises(InvalidType, match="got str"):
            resize_bilinear("a.png", (2, 2))  # type: ignore[arg-type]


class TestResizeHalfPixel:
    @pytest.mark.parametrize("size", [(24, 24), (48, 48), (7, 31)])
    @pytest.mark.parametrize("shape", [(40, 37, 3), (10, 12, 3), (1, 60, 3), (1, 1, 3)])
    def test_scipy(self, shape: tuple[int, ...], size: tuple[int, int]) -> None:
        image = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
        axes = (np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1) for n, m in zip(size, shape, strict=False))
        at = np.meshgrid(*axes, indexing="ij")
        exact = np.stack([map_coordinates(image[:, :, c].astype(np.float64), at, order=1) for c in range(3)], axis=2)
        got = resize_half_pixel(image, size).astype(np.float64)
        # 1e-9: SciPy sums in another order, so that a value on a half may be rounded the other way
        assert np.abs(got - exact).max() <= 0.5 + 1e-9

    def test_a_half_is_rounded_up(self) -> None:
        assert resize_half_pixel(np.array([[[0], [1]]], np.uint8), (1, 1)).tolist() == [[[1]]]

    def test_only_bytes(self) -> None:
        with pytest.raises(InvalidType, match="expected dtype uint8, got float32"):
            resize_half_pixel(np.zeros((4, 4, 3), np.float32), (2, 2))  # type: ignore[arg-type]


class TestToBatchTensor:
    @pytest.mark.slow_after(40)
    @pytest.mark.parametrize("shape", [(60, 90), (61, 90), (90, 61), (64, 64), (41, 64), (64, 7), (1, 1), (1, 300), (2, 301)])
    @pytest.mark.parametrize("size", [1, 2, 32, 64, 112])
    @pytest.mark.parametrize("center", [False, True])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_bits_of_padding_first(self, shape: tuple[int, int], size: int, center: bool, dtype: Any) -> None:
        image = np.random.default_rng(4).uniform(1, 255, (*shape, 3)).astype(dtype)
        square = naive_pad(image, center)
        expected = square.astype(np.float32) if len(square) == size else resize_bilinear(square, (size, size))
        np.testing.assert_array_equal(to_batch_tensor([image], size, center)[0], expected, strict=True)

    @pytest.mark.parametrize("center", [False, True])
    def test_bits_of_the_naive_loop(self, center: bool) -> None:
        image = pattern(31, 18)
        expected = naive_resize(naive_pad(image, center), 40, 40)
        np.testing.assert_array_equal(to_batch_tensor([image], 40, center)[0], expected, strict=True)

    def test_images_of_many_sizes(self) -> None:
        images = [pattern(20, 10), pattern(5, 30), pattern(16, 16).astype(np.float32)]
        batch = to_batch_tensor(images, 16)
        assert batch.shape == (3, 16, 16, 3)
        for image, square in zip(images, batch, strict=True):
            np.testing.assert_array_equal(square, to_batch_tensor([image], 16)[0])

    def test_the_input_is_not_changed_and_may_be_read_only(self) -> None:
        image = pattern(20, 10)
        image.flags.writeable = False
        before = image.copy()
        to_batch_tensor([image], 10)
        np.testing.assert_array_equal(image, before)

    def test_a_view_with_strides(self) -> None:
        image = pattern(40, 30)
        np.testing.assert_array_equal(
            to_batch_tensor([image[::2, ::-2]], 24), to_batch_tensor([np.ascontiguousarray(image[::2, ::-2])], 24)
        )

    def test_empty_and_wrong(self) -> None:
        assert to_batch_tensor([], 8).shape == (0, 8, 8, 3)
        with pytest.raises(InvalidArgument, match=r"expected images \[H,W,3\], got shape \[4, 4, 1\]"):
            to_batch_tensor([np.zeros((4, 4, 1), np.uint8)], 8)
        with pytest.raises(InvalidArgument, match="got \\(0, 0\\)"):
            to_batch_tensor([pattern(4, 4)], 0)


def test_normalize_subtracts_and_does_not_divide() -> None:
    image = pattern(5, 4)
    mean = (122.782, 117.001, 104.298)
    got = normalize(image[np.newaxis], mean)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[0], image.astype(np.float32) - np.array(mean, np.float32))
    with pytest.raises(InvalidArgument, match="expected one mean for each channel"):
        normalize(image, (1.0, 2.0))


@pytest.mark.parametrize(
    ("width", "height", "size", "expected"),
    [
        (61, 40, 416, (416, 273)),
        (512, 512, 512, (512, 512)),
        (37, 512, 512, (37, 512)),
        (4, 3, 2, (2, 2)),  # 1.5 is rounded up
        (1, 5000, 512, (1, 512)),  # not 0
    ],
)
def test_compute_reshaped_dimensions(width: int, height: int, size: int, expected: tuple[int, int]) -> None:
    reshaped = compute_reshaped_dimensions(width, height, size)
    assert (reshaped.width, reshaped.height) == expected


class TestNetInput:
    def test_one_photo_is_no_batch_input(self) -> None:
        net_input = to_net_input(np.zeros((4, 6, 3), np.uint8))
        assert (net_input.batch_size, net_input.is_batch_input, net_input.input_dimensions) == (1, False, [(4, 6, 3)])

    def test_four_dimensions_with_one_photo(self) -> None:
        net_input = to_net_input(np.zeros((1, 4, 6, 3), np.uint8))
        assert (net_input.batch_size, net_input.is_batch_input, net_input.input_dimensions) == (1, False, [(4, 6, 3)])

    def test_a_list_is_a_batch_input(self) -> None:
        photo = np.zeros((40, 60, 3), np.uint8)
        assert to_net_input([photo]).is_batch_input
        assert to_net_input((photo, photo)).batch_size == 2
        assert not NetInput([photo]).is_batch_input
        assert NetInput([photo, photo]).is_batch_input
        assert NetInput([photo], True).is_batch_input

    def test_a_net_input_passes_through(self) -> None:
        net_input = to_net_input(np.zeros((4, 6, 3), np.uint8))
        assert to_net_input(net_input) is net_input

    def test_members(self) -> None:
        images = [pattern(61, 40), pattern(30, 50)]
        net_input = to_net_input(images)
        assert [net_input.get_input_height(i) for i in range(2)] == [40, 50]
        assert [net_input.get_input_width(i) for i in range(2)] == [61, 30]
        assert net_input.get_input_dimensions(1) == (50, 30, 3)
        np.testing.assert_array_equal(net_input.get_input(1), images[1])
        np.testing.assert_array_equal(net_input.image_tensors[0], images[0])
        assert net_input.input_size is None
        with pytest.raises(InvalidArgument, match="to_batch_tensor"):
            net_input.get_reshaped_input_dimensions(0)
        np.testing.assert_array_equal(net_input.to_batch_tensor(416, False), to_batch_tensor(images, 416, False))
        assert net_input.input_size == 416
        assert [(d.width, d.height) for d in net_input.reshaped_input_dimensions] == [(416, 273), (250, 416)]
        np.testing.assert_array_equal(net_input.to_batch_tensor(32), to_batch_tensor(images, 32, True))
        assert repr(net_input) == "NetInput(batch_size=2, input_dimensions=[(40, 61, 3), (50, 30, 3)])"


class TestCrops:
    @pytest.mark.parametrize(
        ("box", "expected"),
        [
            ((-3.3, -2.2, 10.5, 10.5), (0, 0, 7, 8)),
            ((55.5, 35.5, 10, 10), (55, 35, 4, 4)),
            ((10.7, 10.7, 5.6, 5.6), (10, 10, 5, 5)),
            ((0, 0, 60, 40), (0, 0, 60, 40)),
        ],
    )
    def test_crop_rect_is_face_apis(self, box: tuple[float, ...], expected: tuple[int, ...]) -> None:
        assert crop_rect(Rect(*box), 60, 40) == expected

    def test_crop_rect_is_clip_at_image_borders(self) -> None:
        rng = np.random.default_rng(5)
        compared = 0
        for x, y, width, height in rng.uniform([-20, -20, 0, 0], [70, 50, 60, 60], (500, 4)):
            clipped = Rect(x, y, width, height).clip_at_image_borders(60, 40)
            if clipped.width > 0 and clipped.height > 0:
                assert crop_rect(Rect(x, y, width, height), 60, 40) == (clipped.x, clipped.y, clipped.width, clipped.height)
                compared += 1
        assert compared > 200

    @pytest.mark.parametrize(
        "box",
        [(70, 10, 5, 5), (-10, 10, 5, 5), (10, 10, 0.4, 0.4), (-5, -5, 5, 5), (61, 10, 1, 1), (5, 5, -1, -1)],
    )
    def test_no_pixel_is_an_error(self, box: tuple[float, ...]) -> None:
        sides = dict(zip(("x", "y", "width", "height"), box, strict=True))
        with pytest.raises(InvalidArgument, match="at least one pixel inside the 60x40 image, got x="):
            extract_face_tensors(np.zeros((40, 60, 3), np.uint8), [Box(sides)])

    def test_not_finite_is_an_error(self) -> None:
        class Wild:
            x, y, width, height = math.nan, 0.0, 10.0, math.inf

        with pytest.raises(InvalidArgument, match="got x=nan"):
            crop_rect(Wild(), 60, 40)

    def test_no_box_is_an_error(self) -> None:
        with pytest.raises(InvalidType, match="expected a box with x, y, width and height, got str"):
            extract_faces(np.zeros((40, 60, 3), np.uint8), ["left"])
        with pytest.raises(InvalidType, match="expected a list of detections or boxes, got Rect"):
            extract_faces(np.zeros((40, 60, 3), np.uint8), Rect(0, 0, 5, 5))  # type: ignore[arg-type]

    def test_crops_are_copies(self) -> None:
        photo = pattern(60, 40)
        (crop,) = extract_face_tensors(photo, [Rect(10.9, 5.2, 20.1, 30.9)])
        np.testing.assert_array_equal(crop, photo[5:35, 10:30])
        crop[:] = 0
        assert photo[5:35, 10:30].any()

    def test_no_detections(self) -> None:
        assert extract_face_tensors(pattern(6, 4), []) == []
        assert extract_faces(pattern(6, 4), []) == []

    def test_a_detection_is_scaled_to_the_photo(self) -> None:
        detection = FaceDetection(0.9, Rect(0.25, 0.25, 0.5, 0.5), (600, 400))
        (crop,) = extract_face_tensors(pattern(60, 40), [detection])
        np.testing.assert_array_equal(crop, pattern(60, 40)[10:30, 15:45])

    def test_only_extract_faces_floors_a_detection_first(self) -> None:
        detection = FaceDetection(0.9, Rect(-3.5 / 60, 10.5 / 40, 8.9 / 60, 10.9 / 40), (60, 40))
        photo = pattern(60, 40)
        (tensor,) = extract_face_tensors(photo, [detection])
        (face,) = extract_faces(photo, [detection])
        assert tensor.shape == (10, 5, 3)  # -3.5 + 8.9 = 5.4 pixels are inside
        assert face.size == (4, 10)  # -4 + 8 = 4 are
        np.testing.assert_array_equal(np.asarray(face), photo[10:20, 0:4])

    def test_a_plain_box_is_not_floored_first(self) -> None:
        (face,) = extract_faces(pattern(60, 40), [Rect(-3.5, 10.5, 8.9, 10.9)])
        assert face.size == (5, 10)

    def test_float_pixels_become_bytes_by_rounding_half_up(self) -> None:
        photo = np.full((4, 6, 3), 10.5, np.float32)
        (face,) = extract_faces(photo, [Rect(0, 0, 6, 4)])
        assert face.mode == "RGB"
        assert face.getpixel((0, 0)) == (11, 11, 11)
        assert extract_face_tensors(photo, [Rect(0, 0, 6, 4)])[0].dtype == np.float32

    def test_net_input(self) -> None:
        photo = pattern(6, 4)
        assert extract_faces(to_net_input(photo), [Rect(0, 0, 3, 2)])[0].size == (3, 2)
        with pytest.raises(InvalidArgument, match="extract_face_tensors: expected one photo, got a batch of 2"):
            extract_face_tensors(to_net_input([photo, photo]), [])
